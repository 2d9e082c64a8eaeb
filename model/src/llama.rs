//! The language model: Llama 2 under Hugging Face's names, with a key-value cache.
//!
//! RMSNorm and rotary embedding compute in float32 whatever the element type. Must never know
//! of pictures or actions: it maps embeddings to hidden states and hidden states to logits.

use crate::config::TextConfig;
use crate::layers::{Linear, cast, variable};
use tch::nn::Path;
use tch::{Device, Kind, TchError, Tensor};

/// Decoder, embedding table and head (names `language_model.*`).
#[derive(Debug)]
pub struct Llama {
    embed_tokens: Tensor,
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Linear,
    rope: Rope,
}

impl Llama {
    pub(crate) fn new(path: &Path, config: &TextConfig) -> Result<Self, TchError> {
        let (model, hidden) = (path / "model", config.hidden_size);
        let embedding = &model / "embed_tokens";
        Ok(Self {
            embed_tokens: variable(&embedding, "weight", &[config.vocab_size, hidden])?,
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::new(&(&model / "layers" / i), config))
                .collect::<Result<_, _>>()?,
            norm: RmsNorm::new(&(&model / "norm"), hidden, config.rms_norm_eps)?,
            lm_head: Linear::without_bias(&(path / "lm_head"), hidden, config.vocab_size)?,
            rope: Rope::new(config, path.device())?,
        })
    }

    /// Embeddings \[B, T, hidden\] of `ids` \[B, T\] in the element type `kind`.
    pub fn embed(&self, ids: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        cast(&Tensor::f_embedding(&self.embed_tokens, ids, -1, false, false)?, kind)
    }

    /// Hidden states after the final norm, \[B, T, hidden\], of `embeddings` of the same shape
    /// that follow what `cache` holds; without a cache they begin the sequence.
    pub fn forward(
        &self,
        embeddings: &Tensor,
        mut cache: Option<&mut KvCache>,
    ) -> Result<Tensor, TchError> {
        let (_, tokens, _) = embeddings.size3()?;
        let past = cache.as_ref().map_or(0, |cache| cache.filled);
        let rope = self.rope.at(past, tokens)?;
        let mask = causal_mask(past, tokens, embeddings.device())?;
        let mut x = embeddings.shallow_clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let slot = cache.as_mut().map(|cache| (&mut cache.layers[i], past));
            x = layer.forward(&x, &rope, mask.as_ref(), slot)?;
        }
        if let Some(cache) = cache {
            cache.filled += tokens;
        }
        self.norm.forward(&x)
    }

    /// Logits \[.., vocabulary\] in float32 of hidden states \[.., hidden\].
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor, TchError> {
        cast(&self.lm_head.forward(hidden)?, Kind::Float)
    }

    /// The rows of the head for the tokens `first .. first + count`.
    pub(crate) fn head_rows(&self, first: i64, count: i64) -> Result<Linear, TchError> {
        self.lm_head.rows(first, count)
    }
}

/// Keys and values of the positions seen so far.
#[derive(Debug)]
pub struct KvCache {
    /// Keys and values of each layer, \[B, heads, capacity, head_dim\].
    layers: Vec<(Tensor, Tensor)>,
    kind: Kind,
    filled: i64,
}

impl KvCache {
    /// An empty cache for `capacity` positions.
    pub fn new(
        config: &TextConfig,
        batch: i64,
        capacity: i64,
        options: (Kind, Device),
    ) -> Result<Self, TchError> {
        let shape = [batch, config.key_value_heads(), capacity, config.head_dim()];
        let layers = (0..config.num_hidden_layers)
            .map(|_| Ok((Tensor::f_empty(shape, options)?, Tensor::f_empty(shape, options)?)))
            .collect::<Result<_, TchError>>()?;
        Ok(Self { layers, kind: options.0, filled: 0 })
    }

    /// Element type of keys and values.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Positions held.
    pub fn len(&self) -> i64 {
        self.filled
    }

    /// Whether no position is held.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Forgets all but the first `len` positions, so that another continuation can be tried.
    pub fn truncate(&mut self, len: i64) {
        self.filled = self.filled.min(len);
    }
}

/// Which keys each query may see where `is_causal` cannot say it: several queries after a past.
fn causal_mask(past: i64, tokens: i64, device: Device) -> Result<Option<Tensor>, TchError> {
    if past == 0 || tokens == 1 {
        return Ok(None);
    }
    let ones = Tensor::f_ones([tokens, past + tokens], (Kind::Bool, device))?;
    ones.f_tril(past).map(Some)
}

#[derive(Debug)]
struct Layer {
    input_norm: RmsNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    post_attention_norm: RmsNorm,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
    heads: i64,
    key_value_heads: i64,
    head_dim: i64,
}

impl Layer {
    fn new(path: &Path, config: &TextConfig) -> Result<Self, TchError> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let (heads, groups, dim) =
            (config.num_attention_heads, config.key_value_heads(), config.head_dim());
        let (attention, mlp) = (path / "self_attn", path / "mlp");
        let eps = config.rms_norm_eps;
        Ok(Self {
            input_norm: RmsNorm::new(&(path / "input_layernorm"), hidden, eps)?,
            q_proj: Linear::without_bias(&(&attention / "q_proj"), hidden, heads * dim)?,
            k_proj: Linear::without_bias(&(&attention / "k_proj"), hidden, groups * dim)?,
            v_proj: Linear::without_bias(&(&attention / "v_proj"), hidden, groups * dim)?,
            o_proj: Linear::without_bias(&(&attention / "o_proj"), heads * dim, hidden)?,
            post_attention_norm: RmsNorm::new(&(path / "post_attention_layernorm"), hidden, eps)?,
            gate_proj: Linear::without_bias(&(&mlp / "gate_proj"), hidden, inner)?,
            up_proj: Linear::without_bias(&(&mlp / "up_proj"), hidden, inner)?,
            down_proj: Linear::without_bias(&(&mlp / "down_proj"), inner, hidden)?,
            heads,
            key_value_heads: groups,
            head_dim: dim,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        rope: &Rope,
        mask: Option<&Tensor>,
        slot: Option<(&mut (Tensor, Tensor), i64)>,
    ) -> Result<Tensor, TchError> {
        let x = x.f_add(&self.attend(&self.input_norm.forward(x)?, rope, mask, slot)?)?;
        let normed = self.post_attention_norm.forward(&x)?;
        let gate = self.gate_proj.forward(&normed)?.f_silu()?;
        x.f_add(&self.down_proj.forward(&gate.f_mul(&self.up_proj.forward(&normed)?)?)?)
    }

    fn attend(
        &self,
        x: &Tensor,
        rope: &Rope,
        mask: Option<&Tensor>,
        slot: Option<(&mut (Tensor, Tensor), i64)>,
    ) -> Result<Tensor, TchError> {
        let (batch, tokens, _) = x.size3()?;
        let split = |y: Tensor, heads: i64| {
            y.f_reshape([batch, tokens, heads, self.head_dim])?.f_transpose(1, 2)
        };
        let q = rope.rotate(&split(self.q_proj.forward(x)?, self.heads)?)?;
        let mut k = rope.rotate(&split(self.k_proj.forward(x)?, self.key_value_heads)?)?;
        let mut v = split(self.v_proj.forward(x)?, self.key_value_heads)?;
        if let Some(((keys, values), past)) = slot {
            keys.f_narrow(2, past, tokens)?.f_copy_(&k)?;
            values.f_narrow(2, past, tokens)?.f_copy_(&v)?;
            k = keys.f_narrow(2, 0, past + tokens)?;
            v = values.f_narrow(2, 0, past + tokens)?;
        }
        let causal = mask.is_none() && tokens > 1;
        let grouped = self.heads != self.key_value_heads;
        let y =
            Tensor::f_scaled_dot_product_attention(&q, &k, &v, mask, 0.0, causal, None, grouped)?;
        let width = self.heads * self.head_dim;
        self.o_proj.forward(&y.f_transpose(1, 2)?.f_reshape([batch, tokens, width])?)
    }
}

/// Root mean square norm, in float32 but for the product with the weight.
#[derive(Debug)]
struct RmsNorm {
    weight: Tensor,
    width: i64,
    eps: f64,
}

impl RmsNorm {
    fn new(path: &Path, width: i64, eps: f64) -> Result<Self, TchError> {
        Ok(Self { weight: variable(path, "weight", &[width])?, width, eps })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.f_kind()?;
        let normed =
            x.f_to_kind(Kind::Float)?.f_rms_norm::<Tensor>([self.width], None, self.eps)?;
        normed.f_to_kind(kind)?.f_mul(&cast(&self.weight, kind)?)
    }
}

/// Rotary position embedding in the half-split layout: position `p` turns the pair
/// `(x[i], x[i + d/2])` by `p theta^(-2i/d)`.
#[derive(Debug)]
struct Rope {
    /// Cosines of all positions, \[positions, head_dim\].
    cos: Tensor,
    /// Sines, negated in the first half, so that the turn is `x cos + roll(x, d/2) sin`.
    signed_sin: Tensor,
    half: i64,
}

impl Rope {
    fn new(config: &TextConfig, device: Device) -> Result<Self, TchError> {
        let (dim, options) = (config.head_dim(), (Kind::Float, device));
        let exponents = Tensor::f_arange_start_step(0, dim, 2, options)?.f_div_scalar(dim)?;
        let frequencies = Tensor::f_pow_scalar(config.rope_theta, &exponents)?.f_reciprocal()?;
        let positions = Tensor::f_arange(config.max_position_embeddings as i64, options)?;
        let angles = positions.f_outer(&frequencies)?;
        let (cos, sin) = (angles.f_cos()?, angles.f_sin()?);
        Ok(Self {
            cos: Tensor::f_cat(&[&cos, &cos], 1)?,
            signed_sin: Tensor::f_cat(&[&sin.f_neg()?, &sin], 1)?,
            half: dim / 2,
        })
    }

    /// The tables of the positions `first .. first + count` alone.
    fn at(&self, first: i64, count: i64) -> Result<Self, TchError> {
        Ok(Self {
            cos: self.cos.f_narrow(0, first, count)?,
            signed_sin: self.signed_sin.f_narrow(0, first, count)?,
            half: self.half,
        })
    }

    /// Turns `x` \[B, heads, T, head_dim\], whose T positions are those of the tables.
    fn rotate(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.f_kind()?;
        let x = cast(x, Kind::Float)?;
        let rolled = x.f_roll([self.half], [-1])?;
        cast(&x.f_mul(&self.cos)?.f_addcmul(&rolled, &self.signed_sin)?, kind)
    }
}
