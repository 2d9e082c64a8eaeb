//! The limits of motion: what the servo never lets the arm exceed, and the gains of its feedback.
//!
//! This is the one table of their names and defaults: the configuration file has these keys, the
//! servo these fields. How a limit acts is the servo's matter; nothing here moves anything.

use serde::{Deserialize, Serialize};

/// What the servo never exceeds, and the gains of its feedback.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Lowest corner of the box that the tool point's reference stays in, base frame \[m\].
    pub workspace_min_m: [f64; 3],
    /// Highest corner of that box, base frame \[m\].
    pub workspace_max_m: [f64; 3],
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
    /// Most speed of a finger \[closure/s\]; 1 is from open to closed in a second.
    pub finger_speed_per_s: f64,
    /// Finger velocity for each missing part of the range \[1/s\].
    pub finger_gain_per_s: f64,
    /// Velocity for each missing metre or radian to the reference \[1/s\].
    pub feedback_gain_per_s: f64,
    /// Most linear speed that feedback adds \[m/s\].
    pub feedback_linear_m_s: f64,
    /// Most angular speed that feedback adds \[rad/s\].
    pub feedback_angular_rad_s: f64,
    /// How far the reference may be from the measured position \[m\].
    pub reference_leash_m: f64,
    /// How far the reference may be turned from the measured orientation \[rad\].
    pub reference_leash_rad: f64,
    /// Silence of the commander, or age of a jog twist, that makes the arm hold \[ms\].
    pub command_timeout_ms: u64,
    /// Age of the measured state that makes the arm hold \[ms\].
    pub state_age_ms: u64,
}

impl Default for Limits {
    /// Tabletop work, the box above a table in front of the arm (its top at z = 0, at negative
    /// y), clear of the base and of full reach. Steps of up to 25 mm and 0.12 rad pass uncut. The
    /// accelerations are above what the arm's own controller allows (0.64 m/s^2 for Cartesian
    /// motion), so they shape a simulated arm and smooth the edges of steps. Braking takes
    /// 0.25 m/s away within 5 ticks. A finger crosses its range in 0.96 s.
    fn default() -> Self {
        Self {
            workspace_min_m: [-0.45, -0.75, 0.03],
            workspace_max_m: [0.45, -0.20, 0.60],
            linear_speed_m_s: 0.25,
            angular_speed_rad_s: 1.2,
            linear_acceleration_m_s2: 2.5,
            angular_acceleration_rad_s2: 12.0,
            linear_braking_m_s2: 5.0,
            angular_braking_rad_s2: 24.0,
            finger_speed_per_s: 1.04,
            finger_gain_per_s: 8.0,
            feedback_gain_per_s: 2.5,
            feedback_linear_m_s: 0.03,
            feedback_angular_rad_s: 0.15,
            reference_leash_m: 0.04,
            reference_leash_rad: 0.3,
            command_timeout_ms: 100,
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
    #[error(
        "the workspace goes from {low_m} to {high_m} m along {axis}: both must be finite and the first the lower"
    )]
    EmptyWorkspace {
        /// `x`, `y` or `z`.
        axis: char,
        /// Its lower end.
        low_m: f64,
        /// Its upper end.
        high_m: f64,
    },
}

impl Limits {
    /// Checks every value.
    pub fn validate(&self) -> Result<(), LimitsError> {
        for (index, axis) in ['x', 'y', 'z'].into_iter().enumerate() {
            let (low_m, high_m) = (self.workspace_min_m[index], self.workspace_max_m[index]);
            if !(low_m.is_finite() && high_m.is_finite() && low_m < high_m) {
                return Err(LimitsError::EmptyWorkspace { axis, low_m, high_m });
            }
        }
        let positive = [
            ("linear_speed_m_s", self.linear_speed_m_s),
            ("angular_speed_rad_s", self.angular_speed_rad_s),
            ("linear_acceleration_m_s2", self.linear_acceleration_m_s2),
            ("angular_acceleration_rad_s2", self.angular_acceleration_rad_s2),
            ("linear_braking_m_s2", self.linear_braking_m_s2),
            ("angular_braking_rad_s2", self.angular_braking_rad_s2),
            ("finger_speed_per_s", self.finger_speed_per_s),
            ("finger_gain_per_s", self.finger_gain_per_s),
            ("feedback_gain_per_s", self.feedback_gain_per_s),
            ("feedback_linear_m_s", self.feedback_linear_m_s),
            ("feedback_angular_rad_s", self.feedback_angular_rad_s),
            ("reference_leash_m", self.reference_leash_m),
            ("reference_leash_rad", self.reference_leash_rad),
            ("command_timeout_ms", self.command_timeout_ms as f64),
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Limits::default().validate(), Ok(()));
    }

    /// Goes through the names as they are written, so that a limit added without a check is found.
    #[test]
    fn every_limit_is_checked_by_its_name() {
        let written = serde_json::to_value(Limits::default()).unwrap();
        let names: Vec<_> = written.as_object().unwrap().keys().cloned().collect();
        assert!(names.len() >= 17, "{names:?}");
        for name in names.iter().filter(|name| !name.starts_with("workspace")) {
            let mut zeroed = written.clone();
            zeroed[name] = 0.into();
            let limits: Limits = serde_json::from_value(zeroed).unwrap();
            match limits.validate() {
                Err(LimitsError::NotPositive { name: refused, value }) => {
                    assert_eq!((refused, value), (name.as_str(), 0.0));
                }
                other => panic!("{name} = 0 gave {other:?}"),
            }
        }
    }

    #[test]
    fn negative_and_not_finite_values_are_refused() {
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            let limits = Limits { reference_leash_m: value, ..Limits::default() };
            match limits.validate() {
                Err(LimitsError::NotPositive { name: "reference_leash_m", .. }) => {}
                other => panic!("{value} gave {other:?}"),
            }
        }
    }

    #[test]
    fn an_inverted_or_infinite_box_is_refused() {
        for [low, high] in [[0.6, 0.03], [0.1, 0.1], [f64::NAN, 0.6], [0.0, f64::INFINITY]] {
            let mut limits = Limits::default();
            (limits.workspace_min_m[2], limits.workspace_max_m[2]) = (low, high);
            match limits.validate() {
                Err(LimitsError::EmptyWorkspace { axis: 'z', .. }) => {}
                other => panic!("{low} to {high} gave {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_left_out_has_its_default_and_what_is_unknown_is_refused() {
        let read = serde_json::from_str::<Limits>("{\"linear_speed_m_s\": 0.1}").unwrap();
        assert_eq!(read, Limits { linear_speed_m_s: 0.1, ..Limits::default() });
        assert!(serde_json::from_str::<Limits>("{\"linear_sped_m_s\": 0.1}").is_err());
    }
}
