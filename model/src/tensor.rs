//! Small things that are done to tensors everywhere.

use tch::{Kind, TchError, Tensor};

/// `x` in the element type `kind`.
pub(crate) fn cast(x: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
    // libtorch's own check costs a dispatch, which counts where a token is many small operations.
    if x.f_kind()? == kind { Ok(x.shallow_clone()) } else { x.f_to_kind(kind) }
}

/// Where parts of these sizes begin when put side by side.
pub(crate) fn firsts(sizes: &[i64]) -> impl Iterator<Item = i64> {
    sizes.iter().scan(0, |next, size| Some(std::mem::replace(next, *next + size)))
}
