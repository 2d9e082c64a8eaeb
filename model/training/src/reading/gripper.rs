//! The gripper numbers of a dataset: what they go from and to, and the opening that they mean.
//!
//! Owns the words of a range ("0..1", "100..0") and the mapping onto 0 closed, 1 open. Must never
//! guess: a number outside the range is refused by whoever reads it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// How far beyond its range a number may lie, as a share of the range: sensors overshoot.
pub const TOLERANCE: f64 = 0.02;

/// The numbers of a closed and of an open gripper. Written as `CLOSED..OPEN`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GripperRange {
    closed: f64,
    open: f64,
}

impl Default for GripperRange {
    fn default() -> Self {
        Self { closed: 0.0, open: 1.0 }
    }
}

/// A text that is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no gripper range: write CLOSED..OPEN, the number of a closed gripper first, \
     such as 0..1, -1..1, 0..6800, or 1..0 where 0 means open"
)]
pub struct GripperRangeError(String);

impl GripperRange {
    /// The opening, 0 closed to 1 open, that `value` means; none if it is beyond the range and its
    /// tolerance.
    pub fn opening(self, value: f32) -> Option<f32> {
        if self == Self::default() && (0.0..=1.0).contains(&value) {
            // Our own recordings come through bit for bit.
            return Some(value);
        }
        let opening = (f64::from(value) - self.closed) / (self.open - self.closed);
        let near = (-TOLERANCE..=1.0 + TOLERANCE).contains(&opening);
        near.then(|| opening.clamp(0.0, 1.0) as f32)
    }
}

impl fmt::Display for GripperRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.closed, self.open)
    }
}

impl FromStr for GripperRange {
    type Err = GripperRangeError;

    fn from_str(text: &str) -> Result<Self, GripperRangeError> {
        let refused = || GripperRangeError(text.to_owned());
        let (closed, open) = text.split_once("..").ok_or_else(refused)?;
        let number = |text: &str| {
            let number: Option<f64> = text.trim().parse().ok();
            // Three dots may mean anything.
            let plain = number.filter(|number| number.is_finite() && !text.starts_with('.'));
            plain.ok_or_else(refused)
        };
        let (closed, open) = (number(closed)?, number(open)?);
        // The width itself must be a number too, or nothing can be divided by it.
        if closed == open || !(open - closed).is_finite() {
            return Err(refused());
        }
        Ok(Self { closed, open })
    }
}

impl Serialize for GripperRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GripperRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn range(text: &str) -> GripperRange {
        text.parse().unwrap()
    }

    /// LIBERO #72 and Evo-1 #19: the same gripper is -1..1, 0..100 or 0..6800 elsewhere.
    #[test]
    fn every_usual_range_is_mapped_to_the_opening() {
        for (text, value, opening) in [
            ("0..1", 0.25, 0.25),
            ("1..0", 0.25, 0.75),
            ("-1..1", -1.0, 0.0),
            ("1..-1", -1.0, 1.0),
            ("0..100", 50.0, 0.5),
            ("0..6800", 1700.0, 0.25),
            ("6800..0", 0.0, 1.0),
            ("0.0..0.08", 0.08, 1.0),
        ] {
            let mapped = range(text).opening(value).unwrap();
            assert!((mapped - opening).abs() < 1e-6, "{text}: {value} is {mapped}");
        }
    }

    #[test]
    fn what_lies_outside_is_no_opening_and_a_sensors_overshoot_is_the_end() {
        assert_eq!(range("0..1").opening(-1.0), None);
        assert_eq!(range("0..1").opening(2.0), None);
        assert_eq!(range("0..1").opening(f32::NAN), None);
        assert_eq!(range("0..6800").opening(6900.0), Some(1.0));
        assert_eq!(range("0..6800").opening(7000.0), None);
        assert_eq!(range("1..-1").opening(1.01), Some(0.0));
    }

    #[test]
    fn what_is_no_range_is_refused_with_examples() {
        for text in ["", "1", "0..", "..1", "0..0", "a..b", "0..inf", "nan..1", "0...1", "0-1"] {
            let error = text.parse::<GripperRange>().unwrap_err().to_string();
            assert!(error.contains("-1..1") && error.contains(text), "{error}");
        }
    }

    proptest! {
        #[test]
        fn openings_of_our_own_range_are_the_same_bits(value in 0.0f32..=1.0) {
            let opening = GripperRange::default().opening(value).unwrap();
            prop_assert_eq!(opening.to_bits(), value.to_bits());
        }

        #[test]
        fn ends_map_to_ends_and_words_come_back(closed in -1e4f64..1e4, open in -1e4f64..1e4) {
            prop_assume!((open - closed).abs() > 1e-2);
            let range = GripperRange { closed, open };
            prop_assert!(range.opening(closed as f32).unwrap() < 1e-3 + 1e-2);
            prop_assert!(range.opening(open as f32).unwrap() > 1.0 - 1e-3 - 1e-2);
            prop_assert_eq!(range.to_string().parse::<GripperRange>().unwrap(), range);
        }
    }
}
