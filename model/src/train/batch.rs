//! From states to the tensors of one optimiser step: pictures with colour augmentation, token ids
//! with noise on the action tokens, and what each supervised logits row should predict.
//!
//! Must never choose the states (see [`super::sampling`]) or weigh the losses.

use super::config::LbcConfig;
use super::loss::{Targets, target_row};
use super::random::{Purpose, generator, standard_normal, symmetric};
use super::store::Store;
use crate::config::{OpenVlaConfig, UNIT_TOKENS};
use crate::image::ImageProcessor;
use crate::tokens::ActionVocab;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ACTION_DIMS, ActionUnit};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, TchError, Tensor};

/// The dimension that is neither jittered nor softened.
const GRIPPER: usize = ACTION_DIMS - 1;

/// How the six channels of `pixel_values` are made of values in 0..=1: `gain * value + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    gain: [f64; 6],
    offset: [f64; 6],
}

impl Normalisation {
    /// What `images` does to a picture, found by asking it for black and white.
    pub fn of(images: &ImageProcessor) -> Result<Self, TchError> {
        let answer = |value: f64| -> Result<[f64; 6], TchError> {
            let grey = Tensor::f_full([1, 3, 1, 1], value, (Kind::Double, Device::Cpu))?;
            let channels = Vec::<f64>::try_from(images.normalize(&grey)?.f_flatten(0, -1)?)?;
            <[f64; 6]>::try_from(channels).map_err(|found| {
                TchError::Shape(format!("{} normalised channels, expected 6", found.len()))
            })
        };
        let (offset, white) = (answer(0.0)?, answer(1.0)?);
        Ok(Self { gain: std::array::from_fn(|i| white[i] - offset[i]), offset })
    }
}

/// Where a supervised action token is: in which example of the batch, unit and dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index in the batch.
    pub example: usize,
    /// Unit of the stream.
    pub unit: usize,
    /// Dimension of the action.
    pub dimension: usize,
    /// The bin that is right.
    pub bin: u16,
}

/// The token part of a batch.
pub struct StreamBatch {
    /// \[B, T\] int64: prompt, then the stream but for its last token.
    pub input_ids: Tensor,
    /// Supervised rows of the flattened hidden states \[B (P + T), hidden\]: action rows first,
    /// then separators (int64).
    pub rows: Tensor,
    /// What those rows should predict.
    pub targets: Targets,
    /// What each action row stands for.
    pub places: Vec<Place>,
}

/// The tensors of one step.
pub struct Batch {
    /// \[B, 6, S, S\] float32.
    pub pixel_values: Tensor,
    /// Standardised labels \[B, A\].
    pub labels: Tensor,
    /// Which labels are known \[B, A\].
    pub known: Tensor,
    /// The streams; none for vision pretraining.
    pub stream: Option<StreamBatch>,
}

/// Makes batches from a store.
pub struct BatchMaker<'a> {
    /// Where the states are.
    pub store: &'a Store,
    /// Hyper-parameters.
    pub config: &'a LbcConfig,
    /// Where the action tokens are.
    pub vocab: ActionVocab,
    /// How pictures are normalised.
    pub normalisation: Normalisation,
    /// Patches that a picture becomes.
    pub patches: usize,
    /// Where the tensors go.
    pub device: Device,
}

impl<'a> BatchMaker<'a> {
    /// A maker for the model of `model`.
    pub fn new(
        store: &'a Store,
        config: &'a LbcConfig,
        model: &OpenVlaConfig,
        normalisation: Normalisation,
        device: Device,
    ) -> Self {
        let (vocab, patches) = (ActionVocab::new(model), model.patches() as usize);
        Self { store, config, vocab, normalisation, patches, device }
    }

    /// The batch of training step `step` with streams of `horizon` units (0 = none): augmented and
    /// with noise on the tokens that are fed in.
    pub fn training(&self, states: &[u32], horizon: usize, step: u64) -> Result<Batch, TchError> {
        let mut colour = generator(self.config.seed, Purpose::Augmentation, step);
        let mut jitter = generator(self.config.seed, Purpose::TokenJitter, step);
        self.assemble(states, horizon, Some(&mut colour), Some(&mut jitter))
    }

    /// The batch of `states` as they are.
    pub fn validation(&self, states: &[u32], horizon: usize) -> Result<Batch, TchError> {
        self.assemble(states, horizon, None, None)
    }

    fn assemble(
        &self,
        states: &[u32],
        horizon: usize,
        colour: Option<&mut ChaCha8Rng>,
        jitter: Option<&mut ChaCha8Rng>,
    ) -> Result<Batch, TchError> {
        let index: Vec<i64> = states.iter().map(|&state| i64::from(state)).collect();
        let index = Tensor::f_from_slice(&index)?.f_to_device(self.device)?;
        let stream = if horizon > 0 { Some(self.streams(states, horizon, jitter)?) } else { None };
        Ok(Batch {
            pixel_values: self.pictures(&index, states.len(), colour)?,
            labels: self.store.labels.f_index_select(0, &index)?,
            known: self.store.known.f_index_select(0, &index)?,
            stream,
        })
    }

    /// Contrast, brightness and normalisation are one multiplication and addition per example and
    /// channel. With the picture in -1..=1, contrast multiplies (a common factor and half as much
    /// again per channel) and brightness adds.
    fn pictures(
        &self,
        index: &Tensor,
        count: usize,
        mut colour: Option<&mut ChaCha8Rng>,
    ) -> Result<Tensor, TchError> {
        let (mut scales, mut shifts) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let (contrast, brightness) = match colour.as_deref_mut() {
                Some(rng) => {
                    let common = symmetric(rng, self.config.contrast);
                    let channels: [f64; 3] = std::array::from_fn(|_| {
                        1.0 + common + 0.5 * symmetric(rng, self.config.contrast)
                    });
                    (channels, symmetric(rng, self.config.brightness))
                }
                None => ([1.0; 3], 0.0),
            };
            for channel in 0..6 {
                let Normalisation { gain, offset } = self.normalisation;
                let (contrast, gain) = (contrast[channel % 3], gain[channel]);
                let shift = gain * 0.5 * (1.0 + brightness - contrast) + offset[channel];
                scales.push((gain * contrast / 255.0) as f32);
                shifts.push(shift as f32);
            }
        }
        let factors = |values: &[f32]| {
            Tensor::f_from_slice(values)?.f_view([-1, 2, 3, 1, 1])?.f_to_device(self.device)
        };
        let pictures = self.store.images.f_index_select(0, index)?;
        let planes = pictures.f_permute([0, 3, 1, 2])?.f_contiguous()?.f_to_kind(Kind::Float)?;
        let (_, _, height, width) = planes.size4()?;
        // Both towers see the same picture, normalised each its own way.
        let both = factors(&shifts)?.f_addcmul(&planes.f_unsqueeze(1)?, &factors(&scales)?)?;
        both.f_view([-1, 6, height, width])
    }

    fn streams(
        &self,
        states: &[u32],
        horizon: usize,
        mut jitter: Option<&mut ChaCha8Rng>,
    ) -> Result<StreamBatch, TchError> {
        let answers: Vec<_> = states.iter().map(|&state| self.store.answer(state)).collect();
        let longest = answers.iter().map(|answer| answer.prompt.len()).max().unwrap_or(0);
        let length = longest + horizon * UNIT_TOKENS - 1;
        let mut ids = Vec::with_capacity(states.len() * length);
        let (mut action_rows, mut separator_rows) = (Vec::new(), Vec::new());
        let (mut table_rows, mut places) = (Vec::new(), Vec::new());
        for (example, answer) in answers.iter().enumerate() {
            let begin = ids.len();
            ids.extend(answer.prompt);
            for unit in &answer.units[..horizon] {
                let fed = match jitter.as_deref_mut() {
                    Some(rng) => self.jittered(unit, rng),
                    None => *unit,
                };
                ids.extend(self.vocab.unit_tokens(&fed));
            }
            // A shorter prompt leaves room on the right, which nothing before it can see.
            ids.resize(begin + length, self.vocab.separator());
            // Token t is predicted by the row before it; the patches follow the first token.
            let row = |token: usize| {
                let first = example * (self.patches + length);
                (first + self.patches + answer.prompt.len() + token - 1) as i64
            };
            let supervised = answer.supervised.min(horizon);
            for (unit, bins) in answer.units[..supervised].iter().enumerate() {
                for (dimension, &bin) in bins.0.iter().enumerate() {
                    action_rows.push(row(unit * UNIT_TOKENS + dimension));
                    table_rows.push(target_row(bin, dimension == GRIPPER));
                    places.push(Place { example, unit, dimension, bin });
                }
                separator_rows.push(row(unit * UNIT_TOKENS + ACTION_DIMS));
            }
        }
        let tokens = vec![self.vocab.separator(); separator_rows.len()];
        action_rows.extend(separator_rows);
        let to_device = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(self.device);
        Ok(StreamBatch {
            input_ids: to_device(&ids)?.f_view([-1, length as i64])?,
            rows: to_device(&action_rows)?,
            targets: Targets { table_rows: to_device(&table_rows)?, tokens: to_device(&tokens)? },
            places,
        })
    }

    fn jittered(&self, unit: &ActionUnit, rng: &mut ChaCha8Rng) -> ActionUnit {
        let mut fed = *unit;
        for bin in &mut fed.0[..GRIPPER] {
            let noise = (standard_normal(rng) * self.config.token_jitter_bins).round();
            *bin = (f64::from(*bin) + noise).clamp(1.0, f64::from(ACTION_BINS)) as u16;
        }
        fed
    }
}

/// The stream length of training step `step`: short in the configured share of the steps.
pub fn stream_length(config: &LbcConfig, step: u64) -> usize {
    let draw: f64 = generator(config.seed, Purpose::StreamLength, step).random();
    if draw < config.short_stream_fraction { config.short_horizon } else { config.horizon }
}
