//! The arm's base firmware, emulated at 100 Hz: what stands behind the SDK's calls.
//!
//! It owns the trajectory FIFO, control authority, modes, homing and the joint and finger
//! targets. It is pure: it sees the arm only as [`Measured`] and answers with [`Targets`], and
//! must never touch the physics itself.
//!
//! Emulated on purpose: the joystick moves the arm only while the API has no control; a velocity point lives one tick; points pile up when sent faster; an
//! empty FIFO stops the arm; refused commands are refused in silence, with return code 1.

pub mod abi;
pub mod fifo;
pub mod fingers;
pub mod kinematics;
pub mod point;

use fifo::{FIFO_DEPTH, Fifo};
use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{AngularFrame, ArmState, Pose, TICK_S, Twist, Wrench};
use kinematics::{DEG, JOINT_SPEED_RAD_S};
use nalgebra::{Matrix6, Vector3};
use point::{ArmMotion, HandMotion, Point};

/// Joint angles \[deg\] in which an arm is switched on: Kinova's factory home.
pub const POWER_UP_DEG: [f64; JOINTS] = [275.29, 167.58, 57.41, 240.82, 82.84, 75.82];

/// How far joint targets may run ahead of the joints \[rad\] before they wait for them.
const JOINT_LEASH_RAD: f64 = 0.03;
/// How far finger targets may run ahead of the fingers \[rad\]: this makes the grip force.
const FINGER_LEASH_RAD: f64 = 0.25;
/// Speed limits of CARTESIAN_POSITION points without limits of their own.
const POSITION_SPEED_M_S: f64 = 0.15;
const POSITION_SPEED_RAD_S: f64 = 0.6;
/// Share of the joint speed limit that ANGULAR_POSITION points use.
const ANGULAR_POSITION_SHARE: f64 = 0.6;
/// Speed of the first joint at the end of the joystick's way \[rad/s\]: gentle, at any pose.
const JOYSTICK_RAD_S: f64 = 0.2;
/// Finger speed of POSITION_MODE \[ticks/s\].
const FINGER_POSITION_TICKS_S: f64 = 5000.0;

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

/// How full the trajectory buffer is (GetGlobalTrajectoryInfo).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FifoInfo {
    /// Points waiting.
    pub count: u32,
    /// Share in use \[%\].
    pub used_percent: f32,
    /// Points that fit.
    pub max: u32,
}

/// The fields of the SDK's QuickStatus that the emulation fills, in the SDK's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuickStatus {
    /// 1 = initialised, for each finger.
    pub finger_initialised: [u8; FINGERS],
    /// 1 = at the ready position after homing, 6 = not initialised.
    pub retract_type: u8,
    /// 0 = control on, 1 = off.
    pub control_enable: u8,
    /// Running control module: 0 none, 1 angular velocity, 2 angular position, 3 Cartesian
    /// velocity, 4 Cartesian position.
    pub active_module: u8,
    /// 0 = fixed, 1 = rotating.
    pub frame_type: u8,
    /// 6 = Jaco v2 with six joints, assistive.
    pub robot_type: u8,
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
    fingers_initialised: bool,
    rotating_frame: bool,
    joystick_axis: f64,
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
            fingers_initialised: false,
            rotating_frame: false,
            joystick_axis: 0.0,
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
            fingers_initialised: true,
            ..Self::power_up(angular_frame, home_rad, measured)
        }
    }

    /// StartControlAPI: takes control.
    pub fn start_control(&mut self) -> i32 {
        self.control_started = true;
        DONE
    }

    /// StopControlAPI: gives control back to the joystick; queued points wait.
    pub fn stop_control(&mut self) -> i32 {
        self.control_started = false;
        DONE
    }

    /// Somebody holds the joystick's first axis at `axis`, -1 to 1. It turns the first joint, but
    /// does nothing while the API has control.
    pub fn set_joystick(&mut self, axis: f64) {
        self.joystick_axis = axis.clamp(-1.0, 1.0);
    }

    /// SetCartesianControl: refused in silence before homing.
    pub fn set_cartesian_control(&mut self) -> i32 {
        if self.homed {
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
        let home = ArmMotion::AngularPosition(self.home_rad);
        self.push_point(Point { arm: home, hand: HandMotion::None })
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
        if self.control_started {
            self.fifo.push(point);
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

    /// Joint angles \[deg\], unbounded (GetAngularPosition).
    pub fn joints_deg(&self) -> [f64; JOINTS] {
        self.measured.joints_rad.map(|angle| angle * DEG)
    }

    /// Finger positions \[ticks\].
    pub fn finger_ticks(&self) -> [f64; FINGERS] {
        self.measured.fingers_rad.map(fingers::ticks)
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

    /// GetGlobalTrajectoryInfo.
    pub fn fifo_info(&self) -> FifoInfo {
        FifoInfo {
            count: self.fifo.len() as u32,
            used_percent: 100.0 * self.fifo.len() as f32 / FIFO_DEPTH as f32,
            max: FIFO_DEPTH as u32,
        }
    }

    /// The point in execution (GetActualTrajectoryInfo).
    pub fn current_point(&self) -> Option<&Point> {
        self.fifo.front()
    }

    /// GetQuickStatus.
    pub fn quick_status(&self) -> QuickStatus {
        let active_module = match self.fifo.front().map(|point| point.arm) {
            _ if !self.control_started => 0,
            None | Some(ArmMotion::Hold) => 0,
            Some(ArmMotion::AngularVelocity(_)) => 1,
            Some(ArmMotion::AngularPosition(_)) => 2,
            Some(ArmMotion::CartesianVelocity { .. }) => 3,
            Some(ArmMotion::CartesianPosition { .. }) => 4,
        };
        QuickStatus {
            finger_initialised: [u8::from(self.fingers_initialised); FINGERS],
            retract_type: if self.homed { 1 } else { 6 },
            control_enable: u8::from(!self.control_started),
            active_module,
            frame_type: u8::from(self.rotating_frame),
            robot_type: 6,
        }
    }

    /// The reading that the SDK gives at `stamp_ns`.
    pub fn arm_state(&self, stamp_ns: u64) -> ArmState {
        let [x, y, z, rx, ry, rz] = self.measured.tool_wrench;
        ArmState {
            stamp_ns,
            pose: self.measured.pose,
            closure: self.measured.fingers_rad.map(fingers::closure),
            joints_ns: stamp_ns,
            joints_rad: self.measured.joints_rad,
            wrench: Wrench {
                stamp_ns,
                force_n: Vector3::new(x, y, z),
                torque_nm: Vector3::new(rx, ry, rz),
            },
        }
    }

    pub(crate) fn measure(&mut self, measured: Measured) {
        self.measured = measured;
    }

    /// One control cycle of 10 ms: executes the point in turn and moves the targets on.
    /// `jacobian` is that of the tool point at the measured joints.
    pub(crate) fn tick(&mut self, jacobian: &Matrix6<f64>) -> Targets {
        let point = if self.control_started { self.fifo.front().copied() } else { None };
        let mut hand = HandMotion::None;
        let mut velocities = [0.0; JOINTS];
        if !self.control_started {
            velocities[0] = self.joystick_axis * JOYSTICK_RAD_S;
        }
        if let Some(point) = point {
            hand = point.hand;
            let finished;
            (velocities, finished) = self.execute(&point.arm, jacobian);
            if finished {
                self.fifo.pop();
            }
        }
        for (i, velocity) in velocities.into_iter().enumerate() {
            let at = self.measured.joints_rad[i];
            self.targets.joints_rad[i] = (self.targets.joints_rad[i] + velocity * TICK_S)
                .clamp(at - JOINT_LEASH_RAD, at + JOINT_LEASH_RAD);
        }
        self.drive_fingers(hand);
        self.targets
    }

    /// Joint velocities \[rad/s\] for this tick, and whether the point is done with.
    fn execute(&mut self, motion: &ArmMotion, jacobian: &Matrix6<f64>) -> ([f64; JOINTS], bool) {
        let orientation = self.measured.pose.orientation;
        match *motion {
            ArmMotion::Hold => ([0.0; JOINTS], true),
            // Before homing, or in the other mode, the base ignores Cartesian points.
            ArmMotion::CartesianVelocity { .. } | ArmMotion::CartesianPosition { .. }
                if !self.homed || self.control != ControlType::Cartesian =>
            {
                ([0.0; JOINTS], true)
            }
            ArmMotion::CartesianVelocity { linear_m_s, angular_rad_s } => {
                let twist = Twist {
                    linear_m_s,
                    angular_rad_s: self.angular_frame.to_base(&angular_rad_s, &orientation),
                };
                (kinematics::joint_velocities(jacobian, &twist), true)
            }
            ArmMotion::CartesianPosition { pose, linear_m_s, angular_rad_s } => {
                let linear = pose.position_m - self.measured.pose.position_m;
                let angular = self.measured.pose.rotation_to(&pose.orientation);
                let reached = linear.norm() < 1e-3 && angular.norm() < 1e-2;
                let twist = Twist {
                    linear_m_s: (linear * 3.0).cap_magnitude(linear_m_s),
                    angular_rad_s: (angular * 3.0).cap_magnitude(angular_rad_s),
                };
                (kinematics::joint_velocities(jacobian, &twist), reached)
            }
            ArmMotion::AngularVelocity(velocities) => {
                self.control = ControlType::Angular;
                (kinematics::within_limits(velocities), true)
            }
            ArmMotion::AngularPosition(goal) => {
                self.control = ControlType::Angular;
                (self.towards(&goal), self.reached(&goal))
            }
        }
    }

    /// Joint velocities \[rad/s\] that bring the targets to `goal` together.
    fn towards(&self, goal: &[f64; JOINTS]) -> [f64; JOINTS] {
        let left: [f64; JOINTS] = std::array::from_fn(|i| goal[i] - self.targets.joints_rad[i]);
        let seconds = left
            .iter()
            .zip(JOINT_SPEED_RAD_S)
            .map(|(left, limit)| left.abs() / (limit * ANGULAR_POSITION_SHARE))
            .fold(TICK_S, f64::max);
        left.map(|left| left / seconds)
    }

    /// Whether the joints are at `goal`; being at the home position homes the arm.
    fn reached(&mut self, goal: &[f64; JOINTS]) -> bool {
        let near = |to: &[f64; JOINTS], tolerance: f64| {
            self.measured.joints_rad.iter().zip(to).all(|(at, to)| (at - to).abs() < tolerance)
        };
        let reached = near(goal, 0.2 / DEG);
        if reached && near(&self.home_rad, 1.0 / DEG) {
            self.homed = true;
        }
        reached
    }

    fn drive_fingers(&mut self, hand: HandMotion) {
        let velocities = match hand {
            HandMotion::Velocity(velocities) => {
                self.finger_goal_ticks = None;
                velocities
            }
            HandMotion::Position(goal) => {
                self.finger_goal_ticks = Some(goal);
                self.finger_velocities_to(&goal)
            }
            HandMotion::None => match self.finger_goal_ticks {
                Some(goal) => self.finger_velocities_to(&goal),
                None => [0.0; FINGERS],
            },
        };
        for (i, velocity) in velocities.into_iter().enumerate() {
            let velocity = velocity.clamp(-fingers::MAX_SPEED_TICKS_S, fingers::MAX_SPEED_TICKS_S);
            let at = self.measured.fingers_rad[i];
            self.targets.fingers_rad[i] = (self.targets.fingers_rad[i]
                + velocity * fingers::RAD_PER_TICK * TICK_S)
                .clamp(fingers::OPEN_RAD, fingers::CLOSED_RAD)
                .clamp(at - FINGER_LEASH_RAD, at + FINGER_LEASH_RAD);
        }
        if self.measured.fingers_rad.iter().all(|&angle| fingers::ticks(angle) < 150.0) {
            self.fingers_initialised |= self.finger_goal_ticks == Some([0.0; FINGERS]);
        }
    }

    fn finger_velocities_to(&self, goal_ticks: &[f64; FINGERS]) -> [f64; FINGERS] {
        std::array::from_fn(|i| {
            let left = goal_ticks[i] - fingers::ticks(self.targets.fingers_rad[i]);
            (left / TICK_S).clamp(-FINGER_POSITION_TICKS_S, FINGER_POSITION_TICKS_S)
        })
    }
}
