//! One trainer at a time in an output folder: a lock on training/lock, which the system lets go of
//! however a process ends.
//!
//! Owns the file and the folders made for it, which go again if nothing was put beside it. Must
//! never write anything into it.

use crate::error::TrainError;
use rustix::fs::{FlockOperation, flock, fstat, stat};
use rustix::io::Errno;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The lock on an output folder.
#[derive(Debug)]
pub struct Lock {
    file: PathBuf,
    /// Folders that were not there before, the outermost last.
    made: Vec<PathBuf>,
    _held: File,
}

impl Lock {
    /// Takes the lock on `out`; refused while another holds it.
    pub fn take(out: &Path) -> Result<Self, TrainError> {
        let folder = out.join("training");
        let absent = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made = folder.ancestors().take_while(absent).map(Path::to_owned).collect();
        let path = folder.join("lock");
        loop {
            fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
            let held = File::create(&path).map_err(TrainError::io(&path))?;
            match flock(&held, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => {
                    return Err(TrainError::Taken { dir: out.to_owned() });
                }
                // A file system without locks: better unguarded than not at all.
                Err(_) => return Ok(Self { file: path, made, _held: held }),
                Ok(()) => (),
            }
            // The holder before may have removed the file between opening and locking it.
            let same = |one: rustix::fs::Stat| {
                stat(&path).is_ok_and(|now| (now.st_dev, now.st_ino) == (one.st_dev, one.st_ino))
            };
            if fstat(&held).is_ok_and(same) {
                return Ok(Self { file: path, made, _held: held });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held, so that nobody who takes it next loses theirs. Folders that
        // hold something stay.
        let _ = fs::remove_file(&self.file);
        self.made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_one_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a/out");
        let first = Lock::take(&out).unwrap();
        let error = Lock::take(&out).unwrap_err();
        assert!(error.to_string().contains("another training"), "{error}");
        assert!(error.is_unusable_input());
        drop(first);
        assert!(!folder.path().join("a").exists(), "what was made for it is gone");
        drop(Lock::take(&out).unwrap());
    }

    #[test]
    fn what_was_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        fs::write(folder.path().join("training/state"), "").unwrap();
        drop(lock);
        assert_eq!(fs::read_dir(folder.path().join("training")).unwrap().count(), 1);
        // A killed run leaves the file, but no lock.
        fs::write(folder.path().join("training/lock"), "").unwrap();
        Lock::take(folder.path()).unwrap();
        // An empty folder that was there before stays too.
        let empty = tempfile::tempdir().unwrap();
        drop(Lock::take(empty.path()).unwrap());
        assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
    }
}
