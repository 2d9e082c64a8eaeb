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

/// What brought an attempt to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody, or a test of the task, said how it was.
    Judged,
    /// Its time was up.
    Time,
    /// Somebody broke it off: a stop, a hand on the joystick, a client that went away.
    Stopped,
    /// A part of the machine could not go on.
    Fault,
}

/// How an attempt ended, by the operator's word, the simulation's task test or a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// None = nobody judged.
    pub success: Option<bool>,
    /// Why, in words.
    pub detail: String,
    /// Why, for programs. Not said by older versions, nor by those who end a run with their word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

impl Verdict {
    /// The task was not done, for this fault.
    pub fn failure(detail: impl Into<String>) -> Self {
        Self { success: Some(false), detail: detail.into(), cause: Some(Cause::Fault) }
    }

    /// The task was not done in time.
    pub fn late(detail: impl Into<String>) -> Self {
        Self { success: Some(false), detail: detail.into(), cause: Some(Cause::Time) }
    }

    /// Nobody judged; somebody broke it off, for this reason.
    pub fn unjudged(detail: impl Into<String>) -> Self {
        Self::said(None, detail)
    }

    /// Somebody's word: how it was, or that it is to end.
    pub fn said(success: Option<bool>, detail: impl Into<String>) -> Self {
        let cause = if success.is_some() { Cause::Judged } else { Cause::Stopped };
        Self { success, detail: detail.into(), cause: Some(cause) }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn older_programs_and_this_one_understand_each_other() {
        let old: Verdict = serde_json::from_str(r#"{"success":false,"detail":"a"}"#).unwrap();
        assert_eq!(old, Verdict { success: Some(false), detail: "a".into(), cause: None });
        assert_eq!(serde_json::to_string(&old).unwrap(), r#"{"success":false,"detail":"a"}"#);
        let new = serde_json::to_value(Verdict::late("b")).unwrap();
        assert_eq!(new["cause"], "time");
    }
}
