//! Stand-in for the Kinova SDK's USB command layer, served by `jaco-sim`.
//!
//! It exports every C symbol of the real library, so that a program cannot tell the two apart
//! by their names. It must never decide anything: calls go to `jaco-sim`, whose socket the
//! environment variable `JACO_SIM_SOCKET` names; `InitAPI` connects.
//!
//! The real library's manners are kept where they do no harm:
//!
//! - `InitAPI` gives 1015 when nothing answers, and 1 if it is called again without `CloseAPI`,
//!   though still nothing is there;
//! - before `InitAPI` everything gives 2101 (where the real library crashes, too), but for
//!   `GetAPIVersion`, which gives 5, 2, 0, and `EraseAllTrajectories`;
//! - commands return 1 whether or not anything received them; only the arm's refusal of a point
//!   (2003, 2005) is told; `EraseAllTrajectories` returns 1 in every case;
//! - a read that fails returns 1015 and leaves its output untouched;
//! - `GetDevices` returns how many there are and writes the return code to its second argument;
//! - `MoveHome` and `InitFingers` block until done;
//! - calls wait for their answer without limit.
//!
//! Not kept: a failed read leaks no semaphore, and `MoveHome` gives up with 1015 when `jaco-sim`
//! dies. Functions that are not emulated return 1013.

#![allow(non_snake_case)]

mod session;
mod unsupported;

use jaco_sim_link::sdk::Call;
use kinova_sys::{
    API_VERSION_COUNT, AngularPosition, CartesianPosition, ClientConfigurations, ForcesInfo,
    GeneralInformations, Gripper, INVALID_PARAM, JoystickCommand, KinovaDevice, QuickStatus,
    SUCCESS, SensorsInfo, TrajectoryFIFO, TrajectoryPoint,
};
use session::Session;
use std::ffi::c_int;
use std::time::Duration;
pub use unsupported::*;

/// The API that the stand-in's ABI is of.
const API_VERSION: [c_int; API_VERSION_COUNT] = [5, 2, 0];
/// How the real library's MoveHome and InitFingers look whether the arm is done.
const SETTLE: Duration = Duration::from_millis(40);
const HOME_POLL: Duration = Duration::from_millis(100);
const FINGERS_POLL: Duration = Duration::from_millis(6);
const FINGERS_POLLS: usize = 1000;

macro_rules! reads {
    ($($name:ident($output:ty);)*) => {
        $(
            #[doc = concat!("Read from `jaco-sim`. SDK: `", stringify!($name), "`.")]
            ///
            /// # Safety
            ///
            /// `output` must be null or point to a struct of its type.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(output: *mut $output) -> c_int {
                // SAFETY: the caller's pointer is null or valid, and nobody else's meanwhile.
                match unsafe { output.as_mut() } {
                    Some(output) => session::lock().read(&Call::$name, output),
                    None => INVALID_PARAM,
                }
            }
        )*
    };
}

macro_rules! commands {
    ($($name:ident;)*) => {
        $(
            #[doc = concat!("Handed to `jaco-sim`. SDK: `", stringify!($name), "`.")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name() -> c_int {
                session::lock().command(&Call::$name)
            }
        )*
    };
}

macro_rules! commands_with_argument {
    ($($name:ident($argument:ty);)*) => {
        $(
            #[doc = concat!("Handed to `jaco-sim`. SDK: `", stringify!($name), "`.")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name(argument: $argument) -> c_int {
                session::lock().command(&Call::$name(argument))
            }
        )*
    };
}

reads! {
    GetClientConfigurations(ClientConfigurations);
    GetGeneralInformations(GeneralInformations);
    GetQuickStatus(QuickStatus);
    GetSensorsInfo(SensorsInfo);
    GetForcesInfo(ForcesInfo);
    GetGripperStatus(Gripper);
    GetControlType(c_int);
    GetGlobalTrajectoryInfo(TrajectoryFIFO);
    GetJoystickValue(JoystickCommand);
    GetCartesianPosition(CartesianPosition);
    GetAngularPosition(AngularPosition);
    GetCartesianCommand(CartesianPosition);
    GetAngularCommand(AngularPosition);
    GetCartesianForce(CartesianPosition);
    GetAngularForce(AngularPosition);
    GetAngularForceGravityFree(AngularPosition);
    GetAngularVelocity(AngularPosition);
}

commands! {
    StartControlAPI;
    StopControlAPI;
    SetCartesianControl;
    SetAngularControl;
}

commands_with_argument! {
    SetFrameType(c_int);
    SendBasicTrajectory(TrajectoryPoint);
    SendAdvanceTrajectory(TrajectoryPoint);
    SendJoystickCommand(JoystickCommand);
}

/// Connects to `jaco-sim`. SDK: `InitAPI`.
#[unsafe(no_mangle)]
pub extern "C" fn InitAPI() -> c_int {
    session::lock().open(session::socket().as_deref())
}

/// Disconnects. SDK: `CloseAPI`.
#[unsafe(no_mangle)]
pub extern "C" fn CloseAPI() -> c_int {
    *session::lock() = Session::default();
    SUCCESS
}

/// 5, 2, 0, even before `InitAPI`. SDK: `GetAPIVersion`.
///
/// # Safety
///
/// `version` must be null or point to three integers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetAPIVersion(version: *mut [c_int; API_VERSION_COUNT]) -> c_int {
    // SAFETY: the caller's pointer is null or valid.
    match unsafe { version.as_mut() } {
        Some(version) => {
            *version = API_VERSION;
            SUCCESS
        }
        None => INVALID_PARAM,
    }
}

/// Returns the number of arms, 0 or 1; the return code goes to `result`. SDK: `GetDevices`.
///
/// # Safety
///
/// `devices` must be null or point to 20 devices, and `result` be null or point to an integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetDevices(devices: *mut KinovaDevice, result: *mut c_int) -> c_int {
    // SAFETY: the caller's pointers are null or valid; only the first device is written.
    let (Some(first), Some(result)) = (unsafe { (devices.as_mut(), result.as_mut()) }) else {
        return 0;
    };
    *result = session::lock().devices(first);
    c_int::from(*result == SUCCESS)
}

/// Handed to `jaco-sim`; 1 in every case. SDK: `EraseAllTrajectories`.
#[unsafe(no_mangle)]
pub extern "C" fn EraseAllTrajectories() -> c_int {
    session::lock().command(&Call::EraseAllTrajectories);
    SUCCESS
}

/// SDK: `RefresDevicesList` (sic).
#[unsafe(no_mangle)]
pub extern "C" fn RefresDevicesList() -> c_int {
    session::lock().connected().unwrap_or_else(|refusal| refusal.rescan)
}

/// Selects the simulated arm, which has to be named by its serial number. SDK: `SetActiveDevice`.
#[unsafe(no_mangle)]
pub extern "C" fn SetActiveDevice(device: KinovaDevice) -> c_int {
    session::lock().select(device)
}

/// Sends the arm home and blocks until nothing is queued any more. SDK: `MoveHome`.
#[unsafe(no_mangle)]
pub extern "C" fn MoveHome() -> c_int {
    let code = session::lock().command(&Call::MoveHome);
    if code != SUCCESS {
        return code;
    }
    std::thread::sleep(SETTLE);
    let mut fifo = TrajectoryFIFO::default();
    loop {
        // The session is free between two looks: another thread may stop the arm.
        let code = session::lock().read(&Call::GetGlobalTrajectoryInfo, &mut fifo);
        if code != SUCCESS {
            return code;
        }
        if fifo.TrajectoryCount == 0 {
            break;
        }
        std::thread::sleep(HOME_POLL);
    }
    session::lock().command(&Call::SetAngularControl);
    std::thread::sleep(SETTLE);
    session::lock().command(&Call::SetCartesianControl)
}

/// Opens the fingers and blocks until they are initialised, six seconds at most; leaves joint
/// control. SDK: `InitFingers`.
#[unsafe(no_mangle)]
pub extern "C" fn InitFingers() -> c_int {
    let code = session::lock().command(&Call::InitFingers);
    if code != SUCCESS {
        return code;
    }
    let mut status = QuickStatus::default();
    for _ in 0..FINGERS_POLLS {
        let code = session::lock().read(&Call::GetQuickStatus, &mut status);
        if code != SUCCESS {
            return code;
        }
        if [status.Finger1Status, status.Finger2Status, status.Finger3Status] == [1; 3] {
            break;
        }
        std::thread::sleep(FINGERS_POLL);
    }
    SUCCESS
}
