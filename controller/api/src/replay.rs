//! The words of a replay: recorded actions, back onto the arm.

use crate::Pose;
use jaco_core::Action;
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/replay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// What is replayed, in words, for whoever watches.
    pub what: String,
    /// The actions, one for each step of 100 ms as recorded.
    pub actions: Vec<Action>,
    /// Speed relative to the recording, above 0 and at most 2.
    pub speed: f64,
    /// Whether the arm goes to its home pose first.
    pub home: bool,
}

/// A line of the answer to `POST /v1/replay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ReplayEvent {
    /// The arm is on its way home.
    Homing,
    /// The arm is where the replay begins.
    Started {
        /// Where it is.
        pose: Pose,
    },
    /// A recorded step was executed.
    Step {
        /// Which, counted from 0.
        step: usize,
        /// Where the arm is at its end.
        pose: Pose,
        /// Gripper opening, 1 open .. 0 closed.
        opening: f64,
    },
    /// It is over: the arm holds.
    Ended {
        /// Whether all steps were executed.
        complete: bool,
        /// How it ended, in words.
        detail: String,
    },
}
