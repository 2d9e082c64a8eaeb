//! From patch features to the language model's embedding space: OpenVLA's
//! "no-align+fused-gelu-mlp" projector (names `projector.fc1..fc3`).

use crate::checkpoint::Adapter;
use crate::config::PROJECTOR_EXPANSION as EXPANSION;
use crate::layers::Linear;
use tch::nn::Path;
use tch::{TchError, Tensor};

/// Three linear maps with erf-GELU between them.
#[derive(Debug)]
pub(crate) struct Projector {
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl Projector {
    pub(crate) fn new(path: &Path, vision: i64, hidden: i64) -> Result<Self, TchError> {
        Ok(Self {
            fc1: Linear::new(&(path / "fc1"), vision, EXPANSION * vision)?,
            fc2: Linear::new(&(path / "fc2"), EXPANSION * vision, hidden)?,
            fc3: Linear::new(&(path / "fc3"), hidden, hidden)?,
        })
    }

    /// The same weights without an adapter.
    pub(crate) fn share(&self) -> Self {
        Self { fc1: self.fc1.share(), fc2: self.fc2.share(), fc3: self.fc3.share() }
    }

    pub(crate) fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        [&mut self.fc1, &mut self.fc2, &mut self.fc3]
            .into_iter()
            .try_for_each(|map| map.set_adapter(adapter))
    }

    /// \[B, P, vision\] to \[B, P, hidden\].
    pub(crate) fn forward(&self, features: &Tensor) -> Result<Tensor, TchError> {
        let x = self.fc1.forward(features)?.f_gelu("none")?;
        let x = self.fc2.forward(&x)?.f_gelu("none")?;
        self.fc3.forward(&x)
    }
}
