//! The words of an evaluation as they stand in its files: policies, cells, tries.
//!
//! A try that was written must be readable for ever: fields may be added, none changes its meaning.

use jaco_core::Decode;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::path::PathBuf;

/// Label of the scripted expert among the policies.
pub const EXPERT: &str = "expert";
/// Between the two parts of a fingerprint: of the weights and what goes with them, and of further
/// settings, which older versions did not look at.
pub(super) const FURTHER_SIGN: &str = "; settings ";

/// Where the tries are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// In lockstep simulation: the same try always ends in the same way.
    Lockstep,
    /// On the simulated arm through the daemon, in real time.
    Simulated,
    /// On a real arm; a person judges.
    Real,
}

/// What an evaluation was asked for: `evaluation.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Version of the program that asked last.
    pub version: String,
    /// Where the tries are made.
    pub arm: Arm,
    /// Seed of the placements.
    pub seed: u64,
    /// Placements of each task that were asked for last.
    pub trials: u32,
    /// Independent tries at each placement that were asked for last.
    pub tries: u32,
    /// Steps of 100 ms after which a try fails.
    pub max_steps: u32,
    /// The policies, in the order in which they came.
    pub policies: Vec<Policy>,
}

/// A policy of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What tables call it.
    pub label: String,
    /// Folder of the checkpoint.
    pub checkpoint: PathBuf,
    /// Folder of the adapter that acts on it.
    pub adapter: Option<PathBuf>,
    /// Dataset whose statistics decode the actions.
    pub statistics: Option<String>,
    /// What is done to pictures first, as in the configuration.
    pub view: String,
    /// Fingerprint of the files that the answers depend on, wherever they lie.
    pub weights: String,
}

impl Policy {
    /// Whether it gives the same answers as `other`, as far as its files tell.
    pub fn answers_as(&self, other: &Self) -> bool {
        (&self.statistics, &self.view) == (&other.statistics, &other.view)
            && same_files(&self.weights, &other.weights)
    }
}

/// Whether two fingerprints are of the same files, as far as both tell.
pub(super) fn same_files(one: &str, two: &str) -> bool {
    match (one.split_once(FURTHER_SIGN), two.split_once(FURTHER_SIGN)) {
        (Some((files, _)), None) => files == two,
        (None, Some((files, _))) => files == one,
        _ => one == two,
    }
}

/// One way to ask one policy for one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Name of the task; on a real arm the instruction, where it is none of the known ones.
    pub task: String,
    /// Label of the policy, or [`EXPERT`].
    pub policy: String,
    /// Units asked for at each inference.
    pub horizon: u8,
    /// How tokens are chosen, or "expert".
    pub decode: String,
    /// Whether means are executed instead of bins' centres.
    pub expectation: bool,
    /// Entropy above which streams end \[nats per token\].
    pub max_entropy: Option<f32>,
}

impl Cell {
    /// Whether tokens are drawn: otherwise the same picture has the same answer.
    pub fn draws(&self) -> bool {
        matches!(self.decode.parse(), Ok(Decode::TopK { .. }))
    }

    /// The same question to the policy of another label.
    pub fn of_policy(&self, label: &str) -> Self {
        Self { policy: label.to_owned(), ..self.clone() }
    }

    /// By task, policy, horizon and way of decoding.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let rest = |cell: &Self| (cell.horizon, cell.decode.clone(), cell.expectation);
        (&self.task, &self.policy)
            .cmp(&(&other.task, &other.policy))
            .then_with(|| rest(self).cmp(&rest(other)))
            .then_with(|| match (self.max_entropy, other.max_entropy) {
                (Some(one), Some(two)) => one.total_cmp(&two),
                (one, two) => one.is_some().cmp(&two.is_some()),
            })
    }
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The task was done.
    Done,
    /// It was not done in time.
    Time,
    /// A person ended it.
    Operator,
    /// The arm, the policy or a part of the daemon failed.
    Fault,
}

/// One try: a line of `trials.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Try {
    /// What was tried.
    #[serde(flatten)]
    pub cell: Cell,
    /// Seed of the placement itself, made of the evaluation's seed and the trial's number.
    pub seed: u64,
    /// Number of the placement, from 0.
    pub trial: u32,
    /// Number of the try at this placement, from 0.
    pub attempt: u32,
    /// Whether the task was done.
    pub success: bool,
    /// Steps of 100 ms to success.
    pub steps: Option<u32>,
    /// Steps that were executed.
    pub ran_steps: u32,
    /// How often the policy was asked.
    pub inferences: u64,
    /// Units that came.
    pub units: u64,
    /// How it ended.
    pub ended: Ended,
    /// The tool point at each step's boundary, from the start on \[m, to 0.1 mm\].
    pub path_m: Vec<[f32; 3]>,
    /// File of the contact sheet in the pictures' folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
}

impl Try {
    /// What tells this try from all others of an evaluation.
    pub fn key(&self) -> Key {
        Key::new(&self.cell, self.trial, self.attempt)
    }

    /// A point of a path as it is kept.
    pub fn point_m(exact_m: [f64; 3]) -> [f32; 3] {
        exact_m.map(|value| ((value * 1e4).round() / 1e4) as f32)
    }

    /// A name for the file of its contact sheet, which no other try of its evaluation has.
    pub fn sheet_name(&self) -> String {
        let cell = &self.cell;
        let plain = |text: &str| -> String {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-_.+() ".contains(c);
            text.chars().take(60).map(|c| if fits(c) { c } else { '-' }).collect()
        };
        let means = if cell.expectation { "-means" } else { "" };
        let cut = cell.max_entropy.map(|nats| format!("-cut{nats}")).unwrap_or_default();
        let [task, policy, decode] = [&cell.task, &cell.policy, &cell.decode].map(|t| plain(t));
        let (horizon, trial, attempt) = (cell.horizon, self.trial, self.attempt);
        format!("{task}-{policy}-h{horizon}-{decode}{means}{cut}-p{trial}-t{attempt}.png")
    }
}

/// What tells a try from all others of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String, u32, u32);

impl Key {
    /// The try with this number at this placement.
    pub fn new(cell: &Cell, trial: u32, attempt: u32) -> Self {
        let Cell { task, policy, horizon, decode, expectation, max_entropy } = cell;
        let text = format!("{task}\n{policy}\n{horizon}\n{decode}\n{expectation}\n{max_entropy:?}");
        Self(text, trial, attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_has_no_folders_in_it() {
        let cell = Cell {
            task: "put it\\there/now".to_owned(),
            policy: "a".to_owned(),
            horizon: 8,
            decode: "top-k:5:1".to_owned(),
            expectation: true,
            max_entropy: None,
        };
        assert!(cell.draws());
        let made = Try {
            cell,
            seed: 0,
            trial: 3,
            attempt: 1,
            success: true,
            steps: Some(20),
            ran_steps: 20,
            inferences: 3,
            units: 20,
            ended: Ended::Done,
            path_m: vec![Try::point_m([0.123_46, -0.000_04, 1.0])],
            sheet: None,
        };
        assert_eq!(made.sheet_name(), "put it-there-now-a-h8-top-k-5-1-means-p3-t1.png");
        let text = serde_json::to_string(&made).unwrap_or_default();
        assert!(text.contains("\"path_m\":[[0.1235,-0.0,1.0]]"), "{text}");
    }
}
