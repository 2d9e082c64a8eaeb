//! One process at a time writes a dataset.

use crate::error::{DatasetError, IoContext};
use crate::storage::{FileSystem, Storage};
use std::fs::{File, TryLockError};
use std::path::Path;

/// Takes the dataset for this process; the kernel gives it free when the process ends.
pub(crate) fn lock(root: &Path) -> Result<File, DatasetError> {
    let folder = root.join("meta/jacod");
    FileSystem.create_folder(&folder).at("create", &folder)?;
    let path = folder.join("lock");
    let file = File::create(&path).at("create", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DatasetError::Locked { root: root.to_owned() }),
        Err(TryLockError::Error(source)) => Err(DatasetError::Io { action: "lock", path, source }),
    }
}
