//! A training that goes on in the background: how it is started, how it leaves whoever started it,
//! and its lowest priority.
//!
//! What is started is this program once more. It looks at what it was given and loads its data in
//! the foreground, so that what is wrong is answered where it was typed, and then lets go of terminal
//! and session.
//! The two share a socket, which is the started one's standard input until then. Owns nothing of the
//! training.

use anyhow::Context;
use jaco_shell::prints::redirect;
use jaco_shell::say::aside;
use rustix::process::{setpriority_process, setsid};
use serde::Serialize;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The option that starts one, and the one that it is started with.
const OPTIONS: [&str; 2] = ["--detach", "--detached"];
/// `ioprio_set`: this thread, and those that it will start.
const THIS_THREAD: [libc::c_int; 2] = [1, 0];
/// `ioprio_set`: only when nobody else wants the disk.
const IDLE_CLASS: libc::c_int = 3 << 13;
/// The least that a process can ask for.
const NICEST: i32 = 19;

/// What became of a training that was to go on in the background.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Begun {
    /// It goes on.
    Detached {
        /// Its process.
        pid: u32,
        /// Its log.
        log: PathBuf,
    },
    /// It did not begin, or had nothing left to do, and has said why.
    Refused {
        /// Its exit code.
        code: u8,
    },
}

impl fmt::Display for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Begun::Detached { pid, log } => {
                write!(f, "goes on in the background as process {pid}; log: {}", log.display())
            }
            Begun::Refused { code } => write!(f, "did not begin (exit code {code})"),
        }
    }
}

/// Where the log of a training in the folder `out` is.
pub fn log_path(out: &Path) -> PathBuf {
    out.join("training").join("log")
}

/// Starts the command line of this process in the background, and returns when it is about to take
/// its first step, or will not.
pub fn begin(out: &Path) -> anyhow::Result<Begun> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let arguments = std::env::args_os().skip(1).map(|given| match given == OPTIONS[0] {
        true => OPTIONS[1].into(),
        false => given,
    });
    // The command keeps the other end open for as long as it lives: not beyond this line.
    let started =
        Command::new(std::env::current_exe()?).args(arguments).stdin(OwnedFd::from(theirs)).spawn();
    let mut child = started.context("cannot start the training")?;
    if matches!(ours.read(&mut [0]), Ok(1)) {
        return Ok(Begun::Detached { pid: child.id(), log: log_path(out) });
    }
    let code = child.wait()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(Begun::Refused { code: code.unwrap_or(1) })
}

/// Asks for the lowest priority of processor and disk. To be called before any other thread is
/// there: it is passed on to those that come.
pub fn step_back() {
    let failed = |what: &str, error: io::Error| {
        aside(format_args!("the training keeps its {what}: {error}"));
    };
    if let Err(error) = setpriority_process(None, NICEST) {
        failed("priority", error.into());
    }
    let lowest = libc::sched_param { sched_priority: 0 };
    // SAFETY: `lowest` is a valid sched_param; 0 is this thread.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &lowest) } < 0 {
        failed("scheduling class", io::Error::last_os_error());
    }
    let [who, which] = THIS_THREAD;
    // SAFETY: takes three numbers and no memory.
    if unsafe { libc::syscall(libc::SYS_ioprio_set, who, which, IDLE_CLASS) } < 0 {
        failed("class at the disk", io::Error::last_os_error());
    }
}

/// Lets go of session, terminal and outputs, which go on in the log of the folder `out`, and tells
/// who waits that it has begun.
pub fn let_go(out: &Path) -> anyhow::Result<()> {
    let path = log_path(out);
    let doing = || format!("cannot log to {}", path.display());
    fs::create_dir_all(out.join("training")).with_context(doing)?;
    let log = OpenOptions::new().create(true).append(true).open(&path).with_context(doing)?;
    let nothing = File::open("/dev/null").context("cannot read nothing")?;
    let mut waiting = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    setsid().context("cannot leave the session")?;
    // Kernels that weigh sessions against one another look at theirs, not at the process's.
    let _ = fs::write("/proc/self/autogroup", NICEST.to_string());
    for output in [libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        redirect(output, &log)?;
    }
    redirect(libc::STDIN_FILENO, &nothing)?;
    waiting.write_all(&[1]).context("nobody waits for the training to begin any more")
}
