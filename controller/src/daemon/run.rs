//! One autonomous run: the thread that stands between the servo's steps and the inference
//! thread, and keeps the record of it.
//!
//! It waits on four things at once: the servo's statuses, the inference's answers, the
//! operator's word, and silence. When to think and what to send is [`Pacer`]'s rule; what is
//! written down is [`record`](super::record)'s.

use crate::api::{Progress, Verdict};
use crate::daemon::inference::{Inference, InferenceHandle, InferenceRequest};
use crate::daemon::pacer::{Pace, Pacer, Plan, StepClock};
use crate::daemon::record::AttemptRecorder;
use crate::daemon::servo::ServoHandle;
use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use jaco_core::Clock;
use jaco_servo::mode::{Mode, StopReason};
use jaco_servo::{Command, ServoStatus};
use std::sync::Arc;
use std::time::Duration;

/// Silence of the servo after which a run is given up.
const SERVO_SILENCE: Duration = Duration::from_millis(500);

/// What a run is to do, resolved.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// The instruction.
    pub instruction: String,
    /// Units per inference.
    pub horizon: usize,
    /// How units are executed.
    pub pace: Pace,
    /// Steps after which the run has failed.
    pub max_steps: u64,
}

/// What the run talks to.
#[derive(Clone)]
pub struct RunParts {
    /// The arm.
    pub servo: ServoHandle,
    /// The policy.
    pub inference: InferenceHandle,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Drives until success, failure or the operator's word; the arm holds afterwards.
pub fn drive(
    parts: &RunParts,
    plan: &RunPlan,
    operator: &Receiver<Verdict>,
    recorder: &mut AttemptRecorder,
    progress: &mut dyn FnMut(Progress),
) -> Verdict {
    let statuses = parts.servo.tap();
    parts.servo.send(Command::StartPolicy {
        statistics: parts.inference.statistics,
        pause_when_empty: plan.pace == Pace::Sync,
    });
    let mut drive = Drive {
        parts,
        plan,
        pacer: Pacer::new(plan.pace, plan.horizon),
        thinking: None,
        entered: false,
        refused_before: None,
        step_began: None,
        stood_still_ns: None,
        recorder,
        progress,
    };
    let verdict = drive.until_verdict(&statuses, operator);
    parts.servo.send(Command::Hold);
    verdict
}

struct Drive<'a> {
    parts: &'a RunParts,
    plan: &'a RunPlan,
    pacer: Pacer,
    thinking: Option<(Plan, Receiver<Result<Inference, String>>)>,
    entered: bool,
    refused_before: Option<u64>,
    step_began: Option<u64>,
    stood_still_ns: Option<u64>,
    recorder: &'a mut AttemptRecorder,
    progress: &'a mut dyn FnMut(Progress),
}

impl Drive<'_> {
    fn until_verdict(
        &mut self,
        statuses: &Receiver<ServoStatus>,
        operator: &Receiver<Verdict>,
    ) -> Verdict {
        let nobody = never();
        loop {
            let answers = self.thinking.as_ref().map_or(&nobody, |(_, answers)| answers);
            let ended = select! {
                recv(statuses) -> status => match status {
                    Ok(status) => self.on_status(&status),
                    Err(_) => Some(failure("the servo's supervisor has ended")),
                },
                recv(answers) -> answer => match answer {
                    Ok(Ok(inference)) => self.on_inference(&inference),
                    Ok(Err(reason)) => Some(failure(reason)),
                    Err(_) => Some(failure("the inference thread died")),
                },
                recv(operator) -> verdict => Some(verdict.unwrap_or_else(|_| Verdict {
                    success: None,
                    detail: "the operator's connection closed".to_owned(),
                })),
                default(SERVO_SILENCE) => Some(failure("the servo fell silent")),
            };
            if let Some(verdict) = ended {
                return verdict;
            }
        }
    }

    fn on_status(&mut self, status: &ServoStatus) -> Option<Verdict> {
        let report = &status.report;
        if report.mode != Mode::Policy {
            return self.left_policy_mode(status);
        }
        self.entered = true;
        let refused_before = *self.refused_before.get_or_insert(report.counters.refused);
        if report.counters.refused > refused_before {
            return Some(failure(format!("the servo refused: {}", status.note.as_str())));
        }
        let step_began = report.step.filter(|_| report.step != self.step_began);
        if step_began.is_some() {
            self.step_began = report.step;
        }
        self.recorder.tick(status, step_began.is_some());
        if let Some(step) = step_began {
            (self.progress)(self.recorder.progress(step));
        }
        if report.completed.is_some_and(|completed| completed.step + 1 >= self.plan.max_steps) {
            return Some(failure(format!("gave up after {} steps", self.plan.max_steps)));
        }
        let waiting = report.step.is_none();
        self.stood_still_ns = match (waiting, self.stood_still_ns) {
            (false, _) => None,
            (true, since) => since.or(Some(status.state.stamp_ns)),
        };
        let next_step = match report.step {
            Some(step) => step + 1,
            None => report.next_needed_step,
        };
        let clock = StepClock { next_step, step_began: step_began.is_some(), waiting };
        match self.pacer.plan(clock) {
            Some(plan) => self.think(plan),
            None => None,
        }
    }

    /// In sync execution the picture must show the arm after its last unit; in async the newest
    /// picture is the best there is, if it is younger than two steps.
    fn think(&mut self, plan: Plan) -> Option<Verdict> {
        let now_ns = self.parts.clock.now_ns();
        let oldest_ns = now_ns.saturating_sub(2 * jaco_core::STEP_NS);
        let (answer, answers) = bounded(1);
        let requested = self.parts.inference.request(InferenceRequest {
            instruction: self.plan.instruction.clone(),
            horizon: self.plan.horizon,
            forced: plan.forced.clone(),
            frame_not_before_ns: self.stood_still_ns.unwrap_or(oldest_ns),
            answer,
        });
        self.thinking = Some((plan, answers));
        requested.err().map(|error| failure(error.to_string()))
    }

    fn on_inference(&mut self, inference: &Inference) -> Option<Verdict> {
        let (plan, _) = self.thinking.take()?;
        let from_frame_ns = inference.frame.captured_ns;
        let best = inference.decoded.best();
        let values = best.values.as_deref().unwrap_or_default();
        let stream = self.pacer.decoded(&plan, &best.units, values, from_frame_ns);
        self.recorder.inference(
            &inference.frame,
            plan.first_step,
            inference.began_ns.saturating_sub(from_frame_ns),
            self.parts.clock.now_ns().saturating_sub(inference.began_ns),
            inference.decoded.timings.unwrap_or_default(),
        );
        if !stream.units.is_empty() {
            self.parts.servo.send(Command::Stream(stream));
        }
        None
    }

    fn left_policy_mode(&self, status: &ServoStatus) -> Option<Verdict> {
        match (self.entered, status.report.mode, status.report.stop_reason) {
            // The order to start is still on its way.
            (false, Mode::Idle, _) => None,
            (_, Mode::Stopped, Some(StopReason::Operator)) => {
                Some(Verdict { success: None, detail: "stopped by the operator".to_owned() })
            }
            (_, Mode::Stopped, reason) => Some(failure(
                reason.map_or_else(|| "the servo stopped".to_owned(), |reason| reason.to_string()),
            )),
            (_, _, _) => Some(failure(format!("the servo holds: {}", status.report.hold_reason))),
        }
    }
}

fn failure(detail: impl Into<String>) -> Verdict {
    Verdict { success: Some(false), detail: detail.into() }
}

/// A channel on which the operator ends a run.
pub fn operator_channel() -> (Sender<Verdict>, Receiver<Verdict>) {
    bounded(1)
}
