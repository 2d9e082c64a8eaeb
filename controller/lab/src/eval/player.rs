//! Who acts in a try: a policy or the expert, in a world of its own. The same order gives the same
//! try, whoever carries it out.

use crate::lockstep::Lockstep;
use crate::worker::Work;
use anyhow::Context;
use jaco_core::Task;
use jaco_model::Policy as _;
use jaco_model::{Decoding, OpenVlaPolicy, PolicyOptions};
use jaco_report::{FrameKeeper, KeptFrame, try_sheet};
use jaco_shell::args::Unusable;
use jaco_sim::{Expert, ExpertOptions, StartPose};
use jaco_sim_link::seeds::attempt_seed;
use jaco_trials::{Cell, Ended, Policy, Try, fingerprint};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Side of the picture where no policy looks \[pixels\].
const EXPERT_IMAGE_SIZE: u32 = 128;
/// Where nobody looks, every so many steps a picture is taken for the contact sheet.
const SHEET_STRIDE: u32 = 8;
/// Length of a step \[s\].
const STEP_S: f64 = 0.1;

/// A try to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Who acts; none = the expert.
    pub policy: Option<Policy>,
    /// What is tried.
    pub cell: Cell,
    /// Seed of the placement.
    pub seed: u64,
    /// Number of the placement.
    pub trial: u32,
    /// Number of the try at this placement.
    pub attempt: u32,
    /// Steps after which it fails.
    pub max_steps: u32,
    /// Whether a contact sheet is made.
    pub sheet: bool,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cell, trial, attempt, .. } = self;
        write!(f, "{}, placement {trial}, try {attempt}", cell.task)
    }
}

/// Whoever acted last, ready to act again.
#[derive(Default)]
pub struct Stage {
    player: Option<(Option<Policy>, Player)>,
}

impl Work for Stage {
    const NAME: &'static str = "eval";
    type Order = Order;
    type Made = Try;

    /// Makes a try, with its contact sheet if one is asked for. A policy is loaded when it first
    /// acts, and let go when another one comes.
    fn make(&mut self, order: &Order) -> anyhow::Result<(Try, Vec<u8>)> {
        if self.player.as_ref().is_none_or(|(policy, _)| *policy != order.policy) {
            self.player = None;
            let player = Player::new(order.policy.as_ref())?;
            self.player = Some((order.policy.clone(), player));
        }
        let (_, player) = self.player.as_mut().context("nobody is there to act")?;
        player.make(order)
    }
}

struct Player {
    lockstep: Lockstep,
    policy: Option<OpenVlaPolicy>,
}

/// What is noted while a try goes on.
struct Course {
    path_m: Vec<[f32; 3]>,
    frames: Option<FrameKeeper>,
    steps: Option<u32>,
    inferences: u64,
    units: u64,
}

impl Player {
    fn new(policy: Option<&Policy>) -> anyhow::Result<Self> {
        let policy = policy.map(load).transpose()?;
        let image_size = policy.as_ref().map_or(EXPERT_IMAGE_SIZE, OpenVlaPolicy::image_size);
        Ok(Self { lockstep: Lockstep::new(image_size)?, policy })
    }

    fn make(&mut self, order: &Order) -> anyhow::Result<(Try, Vec<u8>)> {
        let task: Task = order.cell.task.parse()?;
        self.lockstep.reset(task, order.seed, StartPose::Home)?;
        let frames = order.sheet.then(FrameKeeper::default);
        let path_m = vec![self.tool_point_m()];
        let mut course = Course { path_m, frames, steps: None, inferences: 0, units: 0 };
        if self.policy.is_some() {
            self.follow_policy(order, task, &mut course)?;
        } else {
            self.follow_expert(order, task, &mut course)?;
        }
        let ran_steps = course.path_m.len() as u32 - 1;
        if course.frames.is_some() {
            self.keep_frame(ran_steps, &mut course)?;
        }
        let made = Try {
            cell: order.cell.clone(),
            seed: order.seed,
            trial: order.trial,
            attempt: order.attempt,
            success: course.steps.is_some(),
            steps: course.steps,
            ran_steps,
            inferences: course.inferences,
            units: course.units,
            ended: if course.steps.is_some() { Ended::Done } else { Ended::Time },
            path_m: course.path_m,
            sheet: None,
        };
        let frames = course.frames.map(|keeper| keeper.frames());
        let sheet = frames.map(|frames| try_sheet(&made, &frames)).transpose()?;
        Ok((made, sheet.unwrap_or_default()))
    }

    fn follow_policy(
        &mut self,
        order: &Order,
        task: Task,
        course: &mut Course,
    ) -> anyhow::Result<()> {
        let Self { lockstep, policy: Some(policy) } = self else { return Ok(()) };
        let Cell { horizon, expectation, max_entropy, .. } = order.cell;
        let draws = attempt_seed(order.seed, order.attempt);
        let decoding = Decoding::new(order.cell.decode.parse()?, draws, expectation, max_entropy);
        lockstep.drive_by_units(policy.statistics(), false)?;
        for step in 0..order.max_steps {
            if lockstep.needs_units() {
                let seen = lockstep.observe(u64::from(step))?;
                let request = decoding.request(usize::from(horizon), course.inferences);
                let decoded = policy.decode(&seen.frame, task.instruction(), &request)?;
                let stream = decoded.into_best();
                course.inferences += 1;
                course.units += stream.units.len() as u64;
                lockstep.queue_stream(u64::from(step), stream)?;
                if let Some(frames) = &mut course.frames {
                    frames.offer(kept(step, seen.frame));
                }
            }
            if course.step(lockstep, step)? {
                break;
            }
        }
        Ok(())
    }

    fn follow_expert(
        &mut self,
        order: &Order,
        task: Task,
        course: &mut Course,
    ) -> anyhow::Result<()> {
        let mut expert = Expert::new(task, ExpertOptions::with_seed(order.seed));
        self.lockstep.drive_by_actions()?;
        for step in 0..order.max_steps {
            if course.frames.is_some() && step.is_multiple_of(SHEET_STRIDE) {
                self.keep_frame(step, course)?;
            }
            let action = expert.act(&self.lockstep.truth());
            self.lockstep.queue_action(u64::from(step), action)?;
            if course.step(&mut self.lockstep, step)? {
                break;
            }
        }
        Ok(())
    }

    fn keep_frame(&mut self, step: u32, course: &mut Course) -> anyhow::Result<()> {
        let seen = self.lockstep.observe(u64::from(step))?;
        if let Some(frames) = &mut course.frames {
            frames.offer(kept(step, seen.frame));
        }
        Ok(())
    }

    fn tool_point_m(&self) -> [f32; 3] {
        Try::point_m(self.lockstep.tracking().0.position_m.into())
    }
}

impl Course {
    /// Lets a step pass. Returns whether the task is done at its end.
    fn step(&mut self, lockstep: &mut Lockstep, step: u32) -> anyhow::Result<bool> {
        let done = lockstep.step()?;
        self.path_m.push(Try::point_m(lockstep.tracking().0.position_m.into()));
        if done {
            self.steps = Some(step + 1);
        }
        Ok(done)
    }
}

fn load(policy: &Policy) -> anyhow::Result<OpenVlaPolicy> {
    let options = PolicyOptions {
        adapter: policy.adapter.clone(),
        statistics: policy.statistics.clone(),
        view: policy.view.parse()?,
        ..PolicyOptions::on_cpu(policy.checkpoint.clone())
    };
    let loaded = options.load()?;
    // Hours may lie between the first try and this; a training may write there.
    let now = fingerprint(&policy.checkpoint, policy.adapter.as_deref())?;
    if now != policy.weights {
        let (label, folder) = (&policy.label, policy.checkpoint.display());
        let why = format!(
            "the policy {label:?} from {folder} has changed since the evaluation began (files {}, \
             now {now}): evaluate a copy that stays as it is",
            policy.weights
        );
        return Err(Unusable(why).into());
    }
    Ok(loaded)
}

fn kept(step: u32, frame: jaco_core::Frame) -> KeptFrame {
    KeptFrame { step: u64::from(step), time_s: f64::from(step) * STEP_S, frame }
}
