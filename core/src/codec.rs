//! Between actions in metres and radians and their tokens: OpenVLA's binning and its
//! normalisation by the dataset's 1 % and 99 % quantiles.
//!
//! Source: openvla `prismatic/vla/action_tokenizer.py` and `predict_action`.

use crate::action::{ACTION_DIMS, Action, ActionUnit};
use serde::{Deserialize, Serialize};

/// Bin edges of the action tokenizer, and action tokens in the vocabulary.
pub const ACTION_BINS: u16 = 256;

/// Quantiles by which a dataset's actions are normalised. `q01` and `q99` are per dimension;
/// where `mask` is false the dimension passes through as it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionStatistics {
    /// 1 % quantile of each dimension, in the action's own units.
    pub q01: [f64; ACTION_DIMS],
    /// 99 % quantile of each dimension, in the action's own units.
    pub q99: [f64; ACTION_DIMS],
    /// Which dimensions are normalised.
    #[serde(default = "all")]
    pub mask: [bool; ACTION_DIMS],
}

fn all() -> [bool; ACTION_DIMS] {
    [true; ACTION_DIMS]
}

/// Statistics that no action can be decoded with.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "action statistics are unusable in dimension {dimension}: q01 = {q01}, q99 = {q99} \
     (both must be finite, their difference too, and q01 no greater than q99)"
)]
pub struct StatisticsError {
    /// The dimension at fault, 0..7.
    pub dimension: usize,
    /// Its 1 % quantile.
    pub q01: f64,
    /// Its 99 % quantile.
    pub q99: f64,
}

/// Encodes and decodes the actions of one dataset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActionCodec {
    statistics: ActionStatistics,
}

impl ActionCodec {
    /// A codec for `statistics`, which are checked first.
    pub fn new(statistics: ActionStatistics) -> Result<Self, StatisticsError> {
        for dimension in 0..ACTION_DIMS {
            let (q01, q99) = (statistics.q01[dimension], statistics.q99[dimension]);
            // Two finite numbers may lie further apart than any number is.
            if statistics.mask[dimension] && !((q99 - q01).is_finite() && q01 <= q99) {
                return Err(StatisticsError { dimension, q01, q99 });
            }
        }
        Ok(Self { statistics })
    }

    /// The statistics given at construction.
    pub fn statistics(&self) -> &ActionStatistics {
        &self.statistics
    }

    /// The action that `unit` stands for: that of the centres of its bins.
    pub fn decode(&self, unit: &ActionUnit) -> Action {
        self.decode_values(&unit.0.map(bin_centre))
    }

    /// The action that normalised `values` stand for, -1 the 1 % and 1 the 99 % quantile; where
    /// the mask is false, the value itself.
    pub fn decode_values(&self, values: &[f64; ACTION_DIMS]) -> Action {
        Action::from_array(std::array::from_fn(|i| self.unnormalize(i, values[i])))
    }

    /// The unit whose action is nearest to `action`; what lies beyond the quantiles is clipped.
    pub fn encode(&self, action: &Action) -> ActionUnit {
        ActionUnit(self.encode_values(action).map(bin_of))
    }

    /// The normalised values of `action`, -1 the 1 % and 1 the 99 % quantile, clipped there; where
    /// the mask is false, the value itself.
    pub fn encode_values(&self, action: &Action) -> [f64; ACTION_DIMS] {
        let values = action.to_array();
        std::array::from_fn(|i| self.normalize(i, values[i]))
    }

    fn unnormalize(&self, i: usize, value: f64) -> f64 {
        let s = &self.statistics;
        if s.mask[i] { 0.5 * (value + 1.0) * (s.q99[i] - s.q01[i]) + s.q01[i] } else { value }
    }

    fn normalize(&self, i: usize, value: f64) -> f64 {
        let s = &self.statistics;
        if s.mask[i] {
            (2.0 * (value - s.q01[i]) / (s.q99[i] - s.q01[i] + 1e-8) - 1.0).clamp(-1.0, 1.0)
        } else {
            value
        }
    }
}

/// The `i`-th of the 256 bin edges, evenly spaced over \[-1, 1\].
fn edge(i: usize) -> f64 {
    // The ends must be exact: an action of exactly 1 has a bin of its own.
    if i == 255 { 1.0 } else { -1.0 + i as f64 * (2.0 / 255.0) }
}

/// The bin number 1..=256 of a normalised value: how many edges do not exceed it (clipped).
pub fn bin_of(value: f64) -> u16 {
    let value = value.clamp(-1.0, 1.0);
    let guess = ((value + 1.0) * 127.5) as usize;
    // The division above may be off by one unit in the last place next to an edge.
    let lowest = guess.saturating_sub(1);
    (lowest..=(guess + 1).min(255)).rev().find(|&i| edge(i) <= value).unwrap_or(0) as u16 + 1
}

/// The normalised value that bin number `bin` decodes to. Bins 255 and 256 decode alike and
/// numbers outside 1..=256 clip, as in OpenVLA.
pub fn bin_centre(bin: u16) -> f64 {
    let i = usize::from(bin).saturating_sub(1).min(254);
    (edge(i) + edge(i + 1)) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by the fuzz target `statistics`: the difference overflows, and every bin decoded to
    /// an infinite displacement.
    #[test]
    fn quantiles_further_apart_than_a_number_can_be_are_refused() {
        let sound = ActionStatistics { q01: [-1.0; 7], q99: [1.0; 7], mask: [true; 7] };
        assert!(ActionCodec::new(sound).is_ok());
        let mut wide = sound;
        (wide.q01[2], wide.q99[2]) = (-1.7e308, 1.7e308);
        let refused = StatisticsError { dimension: 2, q01: -1.7e308, q99: 1.7e308 };
        assert_eq!(ActionCodec::new(wide), Err(refused));
        // What passes through is not normalised by anything.
        wide.mask[2] = false;
        assert!(ActionCodec::new(wide).is_ok());
    }
}
