//! Reading datasets into a [`Store`]: every dataset is surveyed first, then its pictures are brought
//! to the model's size.
//!
//! Owns the order: nothing is loaded before all datasets were looked at and told about.

use crate::cache::{PicturesReport, Wanted, each_square, place};
use crate::error::TrainError;
use crate::pictures::{MemoryPictures, PictureFiles, Pictures};
use crate::reading::{Camera, DatasetReport, DatasetSource, Reading, Segment, Survey, survey};
use crate::store::{EpisodeRows, LabelScale, Store, StoreBuilder, held_out};
use jaco_core::ActionStatistics;
use jaco_dataset::{Dataset, RecordFile};
use jaco_model::image::ImageProcessor;
use jaco_model::prompt::PromptTokenizer;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::mpsc;
use std::thread;
use tch::Device;

/// Of fewer states nothing can be told from another.
const LEAST_STATES: usize = 2;

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
    /// Where the pictures are kept, as it was chosen.
    pub cache: &'a str,
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
    /// Where the pictures will be.
    Pictures(&'a PicturesReport),
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
    /// What is said of the pictures.
    pub pictures: PicturesReport,
    /// Demonstrations shorter than the horizon, and all.
    pub short: [usize; 2],
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
    let states: usize = surveyed.iter().map(|one| one.survey.report.states).sum();
    let label_names = all_label_names(&surveyed);
    let wanted = surveyed.iter().map(Surveyed::wanted).collect::<Result<Vec<_>, _>>()?;
    let side = request.side as usize;
    let (caches, report) = place(request.cache, states, side, request.processor, wanted)?;
    heard(Loading::Pictures(&report))?;
    let mut builder = StoreBuilder::new(states, request.horizon, label_names.clone())?;
    let in_memory = report.folders.is_empty();
    let mut memory = MemoryPictures::new(if in_memory { states } else { 0 }, request.side)?;
    let mut files = PictureFiles::new(request.side, request.threads);
    let (mut caches, mut done) = (caches.into_iter(), 0);
    for one in &surveyed {
        let Surveyed { dataset, survey, prompts } = one;
        builder.begin(survey.report.root.clone());
        let count = dataset.episodes().len();
        let held = held_out(count, request.validation_fraction, request.split_seed);
        let columns: Vec<Option<usize>> = label_names
            .iter()
            .map(|name| survey.label_names.iter().position(|own| own == name))
            .collect();
        let mut cache = caches.next();
        let mut found = cache.as_mut().map(|cache| std::mem::take(&mut cache.found));
        let is_found: Vec<bool> = found.iter().flatten().map(Option::is_some).collect();
        let camera = one.camera()?;
        let load = |index: usize| match &cache {
            None => squares(one, camera, index, request).map(Episode::Squares),
            Some(_) if is_found[index] => Ok(Episode::Found),
            Some(_) if survey.episodes[index].segments.is_empty() => Ok(Episode::Found),
            Some(cache) => cache.make(index).map(Episode::Made),
        };
        in_order(count, request.threads, load, |index, loaded| {
            let segments = &survey.episodes[index].segments;
            let file = match loaded {
                Episode::Squares(bytes) => {
                    memory.push(&bytes)?;
                    None
                }
                Episode::Found => found.as_mut().and_then(|found| found[index].take()),
                Episode::Made(file) => Some(file),
            };
            if let (Some(file), Some(cache)) = (file, &cache) {
                let frames = segments.iter().flat_map(|segment| &segment.frames);
                files.push(file, frames.map(|&row| cache.record(index, row)));
            }
            let repeat = if held[index] { 0 } else { survey.reading.repeat };
            for segment in segments {
                let prompt = prompts[&segment.task].clone();
                let rows = rows(segment, prompt, &columns, &survey.reading, repeat);
                builder.push(&EpisodeRows { episode: index, ..rows });
            }
            done += dataset.episodes()[index].length;
            heard(Loading::Frames(done, frames))
        })?;
    }
    let pictures = match in_memory {
        true => memory.finish(request.device)?,
        false => Pictures::Files(files),
    };
    // Streams of their own are as long as they are.
    let cut = surveyed.iter().flat_map(|one| &one.survey.episodes).flat_map(|one| &one.segments);
    let cut: Vec<&Segment> = cut.filter(|segment| segment.streams.is_none()).collect();
    let is_short = |segment: &&&Segment| segment.actions.len() < request.horizon;
    let short = [cut.iter().filter(is_short).count(), cut.len()];
    let (statistics, scale) = (request.statistics, request.label_scale.clone());
    let store = builder.finish(statistics, scale, pictures, request.device)?;
    let (readings, reports): (Vec<_>, Vec<_>) =
        surveyed.into_iter().map(|one| (one.survey.reading, one.survey.report)).unzip();
    let states = store.states() - store.validation.len();
    if states < LEAST_STATES {
        return Err(TrainError::NoData { datasets: readings.len(), states });
    }
    Ok(Loaded { store, readings, reports, pictures: report, short })
}

/// What was done for the pictures of an episode.
enum Episode {
    /// They are these bytes.
    Squares(Vec<u8>),
    /// They were there, or are not wanted.
    Found,
    /// They are in this file now.
    Made(RecordFile),
}

impl Surveyed {
    fn camera(&self) -> Result<&Camera, TrainError> {
        let report = &self.survey.report;
        let camera = report.cameras.iter().find(|camera| camera.key == report.camera);
        camera.ok_or_else(|| TrainError::Unfit {
            root: report.root.clone(),
            problem: format!("has no camera {}", report.camera),
        })
    }

    /// The pictures that are kept on disk, if any are.
    fn wanted(&self) -> Result<Wanted<'_>, TrainError> {
        let rows = self.survey.episodes.iter().map(|episode| match episode.segments.is_empty() {
            true => &[],
            false => &episode.rows[..],
        });
        Ok(Wanted { dataset: &self.dataset, camera: self.camera()?, rows: rows.collect() })
    }
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
    reading: &Reading,
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
        states: segment.states.clone(),
        streams: segment.streams.clone(),
        repeat,
        weighted: segment.corrections.clone(),
        weight: reading.selection.correction_weight,
        episode: 0,
        frames: segment.frames.clone(),
    }
}

/// The pictures of the states of an episode, \[L, side, side, 3\] bytes.
fn squares(
    one: &Surveyed,
    camera: &Camera,
    index: usize,
    request: &LoadRequest,
) -> Result<Vec<u8>, TrainError> {
    let segments = one.survey.episodes[index].segments.iter();
    let frames: Vec<usize> = segments.flat_map(|segment| &segment.frames).copied().collect();
    let mut bytes = Vec::new();
    each_square(&one.dataset, camera, request.processor, index, &frames, |square| {
        bytes.extend_from_slice(square);
        Ok(())
    })?;
    Ok(bytes)
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
