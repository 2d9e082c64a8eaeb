//! What can go wrong with a dataset, in words that name the file, the episode and the column,
//! and say what to do. A remedy that is named here exists.

use jaco_core::given::blames_path;
use parquet::errors::ParquetError;
use std::error::Error;
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
    /// There is no dataset where one was named.
    #[error("{root} is not a LeRobotDataset: {reason}", root = .root.display())]
    NotADataset {
        /// The folder.
        root: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A parquet file cannot be decoded.
    #[error("{path} is not a readable parquet file: {reason}", path = .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// Whether its content is lost: it is cut off or damaged, not merely of another kind.
        lost: bool,
    },
    /// A parquet file cannot be encoded.
    #[error("cannot encode {path}: {source}", path = .path.display())]
    Encode {
        /// The file that was to be.
        path: PathBuf,
        /// The parquet library's reason.
        source: ParquetError,
    },
    /// `meta/info.json`, `meta/stats.json` or another JSON file says something impossible.
    #[error("{path}: {reason}", path = .path.display())]
    Description {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// A column of a file is absent or holds something else than `info.json` says.
    #[error("{path}: column \"{column}\": {reason}", path = .path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The rows of an episode are not what they must be.
    #[error("{path}: episode {episode}: {reason}", path = .path.display())]
    Rows {
        /// The file of the rows.
        path: PathBuf,
        /// The episode.
        episode: usize,
        /// What is wrong with its rows.
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
    /// A picture does not decode to what the feature says.
    #[error("{path}: column \"{column}\", episode {episode}, frame {frame}: {reason}", path = .path.display())]
    Image {
        /// The file that holds it, or the video.
        path: PathBuf,
        /// The camera's feature.
        column: String,
        /// The episode.
        episode: usize,
        /// The row within the episode.
        frame: usize,
        /// What is wrong.
        reason: String,
    },
    /// A video file cannot be decoded.
    #[error("{path}: {reason}", path = .path.display())]
    Video {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Decoding videos needs a program that is not there or cannot be started.
    #[error(
        "the videos of this dataset are decoded by the program {program}, which cannot be started \
         ({source}): install the Debian package ffmpeg (apt-get install ffmpeg)",
        program = .program.display()
    )]
    NoVideoProgram {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The features asked for are not valid.
    #[error("feature \"{key}\": {reason}")]
    Feature {
        /// The feature's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A row does not fit the features.
    #[error("row {row} of the episode, \"{key}\": {reason}; the row was not taken")]
    Row {
        /// The row within the episode.
        row: usize,
        /// The feature's key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// An episode without rows cannot be kept.
    #[error(
        "the episode \"{task}\" has no rows; push at least one before keeping it, or discard it"
    )]
    EmptyEpisode {
        /// The task's text.
        task: String,
    },
    /// Needs an episode, and none is being recorded.
    #[error("no episode is being recorded; begin one first")]
    NoEpisode,
    /// An episode is being recorded already.
    #[error("the episode {task:?} is being recorded; keep or discard it first")]
    EpisodeOpen {
        /// Its task.
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
    /// Pictures kept for training that are no longer what was written.
    #[error("{path}: the pictures kept there are damaged; remove it, and the next run makes it anew", path = .path.display())]
    Cache {
        /// The file.
        path: PathBuf,
    },
    /// A row that an episode does not have.
    #[error("{root}: episode {episode} has no row {row}: it has {length}, counted from 0", root = .root.display())]
    NoSuchRow {
        /// The dataset.
        root: PathBuf,
        /// The episode.
        episode: usize,
        /// The row asked for.
        row: usize,
        /// How many there are.
        length: usize,
    },
    /// A feature that the dataset does not have, or has with another kind.
    #[error("{root} has no feature \"{key}\" of kind {kind}; it has: {present}", root = .root.display())]
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
    /// A feature that is there but holds what this package does not read.
    #[error("{root}: the feature \"{key}\" ({what}) cannot be read: {reason}", root = .root.display())]
    Unreadable {
        /// The dataset.
        root: PathBuf,
        /// The key asked for.
        key: String,
        /// Its type and shape.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The folder to create a dataset in holds one already.
    #[error("{root} holds a dataset already; open it for appending, or choose a new folder", root = .root.display())]
    Exists {
        /// The folder.
        root: PathBuf,
    },
    /// The folder to create a dataset in holds something else.
    #[error(
        "{root} holds {found} and is no dataset; name an empty folder, or one that does not exist",
        root = .root.display(), found = .found.display()
    )]
    NotEmpty {
        /// The folder.
        root: PathBuf,
        /// Something that is in it.
        found: PathBuf,
    },
    /// A dataset that can be read but not gone on with, because of how somebody else keeps it.
    #[error("cannot append to {root}: {reason}; record into a new folder", root = .root.display())]
    NotAppendable {
        /// The dataset.
        root: PathBuf,
        /// What would be lost or wrong.
        reason: String,
    },
    /// An edit that would lose something or go wrong; nothing was changed.
    #[error("cannot edit {root}: {reason}", root = .root.display())]
    NotEditable {
        /// The dataset.
        root: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// Another process writes this dataset.
    #[error("{root} is being written by another process; end that recording first", root = .root.display())]
    Locked {
        /// The dataset.
        root: PathBuf,
    },
}

/// The remedy where files of a crash may be what contradicts.
pub(crate) const MEND: &str = "recording into this folder again puts right what a crash of the \
     recording left behind; a download or copy that is not complete must be made again";

/// The remedy where info.json counts otherwise and nothing can be recorded into the folder.
pub(crate) const CORRECT: &str =
    "correct total_episodes and total_frames in meta/info.json, or get the copy again";

/// The remedy where the files themselves are at fault.
pub(crate) const GET_AGAIN: &str = "make the download, copy or conversion again";

impl DatasetError {
    /// Whether it is about the dataset that was given, or what was asked of it, and not about
    /// the machine (a full disk, a broken one, a program that is not installed).
    pub fn is_unusable_input(&self) -> bool {
        match self {
            DatasetError::Io { source, .. } => is_about_the_path(source),
            DatasetError::NoVideoProgram { .. }
            | DatasetError::Cache { .. }
            | DatasetError::Encode { .. }
            | DatasetError::Row { .. }
            | DatasetError::NoEpisode
            | DatasetError::EpisodeOpen { .. }
            | DatasetError::EmptyEpisode { .. } => false,
            _ => true,
        }
    }
}

/// Whether the system refused the path that was given, or the file ends early or is no text.
fn is_about_the_path(source: &io::Error) -> bool {
    let kind = source.kind();
    blames_path(source) || matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Whether an error of this package blames what a user gave; `None` if it is not of this package.
pub fn blames_input(error: &(dyn Error + 'static)) -> Option<bool> {
    error.downcast_ref::<DatasetError>().map(DatasetError::is_unusable_input)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_dataset_is_told_from_one_of_the_machine() {
        let io = |source: io::Error| DatasetError::Io { action: "read", path: "d".into(), source };
        assert_eq!(blames_input(&io(io::ErrorKind::NotFound.into())), Some(true));
        assert_eq!(blames_input(&io(io::ErrorKind::StorageFull.into())), Some(false));
        // EIO has no kind of its own.
        assert_eq!(blames_input(&io(io::Error::from_raw_os_error(5))), Some(false));
        let parquet =
            DatasetError::Parquet { path: "d".into(), reason: "is empty".into(), lost: true };
        assert_eq!(blames_input(&parquet), Some(true));
        let source = io::ErrorKind::NotFound.into();
        let program = DatasetError::NoVideoProgram { program: "ffmpeg".into(), source };
        assert_eq!(blames_input(&program), Some(false));
        assert_eq!(blames_input(&io::Error::from(io::ErrorKind::NotFound)), None);
    }
}
