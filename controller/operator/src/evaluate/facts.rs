//! What the daemon says of its policy, and what a run's report says of a try, in the words of an
//! evaluation.

use anyhow::Context;
use jaco_api::PolicyStatus;
use jaco_cli::eval::called_after;
use jaco_core::Verdict;
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
/// units. How it decodes is told in words such as `top-k:5:1 from seed 7, means, cut off above
/// 1.5 nats`.
pub fn cell(status: &PolicyStatus, label: &str, task: &str, horizon: u8) -> Cell {
    let mut parts = status.decode.split(", ");
    let method = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let cut = rest.iter().find_map(|part| part.strip_prefix("cut off above "));
    Cell {
        task: task.to_owned(),
        policy: label.to_owned(),
        horizon,
        decode: method.split(" from seed ").next().unwrap_or_default().to_owned(),
        expectation: rest.contains(&"means"),
        max_entropy: cut.and_then(|cut| cut.strip_suffix(" nats")?.parse().ok()),
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

/// How a try ended whose run ended with `verdict` and was judged a `success` or not.
pub fn ended(verdict: &Verdict, success: bool) -> Ended {
    match verdict.success {
        _ if success => Ended::Done,
        // The daemon's word for a run that took too long.
        Some(false) if verdict.detail.starts_with("gave up") => Ended::Time,
        Some(false) if verdict.detail == super::BY_OPERATOR => Ended::Operator,
        Some(false) => Ended::Fault,
        _ => Ended::Operator,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn status(decode: &str) -> PolicyStatus {
        PolicyStatus {
            checkpoint: "/c/l bc".into(),
            adapter: None,
            statistics: "demos".to_owned(),
            view: "plain".to_owned(),
            device: "cpu".to_owned(),
            dtype: "f32".to_owned(),
            decode: decode.to_owned(),
            horizon: 8,
        }
    }

    #[test]
    fn the_daemons_words_become_a_cell() {
        let of = |words: &str| {
            let cell = cell(&status(words), "a", "t", 4);
            (cell.decode, cell.expectation, cell.max_entropy)
        };
        assert_eq!(of("greedy"), ("greedy".to_owned(), false, None));
        assert_eq!(of("beam:2, means"), ("beam:2".to_owned(), true, None));
        let all = of("top-k:5:0.7 from seed 7, means, cut off above 1.5 nats");
        assert_eq!(all, ("top-k:5:0.7".to_owned(), true, Some(1.5)));
    }

    #[test]
    fn the_end_is_told_from_the_verdict() {
        let verdict = Verdict::failure;
        assert_eq!(ended(&verdict("gave up after 300 steps"), false), Ended::Time);
        assert_eq!(ended(&verdict("gave up after 300 steps"), true), Ended::Done);
        assert_eq!(ended(&verdict("the servo holds: ..."), false), Ended::Fault);
        assert_eq!(ended(&verdict(super::super::BY_OPERATOR), false), Ended::Operator);
        assert_eq!(ended(&Verdict::unjudged("stopped by the operator"), false), Ended::Operator);
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
