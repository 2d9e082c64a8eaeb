//! Boxes that the tool point stays out of: a short list of fixed size, so that limits that hold
//! it can be copied without allocating. Whether a point is in one, and nothing else, is judged
//! here; what comes of it is the servo's matter.

use nalgebra::Vector3;
use serde::{Deserialize, Serialize};

/// Boxes that the list can hold.
pub const MOST_KEEP_OUTS: usize = 8;

/// A box, its sides along the axes of the base frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepOut {
    /// Its lowest corner \[m\].
    pub min_m: [f64; 3],
    /// Its highest corner \[m\].
    pub max_m: [f64; 3],
}

impl KeepOut {
    /// Whether `position_m` is inside; the faces are not.
    pub fn contains(&self, position_m: &Vector3<f64>) -> bool {
        (0..3)
            .all(|axis| self.min_m[axis] < position_m[axis] && position_m[axis] < self.max_m[axis])
    }
}

/// Up to [`MOST_KEEP_OUTS`] boxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<KeepOut>", into = "Vec<KeepOut>")]
pub struct KeepOuts {
    boxes: [KeepOut; MOST_KEEP_OUTS],
    count: usize,
}

/// More boxes than the list can hold.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("there are {0} keep-out boxes, and at most {MOST_KEEP_OUTS} are allowed")]
pub struct TooManyKeepOuts(pub usize);

impl KeepOuts {
    /// The boxes.
    pub fn iter(&self) -> impl Iterator<Item = &KeepOut> {
        self.boxes[..self.count].iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl TryFrom<Vec<KeepOut>> for KeepOuts {
    type Error = TooManyKeepOuts;

    fn try_from(given: Vec<KeepOut>) -> Result<Self, TooManyKeepOuts> {
        let mut boxes = [KeepOut::default(); MOST_KEEP_OUTS];
        let count = given.len();
        let places = boxes.get_mut(..count).ok_or(TooManyKeepOuts(count))?;
        places.copy_from_slice(&given);
        Ok(Self { boxes, count })
    }
}

impl From<KeepOuts> for Vec<KeepOut> {
    fn from(list: KeepOuts) -> Self {
        list.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_is_written_as_its_boxes_and_reads_back() {
        let unit = KeepOut { min_m: [0.0; 3], max_m: [1.0; 3] };
        let list = KeepOuts::try_from(vec![unit; 3]).unwrap();
        let written = serde_json::to_value(list).unwrap();
        assert_eq!(written.as_array().unwrap().len(), 3);
        assert_eq!(serde_json::from_value::<KeepOuts>(written).unwrap(), list);
    }

    #[test]
    fn a_list_too_long_is_refused_with_its_length() {
        let refused = KeepOuts::try_from(vec![KeepOut::default(); 9]).unwrap_err();
        assert_eq!(refused.to_string(), "there are 9 keep-out boxes, and at most 8 are allowed");
    }

    #[test]
    fn faces_are_outside() {
        let unit = KeepOut { min_m: [0.0; 3], max_m: [1.0; 3] };
        assert!(unit.contains(&Vector3::new(0.5, 0.1, 0.9)));
        assert!(!unit.contains(&Vector3::new(0.5, 0.0, 0.9)));
    }
}
