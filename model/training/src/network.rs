//! What is trained: the model, the label head beside it, and the files that belong to a checkpoint.
//!
//! Owns where weights come from at the start of a run and how the checkpoint is written. Must never
//! compute a loss.

use crate::batch::StreamBatch;
use crate::config::{LbcConfig, Start};
use crate::error::TrainError;
use crate::head::LabelHead;
use crate::state::{self, SavedState};
use crate::store::LabelScale;
use jaco_core::ActionStatistics;
use jaco_model::checkpoint::{self, Checkpoint};
use jaco_model::config::{OpenVlaConfig, UNIT_TOKENS};
use jaco_model::error::ModelError;
use jaco_model::image::ImageProcessor;
use jaco_model::openvla::OpenVla;
use jaco_model::prompt::PromptTokenizer;
use jaco_model::statistics::NormStats;
use std::fs;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor};

/// The model in training.
pub struct Network {
    /// Sizes and token ids; the horizon is that of the run.
    pub config: OpenVlaConfig,
    /// Makes prompts.
    pub tokenizer: PromptTokenizer,
    /// How pictures are normalised.
    pub images: ImageProcessor,
    /// Statistics of the checkpoint that is continued, if it has those of one dataset.
    pub norm_stats: Option<NormStats>,
    /// The training state that is continued: the whole run's, or the head's.
    pub saved: Option<SavedState>,
    variables: VarStore,
    model: OpenVla,
    head: Option<LabelHead>,
}

impl Network {
    /// The network that `start` asks for, without a head. With `Start::Resume` the weights have
    /// no values until [`Network::restore`].
    pub fn start(
        start: &Start,
        out: &Path,
        settings: &LbcConfig,
        device: Device,
    ) -> Result<Self, TrainError> {
        let (mut norm_stats, mut saved) = (None, None);
        let dir = match start {
            Start::Fresh { model_dir } => model_dir,
            Start::Checkpoint(dir) => dir,
            Start::Resume => out,
        };
        let mut config = checkpoint::read_config(dir)?;
        config.action_stream.horizon = settings.horizon;
        let (tokenizer, images) = checkpoint::read_processors(dir, &config)?;
        let (variables, model) = match start {
            Start::Fresh { .. } => OpenVla::init(&config, settings.seed, device)?,
            Start::Checkpoint(_) | Start::Resume => {
                let variables = VarStore::new(device);
                let model = OpenVla::new(&variables.root(), &config)?;
                (variables, model)
            }
        };
        if let Start::Checkpoint(_) = start {
            checkpoint::refuse_adapter_beside(dir)?;
            checkpoint::read_weights(dir, &config, &variables)?;
        }
        if !matches!(start, Start::Fresh { .. }) {
            norm_stats = checkpoint::read_statistics(dir, None, &config).ok();
            norm_stats = norm_stats.filter(|statistics| statistics.choose(None).is_ok());
        }
        if *start == Start::Resume || state::state_path(dir).exists() {
            saved = Some(state::read(dir)?);
        }
        let head = None;
        Ok(Self { config, tokenizer, images, norm_stats, saved, variables, model, head })
    }

    /// The statistics of the checkpoint that is continued.
    pub fn statistics(&self) -> Option<ActionStatistics> {
        self.norm_stats.as_ref().and_then(|statistics| statistics.choose(None).ok())
    }

    /// How the labels of the state that is continued are standardised.
    pub fn saved_label_scale(&self) -> Option<LabelScale> {
        self.saved.as_ref().map(|saved| saved.description.label_scale.clone())
    }

    /// Adds a head for the labels of `scale`: the saved one if it is for the same labels, else a
    /// fresh one.
    pub fn add_head(&mut self, scale: &LabelScale, seed: u64) -> Result<(), TrainError> {
        let width = self.config.text_config.hidden_size;
        let head = LabelHead::new(width, scale.names.len(), seed, self.variables.device())?;
        let saved = self.saved.as_ref();
        if let Some(saved) = saved.filter(|saved| saved.description.label_scale == *scale) {
            // The checkpoint's weights are the averages where there are any.
            let averaged = saved.description.config.ema_decay > 0.0;
            let prefix = if averaged { AVERAGE } else { WEIGHTS };
            for (name, tensor) in head.named_variables() {
                saved.restore(&format!("{prefix}head.{name}"), &tensor)?;
            }
        }
        self.head = Some(head);
        Ok(())
    }

    /// All parameters: the model's under `model.`, the head's under `head.`, ordered by name.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let model = self.variables.variables().into_iter();
        let mut parameters: Vec<_> =
            model.map(|(name, tensor)| (format!("model.{name}"), tensor)).collect();
        if let Some(head) = &self.head {
            let head = head.named_variables().into_iter();
            parameters.extend(head.map(|(name, tensor)| (format!("head.{name}"), tensor)));
        }
        parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
        parameters
    }

    /// Numbers in the model, the head not counted.
    pub fn model_size(&self) -> usize {
        self.variables.variables().values().map(Tensor::numel).sum()
    }

    /// Projected patches \[B, P, hidden\].
    pub fn features(&self, pixel_values: &Tensor) -> Result<Tensor, TchError> {
        self.model.vision_features(pixel_values)
    }

    /// The head's standardised labels \[B, A\]; none without a head.
    pub fn labels(&self, features: &Tensor) -> Result<Option<Tensor>, TchError> {
        self.head.as_ref().map(|head| head.forward(features)).transpose()
    }

    /// Logits \[R, V\] of the supervised rows of a batch alone.
    pub fn stream_logits(
        &self,
        features: &Tensor,
        stream: &StreamBatch,
    ) -> Result<Tensor, TchError> {
        supervised_logits(&self.model, features, stream)
    }

    /// Refuses streams that do not fit the model's positions.
    pub fn check_length(&self, longest_prompt: usize) -> Result<(), TrainError> {
        let streams = self.config.action_stream.horizon * UNIT_TOKENS;
        let needed = self.config.patches() as usize + longest_prompt + streams - 1;
        let available = self.config.text_config.max_position_embeddings;
        if needed > available {
            return Err(ModelError::TooLong { needed, available }.into());
        }
        Ok(())
    }

    /// Writes the checkpoint into `out`, replacing the one before file by file; every file is
    /// complete at any time.
    pub fn save(&self, out: &Path, statistics: &NormStats, kind: Kind) -> Result<(), TrainError> {
        let training = out.join("training");
        fs::create_dir_all(&training).map_err(TrainError::io(&training))?;
        let next = training.join("next");
        // What a killed run left behind.
        if next.exists() {
            fs::remove_dir_all(&next).map_err(TrainError::io(&next))?;
        }
        let (config, variables) = (&self.config, &self.variables);
        let checkpoint =
            Checkpoint::new(config, variables, &self.tokenizer, &self.images, statistics);
        Checkpoint { kind, ..checkpoint }.save(&next)?;
        Ok(checkpoint::move_over(&next, out)?)
    }
}

/// The head runs on the supervised rows alone: the others' logits are not needed, and over a large
/// vocabulary they would cost more than the rest.
fn supervised_logits(
    model: &OpenVla,
    features: &Tensor,
    stream: &StreamBatch,
) -> Result<Tensor, TchError> {
    let language_model = model.language_model();
    let hidden = language_model.forward(&model.embed(features, &stream.input_ids)?, None)?;
    language_model.logits(&hidden.f_flatten(0, 1)?.f_index_select(0, &stream.rows)?)
}

/// Prefix of the weights in a training state.
pub const WEIGHTS: &str = "weights.";
/// Prefix of the moving averages in a training state.
pub const AVERAGE: &str = "average.";
/// Prefix of the optimiser's moments in a training state.
pub const MOMENTS: &str = "moments.";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::loss::{Targets, target_row, target_table, token_loss};
    use jaco_model::tokens::ActionVocab;
    use std::collections::HashMap;

    fn fixture(name: &str) -> HashMap<String, Tensor> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tiny-openvla");
        Tensor::read_safetensors(folder.join(name)).unwrap().into_iter().collect()
    }

    /// The reference's padded batch: two units with separators, and seven actions with an end of
    /// sequence; the loss is the mean over all supervised tokens of both.
    fn reference_stream(config: &OpenVlaConfig, inputs: &HashMap<String, Tensor>) -> StreamBatch {
        let vocab = ActionVocab::new(config);
        let labels = Vec::<Vec<i64>>::try_from(&inputs["batch_labels"]).unwrap();
        let (mut actions, mut others) = (Vec::new(), Vec::new());
        for (example, labels) in labels.iter().enumerate() {
            let length = config.patches() as usize + labels.len();
            for (token, &label) in labels.iter().enumerate().filter(|(_, label)| **label >= 0) {
                let row = (example * length + config.patches() as usize + token - 1) as i64;
                if label >= vocab.first() && label <= vocab.last() {
                    let bin = (vocab.last() + 1 - label) as u16;
                    actions.push((row, target_row(bin, true)));
                } else {
                    others.push((row, label));
                }
            }
        }
        let rows: Vec<i64> = actions.iter().chain(&others).map(|(row, _)| *row).collect();
        let second = |pairs: &[(i64, i64)]| {
            Tensor::from_slice(&pairs.iter().map(|(_, value)| *value).collect::<Vec<_>>())
        };
        StreamBatch {
            input_ids: inputs["batch_input_ids"].shallow_clone(),
            rows: Tensor::from_slice(&rows),
            targets: Targets { table_rows: second(&actions), tokens: second(&others) },
            places: Vec::new(),
        }
    }

    #[test]
    fn loss_and_gradients_agree_with_the_reference() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tiny-openvla");
        let config = OpenVlaConfig::read(&folder.join("config.json")).unwrap();
        let variables = VarStore::new(Device::Cpu);
        let model = OpenVla::new(&variables.root(), &config).unwrap();
        checkpoint::read_weights(&folder, &config, &variables).unwrap();
        let (inputs, expected) = (fixture("inputs.safetensors"), fixture("expected.safetensors"));
        let stream = reference_stream(&config, &inputs);
        let features = model.vision_features(&inputs["batch_pixel_values"]).unwrap();
        let logits = supervised_logits(&model, &features, &stream).unwrap();
        let table = target_table(0.0, Device::Cpu).unwrap();
        let first = ActionVocab::new(&config).first();
        let loss = token_loss(&logits, &stream.targets, &table, first).unwrap();
        let wanted = expected["batch_loss"].double_value(&[0]);
        assert!((loss.double_value(&[]) - wanted).abs() < 1e-4, "{loss:?} {wanted}");
        loss.backward();
        let ours = variables.variables();
        for (name, wanted) in fixture("expected_grads.safetensors") {
            let difference = (ours[&name].grad() - &wanted).abs().max().double_value(&[]);
            let size = wanted.abs().max().double_value(&[]);
            assert!(difference < 1e-3 * size, "{name}: {difference} of {size}");
        }
    }
}
