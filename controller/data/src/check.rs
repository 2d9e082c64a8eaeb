//! `jaco dataset check`: what is wrong with a dataset, for people and for programs.

use jaco_cli::dataset::CheckArgs;
use jaco_dataset::{Dataset, Finding, Severity};
use jaco_shell::args::Unusable;
use serde::Serialize;
use std::fmt;

/// What `jaco dataset check` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether there is no error (with --strict: nor a warning).
    pub sound: bool,
    /// Episodes that were looked at; none if the dataset does not open.
    pub episodes: Option<usize>,
    /// Rows that were looked at.
    pub frames: Option<usize>,
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// All of them.
    pub findings: Vec<Told>,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// `error` or `warning`.
    pub severity: String,
    /// A word that stays the same.
    pub kind: &'static str,
    /// The episode, if it is about one.
    pub episode: Option<usize>,
    /// The row within the episode.
    pub frame: Option<usize>,
    /// Where: file, column or episode.
    pub place: String,
    /// What, and what to do.
    pub detail: String,
}

/// Checks a dataset.
///
/// # Errors
/// There is no dataset at all.
pub fn check(args: &CheckArgs) -> anyhow::Result<Report> {
    if !args.dir.join("meta/info.json").exists() {
        let dir = args.dir.display();
        return Err(
            Unusable(format!("{dir} is not a LeRobotDataset: it has no meta/info.json")).into()
        );
    }
    let mut findings = jaco_dataset::check(&args.dir);
    // What is wrong comes first; else in the order of the dataset.
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let dataset = Dataset::open(&args.dir).ok();
    Ok(Report {
        sound: errors == 0 && (warnings == 0 || !args.strict),
        episodes: dataset.as_ref().map(|dataset| dataset.episodes().len()),
        frames: dataset.as_ref().map(Dataset::total_frames),
        errors,
        warnings,
        findings: findings.into_iter().map(told).collect(),
    })
}

fn told(finding: Finding) -> Told {
    Told {
        severity: finding.severity.to_string(),
        kind: finding.kind,
        episode: finding.episode,
        frame: finding.frame,
        place: finding.place,
        detail: finding.problem,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for told in &self.findings {
            writeln!(f, "{:<8}{:<20}{}: {}", told.severity, told.kind, told.place, told.detail)?;
        }
        match (self.episodes, self.frames) {
            (Some(episodes), Some(frames)) => write!(f, "{episodes} episodes, {frames} frames: ")?,
            _ => write!(f, "the dataset does not open: ")?,
        }
        match (self.errors, self.warnings) {
            (0, 0) => write!(f, "nothing found"),
            (errors, warnings) => write!(f, "{errors} errors, {warnings} warnings"),
        }
    }
}
