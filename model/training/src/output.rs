//! The output folder, looked at before hours of work go into it, and its disk before each save.
//!
//! Owns the refusal of a folder that is taken, cannot be written or has no room. Must never write
//! or create anything.

use crate::error::TrainError;
use crate::request::Start;
use crate::state::state_path;
use jaco_model::checkpoint::CONFIG_FILE;
use jaco_model::error::ModelError;
use rustix::fs::{Access, access, statvfs};
use rustix::io::Errno;
use std::path::Path;

/// What else is written: metrics, tokenizer, configuration.
const SMALL_FILES_BYTES: u64 = 16 << 20;

/// Whether `out` can take the run that begins with `start`.
pub fn check(start: &Start, out: &Path) -> Result<(), TrainError> {
    let state = state_path(out);
    // From the outside in: what is in a file cannot be asked for.
    for folder in [out, state.parent().unwrap_or(out)] {
        let unwritable = |problem| TrainError::Unwritable { dir: out.to_owned(), problem };
        let held = existing(folder);
        if !held.is_dir() {
            return Err(unwritable(format!("{} is no folder", held.display())));
        }
        access(held, Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
            unwritable(match errno {
                Errno::ROFS => format!("{} is on a read-only file system", held.display()),
                Errno::ACCESS => format!("no permission to write into {}", held.display()),
                other => format!("{}: {}", held.display(), std::io::Error::from(other)),
            })
        })?;
    }
    let there = |path: &Path| path.try_exists().map_err(TrainError::io(path));
    match (*start == Start::Resume, there(&state)?) {
        (true, false) => Err(TrainError::NoState { dir: out.to_owned() }),
        (false, true) => Err(TrainError::StateExists { dir: out.to_owned() }),
        (false, false) if there(&out.join(CONFIG_FILE))? => {
            Err(ModelError::Exists { dir: out.to_owned() }.into())
        }
        _ => Ok(()),
    }
}

/// Bytes that a run writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Footprint {
    /// The checkpoint or adapter.
    pub checkpoint: u64,
    /// The training state.
    pub state: u64,
}

/// Whether there is room for what the run writes at most at a time: a file is complete before the
/// one that it replaces is gone.
pub fn check_space(
    start: &Start,
    out: &Path,
    sizes: Footprint,
    keep_last: usize,
) -> Result<(), TrainError> {
    let first = match *start == Start::Resume {
        // It is there already.
        true => 0,
        // The last ones and the best.
        false => (keep_last as u64 + 1) * sizes.checkpoint + sizes.state,
    };
    has_room(out, first + sizes.next())
}

/// Whether there is room for one more save.
pub fn check_next(out: &Path, sizes: Footprint) -> Result<(), TrainError> {
    has_room(out, sizes.next())
}

fn has_room(out: &Path, needed: u64) -> Result<(), TrainError> {
    let held = existing(out);
    // Nobody knows, or there is no limit: the first save will tell.
    let Some(disk) = statvfs(held).ok().filter(|disk| disk.f_blocks > 0) else {
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed <= free {
        return Ok(());
    }
    let mb = |bytes: u64| bytes.div_ceil(1_000_000);
    Err(TrainError::NoSpace { dir: out.to_owned(), needed_mb: mb(needed), free_mb: mb(free) })
}

impl Footprint {
    /// What a save writes before anything old goes.
    fn next(self) -> u64 {
        self.checkpoint + self.state + SMALL_FILES_BYTES
    }
}

/// The nearest of `path` and the folders above it that is there.
fn existing(path: &Path) -> &Path {
    let held = path.ancestors().find(|path| path.symlink_metadata().is_ok());
    match held {
        Some(held) if held.as_os_str().is_empty() => Path::new("."),
        held => held.unwrap_or(Path::new(".")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn fresh() -> Start {
        Start::Fresh { model_dir: "model".into() }
    }

    #[test]
    fn a_folder_that_is_new_or_empty_is_taken_and_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        check(&fresh(), folder.path()).unwrap();
        check(&fresh(), &folder.path().join("a/b")).unwrap();
        check(&fresh(), Path::new("not-there")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_run_that_is_there_is_resumed_or_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let error = check(&Start::Resume, folder.path()).unwrap_err().to_string();
        assert!(error.contains("without --resume"), "{error}");
        fs::create_dir(folder.path().join("training")).unwrap();
        fs::write(state_path(folder.path()), "").unwrap();
        check(&Start::Resume, folder.path()).unwrap();
        let error = check(&fresh(), folder.path()).unwrap_err().to_string();
        assert!(error.contains("add --resume"), "{error}");
        fs::remove_file(state_path(folder.path())).unwrap();
        fs::write(folder.path().join(CONFIG_FILE), "").unwrap();
        let error = check(&fresh(), folder.path()).unwrap_err().to_string();
        assert!(error.contains("exists"), "{error}");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for out in [file.clone(), folder.path().join("out")] {
            if out != file {
                fs::create_dir(&out).unwrap();
                fs::write(out.join("training"), "").unwrap();
            }
            let error = check(&fresh(), &out).unwrap_err().to_string();
            assert!(error.contains("is no folder"), "{error}");
        }
        let error = check(&fresh(), Path::new("/dev/null/out")).unwrap_err().to_string();
        assert!(error.contains("/dev/null is no folder"), "{error}");
    }

    #[test]
    fn a_disk_that_is_too_small_is_refused_with_the_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let sizes = |checkpoint, state| Footprint { checkpoint, state };
        check_space(&fresh(), folder.path(), sizes(4000, 16000), 1).unwrap();
        check_next(folder.path(), sizes(4000, 16000)).unwrap();
        for error in [
            check_space(&fresh(), folder.path(), sizes(1 << 60, 0), 1).unwrap_err(),
            check_space(&Start::Resume, folder.path(), sizes(0, 1 << 60), 1).unwrap_err(),
            // The hundred last ones.
            check_space(&fresh(), folder.path(), sizes(1 << 50, 0), 100).unwrap_err(),
            check_next(folder.path(), sizes(1 << 60, 0)).unwrap_err(),
        ] {
            assert!(error.to_string().contains("MB are free"), "{error}");
        }
        assert_eq!(sizes(4_000_000, 16_000_000).next(), 20_000_000 + SMALL_FILES_BYTES);
    }
}
