//! Language-conditioned behaviour cloning of action streams (L-BC): the policy learns to continue
//! picture and instruction with the tokens of the expert's stream.
//!
//! Next-token loss over the full vocabulary; the regression of simulator labels goes on beside it
//! where the data have labels and the vision towers are trained.

use crate::config::{StageConfig, TrainConfig, Unread, hold, share, width};
use crate::error::TrainError;
use crate::loss::{target_table, token_loss};
use crate::network::Network;
use crate::objective::{HeldOut, Losses, Objective, StepContext, UseOfLabels};
use crate::progress::{Progress, Summary};
use crate::random::{Purpose, generator};
use crate::request::TrainRequest;
use crate::run::run;
use crate::stage::Stage;
use crate::sums::ValidationSums;
use jaco_model::tokens::ActionVocab;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use tch::{Device, Tensor};

/// Hyper-parameters of [`train_lbc`] beside those that all stages share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LbcConfig {
    /// Share of the batches whose streams are cut to `short_horizon` units. All of such a batch's
    /// loss lies on the first units, which decide how well the policy aims: later units can copy
    /// earlier ones under teacher forcing.
    pub short_stream_fraction: f64,
    /// Units in the streams of a short batch.
    pub short_horizon: usize,
    /// Standard deviation \[bins\] of the noise on the action tokens that are fed in (gripper
    /// excepted; targets stay clean). Without it the policy learns to read meaning into exact
    /// bins and fails when its own tokens differ from the expert's.
    pub token_jitter_bins: f64,
    /// Standard deviation \[bins\] of the Gaussian targets; 0 = one-hot. The gripper's are one-hot
    /// always.
    pub target_sigma_bins: f64,
    /// Weight of the regression of simulator labels beside the token loss; unused where the data
    /// have no labels or the vision towers stand still.
    pub aux_weight: f64,
}

impl Default for LbcConfig {
    fn default() -> Self {
        Self {
            short_stream_fraction: 0.5,
            short_horizon: 1,
            token_jitter_bins: 2.5,
            target_sigma_bins: 2.0,
            aux_weight: 0.5,
        }
    }
}

impl StageConfig for LbcConfig {
    const STAGE: Stage = Stage::Lbc;

    fn check(&self, train: &TrainConfig) -> Result<(), TrainError> {
        hold([
            share("short_stream_fraction", self.short_stream_fraction),
            (
                "short_horizon",
                self.short_horizon as f64,
                (1..=train.horizon).contains(&self.short_horizon),
                "1..=horizon",
            ),
            width("token_jitter_bins", self.token_jitter_bins),
            width("target_sigma_bins", self.target_sigma_bins),
            width("aux_weight", self.aux_weight),
        ])
    }

    fn unread(&self) -> Vec<Unread> {
        unread_lengths(self.short_stream_fraction).into_iter().collect()
    }
}

/// What nothing reads where `fraction` of the batches have short streams.
pub fn unread_lengths(fraction: f64) -> Option<Unread> {
    let because = "short_stream_fraction = 0".to_owned();
    (fraction == 0.0).then(|| Unread { names: vec!["short_horizon"], because })
}

/// Trains a policy on expert streams and writes its checkpoint to `request.out`.
///
/// `progress` hears of every step; when it answers `Break` the checkpoint and the training state
/// are saved and the run ends.
pub fn train_lbc(
    request: &TrainRequest,
    train: &TrainConfig,
    own: &LbcConfig,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Summary, TrainError> {
    run(request, train, own, |network, device| Lbc::new(own, network, device), progress)
}

/// Imitation of the expert's streams.
pub struct Lbc {
    own: LbcConfig,
    table: Tensor,
    first_action: i64,
}

impl Lbc {
    /// Imitation by `network` on `device`.
    pub fn new(own: &LbcConfig, network: &Network, device: Device) -> Result<Self, TrainError> {
        let table = target_table(own.target_sigma_bins, device)?;
        let first_action = ActionVocab::new(&network.config).first();
        Ok(Self { own: own.clone(), table, first_action })
    }

    /// The stream length of training step `step`: short in the configured share of the steps.
    fn stream_length(&self, train: &TrainConfig, step: u64) -> usize {
        let draw: f64 = generator(train.seed, Purpose::StreamLength, step).random();
        let short = draw < self.own.short_stream_fraction;
        if short { self.own.short_horizon } else { train.horizon }
    }
}

impl Objective for Lbc {
    fn labels(&self) -> UseOfLabels {
        if self.own.aux_weight > 0.0 { UseOfLabels::Optional } else { UseOfLabels::No }
    }

    fn losses(&mut self, step: &StepContext) -> Result<Losses, TrainError> {
        let horizon = self.stream_length(step.config, step.draw.step);
        let stream = step.maker.streams(&step.draw, horizon, self.own.token_jitter_bins)?;
        let features = step.features()?;
        let logits = step.network.stream_logits(&features, &stream)?;
        let token = token_loss(&logits, &stream.targets, &self.table, self.first_action)?;
        let token = step.token_share(token, horizon)?;
        let mut values = BTreeMap::from([("token_loss", token.f_double_value(&[])?)]);
        let Some(prediction) = step.network.labels(&features)? else {
            return Ok(Losses { total: token, values });
        };
        let label = step.label_share(&prediction)?;
        values.insert("label_loss", label.f_double_value(&[])?);
        let total = token.f_add(&label.f_mul_scalar(self.own.aux_weight)?)?;
        Ok(Losses { total, values })
    }

    fn validate(&mut self, held: &HeldOut, sums: &mut ValidationSums) -> Result<(), TrainError> {
        let stream = held.maker.plain_streams(held.states, held.config.horizon)?;
        let features = held.features()?;
        let logits = held.network.stream_logits(&features, &stream)?;
        sums.add_tokens(&logits, &stream, &self.table, self.first_action)?;
        let (units, states) = (stream.separator_units.len() as f64, held.states.len() as f64);
        sums.add_value("supervised_units", units / states, states);
        if let Some(prediction) = held.network.labels(&features)? {
            sums.add_labels(&prediction, &held.maker.labels(held.states)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tch::Kind;

    #[test]
    fn half_of_the_steps_have_short_streams() {
        let table = Tensor::zeros([1], (Kind::Float, Device::Cpu));
        let lbc = Lbc { own: LbcConfig::default(), table, first_action: 0 };
        let train = TrainConfig::default();
        let short = (0..2000).filter(|&step| lbc.stream_length(&train, step) == 1).count();
        // Five standard deviations of a binomial of 2000 and one half.
        assert!((888..=1112).contains(&short), "{short}");
    }

    #[test]
    fn a_short_stream_is_no_longer_than_a_full_one() {
        let own = LbcConfig { short_horizon: 9, ..LbcConfig::default() };
        let text = own.check(&TrainConfig::default()).unwrap_err().to_string();
        assert!(text.contains("short_horizon = 9") && text.contains("1..=horizon"), "{text}");
        LbcConfig::default().check(&TrainConfig::default()).unwrap();
    }
}
