//! What a run reports of itself: the numbers of a training step and of a validation, and the file
//! that keeps them, one JSON object a line.

use crate::batch::{Batch, Place};
use crate::error::TrainError;
use crate::state::replace_file;
use crate::store::LabelScale;
use jaco_core::ACTION_DIMS;
use jaco_core::codec::ACTION_BINS;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use tch::{Kind, TchError, Tensor};

/// Means over the training steps since the report before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Optimiser steps taken.
    pub step: u64,
    /// What was minimised.
    pub loss: f64,
    /// Mean cross entropy per supervised token; absent in vision pretraining.
    pub token_loss: Option<f64>,
    /// Mean squared error of the standardised labels; absent where there are none.
    pub label_loss: Option<f64>,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// States trained on per second.
    pub states_per_s: f64,
}

/// How the (averaged) weights do on the held-out states. Tokens are predicted from the right tokens
/// before them (teacher forcing).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Optimiser steps taken.
    pub step: u64,
    /// States looked at.
    pub states: usize,
    /// Mean cross entropy per supervised token.
    pub token_loss: Option<f64>,
    /// Mean squared error of the standardised labels.
    pub label_loss: Option<f64>,
    /// Mean absolute error of dx, dy, dz \[bins\] for each unit of the stream. The first unit's is
    /// the one to watch: later units can copy what is fed in.
    pub translation_error_bins: Vec<f64>,
    /// The same for droll, dpitch, dyaw.
    pub rotation_error_bins: Vec<f64>,
    /// Share of right gripper decisions (open above one half) for each unit of the stream.
    pub gripper_accuracy: Vec<f64>,
    /// Mean absolute error of each label in its own unit.
    pub label_error: Vec<(String, f64)>,
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

/// Running means of the losses since the last report.
#[derive(Default)]
pub struct Means {
    steps: u64,
    loss: f64,
    token: Option<f64>,
    label: Option<f64>,
    gradient_norm: f64,
}

impl Means {
    /// Adds one step.
    pub fn add(&mut self, loss: f64, token: Option<f64>, label: Option<f64>, gradient_norm: f64) {
        let sum = |total: &mut Option<f64>, value: Option<f64>| {
            *total = value.map(|value| total.unwrap_or(0.0) + value).or(*total);
        };
        self.steps += 1;
        self.loss += loss;
        self.gradient_norm += gradient_norm;
        sum(&mut self.token, token);
        sum(&mut self.label, label);
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
        StepReport {
            step,
            loss: means.loss / count,
            token_loss: means.token.map(|sum| sum / count),
            label_loss: means.label.map(|sum| sum / count),
            gradient_norm: means.gradient_norm / count,
            learning_rate,
            states_per_s: means.steps as f64 * batch_size as f64 / seconds.max(1e-9),
        }
    }
}

/// Sums over the batches of a validation.
#[derive(Default)]
pub struct ValidationSums {
    states: usize,
    tokens: f64,
    token_loss: f64,
    labels: f64,
    label_squares: f64,
    label_errors: Vec<[f64; 2]>,
    /// Per unit and dimension group (translation, rotation, gripper): sum and count.
    units: Vec<[[f64; 2]; 3]>,
}

impl ValidationSums {
    /// Counts the states of a batch.
    pub fn add_states(&mut self, states: usize) {
        self.states += states;
    }

    /// Adds a batch's mean token loss over `rows` rows and its action logits \[A, 256\] (over the
    /// action ids in ascending order).
    pub fn add_tokens(
        &mut self,
        mean_loss: f64,
        rows: usize,
        action_logits: &Tensor,
        places: &[Place],
    ) -> Result<(), TchError> {
        self.tokens += rows as f64;
        self.token_loss += mean_loss * rows as f64;
        let columns = Vec::<i64>::try_from(action_logits.f_argmax(-1, false)?)?;
        for (place, column) in places.iter().zip(columns) {
            let bin = i64::from(ACTION_BINS) - column;
            let (right, open) = (i64::from(place.bin), |bin: i64| bin > 192);
            let (group, value) = match place.dimension {
                0..3 => (0, (bin - right).abs() as f64),
                dimension if dimension + 1 == ACTION_DIMS => {
                    (2, f64::from(u8::from(open(bin) == open(right))))
                }
                _ => (1, (bin - right).abs() as f64),
            };
            if self.units.len() <= place.unit {
                self.units.resize(place.unit + 1, [[0.0; 2]; 3]);
            }
            let sums = &mut self.units[place.unit][group];
            *sums = [sums[0] + value, sums[1] + 1.0];
        }
        Ok(())
    }

    /// Adds the head's prediction for a batch.
    pub fn add_labels(&mut self, prediction: &Tensor, batch: &Batch) -> Result<(), TchError> {
        let error = prediction.f_sub(&batch.labels)?.f_mul(&batch.known)?;
        self.labels += batch.known.f_sum(Kind::Float)?.f_double_value(&[])?;
        self.label_squares += error.f_square()?.f_sum(Kind::Float)?.f_double_value(&[])?;
        let sums = |table: &Tensor| -> Result<Vec<f32>, TchError> {
            Vec::<f32>::try_from(table.f_sum_dim_intlist(0, false, Kind::Float)?)
        };
        let (errors, counts) = (sums(&error.f_abs()?)?, sums(&batch.known)?);
        self.label_errors.resize(errors.len(), [0.0; 2]);
        for (total, (error, count)) in
            self.label_errors.iter_mut().zip(errors.into_iter().zip(counts))
        {
            *total = [total[0] + f64::from(error), total[1] + f64::from(count)];
        }
        Ok(())
    }

    /// The means.
    pub fn finish(self, step: u64, scale: &LabelScale) -> Validation {
        let mean = |[sum, count]: [f64; 2]| sum / count.max(1.0);
        let group = |group: usize| self.units.iter().map(|unit| mean(unit[group])).collect();
        let labels = scale.names.iter().zip(&scale.std).zip(&self.label_errors);
        Validation {
            step,
            states: self.states,
            token_loss: (self.tokens > 0.0).then(|| self.token_loss / self.tokens),
            label_loss: (self.labels > 0.0).then(|| self.label_squares / self.labels),
            translation_error_bins: group(0),
            rotation_error_bins: group(1),
            gripper_accuracy: group(2),
            label_error: labels
                .map(|((name, std), &error)| (name.clone(), mean(error) * f64::from(*std)))
                .collect(),
        }
    }
}

/// The file training/metrics.jsonl of a run.
pub struct MetricsFile {
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
        Ok(Self { path, file })
    }

    /// Appends a line.
    pub fn append(&mut self, line: &Line) -> Result<(), TrainError> {
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
        means.add(2.0, Some(1.0), None, 4.0);
        means.add(4.0, Some(3.0), None, 8.0);
        let report = means.take(20, 1e-3, 0.5, 64);
        assert_eq!((report.loss, report.token_loss, report.label_loss), (3.0, Some(2.0), None));
        assert_eq!((report.gradient_norm, report.states_per_s), (6.0, 256.0));
        means.add(7.0, None, Some(1.0), 0.0);
        assert_eq!(means.take(30, 1e-3, 1.0, 64).loss, 7.0);
    }

    #[test]
    fn errors_are_counted_in_bins_per_unit() {
        let place = |unit, dimension, bin| Place { example: 0, unit, dimension, bin };
        let places = [place(0, 0, 100), place(1, 2, 7), place(1, 4, 9), place(1, 6, 256)];
        // Predicted bins 103, 7, 5, 255.
        let logits = Tensor::zeros([4, 256], (Kind::Float, tch::Device::Cpu));
        for (row, bin) in [103i64, 7, 5, 255].into_iter().enumerate() {
            let _ = logits.get(row as i64).get(256 - bin).fill_(9.0);
        }
        let mut sums = ValidationSums::default();
        sums.add_states(1);
        sums.add_tokens(1.5, 4, &logits, &places).unwrap();
        let validation = sums.finish(3, &LabelScale::default());
        assert_eq!(validation.translation_error_bins, [3.0, 0.0]);
        assert_eq!(validation.rotation_error_bins, [0.0, 4.0]);
        assert_eq!(validation.gripper_accuracy[1], 1.0);
        assert_eq!(validation.token_loss, Some(1.5));
        assert_eq!(validation.label_loss, None);
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
