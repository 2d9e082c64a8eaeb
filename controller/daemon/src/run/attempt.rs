//! The record of an attempt while it goes on, kept in memory. Must never slow the run: nothing
//! here touches the disk.

use jaco_api::Progress;
use jaco_core::policy::Timings;
use jaco_core::{Frame, STEP_NS, TICK_NS, Verdict};
use jaco_report::{
    Attempt, FrameKeeper, InferenceDigest, KeptFrame, Latencies, PathSample, StepTiming,
};
use jaco_servo::{Counters, ServoStatus};
use nalgebra::Vector3;
use std::sync::Arc;

/// Frames kept for the contact sheet.
const FRAMES: usize = 48;
/// Ticks between two samples of the path.
const PATH_STRIDE: u64 = 5;

/// The record of an attempt while it goes on.
pub struct AttemptRecorder {
    first: Option<ServoStatus>,
    last: Option<ServoStatus>,
    /// Counts from before the arm changed hands, when the servo began to count anew.
    before: Counters,
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
    /// Where the arm went.
    pub path: Vec<PathSample>,
    /// When the steps began.
    pub steps: Vec<StepTiming>,
    /// What the policy saw.
    pub frames: FrameKeeper,
}

impl Default for AttemptRecorder {
    fn default() -> Self {
        Self {
            first: None,
            last: None,
            before: Counters::default(),
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

    /// The arm changes hands: the servo counts anew from here on.
    pub fn begins_anew(&mut self) {
        if let Some(last) = &mut self.last {
            self.before = sum(&self.before, &last.report.counters);
            last.report.counters = Counters::default();
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
            starved_steps: self.before.starved + report.map_or(0, |report| report.counters.starved),
            inference_ms: self.last_inference_ms,
            frame_age_ms: self.last_frame_age_ms,
            moved_m: self.moved_m,
        }
    }

    /// One line for people.
    pub fn summary(&self, verdict: &Verdict) -> String {
        let attempt = self.attempt(0, verdict);
        format!(
            "{} after {} steps and {:.1} s: {}",
            attempt.outcome, attempt.steps_executed, attempt.duration_s, attempt.detail
        )
    }

    /// The attempt, ended with `verdict`; `seed` is that of the placement.
    pub fn attempt(&self, seed: u64, verdict: &Verdict) -> Attempt {
        let (first, last) = match (self.first, self.last) {
            (Some(first), Some(last)) => (first, last),
            _ => return Attempt { seed, ..nothing(verdict) },
        };
        let counters = sum(&self.before, &last.report.counters);
        let duration_s = last.sent_ns.saturating_sub(first.sent_ns) as f64 * 1e-9;
        let paused_s = (counters.paused_ticks * TICK_NS) as f64 * 1e-9;
        let steps = (counters.executed + counters.starved) as f64;
        let per_s = |count: f64, time_s: f64| if time_s > 0.0 { count / time_s } else { 0.0 };
        Attempt {
            seed,
            outcome: verdict.outcome(),
            detail: verdict.detail.clone(),
            steps_executed: counters.executed,
            starved_steps: counters.starved,
            late_units: counters.late_units,
            paused_ticks: counters.paused_ticks,
            achieved_rate_hz: per_s(steps, duration_s - paused_s),
            velocity_points_per_s: per_s(
                last.points_sent.saturating_sub(first.points_sent) as f64,
                duration_s,
            ),
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

/// The counts of two stretches of a run together, as far as its report tells them.
fn sum(a: &Counters, b: &Counters) -> Counters {
    Counters {
        executed: a.executed + b.executed,
        starved: a.starved + b.starved,
        paused_ticks: a.paused_ticks + b.paused_ticks,
        late_units: a.late_units + b.late_units,
        ..*b
    }
}

/// The record of an attempt that ended before the arm's first status.
fn nothing(verdict: &Verdict) -> Attempt {
    let nothing = Latencies::default().digest();
    Attempt {
        seed: 0,
        outcome: verdict.outcome(),
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
