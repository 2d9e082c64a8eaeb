//! The semaphore that the SDK's USB layer leaves in /dev/shm, and what goes wrong with it.
//!
//! InitAPI crashes when it may not open it, and every failed read takes one from it for good:
//! the read after the last one blocks for ever. It outlives the process. So it is checked before
//! InitAPI, given back what failed reads took, and removed when no process uses the SDK.

use super::error::ConnectError;
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// The semaphore of the SDK's USB layer; all arms on a machine share it.
pub const SDK_SEMAPHORE: &str = "/KinovaMutex";

/// Where a named semaphore lies.
pub fn file(name: &str) -> PathBuf {
    Path::new("/dev/shm").join(format!("sem.{}", name.trim_start_matches('/')))
}

/// Refuses when InitAPI would crash: the semaphore is there and not ours to open.
pub fn check_access(name: &str) -> Result<(), ConnectError> {
    let path = file(name);
    match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ConnectError::Semaphore { path, source }),
    }
}

/// Removes the semaphore. Only right when no process uses the SDK.
pub fn remove(name: &str) -> io::Result<()> {
    match std::fs::remove_file(file(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The SDK's semaphore and the value it should have while no call is under way.
#[derive(Debug)]
pub struct Semaphore {
    handle: NonNull<libc::sem_t>,
    full: i32,
}

// SAFETY: semaphores may be used from any thread.
unsafe impl Send for Semaphore {}

impl Semaphore {
    /// The semaphore as it is now, between two calls of a working SDK; `None` where the SDK has
    /// none (Ethernet).
    pub fn open(name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: `name` ends with a zero; without O_CREAT there are no further arguments.
        let handle = unsafe { libc::sem_open(name.as_ptr(), 0) };
        if handle == libc::SEM_FAILED {
            return None;
        }
        let mut semaphore = Self { handle: NonNull::new(handle)?, full: 0 };
        semaphore.full = semaphore.value();
        Some(semaphore)
    }

    /// Gives back what failed reads took. Returns how much that was.
    pub fn refill(&self) -> u32 {
        let missing = (self.full - self.value()).max(0);
        for _ in 0..missing {
            // SAFETY: the handle is open for as long as `self` lives.
            unsafe { libc::sem_post(self.handle.as_ptr()) };
        }
        missing as u32
    }

    fn value(&self) -> i32 {
        let mut value = 0;
        // SAFETY: the handle is open for as long as `self` lives; `value` is ours to write.
        unsafe { libc::sem_getvalue(self.handle.as_ptr(), &mut value) };
        value
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, closed once.
        unsafe { libc::sem_close(self.handle.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::ffi::CString;

    #[test]
    fn what_failed_reads_took_is_given_back_once() {
        let name = CString::new(format!("/jaco-servo-test-{}", std::process::id())).unwrap();
        assert!(Semaphore::open(name.to_str().unwrap()).is_none());
        // SAFETY: a valid name, and the two arguments that O_CREAT takes.
        let made = unsafe { libc::sem_open(name.as_ptr(), libc::O_CREAT, 0o600, 2) };
        let semaphore = Semaphore::open(name.to_str().unwrap()).unwrap();
        for _ in 0..2 {
            // SAFETY: `made` is open.
            assert_eq!(unsafe { libc::sem_trywait(made) }, 0);
        }
        assert_eq!(semaphore.value(), 0);
        assert_eq!(semaphore.refill(), 2);
        assert_eq!(semaphore.refill(), 0);
        assert_eq!(semaphore.value(), 2);
        // SAFETY: `made` is open and not used again.
        unsafe { (libc::sem_close(made), libc::sem_unlink(name.as_ptr())) };
    }
}
