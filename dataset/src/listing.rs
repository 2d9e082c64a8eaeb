//! Which episodes a dataset has, and where: the rows of `meta/episodes` put in order, completed
//! from one another and from the data where something is not given, and held against `info.json`.

use crate::appending::remedy;
use crate::episodes::{EpisodeRecord, VideoPlace};
use crate::error::{DatasetError, GET_AGAIN};
use crate::info::Info;
use crate::layout::FilePlace;
use crate::notes::begun_here;
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

/// The episodes, by number. This package's own may list more than `info.json` counts: those are of
/// a recording under way, or of one that was killed. In others' datasets what is listed counts, as
/// it does for lerobot.
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
    let said = info.total_episodes.unwrap_or(listed);
    let counted = if begun_here(root) { said } else { said.max(listed) };
    records.truncate(counted);
    if let Some((place, record)) = records.iter().enumerate().find(|(i, r)| *i != r.index) {
        let reason = format!("episode {place} is not listed, though episode {} is", record.index);
        return Err(contradiction(reason, GET_AGAIN));
    }
    if records.len() < counted {
        let reason = format!("lists {listed} episodes, but info.json says {counted}");
        return Err(contradiction(reason, remedy(root)));
    }
    let places = match records.iter().all(|record| record.data.is_some()) {
        true => BTreeMap::new(),
        false => places(root, rows)?,
    };
    let mut episodes = Vec::new();
    let mut all_rows: usize = 0;
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
        let mut texts = record.tasks;
        if texts.is_empty() {
            let numbers = rows.get(&path)?.tasks(index);
            texts = numbers.iter().filter_map(|&n| tasks.text(n)).map(str::to_owned).collect();
        }
        episodes.push(EpisodeInfo {
            index,
            task: texts.first().cloned().unwrap_or_default(),
            tasks: texts,
            length,
            first_row: record.from.unwrap_or(all_rows),
            data,
            offset: 0,
            videos: record.videos,
        });
        all_rows = all_rows.saturating_add(length);
    }
    count_offsets(&mut episodes);
    match info.total_frames {
        Some(frames) if frames != all_rows && info.total_episodes == Some(episodes.len()) => {
            let count = episodes.len();
            let reason = format!(
                "lists {count} episodes with {all_rows} rows, but info.json says {frames} rows"
            );
            Err(contradiction(reason, remedy(root)))
        }
        _ => Ok(episodes),
    }
}

/// Where in their files the episodes begin: in the order of their rows over the whole dataset,
/// which need not be that of their numbers.
fn count_offsets(episodes: &mut [EpisodeInfo]) {
    let mut in_order: Vec<&mut EpisodeInfo> = episodes.iter_mut().collect();
    in_order.sort_by_key(|episode| episode.first_row);
    let mut rows_in_file: BTreeMap<FilePlace, usize> = BTreeMap::new();
    for episode in in_order {
        let offset = rows_in_file.entry(episode.data).or_default();
        episode.offset = *offset;
        *offset = offset.saturating_add(episode.length);
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
