//! From tool velocities to joint velocities, and between the SDK's frames.

use jaco_core::Twist;
use jaco_core::state::JOINTS;
use nalgebra::{Matrix6, Vector6};

/// Speed limits of the joints \[rad/s\]: 36 deg/s for the large ones, 48 deg/s for the wrist.
pub const JOINT_SPEED_RAD_S: [f64; JOINTS] =
    [36.0 / DEG, 36.0 / DEG, 36.0 / DEG, 48.0 / DEG, 48.0 / DEG, 48.0 / DEG];

/// Degrees in a radian.
pub const DEG: f64 = 180.0 / std::f64::consts::PI;

/// Damping of the inverse near singular poses.
const DAMPING: f64 = 1.25e-4;

/// Joint velocities \[rad/s\] for the tool velocity `twist` (base frame) by damped least squares,
/// scaled down together so that no joint passes its limit.
pub fn joint_velocities(jacobian: &Matrix6<f64>, twist: &Twist) -> [f64; JOINTS] {
    let wanted =
        Vector6::from_iterator(twist.linear_m_s.iter().chain(twist.angular_rad_s.iter()).copied());
    let solved = damped(jacobian).cholesky().expect("J J^T + k I is positive definite for k > 0");
    let velocities: [f64; JOINTS] = (jacobian.transpose() * solved.solve(&wanted)).into();
    within_limits(velocities)
}

/// `velocities` \[rad/s\] scaled down together so that no joint passes its limit.
pub fn within_limits(velocities: [f64; JOINTS]) -> [f64; JOINTS] {
    let excess = velocities
        .iter()
        .zip(JOINT_SPEED_RAD_S)
        .map(|(velocity, limit)| velocity.abs() / limit)
        .fold(1.0, f64::max);
    velocities.map(|velocity| velocity / excess)
}

/// Force \[N\] and torque \[N m\] at the tool that the joint torques \[N m\] balance (damped
/// inverse of the transposed Jacobian).
pub fn tool_wrench(jacobian: &Matrix6<f64>, torques_nm: &[f64; JOINTS]) -> [f64; 6] {
    let solved = damped(jacobian).cholesky().expect("J J^T + k I is positive definite for k > 0");
    solved.solve(&(jacobian * Vector6::from_row_slice(torques_nm))).into()
}

fn damped(jacobian: &Matrix6<f64>) -> Matrix6<f64> {
    jacobian * jacobian.transpose() + Matrix6::identity() * DAMPING
}
