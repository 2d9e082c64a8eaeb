//! Reading datasets into a [`Store`]: which features are needed, what they must look like, and
//! where a bad value was found. Pictures are brought to the model's size here.

use crate::config::DatasetSource;
use crate::error::TrainError;
use crate::store::{ActionRow, EpisodeRows, LabelScale, Store, StoreBuilder, held_out};
use jaco_core::{ACTION_DIMS, ActionStatistics};
use jaco_dataset::{Dataset, Episode, FeatureKind, Images};
use jaco_model::image::{ImageProcessor, Picture};
use jaco_model::prompt::PromptTokenizer;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use tch::{Device, Tensor};

/// What the expert asked for, f32\[7\].
const ACTION: &str = "action";
/// Whether the executed action was the label, bool; absent = always.
const LABEL_VALID: &str = "label.valid";
/// The expert's own stream from each state, f32\[7 n\]; absent = cut from `action`.
const LABEL_STREAM: &str = "label.stream";
/// Labels known only to a simulator, f32\[N\]; absent = none.
const LABELS: &str = "observation.environment_state";

/// What to load and how.
pub struct LoadRequest<'a> {
    /// The datasets.
    pub sources: &'a [DatasetSource],
    /// Feature key of the camera.
    pub camera: &'a str,
    /// Side of the model's picture \[pixels\].
    pub side: i64,
    /// Brings the pictures to that side.
    pub processor: &'a ImageProcessor,
    /// Units in a full stream.
    pub horizon: usize,
    /// Share of every dataset's episodes that is held out.
    pub validation_fraction: f64,
    /// Seed of that choice.
    pub split_seed: u64,
    /// Threads that decode pictures.
    pub threads: usize,
    /// Makes prompts of instructions.
    pub tokenizer: &'a PromptTokenizer,
    /// What actions are encoded with; none = from the data.
    pub statistics: Option<ActionStatistics>,
    /// What labels are standardised with; none = from the data.
    pub label_scale: Option<LabelScale>,
    /// Where the pictures are kept.
    pub device: Device,
}

/// Loads all datasets; `progress` hears of the frames loaded and in all.
pub fn load(
    request: &LoadRequest,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Store, TrainError> {
    let open = |source: &DatasetSource| Dataset::open(&source.root);
    let datasets = request.sources.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let total: usize = datasets.iter().map(Dataset::total_frames).sum();
    let label_names = all_label_names(&datasets);
    let mut builder = StoreBuilder::new(total, request.side, request.horizon, label_names.clone())?;
    let (mut prompts, mut done) = (HashMap::new(), 0);
    for (dataset, source) in datasets.iter().zip(request.sources) {
        let features = Needed::of(dataset, request.camera)?;
        let count = dataset.episodes().len();
        let held = held_out(count, request.validation_fraction, request.split_seed);
        dataset.read_episodes(0..count, &features.keys(), request.threads, |episode| {
            let repeat = if held[episode.index] { 0 } else { source.repeat };
            let prompt = match prompts.get(&episode.task) {
                Some(prompt) => Clone::clone(prompt),
                None => request.tokenizer.encode(&episode.task)?,
            };
            prompts.insert(episode.task.clone(), prompt.clone());
            let rows = features.rows(&episode, &label_names, prompt, repeat)?;
            let images = pictures(episode.images(request.camera)?, request)?;
            builder.push(&rows, &images)?;
            done += episode.length;
            match progress(done, total) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(TrainError::StoppedWhileLoading),
            }
        })?;
    }
    let store = builder.finish(request.statistics, request.label_scale.clone(), request.device)?;
    if store.train.is_empty() {
        return Err(TrainError::NoData { datasets: datasets.len(), states: 0 });
    }
    Ok(store)
}

/// The names of all labels of all datasets, in order of appearance. Datasets of different tasks
/// may name different things; what a dataset does not name is unknown in its states.
fn all_label_names(datasets: &[Dataset]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for dataset in datasets {
        for name in label_names(dataset) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names
}

fn label_names(dataset: &Dataset) -> &[String] {
    match dataset.features().kind(LABELS) {
        Some(FeatureKind::Float32 { names }) => names,
        _ => &[],
    }
}

/// Which of the features a dataset has.
struct Needed<'a> {
    dataset: &'a Dataset,
    camera: &'a str,
    label_valid: bool,
    label_stream: bool,
    labels: bool,
}

impl<'a> Needed<'a> {
    fn of(dataset: &'a Dataset, camera: &'a str) -> Result<Self, TrainError> {
        let fault = |key: &str, problem: &str| TrainError::Feature {
            root: dataset.root().to_owned(),
            key: key.to_owned(),
            problem: problem.to_owned(),
        };
        let kind = |key: &str| dataset.features().kind(key);
        if !matches!(kind(camera), Some(FeatureKind::Image { .. })) {
            return Err(fault(camera, "is not there or is no image"));
        }
        match kind(ACTION) {
            Some(FeatureKind::Float32 { names }) if names.len() == ACTION_DIMS => {}
            _ => return Err(fault(ACTION, "is not there or is not 7 float32")),
        }
        let label_valid = match kind(LABEL_VALID) {
            None => false,
            Some(FeatureKind::Bool) => true,
            Some(_) => return Err(fault(LABEL_VALID, "is not a bool")),
        };
        let label_stream = match kind(LABEL_STREAM) {
            None => false,
            Some(FeatureKind::Float32 { names }) if names.len().is_multiple_of(ACTION_DIMS) => true,
            Some(_) => return Err(fault(LABEL_STREAM, "is not a multiple of 7 float32")),
        };
        let labels = match kind(LABELS) {
            None => false,
            Some(FeatureKind::Float32 { .. }) => true,
            Some(_) => return Err(fault(LABELS, "is not float32")),
        };
        Ok(Self { dataset, camera, label_valid, label_stream, labels })
    }

    fn keys(&self) -> Vec<&str> {
        let optional = [
            (self.label_valid, LABEL_VALID),
            (self.label_stream, LABEL_STREAM),
            (self.labels, LABELS),
        ];
        let mut keys = vec![self.camera, ACTION];
        keys.extend(optional.into_iter().filter(|(there, _)| *there).map(|(_, key)| key));
        keys
    }

    fn rows(
        &self,
        episode: &Episode,
        all_names: &[String],
        prompt: Vec<i64>,
        repeat: u32,
    ) -> Result<EpisodeRows, TrainError> {
        let actions: Vec<ActionRow> = episode.f32s(ACTION)?.values.as_chunks().0.to_vec();
        self.finite(episode, ACTION, &actions)?;
        let label_valid = match self.label_valid {
            true => episode.bools(LABEL_VALID)?.clone(),
            false => vec![true; episode.length],
        };
        let mut streams = None;
        if self.label_stream {
            let rows: Vec<Vec<ActionRow>> =
                episode.f32s(LABEL_STREAM)?.rows().map(|row| row.as_chunks().0.to_vec()).collect();
            for (frame, row) in rows.iter().enumerate() {
                self.finite_row(episode, LABEL_STREAM, frame, row)?;
            }
            streams = Some(rows);
        }
        let mut labels = vec![vec![f32::NAN; all_names.len()]; episode.length];
        if self.labels {
            let column = |name| all_names.iter().position(|known| known == name);
            let columns: Vec<_> = label_names(self.dataset).iter().map(column).collect();
            for (known, row) in labels.iter_mut().zip(episode.f32s(LABELS)?.rows()) {
                for (column, &value) in columns.iter().zip(row) {
                    column.iter().for_each(|&column| known[column] = value);
                }
            }
        }
        Ok(EpisodeRows { prompt, actions, label_valid, streams, labels, repeat })
    }

    fn finite(&self, episode: &Episode, key: &str, rows: &[ActionRow]) -> Result<(), TrainError> {
        rows.iter()
            .enumerate()
            .try_for_each(|(frame, row)| self.finite_row(episode, key, frame, &[*row]))
    }

    fn finite_row(
        &self,
        episode: &Episode,
        key: &str,
        frame: usize,
        row: &[ActionRow],
    ) -> Result<(), TrainError> {
        if row.iter().flatten().all(|value| value.is_finite()) {
            return Ok(());
        }
        Err(TrainError::Value {
            root: self.dataset.root().to_owned(),
            episode: episode.index,
            frame,
            problem: format!("{key} holds a number that is not finite: {row:?}"),
        })
    }
}

/// The pictures as \[L, side, side, 3\] uint8.
fn pictures(images: &Images, request: &LoadRequest) -> Result<Tensor, TrainError> {
    let (height, width, side) = (images.height as usize, images.width as usize, request.side);
    let mut bytes = Vec::with_capacity(images.frames.len() * (side * side * 3) as usize);
    for frame in &images.frames {
        let picture = Picture { width, height, rgb: Cow::Borrowed(frame) };
        bytes.extend_from_slice(&request.processor.square(picture));
    }
    Ok(Tensor::f_from_slice(&bytes)?.f_view([-1, side, side, 3])?)
}
