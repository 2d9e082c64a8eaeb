//! From states to the tensors of one micro-batch: pictures, labels, token ids with noise on the
//! action tokens, and what each supervised logits row should predict.
//!
//! An objective takes of it what it needs. Must never choose the states (see [`crate::sampling`])
//! or weigh the losses.

use crate::augment::Normalisation;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::loss::{Targets, target_row};
use crate::random::{Purpose, WORDS_PER_NORMAL, generator_at, standard_normal};
use crate::sampling::Draw;
use crate::store::Store;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ACTION_DIMS, ActionUnit};
use jaco_model::config::{OpenVlaConfig, UNIT_TOKENS};
use jaco_model::tokens::ActionVocab;
use rand_chacha::ChaCha8Rng;
use tch::{Device, TchError, Tensor};

/// The dimension that is neither jittered nor softened.
const GRIPPER: usize = ACTION_DIMS - 1;

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

/// The streams of a batch.
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
    /// The unit that each separator ends, in the order of their rows.
    pub separator_units: Vec<usize>,
}

/// The labels of a batch.
pub struct Labels {
    /// Standardised \[B, A\], 0 where unknown.
    pub values: Tensor,
    /// 1 where a label is known \[B, A\].
    pub known: Tensor,
}

/// Makes batches from a store.
pub struct BatchMaker<'a> {
    /// Where the states are.
    pub store: &'a Store,
    /// Hyper-parameters.
    pub config: &'a TrainConfig,
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
        config: &'a TrainConfig,
        model: &OpenVlaConfig,
        normalisation: Normalisation,
        device: Device,
    ) -> Self {
        let (vocab, patches) = (ActionVocab::new(model), model.patches() as usize);
        Self { store, config, vocab, normalisation, patches, device }
    }

    /// `pixel_values` \[B, 6, S, S\] (float32) of a micro-batch, augmented.
    pub fn pictures(&self, draw: &Draw) -> Result<Tensor, TrainError> {
        let pictures = self.store.pictures.gather(draw.states, self.device)?;
        Ok(self.normalisation.varied(&pictures, self.config, draw)?)
    }

    /// `pixel_values` \[B, 6, S, S\] (float32) of states as they are.
    pub fn plain_pictures(&self, states: &[u32]) -> Result<Tensor, TrainError> {
        let pictures = self.store.pictures.gather(states, self.device)?;
        Ok(self.normalisation.plain(&pictures)?)
    }

    /// The labels of states.
    pub fn labels(&self, states: &[u32]) -> Result<Labels, TchError> {
        let index: Vec<i64> = states.iter().map(|&state| i64::from(state)).collect();
        let index = Tensor::f_from_slice(&index)?.f_to_device(self.device)?;
        Ok(Labels {
            values: self.store.labels.f_index_select(0, &index)?,
            known: self.store.known.f_index_select(0, &index)?,
        })
    }

    /// The expert's streams of a micro-batch, cut to `horizon` units, with noise of the standard
    /// deviation `jitter_bins` on the tokens that are fed in.
    pub fn streams(
        &self,
        draw: &Draw,
        horizon: usize,
        jitter_bins: f64,
    ) -> Result<StreamBatch, TchError> {
        let words = draw.first * horizon * GRIPPER * WORDS_PER_NORMAL;
        let seed = self.config.seed;
        let mut rng = generator_at(seed, Purpose::TokenJitter, draw.step, words);
        self.assemble(draw.states, horizon, |unit| jittered(unit, jitter_bins, &mut rng))
    }

    /// The expert's streams of states, cut to `horizon` units, as they are.
    pub fn plain_streams(&self, states: &[u32], horizon: usize) -> Result<StreamBatch, TchError> {
        self.assemble(states, horizon, |unit| *unit)
    }

    /// Supervised tokens in the streams of `states` when they are cut to `horizon` units.
    pub fn supervised_tokens(&self, states: &[u32], horizon: usize) -> usize {
        let units = states.iter().map(|&state| self.store.answer(state).supervised.min(horizon));
        units.sum::<usize>() * UNIT_TOKENS
    }

    /// The streams, of which `feed` makes what is fed in.
    fn assemble(
        &self,
        states: &[u32],
        horizon: usize,
        mut feed: impl FnMut(&ActionUnit) -> ActionUnit,
    ) -> Result<StreamBatch, TchError> {
        let answers: Vec<_> = states.iter().map(|&state| self.store.answer(state)).collect();
        let longest = answers.iter().map(|answer| answer.prompt.len()).max().unwrap_or(0);
        let length = longest + horizon * UNIT_TOKENS - 1;
        let mut ids = Vec::with_capacity(states.len() * length);
        let (mut action_rows, mut separator_rows) = (Vec::new(), Vec::new());
        let (mut table_rows, mut places) = (Vec::new(), Vec::new());
        let mut separator_units = Vec::new();
        for (example, answer) in answers.iter().enumerate() {
            let begin = ids.len();
            ids.extend(answer.prompt);
            for unit in &answer.units[..horizon] {
                ids.extend(self.vocab.unit_tokens(&feed(unit)));
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
                separator_units.push(unit);
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
            separator_units,
        })
    }
}

/// The expert's units of each state of a micro-batch, `horizon` of them, as [`BatchMaker::streams`]
/// feeds them in.
pub fn fed(
    maker: &BatchMaker,
    draw: &Draw,
    horizon: usize,
    jitter_bins: f64,
) -> Vec<Vec<ActionUnit>> {
    let words = draw.first * horizon * GRIPPER * WORDS_PER_NORMAL;
    let mut rng = generator_at(maker.config.seed, Purpose::TokenJitter, draw.step, words);
    let answers = draw.states.iter().map(|&state| maker.store.answer(state));
    answers
        .map(|answer| {
            let units = answer.units[..horizon].iter();
            units.map(|unit| jittered(unit, jitter_bins, &mut rng)).collect()
        })
        .collect()
}

fn jittered(unit: &ActionUnit, bins: f64, rng: &mut ChaCha8Rng) -> ActionUnit {
    let mut fed = *unit;
    for bin in &mut fed.0[..GRIPPER] {
        let noise = (standard_normal(rng) * bins).round();
        *bin = (f64::from(*bin) + noise).clamp(1.0, f64::from(ACTION_BINS)) as u16;
    }
    fed
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::choices::Augmentation;
    use crate::pictures::MemoryPictures;
    use crate::store::{EpisodeRows, StoreBuilder};
    use jaco_core::Frame;
    use jaco_model::image::{ImageProcessor, ResizeStrategy};
    use std::path::Path;

    const SIDE: i64 = 8;

    fn model() -> OpenVlaConfig {
        let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mini/config.json");
        OpenVlaConfig::read(&mini).unwrap()
    }

    /// Two episodes of 6 and 5 steps with prompts of 3 and 4 tokens; step 2 of the first one was
    /// perturbed.
    fn store() -> Store {
        let mut builder = StoreBuilder::new(11, 3, vec!["x_m".into()]).unwrap();
        let mut pictures = MemoryPictures::new(11, SIDE).unwrap();
        for (length, prompt) in [(6usize, vec![1, 8, 9]), (5, vec![1, 7, 8, 9])] {
            let mut label_valid = vec![true; length];
            label_valid[2] = length != 6;
            let number = |i: usize| ((i * 37 + length) % 11) as f32 / 11.0;
            let rows = EpisodeRows {
                prompt,
                actions: (0..length)
                    .map(|i| std::array::from_fn(|d| if d == 6 { 1.0 } else { number(i + d) }))
                    .collect(),
                label_valid,
                states: (0..length).collect(),
                labels: (0..length).map(|i| vec![i as f32]).collect(),
                repeat: 1,
                ..EpisodeRows::default()
            };
            let bytes: Vec<u8> = (0..length * 192).map(|i| (i * 29 % 256) as u8).collect();
            pictures.push(&bytes).unwrap();
            builder.push(&rows);
        }
        let pictures = pictures.finish(Device::Cpu).unwrap();
        builder.finish(None, None, pictures, Device::Cpu).unwrap()
    }

    fn with_maker<T>(config: &TrainConfig, f: impl FnOnce(&BatchMaker) -> T) -> T {
        let store = store();
        let normalisation =
            Normalisation::of(&ImageProcessor::new(SIDE as usize, ResizeStrategy::default()))
                .unwrap();
        f(&BatchMaker::new(&store, config, &model(), normalisation, Device::Cpu))
    }

    fn whole(step: u64, states: &[u32]) -> Draw<'_> {
        Draw::parts(step, states, 1).next().unwrap()
    }

    fn ids(stream: &StreamBatch) -> Vec<Vec<i64>> {
        Vec::<Vec<i64>>::try_from(&stream.input_ids).unwrap()
    }

    #[test]
    fn every_supervised_row_predicts_the_token_that_follows_it() {
        with_maker(&TrainConfig::default(), |maker| {
            let states = [0, 8];
            let stream = maker.plain_streams(&states, 3).unwrap();
            let ids = ids(&stream);
            let length = ids[0].len();
            assert_eq!(
                length,
                4 + 3 * 8 - 1,
                "the longest prompt and the stream but its last token"
            );
            let rows = Vec::<i64>::try_from(&stream.rows).unwrap();
            for (place, &row) in stream.places.iter().zip(&rows) {
                let (example, position) =
                    (row as usize / (64 + length), row as usize % (64 + length));
                assert_eq!(example, place.example);
                // Position p of the sequence is token p - 64; the row predicts the next one.
                let token = position - 64 + 1;
                let wanted = maker.vocab.last() + 1 - i64::from(place.bin);
                assert_eq!(ids[example][token], wanted);
            }
            for &row in &rows[stream.places.len()..] {
                let (example, position) =
                    (row as usize / (64 + length), row as usize % (64 + length));
                // The very last token of a stream is predicted but never fed in.
                if let Some(&fed) = ids[example].get(position - 64 + 1) {
                    assert_eq!(fed, maker.vocab.separator());
                }
            }
        });
    }

    #[test]
    fn units_after_a_perturbed_step_and_after_the_end_are_not_supervised() {
        with_maker(&TrainConfig::default(), |maker| {
            let supervised = |state: u32| {
                let stream = maker.plain_streams(&[state], 3).unwrap();
                (stream.places.len(), stream.targets.tokens.size1().unwrap())
            };
            assert_eq!(supervised(0), (21, 3), "steps 0, 1 and the perturbed 2");
            assert_eq!(supervised(1), (14, 2), "step 1 and the perturbed 2");
            assert_eq!(supervised(2), (7, 1), "the perturbed step's own label is right");
            assert_eq!(supervised(3), (21, 3));
            assert_eq!(supervised(5), (7, 1), "the last step of the demonstration");
        });
    }

    #[test]
    fn a_short_stream_is_a_short_sequence() {
        with_maker(&TrainConfig::default(), |maker| {
            let stream = maker.plain_streams(&[0, 1], 1).unwrap();
            assert_eq!(stream.input_ids.size(), [2, 3 + 7]);
            assert_eq!(stream.places.len(), 14);
        });
    }

    #[test]
    fn jitter_moves_inputs_only_and_never_the_gripper() {
        with_maker(&TrainConfig::default(), |maker| {
            let states = [0, 3, 6, 7];
            let clean = maker.plain_streams(&states, 3).unwrap();
            let noisy = maker.streams(&whole(5, &states), 3, 40.0).unwrap();
            assert_eq!(clean.targets.table_rows, noisy.targets.table_rows);
            assert_eq!(clean.places, noisy.places);
            assert_eq!(clean.rows, noisy.rows);
            let (mut moved, mut total) = (0, 0);
            let prompts = [3, 3, 4, 4];
            for ((clean, noisy), prompt) in ids(&clean).iter().zip(ids(&noisy)).zip(prompts) {
                assert_eq!(clean[..prompt], noisy[..prompt]);
                for (token, (clean, noisy)) in clean.iter().zip(noisy).enumerate().skip(prompt) {
                    match (token - prompt) % 8 {
                        6 | 7 => assert_eq!(*clean, noisy, "gripper and separator stay"),
                        _ => {
                            assert!((maker.vocab.first()..=maker.vocab.last()).contains(&noisy));
                            moved += usize::from(*clean != noisy);
                            total += 1;
                        }
                    }
                }
            }
            assert!(moved * 10 > total * 8, "{moved} of {total} tokens moved");
        });
    }

    #[test]
    fn targets_are_soft_but_for_the_gripper() {
        with_maker(&TrainConfig::default(), |maker| {
            let stream = maker.plain_streams(&[0], 1).unwrap();
            let rows = Vec::<i64>::try_from(&stream.targets.table_rows).unwrap();
            assert!(rows[..6].iter().all(|&row| row < 256));
            assert_eq!(rows[6], target_row(256, true));
        });
    }

    #[test]
    fn an_unaugmented_picture_is_what_the_policy_will_see() {
        with_maker(&TrainConfig::default(), |maker| {
            let pixel_values = maker.plain_pictures(&[4]).unwrap();
            let stored = maker.store.pictures.gather(&[4], Device::Cpu).unwrap();
            let rgb = Vec::<u8>::try_from(stored.flatten(0, -1)).unwrap();
            let side = SIDE as u32;
            let frame = Frame {
                jpeg: None,
                camera: "front".into(),
                captured_ns: 0,
                width: side,
                height: side,
                rgb: rgb.into(),
            };
            let processor = ImageProcessor::new(SIDE as usize, ResizeStrategy::default());
            let seen = processor.pixel_values(&[&frame], Device::Cpu).unwrap();
            let difference = (pixel_values - seen).abs().max().double_value(&[]);
            assert!(difference < 1e-5, "{difference}");
        });
    }

    #[test]
    fn augmentation_is_an_affine_change_of_each_channel_within_its_limits() {
        with_maker(&TrainConfig::default(), |maker| {
            let plain = maker.plain_pictures(&[4]).unwrap();
            let changed = maker.pictures(&whole(9, &[4])).unwrap();
            assert_eq!(changed, maker.pictures(&whole(9, &[4])).unwrap());
            assert_ne!(changed, maker.pictures(&whole(10, &[4])).unwrap());
            // The last three channels are in -1..=1, where contrast is a factor.
            for channel in 3..6 {
                let pixels = |picture: &Tensor| {
                    Vec::<f32>::try_from(picture.get(0).get(channel).flatten(0, -1)).unwrap()
                };
                let (x, y) = (pixels(&plain), pixels(&changed));
                let slope = (y[1] - y[0]) / (x[1] - x[0]);
                let offset = y[0] - slope * x[0];
                assert!((0.775..=1.225).contains(&slope), "{slope}");
                assert!(offset.abs() <= 0.1 + 1e-5, "{offset}");
                for (x, y) in x.iter().zip(y) {
                    assert!((slope * x + offset - y).abs() < 1e-4);
                }
            }
        });
    }

    /// Accumulation must not change what is learnt: parts of a batch are what they are in it.
    #[test]
    fn a_part_of_a_batch_is_that_part_of_the_whole() {
        for augmentation in [Augmentation::Colour, Augmentation::Openvla] {
            let config = TrainConfig { augmentation, ..TrainConfig::default() };
            with_maker(&config, |maker| {
                let states = [0, 3, 1, 4, 2];
                let all = whole(5, &states);
                let (pictures, streams) =
                    (maker.pictures(&all).unwrap(), maker.streams(&all, 3, 9.0).unwrap());
                let mut first = 0;
                for part in Draw::parts(5, &states, 2) {
                    let count = part.states.len() as i64;
                    let wanted = pictures.narrow(0, first, count);
                    assert_eq!(maker.pictures(&part).unwrap(), wanted);
                    let wanted = streams.input_ids.narrow(0, first, count);
                    assert_eq!(maker.streams(&part, 3, 9.0).unwrap().input_ids, wanted);
                    first += count;
                }
                assert_eq!(first, 5);
            });
        }
    }
}
