//! `meta/info.json`: what the dataset is, and where its files lie.

use crate::error::{DatasetError, IoContext};
use crate::feature::{DEFAULT_KEYS, Feature, FeatureKind, Features};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

const CODEBASE_VERSION: &str = "v3.0";
const DATA_PATH: &str = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
/// Files a folder holds before the next one is begun.
const CHUNKS_SIZE: usize = 1000;

/// The parts of `info.json` that this package works with.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub fps: u32,
    pub robot_type: Option<String>,
    pub features: Features,
    pub total_episodes: usize,
    pub total_frames: usize,
    pub total_tasks: usize,
}

/// `info.json` as it is written.
#[derive(Serialize, Deserialize)]
struct InfoFile {
    codebase_version: String,
    robot_type: Option<String>,
    total_episodes: usize,
    total_frames: usize,
    total_tasks: usize,
    chunks_size: usize,
    data_files_size_in_mb: u64,
    video_files_size_in_mb: u64,
    fps: u32,
    splits: BTreeMap<String, String>,
    data_path: String,
    video_path: Option<String>,
    features: FeatureEntries,
}

#[derive(Serialize, Deserialize)]
struct FeatureEntry {
    dtype: String,
    shape: Vec<usize>,
    names: Json,
}

/// A JSON object whose order counts: it is the order of the columns.
struct FeatureEntries(Vec<(String, FeatureEntry)>);

impl Serialize for FeatureEntries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, entry)| (key, entry)))
    }
}

impl<'de> Deserialize<'de> for FeatureEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = FeatureEntries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of features")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FeatureEntries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(FeatureEntries(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl Info {
    /// Where `info.json` is.
    pub fn path(root: &Path) -> PathBuf {
        root.join("meta/info.json")
    }

    /// Reads and checks `info.json`.
    pub fn read(root: &Path) -> Result<Self, DatasetError> {
        let path = Self::path(root);
        let text = fs::read_to_string(&path).at("read", &path)?;
        Self::parse(&text).map_err(|reason| DatasetError::Description { path, reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: InfoFile = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if file.codebase_version != CODEBASE_VERSION {
            return Err(format!(
                "codebase_version is {:?}, this program reads {CODEBASE_VERSION:?}",
                file.codebase_version
            ));
        }
        if file.data_path != DATA_PATH || file.chunks_size != CHUNKS_SIZE {
            return Err(format!(
                "data_path {:?} with chunks_size {} is not supported, only {DATA_PATH:?} with \
                 {CHUNKS_SIZE}",
                file.data_path, file.chunks_size
            ));
        }
        if file.fps == 0 {
            return Err("fps is 0".to_owned());
        }
        for key in DEFAULT_KEYS {
            if !file.features.0.iter().any(|(found, _)| found == key) {
                return Err(format!("the feature {key:?} is missing"));
            }
        }
        let own = file.features.0.iter().filter(|(key, _)| !DEFAULT_KEYS.contains(&key.as_str()));
        let features = own
            .map(|(key, entry)| Ok((key.clone(), entry.kind(key)?)))
            .collect::<Result<Vec<_>, String>>()?;
        Ok(Self {
            fps: file.fps,
            robot_type: file.robot_type,
            features: Features::new(features).map_err(|e| e.to_string())?,
            total_episodes: file.total_episodes,
            total_frames: file.total_frames,
            total_tasks: file.total_tasks,
        })
    }

    /// The bytes of `info.json`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let entries = self.features.with_defaults();
        let splits = (self.total_episodes > 0)
            .then(|| ("train".to_owned(), format!("0:{}", self.total_episodes)));
        let file = InfoFile {
            codebase_version: CODEBASE_VERSION.to_owned(),
            robot_type: self.robot_type.clone(),
            total_episodes: self.total_episodes,
            total_frames: self.total_frames,
            total_tasks: self.total_tasks,
            chunks_size: CHUNKS_SIZE,
            data_files_size_in_mb: 100,
            video_files_size_in_mb: 200,
            fps: self.fps,
            splits: splits.into_iter().collect(),
            data_path: DATA_PATH.to_owned(),
            video_path: None,
            features: FeatureEntries(
                entries.iter().map(|f| (f.key.clone(), FeatureEntry::of(f))).collect(),
            ),
        };
        let mut bytes =
            serde_json::to_vec_pretty(&file).expect("plain data with text keys serialises");
        bytes.push(b'\n');
        bytes
    }
}

impl FeatureEntry {
    fn of(feature: &Feature) -> Self {
        let default = DEFAULT_KEYS.contains(&feature.key.as_str());
        let (shape, names) = match &feature.kind {
            FeatureKind::Image { height, width } => {
                (vec![*height as usize, *width as usize, 3], json!(["height", "width", "channels"]))
            }
            FeatureKind::Float32 { names } | FeatureKind::Float64 { names } if !default => {
                (vec![names.len()], json!(names))
            }
            _ => (vec![1], Json::Null),
        };
        Self { dtype: feature.kind.dtype().to_owned(), shape, names }
    }

    fn kind(&self, key: &str) -> Result<FeatureKind, String> {
        let names = || match (&self.names, &self.shape[..]) {
            (Json::Array(names), [n]) if names.len() == *n => Ok(names
                .iter()
                .map(|name| name.as_str().map_or_else(|| name.to_string(), str::to_owned))
                .collect()),
            (_, [n]) => Ok((0..*n).map(|i| i.to_string()).collect()),
            _ => Err(format!("{key:?}: only vectors are supported, not shape {:?}", self.shape)),
        };
        match (self.dtype.as_str(), &self.shape[..]) {
            ("image", [height, width, 3]) => Ok(FeatureKind::Image {
                height: u32::try_from(*height).map_err(|e| e.to_string())?,
                width: u32::try_from(*width).map_err(|e| e.to_string())?,
            }),
            ("float32", _) => Ok(FeatureKind::Float32 { names: names()? }),
            ("float64", _) => Ok(FeatureKind::Float64 { names: names()? }),
            ("bool", [1]) => Ok(FeatureKind::Bool),
            ("int64", [1]) => Ok(FeatureKind::Int64),
            (dtype, shape) => {
                Err(format!("{key:?}: dtype {dtype:?} of shape {shape:?} is not supported"))
            }
        }
    }
}

/// Place of one parquet file in its tree: `chunk-xxx/file-yyy.parquet`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FilePlace {
    pub chunk: usize,
    pub file: usize,
}

impl FilePlace {
    /// The place after this one.
    pub fn next(self) -> Self {
        if self.file + 1 < CHUNKS_SIZE {
            Self { file: self.file + 1, ..self }
        } else {
            Self { chunk: self.chunk + 1, file: 0 }
        }
    }

    /// The data file at this place.
    pub fn data(self, root: &Path) -> PathBuf {
        root.join("data").join(self.relative())
    }

    /// The file of episode metadata at this place.
    pub fn episodes(self, root: &Path) -> PathBuf {
        root.join("meta/episodes").join(self.relative())
    }

    fn relative(self) -> String {
        format!("chunk-{:03}/file-{:03}.parquet", self.chunk, self.file)
    }

    /// The place that a path `.../chunk-xxx/file-yyy.parquet` names.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let file = name.strip_prefix("file-")?.strip_suffix(".parquet")?.parse().ok()?;
        let folder = path.parent()?.file_name()?.to_str()?;
        Some(Self { chunk: folder.strip_prefix("chunk-")?.parse().ok()?, file })
    }
}
