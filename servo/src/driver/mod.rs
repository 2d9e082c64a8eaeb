//! The driver: owns the SDK and makes its calls in the order and at the rate that the arm bears.
//!
//! The budget is one SendBasicTrajectory and one read of one packet a tick. Return codes are
//! never taken as evidence that something reached the arm; what the arm does is judged from
//! reads. Two facts of the SDK's USB layer shape everything: a failed read keeps a count of a
//! semaphore (it is given back here), and any call may block for seconds or for ever (so this
//! runs in a process that can be killed).
//!
//! The driver must never decide what the arm should do, and never call after `release`.

mod api;
mod convert;
mod error;
mod homing;
mod semaphore;

pub use api::{Api, Called};
pub use convert::{AngularFrame, CLOSED_TICKS};
pub use error::{CallError, ConnectError};
pub use homing::Readiness;
pub use semaphore::remove as remove_semaphore;

use crate::report::Setpoint;
use error::judge;
use homing::{CARTESIAN, HomingThread, make_ready, read_control_type};
use jaco_core::ArmState;
use jaco_core::state::JOINTS;
use kinova_sys::{
    AngularPosition, CartesianPosition, KinovaDevice, MAX_KINOVA_DEVICE, TrajectoryFIFO,
};
use semaphore::Semaphore;
use std::ffi::{CStr, c_char, c_int};
use std::time::Duration;

/// How to reach an arm.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Start of the serial number; `None` takes the only arm there is.
    pub serial: Option<String>,
    /// Frame of angular velocities.
    pub angular_frame: AngularFrame,
    /// Pause between reads of the control type after a change of it.
    pub settle: Duration,
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            serial: None,
            angular_frame: AngularFrame::default(),
            settle: Duration::from_millis(40),
        }
    }
}

/// What a tick reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Pose,
    Joints,
    Queue,
    ControlType,
}

/// One read a tick, in turn, the pose first: pose at 50 Hz, joints at 30 Hz, queue and control type at 10 Hz.
const TURNS: [Read; 10] = [
    Read::Pose,
    Read::Joints,
    Read::Pose,
    Read::Queue,
    Read::Pose,
    Read::Joints,
    Read::Pose,
    Read::ControlType,
    Read::Pose,
    Read::Joints,
];

/// What a read has told besides the state of the arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Pose or joints: see [`Driver::state`].
    State,
    /// Points waiting in the arm's queue.
    Queue(u32),
    /// Whether the arm is in Cartesian control.
    Cartesian(bool),
}

/// An arm in our control.
#[derive(Debug)]
pub struct Driver<A: Api> {
    api: A,
    options: DriverOptions,
    homing: HomingThread,
    semaphore: Option<Semaphore>,
    serial: String,
    state: ArmState,
    readiness: Readiness,
    turn: usize,
    cancelled: bool,
    released: bool,
}

impl<A: Api> Driver<A> {
    /// Takes an arm into control: checks the semaphore, opens the SDK, finds the arm, drops what
    /// an earlier process may have left in its queue, takes control, asks for Cartesian control,
    /// reads the state at `now_ns`. On any failure control is given back and the SDK closed.
    ///
    /// An arm that is not homed, or refuses Cartesian control, is no failure: see
    /// [`readiness`](Self::readiness). `homing_api` is a second handle on the same SDK.
    pub fn connect(
        api: A,
        homing_api: A,
        options: DriverOptions,
        now_ns: u64,
    ) -> Result<Self, ConnectError> {
        semaphore::check_access()?;
        let homing =
            HomingThread::start(homing_api, options.settle).map_err(ConnectError::Thread)?;
        match open(&api, &options, now_ns) {
            Ok((serial, readiness, state)) => Ok(Self {
                semaphore: Semaphore::open(),
                api,
                options,
                homing,
                serial,
                state,
                readiness,
                turn: 0,
                cancelled: false,
                released: false,
            }),
            Err(error) => {
                if !matches!(error, ConnectError::Init(_)) {
                    // A return code would prove nothing.
                    let _ = api.stop_control_api();
                }
                // After a failed InitAPI too: without it the next one would claim success.
                let _ = api.close_api();
                Err(error)
            }
        }
    }

    /// The arm's serial number.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The newest readings; the stamp is that of the pose.
    pub fn state(&self) -> &ArmState {
        &self.state
    }

    /// Whether the arm takes Cartesian velocities.
    pub fn readiness(&self) -> Readiness {
        self.readiness
    }

    /// Sends one tick of motion.
    pub fn send(&self, setpoint: &Setpoint) -> Result<(), CallError> {
        let orientation = &self.state.pose.orientation;
        let point = convert::velocity_point(setpoint, orientation, self.options.angular_frame);
        judge("SendBasicTrajectory", self.api.send_basic_trajectory(point))
    }

    /// Reads whatever is in turn, at `now_ns`. On failure nothing has changed.
    pub fn read(&mut self, now_ns: u64) -> Result<News, CallError> {
        let read = TURNS[self.turn];
        self.turn = (self.turn + 1) % TURNS.len();
        let news = match read {
            Read::Pose => read_pose(&self.api, &mut self.state, now_ns).map(|()| News::State),
            Read::Joints => read_joints(&self.api).map(|joints_rad| {
                self.state.joints_rad = joints_rad;
                News::State
            }),
            Read::Queue => read_queue(&self.api).map(News::Queue),
            Read::ControlType => read_control_type(&self.api).map(|control_type| {
                self.readiness.cartesian = control_type == CARTESIAN;
                News::Cartesian(self.readiness.cartesian)
            }),
        };
        if let (Err(_), Some(semaphore)) = (&news, &self.semaphore) {
            semaphore.refill();
        }
        news
    }

    /// Drops the points in the arm's queue; whether the arm stops is for reads to tell.
    pub fn erase(&self) {
        // Always 1, whatever happened.
        let _ = self.api.erase_all_trajectories();
    }

    /// Asks a homed arm for Cartesian control again; a later read tells what came of it.
    pub fn ask_for_cartesian_control(&self) -> Result<(), CallError> {
        judge("SetCartesianControl", self.api.set_cartesian_control())
    }

    /// Whether the homing thread has the SDK: no other call but
    /// [`cancel_homing`](Self::cancel_homing) is allowed.
    pub fn is_homing(&self) -> bool {
        self.homing.is_busy()
    }

    /// Starts homing.
    pub fn begin_homing(&mut self) {
        self.erase();
        self.cancelled = false;
        self.homing.begin();
    }

    /// The outcome of homing, once, when it has ended. After a cancelled one control, which the
    /// cancelling gave away, is taken again; that alone may take a few pauses of
    /// [`settle`](DriverOptions::settle). The next read is of the pose.
    pub fn poll_homing(&mut self) -> Option<Result<Readiness, CallError>> {
        let mut outcome = self.homing.poll()?;
        self.turn = 0;
        if let (Err(_), Some(semaphore)) = (&outcome, &self.semaphore) {
            semaphore.refill();
        }
        if self.cancelled {
            outcome = judge("StartControlAPI", self.api.start_control_api())
                .and_then(|()| make_ready(&self.api, self.options.settle));
        }
        self.readiness = match &outcome {
            Ok(readiness) => *readiness,
            Err(_) => Readiness { cartesian: false, ..self.readiness },
        };
        Some(outcome)
    }

    /// Ends homing now; [`poll_homing`](Self::poll_homing) goes on until its thread is back.
    pub fn cancel_homing(&mut self) {
        if !self.cancelled {
            self.cancelled = true;
            self.erase();
            // A return code would prove nothing.
            let _ = self.api.stop_control_api();
        }
    }

    /// Drops what is queued, gives control back to the joystick and closes the SDK.
    pub fn release(&mut self) {
        if !self.released {
            self.released = true;
            self.erase();
            // Nothing can be done about a failure, and a return code would prove nothing.
            let _ = self.api.stop_control_api();
            let _ = self.api.close_api();
        }
    }
}

impl<A: Api> Drop for Driver<A> {
    fn drop(&mut self) {
        self.release();
    }
}

fn open(
    api: &impl Api,
    options: &DriverOptions,
    now_ns: u64,
) -> Result<(String, Readiness, ArmState), ConnectError> {
    judge("InitAPI", api.init_api()).map_err(ConnectError::Init)?;
    let device = find_device(api, options.serial.as_deref())?;
    judge("SetActiveDevice", api.set_active_device(device))?;
    judge("EraseAllTrajectories", api.erase_all_trajectories())?;
    // On a cold boot the first StartControlAPI alone does not take.
    judge("StartControlAPI", api.start_control_api())?;
    judge("StopControlAPI", api.stop_control_api())?;
    judge("StartControlAPI", api.start_control_api())?;
    let readiness = make_ready(api, options.settle)?;
    let mut state = ArmState {
        stamp_ns: now_ns,
        pose: jaco_core::Pose::from_kinova(nalgebra::Vector3::zeros(), [0.0; 3]),
        joints_rad: read_joints(api)?,
        closure: [0.0; 3],
    };
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
    let bytes: Vec<u8> = chars.iter().map(|char| *char as u8).chain([0]).collect();
    let text = CStr::from_bytes_until_nul(&bytes).expect("a terminator was appended");
    text.to_string_lossy().trim().to_owned()
}

fn read_pose(api: &impl Api, state: &mut ArmState, now_ns: u64) -> Result<(), CallError> {
    let mut reading = CartesianPosition::default();
    judge("GetCartesianPosition", api.get_cartesian_position(&mut reading))?;
    let (pose, closure) = convert::pose_and_closure(&reading)
        .ok_or(CallError::EmptyReply { call: "GetCartesianPosition" })?;
    *state = ArmState { stamp_ns: now_ns, pose, closure, ..*state };
    Ok(())
}

fn read_joints(api: &impl Api) -> Result<[f64; JOINTS], CallError> {
    let mut reading = AngularPosition::default();
    judge("GetAngularPosition", api.get_angular_position(&mut reading))?;
    convert::joints_rad(&reading).ok_or(CallError::EmptyReply { call: "GetAngularPosition" })
}

fn read_queue(api: &impl Api) -> Result<u32, CallError> {
    let mut fifo = TrajectoryFIFO::default();
    judge("GetGlobalTrajectoryInfo", api.get_global_trajectory_info(&mut fifo))?;
    Ok(fifo.TrajectoryCount)
}
