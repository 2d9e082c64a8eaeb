//! How the policy's tokens are chosen, and made into actions.

use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Action tokens there are to choose from.
const TOKENS: u16 = 256;
/// Most hypotheses of a beam search.
const WIDEST_BEAM: usize = 64;

/// How tokens are chosen: `greedy`, `top-k:K`, `top-k:K:TEMPERATURE` or `beam:WIDTH` in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Decode {
    /// The most likely one at each position.
    #[default]
    Greedy,
    /// Drawn from the `k` most likely ones.
    TopK {
        /// How many take part, 1 to 256.
        k: u16,
        /// Divides the logits; positive and finite.
        temperature: f64,
    },
    /// The likeliest stream that beam search finds.
    Beam {
        /// Hypotheses that are kept, 1 to 64.
        width: usize,
    },
}

/// A text that names no way to choose tokens, or one with numbers that are out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be \"greedy\", \"top-k:K\" or \"top-k:K:TEMPERATURE\" (K 1 to {TOKENS}, TEMPERATURE \
     above 0), or \"beam:WIDTH\" (WIDTH 1 to {WIDEST_BEAM})"
)]
pub struct UnknownDecode;

impl FromStr for Decode {
    type Err = UnknownDecode;

    fn from_str(text: &str) -> Result<Self, UnknownDecode> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            ["greedy"] => Some(Decode::Greedy),
            ["top-k", k] => top_k(k, "1"),
            ["top-k", k, temperature] => top_k(k, temperature),
            ["beam", width] => beam(width),
            _ => None,
        }
        .ok_or(UnknownDecode)
    }
}

fn top_k(k: &str, temperature: &str) -> Option<Decode> {
    let k = k.parse().ok().filter(|k| (1..=TOKENS).contains(k))?;
    let positive = |temperature: &f64| temperature.is_finite() && *temperature > 0.0;
    let temperature = temperature.parse().ok().filter(positive)?;
    Some(Decode::TopK { k, temperature })
}

fn beam(width: &str) -> Option<Decode> {
    let width = width.parse().ok().filter(|width| (1..=WIDEST_BEAM).contains(width))?;
    Some(Decode::Beam { width })
}

impl fmt::Display for Decode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Decode::Greedy => f.write_str("greedy"),
            Decode::TopK { k, temperature } => write!(f, "top-k:{k}:{temperature}"),
            Decode::Beam { width } => write!(f, "beam:{width}"),
        }
    }
}

impl Serialize for Decode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How a policy's streams are decoded, or were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecodeOptions {
    /// How tokens are chosen, as in the configuration.
    pub method: String,
    /// Seed of the draws; none where none are made.
    pub seed: Option<u64>,
    /// Whether actions are means instead of bins' centres.
    pub expectation: bool,
    /// Entropy above which streams end \[nats per token\].
    pub max_entropy: Option<f32>,
}

/// In words: `top-k:5:1 from seed 7, means, cut off above 1.5 nats`.
impl fmt::Display for DecodeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.method)?;
        if let Some(seed) = self.seed {
            write!(f, " from seed {seed}")?;
        }
        if self.expectation {
            f.write_str(", means")?;
        }
        match self.max_entropy {
            Some(nats) => write!(f, ", cut off above {nats} nats"),
            None => Ok(()),
        }
    }
}
