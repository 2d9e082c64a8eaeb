//! The arm's base firmware, emulated at 100 Hz: what stands behind the SDK's calls.
//!
//! It owns the trajectory FIFO, control authority, modes, homing and the joint and finger
//! targets. It is pure: it sees the arm only as [`Measured`] and answers with [`Targets`], and
//! must never touch the physics itself.
//!
//! Emulated on purpose: the joystick moves the arm only while the API has no control; a velocity
//! point lives one tick; points pile up when sent faster; an empty FIFO stops the arm; refused
//! commands are refused in silence, with return code 1. What the real arm does besides, now and
//! then or in some firmware only, is a switch in [`Vices`].

pub mod abi;
mod cycle;
pub mod fifo;
pub mod fingers;
pub mod kinematics;
pub mod point;
mod reading;
pub mod status;
pub mod vices;

use fifo::Fifo;
use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{AngularFrame, Pose, Twist};
use nalgebra::Vector3;
use point::{ArmMotion, HandMotion, Point};
pub use reading::FifoInfo;
use std::collections::VecDeque;
pub use vices::Vices;

/// Joint angles \[deg\] in which an arm is switched on: Kinova's factory home.
pub const POWER_UP_DEG: [f64; JOINTS] = [275.29, 167.58, 57.41, 240.82, 82.84, 75.82];

/// Speed limits of CARTESIAN_POSITION points without limits of their own.
const POSITION_SPEED_M_S: f64 = 0.15;
const POSITION_SPEED_RAD_S: f64 = 0.6;
/// The controller's return code for "done", which says nothing about the effect.
pub const DONE: i32 = 1;

/// Cartesian or joint control, as GetControlType reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// 0.
    Cartesian,
    /// 1.
    Angular,
}

/// The arm as the base's sensors see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Pose of the tool point.
    pub pose: Pose,
    /// Joint angles, unbounded \[rad\].
    pub joints_rad: [f64; JOINTS],
    /// Joint velocities \[rad/s\].
    pub joint_velocities_rad_s: [f64; JOINTS],
    /// Motor torques \[N m\], gravity compensated.
    pub joint_torques_nm: [f64; JOINTS],
    /// Finger joint angles \[rad\].
    pub fingers_rad: [f64; FINGERS],
    /// Force \[N\] and torque \[N m\] at the tool, estimated from the motor torques.
    pub tool_wrench: [f64; 6],
}

/// Where the base drives joints and fingers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Targets {
    /// Joint targets \[rad\].
    pub joints_rad: [f64; JOINTS],
    /// Finger joint targets \[rad\].
    pub fingers_rad: [f64; FINGERS],
}

/// What became of the points that came since the arm was switched on or put up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Points taken into the FIFO.
    pub taken: u64,
    /// Points dropped, though answered with 1: no control, or no room.
    pub dropped: u64,
    /// Most points that waited at once.
    pub most_fifo: u32,
}

/// The emulated base controller.
#[derive(Clone, Debug)]
pub struct Firmware {
    angular_frame: AngularFrame,
    home_rad: [f64; JOINTS],
    measured: Measured,
    targets: Targets,
    finger_goal_ticks: Option<[f64; FINGERS]>,
    fifo: Fifo,
    control_started: bool,
    control: ControlType,
    homed: bool,
    fingers_initialised: [bool; FINGERS],
    /// For how many ticks each finger has been pressed against its open stop.
    fingers_pressed: [u32; FINGERS],
    rotating_frame: bool,
    joystick_axis: f64,
    home_button: bool,
    vices: Vices,
    counts: Counts,
    /// How far the fingers' readings have drifted.
    finger_drift_ticks: f64,
    /// Points that waited before each of the last ticks, the newest last; kept while they lag.
    fifo_history: VecDeque<u32>,
    /// Determinant of the tool's Jacobian in the last tick \[m^3\].
    manipulability: f64,
}

impl Firmware {
    /// A base that has just been switched on: not homed, nobody in control.
    pub(crate) fn power_up(
        angular_frame: AngularFrame,
        home_rad: [f64; JOINTS],
        measured: Measured,
    ) -> Self {
        Self {
            angular_frame,
            home_rad,
            targets: Targets { joints_rad: measured.joints_rad, fingers_rad: measured.fingers_rad },
            measured,
            finger_goal_ticks: None,
            fifo: Fifo::default(),
            control_started: false,
            control: ControlType::Angular,
            homed: false,
            fingers_initialised: [false; FINGERS],
            fingers_pressed: [0; FINGERS],
            rotating_frame: false,
            joystick_axis: 0.0,
            home_button: false,
            vices: Vices::default(),
            counts: Counts::default(),
            finger_drift_ticks: 0.0,
            fifo_history: VecDeque::new(),
            manipulability: f64::INFINITY,
        }
    }

    /// A base that is homed and under Cartesian control.
    pub(crate) fn ready(
        angular_frame: AngularFrame,
        home_rad: [f64; JOINTS],
        measured: Measured,
    ) -> Self {
        Self {
            control_started: true,
            control: ControlType::Cartesian,
            homed: true,
            fingers_initialised: [true; FINGERS],
            ..Self::power_up(angular_frame, home_rad, measured)
        }
    }

    /// The base restarts where the arm stands. Vices and counts stay.
    pub fn reboot(&mut self) {
        let vices = self.vices;
        let counts = self.counts;
        *self = Self::power_up(self.angular_frame, self.home_rad, self.measured);
        self.counts = counts;
        self.set_vices(vices);
    }

    /// StartControlAPI: takes control.
    pub fn start_control(&mut self) -> i32 {
        self.control_started = !self.vices.control_taken;
        DONE
    }

    /// StopControlAPI: gives control back to the joystick; queued points wait, but the emulated
    /// home button is let go.
    pub fn stop_control(&mut self) -> i32 {
        self.set_home_button(false);
        self.control_started = false;
        DONE
    }

    /// SendJoystickCommand: while the home button is `held` the arm goes home, until it is there,
    /// something else ends it, or the button is let go. It homes an arm, like MoveHome.
    pub fn set_home_button(&mut self, held: bool) -> i32 {
        if held && !self.is_homing() && !self.stands_at_home() {
            self.fifo.clear();
            self.move_home();
        } else if !held && self.home_button {
            self.erase();
        }
        self.home_button = held;
        DONE
    }

    /// Whether the emulated home button is held (GetJoystickValue).
    pub fn home_button(&self) -> bool {
        self.home_button
    }

    /// The vices in force.
    pub fn vices(&self) -> &Vices {
        &self.vices
    }

    /// Puts `vices` in force in place of all others.
    pub fn set_vices(&mut self, vices: Vices) {
        self.vices = vices;
        if vices.control_taken {
            self.stop_control();
        }
    }

    /// Somebody holds the joystick's first axis at `axis`, -1 to 1. It turns the first joint, but
    /// does nothing while the API has control.
    pub fn set_joystick(&mut self, axis: f64) {
        self.joystick_axis = axis.clamp(-1.0, 1.0);
    }

    /// SetCartesianControl: refused in silence before homing, and by some vices.
    pub fn set_cartesian_control(&mut self) -> i32 {
        if self.homed && !self.vices.refuse_cartesian && self.creep() == 1.0 {
            self.control = ControlType::Cartesian;
        }
        DONE
    }

    /// SetAngularControl.
    pub fn set_angular_control(&mut self) -> i32 {
        self.control = ControlType::Angular;
        DONE
    }

    /// SetFrameType: only reported back, as on the arm.
    pub fn set_frame_type(&mut self, rotating: bool) -> i32 {
        self.rotating_frame = rotating;
        DONE
    }

    /// EraseAllTrajectories: drops all points; the arm stops.
    pub fn erase(&mut self) -> i32 {
        self.fifo.clear();
        self.finger_goal_ticks = None;
        DONE
    }

    /// MoveHome, without waiting: queues the way to the home position, which homes the arm.
    pub fn move_home(&mut self) -> i32 {
        self.push_point(Point { arm: ArmMotion::Home, hand: HandMotion::None })
    }

    /// InitFingers, without waiting: drops the FIFO, opens the fingers, leaves angular control.
    pub fn init_fingers(&mut self) -> i32 {
        self.fifo.clear();
        self.control = ControlType::Angular;
        self.finger_goal_ticks = Some([0.0; FINGERS]);
        DONE
    }

    /// Queues `point`. The return code is 1 whether or not the base had control or room.
    pub fn push_point(&mut self, point: Point) -> i32 {
        if self.control_started && self.fifo.push(point) {
            self.counts.taken += 1;
            self.counts.most_fifo = self.counts.most_fifo.max(self.fifo.len() as u32);
        } else {
            self.counts.dropped += 1;
        }
        DONE
    }

    /// Queues one tick of the tool velocity `twist` (base frame) and finger velocities
    /// \[ticks/s\] (+ closes), with the SDK's single precision.
    pub fn push_velocity(&mut self, twist: &Twist, finger_ticks_s: [f64; FINGERS]) -> i32 {
        let orientation = &self.measured.pose.orientation;
        let angular = self.angular_frame.from_base(&twist.angular_rad_s, orientation);
        let single = |v: Vector3<f64>| v.map(|value| f64::from(value as f32));
        self.push_point(Point {
            arm: ArmMotion::CartesianVelocity {
                linear_m_s: single(twist.linear_m_s),
                angular_rad_s: single(angular),
            },
            hand: HandMotion::Velocity(finger_ticks_s.map(|value| f64::from(value as f32))),
        })
    }

    /// The frame of angular velocities in Cartesian velocity points.
    pub fn angular_frame(&self) -> AngularFrame {
        self.angular_frame
    }

    /// The arm as last measured.
    pub fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Joint and finger targets (GetAngularCommand).
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Joint angles of the home position \[rad\].
    pub fn home_rad(&self) -> &[f64; JOINTS] {
        &self.home_rad
    }

    /// GetControlType.
    pub fn control_type(&self) -> ControlType {
        self.control
    }

    /// Whether the API has control.
    pub fn has_control(&self) -> bool {
        self.control_started
    }

    /// Whether the arm was homed since it was switched on.
    pub fn is_homed(&self) -> bool {
        self.homed
    }

    /// What became of the points.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How far the arm is from a singular pose: the determinant of the tool's Jacobian in the last
    /// tick, without its sign \[m^3\].
    pub fn manipulability(&self) -> f64 {
        self.manipulability
    }

    /// The point in execution (GetActualTrajectoryInfo).
    pub fn current_point(&self) -> Option<&Point> {
        self.fifo.front()
    }

    pub(crate) fn measure(&mut self, measured: Measured) {
        self.measured = measured;
    }
}
