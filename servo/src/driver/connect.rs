//! Taking an arm into control: the SDK's calls from InitAPI to the first readings. What goes wrong
//! is said so that somebody at the robot can act; giving back is the caller's.

use super::api::Api;
use super::convert::home_button;
use super::error::{CallError, ConnectError};
use super::examine::{Identity, examine};
use super::line::Line;
use super::lock::ArmLock;
use super::plausible::PoseJudge;
use super::semaphore;
use super::status::{Status, read_status};
use super::{CARTESIAN, DriverOptions, Readings, reads};
use crate::condition::Conditions;
use jaco_core::{ArmState, Clock, Ethernet, Pose};
use kinova_sys::{API_VERSION_COUNT, EthernetCommConfig, KinovaDevice, MAX_KINOVA_DEVICE};
use nalgebra::Vector3;
use serde::{Deserialize, Serialize};
use std::ffi::{c_char, c_int};
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

/// The oldest API whose functions have the signatures that are called here.
const OLDEST_API: [c_int; API_VERSION_COUNT] = [5, 2, 0];
/// How often the control type is read after a change, until it is Cartesian.
const CONTROL_TYPE_READS: u32 = 5;
/// How long another process gets to give the arm back: a servo whose daemon is gone ends by itself.
const LOCK_TIME: Duration = Duration::from_secs(6);
/// How often the arm is asked for meanwhile.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// An arm that is now in control.
pub(super) struct Connected {
    pub identity: Identity,
    pub lock: ArmLock,
    pub conditions: Conditions,
    pub readings: Readings,
    pub judge: PoseJudge,
    pub state: ArmState,
}

/// An arm that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// What it is.
    pub identity: Identity,
    /// Whether it was homed since its power-up.
    pub homed: bool,
    /// What is not as it should be; none of them says who has control, for it was not taken.
    pub conditions: Conditions,
}

/// Looks at an arm and commands nothing: as [`super::Driver::connect`] up to the point where control
/// would be taken. Refuses while another process has the arm.
pub fn look<A: Api>(api: A, options: &DriverOptions) -> Result<Look, ConnectError> {
    let mut line = Line::new(api);
    let looked = open(&mut line, options).and_then(|api_version| {
        let found = find(&line, options, api_version, Duration::ZERO, &mut |_| {})?;
        let Found { identity, status, mut conditions, .. } = found;
        status.note(options.fingers, &mut conditions);
        Ok(Look { identity, homed: status.is_homed(), conditions })
    });
    close(&line, looked.as_ref().err());
    looked
}

/// Opens the SDK and takes hold of its semaphore. It must be [`close`]d whatever comes of it.
/// Returns the version of its API, zero if it does not tell.
pub(super) fn open<A: Api>(
    line: &mut Line<A>,
    options: &DriverOptions,
) -> Result<[c_int; API_VERSION_COUNT], ConnectError> {
    if options.ethernet.is_none() {
        semaphore::check_access(&options.semaphore)?;
    }
    let mut version = [0; API_VERSION_COUNT];
    match line.call("GetAPIVersion", |api| api.get_api_version(&mut version)) {
        Ok(()) if version < OLDEST_API => return Err(ConnectError::OldApi { version }),
        // One that does not tell is judged by what it can do.
        Ok(()) | Err(_) => {}
    }
    match &options.ethernet {
        None => line.call("InitAPI", |api| api.init_api()),
        Some(ethernet) => {
            let mut config = communication(ethernet);
            line.call("InitEthernetAPI", |api| api.init_ethernet_api(&mut config))
        }
    }
    .map_err(ConnectError::Init)?;
    if options.ethernet.is_none() {
        line.keep_semaphore(&options.semaphore);
    }
    Ok(version)
}

/// Closes the SDK, also after a failed InitAPI: without it the next one would claim success. One that
/// would have crashed is not called at all.
pub(super) fn close<A: Api>(line: &Line<A>, failed: Option<&ConnectError>) {
    if !matches!(failed, Some(ConnectError::Semaphore { .. })) {
        line.order(|api| api.close_api());
    }
}

/// The arm that is meant, which no other process has.
struct Found {
    identity: Identity,
    lock: ArmLock,
    status: Status,
    conditions: Conditions,
}

/// Finds that arm, waiting so long for another process to give it back, and looks at it.
fn find<A: Api>(
    line: &Line<A>,
    options: &DriverOptions,
    api_version: [c_int; API_VERSION_COUNT],
    lock_time: Duration,
    told: &mut dyn FnMut(&str),
) -> Result<Found, ConnectError> {
    told("looking for the arm");
    let device = find_device(line, options.serial.as_deref())?;
    let serial = text(&device.SerialNumber);
    let lock = lock(&serial, lock_time, told)?;
    line.call("SetActiveDevice", |api| api.set_active_device(device))?;
    told("looking at the arm");
    let model = text(&device.Model);
    let identity = Identity { serial, model, api_version, ..Identity::default() };
    let (identity, status, conditions) = examine(line, options, identity)?;
    Ok(Found { identity, lock, status, conditions })
}

/// Takes the one arm that is meant into control, of the SDK that [`open`] opened; `told` hears what
/// is being done. `commanded` is set when the first order goes to the arm: one that is not the one
/// that is meant, or that another process has, gets none.
pub(super) fn take<A: Api>(
    line: &Line<A>,
    options: &DriverOptions,
    api_version: [c_int; API_VERSION_COUNT],
    clock: &impl Clock,
    told: &mut dyn FnMut(&str),
    commanded: &mut bool,
) -> Result<Connected, ConnectError> {
    let lock_time = options.lock_time.unwrap_or(LOCK_TIME);
    let found = find(line, options, api_version, lock_time, told)?;
    let Found { identity, lock, conditions, .. } = found;
    told("taking the arm into control");
    *commanded = true;
    // Whoever had the arm before may have been killed with the home button held.
    line.order(|api| api.send_joystick_command(home_button(false)));
    line.order(|api| api.erase_all_trajectories());
    start_control(line)?;
    told("asking for Cartesian control");
    let (status, cartesian) = make_ready(line, options.settle)?;
    told("reading the arm");
    let (joints_rad, mut judge) = (reads::joints(line)?, PoseJudge::default());
    // Waiting for the arm may have taken seconds.
    let now_ns = clock.now_ns();
    let nowhere = Pose::from_kinova(Vector3::zeros(), [0.0; 3]);
    let mut state = ArmState { joints_rad, ..ArmState::at(now_ns, nowhere) };
    reads::pose(line, options.fingers, &mut judge, &mut state, now_ns)?;
    let readings =
        Readings { status: Some((now_ns, status)), cartesian: Some((now_ns, cartesian)) };
    Ok(Connected { identity, lock, conditions, readings, judge, state })
}

/// Takes control from the joystick. On a cold boot the first StartControlAPI alone does not take.
pub(super) fn start_control<A: Api>(line: &Line<A>) -> Result<(), CallError> {
    line.call("StartControlAPI", |api| api.start_control_api())?;
    line.call("StopControlAPI", |api| api.stop_control_api())?;
    line.call("StartControlAPI", |api| api.start_control_api())
}

/// Ends force control where it is on, asks a homed arm for Cartesian control, and reads what came
/// of it: the arm may refuse in silence. `settle` passes between reads. Returns the flags, and
/// whether Cartesian control was read.
pub(super) fn make_ready<A: Api>(
    line: &Line<A>,
    settle: Duration,
) -> Result<(Status, bool), CallError> {
    let mut status = read_status(line)?;
    if status.force_control {
        // What comes of it is read, and stands as a condition if it goes on.
        line.order(|api| api.stop_force_control());
        status = read_status(line)?;
    }
    if !status.is_homed() {
        return Ok((status, false));
    }
    line.call("SetCartesianControl", |api| api.set_cartesian_control())?;
    for _ in 0..CONTROL_TYPE_READS {
        if reads::control_type(line)? == CARTESIAN {
            return Ok((status, true));
        }
        thread::sleep(settle);
    }
    Ok((status, false))
}

fn lock(serial: &str, time: Duration, told: &mut dyn FnMut(&str)) -> Result<ArmLock, ConnectError> {
    let mut waited = Duration::ZERO;
    loop {
        match ArmLock::take(serial).map_err(ConnectError::Lock)? {
            Ok(lock) => return Ok(lock),
            Err(held) if waited >= time => {
                return Err(ConnectError::Held { serial: serial.to_owned(), pid: held.pid });
            }
            Err(_) => {
                if waited.is_zero() {
                    told("waiting for another process to give the arm back");
                }
                thread::sleep(LOCK_PAUSE);
                waited += LOCK_PAUSE;
            }
        }
    }
}

fn find_device<A: Api>(line: &Line<A>, serial: Option<&str>) -> Result<KinovaDevice, ConnectError> {
    let mut devices = [KinovaDevice::default(); MAX_KINOVA_DEVICE];
    let (mut result, mut count): (c_int, c_int) = (0, 0);
    // It returns how many there are; what it thinks of it is in its second argument.
    line.call("GetDevices", |api| {
        count = api.get_devices(&mut devices, &mut result)?;
        Ok(kinova_sys::SUCCESS)
    })?;
    if count <= 0 || result != 1 {
        return Err(ConnectError::NoDevice { count, result });
    }
    let present = &devices[..(count as usize).min(devices.len())];
    let named = |fits: &dyn Fn(&str) -> bool| -> Vec<&KinovaDevice> {
        present.iter().filter(|device| fits(&text(&device.SerialNumber))).collect()
    };
    // The whole number goes before the beginnings that it shares with another.
    let exact = named(&|found| serial == Some(found));
    let fitting = if exact.is_empty() {
        named(&|found| serial.is_none_or(|wanted| found.starts_with(wanted)))
    } else {
        exact
    };
    let serials = |devices: &[&KinovaDevice]| {
        devices.iter().map(|device| text(&device.SerialNumber)).collect::<Vec<_>>()
    };
    match fitting.as_slice() {
        [device] => Ok(**device),
        [] => Err(ConnectError::NoSuchSerial {
            wanted: serial.unwrap_or_default().to_owned(),
            found: serials(&present.iter().collect::<Vec<_>>()),
        }),
        several => Err(ConnectError::Ambiguous { found: serials(several) }),
    }
}

fn communication(ethernet: &Ethernet) -> EthernetCommConfig {
    // As inet_addr gives it: the bytes in the order of the network, in the low half.
    let address = |ip: Ipv4Addr| u64::from(u32::from_ne_bytes(ip.octets()));
    EthernetCommConfig {
        localIpAddress: address(ethernet.local_ip),
        subnetMask: address(ethernet.subnet_mask),
        robotIpAddress: address(ethernet.robot_ip),
        localCmdport: ethernet.local_command_port,
        localBcastPort: ethernet.local_broadcast_port,
        robotPort: ethernet.robot_port,
        rxTimeOutInMs: ethernet.timeout_ms.into(),
    }
}

/// The text in an SDK string, up to its terminator or its end.
pub(super) fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> =
        chars.iter().map(|char| *char as u8).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
