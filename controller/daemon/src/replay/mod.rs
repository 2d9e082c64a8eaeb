//! Replays: recorded actions go back onto the arm, step by step, under all of the servo's limits.
//! The arm goes home first where that is asked for. A replay whose client goes away ends.

mod pacing;

use crate::activity::{ENTRY_TIME, Guard};
use crate::arm::Arm;
use crate::part;
use crossbeam_channel::select;
use jaco_api::{ReplayEvent, ReplayRequest};
use jaco_core::{Clock, Verdict};
use jaco_servo::{Command, HoldReason, Mode, ServoStatus};
use pacing::{Paced, paced};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that may wait for the one who asked.
const EVENT_DEPTH: usize = 256;
/// Places among them that steps must leave to the end.
const RESERVED: usize = 8;
/// Silence of the servo after which a replay is given up.
const SERVO_SILENCE: Duration = Duration::from_secs(1);
/// Steps that are queued in the servo ahead of the one that runs.
const AHEAD: u64 = 10;
/// Actions of one replay.
const MOST_ACTIONS: usize = 36_000;

/// What a replay works with.
pub struct Replay {
    /// The right to move the arm.
    pub guard: Guard,
    /// The arm.
    pub arm: Arm,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where what happens is told.
    pub outbox: mpsc::Sender<ReplayEvent>,
}

/// The channel that a replay tells through.
pub fn channel() -> (mpsc::Sender<ReplayEvent>, mpsc::Receiver<ReplayEvent>) {
    mpsc::channel(EVENT_DEPTH)
}

/// Refuses what cannot be replayed, in words.
pub fn check(request: &ReplayRequest) -> Result<(), String> {
    let actions = request.actions.len();
    if !(1..=MOST_ACTIONS).contains(&actions) {
        return Err(format!("a replay of {actions} actions: must be 1 to {MOST_ACTIONS}"));
    }
    if let Some(step) = request.actions.iter().position(|action| !action.is_finite()) {
        return Err(format!("the action of step {step} holds a number that is not finite"));
    }
    if !(0.05..=2.0).contains(&request.speed) {
        return Err(format!("a speed of {}: must be 0.05 to 2", request.speed));
    }
    Ok(())
}

/// Begins the replay on a thread of its own.
pub fn begin(replay: Replay, request: &ReplayRequest) -> std::io::Result<()> {
    let (actions, speed) = (request.actions.clone(), request.speed);
    part::spawn(
        "replay",
        move || carry_out(replay, &paced(&actions, speed)),
        |panic| {
            if let Some(panic) = panic {
                tracing::error!("the replay's thread panicked: {panic}");
            }
        },
    )?;
    Ok(())
}

fn carry_out(replay: Replay, steps: &[Paced]) {
    let Replay { guard, arm, clock, outbox } = replay;
    let feeding = part::feed();
    let mut course = Course {
        arm: &arm,
        outbox: &outbox,
        steps,
        sent: 0,
        since_ns: clock.now_ns(),
        entered: false,
        refused_before: arm.view().status.map_or(0, |status| status.report.counters.refused),
    };
    let verdict = course.run(&guard, &*clock);
    drop(feeding);
    guard.finish(&verdict.detail);
    let complete = verdict.success == Some(true);
    let _ = outbox.try_send(ReplayEvent::Ended { complete, detail: verdict.detail });
}

struct Course<'a> {
    arm: &'a Arm,
    outbox: &'a mpsc::Sender<ReplayEvent>,
    steps: &'a [Paced],
    sent: u64,
    since_ns: u64,
    entered: bool,
    refused_before: u64,
}

impl Course<'_> {
    fn run(&mut self, guard: &Guard, clock: &dyn Clock) -> Verdict {
        let statuses = self.arm.follow();
        self.arm.send(Command::StartMotion);
        self.feed(0);
        let mut told = None;
        loop {
            let status = select! {
                recv(statuses) -> status => match status {
                    Ok(status) => status,
                    Err(_) => return Verdict::failure("the arm's process was lost"),
                },
                default(SERVO_SILENCE) => {
                    let seconds = SERVO_SILENCE.as_secs();
                    return Verdict::failure(format!("the servo has been silent for {seconds} s"));
                }
            };
            if let Some(why) = guard.told_to_end() {
                return Verdict::unjudged(why);
            }
            if self.outbox.is_closed() {
                return Verdict::unjudged("the client of the replay went away");
            }
            if status.report.counters.refused > self.refused_before {
                return Verdict::failure(format!("the servo refused: {}", status.note));
            }
            if status.report.mode != Mode::Motion {
                if let Some(verdict) = self.outside_motion(&status, clock.now_ns()) {
                    return verdict;
                }
                continue;
            }
            if !self.entered {
                self.entered = true;
                let _ = self.outbox.try_send(ReplayEvent::Started { pose: status.state.pose });
            }
            self.feed(status.report.step.map_or(0, |step| step + 1));
            let completed = status.report.completed.map(|completed| completed.step);
            if completed != told
                && let Some(step) = completed
            {
                told = completed;
                if let Some(ended) = self.tell(step, &status) {
                    return ended;
                }
            }
        }
    }

    /// Queues the steps that come next.
    fn feed(&mut self, next_step: u64) {
        while self.sent < next_step + AHEAD {
            let Some(paced) = self.steps.get(self.sent as usize) else { return };
            self.arm.send(Command::Motion { step: self.sent, action: paced.action });
            self.sent += 1;
        }
    }

    fn tell(&self, step: u64, status: &ServoStatus) -> Option<Verdict> {
        let completes = self.steps.get(step as usize).and_then(|paced| paced.completes);
        if let Some(step) = completes
            && self.outbox.capacity() > RESERVED
        {
            let event = ReplayEvent::Step {
                step,
                pose: status.state.pose,
                opening: status.state.opening(),
            };
            // A client that reads nothing misses what does not fit.
            let _ = self.outbox.try_send(event);
        }
        if (step as usize) + 1 < self.steps.len() {
            return None;
        }
        let counters = &status.report.counters;
        let missing = counters.starved;
        let all = self.steps.len();
        Some(match missing {
            0 => Verdict::said(Some(true), format!("all {all} steps were carried out")),
            _ => Verdict::failure(format!(
                "{missing} of {all} steps had nothing to do: this PC was too busy to feed the arm"
            )),
        })
    }

    fn outside_motion(&self, status: &ServoStatus, now_ns: u64) -> Option<Verdict> {
        let report = &status.report;
        match report.mode {
            Mode::HandedOver if report.hold_reason == HoldReason::ControlTaken => {
                Some(Verdict::failure(format!("{}: `jaco take` takes it back", report.hold_reason)))
            }
            Mode::HandedOver => Some(Verdict::unjudged(report.hold_reason.to_string())),
            Mode::Stopped => {
                let why = report.stop_reason.map_or_else(String::new, |why| why.to_string());
                Some(Verdict::unjudged(why))
            }
            _ if self.entered => {
                Some(Verdict::failure(format!("the servo holds: {}", report.hold_reason)))
            }
            _ => {
                let waited_ns = now_ns.saturating_sub(self.since_ns);
                let seconds = ENTRY_TIME.as_secs();
                (waited_ns > ENTRY_TIME.as_nanos() as u64).then(|| {
                    Verdict::failure(format!("the servo did not begin within {seconds} s"))
                })
            }
        }
    }
}
