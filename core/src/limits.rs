//! The limits of motion: what the servo never lets the arm exceed, and the gains of its feedback.
//!
//! This is the one table of their names and defaults: the configuration file has these keys, the
//! servo these fields. How a limit acts is the servo's matter; nothing here moves anything.

use crate::keep_out::{KeepOut, KeepOuts};
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
    /// Most change of the linear acceleration of the commanded twist \[m/s^3\].
    pub linear_jerk_m_s3: f64,
    /// Most change of the angular acceleration of the commanded twist \[rad/s^3\].
    pub angular_jerk_rad_s3: f64,
    /// Linear deceleration to a hold or a stop \[m/s^2\].
    pub linear_braking_m_s2: f64,
    /// Angular deceleration to a hold or a stop \[rad/s^2\].
    pub angular_braking_rad_s2: f64,
    /// Most change of the linear acceleration on the way to a hold or a stop \[m/s^3\].
    pub linear_braking_jerk_m_s3: f64,
    /// Most change of the angular acceleration on the way to a hold or a stop \[rad/s^3\].
    pub angular_braking_jerk_rad_s3: f64,
    /// Time over which a change of the asked velocity is spread \[ms\]; 0 spreads nothing.
    pub smoothing_ms: u64,
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
    /// Linear speed below which the arm does not move \[m/s\]; 0: it moves at any.
    pub dead_zone_m_s: f64,
    /// Angular speed below which the arm does not move \[rad/s\]; 0: it moves at any.
    pub dead_zone_rad_s: f64,
    /// How far the reference may be from the measured position \[m\].
    pub reference_leash_m: f64,
    /// How far the reference may be turned from the measured orientation \[rad\].
    pub reference_leash_rad: f64,
    /// How far the reference may be from the position of an arm that is held back \[m\].
    pub contact_leash_m: f64,
    /// How far the reference may be turned from the orientation of an arm that is held back \[rad\].
    pub contact_leash_rad: f64,
    /// Force at the tool from which it is not pressed on \[N\].
    pub force_limit_n: f64,
    /// Distance from the end of a joint's range within which motion towards the end is slowed,
    /// down to nothing a quarter of it away \[rad\].
    pub joint_margin_rad: f64,
    /// Smallest singular value of the arm's Jacobian below which motion that needs it is slowed,
    /// down to nothing at a quarter of it \[m/rad\].
    pub singularity_margin_m_rad: f64,
    /// Silence of the commander, or age of a jog twist, that makes the arm hold \[ms\].
    pub command_timeout_ms: u64,
    /// Age of the measured state that makes the arm hold \[ms\].
    pub state_age_ms: u64,
    /// Boxes that the tool point's reference is kept out of.
    #[serde(skip_serializing_if = "KeepOuts::is_empty")]
    pub keep_out: KeepOuts,
}

impl Default for Limits {
    /// Tabletop work, the box above a table in front of the arm (its top at z = 0, at negative
    /// y), clear of the base and of full reach. The speeds are the most that the arm's own
    /// configuration can allow: steps of up to 20 mm and 0.107 rad pass uncut. The accelerations
    /// are above what the arm's own controller allows (0.64 m/s^2 for Cartesian motion), so they
    /// shape a simulated arm. Braking takes 0.2 m/s away within 4 ticks. A finger crosses its
    /// range in 0.96 s. Below the dead zone users of the arm saw no motion.
    fn default() -> Self {
        Self {
            workspace_min_m: [-0.45, -0.75, 0.03],
            workspace_max_m: [0.45, -0.20, 0.60],
            linear_speed_m_s: 0.2,
            angular_speed_rad_s: 1.07,
            linear_acceleration_m_s2: 2.5,
            angular_acceleration_rad_s2: 12.0,
            linear_jerk_m_s3: 100.0,
            angular_jerk_rad_s3: 500.0,
            linear_braking_m_s2: 5.0,
            angular_braking_rad_s2: 24.0,
            linear_braking_jerk_m_s3: 800.0,
            angular_braking_jerk_rad_s3: 4000.0,
            smoothing_ms: 80,
            finger_speed_per_s: 1.04,
            finger_gain_per_s: 8.0,
            feedback_gain_per_s: 2.5,
            feedback_linear_m_s: 0.03,
            feedback_angular_rad_s: 0.15,
            dead_zone_m_s: 0.03,
            dead_zone_rad_s: 0.2,
            reference_leash_m: 0.04,
            reference_leash_rad: 0.3,
            contact_leash_m: 0.008,
            contact_leash_rad: 0.06,
            force_limit_n: 60.0,
            joint_margin_rad: 0.2,
            singularity_margin_m_rad: 0.03,
            command_timeout_ms: 100,
            state_age_ms: 200,
            keep_out: KeepOuts::default(),
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
    /// A value that must not be negative is, or is not finite.
    #[error("limit {name} is {value}: it must be finite and not negative")]
    Negative {
        /// The field of [`Limits`].
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// A side of a box is empty or not finite.
    #[error(
        "the {what} goes from {low_m} to {high_m} m along {axis}: both must be finite and the first the lower"
    )]
    EmptyBox {
        /// Which box.
        what: &'static str,
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
        check_box("workspace", &self.workspace_min_m, &self.workspace_max_m)?;
        for KeepOut { min_m, max_m } in self.keep_out.iter() {
            check_box("keep-out box", min_m, max_m)?;
        }
        let positive = [
            ("linear_speed_m_s", self.linear_speed_m_s),
            ("angular_speed_rad_s", self.angular_speed_rad_s),
            ("linear_acceleration_m_s2", self.linear_acceleration_m_s2),
            ("angular_acceleration_rad_s2", self.angular_acceleration_rad_s2),
            ("linear_jerk_m_s3", self.linear_jerk_m_s3),
            ("angular_jerk_rad_s3", self.angular_jerk_rad_s3),
            ("linear_braking_m_s2", self.linear_braking_m_s2),
            ("angular_braking_rad_s2", self.angular_braking_rad_s2),
            ("linear_braking_jerk_m_s3", self.linear_braking_jerk_m_s3),
            ("angular_braking_jerk_rad_s3", self.angular_braking_jerk_rad_s3),
            ("finger_speed_per_s", self.finger_speed_per_s),
            ("finger_gain_per_s", self.finger_gain_per_s),
            ("feedback_gain_per_s", self.feedback_gain_per_s),
            ("feedback_linear_m_s", self.feedback_linear_m_s),
            ("feedback_angular_rad_s", self.feedback_angular_rad_s),
            ("reference_leash_m", self.reference_leash_m),
            ("reference_leash_rad", self.reference_leash_rad),
            ("contact_leash_m", self.contact_leash_m),
            ("contact_leash_rad", self.contact_leash_rad),
            ("force_limit_n", self.force_limit_n),
            ("joint_margin_rad", self.joint_margin_rad),
            ("singularity_margin_m_rad", self.singularity_margin_m_rad),
            ("command_timeout_ms", self.command_timeout_ms as f64),
            ("state_age_ms", self.state_age_ms as f64),
        ];
        if let Some((name, value)) = first(&positive, |value| value > 0.0) {
            return Err(LimitsError::NotPositive { name, value });
        }
        let not_negative =
            [("dead_zone_m_s", self.dead_zone_m_s), ("dead_zone_rad_s", self.dead_zone_rad_s)];
        if let Some((name, value)) = first(&not_negative, |value| value >= 0.0) {
            return Err(LimitsError::Negative { name, value });
        }
        Ok(())
    }
}

/// The first value that is not finite or not `good`.
fn first(
    values: &[(&'static str, f64)],
    good: impl Fn(f64) -> bool,
) -> Option<(&'static str, f64)> {
    values.iter().copied().find(|(_, value)| !(value.is_finite() && good(*value)))
}

fn check_box(what: &'static str, min_m: &[f64; 3], max_m: &[f64; 3]) -> Result<(), LimitsError> {
    for (index, axis) in ['x', 'y', 'z'].into_iter().enumerate() {
        let (low_m, high_m) = (min_m[index], max_m[index]);
        if !(low_m.is_finite() && high_m.is_finite() && low_m < high_m) {
            return Err(LimitsError::EmptyBox { what, axis, low_m, high_m });
        }
    }
    Ok(())
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
        assert!(names.len() >= 29, "{names:?}");
        for name in names.iter().filter(|name| !name.starts_with("workspace")) {
            if name == "smoothing_ms" {
                continue; // Any whole number will do.
            }
            let bad = if name.starts_with("dead_zone") { -1.0 } else { 0.0 };
            let mut changed = written.clone();
            // A whole number where only such are taken.
            changed[name] = if name.ends_with("_ms") { 0.into() } else { bad.into() };
            let limits: Limits = serde_json::from_value(changed).unwrap();
            match limits.validate() {
                Err(
                    LimitsError::NotPositive { name: refused, value }
                    | LimitsError::Negative { name: refused, value },
                ) => assert_eq!((refused, value), (name.as_str(), bad)),
                other => panic!("{name} = {bad} gave {other:?}"),
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
                Err(LimitsError::EmptyBox { what: "workspace", axis: 'z', .. }) => {}
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
