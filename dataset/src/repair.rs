//! Brings a dataset that a crash has left half-saved back to a consistent state. The order of
//! writing (head of `writer.rs`) makes the data file the proof that an episode exists: one without
//! metadata is adopted, anything without a data file is leftovers, and the episode that was running
//! is made a data file from its rows (`salvage.rs`).
//!
//! Nothing that could be somebody's data is deleted: a broken file is renamed to `*.rejected`.
//! A dataset that this package could not go on with is left untouched.

use crate::appending::appendable;
use crate::catalog::Catalog;
use crate::episode::default_columns;
use crate::episodes::EpisodeRecord;
use crate::error::{DatasetError, GET_AGAIN, IoContext};
use crate::feature::Features;
use crate::info::Totals;
use crate::layout::FilePlace;
use crate::lock::lock;
use crate::notes::restore_notes;
use crate::parquet_file::{count_rows, encoded, schema};
use crate::rebuild::{rebuilt, stats_of_rows};
use crate::repairs::{Repair, reject};
use crate::salvage::{remove_journals, salvage};
use crate::storage::{FileSystem, Storage, files_below, parquet_files, replace, temporaries};
use crate::summary::Summary;
use crate::table::{self, StoredColumn};
use crate::tasks::Tasks;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

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
    let next = (records.len(), records.values().filter_map(|record| record.length).sum());
    if let Some((path, rows)) = salvage(root, next, storage, &mut repairs)? {
        let place = FilePlace::of(&path).unwrap_or_default();
        let record = adopt(&catalog, &path, place, storage)?;
        repairs.push(Repair::SalvagedEpisode { index: record.index, rows });
        records.insert(record.index, record);
    }
    remove_journals(root, storage)?;
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
        // A task that no episode has is what one that was discarded leaves, and no damage.
        let with_tasks = Totals { tasks: catalog.totals.tasks, ..published };
        if stale || with_tasks != catalog.totals {
            repairs.push(Repair::RewroteSummary);
        }
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
        match adopt(catalog, path, place, storage) {
            Ok(record) => {
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

/// Lists the one episode in the data file at `path`: its record, computed from its rows.
fn adopt(
    catalog: &Catalog,
    path: &Path,
    place: FilePlace,
    storage: &mut dyn Storage,
) -> Result<EpisodeRecord, DatasetError> {
    let root = &catalog.root;
    let length = count_rows(path)?;
    let defaults = Features::defaults();
    let columns = table::decode_rows(root, path, &defaults, 0..length)?;
    let first = |key: &str| {
        let position = defaults.iter().position(|column| column.key == key);
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
    if columns != default_columns(catalog.info.fps, index, from, length, task_index) {
        return Err(unfit("its rows are not those of one whole episode"));
    }
    let stats = stats_of_rows(root, path, index, &catalog.columns, 0..length)?;
    let record = EpisodeRecord {
        index,
        tasks: vec![task],
        length: Some(length),
        data: Some(place),
        meta: place,
        from: Some(from),
        videos: BTreeMap::new(),
    };
    restore_notes(storage, root, index, path)?;
    let target = place.episodes(root);
    let bytes = record.encode(&catalog.columns, &stats, catalog.template.as_deref());
    replace(storage, &target, &encoded(bytes, &target)?)?;
    Ok(record)
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
