//! The daemon's side: start a servo process, talk to it, end it. For plain threads; nothing here
//! supervises, retries or waits longer than it says.

use crate::args::Args;
use crate::command::Command;
use crate::driver::{SDK_SEMAPHORE, remove_semaphore};
use crate::message::{
    FromServo, MAX_COMMAND_LEN, MAX_FROM_SERVO_LEN, MessageError, decode_from_servo, encode_command,
};
use crate::mode::StopReason;
use crate::process::ENDING;
use crate::process::socket::{PacketSocket, Received};
use jaco_core::{AngularFrame, Ethernet, Level, Limits, LogFormat, Transport};
use jaco_shell::prints;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::ffi::OsString;
use std::io::PipeReader;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fmt, io};

/// What a servo takes besides [`ENDING`] to end: calls of the SDK that give the arm back.
const LAST_CALLS: Duration = Duration::from_secs(2);
/// What [`ServoProcess::end`] grants before it kills.
pub const END_TIME: Duration =
    Duration::from_millis((ENDING.as_millis() + LAST_CALLS.as_millis()) as u64);
const _: () = assert!(
    END_TIME.as_millis() > ENDING.as_millis(),
    "a servo that is killed while it gives the arm back leaves the arm to nobody"
);
/// What a killed process gets to be gone: one in the middle of a USB transfer takes a moment.
const KILL_TIME: Duration = Duration::from_secs(2);

/// What to start, and how it reaches the arm.
#[derive(Clone, Debug, PartialEq)]
pub struct SpawnOptions {
    /// The `jaco-servo` program.
    pub program: PathBuf,
    /// The SDK's command layer library, or a stand-in for it.
    pub sdk: PathBuf,
    /// How the arm is connected.
    pub transport: Transport,
    /// Addresses of an arm on a network.
    pub ethernet: Ethernet,
    /// Serial number, or its beginning; `None` takes the only arm there is.
    pub serial: Option<String>,
    /// Fingers of the hand: 2 or 3.
    pub fingers: u8,
    /// Name of the SDK's semaphore.
    pub semaphore: String,
    /// Frame in which the arm takes angular velocities.
    pub angular_frame: AngularFrame,
    /// The limits; a servo with bad ones does not start.
    pub limits: Limits,
    /// Be stopped from the first tick on, for this reason; it takes a `Reset` to release it.
    pub stopped: Option<StopReason>,
    /// Real-time priority asked for, 1 to 99.
    pub priority: i32,
    /// The least severe level that the servo logs.
    pub log_level: Level,
    /// The form of its log, which goes where this process's own log goes.
    pub log_format: LogFormat,
    /// Environment variables for the process besides the daemon's own.
    pub environment: Vec<(OsString, OsString)>,
}

impl SpawnOptions {
    /// Options with defaults for a USB arm.
    pub fn new(program: PathBuf, sdk: PathBuf) -> Self {
        Self {
            program,
            sdk,
            transport: Transport::Usb,
            ethernet: Ethernet::default(),
            serial: None,
            fingers: 3,
            semaphore: SDK_SEMAPHORE.to_owned(),
            angular_frame: AngularFrame::Effector,
            limits: Limits::default(),
            stopped: None,
            priority: 40,
            log_level: Level::Info,
            log_format: LogFormat::Text,
            environment: Vec::new(),
        }
    }

    /// For the simulated arm behind `socket`, whose stand-in for the SDK takes `semaphore` if one is
    /// named.
    #[must_use]
    pub fn simulated(mut self, socket: &Path, semaphore: Option<&str>) -> Self {
        self.environment.push(("JACO_SIM_SOCKET".into(), socket.into()));
        if let Some(name) = semaphore {
            self.environment.push(("JACO_SIM_SEMAPHORE".into(), name.into()));
            self.semaphore = name.to_owned();
        }
        self
    }
}

/// Starts a servo process. It logs where this process does, has no input, and gets the SDK's folder in
/// LD_LIBRARY_PATH: the SDK finds its second library only if the process was started so.
///
/// [`FromServo::Starting`] tells what it is doing until the arm is in control and the first status
/// comes; a servo that cannot get there says why in [`FromServo::LastWords`] and exits, which
/// closes the link.
pub fn spawn(options: &SpawnOptions) -> io::Result<ServoProcess> {
    options.limits.validate().map_err(io::Error::other)?;
    let (ours, theirs) = PacketSocket::pair()?;
    let (mut program, prints) = prepare(options, &theirs, false)?;
    let mut child = program.spawn()?;
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(pidfd) => {
            let (link, prints) = (ServoLink::new(ours), Some(prints));
            Ok(ServoProcess { child, pidfd, link, prints, semaphore: options.semaphore.clone() })
        }
        Err(error) => {
            // A child that cannot be watched must not have the arm.
            child.kill()?;
            child.wait()?;
            Err(error.into())
        }
    }
}

/// The program with its command line, and what the SDK prints in it; it inherits `socket`. It may be
/// told only to `look` at the arm.
pub(crate) fn prepare(
    options: &SpawnOptions,
    socket: &PacketSocket,
    look: bool,
) -> io::Result<(Program, PipeReader)> {
    // With an absolute path the program and the loader mean the same file.
    let sdk = std::path::absolute(&options.sdk)?;
    let socket_fd = socket.number();
    let args = Args {
        socket_fd,
        look,
        transport: options.transport,
        ethernet: options.ethernet,
        serial: options.serial.clone(),
        fingers: options.fingers,
        semaphore: options.semaphore.clone(),
        angular_frame: options.angular_frame,
        limits: options.limits,
        stopped: options.stopped,
        priority: options.priority,
        log_level: options.log_level,
        log_format: options.log_format,
        sdk: sdk.clone(),
    };
    let (prints, theirs_to_print) = prints::pipe()?;
    let mut program = Program::new(&options.program);
    program
        .args(args.to_arguments())
        .env("LD_LIBRARY_PATH", library_path(&sdk)?)
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(theirs_to_print)
        .stderr(jaco_shell::log::for_child()?);
    // SAFETY: fcntl is async-signal-safe, and the closure touches nothing else.
    unsafe {
        program.pre_exec(move || match libc::fcntl(socket_fd, libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        })
    };
    Ok((program, prints))
}

/// A servo process and the link to it. Dropped, it ends by itself, and nobody waits for it.
#[derive(Debug)]
#[must_use = "end or kill it: a process that nobody waits for stays in the process table"]
pub struct ServoProcess {
    child: Child,
    /// Means this process and no other, whatever becomes of its number.
    pidfd: OwnedFd,
    link: ServoLink,
    prints: Option<PipeReader>,
    semaphore: String,
}

impl ServoProcess {
    /// The link; one thread may send while another receives.
    pub fn link(&self) -> &ServoLink {
        &self.link
    }

    /// What the SDK prints in it, once; closed when the process has ended. Unread, it is lost.
    pub fn take_prints(&mut self) -> Option<PipeReader> {
        self.prints.take()
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Closes the link, which makes the servo slow the arm down, give it back and exit. Kills it
    /// when [`END_TIME`] is over. Then removes the SDK's semaphore, which a call that was cut
    /// short may have left taken.
    pub fn end(self) -> Ended {
        let Self { child, pidfd, link, semaphore, .. } = self;
        drop(link);
        if is_gone_within(&pidfd, END_TIME) {
            reap(child, false, &semaphore)
        } else {
            kill_and_reap(child, &pidfd, &semaphore)
        }
    }

    /// Kills it at once: for one that is silent. The arm stops by itself, for points live for one
    /// tick, but control is not given back. Then as [`end`](Self::end).
    pub fn kill(self) -> Ended {
        kill_and_reap(self.child, &self.pidfd, &self.semaphore)
    }
}

/// How a servo process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it exited with; `None` if even a kill did not end it in time: it hangs in the kernel,
    /// and has the arm.
    pub status: Option<ExitStatus>,
    /// Whether it was killed.
    pub killed: bool,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            None => write!(f, "it was killed and is still there after {} s", KILL_TIME.as_secs()),
            Some(status) if self.killed => write!(f, "it was killed ({status})"),
            Some(status) => write!(f, "{status}"),
        }
    }
}

fn kill_and_reap(child: Child, pidfd: &OwnedFd, semaphore: &str) -> Ended {
    // Fails only for a process that has ended, which is what is wanted.
    let _ = pidfd_send_signal(pidfd, Signal::KILL);
    if is_gone_within(pidfd, KILL_TIME) {
        reap(child, true, semaphore)
    } else {
        Ended { status: None, killed: true }
    }
}

/// For a process that is gone: returns at once.
fn reap(mut child: Child, killed: bool, semaphore: &str) -> Ended {
    let status = child.wait().ok();
    clear_leaked_semaphore(semaphore);
    Ended { status, killed }
}

pub(crate) fn is_gone_within(pidfd: &OwnedFd, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        let mut gone = [PollFd::new(pidfd, PollFlags::IN)];
        match poll(&mut gone, Some(&timeout)) {
            Ok(ready) if ready > 0 => return true,
            // Interrupted by a signal of ours, or over.
            _ if left.is_zero() => return false,
            _ => {}
        }
    }
}

/// The folder of `sdk` before whatever LD_LIBRARY_PATH holds.
fn library_path(sdk: &Path) -> io::Result<OsString> {
    let folder = sdk.parent().unwrap_or(Path::new("/")).to_owned();
    let others = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let others = env::split_paths(&others).filter(|path| !path.as_os_str().is_empty());
    env::join_paths(std::iter::once(folder).chain(others)).map_err(io::Error::other)
}

/// Removes what a killed servo may have left locked. Only when no process uses the SDK.
fn clear_leaked_semaphore(semaphore: &str) {
    if let Err(error) = remove_semaphore(semaphore) {
        tracing::warn!("cannot remove the Kinova SDK's semaphore: {error}");
    }
}

/// The way to a servo process; may be shared between a thread that sends and one that receives.
#[derive(Debug)]
pub struct ServoLink {
    socket: PacketSocket,
}

/// The servo cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The servo has closed its end: it has ended.
    #[error("the servo has ended")]
    Closed,
    /// The servo does not read its commands: it hangs in a call of the SDK.
    #[error("the servo does not take commands: it hangs")]
    Hangs,
    /// A message that cannot be.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The socket failed.
    #[error("the socket to the servo failed: {0}")]
    Socket(io::Error),
}

impl ServoLink {
    /// A link over `socket`, whose other end a servo has.
    pub fn new(socket: PacketSocket) -> Self {
        Self { socket }
    }

    /// Sends `command`; never waits.
    pub fn send(&self, command: &Command) -> Result<(), LinkError> {
        let mut buffer = [0; MAX_COMMAND_LEN];
        let packet = encode_command(command, &mut buffer)?;
        self.socket.send(packet).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => LinkError::Hangs,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => LinkError::Closed,
            _ => LinkError::Socket(error),
        })
    }

    /// The next message, if one is there.
    pub fn try_recv(&self) -> Result<Option<FromServo>, LinkError> {
        let mut buffer = [0; MAX_FROM_SERVO_LEN];
        match self.socket.receive(&mut buffer).map_err(LinkError::Socket)? {
            Received::Packet(packet) => Ok(Some(decode_from_servo(packet)?)),
            Received::Nothing => Ok(None),
            Received::Closed => Err(LinkError::Closed),
        }
    }

    /// The next message, waited for at most `timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<FromServo>, LinkError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(message) = self.try_recv()? {
                return Ok(Some(message));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.wait(left).map_err(LinkError::Socket)?;
        }
    }
}
