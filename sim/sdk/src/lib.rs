//! Stand-in for the Kinova SDK's USB and Ethernet command layers, served by `jaco-sim`.
//!
//! It exports every C symbol of the real libraries, so that a program cannot tell them apart by
//! their names; those of the Ethernet layer begin with `Ethernet_`. It must never decide anything:
//! calls go to `jaco-sim`, whose socket the environment variable `JACO_SIM_SOCKET` names;
//! `InitAPI` connects.
//!
//! The real library's manners are kept where they do no harm:
//!
//! - `InitAPI` gives 1015 when nothing answers, and 1 if it is called again without `CloseAPI`,
//!   though still nothing is there;
//! - before `InitAPI` everything gives 2101, but for `GetAPIVersion`, which gives 5, 2, 0, and
//!   `EraseAllTrajectories`; where the real library crashes (sending a point, `RefresDevicesList`),
//!   the stand-in does if the environment variable `JACO_SIM_CRASH_BEFORE_INIT` is set;
//! - commands return 1 whether or not anything received them; only the arm's refusal of a point
//!   (2003, 2005) is told; `EraseAllTrajectories` returns 1 in every case;
//! - a read that fails returns 1015 and leaves its output untouched;
//! - a reply is taken for that to the question, whatever it is;
//! - `GetDevices` returns how many there are and writes the return code to its second argument;
//! - `MoveHome` and `InitFingers` block until done;
//! - calls wait for their answer without limit;
//! - on Ethernet, initialising gives 1 though nobody answers, and `GetDevices` then counts none.
//!
//! **The semaphore.** Where the environment variable `JACO_SIM_SEMAPHORE` holds a name, such as
//! `/KinovaMutex`, the USB layer guards its calls with the POSIX semaphore of that name as the
//! real library does with that one: `InitAPI` makes it with the value 1, or opens it, and adds
//! one; every read and every command takes one, without a time limit, and gives it back, but for
//! a read that fails, which keeps it. So two failed reads are survived and the next call blocks.
//! `MoveHome` then goes on polling when a poll fails. The semaphore survives the processes; whoever
//! watches over it must know the same name. Unset, there is none, so that simulations beside each
//! other do not meet, and `MoveHome` gives up with 1015 when `jaco-sim` dies.
//!
//! Not kept: the real library crashes when the semaphore belongs to another user (2012 here), and
//! a read on Ethernet waits for its time-out before it fails. Functions that are not emulated
//! return 1013.

#![allow(non_snake_case)]

mod layer;
mod semaphore;
mod session;
mod unsupported;

use jaco_sim_link::sdk::Call;
use kinova_sys::{
    API_VERSION_COUNT, AngularPosition, CODE_VERSION_COUNT, CartesianPosition,
    ClientConfigurations, EthernetCommConfig, ForcesInfo, GeneralInformations, Gripper,
    INVALID_PARAM, JoystickCommand, KinovaDevice, MAX_INVENTORY, PeripheralInfo, QuickStatus,
    SUCCESS, SensorsInfo, TrajectoryFIFO, TrajectoryPoint,
};
use layer::{ETHERNET, Layer, USB};
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

/// Exports each function twice, for USB by its own name and for Ethernet with the prefix, on top
/// of `function(layer, arguments)`.
///
/// A pointer that the caller may have null is an `Option<&mut T>`, which has the same ABI: the
/// caller must give null or a struct of its type that nobody else uses meanwhile.
macro_rules! on_both_layers {
    ($(
        $(#[$doc:meta])*
        $name:ident($($argument:ident: $type:ty),*) = $function:expr;
    )*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($($argument: $type),*) -> c_int {
                $function(&USB, $($argument),*)
            }

            const _: () = {
                #[unsafe(export_name = concat!("Ethernet_", stringify!($name)))]
                extern "C" fn ethernet($($argument: $type),*) -> c_int {
                    $function(&ETHERNET, $($argument),*)
                }
            };
        )*
    };
}

macro_rules! reads {
    ($($name:ident($output:ty);)*) => {
        on_both_layers! {
            $(
                #[doc = concat!("Read from `jaco-sim`. SDK: `", stringify!($name), "`.")]
                $name(output: Option<&mut $output>) = |layer: &Layer, output: Option<&mut $output>| {
                    output.map_or(INVALID_PARAM, |output| layer.read(&Call::$name, output))
                };
            )*
        }
    };
}

macro_rules! commands {
    ($($name:ident;)*) => {
        on_both_layers! {
            $(
                #[doc = concat!("Handed to `jaco-sim`. SDK: `", stringify!($name), "`.")]
                $name() = |layer: &Layer| layer.command(&Call::$name);
            )*
        }
    };
}

macro_rules! commands_with_argument {
    ($($name:ident($argument:ty);)*) => {
        on_both_layers! {
            $(
                #[doc = concat!("Handed to `jaco-sim`. SDK: `", stringify!($name), "`.")]
                $name(argument: $argument) =
                    |layer: &Layer, argument| layer.command(&Call::$name(argument));
            )*
        }
    };
}

reads! {
    GetClientConfigurations(ClientConfigurations);
    GetGeneralInformations(GeneralInformations);
    GetQuickStatus(QuickStatus);
    GetSensorsInfo(SensorsInfo);
    GetForcesInfo(ForcesInfo);
    GetGripperStatus(Gripper);
    GetCodeVersion([c_int; CODE_VERSION_COUNT]);
    GetPeripheralInventory([PeripheralInfo; MAX_INVENTORY]);
    GetControlType(c_int);
    GetTrajectoryTorqueMode(c_int);
    GetGlobalTrajectoryInfo(TrajectoryFIFO);
    GetJoystickValue(JoystickCommand);
    GetCartesianPosition(CartesianPosition);
    GetAngularPosition(AngularPosition);
    GetCartesianCommand(CartesianPosition);
    GetAngularCommand(AngularPosition);
    GetCartesianForce(CartesianPosition);
    GetAngularForce(AngularPosition);
    GetAngularForceGravityFree(AngularPosition);
    GetAngularCurrent(AngularPosition);
    GetAngularVelocity(AngularPosition);
}

commands! {
    StartControlAPI;
    StopControlAPI;
    StopForceControl;
    SetCartesianControl;
    SetAngularControl;
}

commands_with_argument! {
    SetFrameType(c_int);
    SendBasicTrajectory(TrajectoryPoint);
    SendAdvanceTrajectory(TrajectoryPoint);
    SendJoystickCommand(JoystickCommand);
}

on_both_layers! {
    /// Connects to `jaco-sim`. SDK: `InitAPI`.
    InitAPI() = Layer::open;
    /// Disconnects. SDK: `CloseAPI`.
    CloseAPI() = Layer::close;
    /// 5, 2, 0, even before `InitAPI`. SDK: `GetAPIVersion`.
    GetAPIVersion(version: Option<&mut [c_int; API_VERSION_COUNT]>) = api_version;
    /// Returns the number of arms, 0 or 1; the return code goes to `result`. The array of twenty
    /// devices is filled from its start. SDK: `GetDevices`.
    GetDevices(devices: Option<&mut KinovaDevice>, result: Option<&mut c_int>) = devices_there;
    /// SDK: `RefresDevicesList` (sic).
    RefresDevicesList() = Layer::rescan;
    /// Selects the simulated arm, which has to be named by its serial number. SDK:
    /// `SetActiveDevice`.
    SetActiveDevice(device: KinovaDevice) = Layer::select;
    /// Handed to `jaco-sim`; 1 in every case. SDK: `EraseAllTrajectories`.
    EraseAllTrajectories() = erase;
    /// Sends the arm home and blocks until nothing is queued any more. SDK: `MoveHome`.
    MoveHome() = home;
    /// Opens the fingers and blocks until they are initialised, six seconds at most; leaves joint
    /// control. SDK: `InitFingers`.
    InitFingers() = initialise_fingers;
}

/// Connects to `jaco-sim`, wherever the addresses point; 1 though nobody answers. SDK:
/// `InitEthernetAPI`, of the Ethernet layer only.
#[unsafe(no_mangle)]
pub extern "C" fn Ethernet_InitEthernetAPI(config: Option<&mut EthernetCommConfig>) -> c_int {
    config.map_or(INVALID_PARAM, |_| ETHERNET.open())
}

fn api_version(_: &Layer, version: Option<&mut [c_int; API_VERSION_COUNT]>) -> c_int {
    version.map_or(INVALID_PARAM, |version| {
        *version = API_VERSION;
        SUCCESS
    })
}

fn devices_there(
    layer: &Layer,
    devices: Option<&mut KinovaDevice>,
    result: Option<&mut c_int>,
) -> c_int {
    let (Some(first), Some(result)) = (devices, result) else { return 0 };
    let (count, code) = layer.devices(first);
    *result = code;
    count
}

fn erase(layer: &Layer) -> c_int {
    layer.command(&Call::EraseAllTrajectories);
    SUCCESS
}

fn home(layer: &Layer) -> c_int {
    let code = layer.command(&Call::MoveHome);
    if code != SUCCESS {
        return code;
    }
    std::thread::sleep(SETTLE);
    let mut fifo = TrajectoryFIFO::default();
    loop {
        // The session is free between two looks: another thread may stop the arm.
        let code = layer.read(&Call::GetGlobalTrajectoryInfo, &mut fifo);
        if code != SUCCESS && !layer.has_semaphore() {
            return code;
        }
        if code == SUCCESS && fifo.TrajectoryCount == 0 {
            break;
        }
        std::thread::sleep(HOME_POLL);
    }
    layer.command(&Call::SetAngularControl);
    std::thread::sleep(SETTLE);
    layer.command(&Call::SetCartesianControl)
}

fn initialise_fingers(layer: &Layer) -> c_int {
    let code = layer.command(&Call::InitFingers);
    if code != SUCCESS {
        return code;
    }
    let mut status = QuickStatus::default();
    for _ in 0..FINGERS_POLLS {
        let code = layer.read(&Call::GetQuickStatus, &mut status);
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
