//! The daemon's side: start a servo process and talk to it. For plain threads; nothing here
//! supervises, retries or waits longer than asked.

use crate::args::Args;
use crate::command::Command;
use crate::driver::{AngularFrame, remove_semaphore};
use crate::limits::Limits;
use crate::message::{
    MAX_COMMAND_LEN, MessageError, STATUS_LEN, ServoStatus, decode_status, encode_command,
};
use crate::process::socket::{PacketSocket, Received};
pub use kinova_sys::Transport;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

/// What to start, and how it reaches the arm.
#[derive(Clone, Debug, PartialEq)]
pub struct SpawnOptions {
    /// The `jaco-servo` program.
    pub program: PathBuf,
    /// The SDK's command layer library, or a stand-in for it.
    pub sdk: PathBuf,
    /// How the arm is connected.
    pub transport: Transport,
    /// Start of the arm's serial number; `None` takes the only arm there is.
    pub serial: Option<String>,
    /// Frame in which the arm takes angular velocities.
    pub angular_frame: AngularFrame,
    /// The limits; a servo with bad ones does not start.
    pub limits: Limits,
    /// Real-time priority asked for, 1 to 99.
    pub priority: i32,
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
            serial: None,
            angular_frame: AngularFrame::default(),
            limits: Limits::default(),
            priority: 40,
            environment: Vec::new(),
        }
    }
}

/// Starts a servo process. It inherits standard error, has no input, and gets the SDK's folder in
/// LD_LIBRARY_PATH: the SDK finds its second library only if the process was started so.
///
/// The first status comes when the arm is in control; a servo that cannot get there says why on
/// standard error and exits, which closes the link. Dropping the link makes the servo slow down,
/// give the arm back and exit.
pub fn spawn(options: &SpawnOptions) -> io::Result<(Child, ServoLink)> {
    let (ours, theirs) = PacketSocket::pair()?;
    // With an absolute path the program and the loader mean the same file.
    let sdk = std::path::absolute(&options.sdk)?;
    let socket_fd = theirs.number();
    let args = Args {
        socket_fd,
        transport: options.transport,
        serial: options.serial.clone(),
        angular_frame: options.angular_frame,
        limits: options.limits,
        priority: options.priority,
        sdk: sdk.clone(),
    };
    let mut program = Program::new(&options.program);
    program
        .args(args.to_arguments())
        .env("LD_LIBRARY_PATH", library_path(&sdk)?)
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    // SAFETY: fcntl is async-signal-safe, and the closure touches nothing else.
    unsafe {
        program.pre_exec(move || match libc::fcntl(socket_fd, libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        })
    };
    Ok((program.spawn()?, ServoLink { socket: ours }))
}

/// The folder of `sdk` before whatever LD_LIBRARY_PATH holds.
fn library_path(sdk: &Path) -> io::Result<OsString> {
    let folder = sdk.parent().unwrap_or(Path::new("/")).to_owned();
    let others = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let others = env::split_paths(&others).filter(|path| !path.as_os_str().is_empty());
    env::join_paths(std::iter::once(folder).chain(others)).map_err(io::Error::other)
}

/// Removes what a killed servo may have left locked. Only when no process uses the SDK.
pub fn clear_leaked_semaphore() {
    if let Err(error) = remove_semaphore() {
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

    /// The next status, if one is there.
    pub fn try_recv(&self) -> Result<Option<ServoStatus>, LinkError> {
        let mut buffer = [0; STATUS_LEN + 1];
        match self.socket.receive(&mut buffer).map_err(LinkError::Socket)? {
            Received::Packet(packet) => Ok(Some(decode_status(packet)?)),
            Received::Nothing => Ok(None),
            Received::Closed => Err(LinkError::Closed),
        }
    }

    /// The next status, waited for at most `timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<ServoStatus>, LinkError> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.try_recv()? {
                return Ok(Some(status));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.wait(left).map_err(LinkError::Socket)?;
        }
    }
}
