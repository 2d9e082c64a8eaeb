//! What `jaco eval` prints: one cell, or the cells of a sweep and the pairs of policies in it.

use crate::summary::{CellSummary, Pair, PassAt, pairs, summarize};
use crate::words::{Asked, Cell, Policy, Try};
use serde::Serialize;
use std::fmt;

/// What `jaco eval --json` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Evaluations {
    /// One cell.
    One(Box<Evaluation>),
    /// Several.
    Sweep(Sweep),
}

/// The cells of a sweep.
#[derive(Clone, Debug, Serialize)]
pub struct Sweep {
    /// Each cell.
    pub cells: Vec<Evaluation>,
    /// Each two policies that were asked in the same way.
    pub pairs: Vec<Pair>,
}

/// What came of a cell.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    /// The task.
    pub task: String,
    /// What the policy is called.
    pub policy: String,
    /// Placements tried.
    pub trials: u32,
    /// Placements that were done at the first try.
    pub successes: u32,
    /// Share of these.
    pub success_rate: f64,
    /// Wilson score interval of the share at 95 %.
    pub success_rate_95: [f64; 2],
    /// Steps to success, mean over the first tries that succeeded; none without any.
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
    /// Tries that were made, first ones and others.
    pub tries: u32,
    /// Whether further tries would be the first one again, so that one counts as all.
    pub repeats: bool,
    /// Pass@1 to Pass@N.
    pub pass_at: Vec<PassAt>,
    /// Steps to success of each placement's first try in order; none = failed.
    pub steps: Vec<Option<u32>>,
}

impl Evaluations {
    /// What the `tries` of `cells` add up to, in the order of `cells`.
    pub fn of(asked: &Asked, cells: &[Cell], tries: &[Try]) -> Self {
        let summaries = summarize(asked, tries);
        let of_cell = |cell: &Cell| summaries.iter().find(|summary| summary.cell == *cell).cloned();
        let of_cells = cells.iter().filter_map(of_cell);
        let mut cells: Vec<_> = of_cells
            .map(|summary| {
                let label = &summary.cell.policy;
                let policy = asked.policies.iter().find(|policy| policy.label == *label);
                Evaluation::of(summary, policy, asked.seed)
            })
            .collect();
        match (cells.len(), cells.pop()) {
            (1, Some(only)) => Self::One(Box::new(only)),
            (_, last) => {
                cells.extend(last);
                Self::Sweep(Sweep { cells, pairs: pairs(asked, tries) })
            }
        }
    }
}

impl Evaluation {
    fn of(summary: CellSummary, policy: Option<&Policy>, seed: u64) -> Self {
        let cell = summary.cell;
        Self {
            task: cell.task,
            policy: cell.policy,
            trials: summary.trials,
            successes: summary.successes,
            success_rate: summary.success_rate,
            success_rate_95: summary.success_rate_95,
            mean_steps: summary.mean_steps,
            seed,
            horizon: cell.horizon,
            units_per_inference: summary.units_per_inference,
            decode: cell.decode,
            expectation: cell.expectation,
            max_entropy: cell.max_entropy,
            checkpoint: policy.map(|policy| policy.checkpoint.display().to_string()),
            adapter: policy
                .and_then(|policy| policy.adapter.as_ref())
                .map(|folder| folder.display().to_string()),
            statistics: policy.and_then(|policy| policy.statistics.clone()),
            tries: summary.tries,
            repeats: summary.repeats,
            pass_at: summary.pass_at,
            steps: summary.steps,
        }
    }

    /// Pass@N of the largest N, where it says more than the share of successes.
    fn best_pass(&self) -> Option<&PassAt> {
        self.pass_at.last().filter(|pass| pass.n > 1 && !self.repeats)
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.success_rate_95.map(|rate| rate * 100.0);
        write!(
            f,
            "{}: {} of {} trials succeeded ({low:.0} to {high:.0} % with 95 % confidence)",
            self.task, self.successes, self.trials
        )?;
        match self.best_pass() {
            Some(pass) => {
                let [low, high] = pass.rate_95.map(|rate| rate * 100.0);
                let (n, rate) = (pass.n, pass.rate * 100.0);
                write!(f, ", Pass@{n} {rate:.0} % ({low:.0} to {high:.0} %)")
            }
            None => Ok(()),
        }
    }
}

impl fmt::Display for Evaluations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(only) => only.fmt(f),
            Self::Sweep(sweep) => sweep.fmt(f),
        }
    }
}

/// A line for each cell, then one for each pair.
impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.cells.iter().map(|cell| cell.policy.len()).max().unwrap_or_default();
        for (index, cell) in self.cells.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            let Evaluation { policy, horizon, decode, .. } = cell;
            write!(f, "{end}{policy:width$}  H={horizon:<2} {decode:9}  {cell}")?;
        }
        for pair in &self.pairs {
            let [low, high] = pair.difference_95.map(|share| share * 100.0);
            let Pair { first, second, task, horizon, decode, placements, mcnemar_p, .. } = pair;
            let points = pair.difference * 100.0;
            write!(
                f,
                "\n{first} against {second}, {task}, H={horizon} {decode}: {points:+.0} points \
                 ({low:+.0} to {high:+.0}) on {placements} placements, p = {mcnemar_p:.3}"
            )?;
        }
        Ok(())
    }
}
