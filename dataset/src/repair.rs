//! Brings a dataset that a crash has left half-saved back to a consistent state. The order of a
//! save (head of `writer.rs`) makes the data file the proof that an episode exists: one without
//! metadata is adopted, anything without a data file is leftovers.
//!
//! Nothing that could be somebody's data is deleted: a broken file is renamed to `*.rejected`.
//! A dataset that this package could not go on with is left untouched.

use crate::appending::appendable;
use crate::catalog::Catalog;
use crate::episode::default_columns;
use crate::episodes::EpisodeRecord;
use crate::error::{DatasetError, GET_AGAIN, IoContext};
use crate::layout::FilePlace;
use crate::lock::lock;
use crate::parquet_file::{count_rows, encoded, schema};
use crate::rebuild::{rebuilt, stats_of_rows};
use crate::stats::FeatureStats;
use crate::storage::{FileSystem, Storage, files_below, parquet_files, replace, temporaries};
use crate::summary::Summary;
use crate::table::{self, StoredColumn};
use crate::tasks::Tasks;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that was put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A file that was being written when the program died.
    RemovedTemporary(PathBuf),
    /// An episode whose rows were safe but not yet listed is listed now.
    AdoptedEpisode(usize),
    /// A broken file was set aside under another name.
    RejectedFile {
        /// Its new name.
        path: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// Notes of an episode whose rows never reached the disk.
    RemovedNotes(PathBuf),
    /// `stats.json` and `info.json` lagged behind the episodes and were written anew.
    RewroteSummary,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Repair::RemovedTemporary(path) => write!(f, "removed half-written {}", path.display()),
            Repair::AdoptedEpisode(index) => write!(f, "adopted episode {index}"),
            Repair::RejectedFile { path, reason } => {
                write!(f, "set a broken file aside as {} ({reason})", path.display())
            }
            Repair::RemovedNotes(path) => {
                write!(f, "removed notes of an episode that was never saved, {}", path.display())
            }
            Repair::RewroteSummary => write!(f, "rewrote stats.json and info.json"),
        }
    }
}

/// Repairs the dataset in `root`; an empty list means that nothing was wrong.
pub fn repair(root: &Path) -> Result<Vec<Repair>, DatasetError> {
    appendable(root)?;
    let _lock = lock(root)?;
    restore(root, &mut FileSystem).map(|(_, repairs)| repairs)
}

/// Reads all metadata, repairing as needed. The caller holds the lock and knows the dataset to be
/// one that can be gone on with.
pub(crate) fn restore(
    root: &Path,
    storage: &mut dyn Storage,
) -> Result<(Catalog, Vec<Repair>), DatasetError> {
    let mut repairs = Vec::new();
    for path in temporaries(root)? {
        storage.remove(&path).at("remove", &path)?;
        repairs.push(Repair::RemovedTemporary(path));
    }
    let mut catalog = Catalog::new(root, appendable(root)?, Tasks::read(root)?);
    let mut records = read_records(&mut catalog, storage, &mut repairs)?;
    adopt_all(&catalog, &mut records, storage, &mut repairs)?;
    for (position, (&index, record)) in records.iter().enumerate() {
        let data = record.data.unwrap_or_default().data(root);
        let first = catalog.totals.frames;
        let reason = if index != position {
            format!("episode {position} is not there, though episode {index} is")
        } else if let Some(from) = record.from.filter(|from| *from != first) {
            format!("episode {index} begins at row {from}, not {first}")
        } else if !data.exists() {
            format!("the data file of episode {index} is missing")
        } else {
            catalog.count(record);
            continue;
        };
        return Err(DatasetError::Inconsistent { path: data, reason, remedy: GET_AGAIN });
    }
    let published = catalog.info.published();
    if catalog.totals.episodes < published.episodes {
        let (found, said) = (catalog.totals.episodes, published.episodes);
        return Err(DatasetError::Inconsistent {
            path: root.join("meta/episodes"),
            reason: format!("{found} episodes are there, but info.json says {said}"),
            remedy: GET_AGAIN,
        });
    }
    remove_orphan_notes(&catalog, storage, &mut repairs)?;
    let (columns, frames) = (&catalog.columns, catalog.totals.frames);
    let kept = Summary::read(root)?;
    let stale = match &kept {
        None => frames > 0,
        Some(kept) => frames > 0 && kept.fault(columns, frames).is_some(),
    };
    let kept = kept.unwrap_or_default();
    catalog.summary = if stale { rebuilt(kept, &catalog, &records)? } else { kept };
    if stale || published != catalog.totals {
        catalog.publish(storage)?;
        repairs.push(Repair::RewroteSummary);
    }
    Ok((catalog, repairs))
}

/// All readable rows of `meta/episodes`, by episode. A broken file is set aside if it is the last
/// one, as only that can have been touched by a crash: its episode is listed anew from its rows.
fn read_records(
    catalog: &mut Catalog,
    storage: &mut dyn Storage,
    repairs: &mut Vec<Repair>,
) -> Result<BTreeMap<usize, EpisodeRecord>, DatasetError> {
    let mut records = BTreeMap::new();
    let files = parquet_files(&catalog.root.join("meta/episodes"))?;
    for (i, path) in files.iter().enumerate() {
        match EpisodeRecord::read_file(path) {
            Ok(rows) => {
                records.extend(rows.into_iter().map(|record| (record.index, record)));
                catalog.template = Some(schema(path)?);
            }
            Err(DatasetError::Parquet { reason, lost: true, .. }) if i + 1 == files.len() => {
                repairs.push(reject(storage, path, reason)?);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(records)
}

/// Lists the episodes of data files that no record names.
fn adopt_all(
    catalog: &Catalog,
    records: &mut BTreeMap<usize, EpisodeRecord>,
    storage: &mut dyn Storage,
    repairs: &mut Vec<Repair>,
) -> Result<(), DatasetError> {
    let listed: BTreeSet<FilePlace> = records.values().filter_map(|record| record.data).collect();
    let files = parquet_files(&catalog.root.join("data"))?;
    for (i, path) in files.iter().enumerate() {
        let Some(place) = FilePlace::of(path).filter(|place| !listed.contains(place)) else {
            continue;
        };
        match adopt(catalog, path, place) {
            Ok((record, stats)) => {
                let target = place.episodes(&catalog.root);
                let template = catalog.template.as_deref();
                let bytes = record.encode(&catalog.columns, &stats, template);
                replace(storage, &target, &encoded(bytes, &target)?)?;
                repairs.push(Repair::AdoptedEpisode(record.index));
                records.insert(record.index, record);
            }
            // Only the last file can have been touched by the crash.
            Err(DatasetError::Parquet { reason, lost: true, .. }) if i + 1 == files.len() => {
                repairs.push(reject(storage, path, reason)?);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// The record of the one episode in the data file at `path`, computed from its rows.
fn adopt(
    catalog: &Catalog,
    path: &Path,
    place: FilePlace,
) -> Result<(EpisodeRecord, Vec<FeatureStats>), DatasetError> {
    let length = count_rows(path)?;
    let columns = table::decode_rows(&catalog.root, path, &catalog.columns, 0..length)?;
    let first = |key: &str| {
        let position = catalog.columns.iter().position(|column| column.key == key);
        match position.map(|i| &columns[i]) {
            Some(StoredColumn::I64(values)) => values.first().copied(),
            _ => None,
        }
    };
    let count = |key: &str| first(key).and_then(|value| usize::try_from(value).ok());
    let unfit = |reason: &str| DatasetError::Inconsistent {
        path: path.to_owned(),
        reason: reason.to_owned(),
        remedy: "no episode is listed for it: move it out of the dataset",
    };
    let (Some(index), Some(from), Some(task_index)) =
        (count("episode_index"), count("index"), first("task_index"))
    else {
        return Err(unfit("the file holds no episode"));
    };
    let task = catalog.tasks.text(task_index);
    let task = task.ok_or_else(|| unfit("its task is not in tasks.parquet"))?.to_owned();
    let own = catalog.info.features.iter().count();
    if columns[own..] != default_columns(catalog.info.fps, index, from, length, task_index) {
        return Err(unfit("its rows are not those of one whole episode"));
    }
    let stats = stats_of_rows(path, index, &catalog.columns, &columns)?;
    let record = EpisodeRecord {
        index,
        tasks: vec![task],
        length: Some(length),
        data: Some(place),
        meta: place,
        from: Some(from),
        videos: BTreeMap::new(),
    };
    Ok((record, stats))
}

fn remove_orphan_notes(
    catalog: &Catalog,
    storage: &mut dyn Storage,
    repairs: &mut Vec<Repair>,
) -> Result<(), DatasetError> {
    for path in files_below(&catalog.root.join("meta/jacod"))? {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let index = name.strip_prefix("episode-").and_then(|index| index.parse::<usize>().ok());
        if index.is_some_and(|index| index >= catalog.totals.episodes) {
            storage.remove(&path).at("remove", &path)?;
            repairs.push(Repair::RemovedNotes(path));
        }
    }
    Ok(())
}

fn reject(storage: &mut dyn Storage, path: &Path, reason: String) -> Result<Repair, DatasetError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".rejected");
    let target = PathBuf::from(name);
    storage.rename(path, &target).at("set aside", path)?;
    Ok(Repair::RejectedFile { path: target, reason })
}
