//! `jaco eval`: how often policies succeed, in lockstep.
//!
//! One trial = one placement that recording cannot draw; the policy sees the camera's picture
//! and the instruction, nothing else. All units of a stream are executed before it looks again.
//! The verdict is the simulation's task test. Here is the course of it: what is still to be tried,
//! by whom, and what is kept.

mod plan;
mod player;

pub use plan::{Plan, horizon};
pub use player::Stage;

use crate::jobs;
use crate::worker::Worker;
use indicatif::ProgressBar;
use jaco_cli::EvalArgs;
use jaco_shell::args::{Unusable, blames_path};
use jaco_sim_link::seeds::{Purpose, episode_seed};
use jaco_trials::{Asked, Cell, Evaluations, Key, StoreError, TrialStore, Try};
use player::Order;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Successes and failures of a cell of which a contact sheet is kept.
const SHEETS: [u32; 2] = [2, 4];

/// Carries out `jaco eval --sim`.
pub fn evaluate(args: &EvalArgs, jobs: usize, bar: &ProgressBar) -> anyhow::Result<Evaluations> {
    let plan = Plan::of(args)?;
    let tries = sweep(&plan, args.out.as_deref(), jobs, bar)?;
    Ok(Evaluations::of(&plan.asked, &plan.cells, &tries))
}

/// Makes the tries of `plan` that are not in `out` yet, up to `jobs` at once, each job in a process
/// of its own. Returns all tries of the plan.
pub fn sweep(
    plan: &Plan,
    out: Option<&Path>,
    jobs: usize,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Try>> {
    let mut kept = Kept::open(out, plan.asked.clone())?;
    let places = plan.tries();
    let todo: Vec<_> =
        places.into_iter().filter(|(cell, at)| !kept.has(&plan.cells[*cell], *at)).collect();
    let sheets: Vec<Sheets> = plan.cells.iter().map(|cell| kept.sheets(cell)).collect();
    bar.set_length(todo.len() as u64);
    let order = |number: u64| {
        let (cell, (trial, attempt)) = todo[number as usize];
        Order {
            policy: plan.policy(&plan.cells[cell]).cloned(),
            cell: plan.cells[cell].clone(),
            seed: episode_seed(Purpose::Evaluation, plan.asked.seed, u64::from(trial)),
            trial,
            attempt,
            max_steps: plan.asked.max_steps,
            sheet: out.is_some() && sheets[cell].wanted(),
        }
    };
    let mut successes = 0;
    let stop = AtomicBool::new(false);
    let worker = || {
        let mut worker = Worker::<Stage>::start()?;
        let (order, stop) = (&order, &stop);
        Ok(move |number| worker.make(&order(number), stop))
    };
    let (jobs, count) = (jobs.min(todo.len()), todo.len() as u64);
    jobs::as_they_come(jobs, count, &stop, worker, |number, made| {
        let Some((made, sheet)) = made else { return Ok(ControlFlow::Break(())) };
        let cell = todo[number as usize].0;
        successes += u32::from(made.success);
        kept.push(made, &sheet, &sheets[cell])?;
        bar.inc(1);
        bar.set_message(format!("{successes} succeeded"));
        Ok(ControlFlow::Continue(()))
    })?;
    let asked_for: HashSet<Key> = plan
        .tries()
        .into_iter()
        .map(|(cell, (trial, attempt))| Key::new(&plan.cells[cell], trial, attempt))
        .collect();
    Ok(kept.into_tries().into_iter().filter(|made| asked_for.contains(&made.key())).collect())
}

/// Where tries go: the folder of an evaluation, or nowhere.
enum Kept {
    Folder(TrialStore),
    Nowhere(Vec<Try>),
}

impl Kept {
    fn open(out: Option<&Path>, asked: Asked) -> anyhow::Result<Self> {
        let Some(folder) = out else {
            return Ok(Self::Nowhere(Vec::new()));
        };
        match TrialStore::open(folder, asked) {
            Ok(store) => Ok(Self::Folder(store)),
            Err(error) => Err(blame(error)),
        }
    }

    fn has(&self, cell: &Cell, (trial, attempt): (u32, u32)) -> bool {
        match self {
            Self::Folder(store) => store.has(cell, trial, attempt),
            Self::Nowhere(_) => false,
        }
    }

    /// Sheets of `cell` that are there.
    fn sheets(&self, cell: &Cell) -> Sheets {
        let sheets = Sheets::default();
        if let Self::Folder(store) = self {
            for kept in store.tries().iter().filter(|t| t.sheet.is_some() && t.cell == *cell) {
                sheets.claim(kept.success);
            }
        }
        sheets
    }

    /// Keeps a try; its contact sheet, a PNG where one was made, as long as more are wanted.
    fn push(&mut self, mut made: Try, sheet: &[u8], sheets: &Sheets) -> anyhow::Result<()> {
        match self {
            Self::Folder(store) => {
                if !sheet.is_empty() && sheets.claim(made.success) {
                    let name = made.sheet_name();
                    store.add_picture(&name, sheet)?;
                    made.sheet = Some(name);
                }
                store.push(made)?;
            }
            Self::Nowhere(tries) => tries.push(made),
        }
        Ok(())
    }

    fn into_tries(self) -> Vec<Try> {
        match self {
            Self::Folder(store) => store.tries().to_vec(),
            Self::Nowhere(tries) => tries,
        }
    }
}

/// A folder that holds something else is the fault of whoever named it, unless the machine failed.
fn blame(error: StoreError) -> anyhow::Error {
    match error.io().map(blames_path) {
        Some(false) => anyhow::Error::from(error).context("cannot keep the tries"),
        _ => Unusable(format!("--out: {error}")).into(),
    }
}

/// How many contact sheets a cell has: of successes and of failures.
#[derive(Default)]
struct Sheets([AtomicU32; 2]);

impl Sheets {
    /// Whether a sheet may still be kept, whatever comes of the try.
    fn wanted(&self) -> bool {
        self.0.iter().zip(SHEETS).any(|(kept, most)| kept.load(Ordering::Relaxed) < most)
    }

    /// Counts one more, if there may be one.
    fn claim(&self, success: bool) -> bool {
        let which = usize::from(!success);
        self.0[which].fetch_add(1, Ordering::Relaxed) < SHEETS[which]
    }
}
