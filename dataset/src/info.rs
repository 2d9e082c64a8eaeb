//! `meta/info.json`: what the dataset is, and where its files lie.
//!
//! What others keep in it, known to this package or not, survives: only totals and the split
//! `train` are ever changed in a file that is there.

use crate::described::FeatureInfo;
use crate::error::{DatasetError, IoContext};
use crate::feature::{DEFAULT_KEYS, Feature, FeatureKind, Features};
use crate::json;
use crate::layout::{CHUNKS_SIZE, DATA_PATH, PathTemplate, VIDEO_PATH};
use crate::tree::Tree;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const CODEBASE_VERSION: &str = "v3.0";
/// The order in which lerobot writes the keys that it knows.
const KEY_ORDER: [&str; 13] = [
    "codebase_version",
    "robot_type",
    "total_episodes",
    "total_frames",
    "total_tasks",
    "chunks_size",
    "data_files_size_in_mb",
    "video_files_size_in_mb",
    "fps",
    "splits",
    "data_path",
    "video_path",
    "features",
];

/// How much there is of a dataset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub episodes: usize,
    pub frames: usize,
    pub tasks: usize,
}

/// The parts of `info.json` that this package works with.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub fps: f64,
    pub robot_type: Option<String>,
    /// All features but the default columns, in the file's order.
    pub described: Vec<FeatureInfo>,
    /// Those of them that can be read.
    pub features: Features,
    /// What the file says there is; a key that it lacks is lerobot's 0, which says nothing.
    pub total_episodes: Option<usize>,
    pub total_frames: Option<usize>,
    pub chunks_size: usize,
    pub data_path: PathTemplate,
    pub video_path: PathTemplate,
    document: Document,
}

/// The file itself.
#[derive(Clone, Debug)]
struct Document {
    keys: Map<String, Json>,
    /// The features as they are written: their order is that of the columns, and the order within
    /// their names that of the numbers.
    features: Tree,
}

impl Info {
    /// Where `info.json` is.
    pub fn path(root: &Path) -> PathBuf {
        root.join("meta/info.json")
    }

    /// The description of a dataset to be made.
    pub fn new(fps: u32, robot_type: &str, features: &Features) -> Result<Self, String> {
        let columns = features.with_defaults();
        let entries: Map<String, Json> =
            columns.iter().map(|f| (f.key.clone(), entry_of(f))).collect();
        let keys = json!({
            "codebase_version": CODEBASE_VERSION,
            "robot_type": robot_type,
            "total_episodes": 0,
            "total_frames": 0,
            "total_tasks": 0,
            "chunks_size": CHUNKS_SIZE,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": fps,
            "splits": {},
            "data_path": DATA_PATH,
            "video_path": null,
            "features": entries,
        });
        let in_order = columns.iter().map(|f| (f.key.clone(), entry_of(f).into()));
        let features = Tree::Object(in_order.collect());
        let Json::Object(keys) = keys else { unreachable!("written as an object above") };
        Self::of(Document { keys, features })
    }

    /// Reads and checks `info.json`.
    pub fn read(root: &Path) -> Result<Self, DatasetError> {
        let path = Self::path(root);
        let bytes = match fs::read(&path) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Err(DatasetError::NotADataset {
                    root: root.to_owned(),
                    reason: match root.is_dir() {
                        true => "the file meta/info.json does not exist in it".to_owned(),
                        false if root.exists() => "it is no folder".to_owned(),
                        false => "it does not exist, nor does its meta/info.json".to_owned(),
                    },
                });
            }
            result => result.at("read", &path)?,
        };
        Self::parse(&bytes, root).map_err(|reason| DatasetError::Description { path, reason })
    }

    fn parse(bytes: &[u8], root: &Path) -> Result<Self, String> {
        let keys = match json::parse(bytes)? {
            Json::Object(keys) => keys,
            other => return Err(format!("the file holds {}, not an object", json::kind(&other))),
        };
        version(&keys, root)?;
        let order = json::relaxed(bytes)?;
        let Order { features } = serde_json::from_str(&order).unwrap_or_default();
        if !matches!(features, Tree::Object(_)) {
            return Err("\"features\" is not an object of features".to_owned());
        }
        Self::of(Document { keys, features })
    }

    fn of(document: Document) -> Result<Self, String> {
        let key = |key: &str| document.keys.get(key).unwrap_or(&Json::Null);
        let fault = |name: &str, wanted: &str| {
            format!("\"{name}\" is {}, not {wanted}", json::kind(key(name)))
        };
        let fps = json::number(key("fps")).filter(|fps| fps.is_finite() && *fps > 0.0);
        let fps = fps.ok_or_else(|| fault("fps", "a rate in rows a second"))?;
        let keys = document.features.keys();
        // Rows are found without `index`: only who adds to them needs it.
        let mut needed = DEFAULT_KEYS.iter().filter(|key| **key != "index");
        if let Some(default) = needed.find(|key| !keys.contains(key)) {
            return Err(format!("the feature \"{default}\" is missing, which the format asks for"));
        }
        let own = keys;
        let own = own.into_iter().filter(|key| !DEFAULT_KEYS.contains(key));
        let described: Vec<FeatureInfo> = own.map(|name| document.described(name)).collect();
        let total = |name: &str| match key(name) {
            Json::Null => Ok(None),
            value => json::count(value).map(Some).ok_or_else(|| fault(name, "a count")),
        };
        let template = |name: &str, default: &str| {
            let text = match key(name) {
                Json::Null => default,
                value => value.as_str().ok_or_else(|| fault(name, "a path"))?,
            };
            PathTemplate::parse(text)
                .map_err(|reason| format!("\"{name}\" (\"{}\") {reason}", json::shortened(text)))
        };
        let chunks_size = total("chunks_size")?.unwrap_or(CHUNKS_SIZE);
        if chunks_size == 0 {
            return Err(fault("chunks_size", "1 or more"));
        }
        Ok(Self {
            fps,
            robot_type: key("robot_type").as_str().map(str::to_owned),
            features: readable(&described),
            described,
            total_episodes: total("total_episodes")?,
            total_frames: total("total_frames")?,
            chunks_size,
            data_path: template("data_path", DATA_PATH)?,
            video_path: template("video_path", VIDEO_PATH)?,
            document,
        })
    }

    /// Whole rows a second, as datasets are recorded at.
    pub fn whole_fps(&self) -> Option<u32> {
        (self.fps.fract() == 0.0 && self.fps <= f64::from(u32::MAX)).then_some(self.fps as u32)
    }

    /// What keeps this package from adding episodes to the dataset, if anything does.
    pub fn hindrance(&self) -> Option<String> {
        if self.whole_fps().is_none() {
            return Some(format!("its rate, {} rows a second, is not a whole number", self.fps));
        }
        if Ok(&self.data_path) != PathTemplate::parse(DATA_PATH).as_ref() {
            return Some("its data_path is another than lerobot's own".to_owned());
        }
        if let Some(video) = self.described.iter().find(|feature| feature.is_video()) {
            let key = &video.key;
            return Some(format!(
                "the pictures of \"{key}\" are videos, and this program writes none"
            ));
        }
        let unfit = |f: &FeatureInfo| Some(format!("\"{}\": {}", f.key, f.writable().err()?));
        self.described.iter().find_map(unfit).or_else(|| {
            let defaults = Features::defaults();
            defaults.iter().find_map(|default| {
                if !self.document.features.keys().contains(&default.key.as_str()) {
                    let key = &default.key;
                    return Some(format!("its info.json does not describe the column \"{key}\""));
                }
                let found = self.document.described(&default.key);
                let right = found.dtype == default.kind.dtype() && found.shape == [1];
                (!right).then(|| format!("\"{}\" is {}", default.key, found.words()))
            })
        })
    }

    /// What the file said of its size when it was read.
    pub fn published(&self) -> Totals {
        let count = |key: &str| self.document.keys.get(key).and_then(json::count).unwrap_or(0);
        Totals {
            episodes: count("total_episodes"),
            frames: count("total_frames"),
            tasks: count("total_tasks"),
        }
    }

    /// The bytes of `info.json` for these totals.
    pub fn to_bytes(&self, totals: &Totals) -> Vec<u8> {
        let mut keys = self.document.keys.clone();
        keys.insert("total_episodes".to_owned(), json!(totals.episodes));
        keys.insert("total_frames".to_owned(), json!(totals.frames));
        keys.insert("total_tasks".to_owned(), json!(totals.tasks));
        self.extend_train(&mut keys, totals.episodes);
        render(&keys, &self.document.features)
    }

    /// The bytes of `info.json` with `change` made to its keys and, by name, to its features.
    pub fn edited(
        &self,
        totals: &Totals,
        change: impl FnOnce(&mut Map<String, Json>),
        features: impl Fn(&str, &mut Tree),
    ) -> Vec<u8> {
        let mut document = self.document.clone();
        let keys = &mut document.keys;
        keys.insert("total_episodes".to_owned(), json!(totals.episodes));
        keys.insert("total_frames".to_owned(), json!(totals.frames));
        keys.insert("total_tasks".to_owned(), json!(totals.tasks));
        change(keys);
        if let Tree::Object(entries) = &mut document.features {
            entries.iter_mut().for_each(|(key, entry)| features(key, entry));
        }
        render(&document.keys, &document.features)
    }

    /// The splits of the dataset by name, where they are ranges of episodes.
    pub fn splits(&self) -> Vec<(String, std::ops::Range<usize>)> {
        let Some(splits) = self.document.keys.get("splits").and_then(Json::as_object) else {
            return Vec::new();
        };
        let of = |(name, split): (&String, &Json)| {
            let (begin, end) = range(split.as_str()?)?;
            Some((name.clone(), begin..end))
        };
        splits.iter().filter_map(of).collect()
    }

    /// As lerobot does, new episodes belong to `train`: if it reaches to the end, or if there is
    /// no split at all. One that ends earlier leaves room for another split, and stays.
    fn extend_train(&self, keys: &mut Map<String, Json>, episodes: usize) {
        let splits = keys.entry("splits").or_insert_with(|| json!({}));
        let Json::Object(splits) = splits else { return };
        let before = self.published().episodes;
        let begin = match splits.get("train").map(|train| train.as_str().and_then(range)) {
            Some(Some((begin, end))) if end == before => begin,
            None if splits.is_empty() => 0,
            _ => return,
        };
        if episodes > 0 {
            splits.insert("train".to_owned(), json!(format!("{begin}:{episodes}")));
        }
    }
}

/// The text of the file, its keys in lerobot's order.
fn render(keys: &Map<String, Json>, features: &Tree) -> Vec<u8> {
    let known = KEY_ORDER.iter().filter_map(|key| Some((*key, keys.get(*key)?)));
    let others = keys.iter().filter(|(key, _)| !KEY_ORDER.contains(&key.as_str()));
    let entries = known.chain(others.map(|(key, value)| (key.as_str(), value)));
    let entry = |(key, value)| match key {
        "features" => (key, Entry::InOrder(features)),
        _ => (key, Entry::Plain(value)),
    };
    let ordered = Ordered(entries.map(entry).collect());
    json::to_text(&ordered).into_bytes()
}

impl Document {
    /// One of the features.
    fn described(&self, key: &str) -> FeatureInfo {
        let entry = &self.keys["features"][key];
        FeatureInfo::parse(key, entry, self.features.get(key).get("names"))
    }
}

/// Those of a dataset's features that can be read.
fn readable(described: &[FeatureInfo]) -> Features {
    let kinds = described.iter().filter_map(|info| Some((info, info.kind()?)));
    let feature = |(info, kind): (&FeatureInfo, &FeatureKind)| Feature {
        key: info.key.clone(),
        kind: kind.clone(),
    };
    Features::found(kinds.map(feature).collect())
}

/// The two ends of `"0:12"`.
fn range(text: &str) -> Option<(usize, usize)> {
    let (begin, end) = text.split_once(':')?;
    Some((begin.trim().parse().ok()?, end.trim().parse().ok()?))
}

/// Whether the version is one that means what this package reads; the remedy otherwise.
fn version(keys: &Map<String, Json>, root: &Path) -> Result<(), String> {
    let Some(version) = keys.get("codebase_version") else { return Ok(()) };
    let version = version.as_str().unwrap_or_default();
    let numbers = version.trim_start_matches(['v', 'V']);
    let mut numbers = numbers.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten().unwrap_or(0)) {
        (Some(3), _) => Ok(()),
        (Some(2), 1) => Err(format!(
            "codebase_version is {version}, and v3 is needed: lerobot converts it with `python -m \
             lerobot.scripts.convert_dataset_v21_to_v30 --repo-id=NAME --root={} \
             --push-to-hub=false`",
            root.display()
        )),
        (Some(0..=2), _) => Err(format!(
            "codebase_version is {version}, and v3 is needed: lerobot 0.3 brings it to v2.1, and \
             from there `python -m lerobot.scripts.convert_dataset_v21_to_v30` of lerobot 0.6 to v3"
        )),
        (Some(_), _) => {
            Err(format!("codebase_version is {version}, newer than the v3 that this program reads"))
        }
        (None, _) => Err(format!(
            "codebase_version is {}, not a version such as v3.0",
            json::kind(&keys["codebase_version"])
        )),
    }
}

fn entry_of(feature: &Feature) -> Json {
    let default = DEFAULT_KEYS.contains(&feature.key.as_str());
    let (shape, names) = match &feature.kind {
        FeatureKind::Image { height, width } => {
            (json!([height, width, 3]), json!(["height", "width", "channels"]))
        }
        FeatureKind::Float32 { names } | FeatureKind::Float64 { names } if !default => {
            (json!([names.len()]), json!(names))
        }
        _ => (json!([1]), Json::Null),
    };
    json!({"dtype": feature.kind.dtype(), "shape": shape, "names": names})
}

/// For the order within the features alone.
#[derive(Deserialize)]
struct Order {
    features: Tree,
}

impl Default for Order {
    fn default() -> Self {
        Self { features: Json::Null.into() }
    }
}

/// An object whose keys are written in this order.
struct Ordered<'a, T>(Vec<(&'a str, T)>);

impl<T: Serialize> Serialize for Ordered<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// A value of the file.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Plain(&'a Json),
    InOrder(&'a Tree),
}
