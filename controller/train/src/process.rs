//! Which process: its number with its time of birth, for the number alone may be another's by now.
//!
//! Owns how one is told to end and waited for. Must never signal a process that it cannot tell
//! from another.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Place of the time of birth in `/proc/PID/stat`, counted from the state, which is the first after
/// the name.
const STARTED: usize = 19;

/// A process of this machine, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it was started \[clock ticks after the machine\].
    started: u64,
    /// Which start of which machine that counts from.
    boot: String,
}

impl Process {
    /// This one.
    pub fn own() -> io::Result<Self> {
        let (_, started) = look(rustix::process::getpid().as_raw_pid())?;
        Ok(Self { pid: rustix::process::getpid().as_raw_pid(), started, boot: boot()? })
    }

    /// Whether it has not ended.
    pub fn lives(&self) -> bool {
        let here = boot().is_ok_and(|boot| boot == self.boot);
        here && look(self.pid).is_ok_and(|found| found == (true, self.started))
    }

    /// Whether it belongs to another machine, or to a start of this one before the last.
    pub fn is_elsewhere(&self) -> bool {
        boot().is_ok_and(|boot| boot != self.boot)
    }

    /// Tells it to end as Ctrl-C would and waits until it has, for at most `patience`; whether it
    /// has.
    pub fn end(&self, patience: Duration) -> io::Result<bool> {
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(true) };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(true),
            handle => handle?,
        };
        // Only now: from here on the handle cannot become another's.
        if !self.lives() {
            return Ok(true);
        }
        pidfd_send_signal(&handle, Signal::TERM)?;
        has_ended(&handle, patience)
    }
}

/// Whether the process of `handle` ends within `patience`.
fn has_ended(handle: &OwnedFd, patience: Duration) -> io::Result<bool> {
    let mut ends = [PollFd::new(handle, PollFlags::IN)];
    let most = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: 0 };
    Ok(poll(&mut ends, Some(&most))? > 0)
}

/// Whether process `pid` runs, and when it was started.
fn look(pid: i32) -> io::Result<(bool, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "/proc is not as expected");
    // The name before may hold anything.
    let (_, rest) = text.rsplit_once(')').ok_or_else(unreadable)?;
    let mut fields = rest.split_whitespace();
    let state = fields.next().ok_or_else(unreadable)?;
    let started = fields.nth(STARTED - 1).and_then(|field| field.parse().ok());
    // A zombie has ended; nobody has asked how.
    Ok((!matches!(state, "Z" | "X"), started.ok_or_else(unreadable)?))
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    fn of(pid: i32) -> Process {
        Process { pid, started: look(pid).unwrap().1, boot: boot().unwrap() }
    }

    #[test]
    fn a_process_is_told_from_another_with_its_number() {
        let own = Process::own().unwrap();
        assert!(own.lives() && !own.is_elsewhere());
        let later = Process { started: own.started + 1, ..own.clone() };
        assert!(!later.lives());
        assert!(later.end(Duration::ZERO).unwrap(), "and it is not this one that is told to end");
        let before = Process { boot: "another".into(), ..own };
        assert!(!before.lives() && before.is_elsewhere());
    }

    #[test]
    fn one_that_is_told_to_end_is_waited_for() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = of(child.id() as i32);
        assert!(process.lives());
        assert!(process.end(Duration::from_secs(60)).unwrap());
        assert!(!process.lives(), "a zombie is not alive");
        child.wait().unwrap();
        assert!(process.end(Duration::ZERO).unwrap());
    }
}
