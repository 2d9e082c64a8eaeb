//! What a user gave that `jaco train` cannot use.
//!
//! Owns its words and what of it blames the machine. Must never read anything.

use jaco_training::GripperRangeError;
use std::io::{Error, ErrorKind};
use std::path::PathBuf;

/// A dataset that counts more often is a slip: a pass over the data would not end.
pub const MOST_REPEATS: u32 = 1000;

/// What a user gave that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No dataset.
    #[error("no dataset: name one with --dataset, or in a recipe as [[dataset]] with its path")]
    NoDataset,
    /// Nothing to align.
    #[error("no policy to align: name the folder of a trained one with --init")]
    NoPolicy,
    /// Datasets in two places.
    #[error(
        "datasets are named with --dataset and in the recipe {}: name them in one place",
        recipe.display()
    )]
    TwoPlaces {
        /// The recipe.
        recipe: PathBuf,
    },
    /// No such folder.
    #[error("--dataset {0}: there is no such folder")]
    NotThere(String),
    /// Something that is no folder.
    #[error("--dataset {0}: is a file; name the folder that holds meta/info.json")]
    NotAFolder(String),
    /// A folder that cannot be looked at.
    #[error("--dataset {text}: {source}")]
    Unreadable {
        /// What was given.
        text: String,
        /// What the system said.
        source: Error,
    },
    /// What follows the colon is no number of times.
    #[error(
        "--dataset {text}: there is no folder of this name, and \"{times}\" after the colon is no \
         number of times from 1 to {MOST_REPEATS}"
    )]
    Times {
        /// What was given.
        text: String,
        /// What follows the colon.
        times: String,
    },
    /// A gripper range that is none.
    #[error("--gripper: {0}")]
    Gripper(#[from] GripperRangeError),
    /// A unit that is none.
    #[error("{option} {value}: must be a number above 0")]
    Unit {
        /// The option.
        option: &'static str,
        /// Its value.
        value: f64,
    },
    /// A recipe that cannot be read.
    #[error("cannot read the recipe {}: {source}", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Error,
    },
    /// Faults of a recipe, one a line.
    #[error("{}", .0.join("\n"))]
    RecipeFaults(Vec<String>),
}

impl InputError {
    /// Whether it is about what a user gave and not about a failing disk.
    pub fn is_unusable_input(&self) -> bool {
        match self {
            InputError::Recipe { source, .. } | InputError::Unreadable { source, .. } => {
                let given = [
                    ErrorKind::NotFound,
                    ErrorKind::PermissionDenied,
                    ErrorKind::NotADirectory,
                    ErrorKind::IsADirectory,
                    ErrorKind::InvalidInput,
                    ErrorKind::InvalidData,
                    ErrorKind::InvalidFilename,
                ];
                given.contains(&source.kind())
            }
            _ => true,
        }
    }
}
