//! Reading: one episode at a time, only the columns that are asked for, from this package's
//! datasets and from lerobot's own (several episodes in a file) as long as they hold no video.
//!
//! A dataset that is being recorded can be read: `info.json` says how many episodes are complete.

use crate::error::DatasetError;
use crate::feature::{Feature, FeatureKind, Features};
use crate::image;
use crate::info::{FilePlace, Info};
use crate::meta::{self, EpisodeNotes, EpisodeRecord};
use crate::repair::parquet_files;
use crate::stats::quantile_of_sorted;
use crate::table::{self, StoredColumn};
use jaco_core::{ACTION_DIMS, ActionStatistics};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

/// A dataset opened for reading.
#[derive(Clone, Debug)]
pub struct Dataset {
    root: PathBuf,
    info: Info,
    tasks: Vec<String>,
    episodes: Vec<EpisodeInfo>,
}

/// Where an episode is, without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeInfo {
    /// Number of the episode, from 0.
    pub index: usize,
    /// Text of its task.
    pub task: String,
    /// Rows.
    pub length: usize,
    /// Number of its first row over the whole dataset.
    pub first_row: usize,
    pub(crate) data: FilePlace,
    /// Rows of other episodes before it in its file.
    pub(crate) offset: usize,
}

/// One episode's rows, by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Number of the episode, from 0.
    pub index: usize,
    /// Text of its task.
    pub task: String,
    /// Rows.
    pub length: usize,
    /// The columns that were asked for.
    pub columns: BTreeMap<String, Column>,
    root: PathBuf,
}

/// One column of an episode.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Pictures.
    Images(Images),
    /// Vectors of 32-bit floats.
    F32(Vectors<f32>),
    /// Vectors of 64-bit floats.
    F64(Vectors<f64>),
    /// Truth values.
    Bool(Vec<bool>),
    /// Integers.
    I64(Vec<i64>),
}

/// Decoded pictures of one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// Height \[pixels\].
    pub height: u32,
    /// Width \[pixels\].
    pub width: u32,
    /// Per row `height * width * 3` bytes: rows from the top, red green blue.
    pub frames: Vec<Arc<[u8]>>,
}

/// Vectors of equal length, one per row.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors<T> {
    /// Numbers per row.
    pub dims: usize,
    /// All numbers, row by row.
    pub values: Vec<T>,
}

impl<T> Vectors<T> {
    /// The vector of row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> &[T] {
        &self.values[i * self.dims..(i + 1) * self.dims]
    }

    /// The vectors in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, T> {
        self.values.chunks_exact(self.dims)
    }
}

/// True 1 % and 99 % quantiles of a feature over all rows of a dataset, one entry a dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    /// 1 % quantile.
    pub q01: Vec<f64>,
    /// 99 % quantile.
    pub q99: Vec<f64>,
}

impl Dataset {
    /// Opens the dataset in `root`. Reads metadata only.
    pub fn open(root: &Path) -> Result<Self, DatasetError> {
        let info = Info::read(root)?;
        let tasks = meta::read_tasks(root)?;
        let folder = root.join("meta/episodes");
        let mut records = Vec::new();
        for path in parquet_files(&folder)? {
            if records.len() >= info.total_episodes {
                break;
            }
            records.extend(EpisodeRecord::read_file(&path, &[], false)?);
        }
        records.truncate(info.total_episodes);
        let mut episodes: Vec<EpisodeInfo> = Vec::new();
        let mut first_in_file = BTreeMap::new();
        let mut rows = 0;
        for record in records {
            let EpisodeRecord { index, task, length, data, from, .. } = record;
            if index != episodes.len() || from != rows {
                return Err(DatasetError::Inconsistent {
                    path: folder,
                    reason: format!(
                        "entry {} is episode {index} from row {from}, expected from row {rows}",
                        episodes.len()
                    ),
                    remedy: "run `repair`",
                });
            }
            rows += length;
            let offset = from - *first_in_file.entry(data).or_insert(from);
            episodes.push(EpisodeInfo { index, task, length, first_row: from, data, offset });
        }
        if (episodes.len(), rows) != (info.total_episodes, info.total_frames) {
            return Err(DatasetError::Inconsistent {
                path: folder,
                reason: format!(
                    "lists {} episodes with {rows} rows, but info.json says {} with {}",
                    episodes.len(),
                    info.total_episodes,
                    info.total_frames
                ),
                remedy: "run `repair`",
            });
        }
        Ok(Self { root: root.to_owned(), info, tasks, episodes })
    }

    /// The folder of the dataset.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Rows per second.
    pub fn fps(&self) -> u32 {
        self.info.fps
    }

    /// Robot that the dataset is of.
    pub fn robot_type(&self) -> Option<&str> {
        self.info.robot_type.as_deref()
    }

    /// The features, without the default columns.
    pub fn features(&self) -> &Features {
        &self.info.features
    }

    /// All episodes, by number.
    pub fn episodes(&self) -> &[EpisodeInfo] {
        &self.episodes
    }

    /// The texts of all tasks, by `task_index`.
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }

    /// Rows of all episodes.
    pub fn total_frames(&self) -> usize {
        self.info.total_frames
    }

    /// The notes of episode `index`.
    pub fn notes(&self, index: usize) -> Result<EpisodeNotes, DatasetError> {
        self.episode(index)?;
        meta::read_notes(&self.root, index)
    }

    /// The features of episode `index`, without the default columns.
    pub fn read_episode(&self, index: usize) -> Result<Episode, DatasetError> {
        let keys: Vec<&str> = self.info.features.iter().map(|f| f.key.as_str()).collect();
        self.read_columns(index, &keys)
    }

    /// The columns `keys` of episode `index`; others are not decoded.
    pub fn read_columns(&self, index: usize, keys: &[&str]) -> Result<Episode, DatasetError> {
        let episode = self.episode(index)?;
        let all = self.info.features.with_defaults();
        let wanted = keys
            .iter()
            .map(|key| {
                let feature = all.iter().find(|feature| feature.key == *key).cloned();
                feature.ok_or_else(|| no_such_feature(&self.root, key, "any", &all))
            })
            .collect::<Result<Vec<Feature>, _>>()?;
        let stored = self.read_stored(episode, &wanted)?;
        let mut columns = BTreeMap::new();
        for (feature, column) in wanted.into_iter().zip(stored) {
            let column = decode(&feature, column).map_err(|(frame, reason)| {
                let path = episode.data.data(&self.root);
                let reason = format!("episode {index}, frame {frame}: {reason}");
                DatasetError::Column { path, column: feature.key.clone(), reason }
            })?;
            columns.insert(feature.key, column);
        }
        let (task, length, root) = (episode.task.clone(), episode.length, self.root.clone());
        Ok(Episode { index, task, length, columns, root })
    }

    /// Reads the columns `keys` of the episodes `range` on `threads` threads and hands each
    /// episode to `each` in order, on the calling thread. At most two decoded episodes per
    /// thread wait in memory. Ends at the first error.
    pub fn read_episodes<E: From<DatasetError>>(
        &self,
        range: Range<usize>,
        keys: &[&str],
        threads: usize,
        mut each: impl FnMut(Episode) -> Result<(), E>,
    ) -> Result<(), E> {
        let threads = threads.clamp(1, range.len().max(1));
        thread::scope(|scope| {
            let lanes: Vec<_> = (0..threads)
                .map(|lane| {
                    let (sender, receiver) = mpsc::sync_channel(1);
                    let indices = range.clone().skip(lane).step_by(threads);
                    scope.spawn(move || {
                        for index in indices {
                            // Sending fails when the caller has stopped.
                            if sender.send(self.read_columns(index, keys)).is_err() {
                                return;
                            }
                        }
                    });
                    receiver
                })
                .collect();
            for i in 0..range.len() {
                let episode = lanes[i % threads].recv();
                each(episode.expect("a lane sends one result per index, or panics")?)?;
            }
            Ok(())
        })
    }

    /// The true quantiles of the float feature `key` over all rows (`stats.json` holds means of
    /// the episodes' quantiles). Linear interpolation, as numpy's.
    pub fn quantiles(&self, key: &str) -> Result<Quantiles, DatasetError> {
        let mut columns: Vec<Vec<f64>> = Vec::new();
        for episode in &self.episodes {
            let episode = self.read_columns(episode.index, &[key])?;
            let (dims, values): (usize, Vec<f64>) = match &episode.columns[key] {
                Column::F32(v) => (v.dims, v.values.iter().map(|&x| f64::from(x)).collect()),
                Column::F64(v) => (v.dims, v.values.clone()),
                _ => return Err(self.absent(key, "float32 or float64")),
            };
            columns.resize(dims, Vec::new());
            for (i, value) in values.into_iter().enumerate() {
                columns[i % dims].push(value);
            }
        }
        if columns.is_empty() {
            let (root, count) = (self.root.clone(), 0);
            return Err(DatasetError::NoSuchEpisode { root, index: 0, count });
        }
        let mut quantile = |q: f64| -> Vec<f64> {
            let columns = columns.iter_mut();
            columns
                .map(|column| {
                    column.sort_by(f64::total_cmp);
                    quantile_of_sorted(column, q)
                })
                .collect()
        };
        Ok(Quantiles { q01: quantile(0.01), q99: quantile(0.99) })
    }

    /// The statistics by which the actions in the feature `key` are normalised: true quantiles;
    /// the last dimension, the gripper, passes through.
    pub fn action_statistics(&self, key: &str) -> Result<ActionStatistics, DatasetError> {
        let Quantiles { q01, q99 } = self.quantiles(key)?;
        let array = |values: Vec<f64>| {
            <[f64; ACTION_DIMS]>::try_from(values).map_err(|_| self.absent(key, "7 floats"))
        };
        let mut mask = [true; ACTION_DIMS];
        mask[ACTION_DIMS - 1] = false;
        Ok(ActionStatistics { q01: array(q01)?, q99: array(q99)?, mask })
    }

    pub(crate) fn read_stored(
        &self,
        episode: &EpisodeInfo,
        features: &[Feature],
    ) -> Result<Vec<StoredColumn>, DatasetError> {
        let path = episode.data.data(&self.root);
        table::decode_rows(&path, features, episode.offset, episode.length)
    }

    fn episode(&self, index: usize) -> Result<&EpisodeInfo, DatasetError> {
        self.episodes.get(index).ok_or_else(|| DatasetError::NoSuchEpisode {
            root: self.root.clone(),
            index,
            count: self.episodes.len(),
        })
    }

    fn absent(&self, key: &str, kind: &'static str) -> DatasetError {
        no_such_feature(&self.root, key, kind, &self.info.features.with_defaults())
    }
}

fn no_such_feature(root: &Path, key: &str, kind: &'static str, all: &[Feature]) -> DatasetError {
    let present: Vec<String> =
        all.iter().map(|feature| format!("{} ({})", feature.key, feature.kind.dtype())).collect();
    let (root, key, present) = (root.to_owned(), key.to_owned(), present.join(", "));
    DatasetError::NoSuchFeature { root, key, kind, present }
}

/// Images are decoded, the rest is handed on; an error names the frame.
fn decode(feature: &Feature, column: StoredColumn) -> Result<Column, (usize, String)> {
    Ok(match (column, &feature.kind) {
        (StoredColumn::Png(pngs), &FeatureKind::Image { height, width }) => {
            let frames = pngs.iter().enumerate().map(|(frame, png)| {
                image::decode(png, width, height).map(Arc::from).map_err(|e| (frame, e))
            });
            Column::Images(Images { height, width, frames: frames.collect::<Result<_, _>>()? })
        }
        (StoredColumn::Png(_), _) => unreachable!("only image features are stored as PNG"),
        (StoredColumn::F32 { dims, values }, _) => Column::F32(Vectors { dims, values }),
        (StoredColumn::F64 { dims, values }, _) => Column::F64(Vectors { dims, values }),
        (StoredColumn::Bool(values), _) => Column::Bool(values),
        (StoredColumn::I64(values), _) => Column::I64(values),
    })
}

macro_rules! accessor {
    ($name:ident, $variant:ident, $type:ty, $kind:literal, $doc:literal) => {
        #[doc = $doc]
        pub fn $name(&self, key: &str) -> Result<&$type, DatasetError> {
            match self.columns.get(key) {
                Some(Column::$variant(column)) => Ok(column),
                _ => Err(self.absent(key, $kind)),
            }
        }
    };
}

impl Episode {
    accessor!(images, Images, Images, "image", "The pictures of the feature `key`.");
    accessor!(f32s, F32, Vectors<f32>, "float32", "The 32-bit vectors of the feature `key`.");
    accessor!(f64s, F64, Vectors<f64>, "float64", "The 64-bit vectors of the feature `key`.");
    accessor!(bools, Bool, Vec<bool>, "bool", "The truth values of the feature `key`.");
    accessor!(ints, I64, Vec<i64>, "int64", "The integers of the feature `key`.");

    fn absent(&self, key: &str, kind: &'static str) -> DatasetError {
        let present = self.columns.keys().cloned().collect::<Vec<_>>().join(", ");
        let (root, key) = (self.root.clone(), key.to_owned());
        DatasetError::NoSuchFeature { root, key, kind, present }
    }
}
