//! What a run tells its caller while it goes on, and at its end.

use crate::cache::PicturesReport;
use crate::metrics::{StepReport, Validation, Values};
use crate::reading::DatasetReport;
use serde::Serialize;
use std::fmt;

/// What is done about vision towers that stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillReport {
    /// The features of all states in bfloat16 \[bytes\].
    pub bytes: u64,
    /// When they are computed.
    pub when: Computed,
    /// Whether pictures would be varied if the towers were trained.
    pub augmentation: bool,
}

/// When the features of towers that stand still are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Computed {
    /// Once for all states, and kept in memory.
    Once,
    /// For every batch, as memory is short.
    ForLackOfMemory,
    /// For every batch, as the run is too short to visit every state.
    ForFewSteps,
}

impl fmt::Display for StillReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "towers and projector stand still: what they see ")?;
        let mb = self.bytes.div_ceil(1_000_000);
        match self.when {
            Computed::Once => write!(f, "is computed once and kept in memory ({mb} MB)")?,
            Computed::ForLackOfMemory => {
                write!(f, "is computed for every batch ({mb} MB do not fit into memory)")?;
            }
            Computed::ForFewSteps => {
                write!(f, "is computed for every batch (they visit less than all states)")?;
            }
        }
        match self.augmentation {
            true => write!(f, "; pictures are not augmented"),
            false => Ok(()),
        }
    }
}

/// An event of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A dataset was looked at; all are before any is loaded.
    Dataset(Box<DatasetReport>),
    /// Where the pictures will be, decided after all datasets were looked at.
    Pictures(PicturesReport),
    /// Something that was decided otherwise than asked, or that is odd about the data.
    Note(String),
    /// The vision towers stand still, and this is done about it.
    Still(StillReport),
    /// What standing towers see is being computed.
    Seeing {
        /// States done.
        states: usize,
        /// States in all.
        total: usize,
    },
    /// The data are being read.
    Loading {
        /// Frames read.
        frames: usize,
        /// Frames in all.
        total: usize,
    },
    /// A micro-batch is about to be computed: the caller may hold the run for as long as he likes,
    /// which does not count in its throughput. `Break` drops the step that was begun.
    Gate,
    /// A training step was taken.
    Step {
        /// Steps taken.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// The step's loss.
        loss: f64,
    },
    /// Means over the last steps.
    Report(StepReport),
    /// A validation.
    Validation(Validation),
    /// Checkpoint and training state are on disk.
    Saved {
        /// Steps taken.
        step: u64,
        /// Whether it is the best so far on the held-out states.
        best: bool,
    },
}

impl Progress {
    /// Steps taken; 0 while loading.
    pub fn step(&self) -> u64 {
        match self {
            Progress::Dataset(_)
            | Progress::Note(_)
            | Progress::Pictures(_)
            | Progress::Still(_)
            | Progress::Seeing { .. }
            | Progress::Gate
            | Progress::Loading { .. } => 0,
            Progress::Step { step, .. } | Progress::Saved { step, .. } => *step,
            Progress::Report(report) => report.step,
            Progress::Validation(validation) => validation.step,
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Progress::Dataset(report) => report.fmt(f),
            Progress::Pictures(report) => report.fmt(f),
            Progress::Note(note) => f.write_str(note),
            Progress::Still(report) => report.fmt(f),
            Progress::Seeing { states, total } => write!(f, "seeing state {states} of {total}"),
            Progress::Loading { frames, total } => write!(f, "loading frame {frames} of {total}"),
            Progress::Step { step, steps, loss } => write!(f, "step {step}/{steps} loss {loss:.3}"),
            Progress::Report(report) => report.fmt(f),
            Progress::Validation(validation) => validation.fmt(f),
            Progress::Gate => Ok(()),
            Progress::Saved { step, best: false } => write!(f, "step {step} saved"),
            Progress::Saved { step, best: true } => {
                write!(f, "step {step} saved, the best so far on what is held out")
            }
        }
    }
}

/// ` name value` if there is a value.
fn optional(f: &mut fmt::Formatter<'_>, name: &str, value: Option<f64>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {name} {value:.3}"))
}

/// ` name value` for each; of a loss the name says only whose.
fn named(f: &mut fmt::Formatter<'_>, values: &Values) -> fmt::Result {
    let short = |name: &str| name.strip_suffix("_loss").unwrap_or(name).replace('_', " ");
    values.iter().try_for_each(|(name, &value)| optional(f, &short(name), Some(value)))
}

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} loss {:.3}", self.step, self.loss)?;
        named(f, &self.values)?;
        let (norm, rate, speed) = (self.gradient_norm, self.learning_rate, self.states_per_s);
        write!(f, " gradient {norm:.2} rate {rate:.1e}, {speed:.0} states/s")
    }
}

impl fmt::Display for Validation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} held out:", self.step)?;
        optional(f, "token", self.token_loss)?;
        optional(f, "label", self.label_loss)?;
        named(f, &self.values)?;
        let list = |values: &[f64]| {
            let values: Vec<String> = values.iter().map(|value| format!("{value:.1}")).collect();
            values.join(" ")
        };
        if let Some(accuracy) = self.gripper_accuracy.first() {
            let (xyz, turn) = (&self.translation_error_bins, &self.rotation_error_bins);
            write!(f, " xyz [{}] rotation [{}] bins by unit", list(xyz), list(turn))?;
            write!(f, ", gripper {:.1} % at unit 0", 100.0 * accuracy)?;
        }
        if let Some(accuracy) = self.token_accuracy {
            write!(f, ", tokens {:.1} %", 100.0 * accuracy)?;
        }
        if !self.action_error.is_empty() {
            write!(f, ", off by")?;
        }
        for (name, error) in &self.action_error {
            write!(f, " {name} {error:.5}")?;
        }
        if !self.label_error.is_empty() {
            write!(f, ", label errors")?;
        }
        for (name, error) in &self.label_error {
            write!(f, " {name} {error:.4}")?;
        }
        Ok(())
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Steps taken.
    pub step: u64,
    /// Whether the caller ended it before its last step.
    pub stopped: bool,
    /// States loaded, held-out ones included.
    pub states: usize,
    /// Numbers in the model.
    pub parameters: usize,
    /// Numbers that were trained, those of a label head included.
    pub trained: usize,
    /// The last validation, if this run made one.
    pub validation: Option<Validation>,
    /// What was trained on.
    pub datasets: Vec<DatasetReport>,
    /// Where its pictures are.
    pub pictures: PicturesReport,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.stopped { "stopped after" } else { "finished with" };
        write!(
            f,
            "{how} step {}: {} parameters, {} states",
            self.step, self.parameters, self.states
        )?;
        self.validation.iter().try_for_each(|validation| write!(f, "\n{validation}"))
    }
}
