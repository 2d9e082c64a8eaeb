//! Writing: one data file and one metadata file per episode, durable when `save` returns.
//!
//! # Order of a save, and why
//! Each file is written beside its place, forced to the disk and renamed into it. In order:
//!
//! 1. `meta/tasks.parquet`, if the task is new: rows name their task by number only;
//! 2. `meta/jacod/episode-xxxxxx.json`: the notes cannot be made again from anything else;
//! 3. `data/.../file-yyy.parquet`: **from here on the episode exists.** All that follows can be
//!    computed from it;
//! 4. `meta/episodes/.../file-yyy.parquet`;
//! 5. `meta/stats.json`;
//! 6. `meta/info.json`, whose totals are what readers go by, so they see an episode only when
//!    everything about it is in place.
//!
//! A crash before 3 leaves at most an unused task, notes without an episode and a temporary file;
//! a crash after 3 leaves an episode that [`DatasetWriter::open_append`] adopts. A failed save
//! (disk full) changes nothing in memory, so the same episode can be saved again.

use crate::catalog::Catalog;
use crate::episode::{EpisodeBuffer, default_columns};
use crate::error::{DatasetError, IoContext};
use crate::feature::Features;
use crate::info::Info;
use crate::lock::lock;
use crate::meta::{self, EpisodeNotes, EpisodeRecord};
use crate::repair::{Repair, restore};
use crate::stats::FeatureStats;
use crate::storage::{FileSystem, Storage, files_below, replace};
use crate::table::{self, StoredColumn};
use std::fs::File;
use std::path::Path;

/// The one writer of a dataset: it holds the dataset's lock while it lives.
pub struct DatasetWriter {
    catalog: Catalog,
    repairs: Vec<Repair>,
    storage: Box<dyn Storage>,
    _lock: File,
}

/// What became of a saved episode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeSummary {
    /// Number of the episode in the dataset.
    pub index: usize,
    /// Rows.
    pub frames: usize,
    /// Size of its data file \[bytes\].
    pub bytes: usize,
}

impl DatasetWriter {
    /// Makes a dataset in `root`, which must not hold one. `fps` is the rate of the rows \[Hz\].
    pub fn create(
        root: &Path,
        fps: u32,
        robot_type: &str,
        features: Features,
    ) -> Result<Self, DatasetError> {
        if fps == 0 {
            let reason = "the rate of a dataset must be at least 1 row per second".to_owned();
            return Err(DatasetError::Feature { key: "timestamp".to_owned(), reason });
        }
        let _lock = lock(root)?;
        if Info::path(root).exists() || !files_below(&root.join("data"))?.is_empty() {
            return Err(DatasetError::Exists { root: root.to_owned() });
        }
        let robot_type = Some(robot_type.to_owned());
        let (total_episodes, total_frames, total_tasks) = (0, 0, 0);
        let info = Info { fps, robot_type, features, total_episodes, total_frames, total_tasks };
        let mut storage = Box::new(FileSystem);
        replace(storage.as_mut(), &Info::path(root), &info.to_bytes())?;
        Ok(Self { catalog: Catalog::new(root, info, Vec::new()), repairs: vec![], storage, _lock })
    }

    /// Opens the dataset in `root` to add episodes, after repairing what a crash has left.
    pub fn open_append(root: &Path) -> Result<Self, DatasetError> {
        Self::open_append_on(root, Box::new(FileSystem))
    }

    /// As [`DatasetWriter::open_append`], with every change of the disk done by `storage`.
    pub fn open_append_on(root: &Path, storage: Box<dyn Storage>) -> Result<Self, DatasetError> {
        if !Info::path(root).exists() {
            let path = Info::path(root);
            let reason = "the file does not exist, so this is no dataset".to_owned();
            return Err(DatasetError::Description { path, reason });
        }
        let mut storage = storage;
        let _lock = lock(root)?;
        let (catalog, repairs) = restore(root, storage.as_mut())?;
        Ok(Self { catalog, repairs, storage, _lock })
    }

    /// What opening had to repair.
    pub fn repairs(&self) -> &[Repair] {
        &self.repairs
    }

    /// The folder of the dataset.
    pub fn root(&self) -> &Path {
        &self.catalog.root
    }

    /// The features, without the default columns.
    pub fn features(&self) -> &Features {
        &self.catalog.info.features
    }

    /// Rows per second.
    pub fn fps(&self) -> u32 {
        self.catalog.info.fps
    }

    /// Robot that the dataset is of.
    pub fn robot_type(&self) -> Option<&str> {
        self.catalog.info.robot_type.as_deref()
    }

    /// Episodes saved.
    pub fn total_episodes(&self) -> usize {
        self.catalog.info.total_episodes
    }

    /// Rows saved.
    pub fn total_frames(&self) -> usize {
        self.catalog.info.total_frames
    }

    /// An empty episode of the task with this text. Drop it to discard it.
    pub fn begin_episode(&self, task: &str) -> EpisodeBuffer {
        EpisodeBuffer::new(task, &self.catalog.info.features)
    }

    /// Saves an episode; when this returns `Ok` it survives a crash or a power cut. After an
    /// error the dataset is as it was and the episode can be saved again. The cost does not grow
    /// with the dataset.
    pub fn save(
        &mut self,
        episode: &EpisodeBuffer,
        notes: &EpisodeNotes,
    ) -> Result<EpisodeSummary, DatasetError> {
        let task = episode.task();
        if episode.is_empty() {
            return Err(DatasetError::EmptyEpisode { task: task.to_owned() });
        }
        if let Some(difference) = self.features().difference(episode.features()) {
            let reason = format!("the episode was begun for another dataset: {difference}");
            return Err(DatasetError::Feature { key: String::new(), reason });
        }
        let mut catalog = self.catalog.clone();
        let storage = self.storage.as_mut();
        let root = catalog.root.clone();
        let index = catalog.info.total_episodes;
        let (from, length) = (catalog.info.total_frames, episode.len());

        let place = catalog.next;
        // Left by a save that failed, of an episode that may be another one than this.
        for path in [place.episodes(&root), place.data(&root)] {
            if path.exists() {
                storage.remove(&path).at("remove", &path)?;
            }
        }

        let known = catalog.tasks.iter().position(|known| known == task);
        let task_index = known.unwrap_or(catalog.tasks.len());
        if known.is_none() {
            catalog.tasks.push(task.to_owned());
            catalog.info.total_tasks += 1;
            let path = meta::tasks_path(&root);
            let bytes = meta::encoded(meta::encode_tasks(&catalog.tasks), &path)?;
            replace(storage, &path, &bytes)?;
            // Kept even if the rest fails: a number once given to a text must not change.
            self.catalog.tasks.clone_from(&catalog.tasks);
            self.catalog.info.total_tasks = catalog.info.total_tasks;
        }

        let notes = serde_json::to_vec_pretty(notes).expect("a JSON object serialises");
        replace(storage, &meta::notes_path(&root, index), &notes)?;

        let defaults = default_columns(catalog.info.fps, index, from, length, task_index);
        let columns: Vec<&StoredColumn> = episode.columns().iter().chain(&defaults).collect();
        let path = place.data(&root);
        let data = meta::encoded(table::encode_rows(&catalog.columns, &columns), &path)?;
        replace(storage, &path, &data)?;

        let mut stats = episode.stats();
        stats.extend(defaults.iter().map(FeatureStats::of_column));
        let task = task.to_owned();
        let record = EpisodeRecord { index, task, length, data: place, meta: place, from, stats };
        let path = place.episodes(&root);
        let bytes = meta::encoded(record.encode(&catalog.columns), &path)?;
        replace(storage, &path, &bytes)?;

        catalog.add(&record);
        catalog.publish(storage)?;
        self.catalog = catalog;
        Ok(EpisodeSummary { index, frames: length, bytes: data.len() })
    }
}
