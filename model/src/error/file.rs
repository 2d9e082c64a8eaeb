//! Why a file cannot be what its name says.
//!
//! Owns the wording and the remedy for each kind of thing that stands in a file's place.

use std::path::PathBuf;

/// What is wrong with a file as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// A link to nothing.
    #[error(
        "is a link to {}, which is not there: the download was not finished, or only the links \
         were copied; fetch the file again", target.display()
    )]
    DanglingLink {
        /// Where it points.
        target: PathBuf,
    },
    /// A folder, pipe or device.
    #[error("is not a file")]
    NotAFile,
    /// Nothing in it.
    #[error("is empty: the download or copy was not finished; fetch it again")]
    Empty,
    /// What Git keeps in place of a large file.
    #[error("is a Git LFS pointer, not the file itself: run `git lfs pull` in its folder")]
    LfsPointer,
    /// An error page, say.
    #[error("holds a web page in place of the file: fetch it again, logged in if it asks for that")]
    WebPage,
    /// Bytes that are no text.
    #[error("is not UTF-8 text: fetch it again, or save it as UTF-8")]
    NotText,
    /// The text stops before the value is complete.
    #[error("ends in the middle: the download or copy was not finished; fetch it again")]
    Truncated,
    /// Not JSON.
    #[error("is not JSON in line {line}, near {near:?}; fetch it again, or mend it there")]
    NotJson {
        /// Line, counted from 1.
        line: usize,
        /// What stands there.
        near: String,
    },
}
