//! Policies: frames and instructions in, action units out.
//!
//! Owns the one trait by which all ask a policy (the daemon for runs, the laboratory for evaluation and
//! for states to train on), and the policy that is a checkpoint on this machine: image processor, tokenizer, model and statistics joined.
//! What comes in is checked here, once. Must never read a clock of its own.

use crate::checkpoint::{self, Adapter, Checkpoint};
use crate::config::OpenVlaConfig;
use crate::decode::{DecodeRequest, Decoded, Stopwatch, Timings, decode, decode_timed};
use crate::error::ModelError;
use crate::image::{ImageProcessor, LiberoView};
use crate::openvla::OpenVla;
use crate::prompt::PromptTokenizer;
use crate::statistics::NormStats;
use jaco_core::codec::bin_centre;
use jaco_core::{ActionStatistics, Frame};
use std::borrow::Cow;
use std::fmt::Debug;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// What can be asked for action streams.
pub trait Policy: Debug + Send {
    /// Most units that it was trained to emit from one picture.
    fn horizon(&self) -> usize;

    /// Statistics that decode its units.
    fn statistics(&self) -> ActionStatistics;

    /// Side of the square picture that it sees in the end \[pixels\].
    fn image_size(&self) -> u32;

    /// Answers each item, all in one pass. The prompts must have equal lengths in tokens; forced
    /// units are the same for all.
    fn decode_batch(
        &self,
        items: &[(&Frame, &str)],
        request: &DecodeRequest,
    ) -> Result<Vec<Decoded>, ModelError>;

    /// Answers what `frame` shows and `instruction` asks.
    fn decode(
        &self,
        frame: &Frame,
        instruction: &str,
        request: &DecodeRequest,
    ) -> Result<Decoded, ModelError> {
        let mut decoded = self.decode_batch(&[(frame, instruction)], request)?;
        Ok(decoded.pop().expect("one answer comes back for one frame"))
    }
}

/// How a checkpoint is loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions<'a> {
    /// Where the model runs.
    pub device: Device,
    /// Element type that it computes in; absent = float32 on a CPU, bfloat16 elsewhere.
    pub kind: Option<Kind>,
    /// Dataset whose statistics decode the actions; absent = the only one.
    pub statistics: Option<&'a str>,
    /// What is done to frames before the image processor sees them.
    pub view: Option<LiberoView>,
    /// Folder of an adapter in PEFT's layout.
    pub adapter: Option<&'a Path>,
    /// Whether the adapter is added into the weights, which costs nothing at each token, instead
    /// of acting beside them, where it can be exchanged.
    pub merge_adapter: bool,
}

impl LoadOptions<'_> {
    /// The checkpoint as it is, on `device`.
    pub fn plain(device: Device) -> Self {
        Self {
            device,
            kind: None,
            statistics: None,
            view: None,
            adapter: None,
            merge_adapter: false,
        }
    }
}

/// A checkpoint in memory, ready to be asked.
#[derive(Debug)]
pub struct OpenVlaPolicy {
    config: OpenVlaConfig,
    variables: VarStore,
    model: OpenVla,
    tokenizer: PromptTokenizer,
    images: ImageProcessor,
    view: Option<LiberoView>,
    norm_stats: NormStats,
    statistics: ActionStatistics,
}

impl OpenVlaPolicy {
    /// Loads the checkpoint in `dir`, which must have the statistics of one dataset only.
    pub fn load(dir: &Path, device: Device) -> Result<Self, ModelError> {
        Self::load_with(dir, &LoadOptions::plain(device))
    }

    /// Loads the checkpoint in `dir`.
    pub fn load_with(dir: &Path, options: &LoadOptions) -> Result<Self, ModelError> {
        let config = checkpoint::read_config_with(dir, options.adapter)?;
        let norm_stats = checkpoint::read_statistics(dir, options.adapter, &config)?;
        let statistics = norm_stats.choose(options.statistics)?;
        let (tokenizer, images) = checkpoint::read_processors(dir, &config)?;
        let kind = options.kind.unwrap_or(match options.device {
            Device::Cpu => Kind::Float,
            _ => Kind::BFloat16,
        });
        let adapter = options.adapter.map(|folder| (folder, options.merge_adapter));
        let (variables, model) = load_model(dir, &config, options.device, kind, adapter)?;
        let view = options.view;
        Ok(Self { config, variables, model, tokenizer, images, view, norm_stats, statistics })
    }

    /// Reads an adapter for this checkpoint.
    pub fn read_adapter(&self, dir: &Path) -> Result<Adapter, ModelError> {
        Adapter::read(dir, &self.config, &self.variables)
    }

    /// Lets `adapter` act from now on, in place of any before; none = the checkpoint as it is.
    pub fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), ModelError> {
        Ok(self.model.set_adapter(adapter)?)
    }

    /// Writes the checkpoint to the new folder `dir`, weights stored as `kind`. An adapter that acts
    /// beside the weights is not part of it.
    pub fn save(&self, dir: &Path, kind: Kind) -> Result<(), ModelError> {
        let (config, variables) = (&self.config, &self.variables);
        let checkpoint =
            Checkpoint::new(config, variables, &self.tokenizer, &self.images, &self.norm_stats);
        Checkpoint { kind, ..checkpoint }.save(dir)
    }

    /// Sizes and token ids.
    pub fn config(&self) -> &OpenVlaConfig {
        &self.config
    }

    /// The module tree.
    pub fn model(&self) -> &OpenVla {
        &self.model
    }

    /// The tokenizer of the prompt.
    pub fn tokenizer(&self) -> &PromptTokenizer {
        &self.tokenizer
    }

    /// The image processor.
    pub fn images(&self) -> &ImageProcessor {
        &self.images
    }

    /// What the image processor is given of `frame`.
    fn seen<'a>(&self, frame: &'a Frame) -> Result<Cow<'a, Frame>, ModelError> {
        match self.view {
            Some(view) => Ok(Cow::Owned(view.apply(frame, self.config.image_size() as usize)?)),
            None => Ok(Cow::Borrowed(frame)),
        }
    }

    /// Decodes once for nobody: the first pass through libtorch allocates and picks kernels.
    pub fn warm_up(&self, request: &DecodeRequest) -> Result<(), ModelError> {
        let size = self.config.image_size();
        let options = (self.variables.kind(), self.variables.device());
        let picture = Tensor::f_zeros([1, 6, size, size], options)?;
        let prompt = vec![self.config.text_config.bos_token_id; 16];
        decode(&self.model, &self.config, &picture, &[prompt], request).map(drop)
    }
}

/// The frozen model of `config` with the weights in `dir`, in `kind` on `device`; and with an
/// adapter's folder, whether it is added into the weights instead of acting beside them.
pub fn load_model(
    dir: &Path,
    config: &OpenVlaConfig,
    device: Device,
    kind: Kind,
    adapter: Option<(&Path, bool)>,
) -> Result<(VarStore, OpenVla), ModelError> {
    if adapter.is_none() {
        checkpoint::refuse_adapter_beside(dir)?;
    }
    let (variables, mut model) = OpenVla::build_frozen(config, device, kind)?;
    checkpoint::read_weights(dir, config, &variables)?;
    if let Some((folder, merge)) = adapter {
        let adapter = Adapter::read(folder, config, &variables)?;
        if merge {
            adapter.merge_into(&variables)?;
        } else {
            model.set_adapter(Some(&adapter))?;
        }
    }
    Ok((variables, model))
}

impl Policy for OpenVlaPolicy {
    fn horizon(&self) -> usize {
        self.config.action_stream.horizon
    }

    fn statistics(&self) -> ActionStatistics {
        self.statistics
    }

    fn image_size(&self) -> u32 {
        self.config.image_size() as u32
    }

    fn decode_batch(
        &self,
        items: &[(&Frame, &str)],
        request: &DecodeRequest,
    ) -> Result<Vec<Decoded>, ModelError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let mut stopwatch = Stopwatch::start(request.clock);
        let prompts = items
            .iter()
            .map(|(_, instruction)| self.tokenizer.encode(instruction))
            .collect::<Result<Vec<_>, _>>()?;
        let frames =
            items.iter().map(|(frame, _)| self.seen(frame)).collect::<Result<Vec<_>, _>>()?;
        let frames: Vec<&Frame> = frames.iter().map(AsRef::as_ref).collect();
        let pixel_values = self
            .images
            .pixel_values(&frames, self.variables.device())?
            .f_to_kind(self.variables.kind())?;
        let timings = Timings { image_ns: stopwatch.lap(&pixel_values)?, ..Timings::default() };
        let (model, config) = (&self.model, &self.config);
        let mut answers =
            decode_timed(model, config, &pixel_values, &prompts, request, stopwatch, timings)?;
        answers.iter_mut().for_each(|answer| keep_unscaled(answer, &self.statistics));
        Ok(answers)
    }
}

/// A dimension that is not normalised, such as an opening that is either 0 or 1, has no mean.
fn keep_unscaled(answer: &mut Decoded, statistics: &ActionStatistics) {
    for stream in &mut answer.streams {
        for (values, unit) in stream.values.iter_mut().flatten().zip(&stream.units) {
            for (i, value) in values.iter_mut().enumerate() {
                if !statistics.mask[i] {
                    *value = bin_centre(unit.0[i]) as f32;
                }
            }
        }
    }
}
