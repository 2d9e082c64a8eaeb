//! How a policy's streams are decoded, from one inference to the next.

use super::request::{DecodeMethod, DecodeRequest, TokenValue};
use jaco_core::Decode;

/// How streams are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decoding {
    /// How tokens are chosen; a seed in it is that of inference 0.
    pub method: DecodeMethod,
    /// Whether actions are means instead of bins' centres.
    pub expectation: bool,
    /// Ends a stream before its first unit that is less certain \[nats per token\].
    pub max_entropy: Option<f32>,
}

impl Decoding {
    /// The settings `decode`, `seed`, `expectation` and `max_entropy`.
    pub fn new(decode: Decode, seed: u64, expectation: bool, max_entropy: Option<f32>) -> Self {
        Self { method: DecodeMethod::of(decode, seed), expectation, max_entropy }
    }

    /// These options, with draws seeded from `first` on.
    pub fn seeded(mut self, first: u64) -> Self {
        if let DecodeMethod::TopK { seed, .. } = &mut self.method {
            *seed = first;
        }
        self
    }

    /// The seed of inference 0, where draws are made.
    pub fn seed(&self) -> Option<u64> {
        match self.method {
            DecodeMethod::TopK { seed, .. } => Some(seed),
            DecodeMethod::Greedy | DecodeMethod::Beam { .. } => None,
        }
    }

    /// Inference number `number`: up to `horizon` units, nothing forced, nothing measured.
    pub fn request(&self, horizon: usize, number: u64) -> DecodeRequest<'static> {
        let seed = self.seed().unwrap_or_default().wrapping_add(number);
        DecodeRequest {
            method: self.seeded(seed).method,
            values: match self.expectation {
                true => TokenValue::Expectation,
                false => TokenValue::BinCentre,
            },
            max_entropy: self.max_entropy,
            ..DecodeRequest::greedy(horizon)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_inference_draws_with_a_seed_of_its_own() {
        let decoding = Decoding::new("top-k:5:0.5".parse().unwrap(), u64::MAX, false, None);
        let seeds: Vec<_> = (0..3)
            .map(|number| match decoding.request(4, number).method {
                DecodeMethod::TopK { k: 5, temperature: 0.5, seed, samples: 1 } => seed,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(seeds, [u64::MAX, 0, 1]);
        assert_eq!(Decoding::default().seeded(7).request(4, 1).method, DecodeMethod::Greedy);
    }
}
