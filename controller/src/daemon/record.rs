//! What a run leaves behind: gathers the record of each attempt while it goes on and writes the
//! run's folder at its end. Must never slow the run: nothing touches the disk before its end.

use crate::api::{Placement, Progress, Verdict};
use crate::daemon::inference::InferenceHandle;
use crate::daemon::pacer::Pace;
use crate::daemon::run::RunPlan;
use crate::report::Verdict as Tally;
use crate::report::{
    Attempt, Checkpoint, DecodeOptions, FrameKeeper, Heading, InferenceDigest, KeptFrame,
    Latencies, Outcome, PathSample, RunReport, StepTiming, contact_sheet, path_plot, replace_file,
};
use anyhow::{Context, ensure};
use jaco_config::Execution;
use jaco_core::{Frame, STEP_NS, TICK_NS};
use jaco_model::Timings;
use jaco_model::checkpoint::weight_file_bytes;
use jaco_servo::ServoStatus;
use nalgebra::Vector3;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Frames kept for the contact sheet.
const FRAMES: usize = 48;
/// Ticks between two samples of the path.
const PATH_STRIDE: u64 = 5;

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
        policy: &InferenceHandle,
        plan: &RunPlan,
    ) -> anyhow::Result<Self> {
        let (loaded, decode) = (&policy.loaded, DecodeOptions::from(&policy.decoding));
        let checkpoint = Checkpoint {
            path: loaded.checkpoint.clone(),
            weights_bytes: weight_file_bytes(&loaded.checkpoint)?,
            adapter: loaded.adapter.clone(),
            statistics: loaded.statistics.clone(),
            view: loaded.view.clone(),
            dtype: loaded.dtype.clone(),
        };
        if let Some(id) = id {
            ensure!(
                id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
                "{id:?} is no run's id"
            );
            let path = runs.join(id);
            let report = RunReport::read(&path)
                .with_context(|| format!("there is no run {id} to append to"))?;
            ensure!(
                report.instruction == plan.instruction && report.horizon == plan.horizon,
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
        let started_utc = utc(SystemTime::now());
        let run = started_utc.replace([':', '-'], "").replace('T', "-").replace('Z', "");
        let path = runs.join(&run);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot create the run's folder {}", path.display()))?;
        let report = RunReport {
            run,
            started_utc,
            instruction: plan.instruction.clone(),
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
        let summary = format!(
            "{} after {} steps and {:.1} s: {}",
            attempt.outcome, attempt.steps_executed, attempt.duration_s, attempt.detail
        );
        self.report.attempts.push(attempt);
        self.report.verdict = Tally::of(&self.report.attempts);
        self.report.write(&self.path)?;
        Ok(summary)
    }
}

/// The record of an attempt while it goes on.
pub struct AttemptRecorder {
    first: Option<ServoStatus>,
    last: Option<ServoStatus>,
    lateness_10hz: Latencies,
    lateness_100hz: Latencies,
    total: Latencies,
    vision: Latencies,
    prefill: Latencies,
    decode: Latencies,
    frame_age: Latencies,
    last_inference_ms: f64,
    last_frame_age_ms: f64,
    inference_ended_ms: Option<f64>,
    moved_m: f64,
    path: Vec<PathSample>,
    steps: Vec<StepTiming>,
    frames: FrameKeeper,
}

impl Default for AttemptRecorder {
    fn default() -> Self {
        Self {
            first: None,
            last: None,
            lateness_10hz: Latencies::default(),
            lateness_100hz: Latencies::default(),
            total: Latencies::default(),
            vision: Latencies::default(),
            prefill: Latencies::default(),
            decode: Latencies::default(),
            frame_age: Latencies::default(),
            last_inference_ms: 0.0,
            last_frame_age_ms: 0.0,
            inference_ended_ms: None,
            moved_m: 0.0,
            path: Vec::new(),
            steps: Vec::new(),
            frames: FrameKeeper::new(FRAMES),
        }
    }
}

impl AttemptRecorder {
    /// Takes in a status of the servo in policy mode; `began` if a step began with it.
    pub fn tick(&mut self, status: &ServoStatus, began: bool) {
        let first = *self.first.get_or_insert(*status);
        let time_s = status.sent_ns.saturating_sub(first.sent_ns) as f64 * 1e-9;
        let last = self.last.replace(*status).unwrap_or(*status);
        self.lateness_100hz.record_ns(status.lateness_ns);
        let here: Vector3<f64> = status.state.pose.position_m;
        self.moved_m += (here - last.state.pose.position_m).norm();
        if status.ticks.is_multiple_of(PATH_STRIDE) {
            let reference = status.report.reference.map_or(here, |pose| pose.position_m);
            self.path.push(PathSample {
                time_s,
                reference_m: reference.into(),
                measured_m: here.into(),
                opening: status.state.opening(),
            });
        }
        if began {
            self.lateness_10hz.record_ns(status.lateness_ns);
            let (now, before) = (status.report.counters, last.report.counters);
            self.steps.push(StepTiming {
                time_s,
                lateness_ms: status.lateness_ns as f64 * 1e-6,
                inference_ms: self.inference_ended_ms.take(),
                starved: now.starved > before.starved,
                late_units: now.late_units.saturating_sub(before.late_units),
            });
        }
    }

    /// Takes in an inference that began with `frame` of age `frame_age_ns`.
    pub fn inference(
        &mut self,
        frame: &Arc<Frame>,
        step: u64,
        frame_age_ns: u64,
        total_ns: u64,
        timings: Timings,
    ) {
        self.frame_age.record_ns(frame_age_ns);
        self.total.record_ns(total_ns);
        self.vision.record_ns(timings.vision_ns);
        self.prefill.record_ns(timings.prefill_ns);
        self.decode.record_ns(timings.decode_ns);
        self.last_inference_ms = total_ns as f64 * 1e-6;
        self.last_frame_age_ms = frame_age_ns as f64 * 1e-6;
        self.inference_ended_ms = Some(self.last_inference_ms);
        let time_s = (step * STEP_NS) as f64 * 1e-9;
        self.frames.offer(KeptFrame { step, time_s, frame: Frame::clone(frame) });
    }

    /// The line of progress at the beginning of `step`.
    pub fn progress(&self, step: u64) -> Progress {
        let report = self.last.map(|status| status.report);
        Progress {
            step,
            queued: report.map_or(0, |report| report.queued as u64),
            starved_steps: report.map_or(0, |report| report.counters.starved),
            inference_ms: self.last_inference_ms,
            frame_age_ms: self.last_frame_age_ms,
            moved_m: self.moved_m,
        }
    }

    fn attempt(&self, seed: u64, verdict: &Verdict) -> Attempt {
        let (first, last) = match (self.first, self.last) {
            (Some(first), Some(last)) => (first, last),
            _ => return Attempt { seed, ..nothing(verdict) },
        };
        let counters = last.report.counters;
        let duration_s = last.sent_ns.saturating_sub(first.sent_ns) as f64 * 1e-9;
        let paused_s = (counters.paused_ticks * TICK_NS) as f64 * 1e-9;
        let steps = (counters.executed + counters.starved) as f64;
        let per_s = |count: f64, time_s: f64| if time_s > 0.0 { count / time_s } else { 0.0 };
        Attempt {
            seed,
            outcome: outcome(verdict),
            detail: verdict.detail.clone(),
            steps_executed: counters.executed,
            starved_steps: counters.starved,
            late_units: counters.late_units,
            paused_ticks: counters.paused_ticks,
            achieved_rate_hz: per_s(steps, duration_s - paused_s),
            velocity_points_per_s: per_s((last.ticks - first.ticks) as f64, duration_s),
            lateness_10hz: self.lateness_10hz.digest(),
            lateness_100hz: self.lateness_100hz.digest(),
            inference: InferenceDigest {
                total: self.total.digest(),
                vision: self.vision.digest(),
                prefill: self.prefill.digest(),
                decode: self.decode.digest(),
            },
            frame_age: self.frame_age.digest(),
            distance_moved_m: self.moved_m,
            duration_s,
        }
    }
}

fn outcome(verdict: &Verdict) -> Outcome {
    match verdict.success {
        Some(true) => Outcome::Success,
        Some(false) => Outcome::Failure,
        None => Outcome::Stopped,
    }
}

/// The record of an attempt that ended before the arm's first status.
fn nothing(verdict: &Verdict) -> Attempt {
    let nothing = Latencies::default().digest();
    Attempt {
        seed: 0,
        outcome: outcome(verdict),
        detail: verdict.detail.clone(),
        steps_executed: 0,
        starved_steps: 0,
        late_units: 0,
        paused_ticks: 0,
        achieved_rate_hz: 0.0,
        velocity_points_per_s: 0.0,
        lateness_10hz: nothing,
        lateness_100hz: nothing,
        inference: InferenceDigest::default(),
        frame_age: nothing,
        distance_moved_m: 0.0,
        duration_s: 0.0,
    }
}

/// `time` as RFC 3339 in UTC, to the second.
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (since / 86_400, since % 86_400);
    // Civil date from days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_right_across_leap_years() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
        ] {
            assert_eq!(utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
