//! Sizes of the two vision towers: ours, timm's keyword arguments, or the published ones.
//!
//! Must never look at the rest of config.json.

use crate::error::ModelError;
use crate::json::Object;
use crate::json::keys::VISION;
use serde::Serialize;

/// The two towers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
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
            "vit_large_patch14_reg4_dinov2.lvd142m" | "vit_large_patch14_reg4_dinov2" => {
                Some(Self::DINOV2_LARGE)
            }
            "vit_so400m_patch14_siglip_224" | "vit_so400m_patch14_siglip_224.webli" => {
                Some(Self::SIGLIP_SO400M)
            }
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

/// timm's `mlp_ratio` and the init value of its published towers' LayerScale.
const TIMM_MLP_RATIO: f64 = 4.0;
const LAYER_SCALE_INIT: f64 = 1e-5;

impl TowerConfig {
    /// A tower as config.json spells it: under the names of the fields here, or as the keyword
    /// arguments of timm's `VisionTransformer`, with timm's defaults.
    pub(super) fn of(tower: &Object<'_>) -> Result<Self, ModelError> {
        tower.check(&VISION)?;
        let size = |key| {
            tower.integer(key)?.ok_or_else(|| tower.lacks(key, "a size; timm has no default here"))
        };
        let class_token = tower.boolean("class_token")?.unwrap_or(true);
        let reg_tokens = tower.integer("reg_tokens")?.unwrap_or(0);
        let mlp_hidden = tower.integer("mlp_hidden")?;
        let without_class = tower.boolean("no_embed_class")? == Some(true);
        if mlp_hidden.is_none() && (class_token || reg_tokens > 0) && !without_class {
            return Err(tower.lacks(
                "no_embed_class",
                "true, as a tower with prefix tokens adds positions to patches only",
            ));
        }
        let embed_dim = size("embed_dim")?;
        let ratio = tower.number("mlp_ratio")?.unwrap_or(TIMM_MLP_RATIO);
        let init_values = tower.number("init_values")?;
        Ok(Self {
            embed_dim,
            depth: size("depth")?,
            num_heads: size("num_heads")?,
            // timm truncates as well.
            mlp_hidden: mlp_hidden.unwrap_or((embed_dim as f64 * ratio) as i64),
            patch_size: size("patch_size")?,
            class_token,
            reg_tokens,
            layer_scale: tower.boolean("layer_scale")?.unwrap_or(init_values.is_some()),
            layer_scale_init: tower
                .number("layer_scale_init")?
                .or(init_values)
                .unwrap_or(LAYER_SCALE_INIT),
        })
    }
}
