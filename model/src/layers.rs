//! The layers that all parts of the model share: linear maps and layer norm.
//!
//! A layer computes in the element type of its input and casts its weights to it, so weights
//! kept in float32 can be trained in bfloat16; where both agree the cast costs nothing.
//! Variables are created holding whatever was in memory, so that gigabytes are not written twice;
//! values come from a checkpoint or from [`crate::openvla::OpenVla::init`].

use crate::checkpoint::Adapter;
use crate::lora::Lora;
use crate::products::product;
use crate::tensor::{cast, firsts};
use tch::nn::Path;
use tch::{TchError, Tensor};

/// A new variable called `name`, without a value yet.
pub fn variable(path: &Path, name: &str, shape: &[i64]) -> Result<Tensor, TchError> {
    Ok(path.add(name, Tensor::f_empty(shape, (path.kind(), path.device()))?, true))
}

/// The dotted name of the module at `path`, as checkpoints spell it.
pub(crate) fn module_name(path: &Path) -> String {
    path.components().collect::<Vec<_>>().join(".")
}

/// `y = x Wᵀ + b`, with W stored as `weight` \[outputs, inputs\], and an adapter's share if there
/// is one.
#[derive(Debug)]
pub struct Linear {
    module: String,
    weight: Tensor,
    bias: Option<Tensor>,
    lora: Option<Lora>,
}

impl Linear {
    /// A map whose variables are `weight` and `bias` below `path`.
    pub fn new(path: &Path, inputs: i64, outputs: i64) -> Result<Self, TchError> {
        let bias = Some(variable(path, "bias", &[outputs])?);
        Ok(Self { bias, ..Self::without_bias(path, inputs, outputs)? })
    }

    pub(crate) fn without_bias(path: &Path, inputs: i64, outputs: i64) -> Result<Self, TchError> {
        let weight = variable(path, "weight", &[outputs, inputs])?;
        Ok(Self { module: module_name(path), weight, bias: None, lora: None })
    }

    /// The image of `x`, whose last dimension has `inputs` values.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let y = product(x, &self.weight, self.bias.as_ref())?;
        match &self.lora {
            Some(lora) => lora.add_to(&y, x),
            None => Ok(y),
        }
    }

    /// `sum` and the image of `x`, each output of it times its `scale` if there is one.
    pub(crate) fn add_to(
        &self,
        sum: &Tensor,
        x: &Tensor,
        scale: Option<&Tensor>,
    ) -> Result<Tensor, TchError> {
        let Some(scale) = scale else { return sum.f_add(&self.forward(x)?) };
        let kind = x.f_kind()?;
        let is_exact = self.weight.f_kind()? == kind;
        if self.lora.is_some() || !is_exact || x.numel() <= self.weight.numel() {
            return sum.f_addcmul(&self.forward(x)?, &cast(scale, kind)?);
        }
        let weight = self.weight.f_mul(&scale.f_unsqueeze(1)?)?;
        let bias = self.bias.as_ref().map(|bias| bias.f_mul(scale)).transpose()?;
        sum.f_add(&product(x, &weight, bias.as_ref())?)
    }

    /// Takes this map's share of `adapter`, in place of any before.
    pub(crate) fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        self.lora = Lora::of(adapter, &self.module, self.weight.f_kind()?)?;
        Ok(())
    }

    /// The same weights without an adapter.
    pub(crate) fn share(&self) -> Self {
        Self {
            module: self.module.clone(),
            weight: self.weight.shallow_clone(),
            bias: self.bias.as_ref().map(Tensor::shallow_clone),
            lora: None,
        }
    }

    /// Only the outputs `first .. first + count`.
    pub(crate) fn rows(&self, first: i64, count: i64) -> Result<Linear, TchError> {
        Ok(Linear {
            module: self.module.clone(),
            weight: self.weight.f_narrow(0, first, count)?,
            bias: self.bias.as_ref().map(|bias| bias.f_narrow(0, first, count)).transpose()?,
            lora: self.lora.as_ref().map(|lora| lora.rows(first, count)).transpose()?,
        })
    }
}

/// Several maps of the same input without bias, their outputs side by side.
///
/// If they are frozen, the variables are views of one matrix: one product instead of several, at
/// no memory of its own. Such weights cannot be trained; adapters on them can.
#[derive(Debug)]
pub(crate) struct FusedLinear {
    modules: Vec<String>,
    weights: Vec<Tensor>,
    fused: Option<Tensor>,
    loras: Vec<Option<Lora>>,
    /// The adapters of all parts as one, if none of them is being trained.
    lora: Option<Lora>,
}

impl FusedLinear {
    /// The maps `name` with so many outputs, below `path`.
    pub(crate) fn new(
        path: &Path,
        inputs: i64,
        parts: &[(&str, i64)],
        frozen: bool,
    ) -> Result<Self, TchError> {
        let outputs: Vec<i64> = parts.iter().map(|(_, outputs)| *outputs).collect();
        let options = (path.kind(), path.device());
        let fused = match frozen {
            true => Some(Tensor::f_empty([outputs.iter().sum(), inputs], options)?),
            false => None,
        };
        let weights = parts
            .iter()
            .zip(firsts(&outputs))
            .map(|((name, outputs), first)| match &fused {
                Some(fused) => {
                    let rows = fused.f_narrow(0, first, *outputs)?;
                    Ok((path / *name).add("weight", rows, true))
                }
                None => variable(&(path / *name), "weight", &[*outputs, inputs]),
            })
            .collect::<Result<_, TchError>>()?;
        Ok(Self {
            modules: parts.iter().map(|(name, _)| module_name(&(path / *name))).collect(),
            weights,
            fused,
            loras: parts.iter().map(|_| None).collect(),
            lora: None,
        })
    }

    /// The maps as one matrix, adapters left out.
    fn matrix(&self) -> Result<Tensor, TchError> {
        match &self.fused {
            Some(fused) => Ok(fused.shallow_clone()),
            None => Tensor::f_cat(&self.weights, 0),
        }
    }

    /// [`FusedLinear::matrix`] if that is all there is, and scaling its columns is less work than
    /// scaling `x`: what is done to every row of `x` can then be done to the matrix instead.
    pub(crate) fn matrix_for(&self, x: &Tensor) -> Result<Option<Tensor>, TchError> {
        let numbers: usize = self.weights.iter().map(Tensor::numel).sum();
        let is_exact = self.weights[0].f_kind()? == x.f_kind()?;
        if self.loras.iter().any(Option::is_some) || !is_exact || x.numel() <= numbers {
            return Ok(None);
        }
        self.matrix().map(Some)
    }

    /// \[.., inputs\] to \[.., sum of outputs\].
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let y = product(x, &self.matrix()?, None)?;
        if let Some(lora) = &self.lora {
            return lora.add_to(&y, x);
        }
        if self.loras.iter().all(Option::is_none) {
            return Ok(y);
        }
        let shares = y.f_split_with_sizes(self.outputs(), -1)?;
        let shares = shares
            .into_iter()
            .zip(&self.loras)
            .map(|(share, lora)| match lora {
                Some(lora) => lora.add_to(&share, x),
                None => Ok(share),
            })
            .collect::<Result<Vec<_>, _>>()?;
        Tensor::f_cat(&shares, -1)
    }

    /// Takes the parts' shares of `adapter`, in place of any before.
    pub(crate) fn set_adapter(&mut self, adapter: Option<&Adapter>) -> Result<(), TchError> {
        let kind = self.weights[0].f_kind()?;
        for (lora, module) in self.loras.iter_mut().zip(&self.modules) {
            *lora = Lora::of(adapter, module, kind)?;
        }
        self.lora = Lora::side_by_side(&self.loras, &self.outputs())?;
        Ok(())
    }

    /// The same weights without an adapter.
    pub(crate) fn share(&self) -> Self {
        Self {
            modules: self.modules.clone(),
            weights: self.weights.iter().map(Tensor::shallow_clone).collect(),
            fused: self.fused.as_ref().map(Tensor::shallow_clone),
            loras: self.loras.iter().map(|_| None).collect(),
            lora: None,
        }
    }

    fn outputs(&self) -> Vec<i64> {
        self.weights.iter().map(|weight| weight.size()[0]).collect()
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

    /// The same weights.
    pub(crate) fn share(&self) -> Self {
        let (weight, bias) = (self.weight.shallow_clone(), self.bias.shallow_clone());
        Self { weight, bias, ..*self }
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.f_kind()?;
        let (weight, bias) = (cast(&self.weight, kind)?, cast(&self.bias, kind)?);
        x.f_layer_norm([self.width], Some(weight), Some(bias), self.eps, true)
    }
}
