//! The language model: Llama 2 under Hugging Face's names, with a key-value cache.
//!
//! RMSNorm and rotary embedding compute in float32 whatever the element type. Must never know
//! of pictures or actions: it maps embeddings to hidden states and hidden states to logits.

mod cache;
mod layer;
mod rope;

pub use cache::KvCache;

use crate::checkpoint::Adapter;
use crate::config::TextConfig;
use crate::layers::{Linear, variable};
use crate::tensor::cast;
use cache::Place;
use layer::{Layer, RmsNorm, Wanted};
use rope::Rope;
use tch::nn::Path;
use tch::{Kind, TchError, Tensor};

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
    pub(crate) fn new(path: &Path, config: &TextConfig, frozen: bool) -> Result<Self, TchError> {
        let (model, hidden) = (path / "model", config.hidden_size);
        let embedding = &model / "embed_tokens";
        Ok(Self {
            embed_tokens: variable(&embedding, "weight", &[config.vocab_size, hidden])?,
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::new(&(&model / "layers" / i), config, frozen))
                .collect::<Result<_, _>>()?,
            norm: RmsNorm::new(&(&model / "norm"), hidden, config.rms_norm_eps)?,
            lm_head: Linear::without_bias(&(path / "lm_head"), hidden, config.vocab_size)?,
            rope: Rope::new(config, path.device())?,
        })
    }

    /// The same weights without an adapter.
    pub(crate) fn share(&self) -> Self {
        Self {
            embed_tokens: self.embed_tokens.shallow_clone(),
            layers: self.layers.iter().map(Layer::share).collect(),
            norm: self.norm.share(),
            lm_head: self.lm_head.share(),
            rope: self.rope.share(),
        }
    }

    pub(crate) fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        self.lm_head.set_adapter(adapter)?;
        self.layers.iter_mut().try_for_each(|layer| layer.set_adapter(adapter))
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
        cache: Option<&mut KvCache>,
    ) -> Result<Tensor, TchError> {
        self.layers_forward(embeddings, cache, Wanted::All, |_| ())
    }

    /// [`Llama::forward`] without a cache, of which only these `rows` \[R\] (int64) of B T are
    /// wanted: \[R, hidden\]. The last layer then computes no more than keys and values of the others.
    pub fn forward_rows(&self, embeddings: &Tensor, rows: &Tensor) -> Result<Tensor, TchError> {
        self.layers_forward(embeddings, None, Wanted::Rows(rows), |_| ())
    }

    /// [`Llama::forward`] into an empty cache, of which only the last position is wanted:
    /// \[B, 1, hidden\]. The last layer then computes no more than keys and values of the others.
    pub(crate) fn prefill(
        &self,
        embeddings: &Tensor,
        cache: &mut KvCache,
    ) -> Result<Tensor, TchError> {
        self.layers_forward(embeddings, Some(cache), Wanted::Last, |_| ())
    }

    /// [`Llama::forward`], and what each decoder layer was given: embeddings first, then the
    /// outputs of all layers but the last, and the final hidden states.
    pub fn hidden_states(&self, embeddings: &Tensor) -> Result<Vec<Tensor>, TchError> {
        let mut states = Vec::with_capacity(self.layers.len() + 1);
        let last =
            self.layers_forward(embeddings, None, Wanted::All, |x| states.push(x.shallow_clone()))?;
        states.push(last);
        Ok(states)
    }

    /// [`Llama::forward`] without a cache for tokens that are not one sequence: each stands at its
    /// own of the `positions` \[B, T\] (int64) and sees those that `visible` \[B, 1, T, T\] (bool:
    /// queries, keys) says, itself at least. Several continuations of one prefix take one pass so.
    /// What comes back is that of the `rows` \[R\] of B T: \[R, hidden\].
    pub fn forward_packed(
        &self,
        embeddings: &Tensor,
        positions: &Tensor,
        visible: &Tensor,
        rows: &Tensor,
    ) -> Result<Tensor, TchError> {
        let place = Place::masked(visible);
        let rope = self.rope.of(positions)?;
        let mut x = embeddings.shallow_clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let wanted = self.wanted(i, Wanted::Rows(rows));
            x = layer.forward(&x, &rope, &place, None, wanted)?;
        }
        self.norm.forward(&x)
    }

    /// What is wanted of layer `i` where this is wanted of the last one.
    fn wanted<'a>(&self, i: usize, of_last: Wanted<'a>) -> Wanted<'a> {
        if i + 1 == self.layers.len() { of_last } else { Wanted::All }
    }

    fn layers_forward(
        &self,
        embeddings: &Tensor,
        mut cache: Option<&mut KvCache>,
        wanted: Wanted,
        mut see: impl FnMut(&Tensor),
    ) -> Result<Tensor, TchError> {
        let (_, tokens, _) = embeddings.size3()?;
        let place = match &mut cache {
            Some(cache) => cache.place(tokens, embeddings.device())?,
            None => Place::whole_sequence(),
        };
        let rope = self.rope.at(place.first_position, tokens / place.branches, place.branches)?;
        let mut x = embeddings.shallow_clone();
        for (i, layer) in self.layers.iter().enumerate() {
            see(&x);
            let slot = cache.as_mut().map(|cache| cache.layer(i));
            x = layer.forward(&x, &rope, &place, slot, self.wanted(i, wanted))?;
        }
        if let Some(cache) = cache {
            cache.advance(tokens);
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
