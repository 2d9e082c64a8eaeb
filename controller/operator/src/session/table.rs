//! The simulated table: set before an episode, watched during it, and what the expert would do.

use crate::run::place;
use anyhow::Context;
use jaco_api::{Label, Order};
use jaco_core::{Action, Task};
use jaco_sim_link::ControlClient;
use jaco_sim_link::seeds::{Purpose, episode_seed};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Why an episode is given up that does not come to its end.
pub const TOO_LONG: &str = "the task was not done in time";
/// Why a session ends whose episode was discarded.
pub const SET_ANEW: &str = "the table is set anew";
/// How often the task test is asked.
const JUDGE_EVERY: Duration = Duration::from_millis(250);
/// Longest episode of the expert, which needs a third of it.
const LONGEST: Duration = Duration::from_secs(30);

/// The simulated table, with the objects of a task.
pub struct Table {
    socket: PathBuf,
    task: Task,
    /// Who watches the episode that runs.
    judging: Option<JoinHandle<anyhow::Result<bool>>>,
    /// Whether one that takes too long is given up.
    patient: bool,
}

impl Table {
    /// The table of the simulation at `socket`.
    pub fn new(socket: PathBuf, task: Task) -> Self {
        Self { socket, task, judging: None, patient: true }
    }

    /// Whoever acts does so at once: an episode that takes too long is given up.
    pub fn in_a_hurry(self) -> Self {
        Self { patient: false, ..self }
    }

    /// Puts the objects down for episode `number` of the series `seed`, the arm at home. Returns
    /// the seed of the placement, which no evaluation can draw.
    pub async fn set(&mut self, seed: u64, number: u64) -> anyhow::Result<u64> {
        let seed = episode_seed(Purpose::Demonstration, seed, number);
        place(&self.socket, self.task, seed).await?;
        Ok(seed)
    }

    /// Watches the episode that begins now.
    pub fn judge(&mut self) {
        self.judge_no_more();
        let deadline = (!self.patient).then(|| Instant::now() + LONGEST);
        self.judging = Some(tokio::spawn(watch(self.socket.clone(), deadline)));
    }

    /// Watches no more.
    pub fn judge_no_more(&mut self) {
        if let Some(judging) = self.judging.take() {
            judging.abort();
        }
    }

    /// Returns when the task is done, or when the episode has taken too long: the order that
    /// follows, and why it is given up.
    pub async fn verdict(&mut self) -> anyhow::Result<(Order, Option<String>)> {
        let Some(judging) = &mut self.judging else { return std::future::pending().await };
        let done = judging.await;
        self.judging = None;
        Ok(match done?? {
            true => (Order::Keep { label: Some(Label::Success) }, None),
            false => (Order::Discard, Some(TOO_LONG.to_owned())),
        })
    }

    /// What the scripted expert does in the step that begins now.
    pub async fn expert(&self) -> anyhow::Result<Action> {
        ask(&self.socket, |sim| Ok(sim.demonstrate()?)).await
    }
}

/// Asks the task test until the task is done (true) or the deadline has passed.
async fn watch(socket: PathBuf, deadline: Option<Instant>) -> anyhow::Result<bool> {
    loop {
        tokio::time::sleep(JUDGE_EVERY).await;
        if ask(&socket, |sim| Ok(sim.outcome()?.success)).await? {
            return Ok(true);
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Ok(false);
        }
    }
}

/// Asks the simulation on a thread that may wait for it.
async fn ask<T: Send + 'static>(
    socket: &Path,
    question: impl FnOnce(&mut ControlClient) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let socket = socket.to_owned();
    tokio::task::spawn_blocking(move || question(&mut ControlClient::connect(&socket)?))
        .await?
        .context("the simulation does not answer")
}
