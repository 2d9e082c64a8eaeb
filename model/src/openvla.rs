//! OpenVLA: vision towers, projector and language model put together.
//!
//! Owns the multimodal sequence: BOS, the P patches, then the rest of the text and action
//! tokens, attended causally. So token `t >= 1` of `input_ids` sits at position `t + P` and is
//! predicted by logits row `t + P - 1`. Computation runs in the element type of
//! `pixel_values`. Must never choose tokens: that is [`crate::decode`]'s.

use crate::checkpoint::Adapter;
use crate::config::OpenVlaConfig;
use crate::error::ModelError;
use crate::init;
use crate::llama::{KvCache, Llama};
use crate::packed::Packed;
use crate::projector::Projector;
use crate::vision::VisionBackbone;
use tch::nn::{Path, VarStore};
use tch::{Device, Kind, TchError, Tensor};

/// The module tree; its variables have the names of the published checkpoint.
#[derive(Debug)]
pub struct OpenVla {
    vision_backbone: VisionBackbone,
    projector: Projector,
    language_model: Llama,
}

impl OpenVla {
    /// Builds the tree under `path`, its variables without values, for a checked configuration.
    pub fn new(path: &Path, config: &OpenVlaConfig) -> Result<Self, ModelError> {
        Self::with(path, config, false)
    }

    fn with(path: &Path, config: &OpenVlaConfig, frozen: bool) -> Result<Self, ModelError> {
        let towers = config.towers();
        let vision = towers.featurizer.embed_dim + towers.fused_featurizer.embed_dim;
        Ok(Self {
            vision_backbone: VisionBackbone::new(&(path / "vision_backbone"), config)?,
            projector: Projector::new(
                &(path / "projector"),
                vision,
                config.text_config.hidden_size,
            )?,
            language_model: Llama::new(&(path / "language_model"), &config.text_config, frozen)?,
        })
    }

    /// A model and its variables in `kind` on `device`, to be trained once values are there, for
    /// a checked configuration.
    pub fn build(
        config: &OpenVlaConfig,
        device: Device,
        kind: Kind,
    ) -> Result<(VarStore, Self), ModelError> {
        let variables = new_store(device, kind)?;
        let model = Self::new(&variables.root(), config)?;
        Ok((variables, model))
    }

    /// [`OpenVla::build`] for a model whose weights are never trained; adapters on it can be.
    /// Those products in the decoder that share their input are one, and the variables views of
    /// one matrix.
    pub fn build_frozen(
        config: &OpenVlaConfig,
        device: Device,
        kind: Kind,
    ) -> Result<(VarStore, Self), ModelError> {
        let mut variables = new_store(device, kind)?;
        let model = Self::with(&variables.root(), config, true)?;
        variables.freeze();
        Ok((variables, model))
    }

    /// A new model in float32, to be trained from scratch; equal seeds give equal weights.
    pub fn init(
        config: &OpenVlaConfig,
        seed: u64,
        device: Device,
    ) -> Result<(VarStore, Self), ModelError> {
        config.check()?;
        let (variables, model) = Self::build(config, device, Kind::Float)?;
        init::fill(&variables, config, seed)?;
        Ok((variables, model))
    }

    /// A second model on the same weights, without an adapter: it can be given another one.
    pub fn share(&self) -> Self {
        Self {
            vision_backbone: self.vision_backbone.share(),
            projector: self.projector.share(),
            language_model: self.language_model.share(),
        }
    }

    /// Lets `adapter` act on all maps that it has a share for, in place of any before; the
    /// weights stay as they are.
    pub fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        self.vision_backbone.set_adapter(adapter)?;
        self.projector.set_adapter(adapter)?;
        self.language_model.set_adapter(adapter)
    }

    /// The fused vision backbone.
    pub fn vision_backbone(&self) -> &VisionBackbone {
        &self.vision_backbone
    }

    /// The language model.
    pub fn language_model(&self) -> &Llama {
        &self.language_model
    }

    /// Projected patches \[B, P, hidden\] of `pixel_values` \[B, 6, S, S\].
    pub fn vision_features(&self, pixel_values: &Tensor) -> Result<Tensor, TchError> {
        self.projector.forward(&self.vision_backbone.forward(pixel_values)?)
    }

    /// The multimodal sequence \[B, P + T, hidden\] of patches \[B, P, hidden\] and `input_ids`
    /// \[B, T\], whose column 0 is BOS.
    pub fn embed(&self, features: &Tensor, input_ids: &Tensor) -> Result<Tensor, TchError> {
        let text = self.language_model.embed(input_ids, features.f_kind()?)?;
        let rest = text.f_narrow(1, 1, input_ids.size2()?.1 - 1)?;
        Tensor::f_cat(&[&text.f_narrow(1, 0, 1)?, features, &rest], 1)
    }

    /// Logits \[B, P + T, vocabulary\] in float32 of `pixel_values` \[B, 6, S, S\] and
    /// `input_ids` \[B, T\]. Shorter rows are padded on the right; their logits at and after
    /// the padding mean nothing.
    pub fn forward_train(
        &self,
        pixel_values: &Tensor,
        input_ids: &Tensor,
    ) -> Result<Tensor, TchError> {
        self.forward_features(&self.vision_features(pixel_values)?, input_ids)
    }

    /// [`OpenVla::forward_train`] from projected patches \[B, P, hidden\].
    pub fn forward_features(
        &self,
        features: &Tensor,
        input_ids: &Tensor,
    ) -> Result<Tensor, TchError> {
        let hidden = self.language_model.forward(&self.embed(features, input_ids)?, None)?;
        self.language_model.logits(&hidden)
    }

    /// Hidden states \[tokens, hidden\] that predict the tokens of `packed`, from projected patches
    /// \[B, P, hidden\]. What stands behind one prefix costs one pass together.
    pub fn packed_hidden(&self, features: &Tensor, packed: &Packed) -> Result<Tensor, TchError> {
        let embeddings = self.embed(features, &packed.input_ids)?;
        let (positions, visible) = (&packed.positions, &packed.visible);
        let rows = packed.predicting()?;
        self.language_model.forward_packed(&embeddings, positions, visible, &rows)
    }

    /// Runs patches and `input_ids` into the empty `cache`; the hidden state \[B, 1, hidden\] at
    /// the last position, which predicts the next token.
    pub fn prefill(
        &self,
        features: &Tensor,
        input_ids: &Tensor,
        cache: &mut KvCache,
    ) -> Result<Tensor, TchError> {
        self.language_model.prefill(&self.embed(features, input_ids)?, cache)
    }

    /// Runs further tokens `ids` \[B, T W\] of the cache's W branches, in the order \[T, W\],
    /// into `cache`; the hidden states \[B, W, hidden\] after the last one of each branch.
    pub fn step(&self, ids: &Tensor, cache: &mut KvCache) -> Result<Tensor, TchError> {
        let embeddings = self.language_model.embed(ids, cache.kind())?;
        let hidden = self.language_model.forward(&embeddings, Some(cache))?;
        let width = cache.width();
        hidden.f_narrow(1, hidden.size3()?.1 - width, width)
    }
}

/// Refuses a GPU that is not there, in words.
pub fn check_device(device: Device) -> Result<(), ModelError> {
    let Device::Cuda(index) = device else { return Ok(()) };
    let present = tch::Cuda::device_count().max(0) as usize;
    if index < present { Ok(()) } else { Err(ModelError::NoGpu { index, present }) }
}

fn new_store(device: Device, kind: Kind) -> Result<VarStore, ModelError> {
    check_device(device)?;
    let mut variables = VarStore::new(device);
    variables.set_kind(kind);
    Ok(variables)
}
