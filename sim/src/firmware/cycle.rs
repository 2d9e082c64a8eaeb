//! One control cycle of the base: the point in turn becomes joint and finger targets.

use super::kinematics::{self, DEG, JOINT_SPEED_RAD_S};
use super::point::{ArmMotion, HandMotion};
use super::status::AT_HOME_RAD;
use super::{ControlType, Firmware, Targets, fingers};
use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{TICK_S, Twist};
use nalgebra::{Matrix6, Vector3};

/// How far joint targets may run ahead of the joints \[rad\] before they wait for them.
const JOINT_LEASH_RAD: f64 = 0.03;
/// How far finger targets may run ahead of the fingers \[rad\]: this makes the grip force.
const FINGER_LEASH_RAD: f64 = 0.25;
/// Share of the joint speed limit that ANGULAR_POSITION points use.
const ANGULAR_POSITION_SHARE: f64 = 0.6;
/// How near its goal an ANGULAR_POSITION point is done with \[rad\].
const REACHED_RAD: f64 = 0.2 / DEG;
/// Speed of the first joint at the end of the joystick's way \[rad/s\]: gentle, at any pose.
const JOYSTICK_RAD_S: f64 = 0.2;
/// Finger speed of POSITION_MODE \[ticks/s\].
const FINGER_POSITION_TICKS_S: f64 = 5000.0;
/// How near its open stop a finger touches it \[ticks\].
const AT_STOP_TICKS: f64 = 150.0;
/// Ticks of pressing after which a finger has found its stop.
const STOP_FOUND_TICKS: u32 = 20;
/// Points come with single precision: what is this little slower is as fast \[m/s, rad/s\].
const ROUNDING: f64 = 1e-6;

impl Firmware {
    /// One control cycle of 10 ms: executes the point in turn and moves the targets on.
    /// `jacobian` is that of the tool point at the measured joints.
    pub(crate) fn tick(&mut self, jacobian: &Matrix6<f64>) -> Targets {
        self.manipulability = jacobian.determinant().abs();
        self.remember(TICK_S);
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
                let twist = self.creeping(Twist {
                    linear_m_s: beyond(linear_m_s, self.vices.dead_zone_m_s),
                    angular_rad_s: beyond(
                        self.angular_frame.to_base(&angular_rad_s, &orientation),
                        self.vices.dead_zone_rad_s,
                    ),
                });
                (kinematics::joint_velocities(jacobian, &twist), true)
            }
            ArmMotion::CartesianPosition { pose, linear_m_s, angular_rad_s } => {
                let linear = pose.position_m - self.measured.pose.position_m;
                let angular = self.measured.pose.rotation_to(&pose.orientation);
                let reached = linear.norm() < 1e-3 && angular.norm() < 1e-2;
                let twist = self.creeping(Twist {
                    linear_m_s: (linear * 3.0).cap_magnitude(linear_m_s),
                    angular_rad_s: (angular * 3.0).cap_magnitude(angular_rad_s),
                });
                (kinematics::joint_velocities(jacobian, &twist), reached)
            }
            ArmMotion::AngularVelocity(velocities) => {
                self.control = ControlType::Angular;
                (kinematics::within_limits(velocities), true)
            }
            ArmMotion::AngularPosition(goal) => self.go_to(&goal),
            ArmMotion::Home => self.go_to(&self.home_rad.clone()),
        }
    }

    /// What is left of Cartesian motion near a singular pose, 0 to 1; 1 elsewhere.
    pub(super) fn creep(&self) -> f64 {
        let threshold = self.vices.singularity_creep;
        if self.manipulability < threshold { self.manipulability / threshold } else { 1.0 }
    }

    fn creeping(&self, twist: Twist) -> Twist {
        let share = self.creep();
        Twist { linear_m_s: twist.linear_m_s * share, angular_rad_s: twist.angular_rad_s * share }
    }

    fn go_to(&mut self, goal: &[f64; JOINTS]) -> ([f64; JOINTS], bool) {
        self.control = ControlType::Angular;
        (self.towards(goal), self.reached(goal))
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
        let reached = self.is_near(goal, REACHED_RAD);
        self.homed |= reached && self.is_near(&self.home_rad, AT_HOME_RAD);
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
        self.find_stops(&velocities);
    }

    /// A finger that is driven against its open stop for a while knows where it is from then on,
    /// whatever drives it: the SDK's own InitFingers sends velocities.
    fn find_stops(&mut self, velocities_ticks_s: &[f64; FINGERS]) {
        for i in 0..FINGERS {
            let to_stop = self.finger_goal_ticks.is_some_and(|goal| goal[i] == 0.0);
            let opens = to_stop || velocities_ticks_s[i] < 0.0;
            let pressed = opens && fingers::ticks(self.measured.fingers_rad[i]) < AT_STOP_TICKS;
            self.fingers_pressed[i] = if pressed { self.fingers_pressed[i] + 1 } else { 0 };
            self.fingers_initialised[i] |= self.fingers_pressed[i] >= STOP_FOUND_TICKS;
        }
    }

    fn finger_velocities_to(&self, goal_ticks: &[f64; FINGERS]) -> [f64; FINGERS] {
        std::array::from_fn(|i| {
            let left = goal_ticks[i] - fingers::ticks(self.targets.fingers_rad[i]);
            (left / TICK_S).clamp(-FINGER_POSITION_TICKS_S, FINGER_POSITION_TICKS_S)
        })
    }
}

/// `velocity`, or zero if it is slower than `zone`.
fn beyond(velocity: Vector3<f64>, zone: f64) -> Vector3<f64> {
    if velocity.norm() + ROUNDING < zone { Vector3::zeros() } else { velocity }
}
