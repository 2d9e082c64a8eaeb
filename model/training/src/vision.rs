//! Vision pretraining: towers and projector learn where things are by regressing what only a
//! simulator knows (poses, gripper), before a single token is learnt. Minutes of it save the token
//! loss most of its way when training from scratch.

use crate::batch::Batch;
use crate::config::{LbcConfig, TrainRequest};
use crate::error::TrainError;
use crate::loss::label_loss;
use crate::metrics::ValidationSums;
use crate::network::Network;
use crate::progress::{Progress, Summary};
use crate::run::{Losses, Objective, run};
use crate::state::Stage;
use std::ops::ControlFlow;

/// Pretrains the vision towers and writes a checkpoint to `request.out` from which
/// [`train_lbc`](crate::train_lbc) can start. The regression head is kept in its training state.
pub fn train_vision(
    request: &TrainRequest,
    config: &LbcConfig,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Summary, TrainError> {
    run(request, config, |_, _| Ok(Vision), progress)
}

struct Vision;

impl Objective for Vision {
    const STAGE: Stage = Stage::Vision;

    fn uses_labels(&self, _config: &LbcConfig) -> bool {
        true
    }

    fn stream_length(&self, _config: &LbcConfig, _step: u64) -> usize {
        0
    }

    fn losses(&self, network: &Network, batch: &Batch) -> Result<Losses, TrainError> {
        let prediction = network.labels(&network.features(&batch.pixel_values)?)?;
        let prediction = prediction.ok_or(TrainError::NoLabels)?;
        let label = label_loss(&prediction, &batch.labels, &batch.known)?;
        Ok(Losses { total: label.shallow_clone(), token: None, label: Some(label) })
    }

    fn validate(
        &self,
        network: &Network,
        batch: &Batch,
        sums: &mut ValidationSums,
    ) -> Result<(), TrainError> {
        let prediction = network.labels(&network.features(&batch.pixel_values)?)?;
        sums.add_labels(&prediction.ok_or(TrainError::NoLabels)?, batch)?;
        Ok(())
    }
}
