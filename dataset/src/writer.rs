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

use crate::appending::appendable;
use crate::catalog::Catalog;
use crate::episode::{EpisodeBuffer, default_columns};
use crate::episodes::EpisodeRecord;
use crate::error::{DatasetError, IoContext};
use crate::feature::Features;
use crate::info::{Info, Totals};
use crate::lock::lock;
use crate::notes::{EpisodeNotes, notes_path};
use crate::parquet_file::encoded;
use crate::repair::{Repair, restore};
use crate::stats::FeatureStats;
use crate::storage::{FileSystem, Storage, files_below, replace};
use crate::table::{self, StoredColumn};
use crate::tasks::Tasks;
use std::collections::BTreeMap;
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
        let info = Info::new(fps, robot_type, &features);
        let path = Info::path(root);
        let info =
            info.map_err(|reason| DatasetError::Description { path: path.clone(), reason })?;
        let mut storage = Box::new(FileSystem);
        replace(storage.as_mut(), &path, &info.to_bytes(&Totals::default()))?;
        let catalog = Catalog::new(root, info, Tasks::default());
        Ok(Self { catalog, repairs: vec![], storage, _lock })
    }

    /// The first difference between the dataset in `root` and what is to be recorded, in words;
    /// `None` if they go together. Changes nothing. A dataset that names no robot goes with any.
    pub fn difference(
        root: &Path,
        fps: u32,
        robot_type: &str,
        features: &Features,
    ) -> Result<Option<String>, DatasetError> {
        let info = Info::read(root)?;
        let rate = || {
            let differs = info.fps != f64::from(fps);
            differs.then(|| format!("it has {} rows a second, not {fps}", info.fps))
        };
        let robot = || {
            let robot = info.robot_type.as_ref().filter(|robot| *robot != robot_type)?;
            Some(format!("it is of the robot \"{robot}\", not \"{robot_type}\""))
        };
        Ok(features.difference(&info.features).or_else(rate).or_else(robot))
    }

    /// Opens the dataset in `root` to add episodes, after repairing what a crash has left. One
    /// that somebody else keeps in a way that this package cannot go on with is refused before
    /// anything in it is changed.
    pub fn open_append(root: &Path) -> Result<Self, DatasetError> {
        Self::open_append_on(root, Box::new(FileSystem))
    }

    /// As [`DatasetWriter::open_append`], with every change of the disk done by `storage`.
    pub fn open_append_on(root: &Path, storage: Box<dyn Storage>) -> Result<Self, DatasetError> {
        appendable(root)?;
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
        self.catalog.info.whole_fps().unwrap_or(0)
    }

    /// Robot that the dataset is of.
    pub fn robot_type(&self) -> Option<&str> {
        self.catalog.info.robot_type.as_deref()
    }

    /// Episodes saved.
    pub fn total_episodes(&self) -> usize {
        self.catalog.totals.episodes
    }

    /// Rows saved.
    pub fn total_frames(&self) -> usize {
        self.catalog.totals.frames
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
        let index = catalog.totals.episodes;
        let (from, length) = (catalog.totals.frames, episode.len());

        let place = catalog.next;
        // Left by a save that failed, of an episode that may be another one than this. The
        // statistics may count it already, and must not be taken for those of its successor.
        let leftovers = [place.episodes(&root), place.data(&root)];
        if leftovers.iter().any(|path| path.exists()) {
            catalog.publish_summary(storage)?;
        }
        for path in leftovers {
            if path.exists() {
                storage.remove(&path).at("remove", &path)?;
            }
        }

        let task_index = match catalog.tasks.index_of(task) {
            Some(known) => known,
            None => {
                let added = catalog.tasks.add(task);
                catalog.totals.tasks += 1;
                let path = Tasks::path(&root);
                replace(storage, &path, &encoded(catalog.tasks.encode(), &path)?)?;
                // Kept even if the rest fails: a number once given to a text must not change.
                self.catalog.tasks.clone_from(&catalog.tasks);
                self.catalog.totals.tasks = catalog.totals.tasks;
                added
            }
        };

        let notes = serde_json::to_vec_pretty(notes).expect("a JSON object serialises");
        replace(storage, &notes_path(&root, index), &notes)?;

        let defaults = default_columns(catalog.info.fps, index, from, length, task_index);
        let columns: Vec<&StoredColumn> = episode.columns().iter().chain(&defaults).collect();
        let path = place.data(&root);
        let data = encoded(table::encode_rows(&catalog.columns, &columns), &path)?;
        replace(storage, &path, &data)?;

        let mut stats = episode.stats();
        stats.extend(defaults.iter().map(FeatureStats::of_column));
        let record = EpisodeRecord {
            index,
            tasks: vec![task.to_owned()],
            length: Some(length),
            data: Some(place),
            meta: place,
            from: Some(from),
            videos: BTreeMap::new(),
        };
        let path = place.episodes(&root);
        let bytes = record.encode(&catalog.columns, &stats, catalog.template.as_deref());
        replace(storage, &path, &encoded(bytes, &path)?)?;

        catalog.add(&record, &stats);
        catalog.publish(storage)?;
        self.catalog = catalog;
        Ok(EpisodeSummary { index, frames: length, bytes: data.len() })
    }
}
