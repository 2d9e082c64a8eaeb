//! What a run reports of itself: the numbers of a training step and of a validation, and the file
//! that keeps them, one JSON object a line.

use crate::error::TrainError;
use crate::state::replace_file;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Numbers by name.
pub type Values = BTreeMap<String, f64>;

/// Values of which some may be null, as older lines have them.
fn known_values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
    let all = BTreeMap::<String, Option<f64>>::deserialize(deserializer)?;
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}

/// Means over the training steps since the report before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Optimiser steps taken.
    pub step: u64,
    /// What was minimised.
    pub loss: f64,
    /// What the objective names, such as `token_loss` (mean cross entropy per supervised token)
    /// and `label_loss` (mean squared error of the standardised labels).
    #[serde(flatten, deserialize_with = "known_values")]
    pub values: Values,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// States trained on per second, pauses not counted.
    pub states_per_s: f64,
    /// How long the run was held meanwhile \[s\].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub paused_s: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

/// How the (averaged) weights do on the held-out states. Tokens are predicted from the right tokens
/// before them (teacher forcing).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Validation {
    /// Optimiser steps taken.
    pub step: u64,
    /// States looked at.
    pub states: usize,
    /// Mean cross entropy per supervised token.
    pub token_loss: Option<f64>,
    /// Mean squared error of the standardised labels.
    pub label_loss: Option<f64>,
    /// Share of the action tokens that are the expert's where the likeliest action token is taken.
    pub token_accuracy: Option<f64>,
    /// Mean cross entropy per supervised token of each unit of the stream.
    pub unit_loss: Vec<f64>,
    /// Mean absolute error of dx, dy, dz \[bins\] for each unit of the stream. The first unit's is
    /// the one to watch: later units can copy what is fed in.
    pub translation_error_bins: Vec<f64>,
    /// The same for droll, dpitch, dyaw.
    pub rotation_error_bins: Vec<f64>,
    /// Share of right gripper decisions (whether it heads for open) for each unit of the stream.
    pub gripper_accuracy: Vec<f64>,
    /// Mean absolute error of each dimension of an action, over all units, in the unit that its
    /// name ends in.
    pub action_error: Vec<(String, f64)>,
    /// Mean absolute error of each label in its own unit.
    pub label_error: Vec<(String, f64)>,
    /// What else the objective names.
    #[serde(flatten, deserialize_with = "known_values")]
    pub values: Values,
}

impl Validation {
    /// What the best checkpoint is chosen by: the loss of tokens, else that of labels.
    pub fn loss(&self) -> Option<f64> {
        self.token_loss.or(self.label_loss).filter(|loss| loss.is_finite())
    }
}

/// One line of metrics.jsonl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Line {
    /// Training steps.
    Train(StepReport),
    /// A validation.
    Validation(Validation),
}

impl Line {
    fn step(&self) -> u64 {
        match self {
            Line::Train(report) => report.step,
            Line::Validation(validation) => validation.step,
        }
    }
}

/// Running means since the last report.
#[derive(Default)]
pub struct Means {
    steps: u64,
    loss: f64,
    gradient_norm: f64,
    /// Sum and count: what is not said in a step does not count in it.
    values: BTreeMap<&'static str, (f64, f64)>,
}

impl Means {
    /// Whether no step was added since the last report.
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// Adds one step.
    pub fn add(&mut self, loss: f64, values: &BTreeMap<&'static str, f64>, gradient_norm: f64) {
        self.steps += 1;
        self.loss += loss;
        self.gradient_norm += gradient_norm;
        for (&name, &value) in values {
            let (sum, count) = self.values.entry(name).or_default();
            (*sum, *count) = (*sum + value, *count + 1.0);
        }
    }

    /// The report of the steps added, which are forgotten.
    pub fn take(
        &mut self,
        step: u64,
        learning_rate: f64,
        seconds: f64,
        batch_size: usize,
    ) -> StepReport {
        let means = std::mem::take(self);
        let count = means.steps.max(1) as f64;
        let values = means.values.into_iter();
        StepReport {
            step,
            loss: means.loss / count,
            values: values.map(|(name, (sum, count))| (name.to_owned(), sum / count)).collect(),
            gradient_norm: means.gradient_norm / count,
            learning_rate,
            states_per_s: means.steps as f64 * batch_size as f64 / seconds.max(1e-9),
            paused_s: 0.0,
        }
    }
}

/// The file training/metrics.jsonl of a run.
pub struct MetricsFile {
    dir: PathBuf,
    path: PathBuf,
    file: File,
}

impl MetricsFile {
    /// Opens the file of the run in `dir` for steps after `step`; lines of later steps, which a
    /// resumed run takes again, are dropped.
    pub fn open(dir: &Path, step: u64) -> Result<Self, TrainError> {
        let path = dir.join("training").join("metrics.jsonl");
        let before = fs::read_to_string(&path).unwrap_or_default();
        let kept: String = before
            .lines()
            .filter(|line| {
                serde_json::from_str::<Line>(line).is_ok_and(|line| line.step() <= step && step > 0)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        replace_file(&path, |partial| fs::write(partial, kept).map_err(TrainError::io(partial)))?;
        let file = OpenOptions::new().append(true).open(&path).map_err(TrainError::io(&path))?;
        Ok(Self { dir: dir.to_owned(), path, file })
    }

    /// Whether the run's folder is still the one that it began in.
    pub fn check_folder(&self) -> Result<(), TrainError> {
        let own = self.file.metadata().map_err(TrainError::io(&self.path))?;
        match fs::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => Ok(()),
            Err(error)
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Err(TrainError::io(&self.path)(error))
            }
            _ => Err(TrainError::Removed { dir: self.dir.clone() }),
        }
    }

    /// Appends a line.
    pub fn append(&mut self, line: &Line) -> Result<(), TrainError> {
        self.check_folder()?;
        let text = serde_json::to_string(line).map_err(std::io::Error::other);
        text.and_then(|text| writeln!(self.file, "{text}")).map_err(TrainError::io(&self.path))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reports_are_means_of_the_steps_since_the_last() {
        let mut means = Means::default();
        means.add(2.0, &BTreeMap::from([("token_loss", 1.0)]), 4.0);
        means.add(4.0, &BTreeMap::from([("token_loss", 3.0), ("mean_h", 5.0)]), 8.0);
        let report = means.take(20, 1e-3, 0.5, 64);
        assert_eq!((report.loss, report.gradient_norm, report.states_per_s), (3.0, 6.0, 256.0));
        assert_eq!((report.values["token_loss"], report.values["mean_h"]), (2.0, 5.0));
        means.add(7.0, &BTreeMap::new(), 0.0);
        let report = means.take(30, 1e-3, 1.0, 64);
        assert_eq!((report.loss, report.values.len()), (7.0, 0));
    }

    /// Lines had fixed names, with null for what there was not.
    #[test]
    fn an_older_line_is_read() {
        let text = r#"{"kind":"train","step":3,"loss":1.5,"token_loss":1.25,"label_loss":null,
            "gradient_norm":2.0,"learning_rate":0.001,"states_per_s":80.0}"#;
        let Line::Train(report) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        assert_eq!(report.values, BTreeMap::from([("token_loss".to_owned(), 1.25)]));
        let text = r#"{"kind":"validation","step":3,"states":9,"token_loss":null,"label_loss":0.5,
            "translation_error_bins":[],"rotation_error_bins":[],"gripper_accuracy":[],
            "label_error":[["x_m",0.25]]}"#;
        let Line::Validation(found) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
        assert_eq!((found.label_loss, found.values.len()), (Some(0.5), 0));
    }

    #[test]
    fn a_resumed_run_takes_the_later_lines_again() {
        let folder = tempfile::tempdir().unwrap();
        let line = |step| Line::Train(StepReport { step, ..StepReport::default() });
        let mut file = MetricsFile::open(folder.path(), 0).unwrap();
        for step in [10, 20, 30] {
            file.append(&line(step)).unwrap();
        }
        let mut file = MetricsFile::open(folder.path(), 20).unwrap();
        file.append(&line(25)).unwrap();
        let text = fs::read_to_string(folder.path().join("training/metrics.jsonl")).unwrap();
        let lines: Vec<Line> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines, [line(10), line(20), line(25)]);
    }
}
