//! config.json: the published OpenVLA keys, and two of our own (`vision`, `action_stream`).
//!
//! Owns parsing, defaults and the check that a model can be built. Defaults are those of the
//! published 7B checkpoint, whose `text_config` is nearly empty. Unknown keys are kept and
//! written back. Must never look at weights or other files.

use crate::error::ModelError;
use crate::image::ResizeStrategy;
use crate::statistics::NormStats;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// The two towers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisionConfig {
    /// The DINOv2-like tower, on channels 0..3.
    pub featurizer: TowerConfig,
    /// The SigLIP-like tower, on channels 3..6.
    pub fused_featurizer: TowerConfig,
}

/// One vision transformer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowerConfig {
    /// Width of the residual stream.
    pub embed_dim: i64,
    /// Blocks in the checkpoint; the last one is never run.
    pub depth: i64,
    /// Attention heads.
    pub num_heads: i64,
    /// Hidden width of the MLP.
    pub mlp_hidden: i64,
    /// Side of a patch \[pixels\].
    pub patch_size: i64,
    /// Whether a class token precedes the patches.
    pub class_token: bool,
    /// Register tokens after the class token.
    #[serde(default)]
    pub reg_tokens: i64,
    /// Whether the branches are scaled per channel.
    pub layer_scale: bool,
    /// What those scales start from in a new model.
    #[serde(default = "default_layer_scale_init")]
    pub layer_scale_init: f64,
}

impl TowerConfig {
    /// timm's `vit_large_patch14_reg4_dinov2`.
    const DINOV2_LARGE: TowerConfig = TowerConfig {
        embed_dim: 1024,
        depth: 24,
        num_heads: 16,
        mlp_hidden: 4096,
        patch_size: 14,
        class_token: true,
        reg_tokens: 4,
        layer_scale: true,
        layer_scale_init: 1e-5,
    };
    /// timm's `vit_so400m_patch14_siglip_224`.
    const SIGLIP_SO400M: TowerConfig = TowerConfig {
        embed_dim: 1152,
        depth: 27,
        num_heads: 16,
        mlp_hidden: 4304,
        patch_size: 14,
        class_token: false,
        reg_tokens: 0,
        layer_scale: false,
        layer_scale_init: 1e-5,
    };

    fn by_timm_id(id: &str) -> Option<TowerConfig> {
        match id {
            "vit_large_patch14_reg4_dinov2.lvd142m" => Some(Self::DINOV2_LARGE),
            "vit_so400m_patch14_siglip_224" => Some(Self::SIGLIP_SO400M),
            _ => None,
        }
    }

    /// Blocks that take part in the output.
    pub fn live_blocks(&self) -> i64 {
        self.depth - 1
    }

    /// Patches in a square picture of `image_size` pixels a side.
    pub fn patches(&self, image_size: i64) -> i64 {
        let side = image_size / self.patch_size;
        side * side
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
        let config: Self = serde_json::from_slice(&text)
            .map_err(|source| ModelError::Json { path: path.to_owned(), source })?;
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

    /// Whether a model can be built; the error names the key at fault.
    pub fn check(&self) -> Result<(), ModelError> {
        self.check_fixed_keys()?;
        self.check_vision()?;
        self.check_text()?;
        self.check_stream()
    }

    fn check_fixed_keys(&self) -> Result<(), ModelError> {
        let arch = default_arch();
        if self.arch_specifier != arch {
            return Err(ModelError::config("arch_specifier", &self.arch_specifier, arch));
        }
        if !self.use_fused_vision_backbone {
            return Err(ModelError::config("use_fused_vision_backbone", false, "must be true"));
        }
        if self.n_action_bins != default_bins() {
            return Err(ModelError::config("n_action_bins", self.n_action_bins, "must be 256"));
        }
        Ok(())
    }

    fn check_vision(&self) -> Result<(), ModelError> {
        let [size, other] = self.image_sizes;
        if size != other || size <= 0 {
            let found = format!("[{size}, {other}]");
            return Err(ModelError::config("image_sizes", found, "two equal positive sizes"));
        }
        let published = [TowerConfig::DINOV2_LARGE, TowerConfig::SIGLIP_SO400M];
        for (id, tower) in self.timm_model_ids.iter().zip(published) {
            if self.vision.is_none() && TowerConfig::by_timm_id(id) != Some(tower) {
                let wanted = "unknown here; give the sizes under `vision`";
                return Err(ModelError::config("timm_model_ids", id, wanted));
            }
        }
        let towers = self.towers();
        for (name, tower) in
            [("featurizer", towers.featurizer), ("fused_featurizer", towers.fused_featurizer)]
        {
            let key = |leaf: &str| format!("vision.{name}.{leaf}");
            positive(&key("embed_dim"), tower.embed_dim)?;
            positive(&key("num_heads"), tower.num_heads)?;
            positive(&key("mlp_hidden"), tower.mlp_hidden)?;
            positive(&key("patch_size"), tower.patch_size)?;
            if tower.depth < 2 {
                let wanted = "at least 2: the last block is never run";
                return Err(ModelError::config(key("depth"), tower.depth, wanted));
            }
            if tower.reg_tokens < 0 {
                let wanted = "must not be negative";
                return Err(ModelError::config(key("reg_tokens"), tower.reg_tokens, wanted));
            }
            divides(&key("num_heads"), tower.num_heads, "embed_dim", tower.embed_dim)?;
            divides(&key("patch_size"), tower.patch_size, "image_sizes", size)?;
        }
        let (first, second) = (towers.featurizer, towers.fused_featurizer);
        if first.patch_size != second.patch_size {
            return Err(ModelError::config(
                "vision.fused_featurizer.patch_size",
                second.patch_size,
                format!("must equal the featurizer's {}", first.patch_size),
            ));
        }
        Ok(())
    }

    fn check_text(&self) -> Result<(), ModelError> {
        let text = &self.text_config;
        let key = |leaf: &str| format!("text_config.{leaf}");
        positive(&key("hidden_size"), text.hidden_size)?;
        positive(&key("intermediate_size"), text.intermediate_size)?;
        positive(&key("num_hidden_layers"), text.num_hidden_layers)?;
        positive(&key("num_attention_heads"), text.num_attention_heads)?;
        positive(&key("num_key_value_heads"), text.key_value_heads())?;
        let (heads, groups) = (text.num_attention_heads, text.key_value_heads());
        divides(&key("num_attention_heads"), heads, "hidden_size", text.hidden_size)?;
        divides(&key("num_key_value_heads"), groups, "num_attention_heads", heads)?;
        if text.head_dim() % 2 != 0 {
            let wanted = format!("hidden_size / num_attention_heads = {} is odd", text.head_dim());
            return Err(ModelError::config(key("num_attention_heads"), heads, wanted));
        }
        for (leaf, neutral) in [
            ("rope_scaling", Value::Null),
            ("tie_word_embeddings", Value::Bool(false)),
            ("attention_bias", Value::Bool(false)),
        ] {
            if let Some(found) = text.rest.get(leaf).filter(|found| **found != neutral) {
                let wanted = format!("only {neutral} is supported");
                return Err(ModelError::config(key(leaf), found, wanted));
            }
        }
        Ok(())
    }

    fn check_stream(&self) -> Result<(), ModelError> {
        let (base, text, stream) = (self.base_vocab(), &self.text_config, &self.action_stream);
        if self.pad_to_multiple_of < 0 || base <= self.n_action_bins {
            let wanted = format!("more than pad_to_multiple_of + {} rows", self.n_action_bins);
            return Err(ModelError::config("text_config.vocab_size", text.vocab_size, wanted));
        }
        let actions = base - self.n_action_bins..base;
        let context = [
            ("text_config.bos_token_id", Some(text.bos_token_id)),
            ("action_stream.separator_token_id", Some(stream.separator_token_id)),
            ("action_stream.prompt_suffix_token_id", stream.prompt_suffix_token_id),
        ];
        for (key, id) in context {
            if let Some(id) =
                id.filter(|id| *id < 0 || *id >= text.vocab_size || actions.contains(id))
            {
                let wanted = format!(
                    "an id below {} outside the action tokens {}..={}",
                    text.vocab_size,
                    actions.start,
                    actions.end - 1
                );
                return Err(ModelError::config(key, id, wanted));
            }
        }
        // The shortest prompt: the BOS token alone.
        let shortest = 1 + self.patches() as usize;
        let longest = text.max_position_embeddings.saturating_sub(shortest) / UNIT_TOKENS;
        if stream.horizon == 0 || stream.horizon > longest {
            let wanted = format!(
                "1 to {longest} units fit {} positions beside the patches",
                text.max_position_embeddings
            );
            return Err(ModelError::config("action_stream.horizon", stream.horizon, wanted));
        }
        Ok(())
    }
}

fn positive(key: &str, value: i64) -> Result<(), ModelError> {
    if value > 0 { Ok(()) } else { Err(ModelError::config(key, value, "must be positive")) }
}

fn divides(key: &str, divisor: i64, of: &str, value: i64) -> Result<(), ModelError> {
    if value % divisor == 0 {
        return Ok(());
    }
    Err(ModelError::config(key, divisor, format!("must divide {of} = {value}")))
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

fn default_layer_scale_init() -> f64 {
    1e-5
}
