//! The SDK's edge: its units and frames on one side, ours on the other. Nothing else converts.
//!
//! The SDK speaks single precision, degrees for joints, Euler XYZ for orientation, finger ticks,
//! and, in Cartesian velocities, a mixed frame: linear in the base frame, angular in the
//! effector's (so Kinova's engineers; its README implies the base frame, hence the choice).

use crate::report::Setpoint;
use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{AngularFrame, Pose};
use kinova_sys::{
    AngularPosition, CartesianInfo, CartesianPosition, FingersPosition, HAND_MODE, POSITION_TYPE,
    TrajectoryPoint,
};
use nalgebra::{UnitQuaternion, Vector3};

/// Finger ticks of a closed finger; 0 is open.
pub const CLOSED_TICKS: f64 = 6800.0;

/// The trajectory point for one tick of `setpoint`, with the effector turned to `orientation`:
/// CARTESIAN_VELOCITY, and always arm and fingers, for a point without fingers stops them.
pub fn velocity_point(
    setpoint: &Setpoint,
    orientation: &UnitQuaternion<f64>,
    frame: AngularFrame,
) -> TrajectoryPoint {
    let linear = setpoint.twist.linear_m_s;
    let angular = frame.from_base(&setpoint.twist.angular_rad_s, orientation);
    let [finger1, finger2, finger3] =
        setpoint.finger_velocity.map(|velocity| (velocity * CLOSED_TICKS) as f32);
    let mut point = TrajectoryPoint::default();
    point.Position.Type = POSITION_TYPE::CARTESIAN_VELOCITY;
    point.Position.CartesianPosition = CartesianInfo {
        X: linear.x as f32,
        Y: linear.y as f32,
        Z: linear.z as f32,
        ThetaX: angular.x as f32,
        ThetaY: angular.y as f32,
        ThetaZ: angular.z as f32,
    };
    point.Position.HandMode = HAND_MODE::VELOCITY_MODE;
    point.Position.Fingers =
        FingersPosition { Finger1: finger1, Finger2: finger2, Finger3: finger3 };
    point
}

/// Pose and finger closures of a reading; `None` if no arm has such numbers: not finite, or all
/// zero as in an empty reply.
pub fn pose_and_closure(reading: &CartesianPosition) -> Option<(Pose, [f64; FINGERS])> {
    let at = &reading.Coordinates;
    let position_m = Vector3::new(at.X, at.Y, at.Z).map(f64::from);
    let theta_rad = [at.ThetaX, at.ThetaY, at.ThetaZ].map(f64::from);
    let closure = closure(&reading.Fingers);
    let numbers = position_m.iter().chain(&theta_rad);
    let plausible = numbers.clone().chain(&closure).all(|value| value.is_finite())
        && numbers.clone().any(|value| *value != 0.0);
    plausible.then(|| (Pose::from_kinova(position_m, theta_rad), closure))
}

/// Joint angles \[rad\] of a reading; `None` if no arm has such numbers.
pub fn joints_rad(reading: &AngularPosition) -> Option<[f64; JOINTS]> {
    let joints = &reading.Actuators;
    let degrees = [
        joints.Actuator1,
        joints.Actuator2,
        joints.Actuator3,
        joints.Actuator4,
        joints.Actuator5,
        joints.Actuator6,
    ];
    let plausible =
        degrees.iter().all(|angle| angle.is_finite()) && degrees.iter().any(|angle| *angle != 0.0);
    plausible.then(|| degrees.map(|angle| f64::from(angle).to_radians()))
}

fn closure(fingers: &FingersPosition) -> [f64; FINGERS] {
    [fingers.Finger1, fingers.Finger2, fingers.Finger3].map(|ticks| f64::from(ticks) / CLOSED_TICKS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_core::Twist;

    fn setpoint(linear: [f64; 3], angular: [f64; 3], finger: f64) -> Setpoint {
        let twist = Twist { linear_m_s: linear.into(), angular_rad_s: angular.into() };
        Setpoint { twist, finger_velocity: [finger; 3], step_started: None }
    }

    #[test]
    fn a_point_carries_arm_and_fingers_as_velocities() {
        let point = velocity_point(
            &setpoint([0.1, 0.0, -0.05], [0.0; 3], 0.5),
            &UnitQuaternion::identity(),
            AngularFrame::Base,
        );
        assert_eq!(point.Position.Type, POSITION_TYPE::CARTESIAN_VELOCITY);
        assert_eq!(point.Position.HandMode, HAND_MODE::VELOCITY_MODE);
        assert_eq!(point.Position.CartesianPosition.X, 0.1);
        assert_eq!(point.Position.CartesianPosition.Z, -0.05);
        assert_eq!(point.Position.Fingers.Finger2, 3400.0);
        assert_eq!(point.LimitationsActive, 0);
    }

    #[test]
    fn angular_velocity_is_turned_into_the_effector_frame() {
        // The tool points down: its z axis is the base's -z.
        let down = UnitQuaternion::from_scaled_axis(Vector3::x() * std::f64::consts::PI);
        let turn = setpoint([0.0; 3], [0.0, 0.0, 0.4], 0.0);
        let effector = velocity_point(&turn, &down, AngularFrame::Effector);
        assert!((effector.Position.CartesianPosition.ThetaZ + 0.4).abs() < 1e-6);
        let base = velocity_point(&turn, &down, AngularFrame::Base);
        assert_eq!(base.Position.CartesianPosition.ThetaZ, 0.4);
    }

    #[test]
    fn a_reading_becomes_metres_radians_and_closures() {
        let mut reading = CartesianPosition::default();
        reading.Coordinates.X = 0.2123;
        reading.Coordinates.ThetaX = 1.638;
        reading.Fingers.Finger1 = 6800.0;
        let (pose, closure) = pose_and_closure(&reading).unwrap();
        assert!((pose.position_m.x - 0.2123).abs() < 1e-6);
        assert!((pose.theta_rad()[0] - 1.638).abs() < 1e-6);
        assert_eq!(closure, [1.0, 0.0, 0.0]);
        let mut joints = AngularPosition::default();
        joints.Actuators.Actuator6 = 440.0;
        assert!((joints_rad(&joints).unwrap()[5] - 440.0_f64.to_radians()).abs() < 1e-6);
    }

    #[test]
    fn empty_and_broken_replies_are_no_readings() {
        assert!(pose_and_closure(&CartesianPosition::default()).is_none());
        assert!(joints_rad(&AngularPosition::default()).is_none());
        let mut reading = CartesianPosition::default();
        reading.Coordinates.X = f32::NAN;
        assert!(pose_and_closure(&reading).is_none());
    }
}
