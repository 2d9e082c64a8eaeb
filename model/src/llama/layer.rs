//! One decoder layer: attention and gated MLP, each behind an RMSNorm.

use super::cache::{Place, Sight};
use super::rope::Rope;
use crate::checkpoint::Adapter;
use crate::config::TextConfig;
use crate::layers::{FusedLinear, Linear, variable};
use crate::products::product;
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

    /// `x` \[B, T, hidden\] one layer on; `slot` holds keys and values if there is a cache. Of
    /// positions that are not `wanted` only keys and values are computed.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        rope: &Rope,
        place: &Place,
        slot: Option<&mut (Tensor, Tensor)>,
        wanted: Wanted,
    ) -> Result<Tensor, TchError> {
        let attended = self.attend(x, rope, place, slot, wanted)?;
        let x = match wanted {
            Wanted::All => x.f_add(&attended)?,
            Wanted::Last => last_position(x, 1)?.f_add(&attended)?,
            Wanted::Rows(rows) => x.f_flatten(0, 1)?.f_index_select(0, rows)?.f_add(&attended)?,
        };
        let gate_up = self.post_attention_norm.forward_into(&x, &self.gate_up)?;
        let halves = gate_up.f_split_with_sizes([self.inner, self.inner], -1)?;
        let inner = halves[0].f_silu()?.f_mul(&halves[1])?;
        x.f_add(&self.down_proj.forward(&inner)?)
    }

    fn attend(
        &self,
        x: &Tensor,
        rope: &Rope,
        place: &Place,
        slot: Option<&mut (Tensor, Tensor)>,
        wanted: Wanted,
    ) -> Result<Tensor, TchError> {
        let (batch, tokens, _) = x.size3()?;
        let whole = if slot.is_none() { self.turned_in_pairs(x, rope)? } else { None };
        let (mut q, mut k, mut v) = match whole {
            Some(parts) => parts,
            None => self.turned(&self.input_norm.forward(x)?, rope)?,
        };
        if let Some((keys, values)) = slot {
            keys.f_narrow(2, place.slot, tokens)?.f_copy_(&k)?;
            values.f_narrow(2, place.slot, tokens)?.f_copy_(&v)?;
            k = keys.f_narrow(2, 0, place.slot + tokens)?;
            v = values.f_narrow(2, 0, place.slot + tokens)?;
        }
        let last_only = matches!(wanted, Wanted::Last);
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
        let grouped = self.heads != self.key_value_heads;
        let y =
            Tensor::f_scaled_dot_product_attention(&q, &k, &v, mask, 0.0, causal, None, grouped)?;
        let width = self.heads * self.head_dim;
        let y = y.f_transpose(1, 2)?.f_reshape([batch, queries, width])?;
        match wanted {
            Wanted::Rows(rows) => self.o_proj.forward(&y.f_flatten(0, 1)?.f_index_select(0, rows)?),
            _ => self.o_proj.forward(&y),
        }
    }

    /// Queries, keys and values \[B, heads, T, head_dim\] of `x` behind the norm.
    fn turned(&self, x: &Tensor, rope: &Rope) -> Result<Parts, TchError> {
        let (batch, tokens, _) = x.size3()?;
        let (heads, groups) = (self.heads, self.key_value_heads);
        let qkv = self.qkv.forward(x)?;
        let qkv = qkv.f_view([batch, tokens, heads + 2 * groups, self.head_dim])?;
        let parts = qkv.f_transpose(1, 2)?.f_split_with_sizes([heads + groups, groups], 1)?;
        let turned = rope.rotate(&parts[0])?.f_split_with_sizes([heads, groups], 1)?;
        Ok((turned[0].shallow_clone(), turned[1].shallow_clone(), parts[1].shallow_clone()))
    }

    /// [`Layer::turned`] of `x` before the norm in fewer passes over `x`, where that pays: the
    /// norm's weight goes into the matrix, and the numbers that turn together are brought side by
    /// side by ordering its rows. Queries and keys have their numbers in another order then, both
    /// in the same, so that their products are the same.
    fn turned_in_pairs(&self, x: &Tensor, rope: &Rope) -> Result<Option<Parts>, TchError> {
        if x.f_kind()? != Kind::Float {
            return Ok(None);
        }
        let Some(matrix) = self.qkv.matrix_for(x)? else { return Ok(None) };
        let (batch, tokens, hidden) = x.size3()?;
        let (heads, groups, half) = (self.heads, self.key_value_heads, self.head_dim / 2);
        let turning = (heads + groups) * self.head_dim;
        let rows = matrix.f_split_with_sizes([turning, groups * self.head_dim], 0)?;
        let pairs = rows[0].f_view([heads + groups, 2, half, hidden])?.f_transpose(1, 2)?;
        let matrix = Tensor::f_cat(&[&pairs.f_reshape([turning, hidden])?, &rows[1]], 0)?;
        let matrix = matrix.f_mul(&self.input_norm.weight)?;
        let qkv = product(&self.input_norm.unweighted(x)?, &matrix, None)?;
        let qkv = qkv.f_view([batch, tokens, heads + 2 * groups, self.head_dim])?;
        let parts = qkv.f_split_with_sizes([heads + groups, groups], 2)?;
        let turned = rope.rotate_pairs(&parts[0])?.f_split_with_sizes([heads, groups], 2)?;
        let by_head = |part: &Tensor| part.f_transpose(1, 2);
        Ok(Some((by_head(&turned[0])?, by_head(&turned[1])?, by_head(&parts[1])?)))
    }
}

/// Queries, keys and values.
type Parts = (Tensor, Tensor, Tensor);

/// Which positions of a layer's output are computed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    /// All: \[B, T, hidden\].
    All,
    /// The last: \[B, 1, hidden\].
    Last,
    /// These of B T \[R\] (int64): \[R, hidden\].
    Rows(&'a Tensor),
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
        self.unweighted(x)?.f_mul(&weight)
    }

    /// `map` of the norm of `x`.
    fn forward_into(&self, x: &Tensor, map: &FusedLinear) -> Result<Tensor, TchError> {
        match map.matrix_for(x)? {
            Some(matrix) if x.f_kind()? == Kind::Float => {
                product(&self.unweighted(x)?, &matrix.f_mul(&self.weight)?, None)
            }
            _ => map.forward(&self.forward(x)?),
        }
    }

    /// `x` (float32) over its root mean square.
    fn unweighted(&self, x: &Tensor) -> Result<Tensor, TchError> {
        if x.device() != Device::Cpu {
            return x.f_rms_norm::<Tensor>([self.width], None, self.eps);
        }
        // libtorch has no kernel for this on a CPU; its composition of others takes twice as long.
        let mean_square = x.f_mul(x)?.f_mean_dim(&[-1i64][..], true, Kind::Float)?;
        x.f_mul(&mean_square.f_add_scalar(self.eps)?.f_rsqrt()?)
    }
}
