//! `jaco eval`: how often a policy succeeds, in lockstep.
//!
//! One trial = one placement that recording cannot draw; the policy sees the camera's picture
//! and the instruction, nothing else. All units of a stream are executed before it looks again.
//! The verdict is the simulation's task test.

use crate::jobs;
use crate::lockstep::Lockstep;
use indicatif::ProgressBar;
use jaco_cli::EvalArgs;
use jaco_cli::shipped;
use jaco_core::Task;
use jaco_model::Policy;
use jaco_model::{Decoding, PolicyOptions};
use jaco_report::wilson_95;
use jaco_sim::{Expert, ExpertOptions, StartPose};
use jaco_sim_link::seeds::{Purpose, episode_seed};
use serde::Serialize;
use std::fmt;
use std::ops::ControlFlow;

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
    /// Units asked for at each inference.
    pub horizon: u8,
    /// Units that came, mean over all inferences; none for the expert.
    pub units_per_inference: Option<f64>,
    /// How tokens were chosen, or "expert".
    pub decode: String,
    /// Whether means were executed instead of bins' centres.
    pub expectation: bool,
    /// Entropy above which streams ended \[nats per token\].
    pub max_entropy: Option<f32>,
    /// Checkpoint evaluated; none for the expert.
    pub checkpoint: Option<String>,
    /// Adapter that acted on it.
    pub adapter: Option<String>,
    /// Dataset whose statistics decoded the actions; none for the expert.
    pub statistics: Option<String>,
    /// Steps to success of each trial in order; none = failed.
    pub steps: Vec<Option<u32>>,
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.success_rate_95.map(|rate| rate * 100.0);
        write!(
            f,
            "{}: {} of {} trials succeeded ({low:.0} to {high:.0} % with 95 % confidence)",
            self.task, self.successes, self.trials
        )
    }
}

/// Carries out `jaco eval`.
pub fn evaluate(args: &EvalArgs, jobs: usize, bar: &ProgressBar) -> anyhow::Result<Evaluation> {
    let policy = options(args)?;
    let key = |options: &PolicyOptions| options.statistics_key("--statistics");
    let statistics = policy.as_ref().map(key).transpose()?;
    bar.set_length(u64::from(args.trials));
    let (mut steps, mut inferences, mut units) = (Vec::new(), 0, 0);
    jobs::in_order(
        jobs,
        u64::from(args.trials),
        || {
            let mut player = Player::new(policy.as_ref())?;
            Ok(move |number| player.trial(args, number))
        },
        |_, trial: Trial| {
            steps.push(trial.steps);
            inferences += trial.inferences;
            units += trial.units;
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
        units_per_inference: (inferences > 0).then(|| units as f64 / inferences as f64),
        decode: if args.expert { "expert".to_owned() } else { args.decode.to_string() },
        expectation: args.expectation,
        max_entropy: args.max_entropy,
        checkpoint: policy.as_ref().map(|policy| policy.checkpoint.display().to_string()),
        adapter: args.adapter.as_ref().map(|folder| folder.display().to_string()),
        statistics,
        steps,
    })
}

/// The policy to evaluate; none for the expert.
fn options(args: &EvalArgs) -> anyhow::Result<Option<PolicyOptions>> {
    if args.expert {
        return Ok(None);
    }
    let checkpoint = match &args.checkpoint {
        Some(folder) => folder.clone(),
        None => shipped::mini_policy()?,
    };
    Ok(Some(PolicyOptions {
        adapter: args.adapter.clone(),
        statistics: args.statistics.clone(),
        view: args.view,
        ..PolicyOptions::on_cpu(checkpoint)
    }))
}

/// What came of a trial.
#[derive(Default)]
struct Trial {
    /// Steps to success, or none.
    steps: Option<u32>,
    inferences: u64,
    units: u64,
}

/// Who acts in the trials of one thread.
struct Player {
    lockstep: Lockstep,
    policy: Option<Box<dyn Policy>>,
}

impl Player {
    fn new(policy: Option<&PolicyOptions>) -> anyhow::Result<Self> {
        let loaded = policy.map(PolicyOptions::load).transpose()?;
        let policy = loaded.map(|policy| Box::new(policy) as Box<dyn Policy>);
        let image_size = policy.as_ref().map_or(128, |policy| policy.image_size());
        Ok(Self { lockstep: Lockstep::new(image_size)?, policy })
    }

    fn trial(&mut self, args: &EvalArgs, number: u64) -> anyhow::Result<Trial> {
        let seed = episode_seed(Purpose::Evaluation, args.seed, number);
        self.lockstep.reset(args.task, seed, StartPose::Home)?;
        match &self.policy {
            Some(policy) => policy_trial(&mut self.lockstep, policy.as_ref(), args, seed),
            None => expert_trial(&mut self.lockstep, args, seed),
        }
    }
}

fn policy_trial(
    lockstep: &mut Lockstep,
    policy: &dyn Policy,
    args: &EvalArgs,
    seed: u64,
) -> anyhow::Result<Trial> {
    let decoding = Decoding::new(args.decode, seed, args.expectation, args.max_entropy);
    let mut trial = Trial::default();
    lockstep.drive_by_units(policy.statistics(), false)?;
    for step in 0..args.max_steps {
        if lockstep.needs_units() {
            let seen = lockstep.observe(u64::from(step))?;
            let request = decoding.request(usize::from(args.horizon), trial.inferences);
            let decoded = policy.decode(&seen.frame, args.task.instruction(), &request)?;
            let stream = decoded.into_best();
            trial.inferences += 1;
            trial.units += stream.units.len() as u64;
            lockstep.queue_stream(u64::from(step), stream)?;
        }
        if lockstep.step()? {
            trial.steps = Some(step + 1);
            break;
        }
    }
    Ok(trial)
}

fn expert_trial(lockstep: &mut Lockstep, args: &EvalArgs, seed: u64) -> anyhow::Result<Trial> {
    let mut trial = Trial::default();
    let mut expert = Expert::new(args.task, ExpertOptions::with_seed(seed));
    lockstep.drive_by_actions()?;
    for step in 0..args.max_steps {
        let action = expert.act(&lockstep.truth());
        lockstep.queue_action(u64::from(step), action)?;
        if lockstep.step()? {
            trial.steps = Some(step + 1);
            break;
        }
    }
    Ok(trial)
}
