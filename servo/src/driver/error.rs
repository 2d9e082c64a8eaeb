//! What can go wrong with the arm, said so that somebody at the robot can act.

use super::api::Called;
use super::plausible::Jump;
use kinova_sys::{SymbolError, return_code_name};
use std::ffi::c_int;
use std::io;
use std::path::PathBuf;

/// A call to the SDK that did not do what it is for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The SDK returned something other than 1.
    #[error("{call} returned {code} ({})", return_code_name(*code))]
    Code {
        /// The SDK's function.
        call: &'static str,
        /// What it returned.
        code: c_int,
    },
    /// The SDK said 1 and gave numbers that no arm has: the reply was empty.
    #[error("{call} returned 1 with an empty reply")]
    EmptyReply {
        /// The SDK's function.
        call: &'static str,
    },
    /// The SDK said 1 and gave numbers that cannot be.
    #[error("{call} returned 1 with numbers that cannot be its own")]
    Implausible {
        /// The SDK's function.
        call: &'static str,
    },
    /// The SDK said 1 and gave a pose that the arm cannot have reached.
    #[error(
        "{call} gave a pose {:.3} m and {:.2} rad from the last that was taken: no arm is that fast",
        jump.moved_m, jump.turned_rad
    )]
    Jump {
        /// The SDK's function.
        call: &'static str,
        /// How far.
        jump: Jump,
    },
    /// The SDK said 1 and gave joints that the arm cannot have reached.
    #[error("{call} gave joint angles that the arm cannot have reached: no joint is that fast")]
    JointJump {
        /// The SDK's function.
        call: &'static str,
    },
    /// The SDK has no such function.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
}

/// `Ok` when `called` returned 1.
pub(super) fn judge(call: &'static str, called: Called) -> Result<(), CallError> {
    match called? {
        1 => Ok(()),
        code => Err(CallError::Code { call, code }),
    }
}

/// The arm could not be taken into control.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The SDK's semaphore cannot be opened; InitAPI would crash.
    #[error(
        "cannot open {} for reading and writing: {source}. The Kinova SDK would crash. Another \
         user's process made it: end that process and remove the file, then start again",
        path.display()
    )]
    Semaphore {
        /// The semaphore's file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The SDK did not start.
    #[error(
        "no arm: {0}. Check that the arm is on and its cable plugged in, that the udev rule is \
         installed, and that no other program (Development Center) uses it. 2002 means that the \
         SDK's folder is not in LD_LIBRARY_PATH"
    )]
    Init(CallError),
    /// The SDK started and found no arm.
    #[error("the SDK started but lists no arm (GetDevices gave {count}, result {result})")]
    NoDevice {
        /// What GetDevices returned.
        count: c_int,
        /// Its result.
        result: c_int,
    },
    /// No arm has the serial number asked for.
    #[error(
        "no arm has a serial number that begins with \"{wanted}\"; there is {}", found.join(", ")
    )]
    NoSuchSerial {
        /// Serial number asked for.
        wanted: String,
        /// Serial numbers found.
        found: Vec<String>,
    },
    /// More than one arm fits.
    #[error("several arms fit: {}; give one's serial number", found.join(", "))]
    Ambiguous {
        /// Serial numbers that fit.
        found: Vec<String>,
    },
    /// Another process has the arm.
    #[error(
        "another process{} has the arm {serial}; end it first: an arm takes orders from one",
        pid.map(|pid| format!(" ({pid})")).unwrap_or_default()
    )]
    Held {
        /// The arm's serial number.
        serial: String,
        /// The process; none if the kernel does not tell.
        pid: Option<i32>,
    },
    /// It cannot be found out whether another process has the arm.
    #[error("cannot make sure that no other process has the arm: {0}")]
    Lock(io::Error),
    /// The SDK is older than the functions called here.
    #[error(
        "the SDK's API is version {}.{}.{}; 5.2.0 is the oldest whose functions can be called",
        version[0], version[1], version[2]
    )]
    OldApi {
        /// Its version.
        version: [c_int; 3],
    },
    /// An arm of another kind.
    #[error("the arm is {found}; only a Jaco2 with six joints and its bent wrist can be driven")]
    WrongArm {
        /// What it is.
        found: String,
    },
    /// An arm with other joints.
    #[error(
        "the arm has {found} joint(s) connected; a Jaco2 with six is the only one that can be driven"
    )]
    WrongJoints {
        /// How many.
        found: usize,
    },
    /// A hand with other fingers than configured.
    #[error(
        "the hand has {found} finger(s) connected and arm.fingers is {configured}: set it to what is there"
    )]
    WrongFingers {
        /// How many there are.
        found: usize,
        /// How many are configured.
        configured: usize,
    },
    /// A later call failed.
    #[error("the arm was found but does not work: {0}")]
    Call(#[from] CallError),
}
