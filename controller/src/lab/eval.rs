//! `jaco eval`: how often a policy succeeds, in lockstep.
//!
//! One trial = one placement that recording cannot draw; the policy sees the camera's picture
//! and the instruction, nothing else. All H units of a stream are executed before it looks
//! again. The verdict is the simulation's task test.

use super::jobs;
use super::lockstep::Lockstep;
use super::seeds::{Purpose, episode_seed};
use crate::cli::EvalArgs;
use crate::report::wilson_95;
use crate::shipped;
use indicatif::ProgressBar;
use jaco_core::Task;
use jaco_model::{DecodeRequest, OpenVlaPolicy, Policy};
use jaco_sim::{Expert, ExpertOptions, StartPose};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::Path;
use tch::Device;

/// What `jaco eval --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The task.
    pub task: Task,
    /// Trials made.
    pub trials: u32,
    /// Trials that succeeded.
    pub successes: u32,
    /// Share of successes.
    pub success_rate: f64,
    /// Wilson score interval of the share at 95 %.
    pub success_rate_95: [f64; 2],
    /// Steps to success, mean over successful trials; none without any.
    pub mean_steps: Option<f64>,
    /// Seed of the placements.
    pub seed: u64,
    /// Units executed per inference.
    pub horizon: u8,
    /// How tokens were chosen, or "expert".
    pub decode: String,
    /// Checkpoint evaluated; none for the expert.
    pub checkpoint: Option<String>,
    /// Steps to success of each trial in order; none = failed.
    pub steps: Vec<Option<u32>>,
}

/// Carries out `jaco eval`.
pub fn evaluate(args: &EvalArgs, jobs: usize, bar: &ProgressBar) -> anyhow::Result<Evaluation> {
    let checkpoint = match (&args.checkpoint, args.expert) {
        (_, true) => None,
        (Some(folder), false) => Some(folder.clone()),
        (None, false) => Some(shipped::mini_policy()?),
    };
    bar.set_length(u64::from(args.trials));
    let mut steps = Vec::new();
    jobs::in_order(
        jobs,
        u64::from(args.trials),
        || {
            let mut player = Player::new(checkpoint.as_deref())?;
            Ok(move |number| player.trial(args, number))
        },
        |_, result| {
            steps.push(result);
            bar.inc(1);
            bar.set_message(format!("{} succeeded", steps.iter().flatten().count()));
            Ok(ControlFlow::Continue(()))
        },
    )?;
    let done: Vec<u32> = steps.iter().copied().flatten().collect();
    let (trials, successes) = (args.trials, done.len() as u32);
    Ok(Evaluation {
        task: args.task,
        trials,
        successes,
        success_rate: f64::from(successes) / f64::from(trials),
        success_rate_95: wilson_95(done.len(), steps.len()).into(),
        mean_steps: (successes > 0)
            .then(|| done.iter().map(|&n| f64::from(n)).sum::<f64>() / f64::from(successes)),
        seed: args.seed,
        horizon: args.horizon,
        decode: if args.expert { "expert" } else { "greedy" }.to_owned(),
        checkpoint: checkpoint.map(|folder| folder.display().to_string()),
        steps,
    })
}

/// Who acts in the trials of one thread.
struct Player {
    lockstep: Lockstep,
    policy: Option<OpenVlaPolicy>,
}

impl Player {
    fn new(checkpoint: Option<&Path>) -> anyhow::Result<Self> {
        let policy =
            checkpoint.map(|folder| OpenVlaPolicy::load(folder, Device::Cpu)).transpose()?;
        let image_size = policy.as_ref().map_or(128, |policy| policy.image_size());
        Ok(Self { lockstep: Lockstep::new(image_size)?, policy })
    }

    /// Steps to success, or none.
    fn trial(&mut self, args: &EvalArgs, number: u64) -> anyhow::Result<Option<u32>> {
        let seed = episode_seed(Purpose::Evaluation, args.seed, number);
        self.lockstep.reset(args.task, seed, StartPose::Home)?;
        match &self.policy {
            Some(policy) => policy_trial(&mut self.lockstep, policy, args),
            None => expert_trial(&mut self.lockstep, args, seed),
        }
    }
}

fn policy_trial(
    lockstep: &mut Lockstep,
    policy: &OpenVlaPolicy,
    args: &EvalArgs,
) -> anyhow::Result<Option<u32>> {
    let horizon = usize::from(args.horizon);
    lockstep.drive_by_units(policy.statistics())?;
    for step in 0..args.max_steps {
        if lockstep.needs_units() {
            let seen = lockstep.observe(u64::from(step))?;
            let request = DecodeRequest::greedy(horizon);
            let decoded = policy.decode(&seen.frame, args.task.instruction(), &request)?;
            lockstep.queue_stream(u64::from(step), decoded.into_best())?;
        }
        if lockstep.step()? {
            return Ok(Some(step + 1));
        }
    }
    Ok(None)
}

fn expert_trial(
    lockstep: &mut Lockstep,
    args: &EvalArgs,
    seed: u64,
) -> anyhow::Result<Option<u32>> {
    let mut expert = Expert::new(args.task, ExpertOptions::with_seed(seed));
    lockstep.drive_by_actions()?;
    for step in 0..args.max_steps {
        let action = expert.act(&lockstep.truth());
        lockstep.queue_action(u64::from(step), action)?;
        if lockstep.step()? {
            return Ok(Some(step + 1));
        }
    }
    Ok(None)
}
