//! How an attempt at a task ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How an attempt ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The task was done.
    Success,
    /// It was not done in time, or could not be.
    Failure,
    /// A person ended it, or nobody judged.
    Stopped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Success => "success",
            Outcome::Failure => "failure",
            Outcome::Stopped => "stopped",
        })
    }
}

/// How an attempt ended, by the operator's word, the simulation's task test or a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// None = nobody judged.
    pub success: Option<bool>,
    /// Why, in words.
    pub detail: String,
}

impl Verdict {
    /// The task was not done, for this reason.
    pub fn failure(detail: impl Into<String>) -> Self {
        Self { success: Some(false), detail: detail.into() }
    }

    /// Nobody judged; it ended for this reason.
    pub fn unjudged(detail: impl Into<String>) -> Self {
        Self { success: None, detail: detail.into() }
    }

    /// The verdict in one word.
    pub fn outcome(&self) -> Outcome {
        match self.success {
            Some(true) => Outcome::Success,
            Some(false) => Outcome::Failure,
            None => Outcome::Stopped,
        }
    }
}
