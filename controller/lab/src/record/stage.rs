//! Who acts in an episode that is recorded, in a world of its own. The same order gives the same
//! episode, whoever carries it out.
//!
//! Two sources. The expert demonstrates, on request with bursts of noise on what is executed
//! (the label stays its clean command). Or a policy drives and the expert labels every state on
//! its path: at each step the world is forked and the expert carries out a stream of its own
//! from there.

use crate::lockstep::{CAMERA, Lockstep};
use crate::worker::Work;
use anyhow::{Context, ensure};
use jaco_cli::record::{LockstepRecording, Source};
use jaco_core::{Action, ArmState, Frame, Task};
use jaco_model::{DecodeRequest, OpenVlaPolicy, Policy};
use jaco_sim::{Expert, ExpertOptions, Perturbation, PerturbationOptions, StartPose};
use jaco_sim_link::seeds::{Purpose, episode_seed};
use jaco_teleop::StepRecord;
use jaco_teleop::session::STREAM_UNITS;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::PathBuf;
use tch::Device;

/// Bytes of a pixel.
const RGB: usize = 3;

/// An episode to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    task: Task,
    /// Who acts; none = the expert.
    policy: Option<PathBuf>,
    /// Seed of the series.
    series: u64,
    /// Number of the episode in the series.
    number: u64,
    /// Share of episodes with noise.
    perturbed: f64,
    /// Share of episodes that start somewhere else than at home.
    random_start: f64,
    /// Horizons to draw from.
    horizons: Vec<u8>,
    /// Steps after which it is given up.
    max_steps: u32,
    /// Width and height of the picture \[pixels\].
    image_size: u32,
}

impl Order {
    /// Episode `number` of what is asked for.
    pub fn of(args: &LockstepRecording, number: u64) -> Self {
        Self {
            task: args.task,
            policy: args.checkpoint.clone().filter(|_| args.source == Source::Policy),
            series: args.seed,
            number,
            perturbed: args.perturbed,
            random_start: args.random_start,
            horizons: args.horizons.clone(),
            max_steps: args.max_steps,
            image_size: args.image_size,
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, episode {} of series {}", self.task, self.number, self.series)
    }
}

/// An episode that was made, but for its pictures.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Episode {
    /// Its steps, from step 0 on.
    pub steps: Vec<Step>,
    /// Whether the task was done.
    pub success: bool,
    /// What is to be known of it.
    pub notes: Map<String, Value>,
}

/// A step of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Step {
    captured_ns: u64,
    state: ArmState,
    asked: Action,
    sent: Action,
    valid: bool,
    labels: Vec<f32>,
    stream: Option<Vec<Action>>,
}

impl Episode {
    /// What is recorded of it, with its `pictures`, which are squares of `side` pixels.
    pub fn records(
        self,
        pictures: &[u8],
        side: u32,
    ) -> anyhow::Result<impl Iterator<Item = StepRecord>> {
        let picture_bytes = side as usize * side as usize * RGB;
        let (steps, bytes) = (self.steps.len(), pictures.len());
        ensure!(steps * picture_bytes == bytes, "{steps} steps with {bytes} bytes of pictures");
        let pictures = pictures.chunks_exact(picture_bytes);
        Ok((0..).zip(self.steps).zip(pictures).map(move |((number, step), rgb)| StepRecord {
            step: number,
            step_ns: step.captured_ns,
            frames: vec![Frame {
                camera: CAMERA.into(),
                captured_ns: step.captured_ns,
                width: side,
                height: side,
                rgb: rgb.into(),
                jpeg: None,
            }],
            state: step.state,
            asked: step.asked,
            sent: step.sent,
            valid: step.valid,
            labels: Some(step.labels),
            stream: step.stream,
            live: None,
        }))
    }
}

/// Who acted, in an episode's notes.
pub fn source_word(is_policy: bool) -> &'static str {
    if is_policy { "policy" } else { "expert" }
}

/// Whoever acts, ready to act again: all orders are of one recording.
#[derive(Default)]
pub struct Stage(Option<Actors>);

impl Work for Stage {
    const NAME: &'static str = "record";
    type Order = Order;
    type Made = Episode;

    fn make(&mut self, order: &Order) -> anyhow::Result<(Episode, Vec<u8>)> {
        if self.0.is_none() {
            self.0 = Some(Actors::new(order)?);
        }
        self.0.as_mut().context("nobody is there to act")?.episode(order)
    }
}

struct Actors {
    lockstep: Lockstep,
    policy: Option<OpenVlaPolicy>,
}

impl Actors {
    fn new(order: &Order) -> anyhow::Result<Self> {
        let policy = order.policy.as_ref();
        let policy = policy.map(|folder| OpenVlaPolicy::load(folder, Device::Cpu)).transpose()?;
        Ok(Self { lockstep: Lockstep::new(order.image_size)?, policy })
    }

    fn episode(&mut self, order: &Order) -> anyhow::Result<(Episode, Vec<u8>)> {
        let is_policy = self.policy.is_some();
        let purpose = if is_policy { Purpose::OnPolicy } else { Purpose::Demonstration };
        let seed = episode_seed(purpose, order.series, order.number);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let random_start = rng.random_bool(order.random_start);
        let perturbed = rng.random_bool(order.perturbed);
        let start = if random_start { StartPose::Random } else { StartPose::Home };
        self.lockstep.reset(order.task, seed, start)?;
        let mut made = Making::default();
        made.note("task", json!(order.task));
        made.note("seed", json!(seed));
        made.note("series", json!(order.series));
        made.note("number", json!(order.number));
        made.note("random_start", json!(random_start));
        made.note("perturbed", json!(perturbed));
        made.note("source", json!(source_word(is_policy)));
        match &self.policy {
            None => demonstrate(&mut self.lockstep, order, (seed, perturbed), &mut made)?,
            Some(policy) => {
                let choice = rng.random_range(0..order.horizons.len());
                let horizon = usize::from(order.horizons[choice]);
                made.note("checkpoint", json!(order.policy));
                made.note("horizon", json!(horizon));
                follow(&mut self.lockstep, policy, order, (seed, horizon), &mut made)?;
            }
        }
        made.note("success", json!(made.episode.success));
        Ok((made.episode, made.pictures))
    }
}

/// An episode that grows.
#[derive(Default)]
struct Making {
    episode: Episode,
    pictures: Vec<u8>,
}

impl Making {
    fn note(&mut self, key: &str, value: Value) {
        self.episode.notes.insert(key.to_owned(), value);
    }

    fn push(&mut self, picture: &Frame, step: Step) {
        self.pictures.extend_from_slice(&picture.rgb);
        self.episode.steps.push(step);
    }
}

/// The expert acts until the task is done.
fn demonstrate(
    lockstep: &mut Lockstep,
    order: &Order,
    (seed, perturbed): (u64, bool),
    made: &mut Making,
) -> anyhow::Result<()> {
    let mut expert = Expert::new(order.task, ExpertOptions::with_seed(seed));
    let mut noise = perturbed.then(|| Perturbation::new(PerturbationOptions::with_seed(seed)));
    lockstep.drive_by_actions()?;
    for step in 0..u64::from(order.max_steps) {
        let observation = lockstep.observe(step)?;
        let truth = lockstep.truth();
        let asked = expert.act(&truth);
        let (executed, disturbed) = match &mut noise {
            Some(noise) => noise.apply(&asked, &truth, expert.phase()),
            None => (asked, false),
        };
        lockstep.queue_action(step, executed)?;
        made.episode.success = lockstep.step()?;
        let step = Step {
            captured_ns: observation.frame.captured_ns,
            state: observation.state,
            asked,
            sent: sent(lockstep, executed),
            valid: !disturbed,
            labels: truth.labels(),
            stream: None,
        };
        made.push(&observation.frame, step);
        if made.episode.success {
            break;
        }
    }
    Ok(())
}

/// The policy acts; at each step the expert says what it would do for the next units.
fn follow(
    lockstep: &mut Lockstep,
    policy: &OpenVlaPolicy,
    order: &Order,
    (seed, horizon): (u64, usize),
    made: &mut Making,
) -> anyhow::Result<()> {
    lockstep.drive_by_units(policy.statistics(), false)?;
    let mut before = lockstep.truth();
    let mut last_gripper = 1.0;
    for step in 0..u64::from(order.max_steps) {
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
            let decoded = policy.decode(&observation.frame, order.task.instruction(), &request)?;
            lockstep.queue_stream(step, decoded.into_best())?;
        }
        made.episode.success = lockstep.step()?;
        let executed = lockstep.last_step().map_or(stream[0], |(asked, _)| asked);
        last_gripper = executed.gripper;
        let step = Step {
            captured_ns: observation.frame.captured_ns,
            state: observation.state,
            asked: stream[0],
            sent: sent(lockstep, executed),
            valid: false,
            labels: truth.labels(),
            stream: Some(stream),
        };
        made.push(&observation.frame, step);
        before = truth;
        if made.episode.success {
            break;
        }
    }
    Ok(())
}

/// The stream that the expert would execute from here; the world is left as it was.
fn expert_stream(lockstep: &mut Lockstep, mut expert: Expert) -> anyhow::Result<Vec<Action>> {
    let here = lockstep.fork();
    lockstep.drive_by_actions()?;
    let mut stream = Vec::with_capacity(STREAM_UNITS);
    for step in 0..STREAM_UNITS as u64 {
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
