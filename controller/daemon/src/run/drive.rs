//! The loop of one autonomous run: it stands between the servo's steps and the policy's thread.
//!
//! It waits on four things at once: the servo's statuses, the policy's answers, the operator's
//! word, and silence. Nothing is waited for without end: entry into policy mode and every answer
//! have a deadline. When to think and what to send is [`Pacer`]'s rule.

use super::RunPlan;
use super::attempt::AttemptRecorder;
use super::pacer::{Pace, Pacer, Plan, StepClock};
use crate::activity::{ENTRY_TIME, Guard};
use crate::arm::Arm;
use crate::policy::{Answered, PolicyHandle, Question};
use crossbeam_channel::{Receiver, bounded, never, select};
use jaco_api::Progress;
use jaco_core::{ActionStream, Clock, Verdict};
use jaco_servo::{Command, HoldReason, Mode, ServoStatus, StopReason};
use std::time::Duration;

/// Silence of the servo after which a run is given up.
const SERVO_SILENCE: Duration = Duration::from_secs(1);
/// Standing still that does not come within this time is no longer waited for before a look
/// \[ns\].
const STANDSTILL_NS: u64 = 1_000_000_000;

/// How the verdict begins on a run that took too long: no part of it has a fault.
const GAVE_UP: &str = "gave up";

/// Whether a run that ended with `verdict` was ended by a fault.
pub fn is_fault(verdict: &Verdict) -> bool {
    verdict.success == Some(false) && !verdict.detail.starts_with(GAVE_UP)
}

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
}

/// Drives until success, failure or somebody's word. Whoever holds the guard lets the arm hold
/// afterwards.
pub fn drive(
    driving: &Driving<'_>,
    operator: &Receiver<Verdict>,
    recorder: &mut AttemptRecorder,
    progress: &mut dyn FnMut(Progress),
) -> Verdict {
    let Driving { arm, policy, clock, plan, .. } = driving;
    let statuses = arm.follow();
    let refused_before = arm.view().status.map_or(0, |status| status.report.counters.refused);
    arm.send(Command::StartPolicy {
        statistics: policy.statistics,
        pause_when_empty: plan.pace == Pace::Sync,
    });
    let mut drive = Drive {
        driving,
        pacer: Pacer::new(plan.pace, plan.horizon),
        phase: Phase::Entering { since_ns: clock.now_ns() },
        thinking: None,
        refused_before,
        step_began: None,
        waiting: None,
        recorder,
        progress,
    };
    drive.until_verdict(&statuses, operator)
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
        if report.mode != Mode::Policy {
            return self.outside_policy_mode(status);
        }
        self.phase = Phase::Entered;
        let step_began = report.step.filter(|_| report.step != self.step_began);
        if step_began.is_some() {
            self.step_began = report.step;
        }
        self.recorder.tick(status, step_began.is_some());
        if let Some(step) = step_began {
            (self.progress)(self.recorder.progress(step));
        }
        let max_steps = self.driving.plan.max_steps;
        if report.completed.is_some_and(|completed| completed.step + 1 >= max_steps) {
            return Some(Verdict::failure(format!("{GAVE_UP} after {max_steps} steps")));
        }
        self.look_when_due(status, step_began.is_some())
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
        let clock = StepClock { next_step, step_began, waiting: self.waiting.is_some() };
        let plan = self.pacer.plan(clock)?;
        self.think(plan, frame_not_before_ns, now_ns)
    }

    fn think(&mut self, plan: Plan, frame_not_before_ns: u64, since_ns: u64) -> Option<Verdict> {
        let (answer, answers) = bounded(1);
        let asked = self.driving.policy.ask(Question {
            instruction: self.driving.plan.instruction.clone(),
            horizon: self.driving.plan.horizon,
            committed: plan.forced.clone(),
            frame_not_before_ns,
            answer,
        });
        self.thinking = Some(Thinking { plan, since_ns, answers });
        asked.err().map(Verdict::failure)
    }

    fn on_answer(&mut self, answered: Answered) -> Option<Verdict> {
        let Thinking { plan, .. } = self.thinking.take()?;
        let Answered { answer, frame, began_ns } = answered;
        let from_frame_ns = frame.captured_ns;
        let stream = self.pacer.answered(&plan, answer.chunk, from_frame_ns);
        self.recorder.inference(
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

    fn outside_policy_mode(&self, status: &ServoStatus) -> Option<Verdict> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::activity::Desk;
    use crate::arm::tests::{FakeArm, status_in};
    use crate::events::Events;
    use crate::policy::Loaded;
    use crate::policy::tests::{FakePolicy, facts, frame, ready, started};
    use jaco_api::Activity;
    use jaco_core::slot::Slot;
    use jaco_core::{Action, Ask, Chunk, ManualClock, PolicyError};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    type Behave = Box<dyn FnMut(&Ask<'_>) -> Result<Chunk, PolicyError> + Send>;

    /// A run on a fake arm, told by the test what the servo says.
    struct Bench {
        fake: Arc<FakeArm>,
        clock: Arc<ManualClock>,
        run: std::thread::JoinHandle<Verdict>,
        desk: Desk,
        left: Arc<AtomicBool>,
    }

    async fn bench(behave: Behave) -> Bench {
        let frames = Slot::default();
        frames.put(frame(u64::MAX));
        let load = move || Ok(Loaded { policy: Box::new(FakePolicy(behave)), facts: facts() });
        let (_, now, _) = started(load, frames).await;
        let policy = ready(now);
        let fake = Arc::new(FakeArm::new());
        fake.show(status_in(Mode::Idle));
        let desk = Desk::new(fake.arm.clone(), fake.latch(), Events::default());
        let guard = desk.claim(Activity::Run, "a test").unwrap();
        let clock = Arc::new(ManualClock::default());
        let (arm, time) = (fake.arm.clone(), Arc::clone(&clock));
        let left = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&left);
        let run = std::thread::spawn(move || {
            let plan =
                RunPlan { instruction: "push".into(), horizon: 2, pace: Pace::Sync, max_steps: 10 };
            let driving = Driving {
                arm: &arm,
                policy: &policy,
                clock: &*time,
                plan: &plan,
                guard: &guard,
                watched: &|| !gone.load(Ordering::SeqCst),
                streamed: &|_| {},
            };
            let (_operator, says) = bounded(1);
            drive(&driving, &says, &mut AttemptRecorder::default(), &mut |_| {})
        });
        assert_eq!(fake.next().name(), "StartPolicy", "the run listens from now on");
        Bench { fake, clock, run, desk, left }
    }

    fn still() -> Behave {
        Box::new(|_| Ok(Chunk::Actions(heapless::Vec::from_slice(&[Action::still(1.0)]).unwrap())))
    }

    /// It waited for ever.
    #[tokio::test]
    async fn a_run_that_cannot_begin_ends_with_the_servos_words() {
        let bench = bench(still()).await;
        let mut status = status_in(Mode::Idle);
        status.report.counters.refused += 1;
        status.note = jaco_servo::message::Note::of("StartPolicy: refuses Cartesian control");
        bench.fake.show(status);
        let verdict = bench.run.join().unwrap();
        assert_eq!(verdict.success, Some(false));
        assert!(verdict.detail.contains("refuses Cartesian control"), "{}", verdict.detail);
    }

    #[tokio::test]
    async fn a_run_that_does_not_begin_in_time_ends() {
        let bench = bench(still()).await;
        bench.fake.show(status_in(Mode::Idle));
        bench.clock.advance_ns(ENTRY_TIME.as_nanos() as u64 + 1);
        bench.fake.show(status_in(Mode::Idle));
        assert!(bench.run.join().unwrap().detail.contains("did not begin within 3 s"));
    }

    /// A hung decode in sync never ended the run.
    #[tokio::test]
    async fn a_policy_that_hangs_ends_the_run() {
        let (hang, hung) = bounded::<()>(0);
        let (asked, asks) = bounded(1);
        let hangs = Box::new(move |_: &Ask<'_>| {
            asked.send(()).unwrap();
            let _ = hung.recv();
            Err(PolicyError("woken".to_owned()))
        });
        let bench = bench(hangs).await;
        bench.fake.show(status_in(Mode::Policy));
        asks.recv().unwrap();
        bench.clock.advance_ns(2_000_000_000);
        bench.fake.show(status_in(Mode::Policy));
        let verdict = bench.run.join().unwrap();
        assert!(verdict.detail.contains("has not answered within 1 s"), "{}", verdict.detail);
        drop(hang);
    }

    #[tokio::test]
    async fn a_hand_on_the_joystick_ends_the_run_and_is_named() {
        let bench = bench(still()).await;
        bench.fake.show(status_in(Mode::Policy));
        let mut taken = status_in(Mode::HandedOver);
        taken.report.hold_reason = HoldReason::JoystickTaken;
        bench.fake.show(taken);
        let verdict = bench.run.join().unwrap();
        assert_eq!(verdict.success, None);
        assert!(verdict.detail.contains("a person took the joystick"), "{}", verdict.detail);
    }

    #[tokio::test]
    async fn a_run_whose_arm_another_program_takes_has_failed() {
        let bench = bench(still()).await;
        bench.fake.show(status_in(Mode::Policy));
        let mut taken = status_in(Mode::HandedOver);
        taken.report.hold_reason = HoldReason::ControlTaken;
        bench.fake.show(taken);
        let verdict = bench.run.join().unwrap();
        assert_eq!(verdict.success, Some(false));
        assert!(verdict.detail.contains("`jaco take`"), "{}", verdict.detail);
    }

    #[tokio::test]
    async fn a_run_that_is_told_to_end_ends() {
        let bench = bench(still()).await;
        bench.fake.show(status_in(Mode::Policy));
        bench.desk.end("stopped by the operator");
        bench.fake.show(status_in(Mode::Policy));
        assert_eq!(bench.run.join().unwrap().detail, "stopped by the operator");
    }

    /// Its client could go away before it had been told of the run: the arm drove on to the end.
    #[tokio::test]
    async fn a_run_that_nobody_watches_ends() {
        let bench = bench(still()).await;
        bench.left.store(true, Ordering::SeqCst);
        bench.fake.show(status_in(Mode::Policy));
        assert_eq!(bench.run.join().unwrap().detail, "the client of the run went away");
    }

    /// Frames of sync execution may predate standstill.
    #[tokio::test]
    async fn no_look_is_taken_before_the_arm_stands() {
        let (asked, asks) = bounded(1);
        let tells = Box::new(move |ask: &Ask<'_>| {
            asked.send(ask.number).unwrap();
            Err(PolicyError("enough".to_owned()))
        });
        let bench = bench(tells).await;
        for _ in 0..3 {
            bench.fake.show(jaco_servo::ServoStatus { still: false, ..status_in(Mode::Policy) });
        }
        assert!(asks.is_empty());
        bench.fake.show(status_in(Mode::Policy));
        assert_eq!(asks.recv().unwrap(), 0);
        assert!(bench.run.join().unwrap().detail.contains("enough"));
    }
}
