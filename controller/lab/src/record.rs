//! `jaco record --sim`: training data made in lockstep.
//!
//! Two sources. The expert demonstrates, on request with bursts of noise on what is executed
//! (the label stays its clean command). Or a policy drives and the expert labels every state on
//! its path: at each step the world is forked and the expert carries out a stream of its own
//! from there. Each episode is a function of its seed alone, whatever the number of jobs; a
//! dataset that has some of a series already is given the ones after them.

use crate::jobs;
use crate::lockstep::{CAMERA, Lockstep};
use anyhow::Context;
use indicatif::ProgressBar;
use jaco_cli::record::{LockstepRecording, Source};
use jaco_core::Action;
use jaco_dataset::{Dataset, EpisodeNotes};
use jaco_model::{DecodeRequest, OpenVlaPolicy, Policy};
use jaco_shell::args::{Unusable, blames_path};
use jaco_shell::say::{aside, in_full};
use jaco_sim::{Expert, ExpertOptions, Perturbation, PerturbationOptions, SceneTruth, StartPose};
use jaco_sim_link::seeds::{Purpose, episode_seed};
use jaco_teleop::{RecordingSession, SessionConfig, StepRecord};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tch::Device;

/// Units in the expert's stream that labels a state on a policy's path.
pub const LABEL_STREAM_UNITS: usize = jaco_teleop::session::STREAM_UNITS;

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

struct Episode {
    records: Vec<StepRecord>,
    success: bool,
    notes: Map<String, Value>,
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
    record_until(&stop, args, jobs, bar)
}

/// [`record`], ended by `stop` being raised.
pub fn record_until(
    stop: &AtomicBool,
    args: &LockstepRecording,
    jobs: usize,
    bar: &ProgressBar,
) -> anyhow::Result<Recorded> {
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
    jobs::in_order(
        jobs,
        u64::MAX,
        || {
            let mut stage = Stage::new(args, stop)?;
            Ok(move |number| stage.episode(args, first + number))
        },
        |_, episode: Episode| {
            if stop.load(Ordering::Relaxed) {
                // This one may have been broken off.
                recorded.interrupted = true;
                return Ok(ControlFlow::Break(()));
            }
            recorded.successes += u32::from(episode.success);
            if episode.success || on_policy {
                session.begin(args.task.instruction(), &episode.notes)?;
                recorded.steps += episode.records.len() as u64;
                for step in episode.records {
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
        },
    )?;
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
            ("source", json!(source_word(args.source))),
        ];
        if of_series.iter().all(|(key, value)| notes.get(*key) == Some(value)) {
            let number = notes.get("number").and_then(Value::as_u64);
            next = next.max(number.map_or(0, |number| number + 1));
        }
    }
    Ok(next)
}

/// Who acted, in an episode's notes.
fn source_word(source: Source) -> &'static str {
    match source {
        Source::Policy => "policy",
        Source::Expert | Source::Pad | Source::Keys => "expert",
    }
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

/// One thread's world and, for on-policy recording, its policy.
struct Stage<'a> {
    lockstep: Lockstep,
    policy: Option<Box<dyn Policy>>,
    /// Breaks off the episode under way.
    stop: &'a AtomicBool,
}

impl<'a> Stage<'a> {
    fn new(args: &LockstepRecording, stop: &'a AtomicBool) -> anyhow::Result<Self> {
        let policy: Option<Box<dyn Policy>> = match (&args.checkpoint, args.source) {
            (Some(folder), Source::Policy) => {
                Some(Box::new(OpenVlaPolicy::load(folder, Device::Cpu)?))
            }
            _ => None,
        };
        Ok(Self { lockstep: Lockstep::new(args.image_size)?, policy, stop })
    }

    fn episode(&mut self, args: &LockstepRecording, number: u64) -> anyhow::Result<Episode> {
        let purpose = match args.source {
            Source::Expert | Source::Pad | Source::Keys => Purpose::Demonstration,
            Source::Policy => Purpose::OnPolicy,
        };
        let seed = episode_seed(purpose, args.seed, number);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let random_start = rng.random_bool(args.random_start);
        let perturbed = rng.random_bool(args.perturbed);
        let start = if random_start { StartPose::Random } else { StartPose::Home };
        self.lockstep.reset(args.task, seed, start)?;
        let notes = [
            ("task", json!(args.task)),
            ("seed", json!(seed)),
            ("series", json!(args.seed)),
            ("number", json!(number)),
            ("random_start", json!(random_start)),
            ("perturbed", json!(perturbed)),
            ("source", json!(source_word(args.source))),
        ];
        let notes = notes.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        match &self.policy {
            None => demonstrate(&mut self.lockstep, args, (seed, perturbed), notes, self.stop),
            Some(policy) => {
                let choice = rng.random_range(0..args.horizons.len());
                let horizon = usize::from(args.horizons[choice]);
                let (lockstep, drawn) = (&mut self.lockstep, (seed, horizon));
                follow(lockstep, policy.as_ref(), args, drawn, notes, self.stop)
            }
        }
    }
}

/// The expert acts until the task is done.
fn demonstrate(
    lockstep: &mut Lockstep,
    args: &LockstepRecording,
    (seed, perturbed): (u64, bool),
    mut notes: Map<String, Value>,
    stop: &AtomicBool,
) -> anyhow::Result<Episode> {
    let mut expert = Expert::new(args.task, ExpertOptions::with_seed(seed));
    let mut noise = perturbed.then(|| Perturbation::new(PerturbationOptions::with_seed(seed)));
    lockstep.drive_by_actions()?;
    let (mut records, mut success) = (Vec::new(), false);
    for step in 0..u64::from(args.max_steps) {
        let observation = lockstep.observe(step)?;
        let truth = lockstep.truth();
        let asked = expert.act(&truth);
        let (executed, disturbed) = match &mut noise {
            Some(noise) => noise.apply(&asked, &truth, expert.phase()),
            None => (asked, false),
        };
        lockstep.queue_action(step, executed)?;
        success = lockstep.step()?;
        records.push(StepRecord {
            step,
            step_ns: observation.frame.captured_ns,
            frames: vec![observation.frame],
            state: observation.state,
            asked,
            sent: sent(lockstep, executed),
            valid: !disturbed,
            labels: Some(truth.labels()),
            stream: None,
            live: None,
        });
        if success || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    notes.insert("success".to_owned(), json!(success));
    Ok(Episode { records, success, notes })
}

/// The policy acts; at each step the expert says what it would do for the next units.
fn follow(
    lockstep: &mut Lockstep,
    policy: &dyn Policy,
    args: &LockstepRecording,
    (seed, horizon): (u64, usize),
    mut notes: Map<String, Value>,
    stop: &AtomicBool,
) -> anyhow::Result<Episode> {
    lockstep.drive_by_units(policy.statistics(), false)?;
    let (mut records, mut success) = (Vec::new(), false);
    let mut before = lockstep.truth();
    let mut last_gripper = 1.0;
    for step in 0..u64::from(args.max_steps) {
        let observation = lockstep.observe(step)?;
        let truth = lockstep.truth();
        let finger_motion_rad = truth.mean_finger_rad() - before.mean_finger_rad();
        let expert = Expert::from_truth(
            ExpertOptions::with_seed(seed ^ step),
            &truth,
            last_gripper,
            finger_motion_rad,
        );
        let stream = expert_stream(lockstep, expert)?;
        if step.is_multiple_of(horizon as u64) {
            let request = DecodeRequest::greedy(horizon);
            let decoded = policy.decode(&observation.frame, args.task.instruction(), &request)?;
            lockstep.queue_stream(step, decoded.into_best())?;
        }
        success = lockstep.step()?;
        let executed = lockstep.last_step().map_or(stream[0], |(asked, _)| asked);
        last_gripper = executed.gripper;
        records.push(StepRecord {
            step,
            step_ns: observation.frame.captured_ns,
            frames: vec![observation.frame],
            state: observation.state,
            asked: stream[0],
            sent: sent(lockstep, executed),
            valid: false,
            labels: Some(truth.labels()),
            stream: Some(stream),
            live: None,
        });
        before = truth;
        if success || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    notes.insert("checkpoint".to_owned(), json!(args.checkpoint));
    notes.insert("horizon".to_owned(), json!(horizon));
    notes.insert("success".to_owned(), json!(success));
    Ok(Episode { records, success, notes })
}

/// The stream that the expert would execute from here; the world is left as it was.
fn expert_stream(lockstep: &mut Lockstep, mut expert: Expert) -> anyhow::Result<Vec<Action>> {
    let here = lockstep.fork();
    lockstep.drive_by_actions()?;
    let mut stream = Vec::with_capacity(LABEL_STREAM_UNITS);
    for step in 0..LABEL_STREAM_UNITS as u64 {
        let action = expert.act(&lockstep.truth());
        stream.push(action);
        lockstep.queue_action(step, action)?;
        lockstep.step()?;
    }
    lockstep.restore(&here)?;
    Ok(stream)
}

/// What the servo sent for the step that just ended.
fn sent(lockstep: &Lockstep, executed: Action) -> Action {
    lockstep.last_step().map_or(executed, |(_, sent)| sent)
}
