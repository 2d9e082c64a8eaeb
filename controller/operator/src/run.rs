//! `jaco run`: ask the daemon for a run, show its progress on one line, and end it when the
//! simulation's task test says so or at Ctrl-C.

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use jaco_api::client::{Client, ClientError};
use jaco_api::{Done, Placement, Progress, RunEvent, RunRequest, Status};
use jaco_cli::RunArgs;
use jaco_core::{Task, Verdict};
use jaco_shell::args::Unusable;
use jaco_shell::say;
use jaco_sim_link::ControlClient;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the simulation's task test is asked for its verdict.
const JUDGE_EVERY: Duration = Duration::from_millis(250);

/// Ticks until the servo takes the arm to be where it was put: readings that no arm can have
/// reached must have agreed with each other for half a second.
const SETTLE_TICKS: u64 = 100;

/// How an attempt ended, for the caller and for `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The run's id.
    pub run_id: String,
    /// Its folder.
    pub folder: PathBuf,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// One line for people.
    pub summary: String,
    /// Why the report, or the recorded episode, is not on disk; none when all is.
    pub unsaved: Option<String>,
}

/// `jaco run`. True when the run succeeded or nobody judged it, and its report is on disk.
pub async fn run(client: &Client, args: &RunArgs, json: bool) -> anyhow::Result<bool> {
    let status: Status = client.get("/v1/status").await?;
    let request = RunRequest {
        instruction: args.instruction.clone(),
        horizon: args.horizon.map(usize::from),
        execution: args.execution,
        max_steps: args.max_steps.map(u64::from),
        placement: args.task.map(|task| Placement { task: task.to_string(), seed: args.seed }),
        run_id: None,
        record: args.record.clone(),
    };
    let judge = match (&status.sim_socket, args.task) {
        (Some(socket), Some(task)) => {
            place(socket, task, args.seed).await?;
            Some(socket.clone())
        }
        (None, Some(_)) => {
            let why = "--task places simulated objects, but this daemon's arm is not simulated";
            return Err(Unusable(why.to_owned()).into());
        }
        (_, None) => None,
    };
    let outcome = attempt(client, &request, judge.as_deref()).await?;
    if json {
        say::object(&outcome)?;
    } else {
        say::line(&outcome.summary)?;
        if outcome.unsaved.is_none() {
            say::line(format_args!("report: {}", outcome.folder.join("report.json").display()))?;
        }
    }
    Ok(outcome.verdict.success != Some(false) && outcome.unsaved.is_none())
}

/// Puts the objects of `task` on the simulated table, the arm at home.
pub async fn place(sim_socket: &Path, task: Task, seed: u64) -> anyhow::Result<()> {
    let socket = sim_socket.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut sim = ControlClient::connect(&socket)?;
        sim.reset(task, seed)?;
        // The arm was moved at once; its servo must have read where it is before it may go on.
        sim.wait(SETTLE_TICKS)?;
        anyhow::Ok(())
    })
    .await?
    .with_context(|| format!("cannot set the simulated table up for {task}"))
}

/// Waits until an arm that somebody may just have put elsewhere is taken to be there.
pub async fn settle(sim_socket: &Path) -> anyhow::Result<()> {
    let socket = sim_socket.to_owned();
    let waited = tokio::task::spawn_blocking(move || {
        ControlClient::connect(&socket)?.wait(SETTLE_TICKS).map_err(anyhow::Error::from)
    });
    waited.await?.context("the simulation does not answer")
}

/// One attempt from request to report. With a `judge` (the simulation's socket) it ends at
/// success.
pub async fn attempt(
    client: &Client,
    request: &RunRequest,
    judge: Option<&Path>,
) -> anyhow::Result<Outcome> {
    match judge {
        Some(socket) => attempt_until(client, request, wait_for_success(socket)).await,
        None => attempt_until(client, request, std::future::pending()).await,
    }
}

/// One attempt from request to report, ended by the verdict of `judge` if that comes first.
pub async fn attempt_until(
    client: &Client,
    request: &RunRequest,
    judge: impl Future<Output = anyhow::Result<Verdict>>,
) -> anyhow::Result<Outcome> {
    let bar = progress_line();
    let mut events = client.post_lines("/v1/run", request).await?;
    let mut run_id = String::new();
    let mut unrecorded = None;
    let mut judge = std::pin::pin!(judge);
    let mut judging = true;
    loop {
        let event = tokio::select! {
            event = events.next::<RunEvent>() => event?,
            verdict = &mut judge, if judging => {
                judging = false;
                finish(client, &verdict?).await?;
                continue;
            }
            _ = tokio::signal::ctrl_c() => {
                finish(client, &Verdict::unjudged("ended by the operator")).await?;
                continue;
            }
        };
        match event.context("the daemon ended the run without a report: see its log")? {
            RunEvent::Started { run_id: id } => run_id = id,
            RunEvent::Progress(progress) => bar.set_message(line(&progress)),
            RunEvent::ChangesHands { by_person } => bar.suspend(|| {
                say::aside(if by_person { "a person drives" } else { "the policy drives again" });
            }),
            RunEvent::Recorded { what, kept } => {
                bar.suspend(|| say::aside(&what));
                unrecorded = (!kept).then_some(what);
            }
            RunEvent::Held { .. } => {
                bar.set_message("the arm holds; writing the report");
                judging = false;
            }
            RunEvent::Ended { verdict, folder, summary, unsaved } => {
                bar.finish_and_clear();
                if let Some(why) = &unsaved {
                    say::aside(why);
                }
                let unsaved = unsaved.or(unrecorded);
                return Ok(Outcome { run_id, folder, verdict, summary, unsaved });
            }
        }
    }
}

async fn finish(client: &Client, verdict: &Verdict) -> anyhow::Result<()> {
    match client.post::<_, Done>("/v1/run/finish", verdict).await {
        // It has ended by itself meanwhile: how, comes with its last line.
        Ok(_) | Err(ClientError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Asks the simulation's task test, over a channel of its own, until the task is done.
pub async fn wait_for_success(socket: &Path) -> anyhow::Result<Verdict> {
    loop {
        tokio::time::sleep(JUDGE_EVERY).await;
        let socket = socket.to_owned();
        let outcome = tokio::task::spawn_blocking(move || {
            ControlClient::connect(&socket)?.outcome().map_err(anyhow::Error::from)
        })
        .await??;
        if outcome.success {
            return Ok(Verdict::said(Some(true), outcome.detail));
        }
    }
}

fn progress_line() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar
}

fn line(progress: &Progress) -> String {
    format!(
        "step {:>3}  queue {:>2}  starved {}  inference {:>4.0} ms  frame {:>3.0} ms old  moved {:.2} m",
        progress.step,
        progress.queued,
        progress.starved_steps,
        progress.inference_ms,
        progress.frame_age_ms,
        progress.moved_m
    )
}
