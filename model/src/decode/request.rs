//! What can be asked of the decoder, and whether it makes sense.

use crate::config::{OpenVlaConfig, UNIT_TOKENS};
use crate::error::ModelError;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ACTION_DIMS, ActionUnit, Clock, Decode};
use std::fmt;

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum DecodeMethod {
    /// The most likely one at each position.
    #[default]
    Greedy,
    /// Drawn from the `k` most likely ones.
    TopK {
        /// How many take part, 1..=256.
        k: u16,
        /// Divides the logits; must be positive.
        temperature: f64,
        /// Seed of the draws of this request.
        seed: u64,
        /// Streams that are drawn side by side from the same picture.
        samples: usize,
    },
    /// Beam search over tokens, ranked by the sum of their log-probabilities. All hypotheses have
    /// the same length, so there is no length penalty.
    Beam {
        /// Hypotheses that are kept.
        width: usize,
    },
}

impl DecodeMethod {
    /// What the setting `decode` asks for: one stream, drawn with `seed` where it is drawn.
    pub fn of(decode: Decode, seed: u64) -> Self {
        match decode {
            Decode::Greedy => DecodeMethod::Greedy,
            Decode::TopK { k, temperature } => {
                DecodeMethod::TopK { k, temperature, seed, samples: 1 }
            }
            Decode::Beam { width } => DecodeMethod::Beam { width },
        }
    }

    /// Streams that come back.
    pub fn streams(&self) -> usize {
        match self {
            DecodeMethod::Greedy => 1,
            DecodeMethod::TopK { samples, .. } => *samples,
            DecodeMethod::Beam { width } => *width,
        }
    }
}

/// Most streams decoded side by side.
pub const MOST_STREAMS: usize = 64;

/// In the words of settings; seed and number of samples are not part of them.
impl fmt::Display for DecodeMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = match *self {
            DecodeMethod::Greedy => Decode::Greedy,
            DecodeMethod::TopK { k, temperature, .. } => Decode::TopK { k, temperature },
            DecodeMethod::Beam { width } => Decode::Beam { width },
        };
        setting.fmt(f)
    }
}

/// Which tokens may be chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grammar {
    /// Seven action tokens a unit; the separator is forced and costs no pass of its own.
    #[default]
    Constrained,
    /// Any token of the vocabulary at any position; what breaks the grammar is counted, and
    /// decodes as OpenVLA would decode it. Eight passes a unit.
    Free,
}

/// What a chosen action token stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenValue {
    /// The centre of its bin, as in OpenVLA.
    #[default]
    BinCentre,
    /// The mean of all bins' centres under the probabilities at its position, in the dimensions
    /// that are normalised. Removes most of the quantisation; where the policy wavers between two
    /// actions it answers their mean.
    Expectation,
}

/// What to decode.
#[derive(Clone, Copy)]
pub struct DecodeRequest<'a> {
    /// Units in all, forced ones included.
    pub horizon: usize,
    /// The first units of the stream, already committed.
    pub forced: &'a [ActionUnit],
    /// How tokens are chosen.
    pub method: DecodeMethod,
    /// Which tokens may be chosen.
    pub grammar: Grammar,
    /// What they stand for.
    pub values: TokenValue,
    /// Ends a stream before its first unit whose entropy \[nats per token\] is above this; the
    /// first free unit always stays.
    pub max_entropy: Option<f32>,
    /// Reports log-probabilities under the softmax over the whole vocabulary, which costs the
    /// full head at each token, instead of over the tokens that the grammar allows.
    pub full_log_probs: bool,
    /// Measures the timings, if given.
    pub clock: Option<&'a dyn Clock>,
}

impl DecodeRequest<'_> {
    /// `horizon` units, greedily, with nothing forced and nothing measured.
    pub fn greedy(horizon: usize) -> Self {
        Self {
            horizon,
            forced: &[],
            method: DecodeMethod::Greedy,
            grammar: Grammar::Constrained,
            values: TokenValue::BinCentre,
            max_entropy: None,
            full_log_probs: false,
            clock: None,
        }
    }

    /// Units that are to be chosen.
    pub(super) fn free(&self) -> usize {
        self.horizon - self.forced.len()
    }

    /// Tokens chosen for each unit.
    pub(super) fn chosen_per_unit(&self) -> usize {
        match self.grammar {
            Grammar::Constrained => ACTION_DIMS,
            Grammar::Free => UNIT_TOKENS,
        }
    }

    /// Whether the logits must be those of the whole vocabulary.
    pub(super) fn needs_full_head(&self) -> bool {
        self.full_log_probs || self.grammar == Grammar::Free
    }

    /// Checks everything that the decoder relies on; tokens of the prefix (prompt and forced
    /// units) without the patches.
    pub(crate) fn check(
        &self,
        config: &OpenVlaConfig,
        prompts: &[Vec<i64>],
    ) -> Result<usize, ModelError> {
        let (horizon, trained) = (self.horizon, config.action_stream.horizon);
        if horizon == 0 || horizon > trained {
            return Err(ModelError::Horizon { asked: horizon, trained });
        }
        if self.forced.len() > horizon {
            return Err(ModelError::TooManyForced { forced: self.forced.len(), horizon });
        }
        check_method(&self.method)?;
        if let Some(max_entropy) = self.max_entropy.filter(|value| value.is_nan() || *value < 0.0) {
            return Err(ModelError::EntropyCutOff { max_entropy });
        }
        let length = prompts.first().map_or(0, Vec::len);
        if length == 0 || prompts.iter().any(|prompt| prompt.len() != length) {
            let lengths = prompts.iter().map(Vec::len).collect();
            return Err(ModelError::UnequalPrompts { lengths });
        }
        let needed = config.patches() as usize + length + horizon * UNIT_TOKENS;
        let available = config.text_config.max_position_embeddings;
        if needed > available {
            return Err(ModelError::TooLong { needed, available });
        }
        Ok(length + self.forced.len() * UNIT_TOKENS)
    }
}

fn check_method(method: &DecodeMethod) -> Result<(), ModelError> {
    if let DecodeMethod::TopK { k, temperature, .. } = *method
        && (k == 0 || k > ACTION_BINS || !temperature.is_finite() || temperature <= 0.0)
    {
        return Err(ModelError::Sampling { k, temperature });
    }
    let streams = method.streams();
    if streams == 0 || streams > MOST_STREAMS {
        return Err(ModelError::Streams { asked: streams, most: MOST_STREAMS });
    }
    Ok(())
}
