//! config.json: the published OpenVLA keys, and two of our own (`vision`, `action_stream`).
//!
//! Owns parsing, defaults and the check that a model can be built. Defaults are those of the
//! published 7B checkpoint, whose `text_config` is nearly empty. Unknown keys are kept and
//! written back. Must never look at weights or other files.

mod check;
mod vision;

pub use vision::{TowerConfig, VisionConfig};

use crate::error::ModelError;
use crate::image::ResizeStrategy;
use crate::statistics::NormStats;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// Hidden width of the projector as a multiple of the vision width.
pub(crate) const PROJECTOR_EXPANSION: i64 = 4;

/// Tokens of one action unit in a stream: seven action tokens and the separator.
pub const UNIT_TOKENS: usize = 8;

/// Everything that decides the shape of a model and how its streams are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenVlaConfig {
    /// Architecture of the projector; only OpenVLA's own is known.
    #[serde(default = "default_arch")]
    pub arch_specifier: String,
    /// Whether two towers are fused; must be true.
    #[serde(default = "yes")]
    pub use_fused_vision_backbone: bool,
    /// timm names of the towers, used when `vision` is absent.
    #[serde(default = "default_timm_ids")]
    pub timm_model_ids: [String; 2],
    /// Side of the square picture that each tower sees \[pixels\]; must be equal.
    #[serde(default = "default_image_sizes")]
    pub image_sizes: [i64; 2],
    /// How a picture is brought to that size.
    #[serde(default)]
    pub image_resize_strategy: ResizeStrategy,
    /// Rows that the vocabulary was padded by.
    #[serde(default = "default_pad_multiple")]
    pub pad_to_multiple_of: i64,
    /// Action tokens in the vocabulary; must be 256.
    #[serde(default = "default_bins")]
    pub n_action_bins: i64,
    /// The language model.
    #[serde(default)]
    pub text_config: TextConfig,
    /// Action statistics by dataset name.
    #[serde(default)]
    pub norm_stats: NormStats,
    /// Sizes of the towers where they are not the published ones.
    #[serde(default, alias = "fixture_vision", skip_serializing_if = "Option::is_none")]
    pub vision: Option<VisionConfig>,
    /// How action streams are written in tokens.
    #[serde(default)]
    pub action_stream: ActionStreamConfig,
    /// Keys that mean nothing here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The language model: Llama's keys, with the defaults of Hugging Face's `LlamaConfig` that the
/// published checkpoint relies on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextConfig {
    /// Rows of the embedding table, padding included.
    pub vocab_size: i64,
    /// Width of the residual stream.
    pub hidden_size: i64,
    /// Hidden width of the gated MLP.
    pub intermediate_size: i64,
    /// Decoder layers.
    pub num_hidden_layers: i64,
    /// Query heads.
    pub num_attention_heads: i64,
    /// Key and value heads; absent = as many as query heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_key_value_heads: Option<i64>,
    /// Epsilon of RMSNorm.
    pub rms_norm_eps: f64,
    /// Base of the rotary position embedding.
    pub rope_theta: f64,
    /// Positions that the model has.
    pub max_position_embeddings: usize,
    /// Token that begins a sequence.
    pub bos_token_id: i64,
    /// Keys that mean nothing here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 32064,
            hidden_size: 4096,
            intermediate_size: 11008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: None,
            rms_norm_eps: 1e-6,
            rope_theta: 10000.0,
            max_position_embeddings: 2048,
            bos_token_id: 1,
            rest: Map::new(),
        }
    }
}

impl TextConfig {
    /// Width of one attention head.
    pub fn head_dim(&self) -> i64 {
        self.hidden_size / self.num_attention_heads
    }

    /// Key and value heads.
    pub fn key_value_heads(&self) -> i64 {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }
}

/// How action streams are written in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActionStreamConfig {
    /// Most action units that the policy was trained to emit from one picture.
    pub horizon: usize,
    /// The separator `[;]` after each unit.
    pub separator_token_id: i64,
    /// Token appended to the prompt; null for none.
    pub prompt_suffix_token_id: Option<i64>,
}

impl Default for ActionStreamConfig {
    fn default() -> Self {
        // Llama's ";" and its lone space, which stands for the space after "Out:".
        Self { horizon: 1, separator_token_id: 29936, prompt_suffix_token_id: Some(29871) }
    }
}

impl OpenVlaConfig {
    /// Reads and checks the config.json at `path`.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read(path).map_err(ModelError::io(path))?;
        let mut config: Self = serde_json::from_slice(&text)
            .map_err(|source| ModelError::Json { path: path.to_owned(), source })?;
        // Golden folders of the reference say it so.
        let separator = config.rest.remove("fixture_separator_token_id");
        if let Some(separator) = separator.and_then(|value| value.as_i64()) {
            config.check_bounds()?;
            config.action_stream.separator_token_id = separator;
            let words = 0..config.base_vocab() - config.n_action_bins;
            let suffix = &mut config.action_stream.prompt_suffix_token_id;
            *suffix = suffix.filter(|id| words.contains(id));
        }
        config.check()?;
        Ok(config)
    }

    /// Side of the square picture \[pixels\].
    pub fn image_size(&self) -> i64 {
        self.image_sizes[0]
    }

    /// Sizes of the towers: `vision`, or the published ones. For a checked configuration.
    pub fn towers(&self) -> VisionConfig {
        self.vision.unwrap_or(VisionConfig {
            featurizer: TowerConfig::DINOV2_LARGE,
            fused_featurizer: TowerConfig::SIGLIP_SO400M,
        })
    }

    /// Patches that the picture becomes.
    pub fn patches(&self) -> i64 {
        self.towers().featurizer.patches(self.image_size())
    }

    /// Vocabulary without its padding; the 256 ids below it are the action tokens.
    pub fn base_vocab(&self) -> i64 {
        self.text_config.vocab_size - self.pad_to_multiple_of
    }
}

fn yes() -> bool {
    true
}

fn default_arch() -> String {
    "no-align+fused-gelu-mlp".into()
}

fn default_timm_ids() -> [String; 2] {
    ["vit_large_patch14_reg4_dinov2.lvd142m".into(), "vit_so400m_patch14_siglip_224".into()]
}

fn default_image_sizes() -> [i64; 2] {
    [224, 224]
}

fn default_pad_multiple() -> i64 {
    64
}

fn default_bins() -> i64 {
    256
}
