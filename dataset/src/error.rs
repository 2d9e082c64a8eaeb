//! What can go wrong with a dataset, in words that name the file, the episode and the column,
//! and say what to do.

use parquet::errors::ParquetError;
use std::io;
use std::path::{Path, PathBuf};

/// An error of this package.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The operating system refused a file operation.
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried: `read`, `write`, ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A parquet file cannot be encoded or decoded.
    #[error(
        "{path} is not a readable parquet file ({source}); `repair` sets a broken last episode \
         aside, anything else must come from a copy",
        path = .path.display()
    )]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The parquet library's reason.
        source: ParquetError,
    },
    /// `meta/info.json`, `meta/stats.json` or another JSON file says something impossible.
    #[error("{path} is not valid: {reason}; restore it from a copy or record into a new folder", path = .path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// A column of a file is absent or has another type or size than `info.json` says.
    #[error("{path}: column {column:?}: {reason}", path = .path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The files contradict one another.
    #[error("{path}: {reason}; {remedy}", path = .path.display())]
    Inconsistent {
        /// The file or folder at fault.
        path: PathBuf,
        /// The contradiction.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// An image does not decode to what the feature says.
    #[error("{column:?}, frame {frame}: {reason}")]
    Image {
        /// The image feature.
        column: String,
        /// The row within the episode.
        frame: usize,
        /// What is wrong.
        reason: String,
    },
    /// The features asked for are not valid.
    #[error("feature {key:?}: {reason}")]
    Feature {
        /// The feature's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row does not fit the features.
    #[error("row {row} of the episode, {key:?}: {reason}; the row was not taken")]
    Row {
        /// The row within the episode.
        row: usize,
        /// The feature's key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// An episode without rows cannot be saved.
    #[error("the episode {task:?} has no rows; push at least one before saving, or discard it")]
    EmptyEpisode {
        /// The task's text.
        task: String,
    },
    /// An episode that the dataset does not have.
    #[error("{root} has no episode {index}: it has {count}, counted from 0", root = .root.display())]
    NoSuchEpisode {
        /// The dataset.
        root: PathBuf,
        /// The episode asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A feature that the dataset does not have, or has with another kind.
    #[error("{root} has no feature {key:?} of kind {kind}; it has: {present}", root = .root.display())]
    NoSuchFeature {
        /// The dataset.
        root: PathBuf,
        /// The key asked for.
        key: String,
        /// The kind asked for.
        kind: &'static str,
        /// The keys there are.
        present: String,
    },
    /// The folder to create a dataset in holds one already.
    #[error("{root} holds a dataset already; open it for appending, or choose a new folder", root = .root.display())]
    Exists {
        /// The folder.
        root: PathBuf,
    },
    /// Another process writes this dataset.
    #[error("{root} is being written by another process; end that recording first", root = .root.display())]
    Locked {
        /// The dataset.
        root: PathBuf,
    },
}

/// Turns an I/O result into one that names the operation and the path.
pub(crate) trait IoContext<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, DatasetError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, DatasetError> {
        self.map_err(|source| DatasetError::Io { action, path: path.to_owned(), source })
    }
}

/// Turns a parquet or arrow result into one that names the file.
pub(crate) trait ParquetContext<T> {
    fn in_file(self, path: &Path) -> Result<T, DatasetError>;
}

impl<T, E: Into<ParquetError>> ParquetContext<T> for Result<T, E> {
    fn in_file(self, path: &Path) -> Result<T, DatasetError> {
        self.map_err(|e| DatasetError::Parquet { path: path.to_owned(), source: e.into() })
    }
}
