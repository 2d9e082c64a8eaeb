//! What tries add up to: a line for each cell, and each two policies where they share placements.

use crate::statistics::{Paired, pass_at, wilson_share_95};
use crate::words::{Arm, Asked, Cell, Key, Try};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Pass@N of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassAt {
    /// Tries allowed at each placement; one success is enough.
    pub n: u32,
    /// Placements that were tried at least so often.
    pub placements: u32,
    /// Mean over the placements of the estimate without bias.
    pub rate: f64,
    /// Wilson score interval of `rate` at 95 % over the placements: exact where each was tried N
    /// times, wider than need be where it was tried more often.
    pub rate_95: [f64; 2],
}

/// What the tries of a cell add up to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellSummary {
    /// What was tried.
    #[serde(flatten)]
    pub cell: Cell,
    /// Placements.
    pub trials: u32,
    /// Placements that were done at the first try.
    pub successes: u32,
    /// Share of placements that were done at the first try.
    pub success_rate: f64,
    /// Wilson score interval of that share at 95 %.
    pub success_rate_95: [f64; 2],
    /// Steps to success, mean over the first tries that succeeded.
    pub mean_steps: Option<f64>,
    /// Units that came, mean over all inferences; none for the expert.
    pub units_per_inference: Option<f64>,
    /// Tries that were made, first ones and others.
    pub tries: u32,
    /// Whether each further try would be the first one again: none is made, one counts as all.
    pub repeats: bool,
    /// Pass@N for N from 1 to what was asked for, as far as tries are there.
    pub pass_at: Vec<PassAt>,
    /// Steps to success of the first tries, by placement; none = failed.
    pub steps: Vec<Option<u32>>,
}

/// Two policies asked in the same way, on the placements that both have tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// The task; "all" for all that both tried.
    pub task: String,
    /// Label of the first policy.
    pub first: String,
    /// Label of the second policy.
    pub second: String,
    /// Units asked for at each inference.
    pub horizon: u8,
    /// How tokens are chosen.
    pub decode: String,
    /// Whether means are executed.
    pub expectation: bool,
    /// Entropy above which streams end \[nats per token\].
    pub max_entropy: Option<f32>,
    /// Placements that both tried.
    pub placements: u32,
    /// How they parted.
    #[serde(flatten)]
    pub counts: Paired,
    /// Share of placements that each did at its first try.
    pub success_rates: [f64; 2],
    /// The first's share less the second's.
    pub difference: f64,
    /// Newcombe's paired score interval of the difference at 95 %.
    pub difference_95: [f64; 2],
    /// McNemar's exact test, both sides.
    pub mcnemar_p: f64,
}

/// Word for all tasks together.
const ALL: &str = "all";

/// Sums up each cell: in the order of the policies of `asked`, then by task, horizon and decoding.
pub fn summarize(asked: &Asked, tries: &[Try]) -> Vec<CellSummary> {
    cells(asked, tries).into_iter().map(|(cell, tries)| summary(asked, cell, &tries)).collect()
}

/// Compares each two policies of `asked`, the later one first: where they were asked in the same way
/// for the same task, and over all of these tasks together where there are several.
pub fn pairs(asked: &Asked, tries: &[Try]) -> Vec<Pair> {
    let cells = cells(asked, tries);
    let mut all = Vec::new();
    for (index, second) in asked.policies.iter().enumerate() {
        for first in &asked.policies[index + 1..] {
            let shared = cells.iter().filter(|(cell, _)| cell.policy == first.label);
            let shared = shared.filter_map(|(cell, ours)| {
                let same = cell.of_policy(&second.label);
                let theirs = &cells.iter().find(|(other, _)| *other == same)?.1;
                Some((cell.clone(), outcomes(ours, theirs)))
            });
            let shared: Vec<_> = shared.filter(|(_, outcomes)| !outcomes.is_empty()).collect();
            all.extend(shared.iter().map(|(cell, made)| pair(cell, &second.label, made)));
            all.extend(
                over_all_tasks(&shared).iter().map(|(cell, made)| pair(cell, &second.label, made)),
            );
        }
    }
    all
}

/// First tries at the same placements, in pairs.
type Outcomes = Vec<(bool, bool)>;

fn outcomes(ours: &[&Try], theirs: &[&Try]) -> Outcomes {
    let theirs: BTreeMap<u32, bool> = first_tries(theirs).map(|t| (t.trial, t.success)).collect();
    let both = first_tries(ours).filter_map(|t| Some((t.success, *theirs.get(&t.trial)?)));
    both.collect()
}

fn first_tries<'a>(tries: &'a [&'a Try]) -> impl Iterator<Item = &'a Try> {
    tries.iter().copied().filter(|made| made.attempt == 0)
}

/// Those asked in the same way put together, where there are several tasks.
fn over_all_tasks(shared: &[(Cell, Outcomes)]) -> Vec<(Cell, Outcomes)> {
    let mut joined: Vec<(Cell, Outcomes, u32)> = Vec::new();
    for (cell, outcomes) in shared {
        let cell = Cell { task: ALL.to_owned(), ..cell.clone() };
        match joined.iter_mut().find(|(known, ..)| *known == cell) {
            Some((_, all, tasks)) => {
                all.extend(outcomes);
                *tasks += 1;
            }
            None => joined.push((cell, outcomes.clone(), 1)),
        }
    }
    let several = joined.into_iter().filter(|(.., tasks)| *tasks > 1);
    several.map(|(cell, outcomes, _)| (cell, outcomes)).collect()
}

fn pair(cell: &Cell, second: &str, outcomes: &Outcomes) -> Pair {
    let counts = Paired::of(outcomes.iter().copied());
    Pair {
        task: cell.task.clone(),
        first: cell.policy.clone(),
        second: second.to_owned(),
        horizon: cell.horizon,
        decode: cell.decode.clone(),
        expectation: cell.expectation,
        max_entropy: cell.max_entropy,
        placements: counts.placements(),
        counts,
        success_rates: counts.shares(),
        difference: counts.difference(),
        difference_95: counts.difference_95().into(),
        mcnemar_p: counts.mcnemar_p(),
    }
}

/// The tries of each cell, by placement and try.
fn cells<'a>(asked: &Asked, tries: &'a [Try]) -> Vec<(Cell, Vec<&'a Try>)> {
    let mut cells: Vec<(Cell, Vec<&Try>)> = Vec::new();
    let mut places = BTreeMap::new();
    for made in tries {
        let place = places.entry(Key::new(&made.cell, 0, 0)).or_insert_with(|| {
            cells.push((made.cell.clone(), Vec::new()));
            cells.len() - 1
        });
        cells[*place].1.push(made);
    }
    for (_, tries) in &mut cells {
        tries.sort_by_key(|made| (made.trial, made.attempt));
    }
    let rank = |cell: &Cell| asked.policies.iter().position(|policy| policy.label == cell.policy);
    cells.sort_by(|(one, _), (two, _)| rank(one).cmp(&rank(two)).then_with(|| one.compare(two)));
    cells
}

fn summary(asked: &Asked, cell: Cell, tries: &[&Try]) -> CellSummary {
    let repeats = asked.arm == Arm::Lockstep && !cell.draws();
    let steps: Vec<Option<u32>> = first_tries(tries).map(|made| made.steps).collect();
    let successes = first_tries(tries).filter(|made| made.success).count();
    let done: Vec<f64> = steps.iter().flatten().map(|&steps| f64::from(steps)).collect();
    let trials = steps.len();
    let total = |count: fn(&Try) -> u64| tries.iter().map(|made| count(made)).sum::<u64>();
    let (inferences, units) = (total(|made| made.inferences), total(|made| made.units));
    let mut placements = BTreeMap::<u32, (u32, u32)>::new();
    for made in tries {
        let (tried, passed) = placements.entry(made.trial).or_default();
        *tried += 1;
        *passed += u32::from(made.success);
    }
    let pass = |n: u32| {
        let of = |&(tried, passed): &(u32, u32)| match repeats {
            true => Some(f64::from(u8::from(passed > 0))),
            false => pass_at(n, tried, passed),
        };
        let rates: Vec<f64> = placements.values().filter_map(of).collect();
        let rate = mean(&rates)?;
        let rate_95 = wilson_share_95(rate, rates.len()).into();
        Some(PassAt { n, placements: rates.len() as u32, rate, rate_95 })
    };
    CellSummary {
        cell,
        trials: trials as u32,
        successes: successes as u32,
        success_rate: successes as f64 / trials.max(1) as f64,
        success_rate_95: wilson_share_95(successes as f64 / trials.max(1) as f64, trials).into(),
        mean_steps: mean(&done),
        units_per_inference: (inferences > 0).then(|| units as f64 / inferences as f64),
        tries: tries.len() as u32,
        repeats,
        pass_at: (1..=asked.tries.max(1)).filter_map(pass).collect(),
        steps,
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::words::{Ended, Policy};

    fn asked(labels: &[&str], tries: u32) -> Asked {
        let policy = |label: &&str| Policy {
            label: (*label).to_owned(),
            checkpoint: "/c".into(),
            adapter: None,
            statistics: None,
            view: "plain".to_owned(),
            weights: String::new(),
        };
        Asked {
            version: String::new(),
            arm: Arm::Lockstep,
            seed: 0,
            trials: 4,
            tries,
            max_steps: 300,
            policies: labels.iter().map(policy).collect(),
        }
    }

    fn made(
        task: &str,
        policy: &str,
        decode: &str,
        trial: u32,
        attempt: u32,
        success: bool,
    ) -> Try {
        let cell = Cell {
            task: task.to_owned(),
            policy: policy.to_owned(),
            horizon: 8,
            decode: decode.to_owned(),
            expectation: false,
            max_entropy: None,
        };
        Try {
            cell,
            seed: 0,
            trial,
            attempt,
            success,
            steps: success.then_some(100 + trial),
            ran_steps: 300,
            inferences: 10,
            units: 75,
            ended: if success { Ended::Done } else { Ended::Time },
            path_m: Vec::new(),
            sheet: None,
        }
    }

    #[test]
    fn a_cell_counts_first_tries_and_pass_at_counts_all() {
        let asked = asked(&["a"], 2);
        // Placement 0: failed, done; placement 1: done, done; in the order of an untidy day.
        let one = |trial, attempt, success| made("t", "a", "top-k:5:1", trial, attempt, success);
        let tries = [one(1, 1, true), one(0, 1, true), one(1, 0, true), one(0, 0, false)];
        let [cell] = &summarize(&asked, &tries)[..] else { panic!() };
        assert_eq!((cell.trials, cell.successes, cell.tries, cell.repeats), (2, 1, 4, false));
        assert_eq!(cell.steps, [None, Some(101)]);
        assert_eq!((cell.mean_steps, cell.units_per_inference), (Some(101.0), Some(7.5)));
        let rates: Vec<_> = cell.pass_at.iter().map(|pass| (pass.n, pass.rate)).collect();
        assert_eq!(rates, [(1, 0.75), (2, 1.0)]);
    }

    #[test]
    fn a_greedy_try_in_lockstep_stands_for_all_its_repetitions() {
        let tries = [made("t", "a", "greedy", 0, 0, true), made("t", "a", "greedy", 1, 0, false)];
        let mut asked = asked(&["a"], 3);
        let [cell] = &summarize(&asked, &tries)[..] else { panic!() };
        assert!(cell.repeats);
        assert!(cell.pass_at.iter().all(|pass| pass.rate == 0.5) && cell.pass_at.len() == 3);
        // On an arm a second try is another one.
        asked.arm = Arm::Simulated;
        let [cell] = &summarize(&asked, &tries)[..] else { panic!() };
        assert_eq!((cell.repeats, cell.pass_at.len()), (false, 1));
    }

    #[test]
    fn policies_are_compared_where_both_were_tried_and_over_all_tasks() {
        let asked = asked(&["old", "new"], 1);
        let mut tries = Vec::new();
        for task in ["t1", "t2"] {
            for (trial, (old, new)) in
                [(true, true), (false, true), (false, true)].iter().enumerate()
            {
                tries.push(made(task, "old", "greedy", trial as u32, 0, *old));
                tries.push(made(task, "new", "greedy", trial as u32, 0, *new));
            }
        }
        // A placement, and a way to decode, that only one of them tried.
        tries.push(made("t1", "new", "greedy", 3, 0, false));
        tries.push(made("t1", "new", "beam:2", 0, 0, false));
        let pairs = pairs(&asked, &tries);
        let tasks: Vec<_> = pairs.iter().map(|pair| (&*pair.task, pair.placements)).collect();
        assert_eq!(tasks, [("t1", 3), ("t2", 3), ("all", 6)]);
        assert_eq!((&*pairs[2].first, &*pairs[2].second), ("new", "old"));
        assert_eq!((pairs[2].counts.first_only, pairs[2].counts.both), (4, 2));
        assert_eq!(pairs[2].mcnemar_p, 0.125);
    }

    #[test]
    fn cells_come_in_the_order_of_the_policies() {
        let asked = asked(&["z", "a"], 1);
        let tries = [made("t", "a", "greedy", 0, 0, true), made("t", "z", "greedy", 0, 0, true)];
        let order: Vec<_> =
            summarize(&asked, &tries).iter().map(|cell| cell.cell.policy.clone()).collect();
        assert_eq!(order, ["z", "a"]);
    }
}
