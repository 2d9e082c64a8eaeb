//! What the recorder has to say of one episode that the format has no place for, in a file of its
//! own beside the dataset.

use crate::error::{DatasetError, IoContext};
use crate::json;
use serde_json::{Map, Value as Json};
use std::fs;
use std::path::{Path, PathBuf};

/// What the recorder has to say of one episode that the format has no place for: seed, success,
/// source, achieved rate, ... Kept in `meta/jacod/episode-xxxxxx.json`.
pub type EpisodeNotes = Map<String, Json>;

/// Where the notes of episode `index` are.
pub(crate) fn notes_path(root: &Path, index: usize) -> PathBuf {
    root.join(format!("meta/jacod/episode-{index:06}.json"))
}

/// Whether this package began the dataset: it writes notes of every episode, before all else of it.
pub(crate) fn begun_here(root: &Path) -> bool {
    notes_path(root, 0).exists()
}

/// The notes of episode `index`; an episode without a file has none.
pub(crate) fn read_notes(root: &Path, index: usize) -> Result<EpisodeNotes, DatasetError> {
    let path = notes_path(root, index);
    if !path.exists() {
        return Ok(EpisodeNotes::new());
    }
    let bytes = fs::read(&path).at("read", &path)?;
    match json::parse(&bytes) {
        Ok(Json::Object(notes)) => Ok(notes),
        Ok(other) => {
            let reason = format!("the file holds {}, not an object", json::kind(&other));
            Err(DatasetError::Description { path, reason })
        }
        Err(reason) => Err(DatasetError::Description { path, reason }),
    }
}
