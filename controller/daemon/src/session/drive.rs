//! The loop of a session: it stands between the hand that steers, the servo's steps and the thread
//! that writes.
//!
//! It waits for the servo's statuses, the pad, a person's orders and the writer's answers at once;
//! silence of the servo ends it. With each status, and whenever the pad changes, the arm is told
//! what the hand wants, so that letting go is heard within a tick.

use super::flow::Act;
use super::plan::Recorder;
use super::sampler::Sampler;
use super::steer::Hand;
use super::store::Answer;
use super::taping::{Rest, Taping};
use crate::activity::{ENTRY_TIME, Guard};
use crate::arm::Arm;
use crossbeam_channel::{Receiver, never, select};
use jaco_api::{Label, Order, Phase, SessionEvent, SessionProgress, SpeedMode};
use jaco_camera::CameraHandle;
use jaco_core::Clock;
use jaco_servo::{Command, HoldReason, Mode, ServoStatus, StopReason};
use jaco_teleop::Press;
use std::time::Duration;

/// Silence of the servo after which a session is given up.
const SERVO_SILENCE: Duration = Duration::from_secs(1);
/// Pause between two shakes of the pad \[ns\].
const RUMBLE_EVERY_NS: u64 = 300_000_000;

/// What a session talks to.
pub struct Driving<'a> {
    /// The arm.
    pub arm: &'a Arm,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Tells when to end.
    pub guard: &'a Guard,
    /// All cameras.
    pub cameras: &'a [CameraHandle],
    /// Whether whoever asked for the session still listens.
    pub watched: &'a dyn Fn() -> bool,
    /// Hears what happens.
    pub tell: &'a dyn Fn(SessionEvent),
}

/// How a session ended.
pub struct Ended {
    /// Why.
    pub why: String,
    /// Whether it did what it was asked to.
    pub complete: bool,
    /// What is still to be written.
    pub rest: Rest,
}

/// Steers and records until somebody ends it. Whoever holds the guard lets the arm hold afterwards.
pub fn drive(
    driving: &Driving<'_>,
    hand: Hand,
    recorder: Option<Recorder>,
    orders: &Receiver<Order>,
) -> Ended {
    let now_ns = driving.clock.now_ns();
    let taping = recorder.map(|recorder| Taping::new(recorder, now_ns));
    let statuses = driving.arm.follow();
    let before = driving.arm.view().status;
    let mut drive = Drive {
        driving,
        hand,
        taping,
        sampler: Sampler::default(),
        gripper: before.map_or(1.0, |status| status.state.opening()),
        refused_before: before.map_or(0, |status| status.report.counters.refused),
        entered: false,
        since_ns: now_ns,
        steps: 0,
        still: Some(String::new()),
        engaged: false,
        speed: SpeedMode::default(),
        rumbled_ns: 0,
        faulty: Vec::new(),
        dropped_before: driving.cameras.iter().map(|camera| camera.health().dropped).sum(),
    };
    let (why, complete) = drive.until_ended(&statuses, orders);
    Ended { why, complete, rest: Rest { taping: drive.taping } }
}

struct Drive<'a> {
    driving: &'a Driving<'a>,
    hand: Hand,
    taping: Option<Taping>,
    sampler: Sampler,
    gripper: f64,
    refused_before: u64,
    entered: bool,
    since_ns: u64,
    steps: u64,
    still: Option<String>,
    engaged: bool,
    speed: SpeedMode,
    rumbled_ns: u64,
    faulty: Vec<String>,
    dropped_before: u64,
}

/// Why a session ends, and whether it did what it was asked to.
type End = (String, bool);

impl Drive<'_> {
    fn until_ended(&mut self, statuses: &Receiver<ServoStatus>, orders: &Receiver<Order>) -> End {
        let (no_changes, no_answers) = (never(), never());
        let changes = match &self.hand {
            Hand::Pad { pad, .. } => pad.changes(),
            Hand::Client(_) => no_changes,
        };
        let mut ended = self.steer();
        loop {
            if let Some((why, complete)) = ended {
                // An episode under way is kept.
                if let Some(taping) = &mut self.taping {
                    let acts = taping.flow.end(&why, complete);
                    self.carry_out(acts);
                }
                return (why, complete);
            }
            let store = self.taping.as_ref().and_then(|taping| taping.recorder.store.as_ref());
            let answers = store.map_or_else(|| no_answers.clone(), |store| store.answers.clone());
            ended = select! {
                recv(statuses) -> status => match status {
                    Ok(status) => self.on_status(&status),
                    Err(_) => Some(("the arm's process was lost".to_owned(), false)),
                },
                recv(changes) -> _ => self.steer(),
                recv(orders) -> order => match order {
                    Ok(order) => self.on_order(&order),
                    Err(_) => Some(("nobody can give orders any more".to_owned(), false)),
                },
                recv(answers) -> answer => answer.ok().and_then(|answer| self.on_answer(answer)),
                default(SERVO_SILENCE) => {
                    let seconds = SERVO_SILENCE.as_secs();
                    Some((format!("the servo has been silent for {seconds} s"), false))
                }
            };
        }
    }

    /// Tells the arm what the hand wants now.
    fn steer(&mut self) -> Option<End> {
        let now_ns = self.driving.clock.now_ns();
        // Whoever takes over goes on with what the gripper was told: what it holds is not let go.
        let wish = self.hand.wish(now_ns, self.gripper);
        self.gripper = wish.gripper.unwrap_or(self.gripper);
        self.driving.arm.send(Command::Jog { twist: wish.twist, gripper: self.gripper });
        (self.engaged, self.speed) = (wish.engaged, wish.speed);
        if wish.still != self.still {
            self.still.clone_from(&wish.still);
            (self.driving.tell)(SessionEvent::Still { why: wish.still });
        }
        wish.pressed.into_iter().find_map(|press| self.on_press(press))
    }

    fn on_press(&mut self, press: Press) -> Option<End> {
        let recording = self.taping.as_ref().is_some_and(|taping| {
            matches!(taping.flow.phase(), Phase::Recording | Phase::Deciding)
        });
        let order = match press {
            Press::StartKeep if recording => Order::Keep { label: None },
            Press::StartKeep => Order::Start,
            Press::Discard => Order::Discard,
            Press::ReRecord => Order::ReRecord,
            Press::Success if recording => Order::Keep { label: Some(Label::Success) },
            Press::Failure if recording => Order::Keep { label: Some(Label::Failure) },
            Press::Success => Order::Label { label: Label::Success },
            Press::Failure => Order::Label { label: Label::Failure },
            // The daemon hears the stop, whatever is under way.
            Press::Stop | Press::SpeedUp | Press::SpeedDown => return None,
        };
        self.on_order(&order)
    }

    fn on_order(&mut self, order: &Order) -> Option<End> {
        let now_ns = self.driving.clock.now_ns();
        match &mut self.taping {
            // What has no step is nothing to keep.
            Some(taping) if matches!(order, Order::Keep { .. }) && taping.is_empty() => {
                let acts = taping.flow.order(now_ns, &Order::Discard);
                self.carry_out(acts)
            }
            Some(taping) => {
                let acts = taping.flow.order(now_ns, order);
                self.carry_out(acts)
            }
            None if *order == Order::End => Some(("ended by the operator".to_owned(), true)),
            None => {
                let what = "nothing is recorded: `jaco record` records".to_owned();
                (self.driving.tell)(SessionEvent::Told { what });
                None
            }
        }
    }

    fn on_status(&mut self, status: &ServoStatus) -> Option<End> {
        if let Some(why) = self.driving.guard.told_to_end() {
            return Some((why, false));
        }
        if !(self.driving.watched)() {
            return Some(("the client of the session went away".to_owned(), false));
        }
        let report = &status.report;
        if report.counters.refused > self.refused_before {
            return Some((format!("the servo refused: {}", status.note), false));
        }
        if report.mode != Mode::Jog {
            if let Some(ended) = self.outside_jog(status) {
                return Some((ended, false));
            }
            return self.steer();
        }
        self.entered = true;
        let ended = self.steer();
        self.feel(status);
        let cameras = self.driving.cameras;
        let recorder = self.taping.as_ref().map(|taping| &taping.recorder);
        let mut look = || recorder.map_or_else(Vec::new, |recorder| recorder.look(cameras));
        let sampled = self.sampler.on_status(status, &mut look);
        if sampled.begins {
            (self.driving.tell)(SessionEvent::Step { step: self.steps });
            self.steps += 1;
            self.watch_cameras();
        }
        if let Some(taping) = &mut self.taping {
            taping.take(sampled.sample, sampled.missed);
        }
        let now_ns = self.driving.clock.now_ns();
        let mut acts = Vec::new();
        if let Some(taping) = &mut self.taping {
            acts = taping.flow.tick(now_ns);
            acts.extend(taping.disk_is_full());
        }
        let ended = ended.or_else(|| self.carry_out(acts));
        if sampled.begins {
            (self.driving.tell)(SessionEvent::Progress(self.progress(now_ns)));
        }
        ended
    }

    /// Shakes the pad where a limit holds the arm back.
    fn feel(&mut self, status: &ServoStatus) {
        let now_ns = status.sent_ns;
        let due = now_ns.saturating_sub(self.rumbled_ns) >= RUMBLE_EVERY_NS;
        if due && self.engaged && status.report.acted.holds_back() {
            self.rumbled_ns = now_ns;
            self.hand.feel();
        }
    }

    /// Tells of cameras that begin to fail, or work again.
    fn watch_cameras(&mut self) {
        let faults = self.driving.cameras.iter().filter_map(|camera| {
            let fault = camera.health().fault?;
            Some(format!("camera {}: {fault}", camera.name))
        });
        let faulty: Vec<String> = faults.collect();
        for what in faulty.iter().filter(|fault| !self.faulty.contains(fault)) {
            (self.driving.tell)(SessionEvent::Told { what: what.clone() });
        }
        if faulty.is_empty() && !self.faulty.is_empty() {
            let what = "all cameras give pictures again".to_owned();
            (self.driving.tell)(SessionEvent::Told { what });
        }
        self.faulty = faulty;
    }

    fn on_answer(&mut self, answer: Answer) -> Option<End> {
        let failed = match &answer {
            Answer::Failed(why) => Some(why.clone()),
            _ => None,
        };
        if let Some(taping) = &mut self.taping {
            taping.on_answer(answer, self.driving.tell);
        }
        failed.map(|why| (why, false))
    }

    /// Does what the course of the session asks for.
    fn carry_out(&mut self, acts: Vec<Act>) -> Option<End> {
        let taping = self.taping.as_mut()?;
        let mut ended = None;
        for act in acts {
            match act {
                Act::Begin => taping.begin(),
                Act::Keep { label, interrupted } => taping.keep(label, interrupted),
                Act::Discard => taping.discard(),
                Act::LabelLast(label) => taping.label_last(label),
                Act::Tell(what) => (self.driving.tell)(SessionEvent::Told { what }),
                Act::End { why, complete } => ended = Some((why, complete)),
            }
        }
        ended
    }

    fn progress(&self, now_ns: u64) -> SessionProgress {
        let dropped: u64 = self.driving.cameras.iter().map(|camera| camera.health().dropped).sum();
        let mut progress = SessionProgress {
            phase: Phase::Teleoperation,
            kept: 0,
            wanted: 0,
            steps: self.steps,
            achieved_hz: 0.0,
            flagged: 0,
            dropped_frames: dropped.saturating_sub(self.dropped_before),
            left_s: None,
            disk_left_gib: None,
            room_min: None,
            engaged: self.engaged,
            speed: self.speed,
        };
        if let Some(taping) = &self.taping {
            taping.progress(now_ns, &mut progress);
        }
        progress
    }

    /// A status outside of Jog, before the session has begun in the servo or after it ended there.
    fn outside_jog(&self, status: &ServoStatus) -> Option<String> {
        let report = &status.report;
        match (report.mode, report.hold_reason, report.stop_reason) {
            (Mode::HandedOver, HoldReason::ControlTaken, _) => {
                Some(format!("{}: `jaco take` takes the arm back", HoldReason::ControlTaken))
            }
            (Mode::HandedOver, reason, _) => Some(reason.to_string()),
            (Mode::Stopped, _, Some(StopReason::Operator)) => {
                Some("stopped by the operator".to_owned())
            }
            (Mode::Stopped, _, reason) => Some(
                reason.map_or_else(|| "the servo stopped".to_owned(), |reason| reason.to_string()),
            ),
            (_, reason, _) if self.entered => Some(format!("the servo holds: {reason}")),
            // The order to start is still on its way, or was lost.
            _ => {
                let waited_ns = self.driving.clock.now_ns().saturating_sub(self.since_ns);
                let seconds = ENTRY_TIME.as_secs();
                (waited_ns > ENTRY_TIME.as_nanos() as u64)
                    .then(|| format!("the servo did not begin within {seconds} s"))
            }
        }
    }
}
