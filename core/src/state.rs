//! What the arm reports of itself.

use crate::pose::Pose;
use nalgebra::Vector3;
use serde::{Deserialize, Serialize};

/// Fingers of the hand.
pub const FINGERS: usize = 3;
/// Joints of the arm.
pub const JOINTS: usize = 6;

/// The newest readings of the arm. They are read in turn, hence a stamp for each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmState {
    /// When pose and closure were read, monotonic \[ns\].
    pub stamp_ns: u64,
    /// Pose of the tool point.
    pub pose: Pose,
    /// How far each finger is closed: 0 open, 1 closed.
    pub closure: [f64; FINGERS],
    /// When the joints were read, monotonic \[ns\].
    pub joints_ns: u64,
    /// Joint angles, unbounded \[rad\].
    pub joints_rad: [f64; JOINTS],
    /// What the tool pushes against.
    pub wrench: Wrench,
}

/// Force and torque at the tool point, as the arm estimates them from its joints, base frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wrench {
    /// When it was read, monotonic \[ns\]; 0 if never.
    pub stamp_ns: u64,
    /// Force \[N\].
    pub force_n: Vector3<f64>,
    /// Torque \[N m\].
    pub torque_nm: Vector3<f64>,
}

impl ArmState {
    /// An arm at `pose`, all of it read at `stamp_ns`: joints at zero, hand open, no force.
    pub fn at(stamp_ns: u64, pose: Pose) -> Self {
        Self {
            stamp_ns,
            pose,
            closure: [0.0; FINGERS],
            joints_ns: stamp_ns,
            joints_rad: [0.0; JOINTS],
            wrench: Wrench { stamp_ns, ..Wrench::default() },
        }
    }

    /// Gripper opening: 1 open, 0 closed; the mean of the fingers.
    pub fn opening(&self) -> f64 {
        1.0 - self.closure.iter().sum::<f64>() / FINGERS as f64
    }
}
