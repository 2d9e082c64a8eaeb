//! A dataset as it is asked for, and with every choice made.
//!
//! Owns the options that one dataset has. Must never open it.

use super::gripper::GripperRange;
use super::selection::Selection;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Key of the action where none is named.
pub const ACTION: &str = "action";

/// One dataset to train on, and how its numbers are to be understood.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetSource {
    /// Root folder of a LeRobotDataset v3.
    pub root: PathBuf,
    /// How often every state occurs in one pass over the data; on-policy data are usually
    /// listed twice.
    pub repeat: u32,
    /// Feature key of the camera, or the key's last part; none = the only one, or "front".
    pub camera: Option<String>,
    /// Feature key of the action; none = "action".
    pub action: Option<String>,
    /// The gripper's numbers; none = 0 closed to 1 open.
    pub gripper: Option<GripperRange>,
    /// Whether seven numbers whose names say nothing are displacements in our order.
    pub displacements: bool,
    /// Metres that 1 means in the displacement.
    pub unit_m: f64,
    /// Radians that 1 means in the rotation.
    pub unit_rad: f64,
    /// Which of its rows are trained on.
    pub selection: Selection,
}

impl DatasetSource {
    /// The dataset in `root`, once in a pass, in our own form.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            repeat: 1,
            camera: None,
            action: None,
            gripper: None,
            displacements: false,
            unit_m: 1.0,
            unit_rad: 1.0,
            selection: Selection::default(),
        }
    }
}

/// What a dataset is read as, every choice made. It is part of the training state: a resumed run
/// must read the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Root folder.
    pub root: PathBuf,
    /// How often every state occurs in one pass.
    pub repeat: u32,
    /// Feature key of the camera. Older states keep one for all datasets elsewhere.
    #[serde(default)]
    pub camera: String,
    /// Feature key of the action.
    #[serde(default = "usual_action")]
    pub action: String,
    /// The gripper's numbers.
    #[serde(default)]
    pub gripper: GripperRange,
    /// Metres that 1 means in the displacement.
    #[serde(default = "one")]
    pub unit_m: f64,
    /// Radians that 1 means in the rotation.
    #[serde(default = "one")]
    pub unit_rad: f64,
    /// Which of its rows are trained on.
    #[serde(default)]
    pub selection: Selection,
}

fn usual_action() -> String {
    ACTION.to_owned()
}

fn one() -> f64 {
    1.0
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repeat, camera, action, gripper, unit_m, unit_rad, selection, .. } = self;
        write!(
            f,
            "{} (counted {repeat} time(s), camera {camera}, action {action}, gripper {gripper}, \
             units {unit_m} m and {unit_rad} rad, {selection})",
            self.root.display()
        )
    }
}
