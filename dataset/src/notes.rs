//! What the recorder has to say of one episode that the format has no place for, in a file of its
//! own beside the dataset. The data file carries a copy from the moment the episode is kept, so that
//! keeping is one step; the file beside it is made from that, and is the one that can be changed.

use crate::error::{DatasetError, IoContext};
use crate::json;
use crate::parquet_file::key_value;
use crate::storage::{Storage, replace};
use parquet::file::metadata::KeyValue;
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

/// Under what key the metadata of a data file has the notes of its episode.
const PAIR_KEY: &str = "jacod.notes";

/// The notes as they go into the metadata of a data file.
pub(crate) fn notes_pair(notes: &EpisodeNotes) -> KeyValue {
    KeyValue::new(PAIR_KEY.to_owned(), Json::Object(notes.clone()).to_string())
}

/// Writes the file of an episode's notes.
pub(crate) fn write_notes(
    storage: &mut dyn Storage,
    root: &Path,
    index: usize,
    notes: &EpisodeNotes,
) -> Result<(), DatasetError> {
    let bytes = serde_json::to_vec_pretty(notes).expect("a JSON object serialises");
    replace(storage, &notes_path(root, index), &bytes)
}

/// Writes the file of the notes of episode `index` from its data file, if it has none.
pub(crate) fn restore_notes(
    storage: &mut dyn Storage,
    root: &Path,
    index: usize,
    data: &Path,
) -> Result<(), DatasetError> {
    if notes_path(root, index).exists() {
        return Ok(());
    }
    let told = key_value(data, PAIR_KEY)?.map(|text| json::parse(text.as_bytes()));
    match told {
        Some(Ok(Json::Object(notes))) => write_notes(storage, root, index, &notes),
        _ => Ok(()),
    }
}

/// Changes one note of an episode that is there.
pub(crate) fn change_note(
    storage: &mut dyn Storage,
    root: &Path,
    index: usize,
    key: &str,
    value: Json,
) -> Result<(), DatasetError> {
    let mut notes = read_notes(root, index)?;
    match value {
        Json::Null => notes.remove(key),
        value => notes.insert(key.to_owned(), value),
    };
    write_notes(storage, root, index, &notes)
}

/// Whether this package began the dataset: it writes notes of every episode before it lists it.
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
