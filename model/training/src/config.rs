//! Hyper-parameters that all stages share, and what a stage's own must be able to do.
//!
//! A recipe or training state holds both kinds side by side in one flat list of keys, so no two
//! may share a name. Owns names, defaults and their check. Must never read a file or touch a
//! tensor.

use crate::choices::{Augmentation, Precision, Trainable};
use crate::error::TrainError;
use crate::stage::Stage;
use jaco_core::Word;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Debug;
use tch::Device;

/// Hyper-parameters that all stages share.
///
/// The defaults are for a model of a few million parameters trained from scratch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainConfig {
    /// Units in a full stream, the largest horizon that the policy can then be asked for.
    pub horizon: usize,
    /// Longest sequence \[positions\], patches included; 0 = what the model has.
    pub context: usize,
    /// Optimiser steps in all.
    pub steps: u64,
    /// States in the batch of an optimiser step.
    pub batch_size: usize,
    /// Parts that a batch is computed in, one after the other; the gradients add up to those of
    /// the whole.
    pub accumulation: usize,
    /// What is trained.
    pub trainable: Trainable,
    /// Rank of the adapters, where adapters are trained; 0 = that of the adapter that is trained
    /// further, or OpenVLA's 32.
    pub lora_rank: i64,
    /// Numerator of the adapters' scale; 0 = min(rank, 16).
    pub lora_alpha: f64,
    /// Maps that get an adapter: `all-linear` as OpenVLA resolves it, or ends of module paths
    /// with commas between them.
    pub lora_targets: String,
    /// Element type of the frozen weights below adapters.
    pub base_dtype: Precision,
    /// Element type that the model computes in, on a CPU its large products alone; losses,
    /// gradients and weights that are trained stay float32.
    pub compute_dtype: Precision,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Where the cosine ends, as a share of the peak; 1 = a constant rate.
    pub final_learning_rate_fraction: f64,
    /// AdamW's coefficients for the running means of the gradient and its square.
    pub betas: [f64; 2],
    /// AdamW's denominator offset.
    pub epsilon: f64,
    /// Decoupled weight decay; not applied to norms, biases, embeddings and positions.
    pub weight_decay: f64,
    /// Largest gradient norm over all parameters.
    pub clip_norm: f64,
    /// How pictures are varied; not at all where the vision towers stand still.
    pub augmentation: Augmentation,
    /// Half-width of the random contrast factor, once for the picture and once per channel; used
    /// by the augmentation "colour".
    pub contrast: f64,
    /// Half-width of the random brightness offset, as a share of half the value range; used by
    /// the augmentation "colour".
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
    /// Steps between two saves of the checkpoint and the training state; a checkpoint that is the
    /// best so far on the held-out states is saved besides.
    pub save_every: u64,
    /// How many of the last checkpoints are kept, the best one not counted.
    pub keep_last: usize,
    /// libtorch's threads inside one operation.
    pub threads: usize,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// Where the pictures are kept: `auto` (in memory if they fit, else beside the dataset),
    /// `memory`, `beside`, or a folder.
    pub cache: String,
    /// Save what is trained in bfloat16, half the size; the training state stays float32.
    pub save_bf16: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            horizon: 8,
            context: 0,
            steps: 2000,
            batch_size: 64,
            accumulation: 1,
            trainable: Trainable::All,
            lora_rank: 0,
            lora_alpha: 0.0,
            lora_targets: ALL_LINEAR.to_owned(),
            base_dtype: Precision::F32,
            compute_dtype: Precision::F32,
            learning_rate: 1e-3,
            warmup_steps: 100,
            final_learning_rate_fraction: 0.03,
            betas: [0.9, 0.95],
            epsilon: 1e-8,
            weight_decay: 0.05,
            clip_norm: 1.0,
            augmentation: Augmentation::Colour,
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
            keep_last: 1,
            threads: 2,
            device: "cpu".to_owned(),
            cache: "auto".to_owned(),
            save_bf16: false,
        }
    }
}

/// The word for all maps that OpenVLA's fine-tuning adapts.
pub const ALL_LINEAR: &str = "all-linear";

/// A setting: its name, its value, whether that holds, and what would.
pub type Rule = (&'static str, f64, bool, &'static str);

/// Refuses the first rule that does not hold, by its name and limits.
pub fn hold(rules: impl IntoIterator<Item = Rule>) -> Result<(), TrainError> {
    match rules.into_iter().find(|(_, _, holds, _)| !holds) {
        Some((name, value, _, limits)) => Err(TrainError::Setting { name, value, limits }),
        None => Ok(()),
    }
}

/// The rule that `value` is finite and not negative.
pub fn width(name: &'static str, value: f64) -> Rule {
    (name, value, value.is_finite() && value >= 0.0, "finite and not negative")
}

/// The rule that `value` is a share.
pub fn share(name: &'static str, value: f64) -> Rule {
    (name, value, (0.0..=1.0).contains(&value), "0..=1")
}

/// The rule that `value` is above 0.
pub fn positive(name: &'static str, value: f64) -> Rule {
    (name, value, value.is_finite() && value > 0.0, "above 0")
}

fn below_one(name: &'static str, value: f64) -> Rule {
    (name, value, (0.0..1.0).contains(&value), "0..1")
}

fn at_least_one(name: &'static str, value: u64) -> Rule {
    (name, value as f64, value > 0, "at least 1")
}

impl TrainConfig {
    /// Checks every number; the error names the first one at fault and its limits.
    pub fn check(&self) -> Result<(), TrainError> {
        hold([
            ("horizon", self.horizon as f64, (1..=64).contains(&self.horizon), "1..=64"),
            at_least_one("steps", self.steps),
            at_least_one("batch_size", self.batch_size as u64),
            (
                "accumulation",
                self.accumulation as f64,
                (1..=self.batch_size).contains(&self.accumulation),
                "1..=batch_size",
            ),
            ("lora_rank", self.lora_rank as f64, (0..=1024).contains(&self.lora_rank), "0..=1024"),
            width("lora_alpha", self.lora_alpha),
            positive("learning_rate", self.learning_rate),
            share("final_learning_rate_fraction", self.final_learning_rate_fraction),
            below_one("betas[0]", self.betas[0]),
            below_one("betas[1]", self.betas[1]),
            positive("epsilon", self.epsilon),
            width("weight_decay", self.weight_decay),
            positive("clip_norm", self.clip_norm),
            below_one("contrast", self.contrast),
            below_one("brightness", self.brightness),
            below_one("ema_decay", self.ema_decay),
            below_one("validation_fraction", self.validation_fraction),
            at_least_one("report_every", self.report_every),
            at_least_one("validate_every", self.validate_every),
            at_least_one("save_every", self.save_every),
            at_least_one("keep_last", self.keep_last as u64),
            at_least_one("threads", self.threads as u64),
        ])?;
        self.named_device().map(drop)
    }

    /// Which settings nothing reads, as the others are.
    pub fn unread(&self) -> Vec<Unread> {
        let mut unread = Vec::new();
        if self.augmentation != Augmentation::Colour {
            let because = format!("augmentation = \"{}\"", self.augmentation);
            unread.push(Unread { names: vec!["contrast", "brightness"], because });
        }
        unread
    }

    /// The words that the setting `name` takes; none if it takes something else.
    pub fn words(name: &str) -> Option<Vec<&'static str>> {
        match name {
            "trainable" => Some(names_of::<Trainable>()),
            "base_dtype" | "compute_dtype" => Some(names_of::<Precision>()),
            "augmentation" => Some(names_of::<Augmentation>()),
            _ => None,
        }
    }

    /// The device that `device` names, whether it is there or not.
    fn named_device(&self) -> Result<Device, TrainError> {
        let unknown = || TrainError::Device(self.device.clone());
        if self.device == "cpu" {
            return Ok(Device::Cpu);
        }
        let number = self.device.strip_prefix("cuda:").ok_or_else(unknown)?;
        Ok(Device::Cuda(number.parse().map_err(|_| unknown())?))
    }

    /// The device that `device` names; refused if it is not there.
    pub fn device(&self) -> Result<Device, TrainError> {
        let device = self.named_device()?;
        let present = usize::try_from(tch::Cuda::device_count()).unwrap_or(0);
        match device {
            Device::Cuda(number) if number >= present => {
                Err(TrainError::NoGpu { name: self.device.clone(), present })
            }
            there => Ok(there),
        }
    }

    /// The settings with those that do not change what is learnt made equal.
    pub fn essential(&self) -> Self {
        Self {
            validation_states: 0,
            report_every: 1,
            validate_every: 1,
            save_every: 1,
            keep_last: 1,
            threads: 1,
            device: String::new(),
            save_bf16: false,
            cache: String::new(),
            ..self.clone()
        }
    }
}

/// Settings that nothing reads because of another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    /// Their names.
    pub names: Vec<&'static str>,
    /// The other one, with its value.
    pub because: String,
}

/// All words of `T`.
pub fn names_of<T: Word>() -> Vec<&'static str> {
    T::ALL.iter().map(|word| word.name()).collect()
}

/// The hyper-parameters of one stage beside [`TrainConfig`].
pub trait StageConfig: Clone + Default + Debug + PartialEq + Serialize + DeserializeOwned {
    /// The stage.
    const STAGE: Stage;

    /// Checks every number, also against those that all stages share.
    fn check(&self, train: &TrainConfig) -> Result<(), TrainError>;

    /// What the shared ones are where nothing is said in this stage.
    fn train_defaults() -> TrainConfig {
        TrainConfig::default()
    }

    /// Which of its own settings nothing reads, as the others are.
    fn unread(&self) -> Vec<Unread> {
        Vec::new()
    }

    /// The words that the stage's own setting `name` takes; none if it takes something else.
    fn words(_name: &str) -> Option<Vec<&'static str>> {
        None
    }
}

/// Both kinds of hyper-parameters in one list, as recipes and training states have them.
pub fn flat<S: StageConfig>(train: &TrainConfig, own: &S) -> Map<String, Value> {
    let map = |value: serde_json::Result<Value>| match value {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    };
    let mut all = map(serde_json::to_value(train));
    all.extend(map(serde_json::to_value(own)));
    all
}

/// Both kinds out of one list; what it does not say is as by default, and keys of others are left
/// aside.
pub fn unflat<S: StageConfig>(
    list: &Map<String, Value>,
) -> Result<(TrainConfig, S), serde_json::Error> {
    let mut all = flat(&S::train_defaults(), &S::default());
    all.extend(list.clone());
    let all = Value::Object(all);
    Ok((serde_json::from_value(all.clone())?, serde_json::from_value(all)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn defaults_pass_their_own_check() {
        TrainConfig::default().check().unwrap();
    }

    #[test]
    fn a_bad_setting_is_named_with_its_limits() {
        let config = TrainConfig { accumulation: 65, ..TrainConfig::default() };
        let text = config.check().unwrap_err().to_string();
        assert!(text.contains("accumulation = 65") && text.contains("1..=batch_size"), "{text}");
        let config = TrainConfig { device: "tpu".into(), ..TrainConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains("tpu"));
        // A recipe for another machine is checked on this one, and refused only where it trains.
        let config = TrainConfig { device: "cuda:4096".into(), ..TrainConfig::default() };
        config.check().unwrap();
        let error = config.device().unwrap_err();
        assert!(error.is_unusable_input() && error.to_string().contains("GPU(s) here"), "{error}");
    }

    /// Each setting that takes words says which, or a recipe could hold none of them.
    #[test]
    fn the_words_of_a_setting_are_those_that_it_is_read_from() {
        for (name, value) in [("trainable", "lora"), ("augmentation", "openvla")] {
            assert!(TrainConfig::words(name).unwrap().contains(&value));
        }
        assert_eq!(TrainConfig::words("device"), None);
    }
}
