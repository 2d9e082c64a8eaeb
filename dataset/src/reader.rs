//! Reading: one episode at a time or some rows of it, only the columns that are asked for, from this
//! package's datasets and from everybody's who keeps to LeRobotDataset v3. Pictures are `pictures`'.
//!
//! A dataset that is being recorded can be read: `info.json` says how many episodes are complete.

use crate::column::{Column, Episode, Images, Vectors};
use crate::described::{Content, FeatureInfo};
use crate::error::DatasetError;
use crate::feature::{Feature, FeatureKind, Features};
use crate::info::Info;
use crate::listing::{EpisodeInfo, read_records, resolve};
use crate::notes::{EpisodeNotes, read_notes};
use crate::rows::{EpisodeRows, Expected, RowsCache};
use crate::stats::quantile_of_sorted;
use crate::table::{self, StoredColumn};
use crate::tasks::Tasks;
use crate::video::{VideoTools, Videos};
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
    tasks: Tasks,
    task_texts: Vec<String>,
    episodes: Vec<EpisodeInfo>,
    rows: RowsCache,
    videos: Videos,
}

/// A feature that holds pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera<'a> {
    /// The feature's key.
    pub key: &'a str,
    /// Height \[pixels\].
    pub height: u32,
    /// Width \[pixels\].
    pub width: u32,
    /// Whether the pictures are frames of videos, which ffmpeg decodes.
    pub video: bool,
}

/// True 1 % and 99 % quantiles of a feature over all rows of a dataset, one entry a dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    /// 1 % quantile.
    pub q01: Vec<f64>,
    /// 99 % quantile.
    pub q99: Vec<f64>,
}

/// Some rows of one episode.
pub(crate) struct Part<'a> {
    pub episode: &'a EpisodeInfo,
    /// Number of the first of them in the episode.
    pub first: usize,
    pub rows: EpisodeRows,
    /// Text of each row's task.
    pub tasks: Vec<Arc<str>>,
}

impl Dataset {
    /// Opens the dataset in `root`. Reads metadata only.
    pub fn open(root: &Path) -> Result<Self, DatasetError> {
        let info = Info::read(root)?;
        let tasks = Tasks::read(root)?;
        let rows = RowsCache::default();
        let episodes = resolve(root, &info, &tasks, read_records(root)?, &rows)?;
        let (root, task_texts, videos) = (root.to_owned(), tasks.texts(), Videos::default());
        Ok(Self { root, info, tasks, task_texts, episodes, rows, videos })
    }

    /// This dataset with other programs to decode its videos.
    pub fn with_video_tools(self, tools: VideoTools) -> Self {
        Self { videos: Videos::new(tools), ..self }
    }

    /// The folder of the dataset.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Rows per second, by `info.json`.
    pub fn fps(&self) -> f64 {
        self.info.fps
    }

    /// Robot that the dataset is of.
    pub fn robot_type(&self) -> Option<&str> {
        self.info.robot_type.as_deref()
    }

    /// The features that can be read, without the default columns. Pictures are of the kind
    /// `Image` whether they are embedded or frames of a video.
    pub fn features(&self) -> &Features {
        &self.info.features
    }

    /// All features as `info.json` describes them, also those that cannot be read, without the
    /// default columns.
    pub fn described(&self) -> &[FeatureInfo] {
        &self.info.described
    }

    /// The feature `key` as `info.json` describes it.
    pub fn feature(&self, key: &str) -> Option<&FeatureInfo> {
        self.info.described.iter().find(|feature| feature.key == key)
    }

    /// The features that hold pictures.
    pub fn cameras(&self) -> Vec<Camera<'_>> {
        let cameras = self.info.described.iter().filter_map(|feature| match feature.kind() {
            Some(&FeatureKind::Image { height, width }) => {
                Some(Camera { key: &feature.key, height, width, video: feature.is_video() })
            }
            _ => None,
        });
        cameras.collect()
    }

    /// All episodes, by number.
    pub fn episodes(&self) -> &[EpisodeInfo] {
        &self.episodes
    }

    /// The texts of all tasks, in the order of their `task_index`.
    pub fn tasks(&self) -> &[String] {
        &self.task_texts
    }

    /// Rows of all episodes.
    pub fn total_frames(&self) -> usize {
        self.episodes.iter().fold(0, |all: usize, episode| all.saturating_add(episode.length))
    }

    /// The notes of episode `index`.
    pub fn notes(&self, index: usize) -> Result<EpisodeNotes, DatasetError> {
        self.episode(index)?;
        read_notes(&self.root, index)
    }

    /// The readable features of episode `index`, without the default columns.
    pub fn read_episode(&self, index: usize) -> Result<Episode, DatasetError> {
        let keys: Vec<&str> = self.info.features.iter().map(|f| f.key.as_str()).collect();
        self.read_columns(index, &keys)
    }

    /// The columns `keys` of episode `index`; others are not decoded. No keys at all gives tasks
    /// and timestamps alone.
    pub fn read_columns(&self, index: usize, keys: &[&str]) -> Result<Episode, DatasetError> {
        let length = self.episodes.get(index).map_or(0, |episode| episode.length);
        self.read_rows(index, 0..length, keys)
    }

    /// The columns `keys` of the rows `rows` of episode `index`, as an episode of so many rows.
    /// Of the data file only what holds these rows is read.
    pub fn read_rows(
        &self,
        index: usize,
        rows: Range<usize>,
        keys: &[&str],
    ) -> Result<Episode, DatasetError> {
        let wanted = keys.iter().map(|key| self.wanted(key)).collect::<Result<Vec<_>, _>>()?;
        let part = self.part(index, rows)?;
        let episode = part.episode;
        let task = part.tasks.first();
        let task = task.map_or_else(|| episode.task.clone(), |task| task.to_string());
        let (pictures, stored): (Vec<Feature>, Vec<Feature>) = wanted
            .into_iter()
            .partition(|feature| matches!(feature.kind, FeatureKind::Image { .. }));
        let path = episode.data_path(&self.root, &self.info);
        let range = part.rows.range.clone();
        let found = table::decode_rows(&self.root, &path, &stored, range)?;
        let mut columns = BTreeMap::new();
        for (feature, column) in stored.into_iter().zip(found) {
            let column = match column {
                StoredColumn::F32 { dims, values } => Column::F32(Vectors { dims, values }),
                StoredColumn::F64 { dims, values } => Column::F64(Vectors { dims, values }),
                StoredColumn::Bool(values) => Column::Bool(values),
                StoredColumn::I64(values) => Column::I64(values),
                StoredColumn::Pictures(_) => continue,
            };
            columns.insert(feature.key, column);
        }
        for feature in pictures {
            let FeatureKind::Image { height, width } = feature.kind else { continue };
            let mut frames = Vec::with_capacity(part.rows.range.len());
            self.each_picture(&part, &feature, &mut |_, frame| -> Result<(), DatasetError> {
                frames.push(frame);
                Ok(())
            })?;
            columns.insert(feature.key, Column::Images(Images { height, width, frames }));
        }
        Ok(Episode {
            index,
            task,
            length: part.rows.range.len(),
            timestamps_s: part.rows.timestamps_s,
            tasks: part.tasks,
            columns,
            root: self.root.clone(),
        })
    }

    /// The episode and the row in it of row `row` of the whole dataset.
    pub fn locate(&self, row: usize) -> Option<(usize, usize)> {
        let after = self.episodes.partition_point(|episode| episode.first_row <= row);
        let episode = self.episodes.get(after.checked_sub(1)?)?;
        let within = row - episode.first_row;
        (within < episode.length).then_some((episode.index, within))
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

    /// The columns of an episode as they are stored; none of them may be a video.
    pub(crate) fn read_stored(
        &self,
        episode: &EpisodeInfo,
        features: &[Feature],
    ) -> Result<Vec<StoredColumn>, DatasetError> {
        let rows = self.rows_of(episode)?;
        let path = episode.data_path(&self.root, &self.info);
        table::decode_rows(&self.root, &path, features, rows.range)
    }

    pub(crate) fn info(&self) -> &Info {
        &self.info
    }

    pub(crate) fn videos(&self) -> &Videos {
        &self.videos
    }

    /// Some rows of an episode: where they are, and the tasks of each.
    pub(crate) fn part(
        &self,
        index: usize,
        wanted: Range<usize>,
    ) -> Result<Part<'_>, DatasetError> {
        let episode = self.episode(index)?;
        if wanted.start > wanted.end || wanted.end > episode.length {
            let (root, length) = (self.root.clone(), episode.length);
            let last = wanted.end.saturating_sub(1);
            return Err(DatasetError::NoSuchRow { root, episode: index, row: last, length });
        }
        let mut rows = self.rows_of(episode)?;
        let tasks = self.tasks_of(episode, &rows)?[wanted.clone()].to_vec();
        rows.timestamps_s = rows.timestamps_s[wanted.clone()].to_vec();
        rows.range = rows.range.start + wanted.start..rows.range.start + wanted.end;
        Ok(Part { episode, first: wanted.start, rows, tasks })
    }

    pub(crate) fn episode(&self, index: usize) -> Result<&EpisodeInfo, DatasetError> {
        self.episodes.get(index).ok_or_else(|| DatasetError::NoSuchEpisode {
            root: self.root.clone(),
            index,
            count: self.episodes.len(),
        })
    }

    pub(crate) fn is_video(&self, key: &str) -> bool {
        self.feature(key).is_some_and(FeatureInfo::is_video)
    }

    /// The feature that is asked for, if it can be read.
    pub(crate) fn wanted(&self, key: &str) -> Result<Feature, DatasetError> {
        let all = self.info.features.with_defaults();
        if let Some(feature) = all.into_iter().find(|feature| feature.key == key) {
            return Ok(feature);
        }
        match self.feature(key) {
            Some(feature @ FeatureInfo { content: Content::Unreadable(reason), .. }) => {
                Err(DatasetError::Unreadable {
                    root: self.root.clone(),
                    key: key.to_owned(),
                    what: feature.words(),
                    reason: reason.clone(),
                })
            }
            _ => Err(self.absent(key, "any")),
        }
    }

    pub(crate) fn rows_of(&self, episode: &EpisodeInfo) -> Result<EpisodeRows, DatasetError> {
        let path = episode.data_path(&self.root, &self.info);
        let &EpisodeInfo { index, length, offset, .. } = episode;
        let expected = Expected { episode: index, length, offset, fps: self.info.fps };
        self.rows.get(&path)?.episode(expected).map_err(|reason| DatasetError::Rows {
            path,
            episode: index,
            reason,
        })
    }

    /// The text of each row's task: what `task_index` says, as lerobot reads it.
    fn tasks_of(
        &self,
        episode: &EpisodeInfo,
        rows: &EpisodeRows,
    ) -> Result<Vec<Arc<str>>, DatasetError> {
        let fault = |reason: String| DatasetError::Rows {
            path: episode.data_path(&self.root, &self.info),
            episode: episode.index,
            reason,
        };
        let only = match &episode.tasks[..] {
            [task] => Some(Arc::from(task.as_str())),
            _ => None,
        };
        let told = self.tasks.len() > 0 && !rows.task_index.is_empty();
        if !told {
            let only: Arc<str> = only.ok_or_else(|| {
                fault("neither its rows nor its metadata tell its task".to_owned())
            })?;
            return Ok(vec![only; rows.range.len()]);
        }
        let mut known: BTreeMap<i64, Arc<str>> = BTreeMap::new();
        rows.task_index
            .iter()
            .enumerate()
            .map(|(row, number)| {
                if let Some(text) = known.get(number) {
                    return Ok(Arc::clone(text));
                }
                let text = self.tasks.text(*number).ok_or_else(|| {
                    fault(format!("row {row} is of task {number}, which meta/tasks.parquet lacks"))
                })?;
                let listed = |text: &str| episode.tasks.iter().any(|task| task == text);
                match self.tasks.in_place(*number) {
                    // lerobot goes by the place in the table, whatever number stands there.
                    Some(other) if other != text && !listed(text) => {
                        return Err(fault(format!(
                            "row {row} is of task {number}, which in meta/tasks.parquet is \
                             \"{text}\" by its number and \"{other}\" by its place, and the episode \
                             lists \"{}\": put the rows of the table in the order of task_index",
                            episode.tasks.join("\", \"")
                        )));
                    }
                    _ => {}
                }
                let text: Arc<str> = Arc::from(text);
                known.insert(*number, Arc::clone(&text));
                Ok(text)
            })
            .collect()
    }

    pub(crate) fn absent(&self, key: &str, kind: &'static str) -> DatasetError {
        let all = self.info.described.iter();
        let present: Vec<String> =
            all.map(|feature| format!("{} ({})", feature.key, feature.dtype)).collect();
        let (root, key, present) = (self.root.clone(), key.to_owned(), present.join(", "));
        DatasetError::NoSuchFeature { root, key, kind, present }
    }
}
