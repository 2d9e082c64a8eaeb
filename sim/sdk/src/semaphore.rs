//! The named semaphore of the vendor's USB layer, with the vendor's faults, which a program that
//! uses the SDK has to live with: it does not exclude, and a failed read keeps a count for ever.

use std::ffi::CString;
use std::io;
use std::ptr::NonNull;

/// Value of a semaphore that InitAPI has just made; each InitAPI adds one more.
const INITIAL: libc::c_uint = 1;
/// As the vendor's: what the umask leaves of it.
const MODE: libc::mode_t = 0o666;

/// An open semaphore. It is never closed: another thread may wait at it.
#[derive(Clone, Copy, Debug)]
pub struct Semaphore(NonNull<libc::sem_t>);

// SAFETY: a semaphore may be used from any thread.
unsafe impl Send for Semaphore {}

impl Semaphore {
    /// Opens the semaphore called `name`, or makes it, and adds one to it, as InitAPI does.
    pub fn init(name: &str) -> io::Result<Self> {
        let name = CString::new(name)?;
        // SAFETY: the name ends with 0; the last two arguments are those that O_CREAT asks for.
        let semaphore = unsafe { libc::sem_open(name.as_ptr(), libc::O_CREAT, MODE, INITIAL) };
        let open = NonNull::new(semaphore).filter(|open| open.as_ptr() != libc::SEM_FAILED);
        let open = Self(open.ok_or_else(io::Error::last_os_error)?);
        open.post();
        Ok(open)
    }

    /// Waits without limit and takes one.
    pub fn wait(self) {
        loop {
            // SAFETY: the semaphore is open for as long as the process lives.
            let taken = unsafe { libc::sem_wait(self.0.as_ptr()) } == 0;
            if taken || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                return;
            }
        }
    }

    /// Adds one.
    pub fn post(self) {
        // SAFETY: the semaphore is open for as long as the process lives.
        unsafe { libc::sem_post(self.0.as_ptr()) };
    }
}

/// What tests look at and leave behind.
#[cfg(test)]
impl Semaphore {
    pub fn value(self) -> i32 {
        let mut value = -1;
        // SAFETY: the semaphore is open for as long as the process lives.
        assert_eq!(unsafe { libc::sem_getvalue(self.0.as_ptr(), &raw mut value) }, 0);
        value
    }

    pub fn unlink(name: &str) {
        let name = CString::new(name).expect("a name without 0");
        // SAFETY: the name ends with 0.
        unsafe { libc::sem_unlink(name.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_opening_adds_one_to_what_the_first_one_made() {
        let name = format!("/jaco-sim-sdk-{}", std::process::id());
        let first = Semaphore::init(&name).unwrap();
        assert_eq!(first.value(), 2);
        first.wait();
        let second = Semaphore::init(&name).unwrap();
        assert_eq!(second.value(), 2);
        second.post();
        assert_eq!(first.value(), 3);
        Semaphore::unlink(&name);
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        assert!(Semaphore::init("/no/such/place").is_err());
    }
}
