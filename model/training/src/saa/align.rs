//! One step of alignment, from explored streams to the loss: what is compared, what the reference
//! thinks of it, and what the policy is to change.
//!
//! The reference is asked before the policy, so that the two may be one model with two adapters.
//! Must never explore, choose states or step an optimiser.

use super::config::{Deviation, SaaConfig};
use super::deviation::Margin;
use super::imitation::Imitation;
use super::layout::{Case, Compared, Layout, Pair};
use super::preference::{Pairs, first_preferred, reward, unit_log_probs};
use super::tally::Tally;
use crate::error::TrainError;
use jaco_core::{ActionCodec, ActionUnit};
use jaco_model::config::{OpenVlaConfig, UNIT_TOKENS};
use jaco_model::tokens::ActionVocab;
use jaco_model::{ModelError, OpenVla};
use tch::{Device, Kind, TchError, Tensor, no_grad};

/// Compares streams and weighs what is found.
pub struct Aligner {
    config: SaaConfig,
    vocab: ActionVocab,
    patches: usize,
    codec: ActionCodec,
    imitation: Imitation,
    device: Device,
}

/// What is laid out for a batch of cases.
pub struct Plan {
    policy: Layout,
    /// The reference's, where it is not the policy's.
    reference: Option<Layout>,
    /// The units that are to change, where that is known before anyone is asked.
    units: Option<Vec<Option<usize>>>,
}

/// What came of a batch.
#[derive(Debug)]
pub struct Aligned {
    /// What is to be minimised: the mean over the cases.
    pub total: Tensor,
    /// What is reported of it.
    pub tally: Tally,
    /// The unit that is to change, of each case.
    #[cfg(test)]
    pub units: Vec<Option<usize>>,
}

impl Aligner {
    /// An aligner for the model of `model`, whose actions `codec` decodes.
    pub fn new(
        config: &SaaConfig,
        model: &OpenVlaConfig,
        codec: ActionCodec,
        device: Device,
    ) -> Result<Self, TchError> {
        let (vocab, patches) = (ActionVocab::new(model), model.patches() as usize);
        let imitation = Imitation::new(config.target_sigma_bins, vocab, device)?;
        Ok(Self { config: config.clone(), vocab, patches, codec, imitation, device })
    }

    /// What decodes the actions of both.
    pub fn codec(&self) -> &ActionCodec {
        &self.codec
    }

    /// What has to be asked about `cases`.
    pub fn plan(&self, cases: &[Case]) -> Result<Plan, ModelError> {
        match self.config.deviation {
            // Reference and policy share one layout: while their weights are the same their answers
            // are too, to the bit, and no unit is preferred by a rounding error.
            Deviation::Reward => {
                let policy = self.layout(cases, Compared::All, true)?;
                Ok(Plan { policy, reference: None, units: None })
            }
            Deviation::Margin => {
                let margin = Margin {
                    translation_m: self.config.margin_m,
                    rotation_rad: Some(self.config.margin_rad).filter(|most| *most > 0.0),
                };
                let first = |case: &Case| margin.first_beyond(&self.codec, &case.own, &case.expert);
                self.plan_at(cases, cases.iter().map(first).collect())
            }
        }
    }

    /// What has to be asked about these units of `cases` alone.
    pub fn plan_at(&self, cases: &[Case], units: Vec<Option<usize>>) -> Result<Plan, ModelError> {
        let compared = Compared::At(&units);
        let policy = self.layout(cases, compared, true)?;
        let reference = Some(self.layout(cases, compared, false)?);
        Ok(Plan { policy, reference, units: Some(units) })
    }

    /// What `reference` thinks of the plan; nothing where nobody wants to know. `features` are its
    /// own.
    pub fn ask_reference(
        &self,
        plan: &Plan,
        reference: &OpenVla,
        features: &Tensor,
    ) -> Result<Option<Tensor>, TchError> {
        if !self.config.needs_reference() {
            return Ok(None);
        }
        let layout = plan.reference.as_ref().unwrap_or(&plan.policy);
        no_grad(|| {
            let hidden = layout.hidden(reference, features)?;
            Ok(Some(layout.log_probs(&layout.scored_logits(reference, &hidden)?)?))
        })
    }

    /// The loss of `cases` under the policy `model`, from projected patches \[B, P, hidden\].
    pub fn losses(
        &self,
        plan: Plan,
        cases: &[Case],
        reference: Option<Tensor>,
        model: &OpenVla,
        features: &Tensor,
    ) -> Result<Aligned, TrainError> {
        let layout = &plan.policy;
        let hidden = layout.hidden(model, features)?;
        let logits = layout.scored_logits(model, &hidden)?;
        let log_probs = layout.log_probs(&logits)?;
        let judged = match &reference {
            Some(reference) => Some((host(&log_probs)?, host(reference)?)),
            None => None,
        };
        let of = |first: usize| -> Option<f32> {
            let (policy, reference) = judged.as_ref()?;
            let tokens = first..first + self.config.unit_tokens;
            let beta = self.config.beta as f32;
            Some(reward(&policy[tokens.clone()], &reference[tokens], beta))
        };
        let units = match plan.units {
            Some(units) => units,
            None => (0..cases.len()).map(|case| preferred(layout, case, of)).collect(),
        };
        let found: Vec<(usize, usize, Pair)> = units
            .iter()
            .enumerate()
            .filter_map(|(case, unit)| Some((case, (*unit)?, layout.pair(case, (*unit)?)?)))
            .collect();
        let preference = match found.is_empty() {
            true => None,
            false => {
                Some(self.preference(&found, cases, &logits, &log_probs, reference.as_ref())?)
            }
        };
        let streams = self.streams(layout, cases, model, &hidden)?;
        let share = |case: usize| match units[case] {
            Some(_) => self.config.sft_weight,
            None => 1.0,
        };
        let weights: Vec<f32> = (0..cases.len()).map(|case| share(case) as f32).collect();
        let weights = Tensor::f_from_slice(&weights)?.f_to_device(self.device)?;
        let mut total = streams.f_mul(&weights)?.f_sum(Kind::Float)?;
        if let Some(losses) = &preference {
            let losses = losses.f_sum(Kind::Float)?.f_mul_scalar(1.0 - self.config.sft_weight)?;
            total = total.f_add(&losses)?;
        }
        let rewards = |of_pair: fn(&Pair) -> usize| -> Option<f64> {
            found.iter().map(|(_, _, pair)| of(of_pair(pair)).map(f64::from)).sum()
        };
        let sum = |losses: &Tensor| losses.f_sum(Kind::Float)?.f_double_value(&[]);
        let tally = Tally {
            states: cases.len(),
            preferred: found.len(),
            h_star: found.iter().map(|(_, unit, _)| *unit as f64).sum(),
            rewards: match &judged {
                Some(_) => rewards(|pair| pair.expert).zip(rewards(|pair| pair.own)),
                None => None,
            },
            preference_loss: preference.as_ref().map_or(Ok(0.0), sum)?,
            sft_loss: sum(&streams)?,
        };
        Ok(Aligned {
            total: total.f_div_scalar(cases.len() as f64)?,
            tally,
            #[cfg(test)]
            units,
        })
    }

    fn layout(
        &self,
        cases: &[Case],
        compared: Compared,
        imitated: bool,
    ) -> Result<Layout, ModelError> {
        Layout::new(cases, compared, imitated, &self.vocab, self.patches, self.device)
    }

    /// The loss of each unit that is to change \[N\].
    fn preference(
        &self,
        found: &[(usize, usize, Pair)],
        cases: &[Case],
        logits: &Tensor,
        log_probs: &Tensor,
        reference: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let places = |first: fn(&Pair) -> usize| {
            let tokens = found.iter().flat_map(|(_, _, pair)| {
                let first = first(pair) as i64;
                first..first + UNIT_TOKENS as i64
            });
            Tensor::f_from_slice(&tokens.collect::<Vec<i64>>())?.f_to_device(self.device)
        };
        let (winners, losers) = (places(|pair| pair.expert)?, places(|pair| pair.own)?);
        let Some(reference) = reference.filter(|_| self.config.loser) else {
            let units: Vec<ActionUnit> =
                found.iter().map(|&(case, unit, _)| cases[case].expert[unit]).collect();
            return self.imitation.losses(&logits.f_index_select(0, &winners)?, &units);
        };
        let score = |log_probs: &Tensor, places: &Tensor| {
            let shape = [found.len() as i64, UNIT_TOKENS as i64];
            let tokens = log_probs.f_index_select(0, places)?.f_view(shape)?;
            unit_log_probs(&tokens, self.config.unit_tokens)
        };
        let pairs = Pairs {
            policy_winner: score(log_probs, &winners)?,
            policy_loser: score(log_probs, &losers)?,
            reference_winner: score(reference, &winners)?,
            reference_loser: score(reference, &losers)?,
        };
        pairs.losses(self.config.beta)
    }

    /// Mean cross entropy per token of each case's stream \[B\].
    fn streams(
        &self,
        layout: &Layout,
        cases: &[Case],
        model: &OpenVla,
        hidden: &Tensor,
    ) -> Result<Tensor, TchError> {
        let units: Vec<ActionUnit> = cases.iter().flat_map(|case| &case.stream).copied().collect();
        let losses = self.imitation.losses(&layout.stream_logits(model, hidden)?, &units)?;
        let (mut owners, mut shares) = (Vec::new(), Vec::new());
        for (number, case) in cases.iter().enumerate() {
            owners.extend(std::iter::repeat_n(number as i64, case.stream.len()));
            shares.extend(std::iter::repeat_n(1.0 / case.stream.len() as f32, case.stream.len()));
        }
        let owners = Tensor::f_from_slice(&owners)?.f_to_device(self.device)?;
        let shares = Tensor::f_from_slice(&shares)?.f_to_device(self.device)?;
        let zeros = Tensor::f_zeros([cases.len() as i64], (Kind::Float, self.device))?;
        zeros.f_index_add(0, &owners, &losses.f_mul(&shares)?)
    }
}

/// The first unit of a case where the policy's own has the greater reward.
fn preferred(
    layout: &Layout,
    case: usize,
    reward_of: impl Fn(usize) -> Option<f32>,
) -> Option<usize> {
    let pairs = || (0..layout.units(case)).filter_map(|h| layout.pair(case, h));
    let own: Vec<f32> = pairs().filter_map(|pair| reward_of(pair.own)).collect();
    let expert: Vec<f32> = pairs().filter_map(|pair| reward_of(pair.expert)).collect();
    first_preferred(&own, &expert)
}

fn host(values: &Tensor) -> Result<Vec<f32>, TchError> {
    Vec::<f32>::try_from(values.f_detach()?.f_to_device(Device::Cpu)?)
}
