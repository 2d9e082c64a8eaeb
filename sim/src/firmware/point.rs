//! What the base understands of one trajectory point.

use jaco_core::Pose;
use jaco_core::state::{FINGERS, JOINTS};
use nalgebra::Vector3;

/// What a point asks of the arm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ArmMotion {
    /// Nothing (NOMOVEMENT): the arm holds for one tick.
    Hold,
    /// CARTESIAN_VELOCITY, for one tick: linear \[m/s\] in the base frame, angular \[rad/s\] in
    /// the frame that [`super::AngularFrame`] says.
    CartesianVelocity {
        /// Linear velocity, base frame \[m/s\].
        linear_m_s: Vector3<f64>,
        /// Angular velocity \[rad/s\].
        angular_rad_s: Vector3<f64>,
    },
    /// ANGULAR_VELOCITY, for one tick \[rad/s\].
    AngularVelocity([f64; JOINTS]),
    /// CARTESIAN_POSITION: until the pose is reached, at most at the given speeds.
    CartesianPosition {
        /// Where to.
        pose: Pose,
        /// Linear speed limit \[m/s\].
        linear_m_s: f64,
        /// Angular speed limit \[rad/s\].
        angular_rad_s: f64,
    },
    /// ANGULAR_POSITION: until the joints are there \[rad\], all arriving together.
    AngularPosition([f64; JOINTS]),
    /// MoveHome: as ANGULAR_POSITION, to the base's own home position.
    Home,
}

/// What a point asks of the hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HandMotion {
    /// The fingers stay.
    None,
    /// Finger velocities for one tick \[ticks/s\]; + closes.
    Velocity([f64; FINGERS]),
    /// Finger positions to head for \[ticks\].
    Position([f64; FINGERS]),
}

/// One entry of the FIFO.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// For the arm.
    pub arm: ArmMotion,
    /// For the hand.
    pub hand: HandMotion,
}
