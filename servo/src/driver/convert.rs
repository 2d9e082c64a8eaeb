//! The SDK's edge: its units and frames on one side, ours on the other. Nothing else converts.
//!
//! The SDK speaks single precision, degrees for joints, Euler XYZ for orientation, finger ticks,
//! and, in Cartesian velocities, a mixed frame: linear in the base frame, angular in the
//! effector's (so Kinova's engineers; its README implies the base frame, hence the choice).

use crate::report::Setpoint;
use crate::telemetry::Telemetry;
use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{AngularFrame, Pose, Wrench};
use kinova_sys::{
    AngularInfo, AngularPosition, CartesianInfo, CartesianPosition, FingersPosition, ForcesInfo,
    HAND_MODE, JoystickCommand, POSITION_TYPE, SensorsInfo, TrajectoryPoint,
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

/// Speed at which fingers are opened to their stop \[ticks/s\]: as the SDK's InitFingers, gently.
const OPENING_TICKS_S: f32 = 3000.0;
/// The joystick's button that takes the arm home while it is held.
const HOME_BUTTON: usize = 2;
/// A force or torque beyond this is another call's reply \[N\], \[N m\].
const MOST_FORCE: f64 = 1000.0;

/// One tick that opens all fingers and keeps the joints where they are.
pub fn opening_point() -> TrajectoryPoint {
    let mut point = TrajectoryPoint::default();
    point.Position.Type = POSITION_TYPE::ANGULAR_VELOCITY;
    point.Position.HandMode = HAND_MODE::VELOCITY_MODE;
    let opening = -OPENING_TICKS_S;
    point.Position.Fingers =
        FingersPosition { Finger1: opening, Finger2: opening, Finger3: opening };
    point
}

/// The joystick as a person holds it who takes the arm home, or as nobody holds it.
pub fn home_button(held: bool) -> JoystickCommand {
    let mut command = JoystickCommand::default();
    command.ButtonValue[HOME_BUTTON] = i16::from(held);
    command
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
    let degrees = joints(&reading.Actuators);
    let plausible =
        degrees.iter().all(|angle| angle.is_finite()) && degrees.iter().any(|angle| *angle != 0.0);
    plausible.then(|| degrees.map(|angle| f64::from(angle).to_radians()))
}

/// The closures of a hand with so many fingers: the third of one with two goes with them, for the
/// arm reports something for it all the same.
pub fn of_hand(closure: [f64; FINGERS], fingers: usize) -> [f64; FINGERS] {
    let [first, second, _] = closure;
    if fingers == 2 { [first, second, (first + second) / 2.0] } else { closure }
}

/// The six joints' numbers of a reading, in its unit.
pub fn joints(reading: &AngularInfo) -> [f32; JOINTS] {
    [
        reading.Actuator1,
        reading.Actuator2,
        reading.Actuator3,
        reading.Actuator4,
        reading.Actuator5,
        reading.Actuator6,
    ]
}

/// Wrench at the tool and torques of the joints \[N m\]; `None` if no arm has such.
pub fn wrench_and_torques(reading: &ForcesInfo, stamp_ns: u64) -> Option<(Wrench, [f32; JOINTS])> {
    let wrench = Wrench {
        stamp_ns,
        force_n: Vector3::new(reading.X, reading.Y, reading.Z).map(f64::from),
        torque_nm: Vector3::new(reading.ThetaX, reading.ThetaY, reading.ThetaZ).map(f64::from),
    };
    let torques_nm = [
        reading.Actuator1,
        reading.Actuator2,
        reading.Actuator3,
        reading.Actuator4,
        reading.Actuator5,
        reading.Actuator6,
    ];
    let numbers = wrench.force_n.iter().chain(wrench.torque_nm.iter()).copied();
    // NaN lies in no range.
    let plausible = numbers
        .chain(torques_nm.iter().map(|torque| f64::from(*torque)))
        .all(|value| (-MOST_FORCE..=MOST_FORCE).contains(&value));
    plausible.then_some((wrench, torques_nm))
}

/// Puts a reading of supply, acceleration and temperatures into `telemetry`.
pub fn put_sensors(reading: &SensorsInfo, telemetry: &mut Telemetry, stamp_ns: u64) {
    telemetry.stamp_ns = stamp_ns;
    telemetry.supply_v = reading.Voltage;
    telemetry.supply_a = reading.Current;
    telemetry.acceleration_g =
        [reading.AccelerationX, reading.AccelerationY, reading.AccelerationZ];
    telemetry.joint_temperatures_c = [
        reading.ActuatorTemp1,
        reading.ActuatorTemp2,
        reading.ActuatorTemp3,
        reading.ActuatorTemp4,
        reading.ActuatorTemp5,
        reading.ActuatorTemp6,
    ];
    telemetry.finger_temperatures_c =
        [reading.FingerTemp1, reading.FingerTemp2, reading.FingerTemp3];
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
    fn the_third_finger_of_a_hand_with_two_goes_with_them() {
        assert_eq!(of_hand([1.0, 0.5, 0.1], 2), [1.0, 0.5, 0.75]);
        assert_eq!(of_hand([1.0, 0.5, 0.1], 3), [1.0, 0.5, 0.1]);
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
