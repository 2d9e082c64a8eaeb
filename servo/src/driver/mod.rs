//! The driver: owns the SDK and makes its calls in the order and at the rate that the arm bears.
//!
//! The budget is one point and at most one short reading a tick ([`schedule`]). Return codes are
//! never taken as evidence that something reached the arm; what the arm does is judged from
//! reads. Two facts of the SDK's USB layer shape everything: a failed read keeps a count of a
//! semaphore (it is given back before every call), and any call may block for seconds or for ever
//! (so this runs in a process that can be killed).
//!
//! The driver must never decide what the arm should do, and never call after `release`.

mod api;
mod connect;
mod convert;
mod error;
mod examine;
mod homing;
mod joystick;
mod line;
mod lock;
mod options;
mod plausible;
mod reads;
mod schedule;
mod semaphore;
mod status;

pub use api::{Api, Called};
pub use connect::{Look, look};
pub use convert::CLOSED_TICKS;
pub use error::{CallError, ConnectError};
pub use examine::Identity;
pub use homing::{HomingEnd, Shortfall};
pub use options::DriverOptions;
pub use plausible::Jump;
pub use semaphore::{SDK_SEMAPHORE, file as semaphore_file, remove as remove_semaphore};

use crate::condition::{Condition, Conditions};
use crate::report::Setpoint;
use crate::telemetry::Telemetry;
use homing::{Homing, Seen, Sends};
use jaco_core::{ArmState, Clock};
use line::Line;
use lock::ArmLock;
use plausible::{JointJudge, PoseJudge};
use schedule::{Read, Schedule};
use status::Status;
use std::ffi::c_int;

/// GetControlType: Cartesian.
const CARTESIAN: c_int = 0;
/// Readings in a row that must show that control is lost, or that the arm was restarted.
const CONFIRMED: u32 = 2;
/// How long after the arm was left its base must be seen to have heard it \[ns\].
const HEARD_NS: u64 = 2_000_000_000;
/// How long after control or Cartesian control was asked for its effect is looked for \[ns\].
const EFFECT_NS: u64 = 500_000_000;

/// What a read has told besides the state of the arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The pose: see [`Driver::state`].
    Pose,
    /// Joints, forces or telemetry.
    State,
    /// Points waiting in the arm's queue.
    Queue(u32),
    /// Flags or control type: see [`Driver::is_ready`].
    Control,
    /// Somebody else has taken control.
    ControlTaken,
    /// The arm was left, and its base has not heard it.
    StillOurs,
    /// The arm was switched off and on: it must be homed again.
    Restarted,
    /// Whether a person holds the joystick; `None` if it could not be read, which is no failure.
    Joystick(Option<bool>),
}

/// Who has the arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// This driver.
    Ours,
    /// Nobody: it was left.
    Left,
    /// Somebody who took it.
    Taken,
}

/// What was last read of the base's modes, and when \[ns\].
#[derive(Clone, Copy, Debug, Default)]
struct Readings {
    status: Option<(u64, Status)>,
    cartesian: Option<(u64, bool)>,
}

/// An arm in our control.
#[derive(Debug)]
pub struct Driver<A: Api> {
    line: Line<A>,
    options: DriverOptions,
    identity: Identity,
    _lock: ArmLock,
    /// What was found at the connection and does not change.
    found: Conditions,
    readings: Readings,
    judge: PoseJudge,
    joint_judge: JointJudge,
    state: ArmState,
    telemetry: Telemetry,
    schedule: Schedule,
    homing: Option<Homing>,
    control: Control,
    /// Since when \[ns\].
    control_ns: u64,
    /// When Cartesian control was last asked for \[ns\].
    asked_ns: Option<u64>,
    /// Readings in a row that show another's control, or an arm that was restarted.
    suspicious: u32,
    /// Readings in a row that show Cartesian control lost.
    doubtful: u32,
    has_joystick: bool,
    released: bool,
}

impl<A: Api> Driver<A> {
    /// Takes an arm into control: checks the semaphore, opens the SDK, finds the arm, makes sure
    /// that no other process has it, looks whether it is the arm that is meant, drops what an earlier
    /// process may have left in its queue, takes control, asks for Cartesian control, reads the
    /// state. On any failure control is given back and the SDK closed.
    ///
    /// An arm that is not homed, or refuses Cartesian control, is no failure: see
    /// [`conditions`](Self::conditions). `told` hears what is being done.
    pub fn connect(
        api: A,
        options: DriverOptions,
        clock: &impl Clock,
        told: &mut dyn FnMut(&str),
    ) -> Result<Self, ConnectError> {
        told("opening the SDK");
        let (mut line, mut commanded) = (Line::new(api), false);
        let connected = connect::open(&mut line, &options).and_then(|api_version| {
            connect::take(&line, &options, api_version, clock, told, &mut commanded)
        });
        match connected {
            Ok(connected) => Ok(Self {
                line,
                options,
                identity: connected.identity,
                _lock: connected.lock,
                found: connected.conditions,
                readings: connected.readings,
                judge: connected.judge,
                joint_judge: JointJudge::default(),
                state: connected.state,
                telemetry: Telemetry::default(),
                schedule: Schedule::default(),
                homing: None,
                control: Control::Ours,
                control_ns: clock.now_ns(),
                asked_ns: None,
                suspicious: 0,
                doubtful: 0,
                has_joystick: true,
                released: false,
            }),
            Err(error) => {
                // Without an arm of ours the SDK would tell another one.
                if commanded {
                    line.order(|api| api.stop_control_api());
                }
                connect::close(&line, Some(&error));
                Err(error)
            }
        }
    }

    /// What the arm is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The newest readings.
    pub fn state(&self) -> &ArmState {
        &self.state
    }

    /// What the arm tells beside its motion.
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Whether the arm takes Cartesian velocities from us.
    pub fn is_ready(&self) -> bool {
        let status = self.readings.status.map(|(_, status)| status);
        self.control == Control::Ours
            && self.is_cartesian()
            && status.is_some_and(|status| status.is_fit())
            && !self.found.holds(Condition::TorqueControl)
    }

    /// Whether the arm was homed since its power-up.
    pub fn is_homed(&self) -> bool {
        self.readings.status.is_some_and(|(_, status)| status.is_homed())
    }

    fn is_cartesian(&self) -> bool {
        self.readings.cartesian.is_some_and(|(_, cartesian)| cartesian)
    }

    /// Whether the arm is in our control: one that was left is until a reading shows that it is not.
    pub fn is_in_control(&self) -> bool {
        match self.control {
            Control::Ours => true,
            Control::Taken => false,
            Control::Left => self.readings.status.is_none_or(|(read_ns, status)| {
                read_ns < self.control_ns + HEARD_NS
                    && (read_ns < self.control_ns || status.control)
            }),
        }
    }

    /// Who has the arm.
    pub fn control(&self) -> Control {
        self.control
    }

    /// What is wrong with the arm by its flags, and by what was found at the connection.
    pub fn conditions(&self) -> Conditions {
        let mut conditions = self.found;
        conditions.set(Condition::NoControl, self.control == Control::Taken);
        if let Some((_, status)) = self.readings.status {
            status.note(self.options.fingers, &mut conditions);
            let joint_control = status.is_homed()
                && self.control == Control::Ours
                && self.homing.is_none()
                && self.readings.cartesian.is_some_and(|(_, cartesian)| !cartesian);
            conditions.set(Condition::JointControl, joint_control);
        }
        conditions.set(Condition::SlowCalls, self.schedule.is_too_slow());
        conditions
    }

    /// For how long only poses that cannot be have been read \[ns\].
    pub fn pose_refused_for_ns(&self, now_ns: u64) -> u64 {
        self.judge.refused_for_ns(now_ns)
    }

    /// How long ago such a pose was last read \[ns\]; `None` if it was a good one.
    pub fn pose_refused_ago_ns(&self, now_ns: u64) -> Option<u64> {
        self.judge.refused_ago_ns(now_ns)
    }

    /// Sends one tick of motion.
    pub fn send(&self, setpoint: &Setpoint) -> Result<(), CallError> {
        let orientation = &self.state.pose.orientation;
        let point = convert::velocity_point(setpoint, orientation, self.options.angular_frame);
        self.line.call("SendBasicTrajectory", |api| api.send_basic_trajectory(point))
    }

    /// A call of one packet took so long \[ns\].
    pub fn cost(&mut self, took_ns: u64) {
        self.schedule.cost(took_ns);
    }

    /// Reads whatever is in turn, at `now_ns`, if it fits before the next tick at `next_due_ns`. On
    /// failure nothing has changed.
    pub fn read(&mut self, now_ns: u64, next_due_ns: u64) -> Result<Option<News>, CallError> {
        let Some(read) = self.schedule.next(now_ns, next_due_ns, self.state.stamp_ns) else {
            return Ok(None);
        };
        let read = if read == Read::Joystick && !self.has_joystick { Read::Joints } else { read };
        let news = match read {
            Read::Pose => {
                let fingers = self.options.fingers;
                reads::pose(&self.line, fingers, &mut self.judge, &mut self.state, now_ns)?;
                News::Pose
            }
            Read::Joints => self.read_joints(now_ns).map(|()| News::State)?,
            Read::Forces => {
                (self.state.wrench, self.telemetry.joint_torques_nm) =
                    reads::forces(&self.line, now_ns)?;
                News::State
            }
            Read::Queue => News::Queue(reads::queue(&self.line)?),
            Read::Joystick => News::Joystick(self.read_joystick()),
            Read::Status => self.read_status(now_ns)?,
            Read::ControlType => self.read_control_type(now_ns)?,
            Read::Sensors => {
                reads::sensors(&self.line, &mut self.telemetry, now_ns)?;
                News::State
            }
            Read::Currents => {
                self.telemetry.joint_currents_a = reads::currents(&self.line)?;
                News::State
            }
        };
        let awaited = self.asked_ns.is_some_and(|asked_ns| now_ns < asked_ns + EFFECT_NS);
        if awaited && !self.is_cartesian() {
            self.schedule.urge(Read::ControlType);
        }
        Ok(Some(news))
    }

    fn read_joints(&mut self, now_ns: u64) -> Result<(), CallError> {
        let joints_rad = reads::joints(&self.line)?;
        let (taken_ns, taken_rad) = (self.state.joints_ns, &self.state.joints_rad);
        if !self.joint_judge.takes(now_ns, &joints_rad, taken_ns, taken_rad) {
            return Err(CallError::JointJump { call: "GetAngularPosition" });
        }
        (self.state.joints_ns, self.state.joints_rad) = (now_ns, joints_rad);
        Ok(())
    }

    fn read_control_type(&mut self, now_ns: u64) -> Result<News, CallError> {
        let cartesian = reads::control_type(&self.line)? == CARTESIAN;
        let lost = self.is_cartesian() && !cartesian;
        self.doubtful = if lost { self.doubtful + 1 } else { 0 };
        if (1..CONFIRMED).contains(&self.doubtful) {
            // One reply may be another command's.
            self.schedule.urge(Read::ControlType);
        } else {
            self.readings.cartesian = Some((now_ns, cartesian));
        }
        Ok(News::Control)
    }

    fn read_status(&mut self, now_ns: u64) -> Result<News, CallError> {
        let status = status::read_status_of(&self.line, self.identity.robot_type)?;
        let restarted = self.is_homed() && status.is_fresh();
        let settled = now_ns > self.control_ns + EFFECT_NS;
        let taken = settled && self.control == Control::Ours && !status.control;
        let unready = self.is_ready() && !status.is_fit();
        let doubtful = restarted || taken || unready;
        self.suspicious = if doubtful { self.suspicious + 1 } else { 0 };
        if (1..CONFIRMED).contains(&self.suspicious) {
            // One reply may be another command's.
            self.schedule.urge(Read::Status);
            return Ok(News::Control);
        }
        self.readings.status = Some((now_ns, status));
        if restarted || taken {
            self.readings.cartesian = None;
            self.homing = None;
            self.schedule.set_homing(false);
            // A base that was restarted has given the arm to the joystick.
            self.control = if restarted { Control::Left } else { Control::Taken };
        }
        // Later the control that a reading shows is another program's.
        let since_ns = now_ns.saturating_sub(self.control_ns);
        let unheard = self.control == Control::Left && status.control && since_ns < HEARD_NS;
        Ok(match (restarted, taken, unheard) {
            (true, _, _) => News::Restarted,
            (false, true, _) => News::ControlTaken,
            (false, false, true) => News::StillOurs,
            (false, false, false) => News::Control,
        })
    }

    /// A joystick that cannot be read must not look like an arm that cannot.
    fn read_joystick(&mut self) -> Option<bool> {
        let read = joystick::read_hand(&self.line, self.homing.is_some());
        if let Err(CallError::Symbol(_)) = &read {
            self.has_joystick = false;
        }
        read.ok()
    }

    /// Drops the points in the arm's queue; whether the arm stops is for reads to tell.
    pub fn erase(&self) {
        self.line.order(|api| api.erase_all_trajectories());
    }

    /// Tells the arm to stop, by whatever may be moving it: the queue, or the home button.
    pub fn insist_on_rest(&self) {
        self.line.order(|api| api.send_joystick_command(convert::home_button(false)));
        self.erase();
    }

    /// Asks for Cartesian control; later readings tell what came of it.
    pub fn ask_for_cartesian_control(&mut self, now_ns: u64) -> Result<(), CallError> {
        self.asked_ns = Some(now_ns);
        self.schedule.urge(Read::ControlType);
        self.line.call("SetCartesianControl", |api| api.set_cartesian_control())
    }

    /// Whether a homing is under way, or being broken off.
    pub fn is_homing(&self) -> bool {
        self.homing.is_some()
    }

    /// Starts homing.
    pub fn begin_homing(&mut self, now_ns: u64) {
        self.erase();
        self.homing = Some(Homing::begin(now_ns, self.options.fingers));
        self.schedule.set_homing(true);
    }

    /// Breaks homing off; it goes on being told so until readings show the arm at rest.
    pub fn break_off_homing(&mut self, now_ns: u64) {
        if let Some(homing) = &mut self.homing {
            homing.break_off(now_ns);
        }
    }

    /// One tick of homing, with the arm seen at rest or not. Returns its end, once.
    pub fn tick_homing(
        &mut self,
        now_ns: u64,
        at_rest: bool,
    ) -> Result<Option<HomingEnd>, CallError> {
        let Readings { status, cartesian } = self.readings;
        let Some(homing) = &mut self.homing else { return Ok(None) };
        let sends = homing.tick(now_ns, &Seen { status, cartesian, at_rest });
        let end = homing.end();
        if end.is_some() {
            self.homing = None;
            self.schedule.set_homing(false);
        }
        let line = &self.line;
        match sends {
            Sends::Button(held) => {
                let command = convert::home_button(held);
                line.call("SendJoystickCommand", |api| api.send_joystick_command(command))?;
            }
            Sends::OpenFingers => {
                let point = convert::opening_point();
                line.call("SendBasicTrajectory", |api| api.send_basic_trajectory(point))?;
            }
            Sends::Erase => self.erase(),
            Sends::StopControl => {
                line.order(|api| api.stop_control_api());
                (self.control, self.control_ns) = (Control::Left, now_ns);
            }
            Sends::AskCartesian => self.ask_for_cartesian_control(now_ns)?,
            Sends::Nothing => {}
        }
        Ok(end)
    }

    /// Drops what is queued and leaves the arm to the joystick, which moves it only then. A later
    /// reading tells whether it was heard: see [`News::StillOurs`].
    pub fn leave(&mut self, now_ns: u64) {
        if self.control != Control::Left {
            (self.control, self.control_ns) = (Control::Left, now_ns);
        }
        self.schedule.urge(Read::Status);
        self.insist_on_rest();
        // A return code would prove nothing.
        self.line.order(|api| api.stop_control_api());
    }

    /// The next [`take_back`](Self::take_back) may take the arm from whoever took it.
    pub fn claim(&mut self) {
        if self.control == Control::Taken {
            self.control = Control::Left;
        }
    }

    /// Takes the arm back into control and asks for Cartesian control if it is homed. The next
    /// read is of the pose.
    pub fn take_back(&mut self, now_ns: u64) -> Result<(), CallError> {
        self.schedule.pose_next();
        connect::start_control(&self.line)?;
        let status = status::read_status_of(&self.line, self.identity.robot_type)?;
        (self.control, self.control_ns, self.suspicious) = (Control::Ours, now_ns, 0);
        self.readings = Readings { status: Some((now_ns, status)), cartesian: None };
        if status.is_homed() { self.ask_for_cartesian_control(now_ns) } else { Ok(()) }
    }

    /// Drops what is queued, gives control back to the joystick and closes the SDK.
    pub fn release(&mut self) {
        if !self.released {
            self.released = true;
            // An arm that somebody else moves is not disturbed.
            if self.control == Control::Ours {
                self.leave(self.state.stamp_ns);
            }
            self.line.order(|api| api.close_api());
        }
    }
}

impl<A: Api> Drop for Driver<A> {
    fn drop(&mut self) {
        self.release();
    }
}
