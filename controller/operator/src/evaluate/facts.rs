//! What the daemon says of its policy, and what a run's report says of a try, in the words of an
//! evaluation.

use anyhow::Context;
use jaco_api::PolicyStatus;
use jaco_cli::eval::called_after;
use jaco_core::{Cause, DecodeOptions};
use jaco_trials::{Cell, Ended, Policy, fingerprint};
use serde_json::Value;
use std::path::Path;

/// The daemon's policy; `label` is what it is to be called.
pub fn policy(status: &PolicyStatus, label: Option<&str>) -> anyhow::Result<Policy> {
    let (checkpoint, adapter) = (&status.checkpoint, status.adapter.as_deref());
    let called = || called_after(checkpoint, adapter);
    Ok(Policy {
        label: label.map_or_else(called, str::to_owned),
        checkpoint: checkpoint.clone(),
        adapter: status.adapter.clone(),
        statistics: Some(status.statistics.clone()),
        view: status.view.clone(),
        weights: fingerprint(checkpoint, adapter).context("cannot tell which policy this is")?,
    })
}

/// The cell in which the daemon's policy, called `label`, does `task` with streams of `horizon`
/// units.
pub fn cell(decoding: &DecodeOptions, label: &str, task: &str, horizon: u8) -> Cell {
    Cell {
        task: task.to_owned(),
        policy: label.to_owned(),
        horizon,
        decode: decoding.method.clone(),
        expectation: decoding.expectation,
        max_entropy: decoding.max_entropy,
    }
}

/// What the report of a run says of its last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driven {
    /// Steps that executed an action.
    pub steps: u32,
    /// Pictures that the policy was asked about.
    pub inferences: u64,
}

/// Reads it in the run's folder.
pub fn driven(folder: &Path) -> anyhow::Result<Driven> {
    let file = folder.join("report.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let report: Value = serde_json::from_str(&text)?;
    let last = report["attempts"].as_array().and_then(|all| all.last());
    let number = |value: &Value| value.as_u64();
    last.and_then(|attempt| {
        Some(Driven {
            steps: u32::try_from(number(&attempt["steps_executed"])?).ok()?,
            inferences: number(&attempt["inference"]["total"]["count"])?,
        })
    })
    .with_context(|| format!("{} does not say how long the arm was driven", file.display()))
}

/// How a try that counts ended, whose run `cause` ended and which was judged a `success` or not.
pub fn ended(cause: Cause, success: bool) -> Ended {
    match cause {
        _ if success => Ended::Done,
        Cause::Time => Ended::Time,
        Cause::Judged | Cause::Stopped => Ended::Operator,
        Cause::Fault => Ended::Fault,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_daemons_decoding_becomes_a_cell() {
        let decoding = DecodeOptions {
            method: "top-k:5:0.7".to_owned(),
            seed: Some(7),
            expectation: true,
            max_entropy: Some(1.5),
        };
        let cell = cell(&decoding, "a", "t", 4);
        assert_eq!((cell.policy.as_str(), cell.task.as_str(), cell.horizon), ("a", "t", 4));
        assert_eq!(cell.decode, "top-k:5:0.7");
        assert_eq!((cell.expectation, cell.max_entropy), (true, Some(1.5)));
    }

    #[test]
    fn the_end_is_told_from_the_cause() {
        assert_eq!(ended(Cause::Time, false), Ended::Time);
        assert_eq!(ended(Cause::Time, true), Ended::Done, "a person saw more than the clock");
        assert_eq!(ended(Cause::Fault, false), Ended::Fault);
        assert_eq!(ended(Cause::Judged, false), Ended::Operator);
    }

    #[test]
    fn a_report_tells_its_last_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let attempt = |steps: u32| {
            format!(
                "{{\"steps_executed\": {steps}, \"inference\": {{\"total\": {{\"count\": 3}}}}}}"
            )
        };
        let report = format!("{{\"attempts\": [{}, {}]}}", attempt(7), attempt(24));
        std::fs::write(folder.path().join("report.json"), report).unwrap();
        assert_eq!(driven(folder.path()).unwrap(), Driven { steps: 24, inferences: 3 });
        std::fs::write(folder.path().join("report.json"), "{}").unwrap();
        assert!(driven(folder.path()).is_err());
    }
}
