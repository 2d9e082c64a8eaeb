//! What the vision towers see of the states: computed anew from augmented pictures where they are
//! trained, once and for all where they stand still.
//!
//! What stands still is rounded to bfloat16 whether it is kept or not, so that a run goes the same
//! way on a machine with less memory. Must never be asked for weights.

use crate::batch::BatchMaker;
use crate::choices::Augmentation;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::memory::fits_in_memory;
use crate::network::Network;
use crate::progress::{Computed, Progress, StillReport};
use crate::sampling::Draw;
use std::ops::ControlFlow;
use tch::{Device, Kind, TchError, Tensor, no_grad};

/// States whose features are computed at a time.
const BATCH: usize = 64;
/// Bytes of a number in bfloat16.
const NUMBER_BYTES: u64 = 2;

/// What the towers see.
pub enum Sight {
    /// They are trained.
    Trained,
    /// They stand still, and these are the features of all states, \[N, P, hidden\] bfloat16.
    Kept(Tensor),
    /// They stand still, and memory is short.
    Computed,
}

impl Sight {
    /// Looks once at all states if the towers of `network` stand still and there is room.
    pub fn prepare(
        network: &Network,
        maker: &BatchMaker,
        config: &TrainConfig,
        heard: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<Self, TrainError> {
        if !network.vision_stands_still() {
            return Ok(Self::Trained);
        }
        let mut hear = |news: &Progress| match heard(news) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(TrainError::StoppedWhileLoading),
        };
        let (states, hidden) = (maker.store.states(), network.config.text_config.hidden_size);
        let shape = [states as i64, maker.patches as i64, hidden];
        let bytes = NUMBER_BYTES * shape.iter().product::<i64>() as u64;
        let visits = config.steps.saturating_mul(config.batch_size as u64);
        let when = if visits < states as u64 {
            Computed::ForFewSteps
        } else if maker.device != Device::Cpu || fits_in_memory(bytes) {
            Computed::Once
        } else {
            Computed::ForLackOfMemory
        };
        let augmentation = config.augmentation != Augmentation::None;
        hear(&Progress::Still(StillReport { bytes, when, augmentation }))?;
        if when != Computed::Once {
            return Ok(Self::Computed);
        }
        let all = Tensor::f_empty(shape, (Kind::BFloat16, maker.device))?;
        let states: Vec<u32> = (0..states as u32).collect();
        for part in states.chunks(BATCH) {
            let seen = look(network, maker, part)?;
            all.f_narrow(0, i64::from(part[0]), part.len() as i64)?.f_copy_(&seen)?;
            let done = part[0] as usize + part.len();
            hear(&Progress::Seeing { states: done, total: states.len() })?;
        }
        Ok(Self::Kept(all))
    }

    /// The features of a micro-batch.
    pub fn of_draw(
        &self,
        network: &Network,
        maker: &BatchMaker,
        draw: &Draw,
    ) -> Result<Tensor, TrainError> {
        match self {
            Self::Trained => Ok(network.features(&maker.pictures(draw)?)?),
            _ => self.of(network, maker, draw.states),
        }
    }

    /// The features of states as they are.
    pub fn of(
        &self,
        network: &Network,
        maker: &BatchMaker,
        states: &[u32],
    ) -> Result<Tensor, TrainError> {
        let seen = match self {
            Self::Trained => return Ok(network.features(&maker.plain_pictures(states)?)?),
            Self::Computed => look(network, maker, states)?,
            Self::Kept(all) => {
                let index: Vec<i64> = states.iter().map(|&state| i64::from(state)).collect();
                all.f_index_select(0, &Tensor::f_from_slice(&index)?.f_to_device(maker.device)?)?
            }
        };
        Ok(seen.f_to_kind(network.compute_kind())?)
    }
}

/// What towers that stand still see, in bfloat16.
fn look(network: &Network, maker: &BatchMaker, states: &[u32]) -> Result<Tensor, TrainError> {
    let pictures = maker.plain_pictures(states)?;
    let seen = no_grad(|| -> Result<Tensor, TchError> {
        network.features(&pictures)?.f_to_kind(Kind::BFloat16)
    });
    Ok(seen?)
}
