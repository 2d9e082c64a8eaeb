//! Where the rows of each episode lie in a data file, and what the default columns say of them.
//!
//! An episode's rows are found by their `episode_index`, wherever they stand: metadata may list
//! episodes in another order than a file holds them.

use crate::error::DatasetError;
use crate::numbers::{Numbers, numbers};
use crate::parquet_file::each_batch;
use arrow::array::Array;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// An episode's rows may be this much further apart than the rate says, or closer, on average.
const RATE_TOLERANCE: f64 = 0.25;
/// Rows of which the default columns are kept: some 40 bytes each.
const CACHED_ROWS: usize = 1 << 20;

/// The default columns of one data file, as far as it has them.
#[derive(Debug, Default)]
pub(crate) struct FileRows {
    /// Per episode its rows; `None` if they are not in one piece.
    episodes: BTreeMap<i64, Option<Range<usize>>>,
    has_episodes: bool,
    rows: usize,
    timestamp: Vec<f64>,
    frame_index: Vec<i64>,
    index: Vec<i64>,
    task_index: Vec<i64>,
}

/// Where an episode is expected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub episode: usize,
    pub length: usize,
    /// Rows of other episodes before it in its file, by the metadata.
    pub offset: usize,
    /// Rows per second.
    pub fps: f64,
}

/// What the default columns say of one episode.
#[derive(Debug, PartialEq)]
pub(crate) struct EpisodeRows {
    pub range: Range<usize>,
    pub timestamps_s: Vec<f64>,
    /// Empty where the file does not say.
    pub task_index: Vec<i64>,
}

impl FileRows {
    /// Reads the default columns of the file at `path`.
    pub fn read(path: &Path) -> Result<Self, DatasetError> {
        let mut rows = Self::default();
        let mut episodes = Vec::new();
        let names = ["timestamp", "frame_index", "index", "task_index", "episode_index"];
        each_batch(
            path,
            |name| names.contains(&name),
            None,
            |batch| {
                rows.rows += batch.num_rows();
                for name in names {
                    let Some(column) = batch.column_by_name(name) else { continue };
                    // Not a number in any row: as if the column were not there.
                    let is_empty = column.logical_null_count() == batch.num_rows();
                    if name == "task_index" && is_empty {
                        continue;
                    }
                    let taken = numbers(column, 1).and_then(|numbers| match name {
                        "timestamp" => numbers.into_f64().map(|v| rows.timestamp.extend(v)),
                        "frame_index" => numbers.into_i64().map(|v| rows.frame_index.extend(v)),
                        "index" => numbers.into_i64().map(|v| rows.index.extend(v)),
                        "task_index" => numbers.into_i64().map(|v| rows.task_index.extend(v)),
                        _ => Numbers::into_i64(numbers).map(|v| episodes.extend(v)),
                    });
                    taken.map_err(|reason| DatasetError::Column {
                        path: path.to_owned(),
                        column: name.to_owned(),
                        reason,
                    })?;
                }
                Ok(())
            },
        )?;
        if !rows.task_index.is_empty() && rows.task_index.len() != rows.rows {
            let (there, all) = (rows.task_index.len(), rows.rows);
            return Err(DatasetError::Column {
                path: path.to_owned(),
                column: "task_index".to_owned(),
                reason: format!("{there} of {all} rows have a number, the others none"),
            });
        }
        rows.has_episodes = !episodes.is_empty();
        let mut begin = 0;
        for piece in episodes.chunk_by(|a, b| a == b) {
            let end = begin + piece.len();
            let once = rows.episodes.insert(piece[0], Some(begin..end)).is_none();
            if !once {
                rows.episodes.insert(piece[0], None);
            }
            begin = end;
        }
        Ok(rows)
    }

    /// The episodes in the file.
    pub fn episodes(&self) -> impl Iterator<Item = usize> {
        self.episodes.keys().filter_map(|&index| usize::try_from(index).ok())
    }

    /// The rows of an episode; `None` if it is not here.
    pub fn length(&self, episode: usize) -> Option<usize> {
        let episode = i64::try_from(episode).ok()?;
        self.episodes.get(&episode)?.as_ref().map(Range::len)
    }

    /// The numbers of the tasks of an episode's rows, each once, in the order of appearance.
    pub fn tasks(&self, episode: usize) -> Vec<i64> {
        let range = i64::try_from(episode).ok().and_then(|e| self.episodes.get(&e)?.clone());
        let mut tasks = Vec::new();
        for &task in range.and_then(|range| self.task_index.get(range)).unwrap_or_default() {
            if !tasks.contains(&task) {
                tasks.push(task);
            }
        }
        tasks
    }

    /// The rows of an episode, or in words why they cannot be used.
    pub fn episode(&self, expected: Expected) -> Result<EpisodeRows, String> {
        let range = self.range(expected)?;
        let frames = self.frame_index.get(range.clone()).unwrap_or_default();
        increasing("frame_index", frames)?;
        increasing("index", self.index.get(range.clone()).unwrap_or_default())?;
        let timestamps_s = match self.timestamp.get(range.clone()) {
            Some(given) => given.to_vec(),
            None => (0..range.len()).map(|i| i as f64 / expected.fps).collect(),
        };
        if let Some(row) = timestamps_s.iter().position(|t| !t.is_finite()) {
            return Err(format!("the timestamp of row {row} is not a finite number"));
        }
        increasing("timestamp", &timestamps_s)?;
        if let [first, .., last] = timestamps_s[..] {
            let spacing_s = (last - first) / (timestamps_s.len() - 1) as f64;
            if (spacing_s * expected.fps - 1.0).abs() > RATE_TOLERANCE {
                return Err(format!(
                    "its timestamps are {:.4} s apart, but info.json says {} rows a second: one of \
                     the two is wrong",
                    spacing_s, expected.fps
                ));
            }
        }
        let task_index = self.task_index.get(range.clone()).unwrap_or_default().to_vec();
        Ok(EpisodeRows { range, timestamps_s, task_index })
    }

    fn range(&self, expected: Expected) -> Result<Range<usize>, String> {
        let Expected { episode, length, offset, .. } = expected;
        let found = match self.episodes.get(&i64::try_from(episode).unwrap_or(-1)) {
            Some(Some(range)) => range.clone(),
            Some(None) => return Err("its rows are scattered over the file".to_owned()),
            None if self.has_episodes => {
                let first = self.episodes.keys().next().copied().unwrap_or_default();
                let last = self.episodes.keys().next_back().copied().unwrap_or_default();
                return Err(format!(
                    "the file has no row of it, only of episodes {first} to {last}"
                ));
            }
            None => offset..offset.saturating_add(length),
        };
        if found.len() != length || found.end > self.rows {
            let there = found.len().min(self.rows.saturating_sub(found.start));
            return Err(format!("the file has {there} rows of it, but {length} are listed"));
        }
        Ok(found)
    }
}

/// Whether values grow from row to row; the words name the first that does not.
fn increasing<T: PartialOrd + std::fmt::Display>(name: &str, values: &[T]) -> Result<(), String> {
    match values.windows(2).position(|pair| pair[0] >= pair[1]) {
        None => Ok(()),
        Some(row) => {
            let (before, after) = (&values[row], &values[row + 1]);
            let words = if before > after { "goes back" } else { "stands still" };
            let row = row + 1;
            Err(format!("{name} {words} in row {row}: {after} after {before}"))
        }
    }
}

/// The files read last, as many as have [`CACHED_ROWS`] rows; shared by the copies of a dataset. A
/// dataset of any size costs no more.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowsCache(Arc<Mutex<VecDeque<CachedFile>>>);

type CachedFile = (PathBuf, Arc<FileRows>);

impl RowsCache {
    /// The default columns of a file.
    pub fn get(&self, path: &Path) -> Result<Arc<FileRows>, DatasetError> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, rows)) = known().iter().find(|(known, _)| known == path) {
            return Ok(Arc::clone(rows));
        }
        let rows = Arc::new(FileRows::read(path)?);
        let mut known = known();
        let mut kept = rows.rows;
        known.retain(|(_, rows)| {
            kept = kept.saturating_add(rows.rows);
            kept <= CACHED_ROWS
        });
        known.push_front((path.to_owned(), Arc::clone(&rows)));
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(episodes: &[i64], timestamp: Vec<f64>) -> FileRows {
        let mut rows = FileRows { has_episodes: true, rows: episodes.len(), ..Default::default() };
        for (at, &episode) in episodes.iter().enumerate() {
            let range = rows.episodes.entry(episode).or_insert(Some(at..at));
            range.as_mut().unwrap().end = at + 1;
        }
        FileRows { timestamp, ..rows }
    }

    fn expected(episode: usize, length: usize) -> Expected {
        Expected { episode, length, offset: 0, fps: 10.0 }
    }

    #[test]
    fn times_that_cannot_be_are_named_by_row() {
        for (times, words) in [
            (vec![0.0, 0.1, 0.1], "stands still in row 2"),
            (vec![0.0, 0.2, 0.1], "goes back in row 2"),
            (vec![0.0, f64::NAN, 0.2], "row 1 is not a finite"),
            (vec![0.0, 0.5, 1.0], "info.json says 10 rows a second"),
        ] {
            let error = file(&[4, 4, 4], times).episode(expected(4, 3)).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
        let rows = file(&[4, 4, 4], vec![7.0, 7.09, 7.21]).episode(expected(4, 3)).unwrap();
        assert_eq!((rows.range, rows.timestamps_s), (0..3, vec![7.0, 7.09, 7.21]));
    }

    #[test]
    fn an_episode_is_found_wherever_it_stands_and_its_length_is_checked() {
        let rows = file(&[3, 3, 1, 0, 0], vec![0.0, 0.1, 0.0, 0.0, 0.1]);
        assert_eq!(rows.episode(expected(0, 2)).unwrap().range, 3..5);
        assert!(rows.episode(expected(3, 5)).unwrap_err().contains("2 rows of it, but 5"));
        assert!(rows.episode(expected(2, 1)).unwrap_err().contains("only of episodes 0 to 3"));
    }
}
