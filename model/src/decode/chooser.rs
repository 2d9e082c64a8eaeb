//! The next token of every branch: the best, a draw, or the best continuations of a beam.
//!
//! Owns the choice alone. Nothing here waits for the device.

use super::request::{DecodeMethod, DecodeRequest, Grammar};
use crate::layers::Linear;
use crate::openvla::OpenVla;
use crate::tensor::cast;
use crate::tokens::ActionVocab;
use jaco_core::codec::ACTION_BINS;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, TchError, Tensor};

/// Chooses tokens, one position after the other.
pub(super) struct Chooser<'a> {
    model: &'a OpenVla,
    /// Rows of the head for the action tokens: all that a constrained choice needs.
    action_head: Linear,
    /// First token that logits are computed for.
    first: i64,
    /// First of the action tokens and their number, if only they are chosen though logits are those
    /// of all tokens.
    narrow: Option<(i64, i64)>,
    method: Method,
}

enum Method {
    Greedy,
    TopK {
        k: i64,
        temperature: f64,
        /// A number in 0..1 for each draw, \[positions, B, W\].
        draws: Tensor,
        drawn: i64,
    },
    Beam {
        width: i64,
        /// Sum of log-probabilities so far, \[B, W\] in float64.
        scores: Option<Tensor>,
    },
}

/// What was chosen at one position.
pub(super) struct Choice {
    /// Token ids \[B, W\].
    pub(super) tokens: Tensor,
    /// Which branch each token continues, \[B, W\]; absent = its own.
    pub(super) parents: Option<Tensor>,
    /// What it was chosen by: logits \[B, W, N\] of the branches before the choice, float32.
    pub(super) logits: Tensor,
}

impl<'a> Chooser<'a> {
    /// A chooser for `request`; `positions` tokens will be chosen for each of the rows at `places`.
    pub(super) fn new(
        model: &'a OpenVla,
        vocab: ActionVocab,
        request: &DecodeRequest,
        places: &[u64],
        positions: usize,
        device: Device,
    ) -> Result<Self, TchError> {
        let actions = (vocab.first(), i64::from(ACTION_BINS));
        let (first, narrow) = match (request.needs_full_head(), request.grammar) {
            (true, Grammar::Constrained) => (0, Some(actions)),
            (true, Grammar::Free) => (0, None),
            (false, _) => (actions.0, None),
        };
        let method = match request.method {
            DecodeMethod::Greedy => Method::Greedy,
            DecodeMethod::TopK { k, temperature, seed, samples } => {
                // A generator for each row, so that a longer stream begins with the same draws.
                let of_row = |place: &u64| {
                    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(*place));
                    (0..positions * samples).map(move |_| rng.random_range(0.0..1.0))
                };
                let draws: Vec<f64> = places.iter().flat_map(of_row).collect();
                let shape = [places.len() as i64, positions as i64, samples as i64];
                let draws = Tensor::f_from_slice(&draws)?.f_reshape(shape)?.f_transpose(0, 1)?;
                let draws = draws.f_to_device(device)?;
                Method::TopK { k: i64::from(k), temperature, draws, drawn: 0 }
            }
            DecodeMethod::Beam { width } => Method::Beam { width: width as i64, scores: None },
        };
        let action_head = model.language_model().head_rows(actions.0, actions.1)?;
        Ok(Self { model, action_head, first, narrow, method })
    }

    /// First token that logits are computed for.
    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// The next tokens after `hidden` \[B, W, hidden\].
    pub(super) fn choose(&mut self, hidden: &Tensor) -> Result<Choice, TchError> {
        let logits = if self.first == 0 {
            self.model.language_model().logits(hidden)?
        } else {
            cast(&self.action_head.forward(hidden)?, Kind::Float)?
        };
        let (allowed, offset) = match self.narrow {
            Some((first, count)) => (logits.f_narrow(2, first, count)?, first),
            None => (logits.shallow_clone(), self.first),
        };
        let (index, parents) = self.method.choose(&allowed)?;
        let tokens = if offset == 0 { index } else { index.f_add_scalar(offset)? };
        Ok(Choice { tokens, parents, logits })
    }
}

impl Method {
    /// Indices \[B, W\] into the last dimension of `logits` \[B, W, N\], and parents.
    fn choose(&mut self, logits: &Tensor) -> Result<(Tensor, Option<Tensor>), TchError> {
        match self {
            Method::Greedy => Ok((logits.f_argmax(2, false)?, None)),
            Method::TopK { k, temperature, draws, drawn } => {
                let draw = draws.f_select(0, *drawn)?;
                *drawn += 1;
                Ok((top_k(logits, *k, *temperature, &draw)?, None))
            }
            Method::Beam { width, scores } => {
                let (tokens, parents, best) = beam(logits, *width, scores.as_ref())?;
                *scores = Some(best);
                Ok((tokens, Some(parents)))
            }
        }
    }
}

/// Indices drawn from the `k` best of `logits` \[B, W, N\] by `draws` \[B, W\] in 0..1.
fn top_k(logits: &Tensor, k: i64, temperature: f64, draws: &Tensor) -> Result<Tensor, TchError> {
    let (best, indices) = logits.f_topk(k, 2, true, true)?;
    let cumulative =
        best.f_div_scalar(temperature)?.f_softmax(2, Kind::Double)?.f_cumsum(2, Kind::Double)?;
    let rank = cumulative
        .f_le_tensor(&draws.f_unsqueeze(2)?)?
        .f_sum_dim_intlist(2, true, Kind::Int64)?
        // A cumulative sum may end a rounding error below one.
        .f_clamp_max(k - 1)?;
    indices.f_gather(2, &rank, false)?.f_squeeze_dim(2)
}

/// The `width` best continuations of hypotheses with these `scores` \[B, W\]: indices, parents and
/// new scores, \[B, width\] each, best first. Without scores all branches are still the same one.
fn beam(
    logits: &Tensor,
    width: i64,
    scores: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor), TchError> {
    // float64: sums of many log-probabilities decide between hypotheses that are close.
    let log_probs = logits.f_log_softmax(2, Kind::Double)?;
    let choices = log_probs.size3()?.2;
    let (totals, one) = match scores {
        Some(scores) => (log_probs.f_add(&scores.f_unsqueeze(2)?)?, false),
        None => (log_probs.f_narrow(1, 0, 1)?, true),
    };
    let (best, places) = totals.f_flatten(1, 2)?.f_topk(width, 1, true, true)?;
    let parents =
        if one { places.f_zeros_like()? } else { places.f_div_scalar_mode(choices, "floor")? };
    Ok((places.f_remainder(choices)?, parents, best))
}
