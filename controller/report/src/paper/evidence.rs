//! The tries behind a report, by cell and placement, and the rates that they give.
//!
//! Tries come from one or several evaluations. A label must mean the same policy in all of them;
//! tries in lockstep and on an arm are kept apart.

use super::variant::Variant;
use jaco_core::{Decode, Task};
use jaco_trials::{Arm, Asked, Cell, EXPERT, Paired, Policy, Try, pass_at, wilson_share_95};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A stored evaluation as it was read.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// What a report calls it: its folder.
    pub name: String,
    /// What was asked.
    pub asked: Asked,
    /// What was tried.
    pub tries: Vec<Try>,
    /// Contact sheets (PNG) by the name that tries know them by.
    pub pictures: BTreeMap<String, Vec<u8>>,
}

/// Evaluations that cannot stand in one report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// A label with two meanings.
    #[error(
        "{first} and {second} both have a policy {label:?}, and it is not the same one: evaluate \
         one of them again under a label of its own"
    )]
    Label {
        /// The label.
        label: String,
        /// The evaluation that has it first.
        first: String,
        /// The one that has it otherwise.
        second: String,
    },
    /// Time limits that differ.
    #[error(
        "{first} gave each try {first_steps} steps and {second} {second_steps}: their rates are \
         not of one kind"
    )]
    Steps {
        /// The evaluation that comes first.
        first: String,
        /// Its limit.
        first_steps: u32,
        /// The one that differs.
        second: String,
        /// Its limit.
        second_steps: u32,
    },
}

/// A success rate and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Share of successes.
    pub rate: f64,
    /// Low end of the 95 % interval.
    pub low: f64,
    /// High end of it.
    pub high: f64,
    /// Placements behind it.
    pub placements: usize,
}

/// A placement among all of a report: its task and its own seed.
pub type Placement = (String, u64);

/// Tries of one cell: by placement (its seed, at a real arm told apart by session), then by attempt.
type Tries<'a> = BTreeMap<u64, BTreeMap<u32, &'a Try>>;

/// Where a report's tries were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// In lockstep simulation.
    Lockstep,
    /// On the simulated arm in real time.
    Simulated,
    /// On a real arm.
    Real,
}

/// How a cell was asked, apart from its task.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The policy and how its streams became actions.
    pub variant: Variant,
    /// Units asked for at each inference.
    pub horizon: u8,
    /// How tokens were chosen.
    pub decode: Decode,
}

/// All tries of a report.
#[derive(Debug, Default)]
pub struct Evidence<'a> {
    cells: BTreeMap<(Stage, String), Tries<'a>>,
    variants: Vec<Variant>,
    /// By label.
    policies: BTreeMap<&'a str, &'a Policy>,
    decodes: BTreeSet<String>,
    tasks: BTreeMap<Stage, BTreeSet<String>>,
}

impl<'a> Evidence<'a> {
    /// Puts evaluations together. Of tries that are in several, the first is taken; at a real arm,
    /// where no seed lays the table, placements of two evaluations are never the same.
    ///
    /// # Errors
    /// A label that does not mean the same policy everywhere, time limits that differ.
    pub fn gather(evaluations: &'a [Evaluation]) -> Result<Self, EvidenceError> {
        let mut known: BTreeMap<&str, (&str, &Policy)> = BTreeMap::new();
        let mut limits: BTreeMap<Stage, (&str, u32)> = BTreeMap::new();
        let mut evidence = Self::default();
        for (index, Evaluation { name, asked, tries, .. }) in evaluations.iter().enumerate() {
            for policy in &asked.policies {
                let (first, same) = *known.entry(&policy.label).or_insert((name, policy));
                if !same.answers_as(policy) {
                    let (label, first) = (policy.label.clone(), first.to_owned());
                    return Err(EvidenceError::Label { label, first, second: name.clone() });
                }
            }
            let stage = match asked.arm {
                Arm::Lockstep => Stage::Lockstep,
                Arm::Simulated => Stage::Simulated,
                Arm::Real => Stage::Real,
            };
            let (first, first_steps) = *limits.entry(stage).or_insert((name, asked.max_steps));
            if first_steps != asked.max_steps {
                let (first, second, second_steps) =
                    (first.to_owned(), name.clone(), asked.max_steps);
                return Err(EvidenceError::Steps { first, first_steps, second, second_steps });
            }
            let before = &evaluations[..index];
            // The same session, named twice or copied.
            let is_known = |made: &&Try| {
                let mut sessions = before.iter().filter(|other| other.asked.arm == Arm::Real);
                stage == Stage::Real && sessions.any(|other| other.tries.contains(made))
            };
            let session = if stage == Stage::Real { index as u64 } else { 0 };
            let new = tries.iter().filter(|made| !is_known(made));
            new.for_each(|made| evidence.add(stage, session, made));
        }
        evidence.variants.sort_by(Variant::compare);
        evidence.policies = known.into_iter().map(|(label, (_, policy))| (label, policy)).collect();
        Ok(evidence)
    }

    fn add(&mut self, stage: Stage, session: u64, made: &'a Try) {
        let variant = Variant::of(&made.cell);
        if !self.variants.contains(&variant) {
            self.variants.push(variant);
        }
        self.decodes.insert(made.cell.decode.clone());
        self.tasks.entry(stage).or_default().insert(made.cell.task.clone());
        let tries = self.cells.entry((stage, key(&made.cell))).or_default();
        // Far from the seeds of other sessions, also where these follow each other.
        let placement = made.seed ^ session.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        tries.entry(placement).or_default().entry(made.attempt).or_insert(made);
    }

    /// Every row there is, in the paper's order.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The other policies that are the same files as the one of `label`.
    pub fn same_files(&self, label: &str) -> Vec<Variant> {
        let Some(own) = self.policies.get(label) else { return Vec::new() };
        let same = self
            .policies
            .iter()
            .filter(|(other, policy)| **other != label && policy.answers_as(own));
        same.map(|(other, _)| Variant::plain(other)).collect()
    }

    /// Every way of top-k that was tried.
    pub fn top_k(&self) -> Vec<Decode> {
        let parsed = self.decodes.iter().filter_map(|text| text.parse().ok());
        parsed.filter(|decode| matches!(decode, Decode::TopK { .. })).collect()
    }

    /// The tasks that have tries, the known ones first.
    pub fn tasks(&self, stage: Stage) -> Vec<String> {
        let Some(tasks) = self.tasks.get(&stage) else { return Vec::new() };
        let known = Task::ALL.map(|task| task.name().to_owned());
        let first = known.iter().filter(|task| tasks.contains(*task));
        first.chain(tasks.iter().filter(|task| !known.contains(task))).cloned().collect()
    }

    /// The tries of a task under a question, by placement and attempt.
    pub fn tries(&self, stage: Stage, task: &str, question: &Question) -> Option<&Tries<'a>> {
        let Question { variant, horizon, decode } = question;
        let expert = variant.label == EXPERT;
        let cell = Cell {
            task: task.to_owned(),
            policy: variant.label.clone(),
            horizon: *horizon,
            decode: if expert { EXPERT.to_owned() } else { decode.to_string() },
            expectation: variant.expectation,
            max_entropy: variant.max_entropy,
        };
        self.cells.get(&(stage, key(&cell)))
    }

    /// The first tries of a question over `tasks`, by placement.
    pub fn first_tries(
        &self,
        stage: Stage,
        tasks: &[String],
        question: &Question,
    ) -> BTreeMap<Placement, &'a Try> {
        let mut first = BTreeMap::new();
        for task in tasks {
            for (seed, attempts) in self.tries(stage, task, question).into_iter().flatten() {
                first.extend(attempts.get(&0).map(|made| ((task.clone(), *seed), *made)));
            }
        }
        first
    }

    /// Share of placements done at the first try, with Wilson's interval.
    pub fn success(&self, stage: Stage, task: &str, question: &Question) -> Option<Rate> {
        let tries = self.tries(stage, task, question)?;
        rate(
            tries
                .values()
                .filter_map(|attempts| attempts.get(&0))
                .map(|made| f64::from(u8::from(made.success))),
        )
    }

    /// Pass@N without bias, mean over the placements that were tried at least N times, with
    /// Wilson's interval over the placements.
    pub fn pass(&self, stage: Stage, task: &str, question: &Question, n: u32) -> Option<Rate> {
        let tries = self.tries(stage, task, question)?;
        rate(tries.values().filter_map(|attempts| {
            let done = attempts.values().filter(|made| made.success).count();
            pass_at(n, attempts.len() as u32, done as u32)
        }))
    }

    /// Two questions on the placements of `tasks` that both were tried on.
    pub fn pair(&self, stage: Stage, tasks: &[String], one: &Question, two: &Question) -> Paired {
        let theirs = self.first_tries(stage, tasks, two);
        let ours = self.first_tries(stage, tasks, one).into_iter();
        Paired::of(ours.filter_map(|(at, made)| Some((made.success, theirs.get(&at)?.success))))
    }
}

/// The mean of the rates of several tasks: intervals added as squares (Zou and Donner, 2008). None
/// where a task has no rate.
pub fn mean_rate(rates: &[Option<Rate>]) -> Option<Rate> {
    let rates: Vec<Rate> = rates.iter().copied().collect::<Option<_>>()?;
    let n = rates.len() as f64;
    let mean = rates.iter().map(|rate| rate.rate).sum::<f64>() / n;
    let reach = |side: fn(&Rate) -> f64| {
        rates.iter().map(|rate| side(rate).powi(2)).sum::<f64>().sqrt() / n
    };
    (!rates.is_empty()).then(|| Rate {
        rate: mean,
        low: (mean - reach(|rate| rate.rate - rate.low)).max(0.0),
        high: (mean + reach(|rate| rate.high - rate.rate)).min(1.0),
        placements: rates.iter().map(|rate| rate.placements).sum(),
    })
}

fn rate(values: impl Iterator<Item = f64>) -> Option<Rate> {
    let values: Vec<f64> = values.collect();
    let n = values.len();
    let rate = (n > 0).then(|| values.iter().sum::<f64>() / n as f64)?;
    let (low, high) = wilson_share_95(rate, n);
    Some(Rate { rate, low: low.min(rate), high: high.max(rate), placements: n })
}

fn key(cell: &Cell) -> String {
    let Cell { task, policy, horizon, decode, expectation, max_entropy } = cell;
    // The expert is asked without a horizon.
    let horizon = if policy == EXPERT { 0 } else { *horizon };
    format!("{task}\n{policy}\n{horizon}\n{decode}\n{expectation}\n{max_entropy:?}")
}
