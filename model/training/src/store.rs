//! The training data: one flat row per state, whatever episode or dataset it is from.
//!
//! Owns the streams as bins, the standardised labels, and which states are trained on or held out;
//! the pictures are [`Pictures`]'. Must never read a file.

use crate::error::TrainError;
use crate::origin::Origins;
use crate::pictures::Pictures;
use crate::random::{Purpose, generator};
use crate::sampling::Pool;
use crate::streams::supervised_units;
use jaco_core::{ACTION_DIMS, Action, ActionCodec, ActionStatistics, ActionUnit};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use tch::{Device, TchError, Tensor};

/// One number per dimension of an action, as stored.
pub type ActionRow = [f32; ACTION_DIMS];

/// One episode as it comes from a dataset, pictures aside.
#[derive(Clone, Debug, Default)]
pub struct EpisodeRows {
    /// Token ids of the prompt.
    pub prompt: Vec<i64>,
    /// The label of each step: what the expert asked for.
    pub actions: Vec<ActionRow>,
    /// Whether the executed action was the label, for each step.
    pub label_valid: Vec<bool>,
    /// The steps that are states, in order.
    pub states: Vec<usize>,
    /// The expert's own stream from each state; replaces the stream cut from `actions`.
    pub streams: Option<Vec<Vec<ActionRow>>>,
    /// Simulator labels of each state, NaN where unknown; empty rows where there are none.
    pub labels: Vec<Vec<f32>>,
    /// How often each state occurs in a pass over the data; 0 = held out for validation.
    pub repeat: u32,
    /// Those of the states that occur more or less often than that, by their place in `states`.
    pub weighted: Vec<usize>,
    /// How often those occur relative to the others.
    pub weight: f64,
    /// Index of the episode in its dataset.
    pub episode: usize,
    /// The row of the episode that each state begins with.
    pub frames: Vec<usize>,
}

/// How labels are standardised: `(label - mean) / std`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelScale {
    /// Name of each label; units are part of the names.
    pub names: Vec<String>,
    /// Mean of each label over the known ones.
    pub mean: Vec<f32>,
    /// Standard deviation of each label; 1 where it never varies.
    pub std: Vec<f32>,
}

/// The data of one run.
pub struct Store {
    /// The pictures of the states.
    pub pictures: Pictures,
    /// Standardised labels \[N, A\], 0 where unknown.
    pub labels: Tensor,
    /// 1 where a label is known \[N, A\].
    pub known: Tensor,
    /// Names and scale of the labels.
    pub label_scale: LabelScale,
    /// What the streams are encoded with.
    pub statistics: ActionStatistics,
    /// Dimensions of an action that never change, where the statistics are taken from the data.
    pub still: Vec<usize>,
    /// States to draw from.
    pub train: Pool,
    /// Held-out states.
    pub validation: Vec<u32>,
    /// Where each state is from.
    pub origins: Origins,
    horizon: usize,
    units: Vec<ActionUnit>,
    supervised: Vec<u8>,
    prompts: Vec<Vec<i64>>,
    prompt_of: Vec<u32>,
}

/// What a state is to be answered with.
pub struct Answer<'a> {
    /// Token ids of the prompt.
    pub prompt: &'a [i64],
    /// `horizon` units; those beyond `supervised` mean nothing.
    pub units: &'a [ActionUnit],
    /// How many of the units are known to be right.
    pub supervised: usize,
}

impl Store {
    /// The answer to state `state`.
    pub fn answer(&self, state: u32) -> Answer<'_> {
        let state = state as usize;
        Answer {
            prompt: &self.prompts[self.prompt_of[state] as usize],
            units: &self.units[state * self.horizon..][..self.horizon],
            supervised: usize::from(self.supervised[state]),
        }
    }

    /// Tokens of the longest prompt.
    pub fn longest_prompt(&self) -> usize {
        self.prompts.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// States held, trained on or not.
    pub fn states(&self) -> usize {
        self.supervised.len()
    }
}

/// Takes episodes one by one and then makes the [`Store`].
pub struct StoreBuilder {
    horizon: u8,
    label_names: Vec<String>,
    streams: Vec<ActionRow>,
    supervised: Vec<u8>,
    labels: Vec<f32>,
    prompts: Vec<Vec<i64>>,
    prompt_numbers: HashMap<Vec<i64>, u32>,
    prompt_of: Vec<u32>,
    train: Pool,
    validation: Vec<u32>,
    origins: Origins,
}

impl StoreBuilder {
    /// A builder for `states` states.
    pub fn new(
        states: usize,
        horizon: usize,
        label_names: Vec<String>,
    ) -> Result<Self, TrainError> {
        let too_many =
            |name, value: usize, limits| TrainError::Setting { name, value: value as f64, limits };
        u32::try_from(states).map_err(|_| too_many("states", states, "below 2^32"))?;
        let units = horizon;
        let horizon = u8::try_from(units).map_err(|_| too_many("horizon", units, "below 256"))?;
        Ok(Self {
            horizon,
            label_names,
            streams: Vec::with_capacity(states * units),
            supervised: Vec::with_capacity(states),
            labels: Vec::new(),
            prompts: Vec::new(),
            prompt_numbers: HashMap::new(),
            prompt_of: Vec::with_capacity(states),
            train: Pool::default(),
            validation: Vec::new(),
            origins: Origins::default(),
        })
    }

    /// What is added from now on is of the dataset in `root`.
    pub fn begin(&mut self, root: PathBuf) {
        self.origins.begin(root);
    }

    /// Adds an episode.
    pub fn push(&mut self, rows: &EpisodeRows) {
        self.origins.push(rows.episode, &rows.frames);
        let (first, count) = (self.supervised.len(), rows.states.len());
        match &rows.streams {
            Some(streams) => streams.iter().for_each(|stream| self.push_stream(stream)),
            None => {
                let counts = supervised_units(&rows.label_valid, self.horizon);
                for &step in &rows.states {
                    self.push_stream(&rows.actions[step..step + usize::from(counts[step])]);
                }
            }
        }
        for labels in &rows.labels {
            self.labels.extend(labels);
        }
        let next = self.prompts.len() as u32;
        let prompt = *self.prompt_numbers.entry(rows.prompt.clone()).or_insert(next);
        if prompt == next {
            self.prompts.push(rows.prompt.clone());
        }
        self.prompt_of.extend(std::iter::repeat_n(prompt, count));
        let states = first as u32..(first + count) as u32;
        if rows.repeat == 0 {
            self.validation.extend(states);
            return;
        }
        let mut weighted = rows.weighted.iter().peekable();
        for (place, state) in states.enumerate() {
            match weighted.next_if_eq(&&place) {
                Some(_) => self.train.add(state, f64::from(rows.repeat) * rows.weight),
                None => self.train.add(state, f64::from(rows.repeat)),
            }
        }
    }

    fn push_stream(&mut self, known: &[ActionRow]) {
        let horizon = usize::from(self.horizon);
        let known = &known[..known.len().min(horizon)];
        self.supervised.push(u8::try_from(known.len()).unwrap_or(self.horizon));
        self.streams.extend(known);
        let filler = std::iter::repeat_n([0.0; ACTION_DIMS], horizon - known.len());
        self.streams.extend(filler);
    }

    /// The store. `statistics` and `scale` are those of the checkpoint that is continued, or are
    /// taken from the data: the 1 % and 99 % quantiles over the first action of every state
    /// (gripper left as it is), and mean and deviation of every label.
    pub fn finish(
        self,
        statistics: Option<ActionStatistics>,
        scale: Option<LabelScale>,
        pictures: Pictures,
        device: Device,
    ) -> Result<Store, TrainError> {
        let horizon = usize::from(self.horizon);
        let first_actions = || self.streams.iter().step_by(horizon);
        let (statistics, still) = match statistics {
            Some(statistics) => (statistics, Vec::new()),
            None => action_statistics(first_actions()),
        };
        let codec = ActionCodec::new(statistics)?;
        let unit = |row: &ActionRow| codec.encode(&Action::from_array(row.map(f64::from)));
        let count = self.label_names.len();
        let label_scale = match scale {
            Some(scale) if scale.names == self.label_names => scale,
            _ => label_scale(self.label_names, &self.labels),
        };
        let (mut labels, mut known) = (self.labels, Vec::new());
        known.reserve(labels.len());
        for (i, label) in labels.iter_mut().enumerate() {
            let (mean, std) = (label_scale.mean[i % count], label_scale.std[i % count]);
            known.push(f32::from(u8::from(label.is_finite())));
            *label = if label.is_finite() { (*label - mean) / std } else { 0.0 };
        }
        let table = |values: &[f32]| -> Result<Tensor, TchError> {
            let shape = [self.supervised.len() as i64, count as i64];
            Tensor::f_from_slice(values)?.f_view(shape)?.f_to_device(device)
        };
        Ok(Store {
            pictures,
            labels: table(&labels)?,
            known: table(&known)?,
            label_scale,
            statistics,
            still,
            train: self.train,
            validation: self.validation,
            origins: self.origins,
            horizon,
            units: self.streams.iter().map(unit).collect(),
            supervised: self.supervised,
            prompts: self.prompts,
            prompt_of: self.prompt_of,
        })
    }
}

/// Half the range given to a dimension whose label never changes, in the action's units.
const STILL_HALF_RANGE: f64 = 1e-3;

/// The quantiles of the actions, and the dimensions that never change; the gripper, which is 0 or 1
/// already, is left as it is.
fn action_statistics<'a>(
    actions: impl Iterator<Item = &'a ActionRow>,
) -> (ActionStatistics, Vec<usize>) {
    let rows: Vec<ActionRow> = actions.copied().collect();
    let (mut q01, mut q99) = ([0.0; ACTION_DIMS], [1.0; ACTION_DIMS]);
    let mut mask = [true; ACTION_DIMS];
    mask[ACTION_DIMS - 1] = false;
    let mut still = Vec::new();
    for dimension in 0..ACTION_DIMS - 1 {
        let mut values: Vec<f64> = rows.iter().map(|row| f64::from(row[dimension])).collect();
        values.sort_unstable_by(f64::total_cmp);
        (q01[dimension], q99[dimension]) = (quantile(&values, 0.01), quantile(&values, 0.99));
        // A range of nothing cannot be divided into bins.
        if q99[dimension] - q01[dimension] < 1e-9 {
            q01[dimension] -= STILL_HALF_RANGE;
            q99[dimension] += STILL_HALF_RANGE;
            still.push(dimension);
        }
    }
    (ActionStatistics { q01, q99, mask }, still)
}

/// The quantile `q` of sorted values with linear interpolation (numpy's default); 0 of none.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let position = q * last as f64;
    let low = position as usize;
    let high = (low + 1).min(last);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}

fn label_scale(names: Vec<String>, labels: &[f32]) -> LabelScale {
    let (mut mean, mut std) = (Vec::new(), Vec::new());
    for column in 0..names.len() {
        let values = || {
            let values = labels.iter().skip(column).step_by(names.len());
            values.filter(|value| value.is_finite()).map(|&value| f64::from(value))
        };
        let count = values().count().max(1) as f64;
        let centre = values().sum::<f64>() / count;
        let variance = values().map(|value| (value - centre).powi(2)).sum::<f64>() / count;
        mean.push(centre as f32);
        std.push(if variance > 1e-12 { variance.sqrt() as f32 } else { 1.0 });
    }
    LabelScale { names, mean, std }
}

/// Which of `episodes` episodes are held out: the share `fraction` with the lowest random rank, at
/// least one where there are two. Ranks depend on seed and index alone, so that a grown dataset
/// holds out mostly the same ones.
pub fn held_out(episodes: usize, fraction: f64, split_seed: u64) -> Vec<bool> {
    let wanted = (episodes as f64 * fraction).round() as usize;
    let wanted = if fraction > 0.0 && episodes > 1 { wanted.max(1) } else { 0 };
    let mut ranks: Vec<(u64, usize)> = (0..episodes)
        .map(|index| (generator(split_seed, Purpose::Split, index as u64).random(), index))
        .collect();
    ranks.sort_unstable();
    let mut held = vec![false; episodes];
    ranks[..wanted.min(episodes.saturating_sub(1))].iter().for_each(|&(_, i)| held[i] = true);
    held
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tch::Kind;

    fn episode(length: usize) -> EpisodeRows {
        let row = |i: usize| {
            let mut row = [0.01 * i as f32; ACTION_DIMS];
            row[6] = (i % 2) as f32;
            row
        };
        EpisodeRows {
            prompt: vec![1, 5],
            actions: (0..length).map(row).collect(),
            label_valid: vec![true; length],
            states: (0..length).collect(),
            labels: (0..length).map(|i| vec![i as f32, f32::NAN]).collect(),
            repeat: 1,
            ..EpisodeRows::default()
        }
    }

    fn store(episodes: &[EpisodeRows]) -> Store {
        let states = episodes.iter().map(|rows| rows.states.len()).sum();
        let names = vec!["a".to_owned(), "b".to_owned()];
        let mut builder = StoreBuilder::new(states, 3, names).unwrap();
        episodes.iter().for_each(|rows| builder.push(rows));
        let images = Tensor::zeros([states as i64, 2, 2, 3], (Kind::Uint8, Device::Cpu));
        builder.finish(None, None, Pictures::Memory(images), Device::Cpu).unwrap()
    }

    #[test]
    fn streams_follow_the_demonstration_and_end_with_it() {
        let store = store(&[episode(5), episode(4)]);
        let codec = ActionCodec::new(store.statistics).unwrap();
        let rows = episode(5);
        let expected = codec.encode(&Action::from_array(rows.actions[2].map(f64::from)));
        assert_eq!(store.answer(1).units[1], expected);
        let counts: Vec<usize> = (0..9).map(|state| store.answer(state).supervised).collect();
        assert_eq!(counts, [3, 3, 3, 2, 1, 3, 3, 2, 1]);
    }

    #[test]
    fn a_stream_of_its_own_replaces_the_cut_one() {
        let mut rows = episode(2);
        rows.label_valid = vec![false; 2];
        rows.streams = Some(vec![vec![[0.5; ACTION_DIMS]; 4]; 2]);
        let store = store(&[rows]);
        assert_eq!(store.answer(0).supervised, 3);
        assert_eq!(store.answer(0).units[0], store.answer(1).units[2]);
    }

    /// Prompt numbers had 16 bits: state 65,536 was trained with the first prompt.
    #[test]
    fn more_than_65536_prompts_are_told_apart() {
        let many = usize::from(u16::MAX) + 3;
        let episodes: Vec<_> = (0..many)
            .map(|number| EpisodeRows { prompt: vec![1, number as i64], ..episode(1) })
            .collect();
        let store = store(&episodes);
        for state in [0, 65_535, 65_536, many as u32 - 1] {
            assert_eq!(store.answer(state).prompt, [1, i64::from(state)]);
        }
    }

    #[test]
    fn the_gripper_is_not_normalised() {
        let store = store(&[episode(60)]);
        assert!(!store.statistics.mask[6] && store.statistics.mask[0]);
        // Bin 256 = 1 open, bin 128 = 0 closed.
        assert_eq!(store.answer(0).units[0].0[6], 128);
        assert_eq!(store.answer(1).units[0].0[6], 256);
        // numpy.quantile(0.01 * arange(60), [0.01, 0.99])
        assert!((store.statistics.q01[0] - 0.0059).abs() < 1e-6);
        assert!((store.statistics.q99[0] - 0.5841).abs() < 1e-6);
    }

    #[test]
    fn an_action_that_never_changes_decodes_to_itself() {
        let mut rows = episode(20);
        rows.actions.iter_mut().for_each(|row| row[3] = 0.02);
        let store = store(&[rows]);
        let codec = ActionCodec::new(store.statistics).unwrap();
        let decoded = codec.decode(&store.answer(4).units[0]);
        assert!((decoded.rotation_rad[0] - 0.02).abs() < 1e-5);
        assert_eq!(store.still, [3]);
    }

    #[test]
    fn labels_are_standardised_and_unknown_ones_masked() {
        let store = store(&[episode(9)]);
        let (mean, std) = (4.0, (60.0f64 / 9.0).sqrt());
        assert!((store.labels.double_value(&[8, 0]) - (8.0 - mean) / std).abs() < 1e-5);
        assert_eq!(store.known.double_value(&[8, 0]), 1.0);
        assert_eq!(store.known.double_value(&[8, 1]), 0.0);
        assert_eq!(store.labels.double_value(&[8, 1]), 0.0);
    }

    /// The number of supervised units has 8 bits: a longer stream would have been cut in silence.
    #[test]
    fn a_stream_longer_than_can_be_counted_is_refused() {
        let error = StoreBuilder::new(1, 256, Vec::new()).err().unwrap().to_string();
        assert!(error.contains("horizon = 256"), "{error}");
    }

    #[test]
    fn repeats_and_held_out_episodes_shape_the_pool() {
        let (mut first, mut second) = (episode(2), episode(1));
        first.repeat = 2;
        second.repeat = 0;
        let store = store(&[first, second]);
        assert_eq!(store.train.pass(0), [0, 0, 1, 1]);
        assert_eq!(store.validation, [2]);
    }

    #[test]
    fn only_states_are_drawn_and_what_lies_between_them_goes_on_in_their_streams() {
        let rows = EpisodeRows {
            states: vec![0, 3, 4],
            labels: vec![vec![0.0; 2]; 3],
            weighted: vec![1],
            weight: 2.0,
            ..episode(6)
        };
        let store = store(&[rows]);
        assert_eq!((store.states(), store.train.pass(0)), (3, vec![0, 1, 1, 2]));
        let codec = ActionCodec::new(store.statistics).unwrap();
        let unit = |step: usize| {
            codec.encode(&Action::from_array(episode(6).actions[step].map(f64::from)))
        };
        assert_eq!(store.answer(0).units, [unit(0), unit(1), unit(2)]);
        assert_eq!((store.answer(2).supervised, store.answer(2).units[1]), (2, unit(5)));
    }

    #[test]
    fn the_split_is_stable_and_never_takes_everything() {
        let held = held_out(40, 0.1, 1);
        assert_eq!(held.iter().filter(|&&held| held).count(), 4);
        assert_eq!(held, held_out(40, 0.1, 1));
        assert_ne!(held, held_out(40, 0.1, 2));
        assert_eq!(held_out(2, 0.01, 0).iter().filter(|&&held| held).count(), 1);
        assert_eq!(held_out(1, 0.5, 0), [false]);
        assert_eq!(held_out(5, 0.0, 0), [false; 5]);
    }
}
