//! What a training state on the disk says of itself, for those who ask from outside.
//!
//! Reads its head alone and looks whether the rest is there. Must never load a number or decide
//! whether a run may go on from it.

use crate::error::TrainError;
use crate::stage::Stage;
use crate::state::{DESCRIPTION, Description, state_path};
use serde_json::Value;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// A head that is longer is none.
const LONGEST_HEAD_BYTES: u64 = 100 << 20;
/// Bytes of the number before the head, which is its length.
const LENGTH_BYTES: u64 = 8;

/// What `--resume` goes on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedPoint {
    /// What is trained.
    pub stage: Stage,
    /// Steps taken.
    pub step: u64,
    /// Steps in all, as the run was told that saved it.
    pub steps: u64,
}

/// What the training state in the output folder `out` says of itself; none if there is none.
///
/// # Errors
/// It cannot be read, is cut off, or is not what this version writes.
pub fn saved_point(out: &Path) -> Result<Option<SavedPoint>, TrainError> {
    let path = state_path(out);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(TrainError::io(&path)(error)),
    };
    let unusable =
        |problem: &str| TrainError::BadState { path: path.clone(), problem: problem.to_owned() };
    let cut_off = || unusable("it is cut off");
    let length_bytes = file.metadata().map_err(TrainError::io(&path))?.len();
    let mut number = [0; LENGTH_BYTES as usize];
    file.read_exact(&mut number).map_err(|_| cut_off())?;
    let head_bytes = u64::from_le_bytes(number);
    if head_bytes > LONGEST_HEAD_BYTES {
        return Err(unusable("it is no safetensors file"));
    }
    let mut head = Vec::new();
    file.take(head_bytes).read_to_end(&mut head).map_err(TrainError::io(&path))?;
    let head: Value = serde_json::from_slice(&head).map_err(|_| cut_off())?;
    let ends = head.as_object().into_iter().flatten();
    let ends = ends.filter_map(|(_, tensor)| tensor["data_offsets"][1].as_u64());
    if length_bytes != LENGTH_BYTES + head_bytes + ends.max().unwrap_or(0) {
        return Err(cut_off());
    }
    let text = head["__metadata__"][DESCRIPTION].as_str();
    let described = text.and_then(|text| Description::parse(text).ok());
    let described = described.ok_or_else(|| unusable("this version does not write such ones"))?;
    let steps = described.config.get("steps").and_then(Value::as_u64);
    let (stage, step) = (described.stage, described.step);
    Ok(Some(SavedPoint { stage, step, steps: steps.unwrap_or(step) }))
}
