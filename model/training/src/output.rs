//! The output folder, looked at before hours of work go into it, and its disk before each save.
//!
//! Owns the refusal of a folder that is taken, cannot be written or has no room. Must never write
//! or create anything.

use crate::config::TrainConfig;
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

/// Bytes that a save writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Footprint {
    /// The checkpoint or adapter.
    pub checkpoint: u64,
    /// The training state.
    pub state: u64,
}

/// What a run keeps on the disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kept {
    /// The last checkpoints.
    pub last: u64,
    /// Those that are kept beside them: the best, and the one that the stage chooses.
    pub beside: u64,
    /// Saves in all, at most.
    pub saves: u64,
}

impl Kept {
    /// What a run with `settings` keeps, whose stage `chooses` one checkpoint or none.
    pub fn of(settings: &TrainConfig, chooses: bool) -> Self {
        let judged = settings.validation_fraction > 0.0 && settings.validation_states > 0;
        let best = if judged { settings.steps.div_ceil(settings.validate_every) } else { 0 };
        Self {
            last: settings.keep_last as u64,
            beside: u64::from(judged) + u64::from(chooses),
            saves: settings.steps.div_ceil(settings.save_every) + best,
        }
    }

    /// Bytes that are there at the worst moment: nothing old goes before the new is complete.
    fn most(self, sizes: Footprint) -> u64 {
        let checkpoints = (self.last + self.beside + 1).min(self.saves);
        checkpoints * sizes.checkpoint + self.saves.min(2) * sizes.state
    }
}

/// Whether there is room for all that the run will have on the disk at once, of which `there` bytes
/// are there already.
pub fn check_space(out: &Path, sizes: Footprint, kept: Kept, there: u64) -> Result<(), TrainError> {
    let coming = kept.most(sizes).saturating_sub(there);
    let needed_bytes = SMALL_FILES_BYTES + coming.max(sizes.next());
    room_for(out, needed_bytes, |needed_mb, free_mb| TrainError::NoSpace {
        dir: out.to_owned(),
        needed_mb,
        free_mb,
    })
}

/// Whether there is still room for one more save.
pub fn check_next(out: &Path, sizes: Footprint) -> Result<(), TrainError> {
    room_for(out, SMALL_FILES_BYTES + sizes.next(), |needed_mb, free_mb| TrainError::Filled {
        dir: out.to_owned(),
        needed_mb,
        free_mb,
    })
}

/// Refuses, with the megabytes that are needed and those that are free, where the disk below `out`
/// has less.
fn room_for(
    out: &Path,
    needed_bytes: u64,
    refused: impl FnOnce(u64, u64) -> TrainError,
) -> Result<(), TrainError> {
    let held = existing(out);
    // Nobody knows, or there is no limit: the first save will tell.
    let Some(disk) = statvfs(held).ok().filter(|disk| disk.f_blocks > 0) else {
        return Ok(());
    };
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed_bytes <= free_bytes {
        return Ok(());
    }
    let mb = |bytes: u64| bytes.div_ceil(1_000_000);
    Err(refused(mb(needed_bytes), mb(free_bytes)))
}

impl Footprint {
    /// What a save writes before anything old goes.
    fn next(self) -> u64 {
        self.checkpoint + self.state
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
    use crate::keeping::{BEST, Keeping, SELECTED};
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

    const SIZES: Footprint = Footprint { checkpoint: 1000, state: 1_000_000 };

    #[test]
    fn a_disk_that_is_too_small_is_refused_with_the_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let sizes = |checkpoint, state| Footprint { checkpoint, state };
        let kept = |last| Kept { last, beside: 1, saves: 200 };
        check_space(folder.path(), sizes(4000, 16000), kept(1), 0).unwrap();
        check_next(folder.path(), sizes(4000, 16000)).unwrap();
        for error in [
            check_space(folder.path(), sizes(1 << 60, 0), kept(1), 0).unwrap_err(),
            // What is there already does not make room for the next one.
            check_space(folder.path(), sizes(0, 1 << 60), kept(1), u64::MAX).unwrap_err(),
            check_space(folder.path(), sizes(1 << 50, 0), kept(100), 0).unwrap_err(),
            check_next(folder.path(), sizes(1 << 60, 0)).unwrap_err(),
        ] {
            assert!(error.to_string().contains("MB are free"), "{error}");
        }
        // Of a hundred that are to be kept one is ever saved.
        let one = Kept { saves: 1, ..kept(100) };
        assert_eq!(one.most(SIZES), SIZES.next());
    }

    #[test]
    fn a_run_keeps_what_its_settings_say() {
        let settings = TrainConfig {
            steps: 1000,
            save_every: 300,
            validate_every: 500,
            keep_last: 3,
            ..TrainConfig::default()
        };
        assert_eq!(Kept::of(&settings, true), Kept { last: 3, beside: 2, saves: 6 });
        let alone = TrainConfig { validation_fraction: 0.0, ..settings };
        assert_eq!(Kept::of(&alone, false), Kept { last: 3, beside: 0, saves: 4 });
    }

    /// Bytes of the checkpoints of `folder`, each file once.
    fn there(keeping: &Keeping) -> u64 {
        keeping.bytes_there().unwrap()
    }

    /// Saves that are best, chosen, both or neither, in every order: never more is there than was
    /// asked for, and in the worst order just that.
    #[test]
    fn what_is_asked_for_is_what_is_there_at_the_worst_moment() {
        for (last, chooses, saves) in [(2, false, 4), (1, true, 4), (3, true, 2)] {
            let (kept, mut worst) = (Kept { last, beside: 1 + u64::from(chooses), saves }, 0);
            let kinds: u32 = if chooses { 4 } else { 2 };
            // What the last one is changes nothing any more.
            for order in 0..kinds.pow(saves as u32 - 1) {
                let folder = tempfile::tempdir().unwrap();
                let keeping = Keeping { out: folder.path(), last: last as usize };
                for save in 0..saves as u32 {
                    let kind = order / kinds.pow(save) % kinds;
                    let also = [(1, BEST), (2, SELECTED)];
                    let also: Vec<&str> = also
                        .iter()
                        .filter_map(|(bit, name)| (kind & bit != 0).then_some(*name))
                        .collect();
                    let write = |dir: &Path| {
                        fs::create_dir(dir).unwrap();
                        fs::write(dir.join("model.safetensors"), vec![0; 1000]).unwrap();
                        worst = worst.max(there(&keeping));
                        Ok(())
                    };
                    keeping.put(u64::from(save), &also, write).unwrap();
                    keeping.publish(u64::from(save)).unwrap();
                }
            }
            let checkpoints = Footprint { state: 0, ..SIZES };
            assert_eq!(worst, kept.most(checkpoints), "{last} {chooses} {saves}");
        }
    }
}
