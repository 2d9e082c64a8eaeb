//! What the arm reports of itself.

use crate::pose::Pose;
use serde::{Deserialize, Serialize};

/// Fingers of the hand.
pub const FINGERS: usize = 3;
/// Joints of the arm.
pub const JOINTS: usize = 6;

/// One reading of the arm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmState {
    /// When it was read, monotonic \[ns\].
    pub stamp_ns: u64,
    /// Pose of the tool point.
    pub pose: Pose,
    /// Joint angles, unbounded \[rad\].
    pub joints_rad: [f64; JOINTS],
    /// How far each finger is closed: 0 open, 1 closed.
    pub closure: [f64; FINGERS],
}

impl ArmState {
    /// Gripper opening: 1 open, 0 closed; the mean of the fingers.
    pub fn opening(&self) -> f64 {
        1.0 - self.closure.iter().sum::<f64>() / FINGERS as f64
    }
}
