//! What the kernel gives a real-time process: priority, locked memory, exact sleep. All of it is
//! asked for and none of it is required; what was given is reported.

use std::io;
use std::marker::PhantomData;

/// What the kernel gave.
#[derive(Debug)]
pub struct Granted {
    /// SCHED_FIFO for the calling thread.
    pub scheduler: io::Result<()>,
    /// No page of the process will be swapped out.
    pub memory: io::Result<()>,
}

/// Asks for SCHED_FIFO at `priority` (1..=99) for this thread and for locked memory.
pub fn ask(priority: i32) -> Granted {
    let scheduler = schedule(libc::SCHED_FIFO, priority);
    // SAFETY: no memory is touched.
    let memory = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    Granted { scheduler, memory: result(memory) }
}

/// Real-time priority of threads that keep a servo fed: below every servo's own.
const FEEDING_PRIORITY: i32 = 10;

/// A thread of the daemon at a low SCHED_FIFO priority, until this is dropped.
#[derive(Debug)]
pub struct Feeding {
    /// It is the thread's own.
    _thread: PhantomData<*const ()>,
}

impl Feeding {
    /// Asks for it for this thread: one that hears a servo or tells it commands, and sleeps in
    /// between. Its neighbours, inference and cameras, then cannot keep it from running until the
    /// servo takes it for gone. What it starts has the usual priority.
    pub fn ask() -> io::Result<Self> {
        let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
        schedule(policy, FEEDING_PRIORITY).map(|()| Self { _thread: PhantomData })
    }
}

impl Drop for Feeding {
    fn drop(&mut self) {
        // Never refused: it asks for less.
        let _ = schedule(libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, 0);
    }
}

fn schedule(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 is the calling thread; `parameters` is valid for the call.
    result(unsafe { libc::sched_setscheduler(0, policy, &parameters) })
}

/// Sleeps until the monotonic clock shows `due_ns`; returns at once if it is past.
pub fn sleep_until(due_ns: u64) {
    let due = libc::timespec {
        tv_sec: (due_ns / 1_000_000_000) as libc::time_t,
        tv_nsec: (due_ns % 1_000_000_000) as libc::c_long,
    };
    let interrupted = || {
        // SAFETY: `due` is valid for the call; with an absolute time nothing is written.
        let code = unsafe {
            libc::clock_nanosleep(
                libc::CLOCK_MONOTONIC,
                libc::TIMER_ABSTIME,
                &due,
                std::ptr::null_mut(),
            )
        };
        code == libc::EINTR
    };
    while interrupted() {}
}

/// Lets the process outlive the signals that end a daemon's process group: the end of the
/// socket, which comes with the daemon's own end, ends it with the arm given back.
pub fn ignore_ending_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: SIG_IGN runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn result(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
