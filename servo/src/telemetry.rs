//! What the arm tells of itself beside its motion, about once a second. Moves nothing.

use jaco_core::state::{FINGERS, JOINTS};
use serde::{Deserialize, Serialize};

/// Supply, temperatures, currents and torques. What was never read is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    /// When the supply and the temperatures were read, monotonic \[ns\]; 0 if never.
    pub stamp_ns: u64,
    /// Supply voltage \[V\].
    pub supply_v: f32,
    /// Current drawn from the supply \[A\].
    pub supply_a: f32,
    /// Acceleration of the base \[g\].
    pub acceleration_g: [f32; 3],
    /// Temperature of each joint's actuator \[deg C\].
    pub joint_temperatures_c: [f32; JOINTS],
    /// Temperature of each finger's actuator \[deg C\].
    pub finger_temperatures_c: [f32; FINGERS],
    /// Current of each joint \[A\].
    pub joint_currents_a: [f32; JOINTS],
    /// Torque of each joint \[N m\], read with the force on the tool.
    pub joint_torques_nm: [f32; JOINTS],
}
