//! Checkpoint folders in Hugging Face's layout: config.json, safetensors, tokenizer.json,
//! preprocessor_config.json, dataset_statistics.json; and LoRA adapters in PEFT's.
//!
//! Owns reading weights into a model's variables, with one error that names every tensor that
//! does not fit, writing folders that are there whole or not at all, adapters, invented
//! checkpoints of any size, and telling what a folder holds. Must never run a model.

pub mod adapter;
mod compare;
mod file;
mod folder;
pub mod inspect;
mod locate;
mod mistaken;
mod random;
mod read;
mod save;
mod shapes;
mod shards;
pub mod synth;

pub use folder::{link_over, link_whole};

pub use crate::names::{
    CONFIG_FILE, GENERATION_FILE, INDEX_FILE, PROCESSOR_FILE, STATISTICS_FILE,
    TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, WEIGHTS_FILE,
};
pub use adapter::{Adapter, AdapterConfig, LoraPair};
pub use inspect::{Inspection, inspect};
pub use mistaken::{read_config, refuse_adapter_beside};
pub use read::read_weights;
pub use save::{Checkpoint, PUBLISHED_SHARD_BYTES};
pub use shapes::{Shapes, dead_tensors, wanted_tensors};
pub use shards::split_into_shards;

use crate::config::{ActionStreamConfig, OpenVlaConfig};
use crate::error::ModelError;
use crate::image::ImageProcessor;
use crate::json::keys::JOINT_PROCESSOR;
use crate::json::{self, Object};
use crate::names::JOINT_PROCESSOR_FILE;
use crate::prompt::PromptTokenizer;
use crate::statistics::NormStats;
use std::fs;
use std::path::Path;

/// Bytes of all files of weights in `dir`.
pub fn weight_file_bytes(dir: &Path) -> Result<u64, ModelError> {
    let io = |source| ModelError::Io { path: dir.to_owned(), source };
    let mut bytes = 0;
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.path().extension().is_some_and(|extension| extension == "safetensors") {
            bytes += entry.metadata().map_err(io)?.len();
        }
    }
    Ok(bytes)
}

/// What stands before the model in the checkpoint in `dir`, whose config.json is `config`.
pub fn read_processors(
    dir: &Path,
    config: &OpenVlaConfig,
) -> Result<(PromptTokenizer, ImageProcessor), ModelError> {
    Ok((PromptTokenizer::read(&dir.join(TOKENIZER_FILE), config)?, read_images(dir, config)?))
}

/// The image processor of the checkpoint in `dir`, whose config.json is `config`.
fn read_images(dir: &Path, config: &OpenVlaConfig) -> Result<ImageProcessor, ModelError> {
    let (side, strategy) = (config.image_size() as usize, config.image_resize_strategy);
    let (own, joint) = (dir.join(PROCESSOR_FILE), dir.join(JOINT_PROCESSOR_FILE));
    if !json::is_there(&joint) {
        return ImageProcessor::read(&own, side, strategy);
    }
    // transformers 5 keeps it in the file of all processors.
    let value = json::read(&joint)?;
    let file = Object::root(&joint, &value)?;
    file.check(&JOINT_PROCESSOR)?;
    let Some(nested) = file.object("image_processor")? else {
        return ImageProcessor::read(&own, side, strategy);
    };
    let processor = ImageProcessor::of(&nested, side, strategy)?;
    if json::is_there(&own) && ImageProcessor::read(&own, side, strategy)? != processor {
        let wanted =
            format!("{} says otherwise; remove the one that is out of date", own.display());
        return Err(file.refuse("image_processor", wanted));
    }
    Ok(processor)
}

/// [`read_config`] of the checkpoint in `dir` with the `adapter` on it: an adapter that says which
/// streams it was trained to emit goes first.
pub fn read_config_with(dir: &Path, adapter: Option<&Path>) -> Result<OpenVlaConfig, ModelError> {
    let mut config = read_config(dir)?;
    let path = adapter.map(|folder| folder.join(adapter::ADAPTER_STREAM_FILE));
    if let Some(path) = path.filter(|path| json::is_there(path)) {
        config.action_stream = ActionStreamConfig::read(&path)?;
        config.check()?;
    }
    Ok(config)
}

/// The statistics of the checkpoint in `dir`, whose config.json is `config`; those beside the
/// `adapter`, if there are any, go first.
pub fn read_statistics(
    dir: &Path,
    adapter: Option<&Path>,
    config: &OpenVlaConfig,
) -> Result<NormStats, ModelError> {
    let beside = adapter.map(|folder| folder.join(STATISTICS_FILE));
    let path =
        beside.filter(|path| json::is_there(path)).unwrap_or_else(|| dir.join(STATISTICS_FILE));
    let statistics = match json::is_there(&path) {
        true => NormStats::read(&path)?,
        false => config.norm_stats.clone(),
    };
    if statistics.is_empty() {
        return Err(ModelError::NoStatistics { dir: dir.to_owned() });
    }
    Ok(statistics)
}
