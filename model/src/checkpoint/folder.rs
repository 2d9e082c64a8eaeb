//! A folder that is there whole or not at all.
//!
//! Owns the order of writing, flushing and renaming that makes it so, and the small files of a
//! checkpoint. Must never write into an existing folder: a whole one may be moved over it.

use super::{INDEX_FILE, WEIGHTS_FILE};
use crate::error::ModelError;
use serde::Serialize;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Has `write` fill a new folder that appears as `dir` once all its files are on disk; after an
/// error or a power cut it is not there.
pub(super) fn write_whole(
    dir: &Path,
    write: impl FnOnce(&Path) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    if dir.exists() {
        return Err(ModelError::Exists { dir: dir.to_owned() });
    }
    let partial = partial_name(dir);
    // What a killed run left behind.
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(ModelError::io(&partial))?;
    }
    fs::create_dir_all(&partial).map_err(ModelError::io(&partial))?;
    let written = write(&partial).and_then(|()| sync(&partial)).and_then(|()| {
        fs::rename(&partial, dir).map_err(ModelError::io(dir))?;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync(parent.unwrap_or(Path::new(".")))
    });
    if written.is_err() {
        // The error that counts is the one above.
        let _ = fs::remove_dir_all(&partial);
    }
    written
}

/// Moves the checkpoint in `from` over the one in `to`, file by file, and removes `from`. Weights
/// files of `to` that are not replaced go, since they would belong to no checkpoint.
pub fn move_over(from: &Path, to: &Path) -> Result<(), ModelError> {
    let names = |dir: &Path| -> Result<BTreeSet<OsString>, ModelError> {
        fs::read_dir(dir)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
            .map_err(ModelError::io(dir))
    };
    let moved = names(from)?;
    for name in &moved {
        let target = to.join(name);
        fs::rename(from.join(name), &target).map_err(ModelError::io(&target))?;
    }
    for name in names(to)?.difference(&moved).filter(|name| is_weights_file(name)) {
        let stale = to.join(name);
        fs::remove_file(&stale).map_err(ModelError::io(&stale))?;
    }
    fs::remove_dir(from).map_err(ModelError::io(from))?;
    sync(to)
}

fn is_weights_file(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == INDEX_FILE
        || name == WEIGHTS_FILE
        || (name.starts_with("model-") && name.ends_with(".safetensors"))
}

/// Where a folder is written before it gets its name.
fn partial_name(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!(".{name}.partial"))
}

/// Writes `value` as JSON and flushes it to disk.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ModelError> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|source| ModelError::Json { path: path.to_owned(), source })?;
    write(path, &text)
}

/// Writes a small file and flushes it to disk.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    fs::write(path, bytes).map_err(ModelError::io(path))?;
    sync(path)
}

fn sync(path: &Path) -> Result<(), ModelError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(ModelError::io(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_checkpoint_moved_over_another_leaves_none_of_its_weights() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("next"), root.path().join("out"));
        let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        for (dir, names) in [
            (&from, &["config.json", INDEX_FILE, shards[0], shards[1]][..]),
            (&to, &["config.json", WEIGHTS_FILE, "model-00001-of-00003.safetensors", "notes"]),
        ] {
            fs::create_dir(dir).unwrap();
            names.iter().for_each(|name| write(&dir.join(name), b"").unwrap());
        }
        move_over(&from, &to).unwrap();
        assert!(!from.exists());
        let left: BTreeSet<OsString> =
            fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let wanted = ["config.json", INDEX_FILE, shards[0], shards[1], "notes"];
        assert_eq!(left, wanted.map(OsString::from).into());
    }
}
