//! Vision pretraining: towers and projector learn where things are by regressing what only a
//! simulator knows (poses, gripper), before a single token is learnt. Minutes of it save the token
//! loss most of its way when training from scratch.

use crate::choices::Trainable;
use crate::config::{StageConfig, TrainConfig};
use crate::error::TrainError;
use crate::objective::{HeldOut, Losses, Objective, StepContext, UseOfLabels};
use crate::progress::{Progress, Summary};
use crate::request::TrainRequest;
use crate::run::run;
use crate::stage::Stage;
use crate::sums::ValidationSums;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Hyper-parameters of [`train_vision`] beside those that all stages share: none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VisionConfig {}

impl StageConfig for VisionConfig {
    const STAGE: Stage = Stage::Vision;

    fn check(&self, train: &TrainConfig) -> Result<(), TrainError> {
        match train.trainable {
            Trainable::All => Ok(()),
            trainable => Err(TrainError::NothingTrained { stage: Stage::Vision, trainable }),
        }
    }
}

/// Pretrains the vision towers and writes a checkpoint to `request.out` from which
/// [`train_lbc`](crate::train_lbc) can start. The regression head is kept in its training state.
pub fn train_vision(
    request: &TrainRequest,
    train: &TrainConfig,
    own: &VisionConfig,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Summary, TrainError> {
    run(request, train, own, |_, _| Ok(Vision), progress)
}

struct Vision;

impl Objective for Vision {
    fn labels(&self) -> UseOfLabels {
        UseOfLabels::Required
    }

    fn losses(&mut self, step: &StepContext) -> Result<Losses, TrainError> {
        let prediction = step.network.labels(&step.features()?)?.ok_or(TrainError::NoLabels)?;
        let label = step.label_share(&prediction)?;
        let values = BTreeMap::from([("label_loss", label.f_double_value(&[])?)]);
        Ok(Losses { total: label, values })
    }

    fn validate(&mut self, held: &HeldOut, sums: &mut ValidationSums) -> Result<(), TrainError> {
        let prediction = held.network.labels(&held.features()?)?.ok_or(TrainError::NoLabels)?;
        sums.add_labels(&prediction, &held.maker.labels(held.states)?)?;
        Ok(())
    }
}
