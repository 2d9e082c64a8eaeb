//! What opening a dataset for writing puts right, in words.

use crate::error::{DatasetError, IoContext};
use crate::storage::Storage;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that was put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// A file that was being written when the program died.
    RemovedTemporary(PathBuf),
    /// An episode whose rows were safe but not yet listed is listed now.
    AdoptedEpisode(usize),
    /// The episode that was being recorded when the program died is an episode now, of those rows
    /// that had reached the disk.
    SalvagedEpisode {
        /// Its number.
        index: usize,
        /// Its rows.
        rows: usize,
    },
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
            Repair::SalvagedEpisode { index, rows } => write!(
                f,
                "salvaged {rows} rows of the episode that was being recorded, as episode {index}"
            ),
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

/// Sets a file aside for `reason`.
pub(crate) fn reject(
    storage: &mut dyn Storage,
    path: &Path,
    reason: String,
) -> Result<Repair, DatasetError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".rejected");
    let target = PathBuf::from(name);
    storage.rename(path, &target).at("set aside", path)?;
    Ok(Repair::RejectedFile { path: target, reason })
}
