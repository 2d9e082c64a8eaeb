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
mod connect;
mod convert;
mod error;
mod homing;
mod joystick;
mod semaphore;

pub use api::{Api, Called};
pub use convert::CLOSED_TICKS;
pub use error::{CallError, ConnectError};
pub use homing::Readiness;
pub use semaphore::remove as remove_semaphore;

use crate::report::Setpoint;
use error::judge;
use homing::{CARTESIAN, Homed, HomingThread, make_ready, read_control_type};
use jaco_core::state::JOINTS;
use jaco_core::{AngularFrame, ArmState};
use joystick::read_hand;
use kinova_sys::{AngularPosition, CartesianPosition, TrajectoryFIFO};
use semaphore::Semaphore;
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
            angular_frame: AngularFrame::Effector,
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
    Joystick,
}

/// One read a tick, in turn, the pose first: pose at 50 Hz, joints at 20 Hz, queue, joystick and
/// control type at 10 Hz.
const TURNS: [Read; 10] = [
    Read::Pose,
    Read::Joints,
    Read::Pose,
    Read::Queue,
    Read::Pose,
    Read::Joystick,
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
    /// The control type: see [`Driver::is_ready`].
    Control,
    /// Whether a person holds the joystick; `None` if it could not be read, which is no failure.
    Joystick(Option<bool>),
}

/// How a homing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomingEnd {
    /// MoveHome has run; home and in Cartesian control, or not.
    Done {
        /// Whether it is.
        home: bool,
    },
    /// It was cancelled; the arm is not in control until it is
    /// [taken back](Driver::take_back).
    BrokenOff,
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
    in_control: bool,
    has_joystick: bool,
    cancelled: bool,
    released: bool,
}

impl<A: Api> Driver<A> {
    /// Takes an arm into control: checks the semaphore, opens the SDK, finds the arm, drops what
    /// an earlier process may have left in its queue, takes control, asks for Cartesian control,
    /// reads the state at `now_ns`. On any failure control is given back and the SDK closed.
    ///
    /// An arm that is not homed, or refuses Cartesian control, is no failure: see
    /// [`readiness`](Self::readiness). `homing_api` is a second handle on the same SDK; `told`
    /// hears what is being done.
    pub fn connect(
        api: A,
        homing_api: A,
        options: DriverOptions,
        now_ns: u64,
        told: &mut dyn FnMut(&'static str),
    ) -> Result<Self, ConnectError> {
        semaphore::check_access()?;
        let homing =
            HomingThread::start(homing_api, options.settle).map_err(ConnectError::Thread)?;
        match connect::open(&api, &options, now_ns, told) {
            Ok((serial, readiness, state)) => Ok(Self {
                semaphore: Semaphore::open(),
                api,
                options,
                homing,
                serial,
                state,
                readiness,
                turn: 0,
                in_control: true,
                has_joystick: true,
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

    /// Whether the arm takes Cartesian velocities from us.
    pub fn is_ready(&self) -> bool {
        self.in_control && self.readiness.is_ready()
    }

    /// Whether the arm is in our control, and not left to the joystick.
    pub fn is_in_control(&self) -> bool {
        self.in_control
    }

    /// What it takes for Cartesian velocities, as last read.
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
        let read = match TURNS[self.turn] {
            Read::Joystick if !self.has_joystick => Read::Joints,
            read => read,
        };
        self.turn = (self.turn + 1) % TURNS.len();
        let news = match read {
            Read::Pose => read_pose(&self.api, &mut self.state, now_ns).map(|()| News::State),
            Read::Joints => read_joints(&self.api).map(|joints_rad| {
                (self.state.joints_ns, self.state.joints_rad) = (now_ns, joints_rad);
                News::State
            }),
            Read::Queue => read_queue(&self.api).map(News::Queue),
            Read::ControlType => read_control_type(&self.api).map(|control_type| {
                self.readiness.cartesian = control_type == CARTESIAN;
                News::Control
            }),
            Read::Joystick => Ok(News::Joystick(self.read_joystick())),
        };
        if news.is_err() {
            self.refill();
        }
        news
    }

    /// A joystick that cannot be read must not look like an arm that cannot.
    fn read_joystick(&mut self) -> Option<bool> {
        let read = read_hand(&self.api);
        match &read {
            Ok(_) => {}
            Err(CallError::Symbol(_)) => self.has_joystick = false,
            Err(_) => self.refill(),
        }
        read.ok()
    }

    /// Gives back what a failed read took from the SDK's semaphore.
    fn refill(&self) {
        if let Some(semaphore) = &self.semaphore {
            semaphore.refill();
        }
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

    /// The outcome of homing, once, when it has ended. The next read is of the pose.
    pub fn poll_homing(&mut self) -> Option<Result<HomingEnd, CallError>> {
        let outcome = self.homing.poll()?;
        self.turn = 0;
        if outcome.is_err() {
            self.refill();
        }
        self.readiness = match &outcome {
            Ok(homed) => homed.readiness,
            Err(_) => Readiness { cartesian: false, ..self.readiness },
        };
        if self.cancelled {
            return Some(Ok(HomingEnd::BrokenOff));
        }
        Some(outcome.map(|Homed { at_home, readiness }| HomingEnd::Done {
            home: at_home && readiness.is_ready(),
        }))
    }

    /// Ends homing now; [`poll_homing`](Self::poll_homing) goes on until its thread is back.
    pub fn cancel_homing(&mut self) {
        if !self.cancelled {
            self.cancelled = true;
            self.leave();
        }
    }

    /// Drops what is queued and leaves the arm to the joystick, which moves it only then.
    pub fn leave(&mut self) {
        self.in_control = false;
        self.erase();
        // A return code would prove nothing.
        let _ = self.api.stop_control_api();
    }

    /// Takes the arm back into control and asks for Cartesian control; that may take a few pauses
    /// of [`settle`](DriverOptions::settle). The next read is of the pose.
    pub fn take_back(&mut self) -> Result<(), CallError> {
        self.turn = 0;
        let taken = judge("StartControlAPI", self.api.start_control_api())
            .and_then(|()| make_ready(&self.api, self.options.settle));
        match taken {
            Ok(readiness) => {
                (self.in_control, self.readiness) = (true, readiness);
                Ok(())
            }
            Err(error) => {
                self.refill();
                Err(error)
            }
        }
    }

    /// Drops what is queued, gives control back to the joystick and closes the SDK.
    pub fn release(&mut self) {
        if !self.released {
            self.released = true;
            // An arm that a person moves is not disturbed.
            if self.in_control {
                self.leave();
            }
            // Nothing can be done about a failure.
            let _ = self.api.close_api();
        }
    }
}

impl<A: Api> Drop for Driver<A> {
    fn drop(&mut self) {
        self.release();
    }
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
