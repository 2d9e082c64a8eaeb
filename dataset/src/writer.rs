//! Writing: the running episode grows on the disk, and is durable once it is kept.
//!
//! # Order of things, and why
//! Whole files are written beside their place, forced to the disk and renamed into it.
//!
//! - `begin` makes `meta/tasks.parquet` know the task, for rows name it by number only, and begins
//!   the two files of the running episode (`running.rs`).
//! - `push` adds a row group to them when it is full.
//! - `keep` writes the rest, with the notes in the file's own metadata, and renames the file to
//!   `data/.../file-yyy.parquet`: **from here on the episode exists.** All that follows can be
//!   computed from it.
//! - `publish` writes `meta/jacod/episode-xxxxxx.json` (the notes), `meta/episodes/...`,
//!   `meta/stats.json`, and `meta/info.json`, whose totals are what readers go by, so they see an
//!   episode only when everything about it is in place.
//!
//! A crash before the rename leaves a running episode, which [`DatasetWriter::open_append`]
//! salvages up to its last row group on the disk; a crash after it leaves an episode that is
//! adopted. A failed `keep` (disk full) leaves the episode running, to be kept again or discarded.

use crate::appending::appendable;
use crate::catalog::Catalog;
use crate::episode::{EpisodeRows, default_columns};
use crate::episodes::EpisodeRecord;
use crate::error::{DatasetError, IoContext};
use crate::feature::{Features, Row};
use crate::info::{Info, Totals};
use crate::journal::Header;
use crate::lock::lock;
use crate::notes::{self, EpisodeNotes, write_notes};
use crate::parquet_file::encoded;
use crate::picture::Pictures;
use crate::repair::restore;
use crate::repairs::Repair;
use crate::running::{Running, Standing, remove_journal};
use crate::stats::FeatureStats;
use crate::storage::{FileSystem, Storage, replace};
use crate::tasks::Tasks;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The one writer of a dataset: it holds the dataset's lock while it lives. An episode that is
/// running when it is dropped stays on the disk and is salvaged when the dataset is next opened for
/// writing, as after a crash; who does not want it must [`discard`](Self::discard) it.
pub struct DatasetWriter {
    catalog: Catalog,
    repairs: Vec<Repair>,
    running: Option<Running>,
    /// The episode that is durable and not yet published.
    kept: Option<Kept>,
    pictures: Pictures,
    group_rows: usize,
    storage: Box<dyn Storage>,
    _lock: File,
}

/// An episode whose rows are in their place, and nothing else of it.
struct Kept {
    standing: Standing,
    task: String,
    notes: EpisodeNotes,
    rows: EpisodeRows,
}

/// What became of an episode that was kept.
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
    /// Makes a dataset in `root`, which must be empty or not there. `fps` is the rate of the rows \[Hz\].
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
        if Info::path(root).exists() {
            return Err(DatasetError::Exists { root: root.to_owned() });
        }
        if let Some(found) = foreign_file(root)? {
            return Err(DatasetError::NotEmpty { root: root.to_owned(), found });
        }
        let _lock = lock(root)?;
        if Info::path(root).exists() {
            return Err(DatasetError::Exists { root: root.to_owned() });
        }
        let info = Info::new(fps, robot_type, &features);
        let path = Info::path(root);
        let info =
            info.map_err(|reason| DatasetError::Description { path: path.clone(), reason })?;
        let mut storage = Box::new(FileSystem);
        replace(storage.as_mut(), &path, &info.to_bytes(&Totals::default()))?;
        let catalog = Catalog::new(root, info, Tasks::default());
        Ok(Self::over(catalog, vec![], storage, _lock))
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
        Ok(Self::over(catalog, repairs, storage, _lock))
    }

    fn over(
        catalog: Catalog,
        repairs: Vec<Repair>,
        storage: Box<dyn Storage>,
        _lock: File,
    ) -> Self {
        let group_rows = (catalog.info.fps / 2.0) as usize;
        let (running, kept, pictures) = (None, None, Pictures::default());
        Self { catalog, repairs, running, kept, pictures, group_rows, storage, _lock }
    }

    /// How pictures are stored from the next row on.
    pub fn set_pictures(&mut self, pictures: Pictures) {
        self.pictures = pictures;
    }

    /// How many rows a row group of the next episode has at most, 1 or more: these are lost if the
    /// program is killed. At first half a second of them. Fewer make the file larger and slower to
    /// read; where rows can be had again, an episode may well be one group.
    pub fn set_group_rows(&mut self, rows: usize) {
        self.group_rows = rows;
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

    /// Episodes kept.
    pub fn total_episodes(&self) -> usize {
        self.catalog.totals.episodes + usize::from(self.kept.is_some())
    }

    /// Rows kept.
    pub fn total_frames(&self) -> usize {
        self.catalog.totals.frames + self.kept.as_ref().map_or(0, |kept| kept.rows.len())
    }

    /// Rows of the running episode; `None` between episodes.
    pub fn running(&self) -> Option<usize> {
        self.running.as_ref().map(|running| running.rows.len())
    }

    /// Begins an episode on the disk, with what can be said of it at the start. It is the one that
    /// [`push`](Self::push), [`keep`](Self::keep) and [`discard`](Self::discard) are about.
    pub fn begin(&mut self, task: &str, notes: &EpisodeNotes) -> Result<(), DatasetError> {
        if let Some(running) = &self.running {
            return Err(DatasetError::EpisodeOpen { task: running.header.task.clone() });
        }
        self.publish()?;
        let task_index = self.task_index(task)?;
        let Self { catalog, storage, .. } = self;
        let place = catalog.next;
        let standing = Standing {
            index: catalog.totals.episodes,
            from: catalog.totals.frames,
            place,
            task_index,
            fps: catalog.info.fps,
        };
        let header = Header {
            episode: standing.index,
            first_row: standing.from,
            task: task.to_owned(),
            notes: notes.clone(),
        };
        let data = place.data(&catalog.root);
        if let Some(folder) = data.parent().filter(|folder| !folder.is_dir()) {
            storage.create_folder(folder).at("create", folder)?;
        }
        let columns = (catalog.columns.clone(), EpisodeRows::new(&catalog.info.features));
        let (storage, root) = (storage.as_mut(), &catalog.root);
        let group_rows = self.group_rows.max(1);
        self.running = Some(Running::begin(storage, root, standing, header, columns, group_rows)?);
        Ok(())
    }

    /// The number of the task with this text, which `tasks.parquet` then knows.
    fn task_index(&mut self, task: &str) -> Result<i64, DatasetError> {
        if let Some(known) = self.catalog.tasks.index_of(task) {
            return Ok(known);
        }
        let mut tasks = self.catalog.tasks.clone();
        let added = tasks.add(task);
        let path = Tasks::path(&self.catalog.root);
        replace(self.storage.as_mut(), &path, &encoded(tasks.encode(), &path)?)?;
        // Kept even if the rest fails: a number once given to a text must not change.
        self.catalog.tasks = tasks;
        self.catalog.totals.tasks += 1;
        Ok(added)
    }

    /// Takes a row: a value of the right type and size, finite, for every feature and for nothing
    /// else. A row with a fault is not taken ([`DatasetError::Row`]) and the episode goes on. If the
    /// disk fails, what it could not take stays in memory and goes there with the next row, or when
    /// the episode is kept; rows do not pile up, for none is taken while it still fails.
    ///
    /// Compresses the pictures and, when a row group is full, waits for the disk.
    pub fn push(&mut self, row: Row) -> Result<(), DatasetError> {
        let running = self.running.as_mut().ok_or(DatasetError::NoEpisode)?;
        running.push(self.storage.as_mut(), row, self.pictures)
    }

    /// Keeps the running episode; when this returns `Ok` it survives a crash or a power cut. The
    /// notes are those given at its beginning and these. After an error it is still running, to be
    /// kept again or discarded. The cost grows neither with the dataset nor with the episode's
    /// pictures; readers see the episode once it is [published](Self::publish).
    pub fn keep(&mut self, notes: &EpisodeNotes) -> Result<EpisodeSummary, DatasetError> {
        let running = self.running.as_mut().ok_or(DatasetError::NoEpisode)?;
        if running.rows.len() == 0 {
            return Err(DatasetError::EmptyEpisode { task: running.header.task.clone() });
        }
        let mut all = running.header.notes.clone();
        all.extend(notes.clone());
        let bytes = running.finish(self.storage.as_mut(), &all)?;
        let (index, frames) = (running.standing.index, running.rows.len());
        self.kept = self.running.take().map(|Running { standing, header, rows, .. }| Kept {
            standing,
            task: header.task,
            notes: all,
            rows,
        });
        Ok(EpisodeSummary { index, frames, bytes })
    }

    /// Does what keeping an episode leaves: its metadata and the dataset's statistics and totals.
    /// Whoever has time calls it; if nobody does, the next beginning does, or the end of the
    /// writer, or the next opening. After an error it can be called again.
    pub fn publish(&mut self) -> Result<(), DatasetError> {
        let Some(Kept { standing, task, notes, rows }) = &self.kept else { return Ok(()) };
        let Standing { index, from, place, task_index, fps } = *standing;
        let mut catalog = self.catalog.clone();
        let storage = self.storage.as_mut();
        let root = catalog.root.clone();
        write_notes(storage, &root, index, notes)?;
        let mut stats = rows.stats();
        let defaults = default_columns(fps, index, from, rows.len(), task_index);
        stats.extend(defaults.iter().map(FeatureStats::of_column));
        let record = EpisodeRecord {
            index,
            tasks: vec![task.clone()],
            length: Some(rows.len()),
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
        remove_journal(storage, &place.data(&root))?;
        self.catalog = catalog;
        self.kept = None;
        Ok(())
    }

    /// Forgets the running episode; the number of rows that were in it. It never comes back. After
    /// an error it is still running.
    pub fn discard(&mut self) -> Result<usize, DatasetError> {
        let running = self.running.as_ref().ok_or(DatasetError::NoEpisode)?;
        running.remove(self.storage.as_mut())?;
        let rows = running.rows.len();
        self.running = None;
        Ok(rows)
    }

    /// Sets the note `key` of the kept episode `index`, or takes it away where `value` is null; it
    /// is durable when this returns.
    pub fn set_note(&mut self, index: usize, key: &str, value: Json) -> Result<(), DatasetError> {
        let count = self.total_episodes();
        let root = self.catalog.root.clone();
        if index >= count {
            return Err(DatasetError::NoSuchEpisode { root, index, count });
        }
        self.publish()?;
        notes::change_note(self.storage.as_mut(), &root, index, key, value)
    }
}

impl Drop for DatasetWriter {
    fn drop(&mut self) {
        // What fails here is done by the next opening: the episode is durable.
        let _ = self.publish();
    }
}

/// Something in the folder of a dataset to be made that its maker did not put there.
fn foreign_file(root: &Path) -> Result<Option<PathBuf>, DatasetError> {
    // What this package makes before a dataset can be told to be one.
    let ours = ["meta", "meta/jacod", "meta/jacod/lock", "meta/info.json.tmp"];
    for folder in ["", "meta", "meta/jacod"] {
        let folder = root.join(folder);
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            entries => entries.at("list", &folder)?,
        };
        for entry in entries {
            let path = entry.at("list", &folder)?.path();
            let below = path.strip_prefix(root).unwrap_or(&path);
            if !ours.iter().any(|ours| below == Path::new(ours)) {
                return Ok(Some(below.to_owned()));
            }
        }
    }
    Ok(None)
}
