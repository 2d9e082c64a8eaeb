//! The stop latch. It belongs to the daemon, not to the servo: every new servo process is told of
//! it before anything else, and it outlives the daemon itself in a file.
//!
//! The file has one size for ever and is written over in place, so that a full disk cannot keep a
//! stop from being saved. What cannot be read back as "not latched" counts as latched. Must never
//! be released by anybody but an operator's reset.

use jaco_report::replace_file;
use jaco_servo::StopReason;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of the file: one sector, which a disk writes whole or not at all.
const FILE_BYTES: usize = 512;

/// A latched stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Why.
    pub reason: StopReason,
    /// Tells this stop from those before it.
    pub number: u64,
}

/// The latch.
#[derive(Debug)]
pub struct StopLatch {
    path: PathBuf,
    state: Mutex<State>,
    file: Mutex<File>,
}

#[derive(Debug)]
struct State {
    stop: Option<Stop>,
    /// Stops so far.
    count: u64,
}

/// What the file says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    latched: Option<StopReason>,
}

impl StopLatch {
    /// The latch kept in the file at `path`; a new file is not latched.
    ///
    /// # Errors
    /// The file can be neither read nor made.
    pub fn open(path: &Path) -> io::Result<Self> {
        if !path.try_exists()? {
            replace_file(path, &encode(&Record { latched: None }))?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut text = vec![0; FILE_BYTES];
        let read = file.read_at(&mut text, 0)?;
        let latched = match serde_json::from_slice::<Record>(&text[..read]) {
            Ok(record) => record.latched,
            Err(error) => {
                tracing::error!("{} is damaged ({error}): counts as a stop", path.display());
                Some(StopReason::Supervisor)
            }
        };
        let count = u64::from(latched.is_some());
        let stop = latched.map(|reason| Stop { reason, number: count });
        let state = Mutex::new(State { stop, count });
        Ok(Self { path: path.to_owned(), state, file: Mutex::new(file) })
    }

    /// The stop that is latched.
    pub fn stop(&self) -> Option<Stop> {
        self.state().stop
    }

    /// Latches, in memory and at once; [`save`](Self::save) is to follow. The first reason is the
    /// one to know. Returns the stop and whether there was none before.
    pub fn set(&self, reason: StopReason) -> (Stop, bool) {
        let mut state = self.state();
        state.count += 1;
        let number = state.count;
        let new = state.stop.is_none();
        let reason = state.stop.map_or(reason, |stop| stop.reason);
        let stop = Stop { reason, number };
        state.stop = Some(stop);
        (stop, new)
    }

    /// Releases `stop` if no later one has come; whether it did. To be saved afterwards.
    pub fn release(&self, stop: Stop) -> bool {
        let mut state = self.state();
        let released = state.stop.is_none_or(|latched| latched.number == stop.number);
        if released {
            state.stop = None;
        }
        released
    }

    /// Writes to the disk what is latched now; returns when it is there.
    ///
    /// # Errors
    /// The disk refused; the latch in memory stays as it is.
    pub fn save(&self) -> Result<(), String> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // Read only now: of two that save, the later writes the later state.
        let latched = self.stop().map(|stop| stop.reason);
        file.write_all_at(&encode(&Record { latched }), 0)
            .and_then(|()| file.sync_data())
            .map_err(|error| format!("cannot write {}: {error}", self.path.display()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(record: &Record) -> Vec<u8> {
    let mut text = serde_json::to_vec(record).unwrap_or_default();
    text.resize(FILE_BYTES - 1, b' ');
    // Infallible for a Vec.
    let _ = text.write_all(b"\n");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn latch() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stop-latch");
        (folder, path)
    }

    /// `jaco stop`, then the servo or the daemon dies: the arm was free to move.
    #[test]
    fn a_saved_stop_outlives_the_daemon_until_it_is_released() {
        let (_folder, path) = latch();
        let first = StopLatch::open(&path).unwrap();
        assert_eq!(first.stop(), None);
        first.set(StopReason::Operator);
        first.save().unwrap();
        drop(first);
        let second = StopLatch::open(&path).unwrap();
        let stop = second.stop().unwrap();
        assert_eq!(stop.reason, StopReason::Operator);
        assert!(second.release(stop));
        second.save().unwrap();
        assert_eq!(StopLatch::open(&path).unwrap().stop(), None);
    }

    #[test]
    fn a_stop_that_comes_during_a_reset_stays() {
        let (_folder, path) = latch();
        let latch = StopLatch::open(&path).unwrap();
        let (stop, new) = latch.set(StopReason::QueueGrew);
        assert!(new);
        let (later, new) = latch.set(StopReason::Operator);
        assert!(!new);
        assert!(!latch.release(stop));
        assert_eq!(latch.stop().unwrap().reason, StopReason::QueueGrew, "the first reason");
        assert!(latch.release(later));
    }

    #[test]
    fn what_cannot_be_read_counts_as_latched() {
        for damage in [&b""[..], b"{", b"{\"latched\":\"nonsense\"}", &[0xff; 600]] {
            let (_folder, path) = latch();
            std::fs::write(&path, damage).unwrap();
            assert!(StopLatch::open(&path).unwrap().stop().is_some(), "{damage:?}");
        }
    }

    #[test]
    fn the_file_never_changes_its_size() {
        let (_folder, path) = latch();
        let latch = StopLatch::open(&path).unwrap();
        for _ in 0..3 {
            let (stop, _) = latch.set(StopReason::CartesianControlLost);
            latch.save().unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), FILE_BYTES as u64);
            latch.release(stop);
            latch.save().unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), FILE_BYTES as u64);
        }
    }
}
