//! `[teleop]`: how a person steers the arm with a gamepad. The settings and the names of a pad's
//! controls; how they become motion is the teleop package's.

mod bindings;
mod controls;
mod read;

pub use bindings::{AxisBinding, Binding, Bindings, Chord, Control, Part};
pub use controls::{PadAxis, PadButton};
pub(crate) use read::read;

use serde::Serialize;

/// How a person steers the arm with a gamepad.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Teleop {
    /// Part of the name of the pad that is listened to; None takes the first that there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<String>,
    /// An SDL mapping line for a pad that has none, or a wrong one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// How far the sticks' x and y are turned about z \[deg\]; 0 for a person who faces the
    /// connector panel.
    pub operator_yaw_deg: f64,
    /// Most linear speed in the slow mode \[m/s\].
    pub slow_m_s: f64,
    /// Most linear speed in the normal mode \[m/s\].
    pub normal_m_s: f64,
    /// Most linear speed in the fast mode \[m/s\].
    pub fast_m_s: f64,
    /// Most angular speed in the slow mode \[rad/s\].
    pub slow_rad_s: f64,
    /// Most angular speed in the normal mode \[rad/s\].
    pub normal_rad_s: f64,
    /// Most angular speed in the fast mode \[rad/s\].
    pub fast_rad_s: f64,
    /// Speed of the gripper's opening at a trigger fully pressed \[1/s\].
    pub gripper_per_s: f64,
    /// Radius around the rest of a stick, and way of a trigger, in which it counts as let go
    /// \[share of the whole way\].
    pub dead_zone: f64,
    /// Exponent of the response: 1 is proportional.
    pub curve: f64,
    /// Time from the pressing of the dead-man over which speed rises to what is asked \[ms\].
    pub engage_ramp_ms: u64,
    /// Silence of a pad that steers after which it counts as gone \[ms\].
    pub silent_after_ms: u64,
    /// Strength of the rumble when a limit acts, 0 to 1; 0 is none.
    pub rumble: f64,
    /// What each control does.
    pub bindings: Bindings,
}

impl Default for Teleop {
    fn default() -> Self {
        Self {
            pad: None,
            mapping: None,
            operator_yaw_deg: 0.0,
            slow_m_s: 0.04,
            normal_m_s: 0.1,
            fast_m_s: 0.18,
            slow_rad_s: 0.25,
            normal_rad_s: 0.5,
            fast_rad_s: 1.0,
            gripper_per_s: 1.0,
            dead_zone: 0.12,
            curve: 1.5,
            engage_ramp_ms: 300,
            silent_after_ms: 3000,
            rumble: 0.5,
            bindings: Bindings::default(),
        }
    }
}
