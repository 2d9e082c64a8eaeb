//! Notes that are changed later, such as whether an episode succeeded, in a dataset that nobody is
//! recording into. It changes nothing but the file of the episode's notes.

use crate::appending::remedy;
use crate::error::DatasetError;
use crate::info::Info;
use crate::lock::lock;
use crate::notes::change_note;
use crate::reader::Dataset;
use crate::storage::FileSystem;
use serde_json::Value as Json;
use std::path::Path;

/// Sets the note `key` of episode `index` of the dataset in `root`, or takes it away where `value`
/// is null. It is durable when this returns; a crash leaves the old notes or the new. The dataset
/// must not be recorded into at the time; who does that has [`DatasetWriter::set_note`].
///
/// [`DatasetWriter::set_note`]: crate::DatasetWriter::set_note
pub fn set_note(root: &Path, index: usize, key: &str, value: Json) -> Result<(), DatasetError> {
    let info = Info::read(root)?;
    let _lock = lock(root)?;
    let listed = Dataset::open(root)?.episodes().len();
    if index >= listed {
        return Err(DatasetError::NoSuchEpisode { root: root.to_owned(), index, count: listed });
    }
    // With a note of ours info.json is what counts, which must not hide what somebody else lists.
    if info.total_episodes.is_some_and(|said| said != listed) {
        return Err(DatasetError::Inconsistent {
            path: Info::path(root),
            reason: format!("it says another number of episodes than the {listed} that are listed"),
            remedy: remedy(root),
        });
    }
    change_note(&mut FileSystem, root, index, key, value)
}
