//! What was chosen on the way, kept on the device, and how streams are made of it at the end.
//!
//! Statistics of all tokens are computed in one go: per token they would cost more than choosing.

use super::chooser::Choice;
use super::request::{DecodeRequest, TokenValue};
use super::stream::{Stream, UnitConfidence};
use crate::error::ModelError;
use crate::tokens::ActionVocab;
use jaco_core::codec::{ACTION_BINS, bin_centre};
use jaco_core::{ACTION_DIMS, ActionUnit};
use tch::{Device, Kind, TchError, Tensor};

/// Choices of a decoding under way.
pub(super) struct Trace {
    vocab: ActionVocab,
    /// First token of the logits.
    first: i64,
    choices: Vec<Choice>,
}

/// One number for each chosen token: \[positions, B, W\], flat, on the host.
struct Numbers {
    log_probs: Vec<f32>,
    entropies: Vec<f32>,
    expectations: Option<Vec<f32>>,
}

impl Trace {
    pub(super) fn new(vocab: ActionVocab, first: i64) -> Self {
        Self { vocab, first, choices: Vec::new() }
    }

    pub(super) fn push(&mut self, choice: Choice) {
        self.choices.push(choice);
    }

    pub(super) fn last_tokens(&self) -> Option<&Tensor> {
        self.choices.last().map(|choice| &choice.tokens)
    }

    /// Whether the newest unit of every stream is less certain than `max_entropy`. Branches may
    /// have changed parents within the unit, so the surest branch counts at each position: a
    /// lower bound. Waits for the device.
    pub(super) fn all_unsure(&self, per_unit: usize, max_entropy: f32) -> Result<bool, TchError> {
        let newest = &self.choices[self.choices.len() - per_unit..][..ACTION_DIMS];
        let logits: Vec<&Tensor> = newest.iter().map(|choice| &choice.logits).collect();
        let entropies = self.entropies(&Tensor::f_stack(&logits, 0)?)?;
        let surest = entropies.f_amin(&[2i64][..], false)?;
        let least = surest.f_mean_dim(&[0i64][..], false, Kind::Float)?.f_min()?;
        Ok(least.f_double_value(&[])? > f64::from(max_entropy))
    }

    /// The streams of each of `batch` prompts.
    pub(super) fn finish(
        self,
        request: &DecodeRequest,
        batch: usize,
    ) -> Result<Vec<Vec<Stream>>, ModelError> {
        let width = request.method.streams();
        if self.choices.is_empty() {
            let stream = self.stream(request, &[], None)?;
            return Ok(vec![vec![stream; width]; batch]);
        }
        let tokens: Vec<&Tensor> = self.choices.iter().map(|choice| &choice.tokens).collect();
        let tokens = Vec::<i64>::try_from(flat_on_host(&Tensor::f_stack(&tokens, 0)?)?)?;
        let parents: Vec<&Tensor> =
            self.choices.iter().filter_map(|choice| choice.parents.as_ref()).collect();
        let parents = match parents[..] {
            [] => None,
            _ => Some(Vec::<i64>::try_from(flat_on_host(&Tensor::f_stack(&parents, 0)?)?)?),
        };
        let histories: Vec<Vec<Step>> = (0..batch * width)
            .map(|stream| {
                history(stream, self.choices.len(), batch, width, &tokens, parents.as_deref())
            })
            .collect();
        let numbers = self.numbers(request, &histories, batch, width)?;
        let streams = histories
            .iter()
            .enumerate()
            .map(|(stream, history)| self.stream(request, history, Some((&numbers, stream))))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(streams.chunks(width).map(<[Stream]>::to_vec).collect())
    }

    /// Statistics of the tokens in all `histories`, each `[positions][streams]`.
    fn numbers(
        &self,
        request: &DecodeRequest,
        histories: &[Vec<Step>],
        batch: usize,
        width: usize,
    ) -> Result<Numbers, TchError> {
        let shape = [self.choices.len() as i64, batch as i64, width as i64];
        let device = self.choices[0].logits.device();
        let of_steps = |of: fn(&Step) -> i64| -> Result<Tensor, TchError> {
            let values: Vec<i64> = (0..self.choices.len())
                .flat_map(|position| histories.iter().map(move |history| of(&history[position])))
                .collect();
            Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_device(device)
        };
        let logits: Vec<&Tensor> = self.choices.iter().map(|choice| &choice.logits).collect();
        let mut logits = Tensor::f_stack(&logits, 0)?;
        if self.choices.iter().any(|choice| choice.parents.is_some()) {
            let rows = of_steps(|step| step.row)?.f_unsqueeze(3)?.f_expand_as(&logits)?;
            logits = logits.f_gather(2, &rows, false)?;
        }
        let columns = of_steps(|step| step.token)?.f_sub_scalar(self.first)?.f_unsqueeze(3)?;
        let scored = match request.needs_full_head() {
            true => logits.shallow_clone(),
            false => self.actions(&logits)?,
        };
        let log_probs = scored.f_log_softmax(3, Kind::Float)?.f_gather(3, &columns, false)?;
        let entropies = self.entropies(&logits)?;
        let expectations = match request.values {
            TokenValue::BinCentre => None,
            TokenValue::Expectation => {
                let centres: Vec<f32> =
                    (1..=ACTION_BINS).rev().map(|bin| bin_centre(bin) as f32).collect();
                let centres = Tensor::f_from_slice(&centres)?.f_to_device(device)?;
                let means = self.actions(&logits)?.f_softmax(3, Kind::Float)?.f_matmul(&centres)?;
                Some(Vec::<f32>::try_from(flat_on_host(&means)?)?)
            }
        };
        Ok(Numbers {
            log_probs: Vec::<f32>::try_from(flat_on_host(&log_probs)?)?,
            entropies: Vec::<f32>::try_from(flat_on_host(&entropies)?)?,
            expectations,
        })
    }

    /// The logits of the action tokens among `logits` \[.., N\].
    fn actions(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        logits.f_narrow(-1, self.vocab.first() - self.first, i64::from(ACTION_BINS))
    }

    /// Entropy \[nats\] over the action tokens, of logits \[.., N\].
    fn entropies(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        let log_probs = self.actions(logits)?.f_log_softmax(-1, Kind::Float)?;
        let surprise = log_probs.f_exp()?.f_mul(&log_probs)?;
        surprise.f_sum_dim_intlist(&[-1i64][..], false, Kind::Float)?.f_neg()
    }

    /// The stream of one history, cut where the policy became unsure.
    fn stream(
        &self,
        request: &DecodeRequest,
        history: &[Step],
        numbers: Option<(&Numbers, usize)>,
    ) -> Result<Stream, ModelError> {
        let per_unit = request.chosen_per_unit();
        let mut stream = Stream {
            units: request.forced.to_vec(),
            values: (request.values == TokenValue::Expectation)
                .then(|| request.forced.iter().map(centres).collect()),
            tokens: Vec::with_capacity(history.len()),
            confidence: Vec::with_capacity(history.len() / per_unit),
        };
        let Some((numbers, column)) = numbers else { return Ok(stream) };
        let columns = numbers.log_probs.len() / history.len();
        let of = |values: &[f32], position: usize| values[position * columns + column];
        for first in (0..history.len()).step_by(per_unit) {
            let positions = first..first + per_unit;
            let actions = first..first + ACTION_DIMS;
            if let Some(at) = positions.clone().find(|&at| !of(&numbers.log_probs, at).is_finite())
            {
                let unit = request.forced.len() + first / per_unit;
                return Err(ModelError::NotFinite { unit, dimension: at - first });
            }
            let entropy = actions.clone().map(|at| of(&numbers.entropies, at)).sum::<f32>()
                / ACTION_DIMS as f32;
            let unsure = request.max_entropy.is_some_and(|most| entropy > most);
            if unsure && first > 0 {
                break;
            }
            let tokens: Vec<i64> =
                history[positions.clone()].iter().map(|step| step.token).collect();
            let (unit, violations) = self.vocab.unit_of_any(&tokens);
            stream.units.push(unit);
            if let (Some(values), Some(means)) = (&mut stream.values, &numbers.expectations) {
                values.push(std::array::from_fn(|i| of(means, first + i)));
            }
            stream.confidence.push(UnitConfidence {
                log_probs: positions.map(|at| of(&numbers.log_probs, at)).collect(),
                entropy,
                violations,
            });
            stream.tokens.extend(tokens);
        }
        Ok(stream)
    }
}

/// One position in the history of a stream.
struct Step {
    /// The branch whose logits the token was chosen from.
    row: i64,
    token: i64,
}

/// The tokens that led to stream number `stream` of all prompts, from the first on.
fn history(
    stream: usize,
    positions: usize,
    batch: usize,
    width: usize,
    tokens: &[i64],
    parents: Option<&[i64]>,
) -> Vec<Step> {
    let (item, mut branch) = (stream / width, stream % width);
    let mut steps: Vec<Step> = (0..positions)
        .rev()
        .map(|position| {
            let at = (position * batch + item) * width + branch;
            let row = parents.map_or(branch as i64, |parents| parents[at]);
            branch = row as usize;
            Step { row, token: tokens[at] }
        })
        .collect();
    steps.reverse();
    steps
}

/// The normalised values of a unit's bins.
fn centres(unit: &ActionUnit) -> [f32; ACTION_DIMS] {
    unit.0.map(|bin| bin_centre(bin) as f32)
}

fn flat_on_host(values: &Tensor) -> Result<Tensor, TchError> {
    values.f_flatten(0, -1)?.f_to_device(Device::Cpu)
}
