//! The four tasks of the paper's appendix.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A manipulation task on the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Put the blue cube on the green plate.
    PlaceBlock,
    /// Put the carrot in the pan.
    PlaceCarrot,
    /// Push the red box out of the marked region.
    CleanTable,
    /// Put the orange cup on the green plate.
    RelocateCup,
}

impl Task {
    /// All tasks.
    pub const ALL: [Task; 4] =
        [Task::PlaceBlock, Task::PlaceCarrot, Task::CleanTable, Task::RelocateCup];

    /// The name used on command lines and in files.
    pub fn name(self) -> &'static str {
        match self {
            Task::PlaceBlock => "place-block",
            Task::PlaceCarrot => "place-carrot",
            Task::CleanTable => "clean-table",
            Task::RelocateCup => "relocate-cup",
        }
    }

    /// The task that `words` name, or ask for.
    pub fn meant(words: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| [task.name(), task.instruction()].contains(&words))
    }

    /// The instruction given to the policy.
    pub fn instruction(self) -> &'static str {
        match self {
            Task::PlaceBlock => "put the blue cube on the green plate",
            Task::PlaceCarrot => "put the carrot in the pan",
            Task::CleanTable => "push the red box out of the marked region",
            Task::RelocateCup => "put the orange cup on the green plate",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A task name that no task has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown task {0:?}: one of place-block, place-carrot, clean-table, relocate-cup")]
pub struct UnknownTask(pub String);

impl FromStr for Task {
    type Err = UnknownTask;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Task::ALL
            .into_iter()
            .find(|task| task.name() == name)
            .ok_or_else(|| UnknownTask(name.to_owned()))
    }
}
