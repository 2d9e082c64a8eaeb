//! What a run leaves behind: its folder, with report, contact sheet and plot of the path, written
//! when an attempt has ended. Every file is replaced in one step.

use super::RunPlan;
use super::attempt::AttemptRecorder;
use super::pacer::Pace;
use anyhow::{Context, ensure};
use jaco_api::{Placement, PolicyStatus};
use jaco_core::{DecodeOptions, Execution, Verdict};
use jaco_report::{Checkpoint, Heading, RunReport, Tally, contact_sheet, path_plot, replace_file};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How the policy was loaded and decodes, as reports say it.
#[derive(Clone, Debug)]
pub struct LoadedAs {
    /// Which policy it is.
    pub checkpoint: Checkpoint,
    /// How its streams are decoded.
    pub decode: DecodeOptions,
}

impl LoadedAs {
    /// What the API says of the policy, with the size of its weights.
    pub fn new(facts: &PolicyStatus, weights_bytes: u64, decode: DecodeOptions) -> Self {
        let checkpoint = Checkpoint {
            path: facts.checkpoint.clone(),
            weights_bytes,
            adapter: facts.adapter.clone(),
            statistics: facts.statistics.clone(),
            view: facts.view.clone(),
            dtype: facts.dtype.clone(),
        };
        Self { checkpoint, decode }
    }
}

/// The folder of a run, and its report so far.
pub struct RunFolder {
    path: PathBuf,
    report: RunReport,
}

impl RunFolder {
    /// The folder of the run `id` below `runs`, or a new one.
    pub fn open_or_create(
        runs: &Path,
        id: Option<&str>,
        loaded: &LoadedAs,
        plan: &RunPlan,
    ) -> anyhow::Result<Self> {
        let LoadedAs { checkpoint, decode } = loaded.clone();
        if let Some(id) = id {
            ensure!(
                id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
                "{id:?} is no run's id"
            );
            let path = runs.join(id);
            let report = RunReport::read(&path)
                .with_context(|| format!("there is no run {id} to append to"))?;
            ensure!(
                *report.instruction == *plan.instruction && report.horizon == plan.horizon,
                "run {id} was asked something else: {:?} with H = {}",
                report.instruction,
                report.horizon
            );
            ensure!(
                report.checkpoint == checkpoint,
                "run {id} was made with another policy, or one loaded otherwise: {}",
                report.checkpoint.path.display()
            );
            ensure!(report.decode == decode, "run {id} was decoded otherwise: {}", report.decode);
            return Ok(Self { path, report });
        }
        let started_utc = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let run = started_utc.replace([':', '-'], "").replace('T', "-").replace('Z', "");
        let path = runs.join(&run);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create the run's folder {}", path.display()))?;
        let report = RunReport {
            run,
            started_utc,
            instruction: plan.instruction.to_string(),
            task: None,
            seed: 0,
            checkpoint,
            decode,
            horizon: plan.horizon,
            execution: match plan.pace {
                Pace::Sync => Execution::Sync,
                Pace::Async { .. } => Execution::Async,
            },
            attempts: Vec::new(),
            verdict: Tally::of(&[]),
        };
        Ok(Self { path, report })
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.report.run
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the attempt and writes report, contact sheet and path plot. Returns one line for
    /// people.
    pub fn write(
        mut self,
        recorder: &AttemptRecorder,
        placement: Option<&Placement>,
        verdict: &Verdict,
    ) -> anyhow::Result<String> {
        // An attempt may have been added since the folder was opened.
        if let Ok(report) = RunReport::read(&self.path) {
            self.report = report;
        }
        let number = self.report.attempts.len() + 1;
        let attempt = recorder.attempt(placement.map_or(0, |placement| placement.seed), verdict);
        if let Some(placement) = placement {
            self.report.task = placement.task.parse().ok();
            if number == 1 {
                self.report.seed = placement.seed;
            }
        }
        let heading = Heading {
            instruction: self.report.instruction.clone(),
            outcome: attempt.outcome,
            detail: format!("attempt {number}: {}", attempt.detail),
        };
        let sheet = contact_sheet(&heading, &recorder.frames.frames())?;
        let plot = path_plot(&heading, &recorder.path, &recorder.steps)?;
        for (name, png) in [("contact-sheet", sheet), ("path", plot)] {
            let file = self.path.join(format!("{name}-{number}.png"));
            replace_file(&file, &png)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        self.report.attempts.push(attempt);
        self.report.verdict = Tally::of(&self.report.attempts);
        self.report.write(&self.path)?;
        Ok(recorder.summary(verdict))
    }
}
