//! Reading datasets into a [`Store`]: every dataset is surveyed first, then its pictures are brought
//! to the model's size.
//!
//! Owns the order: nothing is loaded before all datasets were looked at and told about.

use crate::error::TrainError;
use crate::reading::{DatasetReport, DatasetSource, Reading, Segment, Survey, survey};
use crate::store::{EpisodeRows, LabelScale, Store, StoreBuilder, held_out};
use jaco_core::ActionStatistics;
use jaco_dataset::{Dataset, Images};
use jaco_model::image::{ImageProcessor, Picture};
use jaco_model::prompt::PromptTokenizer;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use tch::{Device, Tensor};

/// What to load and how.
pub struct LoadRequest<'a> {
    /// The datasets.
    pub sources: &'a [DatasetSource],
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

/// What is heard while data are loaded.
pub enum Loading<'a> {
    /// A dataset was looked at.
    Dataset(&'a DatasetReport),
    /// So many frames of so many were read.
    Frames(usize, usize),
}

/// The data of a run.
pub struct Loaded {
    /// The states.
    pub store: Store,
    /// What the datasets were read as.
    pub readings: Vec<Reading>,
    /// What is said of the datasets.
    pub reports: Vec<DatasetReport>,
}

/// A dataset and what was seen of it.
struct Surveyed {
    dataset: Dataset,
    survey: Survey,
    /// Token ids of its tasks' prompts.
    prompts: HashMap<String, Vec<i64>>,
}

/// Looks at every row of the datasets but the pictures, in the order given; what cannot be trained
/// on is refused.
pub fn describe(
    sources: &[DatasetSource],
    threads: usize,
) -> Result<Vec<DatasetReport>, TrainError> {
    let report = |source: &DatasetSource| {
        let dataset = Dataset::open(&source.root)?;
        Ok(survey(&dataset, source, threads)?.report)
    };
    sources.iter().map(report).collect()
}

/// Loads all datasets; `heard` hears what was found, then of the frames loaded.
pub fn load(
    request: &LoadRequest,
    heard: &mut dyn FnMut(Loading) -> ControlFlow<()>,
) -> Result<Loaded, TrainError> {
    let mut heard = |news: Loading| match heard(news) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(TrainError::StoppedWhileLoading),
    };
    let surveyed =
        request.sources.iter().map(|source| look(source, request)).collect::<Result<Vec<_>, _>>()?;
    surveyed.iter().try_for_each(|one| heard(Loading::Dataset(&one.survey.report)))?;
    let frames: usize = surveyed.iter().map(|one| one.survey.report.frames).sum();
    let states = surveyed.iter().map(|one| one.survey.report.states).sum();
    let label_names = all_label_names(&surveyed);
    let mut builder = StoreBuilder::new(states, request.side, request.horizon, label_names.clone())?;
    let (mut readings, mut reports, mut done) = (Vec::new(), Vec::new(), 0);
    for Surveyed { dataset, survey, prompts } in surveyed {
        let count = dataset.episodes().len();
        let held = held_out(count, request.validation_fraction, request.split_seed);
        let columns: Vec<Option<usize>> = label_names
            .iter()
            .map(|name| survey.label_names.iter().position(|own| own == name))
            .collect();
        let camera = survey.reading.camera.as_str();
        let mut segments = survey.episodes.into_iter();
        dataset.read_episodes(0..count, &[camera], request.threads, |episode| {
            let repeat = if held[episode.index] { 0 } else { survey.reading.repeat };
            let images = episode.images(camera)?;
            for segment in segments.next().into_iter().flatten() {
                let pictures = pictures(images, &segment.frames, request)?;
                let prompt = prompts[&segment.task].clone();
                builder.push(&rows(segment, prompt, &columns, repeat), &pictures)?;
            }
            done += episode.length;
            heard(Loading::Frames(done, frames))
        })?;
        readings.push(survey.reading);
        reports.push(survey.report);
    }
    let store = builder.finish(request.statistics, request.label_scale.clone(), request.device)?;
    if store.train.is_empty() {
        return Err(TrainError::NoData { datasets: readings.len(), states: 0 });
    }
    Ok(Loaded { store, readings, reports })
}

fn look(source: &DatasetSource, request: &LoadRequest) -> Result<Surveyed, TrainError> {
    let dataset = Dataset::open(&source.root)?;
    let survey = survey(&dataset, source, request.threads)?;
    let prompt = |text: &String| {
        let prompt = request.tokenizer.encode(text).map_err(|error| TrainError::Unfit {
            root: source.root.clone(),
            problem: format!("has a task that the policy cannot be asked for: {error}"),
        })?;
        Ok((text.clone(), prompt))
    };
    let tasks = survey.report.tasks.iter().map(|task| &task.text);
    let prompts = tasks.map(prompt).collect::<Result<_, TrainError>>()?;
    Ok(Surveyed { dataset, survey, prompts })
}

/// The names of all labels of all datasets, in order of appearance. Datasets of different tasks
/// may name different things; what a dataset does not name is unknown in its states.
fn all_label_names(datasets: &[Surveyed]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in datasets.iter().flat_map(|one| &one.survey.label_names) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The segment with the labels of all datasets: `columns` says where each of them is in its own.
fn rows(
    segment: Segment,
    prompt: Vec<i64>,
    columns: &[Option<usize>],
    repeat: u32,
) -> EpisodeRows {
    let all = |own: &Vec<f32>| -> Vec<f32> {
        columns.iter().map(|column| column.map_or(f32::NAN, |column| own[column])).collect()
    };
    EpisodeRows {
        prompt,
        labels: segment.labels.iter().map(all).collect(),
        actions: segment.actions,
        label_valid: segment.label_valid,
        streams: segment.streams,
        repeat,
    }
}

/// The pictures of the rows `frames` as \[L, side, side, 3\] uint8.
fn pictures(
    images: &Images,
    frames: &[usize],
    request: &LoadRequest,
) -> Result<Tensor, TrainError> {
    let (height, width, side) = (images.height as usize, images.width as usize, request.side);
    let mut bytes = Vec::with_capacity(frames.len() * (side * side * 3) as usize);
    for &frame in frames {
        let picture = Picture { width, height, rgb: Cow::Borrowed(&images.frames[frame]) };
        bytes.extend_from_slice(&request.processor.square(picture));
    }
    Ok(Tensor::f_from_slice(&bytes)?.f_view([-1, side, side, 3])?)
}
