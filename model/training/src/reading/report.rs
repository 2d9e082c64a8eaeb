//! What is said of a dataset before it is trained on.
//!
//! Owns the words and their JSON. Must never read or judge: [`super::survey`] does.

use super::camera::Camera;
use super::gripper::GripperRange;
use super::selection::Selection;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// As many tasks as the words list; the JSON lists all.
const LISTED_TASKS: usize = 10;

/// A dataset as it will be trained on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DatasetReport {
    /// Its folder.
    pub root: PathBuf,
    /// How often every state occurs in one pass.
    pub repeat: u32,
    /// Episodes.
    pub episodes: usize,
    /// Rows that are recorded.
    pub frames: usize,
    /// Rows a second.
    pub rate_hz: f64,
    /// Whether steps of 100 ms are put together from faster rows.
    pub resampled: bool,
    /// Steps of 100 ms that are trained on or held out.
    pub states: usize,
    /// Key of the camera that is looked through.
    pub camera: String,
    /// All cameras.
    pub cameras: Vec<Camera>,
    /// The action.
    pub action: ActionReport,
    /// Which rows are trained on.
    pub selection: Selection,
    /// What is not.
    pub left_out: LeftOut,
    /// Those of the states that are steps of a correction.
    pub corrections: usize,
    /// What is to be done, with the number of states for each.
    pub tasks: Vec<TaskReport>,
    /// Features that training uses beside camera and action.
    pub labels: Vec<String>,
    /// Features that training does not use.
    pub ignored: Vec<String>,
    /// What is usable but looks wrong.
    pub warnings: Vec<String>,
}

/// What the action of a dataset is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionReport {
    /// Key of the feature.
    pub key: String,
    /// Names of its numbers, as they are stored.
    pub names: Vec<String>,
    /// Metres that 1 means.
    pub unit_m: f64,
    /// Radians that 1 means.
    pub unit_rad: f64,
    /// The gripper's numbers when closed and when open.
    pub gripper: GripperRange,
    /// The least and the greatest number of the gripper, as stored; absent where there is no row.
    pub gripper_seen: Option<[f32; 2]>,
    /// The longest displacement of a step \[m\].
    pub longest_m: f64,
    /// The largest turn of a step \[rad\].
    pub largest_rad: f64,
}

/// What of a dataset is not trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Episodes of which it is not said that they succeeded.
    pub episodes: usize,
    /// Steps that missed their time.
    pub late: usize,
    /// Steps without a label.
    pub unlabelled: usize,
    /// Steps whose picture was an old one.
    pub stale: usize,
    /// Steps that were left out because they are corrections, or are none.
    pub unselected: usize,
}

/// A task of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskReport {
    /// What is to be done.
    pub text: String,
    /// States whose task it is.
    pub states: usize,
}

impl fmt::Display for DatasetReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, repeat, episodes, frames, rate_hz, states, action, .. } = self;
        write!(f, "dataset {}: {episodes} episodes, {frames} frames", root.display())?;
        write!(f, " at {rate_hz} Hz, ")?;
        match self.resampled {
            true => write!(f, "put together to {states} steps of 100 ms")?,
            false => write!(f, "each a step of 100 ms")?,
        }
        if *repeat > 1 {
            write!(f, "; counted {repeat} times")?;
        }
        let cameras: Vec<String> = self.cameras.iter().map(Camera::to_string).collect();
        write!(f, "\n  camera   {} of {}", self.camera, cameras.join(", "))?;
        write!(f, "\n  action   {}: {}", action.key, action.names.join(" "))?;
        if (action.unit_m, action.unit_rad) != (1.0, 1.0) {
            write!(f, ", in units of {} m and {} rad", action.unit_m, action.unit_rad)?;
        }
        write!(f, "; gripper {} (closed..open)", action.gripper)?;
        if let Some([least, greatest]) = action.gripper_seen {
            write!(f, ", seen {least} to {greatest}")?;
        }
        let (longest_mm, largest_rad) = (action.longest_m * 1e3, action.largest_rad);
        write!(f, "; largest step {longest_mm:.1} mm, {largest_rad:.3} rad")?;
        for task in self.tasks.iter().take(LISTED_TASKS) {
            write!(f, "\n  task     \"{}\": {} states", task.text, task.states)?;
        }
        if let Some(more) = self.tasks.len().checked_sub(LISTED_TASKS + 1) {
            write!(f, "\n  task     and {} more", more + 1)?;
        }
        let LeftOut { episodes, late, unlabelled, stale, unselected } = self.left_out;
        if self.corrections > 0 {
            let (count, weight) = (self.corrections, self.selection.correction_weight);
            write!(f, "\n  corrected {count} states, drawn {weight} times as often as others")?;
        }
        let left_out: Vec<String> = [
            (episodes, "episodes that are not known to have succeeded"),
            (late, "late steps"),
            (unlabelled, "steps without a label"),
            (stale, "steps with a stale picture"),
            (unselected, "steps that corrections does not choose"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        if !left_out.is_empty() {
            write!(f, "\n  left out {}", left_out.join(", "))?;
        }
        for (heading, list) in [("labels  ", &self.labels), ("ignored ", &self.ignored)] {
            if !list.is_empty() {
                write!(f, "\n  {heading} {}", list.join(", "))?;
            }
        }
        self.warnings.iter().try_for_each(|warning| write!(f, "\n  warning  {warning}"))
    }
}
