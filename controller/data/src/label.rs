//! Whether an episode's task was done, by its notes.

use jaco_dataset::{Dataset, DatasetError};

/// The label of an episode; none where the notes say nothing.
///
/// # Errors
/// The notes cannot be read.
pub fn success(dataset: &Dataset, episode: usize) -> Result<Option<bool>, DatasetError> {
    Ok(dataset.notes(episode)?.get("success").and_then(serde_json::Value::as_bool))
}
