//! Evaluations made up for tests: policies with known rates and paths of known shape.

use super::evidence::Evaluation;
use crate::motion::Draws;
use jaco_trials::{Arm, Asked, Cell, Ended, Policy, Try};
use std::collections::BTreeMap;

/// What is asked of a made-up evaluation.
pub(super) fn asked(labels: &[&str], trials: u32) -> Asked {
    let policy = |label: &&str| Policy {
        label: (*label).to_owned(),
        checkpoint: format!("checkpoints/{label}").into(),
        adapter: None,
        statistics: None,
        view: "plain".to_owned(),
        weights: format!("files of {label}"),
    };
    Asked {
        version: "1.2.3".to_owned(),
        arm: Arm::Lockstep,
        seed: 7,
        trials,
        tries: 1,
        max_steps: 300,
        policies: labels.iter().map(policy).collect(),
    }
}

/// A cell asked plainly.
pub(super) fn cell(task: &str, policy: &str, horizon: u8, decode: &str) -> Cell {
    Cell {
        task: task.to_owned(),
        policy: policy.to_owned(),
        horizon,
        decode: decode.to_owned(),
        expectation: false,
        max_entropy: None,
    }
}

/// A try along an arc that shakes by `tremor_m`.
pub(super) fn made(cell: Cell, trial: u32, attempt: u32, success: bool, tremor_m: f64) -> Try {
    let steps = 60 + trial % 7;
    let point = |step: u32| {
        let t = f64::from(step) / f64::from(steps);
        let along = t.powi(3) * (10.0 - 15.0 * t + 6.0 * t * t);
        let shake = tremor_m * (f64::from(step) * 1.9 + f64::from(trial)).sin();
        let start = 0.02 * f64::from(trial % 5);
        Try::point_m([
            start - 0.3 * along + shake,
            -0.4 + 0.1 * (3.0 * along).sin() + shake,
            0.25 - 0.2 * (std::f64::consts::PI * along).sin() + shake,
        ])
    };
    let seed = 1000 + u64::from(trial);
    let ended = if success { Ended::Done } else { Ended::Time };
    let (inferences, units) = (10, 10 * u64::from(cell.horizon));
    Try {
        seed,
        trial,
        attempt,
        success,
        steps: success.then_some(steps),
        ran_steps: if success { steps } else { 300 },
        inferences,
        units,
        ended,
        path_m: (0..=steps).map(point).collect(),
        sheet: None,
        cell,
    }
}

/// A whole sweep: three policies and their controls over two tasks, all horizons, greedy, top-k and
/// beams, `trials` placements.
pub(super) fn sweep(trials: u32) -> Evaluation {
    let labels = ["single-step", "lbc", "sft-short", "sft-full", "saa", "saa-paper"];
    let mut draws = Draws::new(3);
    let mut tries = Vec::new();
    for task in ["place-block", "clean-table"] {
        for (rank, label) in labels.into_iter().enumerate() {
            let horizons: &[u8] = if rank == 0 { &[1] } else { &[1, 2, 3, 4, 5, 6, 8, 10] };
            for &horizon in horizons {
                let loss = if label.starts_with("saa") { 1 } else { 5 };
                let chance = 95 - loss * usize::from(horizon);
                let tremor_m = 0.0006 * f64::from(horizon) * f64::from(loss as u32);
                for decode in ["greedy", "top-k:5:1", "beam:2", "beam:4", "beam:5"] {
                    if decode != "greedy" && !matches!(label, "lbc" | "saa") {
                        continue;
                    }
                    for trial in 0..trials {
                        for attempt in 0..if decode.starts_with("top") { 5 } else { 1 } {
                            let success = draws.below(100) < chance;
                            let cell = cell(task, label, horizon, decode);
                            tries.push(made(cell, trial, attempt, success, tremor_m));
                        }
                    }
                }
            }
        }
    }
    let mut asked = asked(&labels, trials);
    asked.tries = 5;
    Evaluation { name: "made-up".to_owned(), asked, tries, pictures: BTreeMap::new() }
}

/// A try that has kept a contact sheet.
pub(super) fn with_sheet(made: Try, name: &str) -> Try {
    Try { sheet: Some(name.to_owned()), ..made }
}
