//! The limits of the servo: their values, and one file for each kind with the pure functions
//! that apply it (units in the names). A new kind of limit (jerk, joint margin, slow-down near a
//! singularity) is a file here and a line where [`crate::core`] shapes the twist.
//!
//! Limits know nothing of modes, steps or who asked. They must never make a number larger.

pub mod acceleration;
pub mod leash;
pub mod speed;
pub mod workspace;

pub use workspace::Workspace;

use serde::{Deserialize, Serialize};

/// What the servo never exceeds, and the gains of its feedback.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Where the reference of the tool point may be.
    pub workspace: Workspace,
    /// Most linear speed of the tool point \[m/s\].
    pub linear_speed_m_s: f64,
    /// Most angular speed \[rad/s\].
    pub angular_speed_rad_s: f64,
    /// Most linear acceleration of the commanded twist \[m/s^2\].
    pub linear_acceleration_m_s2: f64,
    /// Most angular acceleration of the commanded twist \[rad/s^2\].
    pub angular_acceleration_rad_s2: f64,
    /// Linear deceleration to a hold or a stop \[m/s^2\].
    pub linear_braking_m_s2: f64,
    /// Angular deceleration to a hold or a stop \[rad/s^2\].
    pub angular_braking_rad_s2: f64,
    /// Most speed of a finger \[closure/s\].
    pub finger_speed_closure_s: f64,
    /// Finger velocity for each missing part of the range \[1/s\].
    pub finger_gain_per_s: f64,
    /// Velocity for each missing metre or radian to the reference \[1/s\].
    pub feedback_gain_per_s: f64,
    /// Most linear speed that feedback adds \[m/s\].
    pub feedback_linear_m_s: f64,
    /// Most angular speed that feedback adds \[rad/s\].
    pub feedback_angular_rad_s: f64,
    /// How far the reference may be from the measured position \[m\].
    pub leash_m: f64,
    /// How far the reference may be turned from the measured orientation \[rad\].
    pub leash_rad: f64,
    /// Silence of the commander, or age of a jog twist, that makes the arm hold \[ms\].
    pub commander_silence_ms: u64,
    /// Age of the measured state that makes the arm hold \[ms\].
    pub state_age_ms: u64,
}

impl Default for Limits {
    /// Tabletop work: steps of up to 25 mm and 0.12 rad pass uncut. The accelerations are above
    /// what the arm's own controller allows (0.64 m/s^2 for Cartesian motion), so they shape a
    /// simulated arm and smooth the edges of steps. Braking takes 0.25 m/s away within 5 ticks.
    /// A finger crosses its range in 0.96 s.
    fn default() -> Self {
        Self {
            workspace: Workspace::default(),
            linear_speed_m_s: 0.25,
            angular_speed_rad_s: 1.2,
            linear_acceleration_m_s2: 2.5,
            angular_acceleration_rad_s2: 12.0,
            linear_braking_m_s2: 5.0,
            angular_braking_rad_s2: 24.0,
            finger_speed_closure_s: 1.04,
            finger_gain_per_s: 8.0,
            feedback_gain_per_s: 2.5,
            feedback_linear_m_s: 0.03,
            feedback_angular_rad_s: 0.15,
            leash_m: 0.04,
            leash_rad: 0.3,
            commander_silence_ms: 100,
            state_age_ms: 200,
        }
    }
}

/// Limits that limit nothing, or everything.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum LimitsError {
    /// A value that must be positive and finite is not.
    #[error("limit {name} is {value}: it must be finite and greater than 0")]
    NotPositive {
        /// The field of [`Limits`].
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// A side of the workspace box is empty or not finite.
    #[error("workspace {axis} is [{low_m}, {high_m}] m: both must be finite and low < high")]
    EmptyWorkspace {
        /// `x_m`, `y_m` or `z_m`.
        axis: &'static str,
        /// Its lower end.
        low_m: f64,
        /// Its upper end.
        high_m: f64,
    },
}

impl Limits {
    /// Checks every value.
    pub fn validate(&self) -> Result<(), LimitsError> {
        self.workspace.validate()?;
        let positive = [
            ("linear_speed_m_s", self.linear_speed_m_s),
            ("angular_speed_rad_s", self.angular_speed_rad_s),
            ("linear_acceleration_m_s2", self.linear_acceleration_m_s2),
            ("angular_acceleration_rad_s2", self.angular_acceleration_rad_s2),
            ("linear_braking_m_s2", self.linear_braking_m_s2),
            ("angular_braking_rad_s2", self.angular_braking_rad_s2),
            ("finger_speed_closure_s", self.finger_speed_closure_s),
            ("finger_gain_per_s", self.finger_gain_per_s),
            ("feedback_gain_per_s", self.feedback_gain_per_s),
            ("feedback_linear_m_s", self.feedback_linear_m_s),
            ("feedback_angular_rad_s", self.feedback_angular_rad_s),
            ("leash_m", self.leash_m),
            ("leash_rad", self.leash_rad),
            ("commander_silence_ms", self.commander_silence_ms as f64),
            ("state_age_ms", self.state_age_ms as f64),
        ];
        match positive.into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
            Some((name, value)) => Err(LimitsError::NotPositive { name, value }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Limits::default().validate(), Ok(()));
    }

    #[test]
    fn zero_negative_and_not_finite_values_are_refused_by_name() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let limits = Limits { leash_m: value, ..Limits::default() };
            match limits.validate() {
                Err(LimitsError::NotPositive { name: "leash_m", .. }) => {}
                other => panic!("{value} gave {other:?}"),
            }
        }
        let limits = Limits { commander_silence_ms: 0, ..Limits::default() };
        assert!(limits.validate().is_err());
    }

    #[test]
    fn an_inverted_or_infinite_box_is_refused() {
        for z_m in [[0.6, 0.03], [0.1, 0.1], [f64::NAN, 0.6], [0.0, f64::INFINITY]] {
            let workspace = Workspace { z_m, ..Workspace::default() };
            let limits = Limits { workspace, ..Limits::default() };
            match limits.validate() {
                Err(LimitsError::EmptyWorkspace { axis: "z_m", .. }) => {}
                other => panic!("{z_m:?} gave {other:?}"),
            }
        }
    }
}
