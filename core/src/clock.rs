//! Time, as a thing that is passed in. Only a program's `main` makes a [`MonotonicClock`].

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of monotonic nanoseconds.
pub trait Clock: Send + Sync {
    /// Monotonic nanoseconds since an origin that never changes for this clock.
    fn now_ns(&self) -> u64;
}

/// The kernel's CLOCK_MONOTONIC: one origin for all processes of a machine, so their stamps
/// compare.
#[derive(Clone, Copy, Debug, Default)]
pub struct MonotonicClock;

impl Clock for MonotonicClock {
    fn now_ns(&self) -> u64 {
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `now` is a valid timespec for the kernel to write; CLOCK_MONOTONIC cannot fail.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }
}

/// A clock that moves only when told to: for lockstep runs and tests.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// Moves the clock on by `ns`.
    pub fn advance_ns(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
