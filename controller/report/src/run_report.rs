//! `report.json`: what a run was asked, what came of it, and how punctual it was.

use super::histogram::Digest;
use jaco_core::Task;
use jaco_core::{DecodeOptions, Execution, Outcome};
use jaco_shell::durable::replace_file;
use jaco_trials::wilson_share_95;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// File of the report in the folder of its run.
pub const REPORT_FILE: &str = "report.json";

/// The record of one run: one policy, one instruction, one or more attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Name of the run; that of its folder.
    pub run: String,
    /// When it started, UTC, as RFC 3339.
    pub started_utc: String,
    /// What the policy was told.
    pub instruction: String,
    /// The task that judged it; None where a person judges.
    pub task: Option<Task>,
    /// Seed of all that is random in the run; each attempt has one of its own from it.
    pub seed: u64,
    /// The policy.
    pub checkpoint: Checkpoint,
    /// How its streams were decoded.
    pub decode: DecodeOptions,
    /// Action units decoded from one picture.
    pub horizon: usize,
    /// What the arm did while the policy decoded.
    pub execution: Execution,
    /// The attempts, in order.
    pub attempts: Vec<Attempt>,
    /// What they add up to: [`Tally::of`] the attempts.
    pub verdict: Tally,
}

/// Which policy it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its folder.
    pub path: PathBuf,
    /// Size of its weights \[bytes\]; tells apart what overwrote one another under one path.
    pub weights_bytes: u64,
    /// Folder of the adapter that acted on it.
    pub adapter: Option<PathBuf>,
    /// Dataset whose statistics decoded the actions.
    pub statistics: String,
    /// What was done to pictures first, as in the configuration.
    pub view: String,
    /// Element type that it computed in.
    pub dtype: String,
}

/// One attempt at the task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Seed of the attempt.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, in words.
    pub detail: String,
    /// Steps that executed an action.
    pub steps_executed: u64,
    /// Steps that had no action: the arm held still.
    pub starved_steps: u64,
    /// Units that came after their step had begun and were dropped.
    pub late_units: u64,
    /// Ticks of 10 ms that the arm was held because a frame or a state was too old.
    pub paused_ticks: u64,
    /// Steps a second that were reached; 10 is due \[Hz\].
    pub achieved_rate_hz: f64,
    /// Velocity points a second that were sent to the arm; 100 are due \[1/s\].
    pub velocity_points_per_s: f64,
    /// How late the steps began.
    pub lateness_10hz: Digest,
    /// How late the velocity points were sent.
    pub lateness_100hz: Digest,
    /// How long the policy took.
    pub inference: InferenceDigest,
    /// Age of the frames when the policy took them up.
    pub frame_age: Digest,
    /// Length of the tool point's path \[m\].
    pub distance_moved_m: f64,
    /// From the first step to the outcome \[s\].
    pub duration_s: f64,
}

/// How long the policy took, in all and in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferenceDigest {
    /// From the frame to the last unit.
    pub total: Digest,
    /// The vision towers and the projector.
    pub vision: Digest,
    /// The language model over the prompt and the forced units.
    pub prefill: Digest,
    /// The language model token by token.
    pub decode: Digest,
}

/// What the attempts of a run add up to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Attempts that succeeded.
    pub successes: usize,
    /// All attempts, stopped ones too.
    pub attempts: usize,
    /// Low end of the 95 % Wilson score interval of the success rate.
    pub success_rate_low: f64,
    /// High end of that interval.
    pub success_rate_high: f64,
}

impl Tally {
    /// The tally of `attempts`. With none, the interval is all of 0 to 1.
    pub fn of(attempts: &[Attempt]) -> Self {
        let successes = attempts.iter().filter(|a| a.outcome == Outcome::Success).count();
        let (success_rate_low, success_rate_high) = wilson_95(successes, attempts.len());
        Self { successes, attempts: attempts.len(), success_rate_low, success_rate_high }
    }
}

/// Wilson score interval at 95 % of `successes` among `trials`; all of 0 to 1 without any.
pub fn wilson_95(successes: usize, trials: usize) -> (f64, f64) {
    wilson_share_95(successes as f64 / trials.max(1) as f64, trials)
}

/// A report that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A number of an attempt is NaN or infinite, which JSON cannot hold.
    #[error("attempt {attempt} of run {run}: {field} is {value}, no number to report")]
    NotFinite {
        /// Name of the run.
        run: String,
        /// Index of the attempt, from 0.
        attempt: usize,
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
    },
    /// The file system refused.
    #[error("cannot write or read {path}: {source}")]
    File {
        /// The report.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no report.
    #[error("{path} is not a run report: {source}")]
    Format {
        /// The report.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl RunReport {
    /// Writes `report.json` into `folder` in one step: the file is whole or absent. Returns its
    /// path.
    ///
    /// # Errors
    /// A number that is not finite; then nothing is written. The file system's refusal.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        self.check_finite()?;
        let path = folder.join(REPORT_FILE);
        let text = serde_json::to_vec_pretty(self)
            .map(|mut text| {
                text.push(b'\n');
                text
            })
            .map_err(|source| ReportError::Format { path: path.clone(), source })?;
        match replace_file(&path, &text) {
            Ok(()) => Ok(path),
            Err(source) => Err(ReportError::File { path, source }),
        }
    }

    /// Reads the report of the run in `folder`.
    ///
    /// # Errors
    /// The file is missing, unreadable or no report.
    pub fn read(folder: &Path) -> Result<RunReport, ReportError> {
        let path = folder.join(REPORT_FILE);
        match std::fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|source| ReportError::Format { path, source })
            }
            Err(source) => Err(ReportError::File { path, source }),
        }
    }

    fn check_finite(&self) -> Result<(), ReportError> {
        for (attempt, a) in self.attempts.iter().enumerate() {
            let fields = [
                ("achieved_rate_hz", a.achieved_rate_hz),
                ("velocity_points_per_s", a.velocity_points_per_s),
                ("distance_moved_m", a.distance_moved_m),
                ("duration_s", a.duration_s),
            ];
            if let Some((field, value)) = fields.into_iter().find(|(_, value)| !value.is_finite()) {
                let run = self.run.clone();
                return Err(ReportError::NotFinite { run, attempt, field, value });
            }
        }
        Ok(())
    }

    /// The run in one line.
    pub fn summary_line(&self) -> String {
        let v = &self.verdict;
        let steps: u64 = self.attempts.iter().map(|a| a.steps_executed + a.starved_steps).sum();
        let starved: u64 = self.attempts.iter().map(|a| a.starved_steps).sum();
        let worst = |digest: fn(&Attempt) -> u64| {
            self.attempts.iter().map(digest).max().unwrap_or(0) as f64 / 1000.0
        };
        format!(
            "{}: {} of {} succeeded (95 %: {:.0} to {:.0} %) at \"{}\"; {starved} of {steps} steps \
             starved; worst p99: inference {:.1} ms, 10 Hz step {:.3} ms late, 100 Hz point \
             {:.3} ms late",
            self.run,
            v.successes,
            v.attempts,
            100.0 * v.success_rate_low,
            100.0 * v.success_rate_high,
            self.instruction,
            worst(|a| a.inference.total.p99_us),
            worst(|a| a.lateness_10hz.p99_us),
            worst(|a| a.lateness_100hz.p99_us),
        )
    }
}

/// The run as a page for people.
impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary_line())?;
        let task = self.task.map_or("judged by a person", Task::name);
        writeln!(f, "  started      {}, {task}, seed {}", self.started_utc, self.seed)?;
        writeln!(
            f,
            "  policy       {} ({} bytes), statistics of {}",
            self.checkpoint.path.display(),
            self.checkpoint.weights_bytes,
            self.checkpoint.statistics
        )?;
        if let Some(adapter) = &self.checkpoint.adapter {
            writeln!(f, "  adapter      {}", adapter.display())?;
        }
        writeln!(
            f,
            "  decoding     horizon {}, {}, {}",
            self.horizon, self.execution, self.decode
        )?;
        self.attempts.iter().enumerate().try_for_each(|(index, a)| {
            writeln!(f, "attempt {} (seed {}): {}, {}", index + 1, a.seed, a.outcome, a.detail)?;
            writeln!(
                f,
                "  steps        {} executed, {} starved, {} units late, {} ticks paused",
                a.steps_executed, a.starved_steps, a.late_units, a.paused_ticks
            )?;
            writeln!(
                f,
                "  rates        {:.2} Hz of 10, {:.1} points/s of 100",
                a.achieved_rate_hz, a.velocity_points_per_s
            )?;
            writeln!(f, "  motion       {:.3} m in {:.1} s", a.distance_moved_m, a.duration_s)?;
            writeln!(f, "  10 Hz late   {}", a.lateness_10hz)?;
            writeln!(f, "  100 Hz late  {}", a.lateness_100hz)?;
            writeln!(f, "  inference    {}", a.inference.total)?;
            writeln!(f, "    vision     {}", a.inference.vision)?;
            writeln!(f, "    prefill    {}", a.inference.prefill)?;
            writeln!(f, "    decode     {}", a.inference.decode)?;
            writeln!(f, "  frame age    {}", a.frame_age)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn attempt(outcome: Outcome) -> Attempt {
        let digest = |p50_us, max_us| Digest {
            count: 100,
            p50_us,
            p99_us: max_us - 1,
            p99_9_us: max_us,
            max_us,
        };
        Attempt {
            seed: 7,
            outcome,
            detail: "cube on the plate for 1.0 s".to_owned(),
            steps_executed: 118,
            starved_steps: 2,
            late_units: 1,
            paused_ticks: 0,
            achieved_rate_hz: 10.0,
            velocity_points_per_s: 99.9,
            lateness_10hz: digest(119, 172),
            lateness_100hz: digest(121, 4575),
            inference: InferenceDigest {
                total: digest(81_000, 92_001),
                vision: digest(30_000, 33_000),
                prefill: digest(20_000, 24_000),
                decode: digest(31_000, 35_000),
            },
            frame_age: digest(25_000, 60_000),
            distance_moved_m: 0.912,
            duration_s: 12.0,
        }
    }

    fn report(attempts: Vec<Attempt>) -> RunReport {
        RunReport {
            run: "20260922-101500-place-block".to_owned(),
            started_utc: "2026-09-22T10:15:00Z".to_owned(),
            instruction: Task::PlaceBlock.instruction().to_owned(),
            task: Some(Task::PlaceBlock),
            seed: u64::MAX,
            checkpoint: Checkpoint {
                path: "checkpoints/mini".into(),
                weights_bytes: 3_700_000,
                adapter: Some("checkpoints/adapter".into()),
                statistics: "place-block".to_owned(),
                view: "plain".to_owned(),
                dtype: "f32".to_owned(),
            },
            decode: DecodeOptions {
                method: "top-k:5:0.7".to_owned(),
                seed: Some(u64::MAX),
                expectation: true,
                max_entropy: Some(1.1),
            },
            horizon: 4,
            execution: Execution::Async,
            verdict: Tally::of(&attempts),
            attempts,
        }
    }

    #[test]
    fn a_report_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let written = report(vec![attempt(Outcome::Success), attempt(Outcome::Stopped)]);
        let path = written.write(folder.path()).unwrap();
        assert_eq!(path, folder.path().join("report.json"));
        assert_eq!(RunReport::read(folder.path()).unwrap(), written);
    }

    #[test]
    fn programs_find_the_documented_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = report(vec![attempt(Outcome::Success)]).write(folder.path()).unwrap();
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(json["task"], "place-block");
        assert_eq!(json["execution"], "async");
        assert_eq!(json["checkpoint"]["statistics"], "place-block");
        assert_eq!(json["decode"]["method"], "top-k:5:0.7");
        assert_eq!(json["attempts"][0]["outcome"], "success");
        assert_eq!(json["attempts"][0]["lateness_100hz"]["max_us"], 4575);
        assert_eq!(json["verdict"]["successes"], 1);
    }

    #[test]
    fn a_number_that_is_none_is_refused_and_the_old_report_stays() {
        let folder = tempfile::tempdir().unwrap();
        let old = report(vec![attempt(Outcome::Failure)]);
        old.write(folder.path()).unwrap();
        let mut bad = attempt(Outcome::Success);
        bad.achieved_rate_hz = f64::NAN;
        let error = report(vec![attempt(Outcome::Success), bad]).write(folder.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "attempt 1 of run 20260922-101500-place-block: achieved_rate_hz is NaN, \
             no number to report"
        );
        assert_eq!(RunReport::read(folder.path()).unwrap(), old);
    }

    #[test]
    fn a_broken_or_missing_report_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = RunReport::read(folder.path()).unwrap_err();
        assert!(missing.to_string().contains("report.json"), "{missing}");
        std::fs::write(folder.path().join(REPORT_FILE), "{\"run\": 1}").unwrap();
        let broken = RunReport::read(folder.path()).unwrap_err();
        assert!(matches!(broken, ReportError::Format { .. }), "{broken}");
    }

    #[test]
    fn the_interval_is_wilsons() {
        // To four digits: 8 of 10 gives 0.4902 to 0.9433, 0 of 20 gives 0 to 0.1611.
        let (low, high) = wilson_95(8, 10);
        assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4, "{low} {high}");
        let (low, high) = wilson_95(0, 20);
        assert!(low == 0.0 && (high - 0.1611).abs() < 1e-4, "{low} {high}");
        assert_eq!(wilson_95(0, 0), (0.0, 1.0));
    }

    #[test]
    fn the_summary_counts_every_attempt() {
        let attempts = [Outcome::Success, Outcome::Failure, Outcome::Stopped, Outcome::Success];
        let report = report(attempts.map(attempt).to_vec());
        assert_eq!(
            report.summary_line(),
            "20260922-101500-place-block: 2 of 4 succeeded (95 %: 15 to 85 %) at \
             \"put the blue cube on the green plate\"; 8 of 480 steps starved; worst p99: \
             inference 92.0 ms, 10 Hz step 0.171 ms late, 100 Hz point 4.574 ms late"
        );
        let page = report.to_string();
        assert_eq!(page.lines().filter(|line| line.starts_with("attempt ")).count(), 4);
    }
}
