//! `jaco record --sim`: training data made in lockstep.
//!
//! Each episode is a function of its seed alone, whatever the number of jobs; a dataset that has
//! some of a series already is given the ones after them. Here is the course of it: which episodes
//! are made, by as many processes as there are jobs, and which are kept. Only this process writes.

mod stage;

pub use stage::Stage;

use crate::jobs;
use crate::lockstep::CAMERA;
use crate::worker::Worker;
use anyhow::Context;
use indicatif::ProgressBar;
use jaco_cli::record::{LockstepRecording, Source};
use jaco_dataset::{Dataset, EpisodeNotes};
use jaco_shell::args::{Unusable, blames_path};
use jaco_shell::say::{aside, in_full};
use jaco_sim::SceneTruth;
use jaco_teleop::{RecordingSession, SessionConfig};
use serde::Serialize;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use stage::Order;
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What `jaco record --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// The dataset.
    pub dataset: PathBuf,
    /// Episodes saved by this call.
    pub episodes: u32,
    /// Steps saved by this call.
    pub steps: u64,
    /// Episodes in which the task was done.
    pub successes: u32,
    /// Expert's episodes that were thrown away because the task was not done in time.
    pub discarded: u32,
    /// Whether a signal ended it before all episodes were recorded.
    pub interrupted: bool,
    /// What had to be put right in the dataset before.
    pub repairs: Vec<String>,
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dataset, episodes, steps, discarded, .. } = self;
        let dataset = dataset.display();
        write!(f, "{episodes} episodes, {steps} steps in {dataset} ({discarded} discarded)")?;
        if self.interrupted { f.write_str(", ended by a signal") } else { Ok(()) }
    }
}

/// Carries out `jaco record --sim`. On SIGINT or SIGTERM it ends, with what is kept by then.
pub fn record(
    args: &LockstepRecording,
    jobs: usize,
    bar: &ProgressBar,
) -> anyhow::Result<Recorded> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot catch signals")?;
    }
    let on_policy = args.source == Source::Policy;
    let mut session = RecordingSession::create_or_append(
        &args.out,
        SessionConfig {
            label_names: SceneTruth::label_names().iter().map(|name| (*name).to_owned()).collect(),
            with_streams: on_policy,
            ..SessionConfig::new(CAMERA, args.image_size, args.image_size)
        },
    )
    .map_err(|error| blame(error.into(), &args.out))?;
    let repairs: Vec<String> = session.repairs().iter().map(ToString::to_string).collect();
    for repair in &repairs {
        bar.suspend(|| aside(format_args!("{}: {repair}", args.out.display())));
    }
    let first = next_number(args)?;
    let mut recorded = Recorded {
        dataset: args.out.clone(),
        episodes: 0,
        steps: 0,
        successes: 0,
        discarded: 0,
        interrupted: false,
        repairs,
    };
    bar.set_length(u64::from(args.episodes));
    let worker = || {
        let mut worker = Worker::<Stage>::start()?;
        let stop = &*stop;
        Ok(move |number| worker.make(&Order::of(args, first + number), stop))
    };
    let jobs = jobs.min(args.episodes as usize);
    jobs::in_order(jobs, u64::MAX, &stop, worker, |_, made| {
        let Some((episode, pictures)) = made else {
            recorded.interrupted = true;
            return Ok(ControlFlow::Break(()));
        };
        recorded.successes += u32::from(episode.success);
        if episode.success || on_policy {
            session.begin(args.task.instruction(), &episode.notes)?;
            recorded.steps += episode.steps.len() as u64;
            for step in episode.records(&pictures, args.image_size)? {
                session.push(step)?;
            }
            session.keep(EpisodeNotes::new())?;
            session.publish()?;
            recorded.episodes += 1;
            bar.inc(1);
        } else {
            recorded.discarded += 1;
        }
        bar.set_message(format!("{} steps", recorded.steps));
        let enough = recorded.episodes >= args.episodes;
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(recorded)
}

/// The number of the first episode of the series that the dataset has not: one that it has would
/// come again as it was, and could then be trained on and held out at once.
fn next_number(args: &LockstepRecording) -> anyhow::Result<u64> {
    let dataset = Dataset::open(&args.out)?;
    let mut next = 0;
    for episode in dataset.episodes() {
        let notes = dataset.notes(episode.index)?;
        let of_series = [
            ("series", json!(args.seed)),
            ("task", json!(args.task)),
            ("source", json!(stage::source_word(args.source == Source::Policy))),
        ];
        if of_series.iter().all(|(key, value)| notes.get(*key) == Some(value)) {
            let number = notes.get("number").and_then(Value::as_u64);
            next = next.max(number.map_or(0, |number| number + 1));
        }
    }
    Ok(next)
}

/// A dataset that cannot be begun or gone on with is the folder's fault, unless the machine
/// failed.
fn blame(error: anyhow::Error, folder: &Path) -> anyhow::Error {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    match io {
        Some(io) if !blames_path(io) => error,
        _ => Unusable(format!("--out {}: {}", folder.display(), in_full(&error))).into(),
    }
}
