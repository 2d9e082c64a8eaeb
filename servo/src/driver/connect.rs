//! Taking an arm into control: the SDK's calls from InitAPI to the first readings. What goes wrong
//! is said so that somebody at the robot can act; giving back is the caller's.

use super::api::Api;
use super::error::{CallError, ConnectError, judge};
use super::homing::{Readiness, make_ready};
use super::{DriverOptions, read_joints, read_pose};
use jaco_core::{ArmState, Pose};
use kinova_sys::{KinovaDevice, MAX_KINOVA_DEVICE};
use nalgebra::Vector3;
use std::ffi::{c_char, c_int};

/// Serial number, readiness and state at `now_ns` of an arm that is now in control; `told` hears
/// what is being done.
pub(super) fn open(
    api: &impl Api,
    options: &DriverOptions,
    now_ns: u64,
    told: &mut dyn FnMut(&'static str),
) -> Result<(String, Readiness, ArmState), ConnectError> {
    told("opening the SDK");
    judge("InitAPI", api.init_api()).map_err(ConnectError::Init)?;
    told("looking for the arm");
    let device = find_device(api, options.serial.as_deref())?;
    judge("SetActiveDevice", api.set_active_device(device))?;
    told("taking the arm into control");
    judge("EraseAllTrajectories", api.erase_all_trajectories())?;
    // On a cold boot the first StartControlAPI alone does not take.
    judge("StartControlAPI", api.start_control_api())?;
    judge("StopControlAPI", api.stop_control_api())?;
    judge("StartControlAPI", api.start_control_api())?;
    told("asking for Cartesian control");
    let readiness = make_ready(api, options.settle)?;
    told("reading the arm");
    let nowhere = Pose::from_kinova(Vector3::zeros(), [0.0; 3]);
    let mut state = ArmState { joints_rad: read_joints(api)?, ..ArmState::at(now_ns, nowhere) };
    read_pose(api, &mut state, now_ns)?;
    Ok((text(&device.SerialNumber), readiness, state))
}

fn find_device(api: &impl Api, serial: Option<&str>) -> Result<KinovaDevice, ConnectError> {
    let mut devices = [KinovaDevice::default(); MAX_KINOVA_DEVICE];
    let mut result: c_int = 0;
    let count = api.get_devices(&mut devices, &mut result).map_err(CallError::from)?;
    if count <= 0 || result != 1 {
        return Err(ConnectError::NoDevice { count, result });
    }
    let present = &devices[..(count as usize).min(devices.len())];
    let fits = |device: &&KinovaDevice| {
        serial.is_none_or(|wanted| text(&device.SerialNumber).starts_with(wanted))
    };
    let serials = |devices: &[&KinovaDevice]| {
        devices.iter().map(|device| text(&device.SerialNumber)).collect::<Vec<_>>()
    };
    let fitting: Vec<_> = present.iter().filter(fits).collect();
    match fitting.as_slice() {
        [device] => Ok(**device),
        [] => Err(ConnectError::NoSuchSerial {
            wanted: serial.unwrap_or_default().to_owned(),
            found: serials(&present.iter().collect::<Vec<_>>()),
        }),
        several => Err(ConnectError::Ambiguous { found: serials(several) }),
    }
}

/// The text in an SDK string, up to its terminator or its end.
fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> =
        chars.iter().map(|char| *char as u8).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
