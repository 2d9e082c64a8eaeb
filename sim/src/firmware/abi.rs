//! From the SDK's trajectory points to the base's own, as the base reads them off the wire.

use super::kinematics::DEG;
use super::point::{ArmMotion, HandMotion, Point};
use super::{Firmware, POSITION_SPEED_M_S, POSITION_SPEED_RAD_S};
use jaco_core::Pose;
use kinova_sys::{HAND_MODE, POSITION_TYPE, TrajectoryPoint};
use nalgebra::Vector3;

/// The return code for a point that the base rejects (NACK on the first packet).
pub const REJECTED: i32 = 2003;

impl Firmware {
    /// SendBasicTrajectory or SendAdvanceTrajectory: queues `point`. Returns 1, which says
    /// nothing about the effect, or [`REJECTED`] for a type that the emulation does not know or a
    /// number that is not finite.
    pub fn push(&mut self, point: &TrajectoryPoint) -> i32 {
        match decode(point) {
            Some(point) => self.push_point(self.as_meant(point)),
            None => REJECTED,
        }
    }
}

impl Firmware {
    /// Joint goals are in the turns of the readings.
    fn as_meant(&self, mut point: Point) -> Point {
        if let ArmMotion::AngularPosition(goal) = &mut point.arm {
            *goal = self.with_turns(*goal, -1.0);
        }
        point
    }
}

fn decode(point: &TrajectoryPoint) -> Option<Point> {
    let position = &point.Position;
    let c = &position.CartesianPosition;
    let a = &position.Actuators;
    let f = &position.Fingers;
    let linear = [c.X, c.Y, c.Z].map(f64::from);
    let angular = [c.ThetaX, c.ThetaY, c.ThetaZ].map(f64::from);
    let joints = [a.Actuator1, a.Actuator2, a.Actuator3, a.Actuator4, a.Actuator5, a.Actuator6]
        .map(|degrees| f64::from(degrees) / DEG);
    let fingers = [f.Finger1, f.Finger2, f.Finger3].map(f64::from);
    let numbers = linear.iter().chain(&angular).chain(&joints).chain(&fingers);
    if !numbers.copied().all(f64::is_finite) {
        return None;
    }

    let (arm, is_velocity) = match position.Type {
        POSITION_TYPE::NOMOVEMENT_POSITION => (ArmMotion::Hold, false),
        POSITION_TYPE::CARTESIAN_VELOCITY => {
            let [linear_m_s, angular_rad_s] = [linear, angular].map(Vector3::from);
            (ArmMotion::CartesianVelocity { linear_m_s, angular_rad_s }, true)
        }
        POSITION_TYPE::ANGULAR_VELOCITY => (ArmMotion::AngularVelocity(joints), true),
        POSITION_TYPE::CARTESIAN_POSITION => {
            let limit = |own: f32, usual: f64| {
                let given = point.LimitationsActive != 0 && own > 0.0;
                if given { f64::from(own).min(usual) } else { usual }
            };
            let pose = Pose::from_kinova(Vector3::from(linear), angular);
            let linear_m_s = limit(point.Limitations.speedParameter1, POSITION_SPEED_M_S);
            let angular_rad_s = limit(point.Limitations.speedParameter2, POSITION_SPEED_RAD_S);
            (ArmMotion::CartesianPosition { pose, linear_m_s, angular_rad_s }, false)
        }
        POSITION_TYPE::ANGULAR_POSITION => (ArmMotion::AngularPosition(joints), false),
        _ => return None,
    };
    let hand = match position.HandMode {
        HAND_MODE::HAND_NOMOVEMENT => HandMotion::None,
        // With an arm velocity the finger fields are velocities whatever the hand mode says.
        _ if is_velocity => HandMotion::Velocity(fingers),
        HAND_MODE::POSITION_MODE => HandMotion::Position(fingers),
        HAND_MODE::VELOCITY_MODE => HandMotion::Velocity(fingers),
        _ => return None,
    };
    Some(Point { arm, hand })
}
