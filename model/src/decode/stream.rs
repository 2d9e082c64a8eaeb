//! What comes back from the decoder: streams of units with what the policy thinks of them.

use jaco_core::policy::Timings;
use jaco_core::{ACTION_DIMS, ActionUnit};

/// The streams that answer one picture and instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Best first for beam search (as long as nothing was cut off), in the order of drawing for
    /// samples; never empty.
    pub streams: Vec<Stream>,
    /// Where the time went; present if a clock was given. A batch shares one measurement.
    pub timings: Option<Timings>,
}

impl Decoded {
    /// The stream to execute: the best one, or the first sample.
    pub fn best(&self) -> &Stream {
        &self.streams[0]
    }

    /// [`Decoded::best`] alone.
    pub fn into_best(mut self) -> Stream {
        self.streams.swap_remove(0)
    }
}

/// A decoded stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// All units, forced ones first. Fewer than asked for if the policy became unsure.
    pub units: Vec<ActionUnit>,
    /// Normalised values to execute instead of the bins' centres, one row a unit; only if
    /// expectations were asked for.
    pub values: Option<Vec<[f32; ACTION_DIMS]>>,
    /// The tokens chosen for the units that were not forced: seven each, or eight where the
    /// separator was chosen as well.
    pub tokens: Vec<i64>,
    /// How sure the policy was, for each unit that was not forced.
    pub confidence: Vec<UnitConfidence>,
}

/// How sure the policy was of one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitConfidence {
    /// Natural log-probability of each chosen token.
    pub log_probs: Vec<f32>,
    /// Mean entropy of the seven distributions over the action tokens \[nats\]: 0 = certain,
    /// ln 256 = 5.5 = no idea.
    pub entropy: f32,
    /// Tokens that break the grammar; none unless the grammar was free.
    pub violations: usize,
}

impl UnitConfidence {
    /// Log-probability of the unit: the sum over its tokens.
    pub fn score(&self) -> f32 {
        self.log_probs.iter().sum()
    }
}

impl Stream {
    /// Log-probability of all units that were not forced.
    pub fn score(&self) -> f32 {
        self.confidence.iter().map(UnitConfidence::score).sum()
    }

    /// Tokens that break the grammar.
    pub fn violations(&self) -> usize {
        self.confidence.iter().map(|unit| unit.violations).sum()
    }
}
