//! Whether this package can go on with a dataset that is there, decided before anything is
//! changed: others may keep theirs in ways that this package reads and does not write.

use crate::episodes::EpisodeRecord;
use crate::error::DatasetError;
use crate::info::Info;
use crate::parquet_file::schema;
use crate::storage::parquet_files;
use crate::tasks::Tasks;
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
        None => Ok(info),
        Some(reason) => Err(DatasetError::NotAppendable { root: root.to_owned(), reason }),
    }
}

fn of_episodes(root: &Path, info: &Info) -> Result<Option<String>, DatasetError> {
    let columns = info.features.with_defaults();
    let mut template = None;
    for path in parquet_files(&root.join("meta/episodes"))? {
        let records = match EpisodeRecord::read_file(&path) {
            Ok(records) => records,
            // Of a crash: repairing decides.
            Err(DatasetError::Parquet { lost: true, .. }) => continue,
            Err(other) => return Err(other),
        };
        let whole = |record: &&EpisodeRecord| record.length.is_none() || record.data.is_none();
        if let Some(record) = records.iter().find(whole) {
            let index = record.index;
            return Ok(Some(format!(
                "meta/episodes does not say where the rows of episode {index} are"
            )));
        }
        template = Some(schema(&path)?);
    }
    Ok(template.and_then(|template| EpisodeRecord::hindrance(&columns, &template)))
}
