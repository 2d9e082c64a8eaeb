//! An arm looked at from another process: what `jaco-servo --look` does, and how it is asked to.
//!
//! The vendor's library may crash the process that loads it, or hang in it, so whoever only wants to
//! know what is there must not load it himself. What was found crosses the same socket as
//! everything else that a servo tells; what the library prints stays apart. Nothing here takes or
//! commands an arm.

use crate::args::Args;
use crate::driver::{self, CallError, ConnectError, Look, remove_semaphore, semaphore_file};
use crate::process::socket::{PacketSocket, Received};
use crate::spawn::{SpawnOptions, is_gone_within, prepare};
use jaco_core::Transport;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Far beyond any message.
const MAX_LEN: usize = 1 << 16;
/// What a killed process gets to be gone.
const KILL_TIME: Duration = Duration::from_secs(1);
/// Bytes of what the library printed last that are told.
const MAX_PRINTED: usize = 400;

/// What InitAPI gives where it does not find its communication layer.
const NO_COMMUNICATION: i32 = 2002;

/// Functions of the SDK without which an arm cannot be driven over either connection.
const NEEDED: &[&str] = &[
    "CloseAPI",
    "EraseAllTrajectories",
    "GetAngularPosition",
    "GetCartesianPosition",
    "GetControlType",
    "GetDevices",
    "GetForcesInfo",
    "GetGeneralInformations",
    "GetGlobalTrajectoryInfo",
    "GetQuickStatus",
    "SendBasicTrajectory",
    "SendJoystickCommand",
    "SetActiveDevice",
    "SetCartesianControl",
    "StartControlAPI",
    "StopControlAPI",
];
/// Functions whose lack costs something and keeps nothing from working.
const USEFUL: &[&str] = &[
    "GetAPIVersion",
    "GetAngularCurrent",
    "GetClientConfigurations",
    "GetGripperStatus",
    "GetJoystickValue",
    "GetSensorsInfo",
    "GetTrajectoryTorqueMode",
    "StopForceControl",
];

/// What was found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Looked {
    /// Functions that the library lacks and an arm cannot be driven without.
    pub missing: Vec<String>,
    /// Functions that it lacks and whose lack can be borne.
    pub lacking: Vec<String>,
    /// Version of its API; none if it does not tell.
    pub api_version: Option<[i32; 3]>,
    /// The arm, or why there is none to look at.
    pub arm: Result<Look, NoLook>,
}

/// Why an arm could not be looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoLook {
    /// What is to blame.
    pub blame: Blame,
    /// What happened, and what to do about it.
    pub text: String,
}

/// What keeps an arm from being looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blame {
    /// The library does not load, or is too old.
    Library,
    /// The SDK's second library, which the first one opens.
    Communication,
    /// The SDK's semaphore.
    Semaphore,
    /// None answers.
    Absence,
    /// Another process has it.
    Owner,
    /// It is an arm that cannot be driven.
    Kind,
    /// It is not the arm that the settings mean.
    Settings,
    /// It answers, and a call failed.
    Call,
}

/// What the child tells.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    /// What it is going to do next.
    Doing(String),
    /// The end.
    Looked(Box<Looked>),
}

/// Looks at the arm that `args` mean and tells it on `socket`: the child's side.
///
/// # Errors
/// Nobody listens any more.
pub fn answer(args: &Args, socket: &PacketSocket) -> io::Result<()> {
    // A call that never returns must not outlive whoever asked.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    tell(socket, &Told::Doing("loading the SDK's library".to_owned()))?;
    let looked = match args.load_sdk() {
        Err(error) => {
            let arm = Err(NoLook { blame: Blame::Library, text: error.to_string() });
            Looked { missing: Vec::new(), lacking: Vec::new(), api_version: None, arm }
        }
        Ok(sdk) => {
            let absent: Vec<String> = sdk
                .missing()
                .into_iter()
                .map(|name| name.trim_start_matches("Ethernet_").to_owned())
                .collect();
            let among = |names: &[&str]| -> Vec<String> {
                absent.iter().filter(|name| names.contains(&name.as_str())).cloned().collect()
            };
            let opening = match args.transport {
                Transport::Usb => "InitAPI",
                Transport::Ethernet => "InitEthernetAPI",
            };
            let missing = [among(&[opening]), among(NEEDED)].concat();
            let lacking = among(USEFUL);
            let mut version = [0; 3];
            let told = sdk.get_api_version(&mut version);
            let api_version = matches!(told, Ok(kinova_sys::SUCCESS)).then_some(version);
            tell(socket, &Told::Doing("asking the SDK for the arm".to_owned()))?;
            let arm = driver::look(sdk, &args.driver_options());
            Looked { missing, lacking, api_version, arm: arm.map_err(|error| no_look(&error)) }
        }
    };
    tell(socket, &Told::Looked(Box::new(looked)))
}

fn tell(socket: &PacketSocket, told: &Told) -> io::Result<()> {
    socket.send(&serde_json::to_vec(told)?)
}

fn no_look(error: &ConnectError) -> NoLook {
    let text = match error {
        // Its own text advises those who cannot look at everything else.
        ConnectError::Init(call) => format!("no arm: {call}"),
        other => other.to_string(),
    };
    let blame = match error {
        ConnectError::Init(CallError::Code { code: NO_COMMUNICATION, .. }) => Blame::Communication,
        ConnectError::OldApi { .. } => Blame::Library,
        ConnectError::Semaphore { .. } => Blame::Semaphore,
        ConnectError::Init(_) | ConnectError::NoDevice { .. } => Blame::Absence,
        ConnectError::Held { .. } => Blame::Owner,
        ConnectError::WrongArm { .. } | ConnectError::WrongJoints { .. } => Blame::Kind,
        ConnectError::NoSuchSerial { .. }
        | ConnectError::Ambiguous { .. }
        | ConnectError::WrongFingers { .. } => Blame::Settings,
        ConnectError::Lock(_) | ConnectError::Call(_) => Blame::Call,
    };
    NoLook { blame, text }
}

/// A look that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The program cannot be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It said nothing for too long, and was killed.
    #[error("{doing}: nothing came back within {} s, so the process was ended", limit.as_secs())]
    Hangs {
        /// What it was doing.
        doing: String,
        /// How long it had.
        limit: Duration,
    },
    /// It ended without an answer.
    #[error("{doing}: the process ended with {status}{}", printed_last(printed))]
    Crashed {
        /// What it was doing.
        doing: String,
        /// How it ended.
        status: ExitStatus,
        /// What was printed in it last.
        printed: String,
    },
}

impl LookError {
    /// The signal that ended the process, if one did.
    pub fn signal(&self) -> Option<i32> {
        match self {
            LookError::Crashed { status, .. } => status.signal(),
            _ => None,
        }
    }
}

fn printed_last(printed: &str) -> String {
    if printed.is_empty() { String::new() } else { format!("; it printed: {printed}") }
}

/// Has a process of its own look at the arm that `options` mean, for at most `limit`.
///
/// # Errors
/// The process did not answer. It is gone then, or being killed.
pub fn ask(options: &SpawnOptions, limit: Duration) -> Result<Looked, LookError> {
    let unstarted =
        |source| LookError::Start { program: options.program.display().to_string(), source };
    let semaphore = semaphore_file(&options.semaphore);
    let was_there = semaphore.exists();
    let (ours, theirs) = PacketSocket::pair().map_err(unstarted)?;
    let (mut program, prints) = prepare(options, &theirs, true).map_err(unstarted)?;
    let mut child = program.stderr(Stdio::null()).spawn().map_err(unstarted)?;
    let pidfd = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            // A child that cannot be watched must not go on.
            let _ = child.kill();
            let _ = child.wait();
            return Err(unstarted(error.into()));
        }
    };
    // The child has its own; the end of the last one is the end of the socket and of the pipe.
    drop((theirs, program));
    let looked = hear(child, &pidfd, &ours, prints, limit);
    if !was_there {
        // Left by whoever only looked, it would keep the daemon's user out.
        let _ = remove_semaphore(&options.semaphore);
    }
    looked
}

fn hear(
    mut child: Child,
    pidfd: &OwnedFd,
    socket: &PacketSocket,
    prints: PipeReader,
    limit: Duration,
) -> Result<Looked, LookError> {
    let deadline = Instant::now() + limit;
    let mut doing = "starting".to_owned();
    let mut buffer = vec![0; MAX_LEN];
    loop {
        let heard = match socket.receive(&mut buffer) {
            Ok(Received::Packet(packet)) => serde_json::from_slice(packet).ok(),
            Ok(Received::Nothing) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    let _ = child.kill();
                    end(&mut child, pidfd);
                    return Err(LookError::Hangs { doing, limit });
                }
                let _ = socket.wait(left);
                continue;
            }
            Ok(Received::Closed) | Err(_) => None,
        };
        match heard {
            Some(Told::Doing(next)) => doing = next,
            Some(Told::Looked(looked)) => {
                end(&mut child, pidfd);
                return Ok(*looked);
            }
            None => {
                return Err(match end(&mut child, pidfd) {
                    Some(status) => LookError::Crashed { doing, status, printed: tail(prints) },
                    None => LookError::Hangs { doing, limit },
                });
            }
        }
    }
}

/// Waits for a process that has nothing more to do, and kills it if it does not end; none if even
/// that does not end it.
fn end(child: &mut Child, pidfd: &OwnedFd) -> Option<ExitStatus> {
    if !is_gone_within(pidfd, KILL_TIME) {
        let _ = child.kill();
        if !is_gone_within(pidfd, KILL_TIME) {
            return None;
        }
    }
    child.wait().ok()
}

/// The end of what was printed, in one line.
fn tail(mut prints: PipeReader) -> String {
    let _ = fcntl_setfl(&prints, OFlags::NONBLOCK);
    let mut bytes = Vec::new();
    let _ = prints.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(MAX_PRINTED)..]);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
