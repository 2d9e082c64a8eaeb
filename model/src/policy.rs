//! A loaded checkpoint: frames and instructions in, action units out.
//!
//! Owns what belongs to one checkpoint and joins image processor, tokenizer and decoding. Must
//! never read a clock of its own.

use crate::checkpoint::{self, Checkpoint};
use crate::config::OpenVlaConfig;
use crate::decode::{DecodeRequest, Decoded, Stopwatch, Timings, decode};
use crate::error::ModelError;
use crate::image::ImageProcessor;
use crate::openvla::OpenVla;
use crate::prompt::PromptTokenizer;
use crate::statistics::NormStats;
use jaco_core::{ActionStatistics, Frame};
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind};

/// How a checkpoint is loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadOptions<'a> {
    /// Where the model runs.
    pub device: Device,
    /// Element type that it computes in; absent = float32 on a CPU, bfloat16 elsewhere.
    pub kind: Option<Kind>,
    /// Dataset whose statistics decode the actions; absent = the only one.
    pub statistics: Option<&'a str>,
}

/// A policy ready to be asked.
#[derive(Debug)]
pub struct Policy {
    config: OpenVlaConfig,
    variables: VarStore,
    model: OpenVla,
    tokenizer: PromptTokenizer,
    images: ImageProcessor,
    norm_stats: NormStats,
    statistics: ActionStatistics,
}

impl Policy {
    /// Loads the checkpoint in `dir`, which must have the statistics of one dataset only.
    pub fn load(dir: &Path, device: Device) -> Result<Self, ModelError> {
        Self::load_with(dir, &LoadOptions { device, kind: None, statistics: None })
    }

    /// Loads the checkpoint in `dir`.
    pub fn load_with(dir: &Path, options: &LoadOptions) -> Result<Self, ModelError> {
        let config = OpenVlaConfig::read(&dir.join(checkpoint::CONFIG_FILE))?;
        let norm_stats = checkpoint::read_statistics(dir, &config)?;
        let statistics = norm_stats.choose(options.statistics)?;
        let tokenizer = PromptTokenizer::read(&dir.join(checkpoint::TOKENIZER_FILE), &config)?;
        let processor = dir.join(checkpoint::PROCESSOR_FILE);
        let images = ImageProcessor::read(&processor, config.image_size() as usize)?;
        let mut variables = VarStore::new(options.device);
        variables.set_kind(options.kind.unwrap_or(match options.device {
            Device::Cpu => Kind::Float,
            _ => Kind::BFloat16,
        }));
        let model = OpenVla::new(&variables.root(), &config)?;
        checkpoint::read_weights(dir, &config, &variables)?;
        variables.freeze();
        Ok(Self { config, variables, model, tokenizer, images, norm_stats, statistics })
    }

    /// Writes the checkpoint to the new folder `dir`, weights stored as `kind`.
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

    /// Statistics that decode this policy's units.
    pub fn statistics(&self) -> ActionStatistics {
        self.statistics
    }

    /// Most units that the policy was trained to emit from one picture.
    pub fn horizon(&self) -> usize {
        self.config.action_stream.horizon
    }

    /// Decodes one stream for what `frame` shows and `instruction` asks.
    pub fn decode(
        &self,
        frame: &Frame,
        instruction: &str,
        request: &DecodeRequest,
    ) -> Result<Decoded, ModelError> {
        let mut decoded = self.decode_batch(&[(frame, instruction)], request)?;
        Ok(decoded.pop().expect("one stream comes back for one frame"))
    }

    /// Decodes a stream for each item in one pass. The prompts must have equal lengths in
    /// tokens; forced units are the same for all.
    pub fn decode_batch(
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
        let frames: Vec<&Frame> = items.iter().map(|(frame, _)| *frame).collect();
        let pixel_values = self
            .images
            .pixel_values(&frames, self.variables.device())?
            .f_to_kind(self.variables.kind())?;
        let timings = Timings { image_ns: stopwatch.lap(&pixel_values)?, ..Timings::default() };
        decode(&self.model, &self.config, &pixel_values, &prompts, request, stopwatch, timings)
    }
}
