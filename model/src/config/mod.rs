//! config.json: the published OpenVLA keys, and two of our own (`vision`, `action_stream`).
//!
//! Owns parsing, defaults and the check that a model can be built. Defaults are those of the
//! published 7B checkpoint, whose `text_config` is nearly empty. Keys without effect are kept and
//! written back. Must never look at weights or other files.

mod check;
mod read;
mod vision;

pub use vision::{TowerConfig, VisionConfig};

use crate::image::ResizeStrategy;
use crate::statistics::NormStats;
use serde::Serialize;
use serde_json::{Map, Value};

/// Hidden width of the projector as a multiple of the vision width.
pub(crate) const PROJECTOR_EXPANSION: i64 = 4;

/// Tokens of one action unit in a stream: seven action tokens and the separator.
pub const UNIT_TOKENS: usize = 8;

/// Everything that decides the shape of a model and how its streams are written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenVlaConfig {
    /// Architecture of the projector; only OpenVLA's own is known.
    pub arch_specifier: String,
    /// Whether two towers are fused; must be true.
    pub use_fused_vision_backbone: bool,
    /// timm names of the towers, used when `vision` is absent.
    pub timm_model_ids: [String; 2],
    /// Side of the square picture that each tower sees \[pixels\]; must be equal.
    pub image_sizes: [i64; 2],
    /// How a picture is brought to that size.
    pub image_resize_strategy: ResizeStrategy,
    /// Rows that the vocabulary was padded by.
    pub pad_to_multiple_of: i64,
    /// Action tokens in the vocabulary; must be 256.
    pub n_action_bins: i64,
    /// The language model.
    pub text_config: TextConfig,
    /// Action statistics by dataset name.
    pub norm_stats: NormStats,
    /// Sizes of the towers where they are not the published ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vision: Option<VisionConfig>,
    /// How action streams are written in tokens.
    pub action_stream: ActionStreamConfig,
    /// Keys that mean nothing here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The language model: Llama's keys, with the defaults of Hugging Face's `LlamaConfig` that the
/// published checkpoint relies on.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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

impl Default for OpenVlaConfig {
    fn default() -> Self {
        Self {
            arch_specifier: "no-align+fused-gelu-mlp".into(),
            use_fused_vision_backbone: true,
            timm_model_ids: [
                "vit_large_patch14_reg4_dinov2.lvd142m".into(),
                "vit_so400m_patch14_siglip_224".into(),
            ],
            image_sizes: [224, 224],
            image_resize_strategy: ResizeStrategy::default(),
            pad_to_multiple_of: 64,
            n_action_bins: 256,
            text_config: TextConfig::default(),
            norm_stats: NormStats::default(),
            vision: None,
            action_stream: ActionStreamConfig::default(),
            rest: Map::new(),
        }
    }
}

impl OpenVlaConfig {
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
