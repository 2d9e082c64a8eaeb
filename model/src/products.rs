//! The one product that all maps are made of, and the element type that it is computed in.
//!
//! On a CPU a product in bfloat16 takes half the time and anything else in bfloat16 takes longer: so
//! training can have the products alone in it. Must never know which map a product belongs to.

use crate::tensor::cast;
use std::cell::Cell;
use tch::{Kind, TchError, Tensor};

thread_local! {
    static PRODUCTS: Cell<Option<Kind>> = const { Cell::new(None) };
}

/// While it lives, large products of this thread's float32 layers are computed in another element
/// type; all else, and what comes of them, stays float32.
#[derive(Debug)]
pub struct ProductsIn(Option<Kind>);

impl ProductsIn {
    /// Products in `kind` from now on; none: in the element type of the input.
    pub fn new(kind: Option<Kind>) -> Self {
        Self(PRODUCTS.replace(kind))
    }
}

impl Drop for ProductsIn {
    fn drop(&mut self) {
        PRODUCTS.set(self.0);
    }
}

/// `x Wᵀ + b` in the element type of `x`.
pub(crate) fn product(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor, TchError> {
    let kind = x.f_kind()?;
    let wanted = PRODUCTS.get().filter(|_| kind == Kind::Float).unwrap_or(kind);
    // Casting the weights has to be the smaller part.
    let pays = x.numel() > weight.numel() || weight.f_kind()? == wanted;
    let within = if pays { wanted } else { kind };
    let bias = bias.map(|bias| cast(bias, within)).transpose()?;
    cast(&cast(x, within)?.f_linear(&cast(weight, within)?, bias)?, kind)
}
