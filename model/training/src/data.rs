//! Reading datasets into a [`Store`]: every dataset is surveyed first, then its pictures are brought
//! to the model's size.
//!
//! Owns the order: nothing is loaded before all datasets were looked at and told about.

use crate::error::TrainError;
use crate::reading::{DatasetReport, DatasetSource, Reading, Segment, Survey, survey};
use crate::store::{EpisodeRows, LabelScale, Store, StoreBuilder, held_out};
use jaco_core::ActionStatistics;
use jaco_dataset::Dataset;
use jaco_model::image::{ImageProcessor, Picture};
use jaco_model::prompt::PromptTokenizer;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;
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
    let surveyed = request
        .sources
        .iter()
        .map(|source| look(source, request))
        .collect::<Result<Vec<_>, _>>()?;
    surveyed.iter().try_for_each(|one| heard(Loading::Dataset(&one.survey.report)))?;
    let frames: usize = surveyed.iter().map(|one| one.survey.report.frames).sum();
    let states = surveyed.iter().map(|one| one.survey.report.states).sum();
    let label_names = all_label_names(&surveyed);
    let mut builder =
        StoreBuilder::new(states, request.side, request.horizon, label_names.clone())?;
    let (mut readings, mut reports, mut done) = (Vec::new(), Vec::new(), 0);
    for Surveyed { dataset, survey, prompts } in surveyed {
        let count = dataset.episodes().len();
        let held = held_out(count, request.validation_fraction, request.split_seed);
        let columns: Vec<Option<usize>> = label_names
            .iter()
            .map(|name| survey.label_names.iter().position(|own| own == name))
            .collect();
        let Survey { report, reading, episodes, .. } = survey;
        let pictures = |index: usize| pictures(&dataset, &report, index, &episodes[index], request);
        in_order(count, request.threads, pictures, |index, bytes| {
            let repeat = if held[index] { 0 } else { reading.repeat };
            let mut pictures = bytes.chunks((request.side * request.side * 3) as usize);
            for segment in &episodes[index] {
                let bytes: Vec<u8> =
                    pictures.by_ref().take(segment.frames.len()).flatten().copied().collect();
                let prompt = prompts[&segment.task].clone();
                let images = Tensor::f_from_slice(&bytes)?;
                builder.push(&rows(segment, prompt, &columns, repeat), &images)?;
            }
            done += dataset.episodes()[index].length;
            heard(Loading::Frames(done, frames))
        })?;
        readings.push(reading);
        reports.push(report);
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
    segment: &Segment,
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
        actions: segment.actions.clone(),
        label_valid: segment.label_valid.clone(),
        streams: segment.streams.clone(),
        repeat,
    }
}

/// The pictures that the steps of an episode begin with, \[L, side, side, 3\] bytes. The others are
/// decoded too, but none is kept: episodes of cameras at 30 Hz would not fit into memory.
fn pictures(
    dataset: &Dataset,
    report: &DatasetReport,
    index: usize,
    segments: &[Segment],
    request: &LoadRequest,
) -> Result<Vec<u8>, TrainError> {
    let missing =
        |problem| TrainError::Episode { root: report.root.clone(), episode: index, problem };
    let camera = report.cameras.iter().find(|camera| camera.key == report.camera);
    let camera = camera.ok_or_else(|| missing(format!("has no camera {}", report.camera)))?;
    let (height, width) = (camera.height as usize, camera.width as usize);
    let mut wanted = segments.iter().flat_map(|segment| &segment.frames).peekable();
    let mut bytes = Vec::new();
    dataset.read_pictures(index, &camera.key, |row, rgb| {
        if wanted.peek() == Some(&&row) {
            let picture = Picture { width, height, rgb: Cow::Borrowed(&rgb) };
            let square = request.processor.square(picture);
            while wanted.next_if_eq(&&row).is_some() {
                bytes.extend_from_slice(&square);
            }
        }
        Ok::<(), TrainError>(())
    })?;
    match wanted.next() {
        None => Ok(bytes),
        Some(frame) => Err(missing(format!("has no picture of frame {frame}"))),
    }
}

/// Does `work` for 0..`count` on `threads` threads and hands what comes of it to `each` in order,
/// on the calling thread. At most two results per thread wait in memory. Ends at the first error.
fn in_order<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T, TrainError> + Sync,
    mut each: impl FnMut(usize, T) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let threads = threads.clamp(1, count.max(1));
    let work = &work;
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..threads)
            .map(|lane| {
                let (sender, receiver) = mpsc::sync_channel(1);
                scope.spawn(move || {
                    for index in (lane..count).step_by(threads) {
                        // Sending fails when the caller has stopped.
                        if sender.send(work(index)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        for index in 0..count {
            let done = lanes[index % threads].recv();
            each(index, done.expect("a lane sends one result per index, or panics")?)?;
        }
        Ok(())
    })
}
