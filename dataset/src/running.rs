//! The running episode on the disk. Its rows are the final parquet file under another name
//! ([`ROWS`]), without a footer, grown by row groups; what the footer must say of them is in the
//! journal beside it ([`JOURNAL`], `journal.rs`). To keep it is to write the last rows and the
//! footer, with the notes inside, and to rename the file. To discard it is to remove the rows,
//! before all else: what has no rows never comes back.

use crate::episode::{EpisodeRows, default_columns_of};
use crate::error::{DatasetError, IoContext};
use crate::feature::{Feature, Row};
use crate::groups::{Group, Groups};
use crate::journal::{self, Header};
use crate::layout::FilePlace;
use crate::notes::{EpisodeNotes, notes_pair};
use crate::parquet_file::{MAGIC, encoded};
use crate::picture::Pictures;
use crate::storage::Storage;
use crate::table::{self, StoredColumn};
use std::path::{Path, PathBuf};

/// What is added to a data file's name while its rows are being written.
pub(crate) const ROWS: &str = ".running";
/// What is added to a data file's name for its journal.
pub(crate) const JOURNAL: &str = ".journal";
/// Pictures of a row group end it at this size: far below the 2 GiB that a column of one may have.
const GROUP_BYTES: usize = 64 << 20;

/// `path` with something added to its name.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Where an episode stands in its dataset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Number of the episode.
    pub index: usize,
    /// Number of its first row over the whole dataset.
    pub from: usize,
    /// The place of its files.
    pub place: FilePlace,
    pub task_index: i64,
    pub fps: f64,
}

/// The episode that is being recorded.
pub(crate) struct Running {
    pub standing: Standing,
    pub header: Header,
    pub rows: EpisodeRows,
    /// All columns of a data file.
    columns: Vec<Feature>,
    /// Most rows of a row group.
    group_rows: usize,
    /// What is on the disk.
    groups: Groups,
    journal_end: u64,
    /// The data file that is to be.
    data: PathBuf,
}

impl Running {
    /// Begins the files of an episode in a folder that is there.
    pub fn begin(
        storage: &mut dyn Storage,
        root: &Path,
        standing: Standing,
        header: Header,
        (columns, rows): (Vec<Feature>, EpisodeRows),
        group_rows: usize,
    ) -> Result<Self, DatasetError> {
        let data = standing.place.data(root);
        let beginning = journal::begun(&header);
        // Rows without a journal could not be told from somebody else's.
        let path = beside(&data, JOURNAL);
        storage.append(&path, 0, &beginning).at("write", &path)?;
        let path = beside(&data, ROWS);
        storage.append(&path, 0, MAGIC).at("write", &path)?;
        let (groups, journal_end) = (Groups::default(), beginning.len() as u64);
        Ok(Self { standing, header, rows, columns, group_rows, groups, journal_end, data })
    }

    /// Takes a row. A row group that is full is on the disk when this returns; one that could not
    /// be written stays in memory and is written before another row is taken.
    pub fn push(
        &mut self,
        storage: &mut dyn Storage,
        row: Row,
        pictures: Pictures,
    ) -> Result<(), DatasetError> {
        self.write_if_full(storage)?;
        self.rows.push(row, pictures)?;
        self.write_if_full(storage)
    }

    fn write_if_full(&mut self, storage: &mut dyn Storage) -> Result<(), DatasetError> {
        let full = self.rows.waiting().len() >= self.group_rows
            || self.rows.waiting_bytes() >= GROUP_BYTES;
        if full { self.write_group(storage) } else { Ok(()) }
    }

    fn write_group(&mut self, storage: &mut dyn Storage) -> Result<(), DatasetError> {
        let Some(group) = self.waiting_group()? else { return Ok(()) };
        let path = beside(&self.data, ROWS);
        storage.append(&path, self.groups.end(), &group.pages).at("write", &path)?;
        let entry = journal::entry_of_group(&group.pages, &group.footer);
        let path = beside(&self.data, JOURNAL);
        storage.append(&path, self.journal_end, &entry).at("write", &path)?;
        encoded(self.groups.add(&group.footer, group.pages.len() as u64), &self.data)?;
        self.journal_end += entry.len() as u64;
        self.rows.written();
        Ok(())
    }

    /// The rows that are not on the disk yet, if there are any.
    fn waiting_group(&self) -> Result<Option<Group>, DatasetError> {
        let waiting = self.rows.waiting();
        if waiting.is_empty() {
            return Ok(None);
        }
        let Standing { index, from, task_index, fps, .. } = self.standing;
        let defaults = default_columns_of(fps, index, from, waiting, task_index);
        let columns: Vec<&StoredColumn> =
            self.rows.waiting_columns().iter().chain(&defaults).collect();
        let file = encoded(table::encode_rows(&self.columns, &columns), &self.data)?;
        encoded(Group::of_file(file), &self.data).map(Some)
    }

    /// Makes the episode's data file whole and puts it into its place; its size in bytes. After an
    /// error this can be tried again.
    pub fn finish(
        &mut self,
        storage: &mut dyn Storage,
        notes: &EpisodeNotes,
    ) -> Result<usize, DatasetError> {
        let rows = beside(&self.data, ROWS);
        if !rows.exists() && self.data.exists() {
            // Renamed by a try whose last step failed, which was to force that to the disk.
            storage.rename(&self.data, &self.data).at("keep", &self.data)?;
            return Ok(std::fs::metadata(&self.data).at("read", &self.data)?.len() as usize);
        }
        let mut groups = self.groups.clone();
        let mut bytes = Vec::new();
        if let Some(group) = self.waiting_group()? {
            encoded(groups.add(&group.footer, group.pages.len() as u64), &self.data)?;
            bytes = group.pages;
        }
        bytes.extend(encoded(groups.footer(vec![notes_pair(notes)]), &self.data)?);
        let from = self.groups.end();
        storage.append(&rows, from, &bytes).at("write", &rows)?;
        storage.rename(&rows, &self.data).at("keep", &self.data)?;
        Ok(from as usize + bytes.len())
    }

    /// Removes what is on the disk.
    pub fn remove(&self, storage: &mut dyn Storage) -> Result<(), DatasetError> {
        // The second is there after a failed try to keep it.
        for path in [beside(&self.data, ROWS), self.data.clone()] {
            if path.exists() {
                storage.remove(&path).at("remove", &path)?;
            }
        }
        // The episode is gone; the next opening removes a journal that is left.
        let _ = remove_journal(storage, &self.data);
        Ok(())
    }
}

/// Removes the journal of the data file at `data`, if there is one.
pub(crate) fn remove_journal(storage: &mut dyn Storage, data: &Path) -> Result<(), DatasetError> {
    let path = beside(data, JOURNAL);
    if path.exists() { storage.remove(&path).at("remove", &path) } else { Ok(()) }
}
