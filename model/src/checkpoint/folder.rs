//! A folder that is there whole or not at all.
//!
//! Owns the order of writing, flushing and renaming that makes it so, and the small files of a
//! checkpoint. Must never write into an existing folder: a whole one may be put over it, or in
//! its place.

use super::{INDEX_FILE, WEIGHTS_FILE};
use crate::error::ModelError;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::Serialize;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::ErrorKind;
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

/// Gives the files of the checkpoint in `from` to `to` as well, in place of those of the same names;
/// no bytes are written where the file system has hard links. Weights of `to` that are in no file of
/// `from` go. Who opens a file sees a whole one; there is no index while its shards are exchanged.
pub fn link_over(from: &Path, to: &Path) -> Result<(), ModelError> {
    fs::create_dir_all(to).map_err(ModelError::io(to))?;
    let given = names(from)?;
    let (index, weights) = (OsStr::new(INDEX_FILE), OsStr::new(WEIGHTS_FILE));
    for name in names(to)?.iter().filter(|name| *name == index) {
        let old = to.join(name);
        fs::remove_file(&old).map_err(ModelError::io(&old))?;
    }
    let last = |name: &OsString| name == index || name == weights;
    let (late, early): (Vec<_>, Vec<_>) = given.iter().partition(|name| last(name));
    for name in early.into_iter().chain(late) {
        link(&from.join(name), &to.join(name))?;
    }
    for name in names(to)?.difference(&given).filter(|name| is_weights_file(name)) {
        let stale = to.join(name);
        fs::remove_file(&stale).map_err(ModelError::io(&stale))?;
    }
    sync(to)
}

/// Makes `to` the folder that the files of the checkpoint in `from` are in as well, in one step: a
/// reader finds the old one or the new one.
pub fn link_whole(from: &Path, to: &Path) -> Result<(), ModelError> {
    let next = partial_name(to);
    // What a killed run left behind, be it new or old.
    if next.exists() {
        fs::remove_dir_all(&next).map_err(ModelError::io(&next))?;
    }
    link_over(from, &next)?;
    if !to.exists() {
        fs::rename(&next, to).map_err(ModelError::io(to))?;
    } else {
        let exchanged = renameat_with(CWD, &next, CWD, to, RenameFlags::EXCHANGE);
        exchanged.map_err(|error| ModelError::io(to)(error.into()))?;
        fs::remove_dir_all(&next).map_err(ModelError::io(&next))?;
    }
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync(parent.unwrap_or(Path::new(".")))
}

/// Gives the file `from` the name `to` too, in place of what is there.
fn link(from: &Path, to: &Path) -> Result<(), ModelError> {
    let partial = partial_name(to);
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(ModelError::io(&partial)(error));
        }
        _ => {}
    }
    // Not every file system has hard links.
    if fs::hard_link(from, &partial).is_err() {
        fs::copy(from, &partial).map_err(ModelError::io(&partial))?;
        sync(&partial)?;
    }
    fs::rename(&partial, to).map_err(ModelError::io(to))?;
    // Of two names of one file, renaming one to the other leaves both.
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ModelError::io(&partial)(error)),
        _ => Ok(()),
    }
}

/// Names of the files in `dir`.
fn names(dir: &Path) -> Result<BTreeSet<OsString>, ModelError> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(dir).map_err(ModelError::io(dir))? {
        let entry = entry.map_err(ModelError::io(dir))?;
        if entry.file_type().map_err(ModelError::io(dir))?.is_file() {
            names.insert(entry.file_name());
        }
    }
    Ok(names)
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

    fn folder(dir: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(dir).unwrap();
        files.iter().for_each(|(name, text)| write(&dir.join(name), text.as_bytes()).unwrap());
    }

    const SHARDS: [&str; 2] =
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];

    #[test]
    fn a_checkpoint_linked_over_another_leaves_none_of_its_weights() {
        let root = tempfile::tempdir().unwrap();
        let (from, to) = (root.path().join("step"), root.path().join("out"));
        let new = ["config.json", INDEX_FILE, SHARDS[0], SHARDS[1]];
        folder(&from, &new.map(|name| (name, "new")));
        let old = ["config.json", WEIGHTS_FILE, "model-00001-of-00003.safetensors", "notes"];
        folder(&to, &old.map(|name| (name, "old")));
        folder(&to.join("training"), &[("state", "")]);
        // Once more: what is there already is the very file.
        for _ in 0..2 {
            link_over(&from, &to).unwrap();
            let wanted = ["config.json", INDEX_FILE, SHARDS[0], SHARDS[1], "notes"];
            assert_eq!(names(&to).unwrap(), wanted.map(OsString::from).into());
            for name in new {
                assert_eq!(fs::read_to_string(to.join(name)).unwrap(), "new");
                assert_eq!(fs::read_to_string(from.join(name)).unwrap(), "new");
            }
        }
        assert!(to.join("training/state").exists());
    }

    /// A reader that comes at any moment finds a folder whose files belong together.
    #[test]
    fn a_folder_is_exchanged_as_a_whole_under_a_readers_eyes() {
        let root = tempfile::tempdir().unwrap();
        let best = root.path().join("best");
        let steps: Vec<PathBuf> = (0..50).map(|step| root.path().join(step.to_string())).collect();
        for (step, dir) in steps.iter().enumerate() {
            folder(dir, &[("config.json", &step.to_string()), (WEIGHTS_FILE, &step.to_string())]);
        }
        link_whole(&steps[0], &best).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut reads = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) || reads == 0 {
                    // One look at the folder; its files are then read from that.
                    let folder = File::open(&best).unwrap();
                    let seen = PathBuf::from(format!(
                        "/proc/self/fd/{}",
                        std::os::fd::AsRawFd::as_raw_fd(&folder)
                    ));
                    let read = |name: &str| fs::read_to_string(seen.join(name));
                    // A folder that has been replaced loses its files: that is seen, too.
                    if let (Ok(config), Ok(weights)) = (read("config.json"), read(WEIGHTS_FILE)) {
                        assert_eq!(config, weights);
                        reads += 1;
                    }
                }
            });
            steps.iter().for_each(|step| link_whole(step, &best).unwrap());
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            reader.join().unwrap();
        });
        assert_eq!(fs::read_to_string(best.join(WEIGHTS_FILE)).unwrap(), "49");
        assert!(!partial_name(&best).exists());
    }
}
