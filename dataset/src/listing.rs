//! Which episodes a dataset has, and where: the rows of `meta/episodes` put in order, completed
//! from one another and from the data where something is not given, and held against `info.json`.

use crate::episodes::{EpisodeRecord, VideoPlace};
use crate::error::{DatasetError, GET_AGAIN, MEND};
use crate::info::Info;
use crate::layout::FilePlace;
use crate::rows::RowsCache;
use crate::storage::parquet_files;
use crate::tasks::Tasks;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where an episode is, without its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct EpisodeInfo {
    /// Number of the episode, from 0.
    pub index: usize,
    /// Text of its task; the first one listed where it has several.
    pub task: String,
    /// Texts of all its tasks; [`Episode::tasks`](crate::Episode::tasks) tells which row has which.
    pub tasks: Vec<String>,
    /// Rows.
    pub length: usize,
    /// Number of its first row over the whole dataset.
    pub first_row: usize,
    pub(crate) data: FilePlace,
    /// Rows of other episodes before it in its file, by the metadata.
    pub(crate) offset: usize,
    pub(crate) videos: BTreeMap<String, VideoPlace>,
}

/// All rows of `meta/episodes`, in no particular order.
pub(crate) fn read_records(root: &Path) -> Result<Vec<EpisodeRecord>, DatasetError> {
    let mut records = Vec::new();
    for path in parquet_files(&root.join("meta/episodes"))? {
        records.extend(EpisodeRecord::read_file(&path)?);
    }
    Ok(records)
}

/// The episodes that `info.json` counts, by number. More may be listed: those are of a recording
/// under way, or of one that was killed.
pub(crate) fn resolve(
    root: &Path,
    info: &Info,
    tasks: &Tasks,
    mut records: Vec<EpisodeRecord>,
    rows: &RowsCache,
) -> Result<Vec<EpisodeInfo>, DatasetError> {
    let folder = root.join("meta/episodes");
    let contradiction = |reason: String, remedy: &'static str| DatasetError::Inconsistent {
        path: folder.clone(),
        reason,
        remedy,
    };
    records.sort_by_key(|record| record.index);
    if let Some(pair) = records.windows(2).find(|pair| pair[0].index == pair[1].index) {
        let reason = format!("episode {} is listed twice", pair[0].index);
        return Err(contradiction(reason, GET_AGAIN));
    }
    let listed = records.len();
    let counted = info.total_episodes.unwrap_or(listed);
    records.truncate(counted);
    if let Some((place, record)) = records.iter().enumerate().find(|(i, r)| *i != r.index) {
        let reason = format!("episode {place} is not listed, though episode {} is", record.index);
        return Err(contradiction(reason, GET_AGAIN));
    }
    if records.len() < counted {
        let reason = format!("lists {listed} episodes, but info.json says {counted}");
        return Err(contradiction(reason, MEND));
    }
    let places = match records.iter().all(|record| record.data.is_some()) {
        true => BTreeMap::new(),
        false => places(root, rows)?,
    };
    let mut episodes = Vec::new();
    let mut rows_in_file: BTreeMap<FilePlace, usize> = BTreeMap::new();
    let mut first_row: usize = 0;
    for record in records {
        let index = record.index;
        let data = record.data.or_else(|| places.get(&index).copied()).ok_or_else(|| {
            contradiction(format!("does not say in which file episode {index} is"), GET_AGAIN)
        })?;
        let path = info.data_path.path(root, data, "");
        let length = match record.length {
            Some(length) => length,
            None => rows.get(&path)?.length(index).unwrap_or(0),
        };
        if record.from.is_some_and(|from| from != first_row) {
            let from = record.from.unwrap_or_default();
            let reason = format!("episode {index} begins at row {from}, expected at {first_row}");
            return Err(contradiction(reason, GET_AGAIN));
        }
        let mut texts = record.tasks;
        if texts.is_empty() {
            let numbers = rows.get(&path)?.tasks(index);
            texts = numbers.iter().filter_map(|&n| tasks.text(n)).map(str::to_owned).collect();
        }
        let offset = rows_in_file.entry(data).or_default();
        episodes.push(EpisodeInfo {
            index,
            task: texts.first().cloned().unwrap_or_default(),
            tasks: texts,
            length,
            first_row,
            data,
            offset: *offset,
            videos: record.videos,
        });
        *offset = offset.saturating_add(length);
        first_row = first_row.saturating_add(length);
    }
    match info.total_frames {
        Some(frames) if frames != first_row && info.total_episodes.is_some() => {
            let count = episodes.len();
            let reason = format!(
                "lists {count} episodes with {first_row} rows, but info.json says {frames} rows"
            );
            Err(contradiction(reason, MEND))
        }
        _ => Ok(episodes),
    }
}

/// Which file each episode is in, by the data files themselves.
fn places(root: &Path, rows: &RowsCache) -> Result<BTreeMap<usize, FilePlace>, DatasetError> {
    let mut places = BTreeMap::new();
    for path in parquet_files(&root.join("data"))? {
        let Some(place) = FilePlace::of(&path) else { continue };
        places.extend(rows.get(&path)?.episodes().map(|episode| (episode, place)));
    }
    Ok(places)
}

impl EpisodeInfo {
    /// The file of its rows.
    pub(crate) fn data_path(&self, root: &Path, info: &Info) -> PathBuf {
        info.data_path.path(root, self.data, "")
    }
}
