//! The fused vision backbone: a DINOv2-like and a SigLIP-like tower over the same picture.
//!
//! Owns the two towers and the order of their channels. Must never resize or normalise
//! pictures: that is [`crate::image`]'s.

mod tower;

pub use tower::Tower;

use crate::checkpoint::Adapter;
use crate::config::OpenVlaConfig;
use tch::nn::Path;
use tch::{TchError, Tensor};

/// OpenVLA's fused backbone (names `vision_backbone.*`).
#[derive(Debug)]
pub struct VisionBackbone {
    featurizer: Tower,
    fused_featurizer: Tower,
}

impl VisionBackbone {
    pub(crate) fn new(path: &Path, config: &OpenVlaConfig) -> Result<Self, TchError> {
        let (towers, size) = (config.towers(), config.image_size());
        Ok(Self {
            featurizer: Tower::new(&(path / "featurizer"), &towers.featurizer, size)?,
            fused_featurizer: Tower::new(
                &(path / "fused_featurizer"),
                &towers.fused_featurizer,
                size,
            )?,
        })
    }

    /// The same weights without an adapter.
    pub(crate) fn share(&self) -> Self {
        let (first, second) = (self.featurizer.share(), self.fused_featurizer.share());
        Self { featurizer: first, fused_featurizer: second }
    }

    pub(crate) fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        self.featurizer.set_adapter(adapter)?;
        self.fused_featurizer.set_adapter(adapter)
    }

    /// The DINOv2-like tower: sees channels 0..3.
    pub fn featurizer(&self) -> &Tower {
        &self.featurizer
    }

    /// The SigLIP-like tower: sees channels 3..6.
    pub fn fused_featurizer(&self) -> &Tower {
        &self.fused_featurizer
    }

    /// Patch features \[B, P, D1 + D2\] of `pixel_values` \[B, 6, S, S\].
    pub fn forward(&self, pixel_values: &Tensor) -> Result<Tensor, TchError> {
        let first = self.featurizer.forward(&pixel_values.f_narrow(1, 0, 3)?)?;
        let second = self.fused_featurizer.forward(&pixel_values.f_narrow(1, 3, 3)?)?;
        Tensor::f_cat(&[first, second], 2)
    }
}
