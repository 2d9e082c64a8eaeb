//! One decoder layer: attention and gated MLP, each behind an RMSNorm.

use super::cache::{Place, Sight};
use super::rope::Rope;
use crate::checkpoint::Adapter;
use crate::config::TextConfig;
use crate::layers::{FusedLinear, Linear, variable};
use crate::tensor::cast;
use tch::nn::Path;
use tch::{Device, Kind, TchError, Tensor};

#[derive(Debug)]
pub(super) struct Layer {
    input_norm: RmsNorm,
    qkv: FusedLinear,
    o_proj: Linear,
    post_attention_norm: RmsNorm,
    gate_up: FusedLinear,
    down_proj: Linear,
    heads: i64,
    key_value_heads: i64,
    head_dim: i64,
    inner: i64,
}

impl Layer {
    pub(super) fn new(path: &Path, config: &TextConfig, frozen: bool) -> Result<Self, TchError> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (heads, groups, dim) =
            (config.num_attention_heads, config.key_value_heads(), config.head_dim());
        let (attention, mlp) = (path / "self_attn", path / "mlp");
        let eps = config.rms_norm_eps;
        let qkv = [("q_proj", heads * dim), ("k_proj", groups * dim), ("v_proj", groups * dim)];
        let gate_up = [("gate_proj", inner), ("up_proj", inner)];
        Ok(Self {
            input_norm: RmsNorm::new(&(path / "input_layernorm"), hidden, eps)?,
            qkv: FusedLinear::new(&attention, hidden, &qkv, frozen)?,
            o_proj: Linear::without_bias(&(&attention / "o_proj"), heads * dim, hidden)?,
            post_attention_norm: RmsNorm::new(&(path / "post_attention_layernorm"), hidden, eps)?,
            gate_up: FusedLinear::new(&mlp, hidden, &gate_up, frozen)?,
            down_proj: Linear::without_bias(&(&mlp / "down_proj"), inner, hidden)?,
            heads,
            key_value_heads: groups,
            head_dim: dim,
            inner,
        })
    }

    pub(super) fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        self.qkv.set_adapter(adapter)?;
        self.o_proj.set_adapter(adapter)?;
        self.gate_up.set_adapter(adapter)?;
        self.down_proj.set_adapter(adapter)
    }

    pub(super) fn share(&self) -> Self {
        Self {
            input_norm: self.input_norm.share(),
            qkv: self.qkv.share(),
            o_proj: self.o_proj.share(),
            post_attention_norm: self.post_attention_norm.share(),
            gate_up: self.gate_up.share(),
            down_proj: self.down_proj.share(),
            ..*self
        }
    }

    /// `x` \[B, T, hidden\] one layer on; `slot` holds keys and values if there is a cache. With
    /// `last_only` what comes back is \[B, 1, hidden\]: of the other positions only keys and
    /// values are computed.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        rope: &Rope,
        place: &Place,
        slot: Option<&mut (Tensor, Tensor)>,
        last_only: bool,
    ) -> Result<Tensor, TchError> {
        let attended = self.attend(&self.input_norm.forward(x)?, rope, place, slot, last_only)?;
        let x =
            if last_only { last_position(x, 1)?.f_add(&attended)? } else { x.f_add(&attended)? };
        let gate_up = self.gate_up.forward(&self.post_attention_norm.forward(&x)?)?;
        let gate = gate_up.f_narrow(-1, 0, self.inner)?.f_silu()?;
        let inner = gate.f_mul(&gate_up.f_narrow(-1, self.inner, self.inner)?)?;
        x.f_add(&self.down_proj.forward(&inner)?)
    }

    fn attend(
        &self,
        x: &Tensor,
        rope: &Rope,
        place: &Place,
        slot: Option<&mut (Tensor, Tensor)>,
        last_only: bool,
    ) -> Result<Tensor, TchError> {
        let (batch, tokens, _) = x.size3()?;
        let (heads, groups) = (self.heads, self.key_value_heads);
        let qkv = self
            .qkv
            .forward(x)?
            .f_view([batch, tokens, heads + 2 * groups, self.head_dim])?
            .f_transpose(1, 2)?;
        let turned = rope.rotate(&qkv.f_narrow(1, 0, heads + groups)?)?;
        let mut q = turned.f_narrow(1, 0, heads)?;
        let mut k = turned.f_narrow(1, heads, groups)?;
        let mut v = qkv.f_narrow(1, heads + groups, groups)?;
        if let Some((keys, values)) = slot {
            keys.f_narrow(2, place.slot, tokens)?.f_copy_(&k)?;
            values.f_narrow(2, place.slot, tokens)?.f_copy_(&v)?;
            k = keys.f_narrow(2, 0, place.slot + tokens)?;
            v = values.f_narrow(2, 0, place.slot + tokens)?;
        }
        let (mask, causal) = match &place.sight {
            _ if last_only => (None, false),
            Sight::All => (None, false),
            Sight::Causal => (None, true),
            Sight::Mask(mask) => (Some(mask), false),
        };
        if last_only {
            q = last_position(&q, 2)?;
        }
        let queries = if last_only { 1 } else { tokens };
        let grouped = heads != groups;
        let y =
            Tensor::f_scaled_dot_product_attention(&q, &k, &v, mask, 0.0, causal, None, grouped)?;
        let width = heads * self.head_dim;
        self.o_proj.forward(&y.f_transpose(1, 2)?.f_reshape([batch, queries, width])?)
    }
}

fn last_position(x: &Tensor, dimension: i64) -> Result<Tensor, TchError> {
    x.f_narrow(dimension, x.size()[dimension as usize] - 1, 1)
}

/// Root mean square norm. Computes in float32; in a shorter element type the result is rounded
/// once, where Hugging Face rounds before and after the product with the weight.
#[derive(Debug)]
pub(super) struct RmsNorm {
    weight: Tensor,
    width: i64,
    eps: f64,
}

impl RmsNorm {
    pub(super) fn new(path: &Path, width: i64, eps: f64) -> Result<Self, TchError> {
        Ok(Self { weight: variable(path, "weight", &[width])?, width, eps })
    }

    pub(super) fn share(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), ..*self }
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.f_kind()?;
        let weight = cast(&self.weight, kind)?;
        if kind != Kind::Float || x.device() != Device::Cpu {
            return x.f_rms_norm([self.width], Some(weight), self.eps);
        }
        // libtorch has no kernel for this on a CPU; its composition of others takes twice as long.
        let mean_square = x.f_mul(x)?.f_mean_dim(&[-1i64][..], true, kind)?;
        x.f_mul(&mean_square.f_add_scalar(self.eps)?.f_rsqrt()?)?.f_mul(&weight)
    }
}
