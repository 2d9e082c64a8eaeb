//! Low-rank adapters on the maps of a model (LoRA, as PEFT applies it): `y += scale · B A x`.
//!
//! Owns how a map uses its share of an [`Adapter`]. An adapter that is not being trained is kept
//! in the weights' element type with its scale folded in; one that requires gradients is used as
//! it is. Must never read files or change the base's weights.

use crate::checkpoint::{Adapter, LoraPair};
use crate::products::product;
use crate::tensor::{cast, firsts};
use tch::{Kind, TchError, Tensor};

/// The adapter of one map.
#[derive(Debug)]
pub(crate) struct Lora {
    /// \[r, inputs\], or \[r, channels, height, width\].
    a: Tensor,
    /// \[outputs, r\], or \[outputs, r, 1, 1\].
    b: Tensor,
    /// Of the product that is still to be scaled; 1 where that is done already.
    scale: f64,
}

impl Lora {
    /// What `adapter` holds for `module`, for weights of `kind`.
    pub(crate) fn of(
        adapter: Option<&Adapter>,
        module: &str,
        kind: Kind,
    ) -> Result<Option<Self>, TchError> {
        let Some(LoraPair { a, b, scale }) = adapter.and_then(|it| it.modules.get(module)) else {
            return Ok(None);
        };
        if a.requires_grad() || b.requires_grad() {
            return Ok(Some(Self { a: a.shallow_clone(), b: b.shallow_clone(), scale: *scale }));
        }
        let b = b.f_mul_scalar(*scale)?;
        Ok(Some(Self { a: cast(a, kind)?, b: cast(&b, kind)?, scale: 1.0 }))
    }

    /// One adapter for maps whose outputs are put side by side, if no part of it is trained.
    pub(crate) fn side_by_side(
        parts: &[Option<Lora>],
        outputs: &[i64],
    ) -> Result<Option<Self>, TchError> {
        let present: Vec<&Lora> = parts.iter().flatten().collect();
        if present.is_empty() || present.iter().any(|lora| lora.is_trained()) {
            return Ok(None);
        }
        let options = (present[0].b.f_kind()?, present[0].b.device());
        let ranks: Vec<i64> = present.iter().map(|lora| lora.b.size()[1]).collect();
        let b = Tensor::f_zeros([outputs.iter().sum(), ranks.iter().sum()], options)?;
        let mut columns = firsts(&ranks);
        for ((lora, first), rows) in parts.iter().zip(firsts(outputs)).zip(outputs) {
            let Some(lora) = lora else { continue };
            let (column, rank) = (columns.next().unwrap_or(0), lora.b.size()[1]);
            b.f_narrow(0, first, *rows)?.f_narrow(1, column, rank)?.f_copy_(&lora.b)?;
        }
        let a: Vec<&Tensor> = present.iter().map(|lora| &lora.a).collect();
        Ok(Some(Self { a: Tensor::f_cat(&a, 0)?, b, scale: 1.0 }))
    }

    /// `y` and this adapter's share for the input `x`.
    pub(crate) fn add_to(&self, y: &Tensor, x: &Tensor) -> Result<Tensor, TchError> {
        let low = product(x, &self.a, None)?;
        self.add_scaled(y, &product(&low, &self.b, None)?)
    }

    /// [`Lora::add_to`] for a convolution with `stride` and no padding.
    pub(crate) fn add_to_conv2d(
        &self,
        y: &Tensor,
        x: &Tensor,
        stride: [i64; 2],
    ) -> Result<Tensor, TchError> {
        let kind = x.f_kind()?;
        let (a, b) = (cast(&self.a, kind)?, cast(&self.b, kind)?);
        let low = x.f_conv2d::<Tensor>(&a, None, stride, [0, 0], [1, 1], 1)?;
        self.add_scaled(y, &low.f_conv2d::<Tensor>(&b, None, [1, 1], [0, 0], [1, 1], 1)?)
    }

    fn add_scaled(&self, y: &Tensor, share: &Tensor) -> Result<Tensor, TchError> {
        if self.scale == 1.0 { y.f_add(share) } else { y.f_add(&share.f_mul_scalar(self.scale)?) }
    }

    /// Only the outputs `first .. first + count`.
    pub(crate) fn rows(&self, first: i64, count: i64) -> Result<Self, TchError> {
        let b = self.b.f_narrow(0, first, count)?;
        Ok(Self { a: self.a.shallow_clone(), b, scale: self.scale })
    }

    fn is_trained(&self) -> bool {
        self.a.requires_grad() || self.b.requires_grad()
    }
}
