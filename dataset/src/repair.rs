//! Brings a dataset that a crash has left half-saved back to a consistent state. The order of a
//! save (head of `writer.rs`) makes the data file the proof that an episode exists: one without
//! metadata is adopted, anything without a data file is leftovers.
//!
//! Nothing that could be somebody's data is deleted: a broken file is renamed to `*.rejected`.

use crate::catalog::Catalog;
use crate::episode::default_columns;
use crate::error::{DatasetError, IoContext};
use crate::feature::FeatureKind;
use crate::image::{self, Histogram};
use crate::info::{FilePlace, Info};
use crate::lock::lock;
use crate::meta::{self, EpisodeRecord};
use crate::stats::FeatureStats;
use crate::storage::{FileSystem, Storage, TEMPORARY, files_below, has_extension};
use crate::table::{self, StoredColumn};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
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
    Info::read(root)?;
    let _lock = lock(root)?;
    restore(root, &mut FileSystem).map(|(_, repairs)| repairs)
}

/// Reads all metadata, repairing as needed. The caller holds the lock.
pub(crate) fn restore(
    root: &Path,
    storage: &mut dyn Storage,
) -> Result<(Catalog, Vec<Repair>), DatasetError> {
    let published = Info::read(root)?;
    let mut repairs = Vec::new();
    for path in files_below(root)?.into_iter().filter(|path| has_extension(path, TEMPORARY)) {
        storage.remove(&path).at("remove", &path)?;
        repairs.push(Repair::RemovedTemporary(path));
    }
    let mut catalog = Catalog::new(root, published.clone(), meta::read_tasks(root)?);
    let mut records = read_records(&catalog, storage, &mut repairs)?;
    adopt_all(&catalog, &mut records, storage, &mut repairs)?;
    for (position, (&index, record)) in records.iter().enumerate() {
        let data = record.data.data(root);
        let reason = if index != position {
            format!("episode {position} is not there, though episode {index} is")
        } else if record.from != catalog.info.total_frames {
            let expected = catalog.info.total_frames;
            format!("episode {index} begins at row {}, not {expected}", record.from)
        } else if !data.exists() {
            format!("the data file of episode {index} is missing")
        } else {
            catalog.add(record);
            continue;
        };
        let remedy = "restore the episode's files from a copy";
        return Err(DatasetError::Inconsistent { path: data, reason, remedy });
    }
    remove_orphan_notes(&catalog, storage, &mut repairs)?;
    let totals = |info: &Info| (info.total_episodes, info.total_frames, info.total_tasks);
    let stale_stats = catalog.info.total_episodes > 0
        && fs::read(catalog.stats_path()).ok() != Some(catalog.stats_bytes());
    if stale_stats || totals(&published) != totals(&catalog.info) {
        catalog.publish(storage)?;
        repairs.push(Repair::RewroteSummary);
    }
    Ok((catalog, repairs))
}

/// All readable rows of `meta/episodes`, by episode. A broken file is set aside: its episode's
/// rows can be listed anew from the data file.
fn read_records(
    catalog: &Catalog,
    storage: &mut dyn Storage,
    repairs: &mut Vec<Repair>,
) -> Result<BTreeMap<usize, EpisodeRecord>, DatasetError> {
    let mut records = BTreeMap::new();
    for path in parquet_files(&catalog.root.join("meta/episodes"))? {
        match EpisodeRecord::read_file(&path, &catalog.columns, true) {
            Ok(rows) => records.extend(rows.into_iter().map(|record| (record.index, record))),
            Err(DatasetError::Parquet { source, .. }) => {
                repairs.push(reject(storage, &path, source.to_string())?);
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
    let listed: BTreeSet<FilePlace> = records.values().map(|record| record.data).collect();
    let files = parquet_files(&catalog.root.join("data"))?;
    for (i, path) in files.iter().enumerate() {
        let Some(place) = FilePlace::of(path).filter(|place| !listed.contains(place)) else {
            continue;
        };
        match adopt(catalog, path, place) {
            Ok(record) => {
                let target = place.episodes(&catalog.root);
                let bytes = meta::encoded(record.encode(&catalog.columns), &target)?;
                crate::storage::replace(storage, &target, &bytes)?;
                repairs.push(Repair::AdoptedEpisode(record.index));
                records.insert(record.index, record);
            }
            // Only the last file can have been touched by the crash.
            Err(DatasetError::Parquet { source, .. }) if i + 1 == files.len() => {
                repairs.push(reject(storage, path, source.to_string())?);
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

/// The record of the one episode in the data file at `path`, computed from its rows.
fn adopt(catalog: &Catalog, path: &Path, place: FilePlace) -> Result<EpisodeRecord, DatasetError> {
    let length = table::count_rows(path)?;
    let columns = table::decode_rows(path, &catalog.columns, 0, length)?;
    let first = |key: &str| {
        let position = catalog.columns.iter().position(|column| column.key == key);
        match position.map(|i| &columns[i]) {
            Some(StoredColumn::I64(values)) => {
                values.first().and_then(|&value| usize::try_from(value).ok())
            }
            _ => None,
        }
    };
    let unfit = |reason: &str| DatasetError::Inconsistent {
        path: path.to_owned(),
        reason: reason.to_owned(),
        remedy: "restore the file from a copy, or move it out of the dataset",
    };
    let (Some(index), Some(from), Some(task_index)) =
        (first("episode_index"), first("index"), first("task_index"))
    else {
        return Err(unfit("the file holds no episode"));
    };
    let task = catalog.tasks.get(task_index);
    let task = task.ok_or_else(|| unfit("its task is not in tasks.parquet"))?.clone();
    let own = catalog.info.features.iter().count();
    if columns[own..] != default_columns(catalog.info.fps, index, from, length, task_index) {
        return Err(unfit("its rows are not those of one whole episode"));
    }
    let mut stats = Vec::new();
    for (feature, column) in catalog.columns.iter().zip(&columns) {
        stats.push(match (column, &feature.kind) {
            (StoredColumn::Png(images), FeatureKind::Image { height, width }) => {
                let mut histogram = Histogram::default();
                for (frame, png) in images.iter().enumerate() {
                    let rgb = image::decode(png, *width, *height);
                    let column = || feature.key.clone();
                    histogram.add(&rgb.map_err(|reason| DatasetError::Image {
                        column: column(),
                        frame,
                        reason,
                    })?);
                }
                FeatureStats::of_image(&histogram)
            }
            _ => FeatureStats::of_column(column),
        });
    }
    Ok(EpisodeRecord { index, task, length, data: place, meta: place, from, stats })
}

fn remove_orphan_notes(
    catalog: &Catalog,
    storage: &mut dyn Storage,
    repairs: &mut Vec<Repair>,
) -> Result<(), DatasetError> {
    for path in files_below(&catalog.root.join("meta/jacod"))? {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let index = name.strip_prefix("episode-").and_then(|index| index.parse::<usize>().ok());
        if index.is_some_and(|index| index >= catalog.info.total_episodes) {
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

/// The parquet files below `folder` in the order in which their rows count.
pub(crate) fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = files_below(folder)?;
    files.retain(|path| has_extension(path, "parquet"));
    Ok(files)
}
