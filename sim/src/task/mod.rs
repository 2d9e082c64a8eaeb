//! The four tasks: what is on the table, where it may lie at the start, and when it is done.

pub(crate) mod placement;
pub mod success;

use crate::scene::Object;
use crate::truth::SceneTruth;
use jaco_core::{TICK_NS, Task};

/// How long the goal must hold without a break for success \[ns\].
pub const STABLE_NS: u64 = 1_000_000_000;

/// What an object has to reach or leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    On(Object),
    OutOfRegion,
}

/// The object of `task` and its goal.
pub(crate) fn cast(task: Task) -> (Object, Goal) {
    match task {
        Task::PlaceBlock => (Object::Cube, Goal::On(Object::Plate)),
        Task::PlaceCarrot => (Object::Carrot, Goal::On(Object::Pan)),
        Task::CleanTable => (Object::Box, Goal::OutOfRegion),
        Task::RelocateCup => (Object::Cup, Goal::On(Object::Plate)),
    }
}

/// How the task stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// The goal has held for [`STABLE_NS`].
    pub success: bool,
    /// For how long the goal has held until now \[ns\].
    pub stable_ns: u64,
    /// From the object's middle to the goal's, in the table's plane \[m\].
    pub distance_m: f64,
    /// What is still missing, in words.
    pub detail: &'static str,
}

/// The running task test: counts simulated time, not calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Test {
    pub task: Task,
    stable_ns: u64,
    verdict: success::Verdict,
}

impl Test {
    pub fn new(task: Task, truth: &SceneTruth) -> Self {
        Self { task, stable_ns: 0, verdict: success::judge(truth) }
    }

    /// One tick has passed and left the scene as `truth` says.
    pub fn tick(&mut self, truth: &SceneTruth) {
        self.verdict = success::judge(truth);
        self.stable_ns = if self.verdict.missing.is_none() { self.stable_ns + TICK_NS } else { 0 };
    }

    pub fn outcome(&self) -> Outcome {
        let success = self.stable_ns >= STABLE_NS;
        Outcome {
            success,
            stable_ns: self.stable_ns,
            distance_m: self.verdict.distance_m,
            detail: match self.verdict.missing {
                Some(missing) => missing,
                None if success => "done",
                None => "done, but not yet for one second",
            },
        }
    }
}
