//! The layers that all parts of the model share: linear maps and layer norm.
//!
//! A layer computes in the element type of its input and casts its weights to it, so weights
//! kept in float32 can be trained in bfloat16; where both agree the cast costs nothing.
//! Variables are created holding zeros; values come from a checkpoint or from
//! [`crate::openvla::OpenVla::init`].

use tch::nn::{Init, Path};
use tch::{Kind, TchError, Tensor};

/// A new variable of zeros called `name`.
pub(crate) fn variable(path: &Path, name: &str, shape: &[i64]) -> Result<Tensor, TchError> {
    path.f_var(name, shape, Init::Const(0.0))
}

/// `x` in the element type `kind`.
pub(crate) fn cast(x: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
    // libtorch's own check costs a dispatch, which counts where a token is many small operations.
    if x.f_kind()? == kind { Ok(x.shallow_clone()) } else { x.f_to_kind(kind) }
}

/// `y = x Wᵀ + b`, with W stored as `weight` \[outputs, inputs\].
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub(crate) fn new(path: &Path, inputs: i64, outputs: i64) -> Result<Self, TchError> {
        let weight = variable(path, "weight", &[outputs, inputs])?;
        Ok(Self { weight, bias: Some(variable(path, "bias", &[outputs])?) })
    }

    pub(crate) fn without_bias(path: &Path, inputs: i64, outputs: i64) -> Result<Self, TchError> {
        Ok(Self { weight: variable(path, "weight", &[outputs, inputs])?, bias: None })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.f_kind()?;
        let bias = self.bias.as_ref().map(|bias| cast(bias, kind)).transpose()?;
        x.f_linear(&cast(&self.weight, kind)?, bias)
    }

    /// Only the outputs `first .. first + count`.
    pub(crate) fn rows(&self, first: i64, count: i64) -> Result<Linear, TchError> {
        let bias = self.bias.as_ref().map(|bias| bias.f_narrow(0, first, count)).transpose()?;
        Ok(Linear { weight: self.weight.f_narrow(0, first, count)?, bias })
    }
}

/// Layer norm over the last dimension.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    width: i64,
    eps: f64,
}

impl LayerNorm {
    pub(crate) fn new(path: &Path, width: i64, eps: f64) -> Result<Self, TchError> {
        let weight = variable(path, "weight", &[width])?;
        Ok(Self { weight, bias: variable(path, "bias", &[width])?, width, eps })
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.f_kind()?;
        let (weight, bias) = (cast(&self.weight, kind)?, cast(&self.bias, kind)?);
        x.f_layer_norm([self.width], Some(weight), Some(bias), self.eps, true)
    }
}
