//! Numbers as a record keeps them: short, and null where they are not finite. A reading that is no
//! number is just what a record may be about, and JSON has no word for it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Kept to this part of a unit: far finer than anything that is measured.
const STEPS_PER_UNIT: f64 = 1e9;
/// Beyond this a number is kept as it is.
const MOST_ROUNDED: f64 = 1e6;

/// A number; not a number when it was not finite.
#[derive(Clone, Copy, Debug, Default)]
pub struct Number(pub f64);

impl PartialEq for Number {
    /// As records have it: what is no number is the same as another.
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0.is_nan() && other.0.is_nan())
    }
}

impl Number {
    /// Each of `values`.
    pub fn each<const N: usize>(values: impl Into<[f64; N]>) -> [Self; N] {
        values.into().map(Self)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if !value.is_finite() => serializer.serialize_none(),
            value if value.abs() > MOST_ROUNDED => serializer.serialize_f64(value),
            value => serializer.serialize_f64((value * STEPS_PER_UNIT).round() / STEPS_PER_UNIT),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_number_comes_back(value in proptest::num::f64::ANY) {
            let text = serde_json::to_string(&Number(value)).unwrap();
            let Number(back) = serde_json::from_str(&text).unwrap();
            match value.is_finite() {
                true => prop_assert!((back - value).abs() <= 1e-9, "{} became {}", value, back),
                false => prop_assert!(text == "null" && back.is_nan()),
            }
        }
    }
}
