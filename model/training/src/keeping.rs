//! The checkpoints of a run: a folder for each of the last ones, for the best and for the one that a
//! stage has chosen, and the output folder itself, whose files are those of the newest.
//!
//! Owns what is kept and in which order it comes and goes: nothing old goes before the new one is on
//! the disk. Must never know what a checkpoint holds.

use crate::error::TrainError;
use jaco_model::checkpoint::{link_over, link_whole};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Folder of the last checkpoints.
const LAST: &str = "checkpoints";
/// Folder of the one that did best on held-out states.
pub const BEST: &str = "best";
/// Folder of the one that the stage's own rule has chosen.
pub const SELECTED: &str = "selected";
/// What the folder of a step is called, before its number.
const STEP: &str = "step-";

/// Where the checkpoints of a run are.
pub struct Keeping<'a> {
    /// The output folder.
    pub out: &'a Path,
    /// How many of the last ones are kept.
    pub last: usize,
}

impl Keeping<'_> {
    /// Has `write` write the checkpoint of `step` into a new folder, whole or not at all, and puts it
    /// into the place of those called `also` ([`BEST`], [`SELECTED`]). [`Keeping::publish`] is to
    /// follow once a training state for it is on the disk.
    pub fn put(
        &self,
        step: u64,
        also: &[&str],
        write: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        let dir = self.folder(step);
        let last = self.out.join(LAST);
        fs::create_dir_all(&last).map_err(TrainError::io(&last))?;
        // A run that was killed takes its last steps again.
        remove(&dir)?;
        write(&dir)?;
        for name in also {
            link_whole(&dir, &self.out.join(name))?;
        }
        Ok(())
    }

    /// Makes the checkpoint of `step` that of the output folder, and removes what is no longer kept.
    pub fn publish(&self, step: u64) -> Result<(), TrainError> {
        link_over(&self.folder(step), self.out)?;
        self.prune(step)
    }

    /// Publishes what a run that was killed has not.
    pub fn repair(&self) -> Result<(), TrainError> {
        let last = self.out.join(LAST);
        let Ok(entries) = fs::read_dir(&last) else { return Ok(()) };
        let newest = entries.filter_map(|entry| number(&entry.ok()?.file_name())).max();
        match newest {
            Some(step) => Ok(link_over(&self.folder(step), self.out)?),
            None => Ok(()),
        }
    }

    /// Removes what is no longer to be kept once `step` is the newest, and what killed runs left.
    fn prune(&self, step: u64) -> Result<(), TrainError> {
        let last = self.out.join(LAST);
        let mut steps = Vec::new();
        for entry in fs::read_dir(&last).map_err(TrainError::io(&last))? {
            let entry = entry.map_err(TrainError::io(&last))?;
            let name = entry.file_name();
            match number(&name) {
                Some(number) => steps.push((number, entry.path())),
                None if name.to_string_lossy().starts_with('.') => remove(&entry.path())?,
                None => {}
            }
        }
        // Steps to come are those of a run that was killed after its last state.
        steps.sort_unstable_by_key(|(number, _)| (*number > step, u64::MAX - *number));
        let kept = steps.iter().take_while(|(number, _)| *number <= step).count().min(self.last);
        steps.iter().skip(kept).try_for_each(|(_, dir)| remove(dir))
    }

    /// Bytes of all checkpoints that are there; a file with several names counts once.
    pub fn bytes_there(&self) -> Result<u64, TrainError> {
        let mut folders = vec![self.out.join(BEST), self.out.join(SELECTED)];
        folders.extend(entries(&self.out.join(LAST))?.iter().map(DirEntry::path));
        let (mut seen, mut bytes) = (HashSet::new(), 0);
        for folder in folders {
            for entry in entries(&folder)? {
                let found = entry.metadata().map_err(TrainError::io(&entry.path()))?;
                if found.is_file() && seen.insert((found.dev(), found.ino())) {
                    bytes += found.len();
                }
            }
        }
        Ok(bytes)
    }

    fn folder(&self, step: u64) -> PathBuf {
        self.out.join(LAST).join(format!("{STEP}{step:06}"))
    }
}

/// What is in the folder `dir`; nothing where it is not there or no folder.
fn entries(dir: &Path) -> Result<Vec<DirEntry>, TrainError> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.collect::<Result<_, _>>().map_err(TrainError::io(dir)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(TrainError::io(dir)(error)),
    }
}

/// The step of the folder called `name`.
fn number(name: &OsStr) -> Option<u64> {
    name.to_str()?.strip_prefix(STEP)?.parse().ok()
}

/// Removes a folder, so that nobody finds the half of one under its name.
fn remove(dir: &Path) -> Result<(), TrainError> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let aside = dir.with_file_name(format!(".{}.old", name.trim_matches('.')));
    if aside != dir && aside.exists() {
        fs::remove_dir_all(&aside).map_err(TrainError::io(&aside))?;
    }
    match fs::rename(dir, &aside) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(TrainError::io(dir))?,
    }
    fs::remove_dir_all(&aside).map_err(TrainError::io(&aside))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn put(keeping: &Keeping, step: u64, is_best: bool) -> Result<(), TrainError> {
        keeping.put(step, if is_best { &[BEST] } else { &[] }, |dir| {
            fs::create_dir(dir).map_err(TrainError::io(dir))?;
            fs::write(dir.join("model.safetensors"), step.to_string()).map_err(TrainError::io(dir))
        })
    }

    fn held(dir: &Path) -> String {
        fs::read_to_string(dir.join("model.safetensors")).unwrap()
    }

    #[test]
    fn the_last_ones_and_the_best_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping { out: folder.path(), last: 2 };
        for (step, is_best) in [(500, true), (1000, true), (1500, false), (2_000_000, false)] {
            put(&keeping, step, is_best).unwrap();
            keeping.publish(step).unwrap();
            assert_eq!(held(folder.path()), step.to_string());
        }
        let last = folder.path().join("checkpoints");
        assert_eq!(names(&last), ["step-001500", "step-2000000"]);
        assert_eq!(held(&folder.path().join("best")), "1000");
        assert_eq!(names(folder.path()), ["best", "checkpoints", "model.safetensors"]);
    }

    #[test]
    fn a_write_that_fails_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping { out: folder.path(), last: 1 };
        put(&keeping, 1, true).unwrap();
        keeping.publish(1).unwrap();
        let full = |dir: &Path| Err(TrainError::io(dir)(ErrorKind::StorageFull.into()));
        keeping.put(2, &[BEST, SELECTED], full).unwrap_err();
        assert_eq!(
            (held(folder.path()), held(&folder.path().join("best"))),
            ("1".into(), "1".into())
        );
        assert_eq!(names(&folder.path().join("checkpoints")), ["step-000001"]);
    }

    #[test]
    fn what_a_killed_run_left_is_cleared_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping { out: folder.path(), last: 1 };
        let last = folder.path().join("checkpoints");
        for name in [".step-000002.partial", ".step-000001.old", "step-000003", "mine"] {
            fs::create_dir_all(last.join(name)).unwrap();
        }
        put(&keeping, 2, false).unwrap();
        put(&keeping, 2, false).unwrap();
        keeping.publish(2).unwrap();
        assert_eq!(names(&last), ["mine", "step-000002"]);
        assert_eq!(held(folder.path()), "2");
    }

    #[test]
    fn what_a_killed_run_wrote_and_did_not_publish_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let keeping = Keeping { out: folder.path(), last: 1 };
        keeping.repair().unwrap();
        put(&keeping, 9, false).unwrap();
        put(&keeping, 10, false).unwrap();
        keeping.repair().unwrap();
        assert_eq!(held(folder.path()), "10");
    }
}
