//! What can go wrong with the arm, said so that somebody at the robot can act.

use super::api::Called;
use kinova_sys::{SymbolError, return_code_name};
use std::ffi::c_int;
use std::io;

/// A call to the SDK that did not do what it is for.
#[derive(Clone, Debug, thiserror::Error)]
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
        "cannot open {path} for reading and writing: {source}. The Kinova SDK would crash. Another \
         user's process made it: end that process and remove the file, then start again"
    )]
    Semaphore {
        /// The semaphore's file.
        path: &'static str,
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
    /// A later call failed.
    #[error("the arm was found but does not work: {0}")]
    Call(#[from] CallError),
    /// The thread for homing could not be started.
    #[error("cannot start the homing thread: {0}")]
    Thread(io::Error),
}
