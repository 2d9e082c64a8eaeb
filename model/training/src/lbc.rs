//! Language-conditioned behaviour cloning of action streams (L-BC): all weights learn to continue
//! picture and instruction with the tokens of the expert's stream.
//!
//! Next-token loss over the full vocabulary; the regression of simulator labels goes on beside it
//! where the data have labels.

use crate::batch::{Batch, stream_length};
use crate::config::{LbcConfig, TrainRequest};
use crate::error::TrainError;
use crate::loss::{label_loss, target_table, token_loss};
use crate::metrics::ValidationSums;
use crate::network::Network;
use crate::progress::{Progress, Summary};
use crate::run::{Losses, Objective, run};
use crate::state::Stage;
use jaco_core::codec::ACTION_BINS;
use jaco_model::tokens::ActionVocab;
use std::ops::ControlFlow;
use tch::Tensor;

/// Trains a policy on expert streams and writes its checkpoint to `request.out`.
///
/// `progress` hears of every step; when it answers `Break` the checkpoint and the training state
/// are saved and the run ends.
pub fn train_lbc(
    request: &TrainRequest,
    config: &LbcConfig,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Summary, TrainError> {
    let make = |network: &Network, device| {
        let table = target_table(config.target_sigma_bins, device)?;
        let first_action = ActionVocab::new(&network.config).first();
        Ok(Lbc { table, first_action, aux_weight: config.aux_weight })
    };
    run(request, config, make, progress)
}

struct Lbc {
    table: Tensor,
    first_action: i64,
    aux_weight: f64,
}

impl Objective for Lbc {
    const STAGE: Stage = Stage::Lbc;

    fn uses_labels(&self, config: &LbcConfig) -> bool {
        config.aux_weight > 0.0
    }

    fn stream_length(&self, config: &LbcConfig, step: u64) -> usize {
        stream_length(config, step)
    }

    fn losses(&self, network: &Network, batch: &Batch) -> Result<Losses, TrainError> {
        let features = network.features(&batch.pixel_values)?;
        let stream = batch.stream.as_ref().expect("a batch of this stage has streams");
        let logits = network.stream_logits(&features, stream)?;
        let token = token_loss(&logits, &stream.targets, &self.table, self.first_action)?;
        let Some(prediction) = network.labels(&features)? else {
            return Ok(Losses { total: token.shallow_clone(), token: Some(token), label: None });
        };
        let label = label_loss(&prediction, &batch.labels, &batch.known)?;
        let total = token.f_add(&label.f_mul_scalar(self.aux_weight)?)?;
        Ok(Losses { total, token: Some(token), label: Some(label) })
    }

    fn validate(
        &self,
        network: &Network,
        batch: &Batch,
        sums: &mut ValidationSums,
    ) -> Result<(), TrainError> {
        let features = network.features(&batch.pixel_values)?;
        let stream = batch.stream.as_ref().expect("a batch of this stage has streams");
        let logits = network.stream_logits(&features, stream)?;
        let loss = token_loss(&logits, &stream.targets, &self.table, self.first_action)?;
        let action_logits = logits.f_narrow(0, 0, stream.places.len() as i64)?.f_narrow(
            1,
            self.first_action,
            i64::from(ACTION_BINS),
        )?;
        let rows = logits.size2()?.0 as usize;
        sums.add_tokens(loss.f_double_value(&[])?, rows, &action_logits, &stream.places)?;
        if let Some(prediction) = network.labels(&features)? {
            sums.add_labels(&prediction, batch)?;
        }
        Ok(())
    }
}
