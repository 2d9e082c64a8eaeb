//! Hyper-parameters of a training run, and what is trained from what.
//!
//! Owns names, defaults and their check. Must never read a file or touch a tensor.

use crate::error::TrainError;
use crate::reading::DatasetSource;
use jaco_core::Clock;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use tch::Device;

/// Hyper-parameters of [`train_lbc`](crate::train_lbc); [`train_vision`](crate::train_vision)
/// uses those that do not speak of streams or tokens.
///
/// The defaults are for a model of a few million parameters trained from scratch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LbcConfig {
    /// Units in a full stream, the largest horizon that the policy can then be asked for.
    pub horizon: usize,
    /// Optimiser steps in all.
    pub steps: u64,
    /// States in a batch.
    pub batch_size: usize,
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
    /// have no labels.
    pub aux_weight: f64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Where the cosine ends, as a share of the peak.
    pub final_learning_rate_fraction: f64,
    /// AdamW's coefficients for the running means of the gradient and its square.
    pub betas: [f64; 2],
    /// AdamW's denominator offset.
    pub epsilon: f64,
    /// Decoupled weight decay; not applied to norms, biases, embeddings and positions.
    pub weight_decay: f64,
    /// Largest gradient norm over all parameters.
    pub clip_norm: f64,
    /// Half-width of the random contrast factor, once for the picture and once per channel.
    pub contrast: f64,
    /// Half-width of the random brightness offset, as a share of half the value range.
    pub brightness: f64,
    /// Decay of the moving average of the weights that is what gets saved; 0 = save the weights
    /// themselves. Early on the average follows faster: decay min(this, (step+1)/(step+10)).
    pub ema_decay: f64,
    /// Seed of the order of the states, augmentation, jitter and the weights of a fresh model.
    pub seed: u64,
    /// Seed of the choice of the held-out episodes. Keep it over the stages of one policy, or the
    /// held-out episodes of one stage are trained on in another.
    pub split_seed: u64,
    /// Share of the episodes of every dataset that is held out.
    pub validation_fraction: f64,
    /// At most so many held-out states are looked at by one validation.
    pub validation_states: usize,
    /// Steps between two lines in metrics.jsonl.
    pub report_every: u64,
    /// Steps between two validations.
    pub validate_every: u64,
    /// Steps between two saves of the checkpoint and the training state.
    pub save_every: u64,
    /// libtorch's threads inside one operation.
    pub threads: usize,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Where the pictures are kept: `auto` (in memory if they fit, else beside the dataset),
    /// `memory`, `beside`, or a folder.
    pub cache: String,
    /// Save the checkpoint's weights in bfloat16, half the size; the training state stays float32.
    pub save_bf16: bool,
}

impl Default for LbcConfig {
    fn default() -> Self {
        Self {
            horizon: 8,
            steps: 2000,
            batch_size: 64,
            short_stream_fraction: 0.5,
            short_horizon: 1,
            token_jitter_bins: 2.5,
            target_sigma_bins: 2.0,
            aux_weight: 0.5,
            learning_rate: 1e-3,
            warmup_steps: 100,
            final_learning_rate_fraction: 0.03,
            betas: [0.9, 0.95],
            epsilon: 1e-8,
            weight_decay: 0.05,
            clip_norm: 1.0,
            contrast: 0.15,
            brightness: 0.1,
            ema_decay: 0.999,
            seed: 0,
            split_seed: 0,
            validation_fraction: 0.05,
            validation_states: 1000,
            report_every: 50,
            validate_every: 500,
            save_every: 500,
            threads: 2,
            device: "cpu".to_owned(),
            cache: "auto".to_owned(),
            save_bf16: false,
        }
    }
}

impl LbcConfig {
    /// Checks every number; the error names the first one at fault and its limits.
    pub fn check(&self) -> Result<(), TrainError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let width = |value: f64| value.is_finite() && value >= 0.0;
        let rules = [
            ("horizon", self.horizon as f64, (1..=64).contains(&self.horizon), "1..=64"),
            ("steps", self.steps as f64, self.steps > 0, "at least 1"),
            ("batch_size", self.batch_size as f64, self.batch_size > 0, "at least 1"),
            (
                "short_stream_fraction",
                self.short_stream_fraction,
                share(self.short_stream_fraction),
                "0..=1",
            ),
            (
                "short_horizon",
                self.short_horizon as f64,
                (1..=self.horizon).contains(&self.short_horizon),
                "1..=horizon",
            ),
            (
                "token_jitter_bins",
                self.token_jitter_bins,
                width(self.token_jitter_bins),
                "finite and not negative",
            ),
            (
                "target_sigma_bins",
                self.target_sigma_bins,
                width(self.target_sigma_bins),
                "finite and not negative",
            ),
            ("aux_weight", self.aux_weight, width(self.aux_weight), "finite and not negative"),
            ("learning_rate", self.learning_rate, positive(self.learning_rate), "above 0"),
            (
                "final_learning_rate_fraction",
                self.final_learning_rate_fraction,
                share(self.final_learning_rate_fraction),
                "0..=1",
            ),
            ("betas[0]", self.betas[0], (0.0..1.0).contains(&self.betas[0]), "0..1"),
            ("betas[1]", self.betas[1], (0.0..1.0).contains(&self.betas[1]), "0..1"),
            ("epsilon", self.epsilon, positive(self.epsilon), "above 0"),
            (
                "weight_decay",
                self.weight_decay,
                width(self.weight_decay),
                "finite and not negative",
            ),
            ("clip_norm", self.clip_norm, positive(self.clip_norm), "above 0"),
            ("contrast", self.contrast, (0.0..1.0).contains(&self.contrast), "0..1"),
            ("brightness", self.brightness, (0.0..1.0).contains(&self.brightness), "0..1"),
            ("ema_decay", self.ema_decay, (0.0..1.0).contains(&self.ema_decay), "0..1"),
            (
                "validation_fraction",
                self.validation_fraction,
                (0.0..1.0).contains(&self.validation_fraction),
                "0..1",
            ),
            ("report_every", self.report_every as f64, self.report_every > 0, "at least 1"),
            ("validate_every", self.validate_every as f64, self.validate_every > 0, "at least 1"),
            ("save_every", self.save_every as f64, self.save_every > 0, "at least 1"),
            ("threads", self.threads as f64, self.threads > 0, "at least 1"),
        ];
        match rules.into_iter().find(|(_, _, holds, _)| !holds) {
            Some((name, value, _, limits)) => Err(TrainError::Setting { name, value, limits }),
            None => self.device().map(drop),
        }
    }

    /// The device that `device` names.
    pub fn device(&self) -> Result<Device, TrainError> {
        let unknown = || TrainError::Device(self.device.clone());
        if self.device == "cpu" {
            return Ok(Device::Cpu);
        }
        let number = self.device.strip_prefix("cuda:").ok_or_else(unknown)?;
        let number: usize = number.parse().map_err(|_| unknown())?;
        let present = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
        if number < present { Ok(Device::Cuda(number)) } else { Err(unknown()) }
    }
}

/// What a run starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// Fresh weights for the model described in a folder with config.json and tokenizer.json.
    Fresh {
        /// The folder.
        model_dir: PathBuf,
    },
    /// The weights and action statistics of a checkpoint.
    Checkpoint(PathBuf),
    /// The training state in the output folder, continued as if it had never stopped.
    Resume,
}

/// What to train on, from what, and where to.
pub struct TrainRequest<'a> {
    /// The datasets; at least one.
    pub datasets: Vec<DatasetSource>,
    /// What to start from.
    pub start: Start,
    /// Folder of the checkpoint to write, with `training/` in it.
    pub out: PathBuf,
    /// For the throughput that is reported; decides nothing.
    pub clock: &'a dyn Clock,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_pass_their_own_check() {
        LbcConfig::default().check().unwrap();
    }

    #[test]
    fn a_bad_setting_is_named_with_its_limits() {
        let config = LbcConfig { short_horizon: 9, ..LbcConfig::default() };
        let text = config.check().unwrap_err().to_string();
        assert!(text.contains("short_horizon = 9") && text.contains("1..=horizon"), "{text}");
        let config = LbcConfig { device: "tpu".into(), ..LbcConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains("tpu"));
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        assert!(serde_json::from_str::<LbcConfig>(r#"{"batchsize": 3}"#).is_err());
        let partial: LbcConfig = serde_json::from_str(r#"{"batch_size": 3}"#).unwrap();
        assert_eq!(partial, LbcConfig { batch_size: 3, ..LbcConfig::default() });
    }
}
