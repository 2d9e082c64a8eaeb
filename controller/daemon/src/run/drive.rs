//! The loop of one autonomous run: it stands between the servo's steps and the policy's thread.
//!
//! It waits on four things at once: the servo's statuses, the policy's answers, the operator's
//! word, and silence. Nothing is waited for without end: entry into policy mode and every answer
//! have a deadline. When to think and what to send is [`Pacer`]'s rule.

use super::RunPlan;
use super::attempt::AttemptRecorder;
use super::hand::{Takeover, Turn};
use super::pacer::{Pace, Pacer, Plan, StepClock};
use super::tape::{Proposals, Tape};
use crate::activity::{ENTRY_TIME, Guard};
use crate::arm::Arm;
use crate::policy::{Answered, PolicyHandle, Question};
use crossbeam_channel::{Receiver, bounded, never, select};
use jaco_api::Progress;
use jaco_core::{Action, ActionCodec, ActionStatistics, ActionStream, Chunk, Clock, Verdict};
use jaco_servo::{Command, HoldReason, Mode, ServoStatus, StopReason};
use std::time::Duration;

/// Silence of the servo after which a run is given up.
const SERVO_SILENCE: Duration = Duration::from_secs(1);
/// Standing still that does not come within this time is no longer waited for before a look
/// \[ns\].
const STANDSTILL_NS: u64 = 1_000_000_000;

/// What a run talks to, and what it is to do.
pub struct Driving<'a> {
    /// The arm.
    pub arm: &'a Arm,
    /// The policy.
    pub policy: &'a PolicyHandle,
    /// The time.
    pub clock: &'a dyn Clock,
    /// What to do.
    pub plan: &'a RunPlan,
    /// Tells when to end.
    pub guard: &'a Guard,
    /// Whether whoever asked for the run still listens.
    pub watched: &'a dyn Fn() -> bool,
    /// Hears of each stream that goes to the servo.
    pub streamed: &'a dyn Fn(&ActionStream),
    /// What is wrong with the camera that the policy sees through.
    pub blind: &'a dyn Fn() -> Option<String>,
    /// Hears that a person takes over (true) or gives back (false).
    pub changes_hands: &'a dyn Fn(bool),
}

/// What a run changes on its way.
pub struct Changing<'a> {
    /// The record of the attempt.
    pub recorder: &'a mut AttemptRecorder,
    /// A person's hand.
    pub takeover: &'a mut Takeover,
    /// Where the run is recorded; none = nowhere.
    pub tape: Option<&'a mut Tape>,
    /// Hears how it goes.
    pub progress: &'a mut dyn FnMut(Progress),
}

/// Drives until success, failure or somebody's word. Whoever holds the guard lets the arm hold
/// afterwards.
pub fn drive<'a>(
    driving: &'a Driving<'a>,
    operator: &Receiver<Verdict>,
    changing: Changing<'a>,
) -> Verdict {
    let Driving { arm, clock, plan, .. } = driving;
    let statuses = arm.follow();
    let refused_before = arm.view().status.map_or(0, |status| status.report.counters.refused);
    arm.send(start(driving));
    let mut drive = Drive {
        driving,
        pacer: Pacer::new(plan.pace, plan.horizon),
        phase: Phase::Entering { since_ns: clock.now_ns() },
        thinking: None,
        refused_before,
        step_began: None,
        waiting: None,
        steps_before: 0,
        changing,
    };
    drive.until_verdict(&statuses, operator)
}

/// The order by which the policy drives.
fn start(driving: &Driving<'_>) -> Command {
    Command::StartPolicy {
        statistics: driving.policy.statistics,
        pause_when_empty: driving.plan.pace == Pace::Sync,
    }
}

/// Whether the servo has begun.
enum Phase {
    Entering { since_ns: u64 },
    Entered,
}

/// A question under way.
struct Thinking {
    plan: Plan,
    since_ns: u64,
    answers: Receiver<Result<Answered, String>>,
    use_of: Use,
}

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    /// The arm.
    Motion,
    /// The record of what the policy would do while a person drives, from this row on.
    Proposal { row: u64 },
    /// Nothing any more: the arm changed hands since.
    Nothing,
}

/// The servo waits for units, its step clock standing.
#[derive(Clone, Copy)]
struct Waiting {
    since_ns: u64,
    /// When the readings first showed the arm still.
    still_ns: Option<u64>,
}

struct Drive<'a> {
    driving: &'a Driving<'a>,
    pacer: Pacer,
    phase: Phase,
    thinking: Option<Thinking>,
    refused_before: u64,
    step_began: Option<u64>,
    waiting: Option<Waiting>,
    /// Steps from before the arm changed hands last.
    steps_before: u64,
    changing: Changing<'a>,
}

impl Drive<'_> {
    fn until_verdict(
        &mut self,
        statuses: &Receiver<ServoStatus>,
        operator: &Receiver<Verdict>,
    ) -> Verdict {
        let nobody = never();
        loop {
            let answers = self.thinking.as_ref().map_or(&nobody, |thinking| &thinking.answers);
            let ended = select! {
                recv(statuses) -> status => match status {
                    Ok(status) => self.deadline().or_else(|| self.on_status(&status)),
                    Err(_) => Some(Verdict::failure("the arm's process was lost")),
                },
                recv(answers) -> answer => match answer {
                    Ok(Ok(answered)) => self.on_answer(answered),
                    Ok(Err(reason)) => Some(Verdict::failure(reason)),
                    Err(_) => Some(Verdict::failure("the policy's thread ended: see its fault")),
                },
                recv(operator) -> verdict => match verdict {
                    Ok(verdict) => Some(verdict),
                    Err(_) => Some(Verdict::unjudged("nobody can end the run any more")),
                },
                default(SERVO_SILENCE) => Some(Verdict::failure(format!(
                    "the servo has been silent for {} s", SERVO_SILENCE.as_secs()
                ))),
            };
            if let Some(verdict) = ended {
                return verdict;
            }
        }
    }

    /// What has lasted too long, or has been asked to end.
    fn deadline(&self) -> Option<Verdict> {
        if let Some(why) = self.driving.guard.told_to_end() {
            return Some(Verdict::unjudged(why));
        }
        if let Some(fault) = (self.driving.blind)() {
            return Some(Verdict::failure(format!("no fresh camera frame: {fault}")));
        }
        if !(self.driving.watched)() {
            return Some(Verdict::unjudged("the client of the run went away"));
        }
        let now_ns = self.driving.clock.now_ns();
        if let Some(thinking) = &self.thinking {
            let limit_ns = self.driving.policy.answer_ns;
            if now_ns.saturating_sub(thinking.since_ns) > limit_ns {
                return Some(Verdict::failure(format!(
                    "the policy has not answered within {} s (answer_timeout_s in [policy])",
                    limit_ns as f64 * 1e-9
                )));
            }
        }
        None
    }

    fn on_status(&mut self, status: &ServoStatus) -> Option<Verdict> {
        let report = &status.report;
        if report.counters.refused > self.refused_before {
            return Some(Verdict::failure(format!("the servo refused: {}", status.note)));
        }
        if let Some(ended) = self.look_at_hand(status) {
            return Some(ended);
        }
        let by_person = self.changing.takeover.by_person();
        if report.mode != if by_person { Mode::Jog } else { Mode::Policy } {
            return self.outside_mode(status);
        }
        self.phase = Phase::Entered;
        if let Some(tape) = &mut self.changing.tape {
            tape.on_status(status);
        }
        let step_began = report.step.filter(|_| report.step != self.step_began);
        if step_began.is_some() {
            self.step_began = report.step;
        }
        self.changing.recorder.tick(status, step_began.is_some());
        if let Some(step) = step_began {
            let step = self.steps_before + step;
            (self.changing.progress)(self.changing.recorder.progress(step));
        }
        let max_steps = self.driving.plan.max_steps;
        let done = report.completed.map(|completed| self.steps_before + completed.step + 1);
        if done.is_some_and(|done| done >= max_steps) {
            return Some(Verdict::late(format!("gave up after {max_steps} steps")));
        }
        match by_person {
            true => self.propose(step_began.is_some()),
            false => self.look_when_due(status, step_began.is_some()),
        }
    }

    /// Lets a person take over or give back, and the arm follow who drives.
    fn look_at_hand(&mut self, status: &ServoStatus) -> Option<Verdict> {
        let now_ns = self.driving.clock.now_ns();
        match self.changing.takeover.look(now_ns, status.report.gripper) {
            Turn::Policy => {}
            Turn::Person(jog) => self.driving.arm.send(jog),
            Turn::Taken(jog) => {
                self.driving.arm.send(jog);
                self.change_hands(status, true);
            }
            Turn::GivenBack => {
                self.driving.arm.send(start(self.driving));
                self.change_hands(status, false);
            }
            Turn::Lost(why) => {
                return Some(Verdict::failure(format!("a person drove, but {why}")));
            }
        }
        None
    }

    /// The arm is somebody else's from here on: the servo counts its steps anew, and what the policy
    /// says of the state before is void.
    fn change_hands(&mut self, status: &ServoStatus, by_person: bool) {
        if let (Phase::Entered, Some(completed)) = (&self.phase, status.report.completed) {
            self.steps_before += completed.step + 1;
        }
        self.changing.recorder.begins_anew();
        let plan = self.driving.plan;
        self.pacer = Pacer::new(plan.pace, plan.horizon);
        self.phase = Phase::Entering { since_ns: self.driving.clock.now_ns() };
        (self.step_began, self.waiting) = (None, None);
        if let Some(thinking) = &mut self.thinking {
            thinking.use_of = Use::Nothing;
        }
        if let Some(tape) = &mut self.changing.tape {
            tape.changes_hands(by_person);
        }
        (self.driving.changes_hands)(by_person);
    }

    /// Asks what the policy would do, where a recorded correction wants to know it.
    fn propose(&mut self, step_began: bool) -> Option<Verdict> {
        let row = self.changing.tape.as_ref()?.row();
        if !step_began || self.thinking.is_some() {
            return None;
        }
        let now_ns = self.driving.clock.now_ns();
        let plan = Plan { first_step: row, forced: Vec::new() };
        let not_before_ns = now_ns.saturating_sub(2 * jaco_core::STEP_NS);
        self.think(plan, not_before_ns, now_ns, Use::Proposal { row })
    }

    fn look_when_due(&mut self, status: &ServoStatus, step_began: bool) -> Option<Verdict> {
        let report = &status.report;
        let now_ns = self.driving.clock.now_ns();
        self.waiting = match (report.step, self.waiting) {
            (Some(_), _) => None,
            (None, waiting) => {
                let mut waiting = waiting.unwrap_or(Waiting { since_ns: now_ns, still_ns: None });
                if status.still && waiting.still_ns.is_none() {
                    waiting.still_ns = Some(status.state.stamp_ns);
                }
                Some(waiting)
            }
        };
        // The picture must show the arm where it will be when the next unit begins.
        let frame_not_before_ns = match self.waiting {
            // In async the newest picture is the best there is, if it is younger than two steps.
            None => now_ns.saturating_sub(2 * jaco_core::STEP_NS),
            Some(Waiting { still_ns: Some(still_ns), .. }) => still_ns,
            Some(Waiting { since_ns, still_ns: None }) => {
                if now_ns.saturating_sub(since_ns) < STANDSTILL_NS {
                    return None;
                }
                since_ns
            }
        };
        let next_step = match report.step {
            Some(step) => step + 1,
            None => report.next_needed_step,
        };
        if self.thinking.is_some() {
            return None;
        }
        let clock = StepClock { next_step, step_began, waiting: self.waiting.is_some() };
        let plan = self.pacer.plan(clock)?;
        self.think(plan, frame_not_before_ns, now_ns, Use::Motion)
    }

    fn think(
        &mut self,
        plan: Plan,
        frame_not_before_ns: u64,
        since_ns: u64,
        use_of: Use,
    ) -> Option<Verdict> {
        let (answer, answers) = bounded(1);
        let asked = self.driving.policy.ask(Question {
            instruction: self.driving.plan.instruction.clone(),
            horizon: self.driving.plan.horizon,
            committed: plan.forced.clone(),
            frame_not_before_ns,
            answer,
        });
        self.thinking = Some(Thinking { plan, since_ns, answers, use_of });
        asked.err().map(Verdict::failure)
    }

    fn on_answer(&mut self, answered: Answered) -> Option<Verdict> {
        let Thinking { plan, use_of, .. } = self.thinking.take()?;
        let Answered { answer, frame, began_ns } = answered;
        match use_of {
            Use::Motion => {}
            Use::Nothing => return None,
            Use::Proposal { row } => {
                if let Some(tape) = &mut self.changing.tape {
                    let statistics = self.driving.policy.statistics;
                    tape.proposals =
                        Proposals { first_row: row, actions: actions(answer.chunk, statistics) };
                }
                return None;
            }
        }
        let from_frame_ns = frame.captured_ns;
        let stream = self.pacer.answered(&plan, answer.chunk, from_frame_ns);
        self.changing.recorder.inference(
            &frame,
            plan.first_step,
            began_ns.saturating_sub(from_frame_ns),
            self.driving.clock.now_ns().saturating_sub(began_ns),
            answer.timings,
        );
        if !stream.chunk.is_empty() {
            (self.driving.streamed)(&stream);
            self.driving.arm.send(Command::Stream(stream));
        }
        None
    }

    fn outside_mode(&self, status: &ServoStatus) -> Option<Verdict> {
        match (&self.phase, status.report.mode, status.report.stop_reason) {
            (_, Mode::HandedOver, _) => {
                let reason = status.report.hold_reason;
                let detail = format!("{reason}: it is not jacod's until `jaco take`");
                // Whoever took the joystick or released the arm meant to; another program is a fault.
                Some(match reason {
                    HoldReason::ControlTaken => Verdict::failure(detail),
                    _ => Verdict::unjudged(detail),
                })
            }
            (_, Mode::Stopped, Some(StopReason::Operator)) => {
                Some(Verdict::unjudged("stopped by the operator"))
            }
            (_, Mode::Stopped, reason) => Some(Verdict::failure(
                reason.map_or_else(|| "the servo stopped".to_owned(), |reason| reason.to_string()),
            )),
            // The order to start is still on its way, or was lost.
            (Phase::Entering { since_ns }, _, _) => {
                let entry_ns = ENTRY_TIME.as_nanos() as u64;
                let waited_ns = self.driving.clock.now_ns().saturating_sub(*since_ns);
                (waited_ns > entry_ns).then(|| {
                    let seconds = ENTRY_TIME.as_secs();
                    Verdict::failure(format!("the servo did not begin within {seconds} s"))
                })
            }
            (Phase::Entered, _, _) => {
                Some(Verdict::failure(format!("the servo holds: {}", status.report.hold_reason)))
            }
        }
    }
}

/// The actions of a chunk; none of one that cannot be decoded.
fn actions(chunk: Chunk, statistics: Option<ActionStatistics>) -> Vec<Action> {
    let codec = statistics.and_then(|statistics| ActionCodec::new(statistics).ok());
    let stream = ActionStream { first_step: 0, chunk, from_frame_ns: 0 };
    jaco_servo::stream::actions(&stream, codec.as_ref()).collect()
}

#[cfg(test)]
mod tests;
