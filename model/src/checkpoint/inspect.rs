//! Telling what a checkpoint or adapter folder holds.
//!
//! Owns the report and its wording. Reads headers and small files alone, never a tensor's values;
//! a folder whose names or shapes do not fit its config.json is an error, as when it is loaded.

use super::adapter::{ADAPTER_CONFIG_FILE, Survey};
use super::locate::Weights;
use super::shapes::{is_dead, wanted_tensors};
use super::{
    CONFIG_FILE, INDEX_FILE, TOKENIZER_FILE, WEIGHTS_FILE, read_config, read_images,
    read_statistics,
};
use crate::config::TowerConfig;
use crate::error::ModelError;
use crate::image::ResizeStrategy;
use crate::json;
use crate::prompt::PromptTokenizer;
use crate::statistics::StatisticsSummary;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The folder.
    pub dir: PathBuf,
    /// The model, if the folder is more than an adapter's.
    pub model: Option<ModelSummary>,
    /// The adapter of the folder itself and those of its sub-folders.
    pub adapters: Vec<AdapterSummary>,
    /// Adapters in sub-folders that cannot be used.
    pub unusable_adapters: Vec<UnusableAdapter>,
}

/// An adapter that cannot be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnusableAdapter {
    /// The folder.
    pub dir: PathBuf,
    /// Why not.
    pub problem: String,
}

/// A model's sizes, files and words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSummary {
    /// Side of the square picture \[pixels\].
    pub image_size: i64,
    /// The two towers, in the order of their channels.
    pub towers: [TowerSummary; 2],
    /// Widths of the projector, from patch features to embeddings.
    pub projector: [i64; 2],
    /// The language model.
    pub decoder: DecoderSummary,
    /// Numbers in the files, dead ones included.
    pub parameters: u64,
    /// Numbers in the files that the output never depends on.
    pub dead_parameters: u64,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// Tensors by element type.
    pub element_types: BTreeMap<String, usize>,
    /// Weights files.
    pub shards: Vec<ShardSummary>,
    /// Datasets whose statistics are there.
    pub statistics: Vec<String>,
    /// What each of them is good for.
    pub statistics_entries: Vec<StatisticsSummary>,
    /// The dataset taken where none is asked for; absent = one must be named.
    pub default_statistics: Option<String>,
    /// Whether a tokenizer.json is there.
    pub tokenizer: bool,
    /// How a picture becomes the model's square.
    pub resize_strategy: ResizeStrategy,
    /// Most action units that the policy was trained to emit from one picture.
    pub horizon: usize,
    /// The separator after each unit.
    pub separator_token_id: i64,
}

/// Sizes of a vision tower.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TowerSummary {
    /// Width of the residual stream.
    pub width: i64,
    /// Blocks in the checkpoint.
    pub depth: i64,
    /// Attention heads.
    pub heads: i64,
    /// Hidden width of the MLP.
    pub mlp_hidden: i64,
    /// Side of a patch \[pixels\].
    pub patch_size: i64,
}

/// Sizes of the language model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DecoderSummary {
    /// Rows of the embedding table.
    pub vocabulary: i64,
    /// Width of the residual stream.
    pub width: i64,
    /// Layers.
    pub layers: i64,
    /// Query heads.
    pub heads: i64,
    /// Key and value heads.
    pub key_value_heads: i64,
    /// Hidden width of the gated MLP.
    pub mlp_hidden: i64,
    /// Positions.
    pub positions: usize,
}

/// One weights file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShardSummary {
    /// Its name.
    pub file: String,
    /// Tensors in it.
    pub tensors: usize,
    /// Bytes of its tensors.
    pub bytes: u64,
}

/// An adapter folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdapterSummary {
    /// The folder.
    pub dir: PathBuf,
    /// Rank.
    pub r: i64,
    /// Numerator of the scale.
    pub alpha: f64,
    /// Factor of the product, but for the patterns' modules.
    pub scale: f64,
    /// Modules that are adapted, by the ends of their paths.
    pub targets: String,
    /// Pairs.
    pub modules: usize,
    /// Numbers in all pairs.
    pub parameters: u64,
}

/// What `dir` holds; it must have a config.json or an adapter.
pub fn inspect(dir: &Path) -> Result<Inspection, ModelError> {
    if dir.is_file() {
        return Err(ModelError::NotAFolder { path: dir.to_owned() });
    }
    let (adapters, unusable_adapters) = adapters(dir)?;
    let has = |name: &str| dir.join(name).exists();
    let only_adapters = !adapters.is_empty()
        && ![CONFIG_FILE, WEIGHTS_FILE, INDEX_FILE].iter().any(|name| has(name));
    let model = if only_adapters { None } else { Some(model(dir)?) };
    Ok(Inspection { dir: dir.to_owned(), model, adapters, unusable_adapters })
}

fn model(dir: &Path) -> Result<ModelSummary, ModelError> {
    let config = read_config(dir)?;
    let weights = Weights::open(dir)?;
    weights.check(&wanted_tensors(&config), &config)?;
    let entries = match read_statistics(dir, None, &config) {
        Err(ModelError::NoStatistics { .. }) => Vec::new(),
        read => read?.survey(),
    };
    let statistics: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    let has_tokenizer = json::is_there(&dir.join(TOKENIZER_FILE));
    if has_tokenizer {
        PromptTokenizer::read(&dir.join(TOKENIZER_FILE), &config)?;
    }
    let images = read_images(dir, &config)?;
    let stored = || weights.files.iter().flat_map(|file| file.tensors());
    let mut element_types = BTreeMap::new();
    for tensor in stored() {
        *element_types.entry(tensor.dtype.to_string()).or_insert(0) += 1;
    }
    let (towers, text) = (config.towers(), &config.text_config);
    let vision = towers.featurizer.embed_dim + towers.fused_featurizer.embed_dim;
    Ok(ModelSummary {
        image_size: config.image_size(),
        towers: [towers.featurizer, towers.fused_featurizer].map(|tower| tower_summary(&tower)),
        projector: [vision, text.hidden_size],
        decoder: DecoderSummary {
            vocabulary: text.vocab_size,
            width: text.hidden_size,
            layers: text.num_hidden_layers,
            heads: text.num_attention_heads,
            key_value_heads: text.key_value_heads(),
            mlp_hidden: text.intermediate_size,
            positions: text.max_position_embeddings,
        },
        parameters: stored().map(|tensor| tensor.numbers()).sum(),
        dead_parameters: stored()
            .filter(|tensor| is_dead(&tensor.name, &config))
            .map(|tensor| tensor.numbers())
            .sum(),
        bytes: stored().map(|tensor| tensor.bytes()).sum(),
        element_types,
        shards: weights
            .files
            .iter()
            .map(|file| ShardSummary {
                file: file.path().file_name().unwrap_or_default().to_string_lossy().into(),
                tensors: file.tensors().len(),
                bytes: file.tensors().iter().map(|tensor| tensor.bytes()).sum(),
            })
            .collect(),
        default_statistics: statistics.first().filter(|_| statistics.len() == 1).cloned(),
        statistics,
        statistics_entries: entries,
        tokenizer: has_tokenizer,
        resize_strategy: images.strategy(),
        horizon: config.action_stream.horizon,
        separator_token_id: config.action_stream.separator_token_id,
    })
}

fn tower_summary(tower: &TowerConfig) -> TowerSummary {
    TowerSummary {
        width: tower.embed_dim,
        depth: tower.depth,
        heads: tower.num_heads,
        mlp_hidden: tower.mlp_hidden,
        patch_size: tower.patch_size,
    }
}

type Adapters = (Vec<AdapterSummary>, Vec<UnusableAdapter>);

/// The adapters in `dir` and in its sub-folders.
fn adapters(dir: &Path) -> Result<Adapters, ModelError> {
    let mut folders = vec![dir.to_owned()];
    for entry in fs::read_dir(dir).map_err(ModelError::io(dir))? {
        folders.push(entry.map_err(ModelError::io(dir))?.path());
    }
    folders.sort();
    folders.retain(|folder| json::is_there(&folder.join(ADAPTER_CONFIG_FILE)));
    let (mut usable, mut unusable) = (Vec::new(), Vec::new());
    for folder in folders {
        match adapter(&folder) {
            Ok(summary) => usable.push(summary),
            // The folder that was asked about must hold what can be used.
            Err(error) if folder == dir => return Err(error),
            Err(error) => {
                unusable.push(UnusableAdapter { dir: folder, problem: error.to_string() })
            }
        }
    }
    Ok((usable, unusable))
}

fn adapter(dir: &Path) -> Result<AdapterSummary, ModelError> {
    let survey = Survey::read(dir)?;
    let config = &survey.config;
    Ok(AdapterSummary {
        dir: dir.to_owned(),
        r: config.r,
        alpha: config.lora_alpha,
        scale: config.scale(config.lora_alpha, config.r),
        targets: config.target_modules.to_string(),
        modules: survey.pairs.len(),
        parameters: survey.parameters(),
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.dir.display())?;
        if let Some(model) = &self.model {
            write!(f, "{model}")?;
        }
        self.adapters.iter().try_for_each(|adapter| write!(f, "{adapter}"))?;
        self.unusable_adapters.iter().try_for_each(|UnusableAdapter { dir, problem }| {
            writeln!(f, "adapter     {}: unusable: {problem}", dir.display())
        })
    }
}

impl fmt::Display for ModelSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, tower) in ["DINOv2-like", "SigLIP-like"].into_iter().zip(&self.towers) {
            writeln!(
                f,
                "tower       {name}: width {}, {} blocks, {} heads, MLP {}, patches of {} in {} pixels",
                tower.width,
                tower.depth,
                tower.heads,
                tower.mlp_hidden,
                tower.patch_size,
                self.image_size
            )?;
        }
        writeln!(f, "projector   {} to {}", self.projector[0], self.projector[1])?;
        let decoder = &self.decoder;
        writeln!(
            f,
            "decoder     width {}, {} layers, {} heads ({} for keys and values), MLP {}, vocabulary {}, \
             {} positions",
            decoder.width,
            decoder.layers,
            decoder.heads,
            decoder.key_value_heads,
            decoder.mlp_hidden,
            decoder.vocabulary,
            decoder.positions
        )?;
        let types: Vec<String> =
            self.element_types.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(
            f,
            "weights     {} parameters ({} never used), {} bytes, tensors: {}",
            self.parameters,
            self.dead_parameters,
            self.bytes,
            types.join(", ")
        )?;
        for shard in &self.shards {
            writeln!(
                f,
                "file        {}: {} tensors, {} bytes",
                shard.file, shard.tensors, shard.bytes
            )?;
        }
        match (&self.statistics[..], &self.default_statistics) {
            ([], _) => writeln!(f, "statistics  none")?,
            (keys, Some(_)) => writeln!(f, "statistics  {}", keys.join(", "))?,
            (keys, None) => writeln!(f, "statistics  {}; one must be named", keys.join(", "))?,
        }
        for StatisticsSummary { name, problem, constant } in &self.statistics_entries {
            match problem {
                Some(problem) => writeln!(f, "            {name}: unusable: {problem}")?,
                None if constant.is_empty() => writeln!(f, "            {name}: usable")?,
                None => {
                    let constant: Vec<String> = constant.iter().map(usize::to_string).collect();
                    let list = constant.join(", ");
                    writeln!(f, "            {name}: usable, constant in dimension {list}")?;
                }
            }
        }
        writeln!(f, "pictures    {}", self.resize_strategy)?;
        writeln!(f, "tokenizer   {}", if self.tokenizer { "there" } else { "missing" })?;
        writeln!(
            f,
            "streams     up to {} action units, separator token {}",
            self.horizon, self.separator_token_id
        )
    }
}

impl fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "adapter     {}: rank {}, alpha {}, scale {}, {} modules, {} parameters, on {}",
            self.dir.display(),
            self.r,
            self.alpha,
            self.scale,
            self.modules,
            self.parameters,
            self.targets
        )
    }
}
