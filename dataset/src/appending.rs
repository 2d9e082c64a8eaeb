//! Whether this package can go on with a dataset that is there, decided before anything is
//! changed: others may keep theirs in ways that this package reads and does not write.

use crate::episodes::EpisodeRecord;
use crate::error::{CORRECT, DatasetError, GET_AGAIN, MEND};
use crate::info::Info;
use crate::layout::FilePlace;
use crate::parquet_file::schema;
use crate::rows::FileRows;
use crate::storage::parquet_files;
use crate::summary::Summary;
use crate::tasks::Tasks;
use std::collections::BTreeSet;
use std::path::Path;

/// The description of a dataset that episodes can be added to; otherwise why they cannot.
pub(crate) fn appendable(root: &Path) -> Result<Info, DatasetError> {
    let info = Info::read(root)?;
    let tasks = Tasks::read(root)?;
    let hindrance = match info.hindrance().or_else(|| tasks.hindrance()) {
        None => of_episodes(root, &info)?,
        hindrance => hindrance,
    };
    match hindrance {
        None => Summary::read(root).map(|_| info),
        Some(reason) => Err(DatasetError::NotAppendable { root: root.to_owned(), reason }),
    }
}

/// What to do where the files count otherwise than `info.json`.
pub(crate) fn remedy(root: &Path) -> &'static str {
    if appendable(root).is_ok() { MEND } else { CORRECT }
}

fn of_episodes(root: &Path, info: &Info) -> Result<Option<String>, DatasetError> {
    let columns = info.features.with_defaults();
    let (mut template, mut broken) = (None, None);
    let (mut count, mut listed) = (0, BTreeSet::new());
    for path in parquet_files(&root.join("meta/episodes"))? {
        let records = match EpisodeRecord::read_file(&path) {
            Ok(records) => records,
            Err(DatasetError::Parquet { path, reason, lost: true }) => {
                broken = Some((path, reason));
                continue;
            }
            Err(other) => return Err(other),
        };
        let whole = |record: &&EpisodeRecord| record.length.is_none() || record.data.is_none();
        if let Some(record) = records.iter().find(whole) {
            let index = record.index;
            return Ok(Some(format!(
                "meta/episodes does not say where the rows of episode {index} are"
            )));
        }
        count += records.len();
        listed.extend(records.iter().filter_map(|record| record.data));
        template = Some(schema(&path)?);
    }
    if let Some((path, reason)) = broken {
        let kept = adoptable(root, &listed)?.map(|more| count + more);
        // Repairing would set the file aside and then find that its episodes are lost with it.
        if kept.is_none_or(|kept| info.total_episodes.is_some_and(|said| kept < said)) {
            let reason = format!("{reason}; {GET_AGAIN}");
            return Err(DatasetError::Parquet { path, reason, lost: true });
        }
    }
    Ok(template.and_then(|template| EpisodeRecord::hindrance(&columns, &template)))
}

/// How many data files that no record names repairing can list anew; `None` if there is one of
/// several episodes, which it cannot.
fn adoptable(root: &Path, listed: &BTreeSet<FilePlace>) -> Result<Option<usize>, DatasetError> {
    let mut count = 0;
    for path in parquet_files(&root.join("data"))? {
        if FilePlace::of(&path).is_none_or(|place| listed.contains(&place)) {
            continue;
        }
        match FileRows::read(&path) {
            Ok(rows) if rows.episodes().count() > 1 => return Ok(None),
            Ok(_) => count += 1,
            // Cut off by a crash, and to be set aside.
            Err(DatasetError::Parquet { lost: true, .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(Some(count))
}
