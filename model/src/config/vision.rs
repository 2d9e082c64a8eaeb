//! Sizes of the two vision towers: ours, timm's keyword arguments, or the published ones.
//!
//! Must never look at the rest of config.json.

use serde::{Deserialize, Serialize};

/// The two towers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisionConfig {
    /// The DINOv2-like tower, on channels 0..3.
    pub featurizer: TowerConfig,
    /// The SigLIP-like tower, on channels 3..6.
    pub fused_featurizer: TowerConfig,
}

impl VisionConfig {
    /// Both towers under their names in checkpoints.
    pub(crate) fn named(&self) -> [(&'static str, TowerConfig); 2] {
        [("featurizer", self.featurizer), ("fused_featurizer", self.fused_featurizer)]
    }
}

/// One vision transformer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TowerFile")]
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
    pub reg_tokens: i64,
    /// Whether the branches are scaled per channel.
    pub layer_scale: bool,
    /// What those scales start from in a new model.
    pub layer_scale_init: f64,
}

impl TowerConfig {
    /// timm's `vit_large_patch14_reg4_dinov2`.
    pub(super) const DINOV2_LARGE: TowerConfig = TowerConfig {
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
    pub(super) const SIGLIP_SO400M: TowerConfig = TowerConfig {
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

    pub(super) fn by_timm_id(id: &str) -> Option<TowerConfig> {
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

/// A tower as config.json spells it: under the keys of [`TowerConfig`] or as the keyword arguments
/// of timm's `VisionTransformer`, with timm's defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TowerFile {
    embed_dim: i64,
    depth: i64,
    num_heads: i64,
    patch_size: i64,
    mlp_hidden: Option<i64>,
    mlp_ratio: Option<f64>,
    #[serde(default = "yes")]
    class_token: bool,
    #[serde(default)]
    reg_tokens: i64,
    layer_scale: Option<bool>,
    layer_scale_init: Option<f64>,
    init_values: Option<f64>,
    no_embed_class: Option<bool>,
    #[serde(rename = "img_size")]
    _img_size: Option<i64>,
    #[serde(rename = "global_pool")]
    _global_pool: Option<String>,
}

fn yes() -> bool {
    true
}

/// timm's `mlp_ratio` and the init value of its published towers' LayerScale.
const TIMM_MLP_RATIO: f64 = 4.0;
const LAYER_SCALE_INIT: f64 = 1e-5;

impl TryFrom<TowerFile> for TowerConfig {
    type Error = String;

    fn try_from(file: TowerFile) -> Result<Self, String> {
        let prefixed = file.class_token || file.reg_tokens > 0;
        if file.mlp_hidden.is_none() && prefixed && file.no_embed_class != Some(true) {
            return Err("a tower with prefix tokens must have no_embed_class = true: positions \
                        are added to patches only"
                .into());
        }
        let ratio = file.mlp_ratio.unwrap_or(TIMM_MLP_RATIO);
        Ok(Self {
            embed_dim: file.embed_dim,
            depth: file.depth,
            num_heads: file.num_heads,
            // timm truncates as well.
            mlp_hidden: file.mlp_hidden.unwrap_or((file.embed_dim as f64 * ratio) as i64),
            patch_size: file.patch_size,
            class_token: file.class_token,
            reg_tokens: file.reg_tokens,
            layer_scale: file.layer_scale.unwrap_or(file.init_values.is_some()),
            layer_scale_init: file
                .layer_scale_init
                .or(file.init_values)
                .unwrap_or(LAYER_SCALE_INIT),
        })
    }
}
