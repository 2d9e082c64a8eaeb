//! A pre-norm vision transformer as in timm 0.9 (`VisionTransformer`), under timm's names.
//!
//! The output is the residual stream after the second-to-last block without the prefix tokens
//! and without the final norm: what `get_intermediate_layers(n={depth - 2})` returns. So the
//! last block, `norm` and `attn_pool` of a published checkpoint are dead weight: they are
//! never built here.

use crate::checkpoint::Adapter;
use crate::config::TowerConfig;
use crate::layers::{LayerNorm, Linear, module_name, variable};
use crate::lora::Lora;
use crate::tensor::cast;
use tch::nn::Path;
use tch::{TchError, Tensor};

const NORM_EPS: f64 = 1e-6;

/// One vision transformer without its last block.
#[derive(Debug)]
pub struct Tower {
    patch_module: String,
    patch_weight: Tensor,
    patch_bias: Tensor,
    patch_lora: Option<Lora>,
    pos_embed: Tensor,
    /// Class token, then registers.
    prefix: Vec<Tensor>,
    prefix_len: i64,
    blocks: Vec<Block>,
    patch_size: i64,
}

impl Tower {
    pub(crate) fn new(
        path: &Path,
        config: &TowerConfig,
        image_size: i64,
    ) -> Result<Self, TchError> {
        let (width, patch) = (config.embed_dim, config.patch_size);
        let patches = config.patches(image_size);
        let projection = path / "patch_embed" / "proj";
        let mut prefix = Vec::new();
        if config.class_token {
            prefix.push(variable(path, "cls_token", &[1, 1, width])?);
        }
        if config.reg_tokens > 0 {
            prefix.push(variable(path, "reg_token", &[1, config.reg_tokens, width])?);
        }
        Ok(Self {
            patch_module: module_name(&projection),
            patch_weight: variable(&projection, "weight", &[width, 3, patch, patch])?,
            patch_bias: variable(&projection, "bias", &[width])?,
            patch_lora: None,
            pos_embed: variable(path, "pos_embed", &[1, patches, width])?,
            prefix,
            prefix_len: i64::from(config.class_token) + config.reg_tokens,
            blocks: (0..config.live_blocks())
                .map(|i| Block::new(&(path / "blocks" / i), config))
                .collect::<Result<_, _>>()?,
            patch_size: patch,
        })
    }

    /// The same weights without an adapter.
    pub(crate) fn share(&self) -> Self {
        Self {
            patch_module: self.patch_module.clone(),
            patch_weight: self.patch_weight.shallow_clone(),
            patch_bias: self.patch_bias.shallow_clone(),
            patch_lora: None,
            pos_embed: self.pos_embed.shallow_clone(),
            prefix: self.prefix.iter().map(Tensor::shallow_clone).collect(),
            blocks: self.blocks.iter().map(Block::share).collect(),
            ..*self
        }
    }

    pub(crate) fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        self.patch_lora = Lora::of(adapter, &self.patch_module, self.patch_weight.f_kind()?)?;
        self.blocks.iter_mut().try_for_each(|block| block.set_adapter(adapter))
    }

    /// Patch features \[B, P, width\], rows of patches from the top, of `image` \[B, 3, S, S\].
    pub fn forward(&self, image: &Tensor) -> Result<Tensor, TchError> {
        let kind = image.f_kind()?;
        let stride = [self.patch_size, self.patch_size];
        let (weight, bias) = (cast(&self.patch_weight, kind)?, cast(&self.patch_bias, kind)?);
        let mut patches = image.f_conv2d(&weight, Some(bias), stride, [0, 0], [1, 1], 1)?;
        if let Some(lora) = &self.patch_lora {
            patches = lora.add_to_conv2d(&patches, image, stride)?;
        }
        let mut x =
            patches.f_flatten(2, 3)?.f_transpose(1, 2)?.f_add(&cast(&self.pos_embed, kind)?)?;
        let (batch, patches, width) = x.size3()?;
        if !self.prefix.is_empty() {
            let mut tokens = Vec::with_capacity(self.prefix.len() + 1);
            for token in &self.prefix {
                tokens.push(cast(token, kind)?.f_expand([batch, -1, width], false)?);
            }
            tokens.push(x);
            x = Tensor::f_cat(&tokens, 1)?;
        }
        for block in &self.blocks {
            x = block.forward(&x)?;
        }
        x.f_narrow(1, self.prefix_len, patches)
    }
}

/// Attention and MLP, each behind a layer norm, optionally scaled per channel (LayerScale).
#[derive(Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    scale1: Option<Tensor>,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    scale2: Option<Tensor>,
    heads: i64,
}

impl Block {
    fn new(path: &Path, config: &TowerConfig) -> Result<Self, TchError> {
        let width = config.embed_dim;
        let scale = |name: &str| {
            config
                .layer_scale
                .then(|| variable(&(path / name), "scale_factor", &[width]))
                .transpose()
        };
        Ok(Self {
            norm1: LayerNorm::new(&(path / "norm1"), width, NORM_EPS)?,
            qkv: Linear::new(&(path / "attn" / "qkv"), width, 3 * width)?,
            proj: Linear::new(&(path / "attn" / "proj"), width, width)?,
            scale1: scale("ls1")?,
            norm2: LayerNorm::new(&(path / "norm2"), width, NORM_EPS)?,
            fc1: Linear::new(&(path / "mlp" / "fc1"), width, config.mlp_hidden)?,
            fc2: Linear::new(&(path / "mlp" / "fc2"), config.mlp_hidden, width)?,
            scale2: scale("ls2")?,
            heads: config.num_heads,
        })
    }

    fn share(&self) -> Self {
        Self {
            norm1: self.norm1.share(),
            qkv: self.qkv.share(),
            proj: self.proj.share(),
            scale1: self.scale1.as_ref().map(Tensor::shallow_clone),
            norm2: self.norm2.share(),
            fc1: self.fc1.share(),
            fc2: self.fc2.share(),
            scale2: self.scale2.as_ref().map(Tensor::shallow_clone),
            ..*self
        }
    }

    fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        [&mut self.qkv, &mut self.proj, &mut self.fc1, &mut self.fc2]
            .into_iter()
            .try_for_each(|map| map.set_adapter(adapter))
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let attended = self.attend(&self.norm1.forward(x)?)?;
        let x = self.proj.add_to(x, &attended, self.scale1.as_ref())?;
        let hidden = self.fc1.forward(&self.norm2.forward(&x)?)?.f_gelu("none")?;
        self.fc2.add_to(&x, &hidden, self.scale2.as_ref())
    }

    /// What the heads see, side by side.
    fn attend(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (batch, tokens, width) = x.size3()?;
        let qkv = self
            .qkv
            .forward(x)?
            .f_reshape([batch, tokens, 3, self.heads, width / self.heads])?
            .f_permute([2, 0, 3, 1, 4])?;
        // Their gradients are put together in one go, unlike those of three views.
        let parts = qkv.f_unbind(0)?;
        let y = Tensor::f_scaled_dot_product_attention::<Tensor>(
            &parts[0], &parts[1], &parts[2], None, 0.0, false, None, false,
        )?;
        y.f_transpose(1, 2)?.f_reshape([batch, tokens, width])
    }
}
