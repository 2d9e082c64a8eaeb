//! `jaco replay`: an episode's actions, asked for from the daemon; how far the arm came from where
//! it was when they were recorded.

pub mod compare;

use anyhow::{Context, bail, ensure};
use compare::{Comparison, Recorded, Replayed, compare};
use jaco_api::client::Client;
use jaco_api::{ReplayEvent, ReplayRequest};
use jaco_cli::dataset::{ReplayArgs, Replayed as Which};
use jaco_core::{ACTION_DIMS, Action, STEP_S};
use jaco_dataset::{Dataset, Episode};
use jaco_shell::args::Unusable;
use jaco_shell::say;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// The features that hold actions, and the names of their numbers.
const ASKED: &str = "action";
const SENT: &str = "action.sent";
const NAMES: [&str; ACTION_DIMS] = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];
const STATE: &str = "observation.state";

/// What `jaco replay` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whether all steps were executed.
    pub complete: bool,
    /// How it ended.
    pub detail: String,
    /// Recorded steps.
    pub steps: usize,
    /// Steps that were executed.
    pub executed: usize,
    /// How far the motion came from the recorded one; none where no state was recorded.
    pub comparison: Option<Comparison>,
}

/// Replays an episode. True if all of it was executed.
///
/// # Errors
/// The episode holds no actions for this arm; the daemon's refusal.
pub fn replay(socket: &Path, args: &ReplayArgs, json: bool) -> anyhow::Result<bool> {
    let dataset = Dataset::open(&args.dir)?;
    let (request, recorded) = request(&dataset, args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(carry_out(&Client::new(socket), &request, recorded))?;
    say::print(json, &report)?;
    Ok(report.complete)
}

/// What is asked of the daemon, and what was recorded.
///
/// # Errors
/// The episode holds no actions that this arm understands.
pub fn request(
    dataset: &Dataset,
    args: &ReplayArgs,
) -> anyhow::Result<(ReplayRequest, Option<Vec<Recorded>>)> {
    let key = match args.actions {
        Which::Asked => ASKED,
        Which::Sent => SENT,
    };
    let dir = args.dir.display();
    let unusable = |why: String| Unusable(format!("{dir}: {why}"));
    if (dataset.fps() * STEP_S - 1.0).abs() > 0.005 {
        bail!(unusable(format!(
            "it has {} rows a second, a step of the arm is 0.1 s",
            dataset.fps()
        )));
    }
    let names = dataset.feature(key).and_then(|feature| feature.names.clone());
    if names.as_deref().is_none_or(|names| names != NAMES) {
        bail!(unusable(format!("\"{key}\" is not made of {}", NAMES.join(", "))));
    }
    let has_state = dataset.feature(STATE).is_some();
    let keys: Vec<&str> = [key].into_iter().chain(has_state.then_some(STATE)).collect();
    let episode = dataset.read_columns(args.episode, &keys)?;
    let actions = actions(&episode, key).map_err(|why| unusable(why.to_string()))?;
    let names = dataset.feature(STATE).and_then(|feature| feature.names.clone());
    let recorded = match (has_state, names) {
        (true, Some(names)) => compare::recorded(&episode.numbers(STATE)?, &names),
        _ => None,
    };
    let what = format!("episode {} of {dir}", args.episode);
    let request = ReplayRequest { what, actions, speed: args.speed, home: !args.no_home };
    Ok((request, recorded))
}

fn actions(episode: &Episode, key: &str) -> anyhow::Result<Vec<Action>> {
    let numbers = episode.numbers(key)?;
    let rows = numbers.rows().enumerate().map(|(row, numbers)| {
        let finite = numbers.iter().all(|number| number.is_finite());
        ensure!(finite, "episode {}: \"{key}\" is not finite in row {row}", episode.index);
        let [x, y, z, roll, pitch, yaw, gripper] = numbers else {
            bail!("\"{key}\" has {} numbers", numbers.len())
        };
        Ok(Action {
            translation_m: [*x, *y, *z],
            rotation_rad: [*roll, *pitch, *yaw],
            gripper: gripper.clamp(0.0, 1.0),
        })
    });
    rows.collect()
}

async fn carry_out(
    client: &Client,
    request: &ReplayRequest,
    recorded: Option<Vec<Recorded>>,
) -> anyhow::Result<Report> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut events = client.post_lines("/v1/replay", request).await?;
    let mut replayed = Vec::new();
    let mut executed = 0;
    let (complete, detail) = loop {
        let event = tokio::select! {
            event = events.next::<ReplayEvent>() => event?,
            // The connection closes with `events`, and the arm then holds.
            _ = interrupt.recv() => break (false, "ended by Ctrl-C".to_owned()),
            _ = terminate.recv() => break (false, "told to end (SIGTERM)".to_owned()),
        };
        match event.context("the daemon ended before the replay did")? {
            ReplayEvent::Homing => say::aside("the arm goes home first ..."),
            ReplayEvent::Started { pose } => {
                say::aside(format_args!("replaying {} steps ...", request.actions.len()));
                replayed.push(Replayed { step: None, pose, opening: None });
            }
            ReplayEvent::Step { step, pose, opening } => {
                executed = executed.max(step + 1);
                replayed.push(Replayed { step: Some(step), pose, opening: Some(opening) });
            }
            ReplayEvent::Ended { complete, detail } => break (complete, detail),
        }
    };
    let comparison = recorded.and_then(|recorded| compare(&recorded, &replayed));
    Ok(Report { complete, detail, steps: request.actions.len(), executed, comparison })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} steps: {}", self.executed, self.steps, self.detail)?;
        let Some(c) = &self.comparison else {
            return write!(f, "\nno recorded pose to compare with");
        };
        let mm = |m: f64| 1e3 * m;
        let deg = f64::to_degrees;
        write!(
            f,
            "\nstart     {:.1} mm and {:.1} deg from where the recording began",
            mm(c.start.position_m),
            deg(c.start.rotation_rad)
        )?;
        for (name, apart) in
            [("mean", &c.mean), ("most", &c.max), ("end", &c.last), ("mean, relative", &c.moved)]
        {
            write!(
                f,
                "\n{name:<16}{:.1} mm, {:.1} deg",
                mm(apart.position_m),
                deg(apart.rotation_rad)
            )?;
        }
        write!(
            f,
            "\n(relative: the motion from its own start; most apart at step {})",
            c.worst_step
        )
    }
}
