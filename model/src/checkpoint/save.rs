//! Writing a whole checkpoint folder.
//!
//! Owns what belongs into it. The model's variables are stored and no others. Must never replace
//! an existing folder.

use super::locate::Weights;
use super::shapes::Shapes;
use super::shards::{stored_as, write_weights};
use super::{CONFIG_FILE, PROCESSOR_FILE, STATISTICS_FILE, TOKENIZER_FILE, folder};
use crate::config::OpenVlaConfig;
use crate::error::ModelError;
use crate::image::ImageProcessor;
use crate::prompt::PromptTokenizer;
use crate::statistics::NormStats;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// Largest shard of the published checkpoints \[bytes\].
pub const PUBLISHED_SHARD_BYTES: u64 = 7_000_000_000;

/// The parts of a model; variables under other names are not the model's.
const PARTS: [&str; 3] = ["vision_backbone.", "projector.", "language_model."];

/// Everything that a checkpoint folder is written from.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    /// Sizes and token ids.
    pub config: &'a OpenVlaConfig,
    /// The model's variables; others, such as a head used only in training, are left out.
    pub variables: &'a VarStore,
    /// Element type to store: `Float`, `BFloat16` or `Half`.
    pub kind: Kind,
    /// The tokenizer of the prompt.
    pub tokenizer: &'a PromptTokenizer,
    /// The image processor.
    pub images: &'a ImageProcessor,
    /// Statistics of the training actions.
    pub statistics: &'a NormStats,
    /// Size from which the weights are divided into several files \[bytes\].
    pub max_shard_bytes: u64,
    /// The checkpoint that this one was made of: what it has and no model reads (dead tensors, the
    /// image processor's other keys) is taken over, so that others can load the result.
    pub base: Option<&'a Path>,
}

impl<'a> Checkpoint<'a> {
    /// A checkpoint in the variables' own element type and in shards of the published size.
    pub fn new(
        config: &'a OpenVlaConfig,
        variables: &'a VarStore,
        tokenizer: &'a PromptTokenizer,
        images: &'a ImageProcessor,
        statistics: &'a NormStats,
    ) -> Self {
        let (kind, max_shard_bytes) = (variables.kind(), PUBLISHED_SHARD_BYTES);
        Self { config, variables, kind, tokenizer, images, statistics, max_shard_bytes, base: None }
    }

    /// Writes the folder `dir`, which must not exist. All files are on disk before the folder
    /// appears under its name; after an error or a power cut it is not there.
    pub fn save(&self, dir: &Path) -> Result<(), ModelError> {
        let mut variables: BTreeMap<String, Tensor> =
            self.variables.variables().into_iter().collect();
        variables.retain(|name, _| PARTS.iter().any(|part| name.starts_with(part)));
        let mut shapes: Shapes =
            variables.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
        let base = self.base.map(Weights::open).transpose()?;
        let dead = base.iter().flat_map(|weights| weights.dead(self.config));
        let dead: BTreeMap<&str, _> =
            dead.map(|(file, it)| (it.name.as_str(), (file, it))).collect();
        shapes.extend(dead.iter().map(|(name, (_, it))| ((*name).to_owned(), it.shape.clone())));
        let tokenizer = self.tokenizer.to_json()?;
        let small = SmallFiles {
            config: self.config,
            kind: self.kind,
            tokenizer: &tokenizer,
            images: self.images,
            processor: self.base.map(|dir| dir.join(PROCESSOR_FILE)).filter(|path| path.exists()),
            statistics: self.statistics,
        };
        folder::write_whole(dir, |dir| {
            small.write(dir)?;
            write_weights(dir, &shapes, self.kind, self.max_shard_bytes, &mut |name, sink| {
                match dead.get(name) {
                    Some((file, it)) => sink.put(&file.load(it, Device::Cpu)?),
                    None => sink.put(&variables[name]),
                }
            })
        })
    }
}

/// What a checkpoint holds beside the weights.
pub(super) struct SmallFiles<'a> {
    pub config: &'a OpenVlaConfig,
    pub kind: Kind,
    /// Text of tokenizer.json.
    pub tokenizer: &'a str,
    pub images: &'a ImageProcessor,
    /// A preprocessor_config.json to take over instead of writing one.
    pub processor: Option<PathBuf>,
    pub statistics: &'a NormStats,
}

impl SmallFiles<'_> {
    pub fn write(&self, dir: &Path) -> Result<(), ModelError> {
        let (_, torch_name) = stored_as(self.kind)?;
        let mut config = self.config.clone();
        config.norm_stats = self.statistics.clone();
        config.rest.insert("torch_dtype".into(), Value::String(torch_name.into()));
        folder::write_json(&dir.join(CONFIG_FILE), &config)?;
        folder::write_json(&dir.join(STATISTICS_FILE), self.statistics)?;
        let processor = dir.join(PROCESSOR_FILE);
        match &self.processor {
            Some(base) => {
                folder::write(&processor, &std::fs::read(base).map_err(ModelError::io(base))?)?;
            }
            None => folder::write_json(&processor, &self.images.file())?,
        }
        folder::write(&dir.join(TOKENIZER_FILE), self.tokenizer.as_bytes())
    }
}
