//! Cross entropy of the expert's units, softened over neighbouring bins where that is wanted.
//!
//! Owns one number a unit. Must never weigh units against one another.

use crate::loss::{target_row, target_table};
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ACTION_DIMS, ActionUnit};
use jaco_model::config::UNIT_TOKENS;
use jaco_model::tokens::ActionVocab;
use tch::{Device, Kind, TchError, Tensor};

/// The dimension whose targets are never softened.
const GRIPPER: usize = ACTION_DIMS - 1;

/// What the tokens of a unit should be.
#[derive(Debug)]
pub struct Imitation {
    table: Tensor,
    vocab: ActionVocab,
}

impl Imitation {
    /// Targets with a standard deviation of `sigma_bins`; 0 = the unit's tokens alone.
    pub fn new(sigma_bins: f64, vocab: ActionVocab, device: Device) -> Result<Self, TchError> {
        Ok(Self { table: target_table(sigma_bins, device)?, vocab })
    }

    /// Mean cross entropy per token of each of `units` \[U\], separator included, from the logits
    /// \[8 U, vocabulary\] that predict their tokens.
    pub fn losses(&self, logits: &Tensor, units: &[ActionUnit]) -> Result<Tensor, TchError> {
        let shape = [units.len() as i64, UNIT_TOKENS as i64, logits.size2()?.1];
        let log_probs = logits.f_log_softmax(1, Kind::Float)?.f_view(shape)?;
        let (dimensions, bins) = (ACTION_DIMS as i64, i64::from(ACTION_BINS));
        let rows = units.iter().flat_map(|unit| {
            unit.0.iter().enumerate().map(|(d, &bin)| target_row(bin, d == GRIPPER))
        });
        let rows = Tensor::f_from_slice(&rows.collect::<Vec<_>>())?;
        let targets = self.table.f_index_select(0, &rows.f_to_device(logits.device())?)?;
        let of_actions = log_probs
            .f_narrow(1, 0, dimensions)?
            .f_narrow(2, self.vocab.first(), bins)?
            .f_mul(&targets.f_view([shape[0], dimensions, bins])?)?
            .f_sum_dim_intlist(&[1i64, 2][..], false, Kind::Float)?;
        let separators = log_probs.f_select(1, dimensions)?.f_select(1, self.vocab.separator())?;
        of_actions.f_add(&separators)?.f_div_scalar(-(UNIT_TOKENS as f64))
    }
}
