//! What is trained: the model or a part of it, the label head beside it, and the files that belong to
//! a checkpoint.
//!
//! Owns where weights come from at the start of a run, which of them are trained, and how the
//! checkpoint or adapter is written. Must never compute a loss.

use crate::batch::StreamBatch;
use crate::choices::Trainable;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::head::LabelHead;
use crate::lora;
use crate::output::Footprint;
use crate::request::{Start, TrainRequest};
use crate::state::{self, Base, SavedState};
use crate::store::LabelScale;
use jaco_core::ActionStatistics;
use jaco_model::checkpoint::{self, Adapter, Checkpoint};
use jaco_model::config::{OpenVlaConfig, UNIT_TOKENS};
use jaco_model::error::ModelError;
use jaco_model::image::ImageProcessor;
use jaco_model::openvla::OpenVla;
use jaco_model::products::ProductsIn;
use jaco_model::prompt::PromptTokenizer;
use jaco_model::statistics::NormStats;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor};

/// What stands still when the decoder alone is trained.
const VISION: [&str; 2] = ["vision_backbone.", "projector."];

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
    /// The frozen checkpoint below adapters.
    pub base: Option<Base>,
    variables: VarStore,
    model: OpenVla,
    adapter: Option<Adapter>,
    head: Option<LabelHead>,
    trainable: Trainable,
    compute: Kind,
    products: Option<Kind>,
}

impl Network {
    /// The network that `request` asks for, without a head. With `Start::Resume` what is trained
    /// has no values until they are restored.
    pub fn start(
        request: &TrainRequest,
        settings: &TrainConfig,
        device: Device,
    ) -> Result<Self, TrainError> {
        let TrainRequest { start, out, .. } = request;
        let trainable = settings.trainable;
        let is_lora = trainable == Trainable::Lora;
        let saved = match start {
            Start::Resume => Some(state::read(out)?),
            Start::Checkpoint(dir) if state::state_path(dir).exists() => Some(state::read(dir)?),
            _ => None,
        };
        let resumed = saved.as_ref().filter(|_| *start == Start::Resume);
        let held = resumed.and_then(|saved| saved.description.base.clone());
        if resumed.is_some() && held.is_some() != is_lora {
            let path = state::state_path(out);
            let before = if held.is_some() { "adapters were" } else { "no adapters were" };
            let difference = format!("{before} trained, now trainable = \"{trainable}\"");
            return Err(TrainError::ResumeMismatch { path, difference });
        }
        let dir = match (start, &held) {
            (Start::Resume, Some(base)) => &base.dir,
            (Start::Resume, None) => out,
            (Start::Fresh { .. }, _) if trainable != Trainable::All => {
                return Err(TrainError::NothingBelow(trainable));
            }
            (Start::Fresh { model_dir }, _) => model_dir,
            (Start::Checkpoint(dir), _) => dir,
        };
        let mut config = checkpoint::read_config(dir)?;
        config.action_stream.horizon = settings.horizon;
        let (tokenizer, images) = checkpoint::read_processors(dir, &config)?;
        let (variables, mut model) = match start {
            Start::Fresh { .. } => OpenVla::init(&config, settings.seed, device)?,
            _ if is_lora => OpenVla::build_frozen(&config, device, settings.base_dtype.kind())?,
            _ => OpenVla::build(&config, device, Kind::Float)?,
        };
        if matches!(start, Start::Checkpoint(_)) || is_lora {
            checkpoint::refuse_adapter_beside(dir)?;
            checkpoint::read_weights(dir, &config, &variables)?;
        }
        let (mut adapter, mut base) = (None, None);
        if is_lora {
            base = Some(lora::base(dir, held.as_ref(), &variables)?);
            adapter = Some(lora::start(request, settings, &config, &variables)?);
            model.set_adapter(adapter.as_ref())?;
        } else if let Some(adapter) = &request.adapter {
            return Err(TrainError::AdapterNotTrained { dir: adapter.clone(), trainable });
        }
        let beside = match start {
            Start::Resume if is_lora => Some(out.as_path()),
            _ => request.adapter.as_deref(),
        };
        let mut norm_stats = None;
        if !matches!(start, Start::Fresh { .. }) {
            norm_stats = checkpoint::read_statistics(dir, beside, &config).ok();
            norm_stats = norm_stats.filter(|statistics| statistics.choose(None).is_ok());
        }
        // What is no product takes longer in a short element type on a CPU.
        let (compute, products) = match (settings.compute_dtype.kind(), device) {
            (Kind::Float, _) => (Kind::Float, None),
            (kind, Device::Cpu) => (Kind::Float, Some(kind)),
            (kind, _) => (kind, None),
        };
        let head = None;
        let network = Self {
            config,
            tokenizer,
            images,
            norm_stats,
            saved,
            base,
            variables,
            model,
            adapter,
            head,
            trainable,
            compute,
            products,
        };
        for (_, still) in network.still() {
            let _ = still.f_set_requires_grad(false)?;
        }
        Ok(network)
    }

    /// The model's variables that are not trained.
    fn still(&self) -> impl Iterator<Item = (String, Tensor)> {
        let trainable = self.trainable;
        self.variables.variables().into_iter().filter(move |(name, _)| match trainable {
            Trainable::All => false,
            Trainable::Decoder => VISION.iter().any(|part| name.starts_with(part)),
            Trainable::Lora => true,
        })
    }

    /// Whether what the vision towers and the projector answer never changes.
    pub fn vision_stands_still(&self) -> bool {
        match &self.adapter {
            None => self.trainable == Trainable::Decoder,
            Some(adapter) => {
                let is_vision = |module: &String| VISION.iter().any(|it| module.starts_with(it));
                !adapter.modules.keys().any(is_vision)
            }
        }
    }

    /// The model, an adapter that is trained acting on it.
    pub fn model(&self) -> &OpenVla {
        &self.model
    }

    /// The adapter that is trained, if one is.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// The element type that the model computes in.
    pub fn compute_kind(&self) -> Kind {
        self.compute
    }

    /// While it lives, this thread's large products are computed as was asked for.
    pub fn products(&self) -> ProductsIn {
        ProductsIn::new(self.products)
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
        // A state without a head comes from a run that trained none.
        let saved = self.saved.as_ref().filter(|saved| saved.has_head());
        if let Some(saved) = saved.filter(|saved| saved.description.label_scale == *scale) {
            // The checkpoint's weights are the averages where there are any.
            let prefix = if saved.description.is_averaged() { AVERAGE } else { WEIGHTS };
            for (name, tensor) in head.named_variables() {
                saved.restore(&format!("{prefix}head.{name}"), &tensor)?;
            }
        }
        self.head = Some(head);
        Ok(())
    }

    /// All that is trained, ordered by name: the model's variables under `model.`, adapters under
    /// `adapter.`, the head's under `head.`.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        let mut parameters = self.state_tensors();
        let still: Vec<String> = self.still().map(|(name, _)| format!("{MODEL}{name}")).collect();
        parameters.retain(|(name, _)| !still.contains(name));
        parameters
    }

    /// What a training state has to hold to go on from, ordered by name: all that is trained,
    /// and without adapters the rest of the model too, whose checkpoint may be rounded.
    pub fn state_tensors(&self) -> Vec<(String, Tensor)> {
        let mut tensors = Vec::new();
        match &self.adapter {
            Some(adapter) => tensors.extend(lora::tensors(adapter)),
            None => {
                let model = self.variables.variables().into_iter();
                tensors.extend(model.map(|(name, tensor)| (format!("{MODEL}{name}"), tensor)));
            }
        }
        if let Some(head) = &self.head {
            let head = head.named_variables().into_iter();
            tensors.extend(head.map(|(name, tensor)| (format!("head.{name}"), tensor)));
        }
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        tensors
    }

    /// Numbers in the model, the head not counted.
    pub fn model_size(&self) -> usize {
        self.variables.variables().values().map(Tensor::numel).sum()
    }

    /// Numbers that are trained.
    pub fn trained_size(&self) -> usize {
        self.parameters().iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// What is written when it is saved, but for what the stage keeps of its own.
    pub fn footprint(&self, settings: &TrainConfig) -> Footprint {
        let numbers = |tensors: &[(String, Tensor)]| -> u64 {
            tensors.iter().map(|(_, tensor)| tensor.numel() as u64).sum()
        };
        let (trained, held) = (numbers(&self.parameters()), numbers(&self.state_tensors()));
        let saved = match &self.adapter {
            Some(adapter) => trained + lora::head_numbers(adapter, &self.config),
            None => self.model_size() as u64,
        };
        let number_bytes = if settings.save_bf16 { 2 } else { 4 };
        // Two moments of the gradient, and the moving average.
        let beside = if settings.ema_decay > 0.0 { 3 } else { 2 };
        Footprint { checkpoint: number_bytes * saved, state: 4 * (held + beside * trained) }
    }

    /// Projected patches \[B, P, hidden\], in the element type that the model computes in.
    pub fn features(&self, pixel_values: &Tensor) -> Result<Tensor, TchError> {
        self.model.vision_features(&pixel_values.f_to_kind(self.compute)?)
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
        supervised_logits(self.model(), features, stream)
    }

    /// Refuses streams that do not fit the model's positions, or the `context` that was asked for
    /// (0 = none was).
    pub fn check_length(&self, longest_prompt: usize, context: usize) -> Result<(), TrainError> {
        let streams = self.config.action_stream.horizon * UNIT_TOKENS;
        let needed = self.config.patches() as usize + longest_prompt + streams - 1;
        let available = self.config.text_config.max_position_embeddings;
        if needed > available {
            return Err(ModelError::TooLong { needed, available }.into());
        }
        if context > 0 && needed > context {
            return Err(TrainError::Context { needed, context });
        }
        Ok(())
    }

    /// Writes the checkpoint or adapter into the new folder `dir`, whole or not at all.
    pub fn save(&self, dir: &Path, statistics: &NormStats, kind: Kind) -> Result<(), TrainError> {
        let (config, variables) = (&self.config, &self.variables);
        match (&self.adapter, &self.base) {
            (Some(adapter), Some(base)) => {
                lora::save(adapter, base, variables, config, statistics, kind, dir)?;
            }
            _ => {
                let checkpoint =
                    Checkpoint::new(config, variables, &self.tokenizer, &self.images, statistics);
                Checkpoint { kind, ..checkpoint }.save(dir)?;
            }
        }
        Ok(())
    }
}

/// Head and last layer run on the supervised rows alone: the others' logits are not needed, and over
/// a large vocabulary they would cost more than the rest.
fn supervised_logits(
    model: &OpenVla,
    features: &Tensor,
    stream: &StreamBatch,
) -> Result<Tensor, TchError> {
    let language_model = model.language_model();
    let embeddings = model.embed(features, &stream.input_ids)?;
    language_model.logits(&language_model.forward_rows(&embeddings, &stream.rows)?)
}

/// Prefix of the model's variables among what is trained.
pub const MODEL: &str = "model.";
/// Prefix of the weights in a training state.
pub const WEIGHTS: &str = "weights.";
/// Prefix of the moving averages in a training state.
pub const AVERAGE: &str = "average.";
/// Prefix of what the objective keeps in a training state.
pub const OBJECTIVE: &str = "objective.";
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
            separator_units: Vec::new(),
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
