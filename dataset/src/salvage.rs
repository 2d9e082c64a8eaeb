//! The episode that was running when its recording was killed: its rows up to the last row group
//! that reached the disk become an episode like any other, with `"salvaged": true` in its notes.

use crate::error::{DatasetError, IoContext};
use crate::journal;
use crate::notes::notes_pair;
use crate::parquet_file::{MAGIC, encoded};
use crate::repairs::{Repair, reject};
use crate::running::{JOURNAL, ROWS, beside};
use crate::storage::{Storage, beside_data};
use std::fs;
use std::path::{Path, PathBuf};

/// Makes the data file of the episode that was running whole and puts it into its place, if it is
/// number `next` and begins at row `first_row`. Gives the file and its rows. Files that never got
/// a row are removed, and others set aside.
pub(crate) fn salvage(
    root: &Path,
    (next, first_row): (usize, usize),
    storage: &mut dyn Storage,
    repairs: &mut Vec<Repair>,
) -> Result<Option<(PathBuf, usize)>, DatasetError> {
    let mut salvaged = None;
    for rows in beside_data(root, ROWS)? {
        let data = without(&rows, ROWS);
        let journal = beside(&data, JOURNAL);
        let told = journal::read(&journal, &rows).at("read", &rows)?;
        let count = told.as_ref().map_or(0, |(_, groups)| groups.rows());
        let reason = match &told {
            None if is_empty(&rows)? => None,
            None => Some("the journal of the episode in it is missing".to_owned()),
            Some((header, _)) if (header.episode, header.first_row) != (next, first_row) => {
                (count > 0).then(|| {
                    let episode = header.episode;
                    format!("it holds episode {episode}, where {next} is the next one")
                })
            }
            Some(_) => {
                (count > 0 && data.exists()).then(|| format!("{} is there already", data.display()))
            }
        };
        if let Some(reason) = reason {
            repairs.push(reject(storage, &rows, reason)?);
            continue;
        }
        match told {
            Some((header, groups)) if count > 0 => {
                let mut notes = header.notes;
                notes.insert("salvaged".to_owned(), true.into());
                let footer = encoded(groups.footer(vec![notes_pair(&notes)]), &rows)?;
                storage.append(&rows, groups.end(), &footer).at("write", &rows)?;
                storage.rename(&rows, &data).at("salvage", &rows)?;
                salvaged = Some((data, count));
                break;
            }
            _ => {
                storage.remove(&rows).at("remove", &rows)?;
                repairs.push(Repair::RemovedTemporary(rows));
            }
        }
    }
    Ok(salvaged)
}

/// Removes the journals whose rows are in their place, or gone.
pub(crate) fn remove_journals(root: &Path, storage: &mut dyn Storage) -> Result<(), DatasetError> {
    for journal in beside_data(root, JOURNAL)? {
        if !beside(&without(&journal, JOURNAL), ROWS).exists() {
            storage.remove(&journal).at("remove", &journal)?;
        }
    }
    Ok(())
}

fn is_empty(rows: &Path) -> Result<bool, DatasetError> {
    Ok(fs::metadata(rows).at("read", rows)?.len() <= MAGIC.len() as u64)
}

/// A path whose name has lost its ending.
fn without(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(name.strip_suffix(ending).unwrap_or(&name))
}
