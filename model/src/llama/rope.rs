//! Rotary position embedding in the half-split layout: position `p` turns the pair
//! `(x[i], x[i + d/2])` by `p theta^(-2i/d)`. Computes in float32.

use crate::config::TextConfig;
use crate::tensor::cast;
use tch::{Device, Kind, TchError, Tensor};

#[derive(Debug)]
pub(super) struct Rope {
    /// Cosines of all positions, \[positions, head_dim\].
    cos: Tensor,
    /// Sines, negated in the first half, so that the turn is `x cos + roll(x, d/2) sin`.
    signed_sin: Tensor,
    /// Both as complex numbers for each pair, \[positions, head_dim / 2\].
    turns: Tensor,
    half: i64,
}

impl Rope {
    pub(super) fn new(config: &TextConfig, device: Device) -> Result<Self, TchError> {
        let (dim, options) = (config.head_dim(), (Kind::Float, device));
        let exponents = Tensor::f_arange_start_step(0, dim, 2, options)?.f_div_scalar(dim)?;
        let frequencies = Tensor::f_pow_scalar(config.rope_theta, &exponents)?.f_reciprocal()?;
        let positions = Tensor::f_arange(config.max_position_embeddings as i64, options)?;
        let angles = positions.f_outer(&frequencies)?;
        let (cos, sin) = (angles.f_cos()?, angles.f_sin()?);
        Ok(Self {
            turns: Tensor::f_complex(&cos, &sin)?,
            cos: Tensor::f_cat(&[&cos, &cos], 1)?,
            signed_sin: Tensor::f_cat(&[&sin.f_neg()?, &sin], 1)?,
            half: dim / 2,
        })
    }

    pub(super) fn share(&self) -> Self {
        let (cos, signed_sin) = (self.cos.shallow_clone(), self.signed_sin.shallow_clone());
        Self { cos, signed_sin, turns: self.turns.shallow_clone(), half: self.half }
    }

    /// The tables for tokens at the positions `first .. first + count`, each of them `branches`
    /// times.
    pub(super) fn at(&self, first: i64, count: i64, branches: i64) -> Result<Self, TchError> {
        let rows = |table: &Tensor| {
            let rows = table.f_narrow(0, first, count)?;
            // One row serves all branches as it is.
            if branches == 1 || count == 1 {
                return Ok(rows);
            }
            rows.f_repeat_interleave_self_int(branches, 0, None)
        };
        let (cos, signed_sin) = (rows(&self.cos)?, rows(&self.signed_sin)?);
        Ok(Self { cos, signed_sin, turns: rows(&self.turns)?, half: self.half })
    }

    /// The tables for tokens that each stand at their own of `positions` \[B, T\].
    pub(super) fn of(&self, positions: &Tensor) -> Result<Self, TchError> {
        let (batch, tokens) = positions.size2()?;
        let places = positions.f_flatten(0, 1)?;
        let rows =
            |table: &Tensor| table.f_index_select(0, &places)?.f_view([batch, 1, tokens, -1]);
        let (cos, signed_sin) = (rows(&self.cos)?, rows(&self.signed_sin)?);
        Ok(Self { cos, signed_sin, turns: rows(&self.turns)?, half: self.half })
    }

    /// Turns `x` \[B, heads, T, head_dim\], whose T positions are those of the tables.
    pub(super) fn rotate(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let kind = x.f_kind()?;
        let x = cast(x, Kind::Float)?;
        let rolled = x.f_roll([self.half], [-1])?;
        cast(&x.f_mul(&self.cos)?.f_addcmul(&rolled, &self.signed_sin)?, kind)
    }

    /// [`Rope::rotate`] for `x` \[B, T, heads, head_dim\] in float32 whose pairs stand side by side,
    /// as they do in what comes back.
    pub(super) fn rotate_pairs(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (batch, tokens, heads, _) = x.size4()?;
        let pairs = x.f_view([batch, tokens, heads, self.half, 2])?.f_view_as_complex()?;
        // \[T, 1, pairs\] or \[B, T, 1, pairs\]: the same for all heads.
        let turns = match self.turns.dim() {
            2 => self.turns.f_unsqueeze(1)?,
            _ => self.turns.f_transpose(1, 2)?,
        };
        pairs.f_mul(&turns)?.f_view_as_real()?.f_flatten(-2, -1)
    }
}
