//! What a stage has to say of itself to be run, and what it is given at each step.
//!
//! An objective makes its own batch: one stage feeds the expert's stream, another decodes the
//! policy's own first. Must never take an optimiser step.

use crate::batch::BatchMaker;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::loss::label_loss;
use crate::network::Network;
use crate::sampling::Draw;
use crate::sight::Sight;
use crate::sums::ValidationSums;
use std::collections::BTreeMap;
use tch::{Kind, TchError, Tensor};

/// What a micro-batch is made of.
pub struct StepContext<'a> {
    /// The model in training.
    pub network: &'a Network,
    /// Makes tensors of states.
    pub maker: &'a BatchMaker<'a>,
    /// Hyper-parameters that all stages share.
    pub config: &'a TrainConfig,
    /// The states, and where they stand in the step.
    pub draw: Draw<'a>,
    /// What the vision towers see.
    pub sight: &'a Sight,
}

impl StepContext<'_> {
    /// Projected patches \[B, P, hidden\] of the states' pictures: augmented and with a way for
    /// the gradient where towers or projector are trained, as they are where they stand still.
    pub fn features(&self) -> Result<Tensor, TrainError> {
        self.sight.of_draw(self.network, self.maker, &self.draw)
    }

    /// The share in the step's mean squared error of labels, for the head's `prediction` \[B, A\].
    pub fn label_share(&self, prediction: &Tensor) -> Result<Tensor, TchError> {
        let own = self.maker.labels(self.draw.states)?;
        let loss = label_loss(prediction, &own.values, &own.known)?;
        if self.draw.is_whole() {
            return Ok(loss);
        }
        let count = |known: &Tensor| known.f_sum(Kind::Float)?.f_double_value(&[]);
        let all = count(&self.maker.labels(self.draw.all)?.known)?;
        loss.f_mul_scalar(count(&own.known)? / all.max(1.0))
    }

    /// A mean over the supervised tokens of these states, in streams cut to `horizon` units, as a
    /// share of the mean over the step's.
    pub fn token_share(&self, mean: Tensor, horizon: usize) -> Result<Tensor, TchError> {
        if self.draw.is_whole() {
            return Ok(mean);
        }
        let count = |states| self.maker.supervised_tokens(states, horizon) as f64;
        mean.f_mul_scalar(count(self.draw.states) / count(self.draw.all).max(1.0))
    }
}

/// What a batch of a validation is made of.
pub struct HeldOut<'a> {
    /// The model in training, its weights those to be saved.
    pub network: &'a Network,
    /// Makes tensors of states.
    pub maker: &'a BatchMaker<'a>,
    /// Hyper-parameters that all stages share.
    pub config: &'a TrainConfig,
    /// The states.
    pub states: &'a [u32],
    /// What the vision towers see.
    pub sight: &'a Sight,
}

impl HeldOut<'_> {
    /// Projected patches \[B, P, hidden\] of the states' pictures as they are.
    pub fn features(&self) -> Result<Tensor, TrainError> {
        self.sight.of(self.network, self.maker, self.states)
    }
}

/// A micro-batch's share of the losses of its step: those of all micro-batches add up to what one
/// batch of all states would give.
pub struct Losses {
    /// What is minimised.
    pub total: Tensor,
    /// What is reported, by name. Shares as well; what is not said does not count in the mean.
    pub values: BTreeMap<&'static str, f64>,
}

/// Whether simulator labels are regressed beside, by a head that is trained along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseOfLabels {
    /// Not at all.
    No,
    /// Where the data have some.
    Optional,
    /// Always: without labels there is nothing to learn.
    Required,
}

/// What a stage minimises.
pub trait Objective {
    /// Whether labels are regressed.
    fn labels(&self) -> UseOfLabels {
        UseOfLabels::No
    }

    /// The share of a micro-batch. It may draw at random by the seed, the step and the place in
    /// the step alone, or a resumed run would go another way.
    fn losses(&mut self, step: &StepContext) -> Result<Losses, TrainError>;

    /// Adds held-out states to `sums`; without gradients.
    fn validate(&mut self, held: &HeldOut, sums: &mut ValidationSums) -> Result<(), TrainError>;

    /// Tensors of its own that must survive a resumed run, by name; float32. They are saved into
    /// the training state, and a resumed run copies what was saved into them before its first
    /// step.
    fn tensors(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    /// Whether [`Objective::selects`] may ever say yes.
    fn may_select(&self) -> bool {
        false
    }

    /// Whether the policy that is being saved is also to be kept in the folder `selected` of the
    /// output, in place of the one before. Asked once at each save, before [`Objective::tensors`].
    fn selects(&mut self) -> Result<bool, TrainError> {
        Ok(false)
    }
}
