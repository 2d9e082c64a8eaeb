//! One tick of the process: law, send, read, and the watch over the arm.
//!
//! The setpoint is sent first, on the newest reading there is, so that points leave at even
//! intervals however long the read after it takes. This file decides when homing or somebody else
//! has the arm, when the arm is told to rest again, and when it is given up; it must never shape
//! motion, wait, or write to a log.

use super::follow::FollowWatch;
use super::pacer::Tick;
use super::rest::RestWatch;
use crate::command::Command;
use crate::condition::{Condition, Conditions};
use crate::core::ServoCore;
use crate::driver::{Api, CallError, Control, Driver, HomingEnd, News};
use crate::message::{Note, ServoStatus, decode_command};
use crate::mode::{HoldReason, Mode, StopReason};
use crate::report::Setpoint;
use jaco_core::{Clock, TICK_NS, Twist};
use std::fmt;

/// A tick that begins later than this is counted as late \[ns\].
const LATE_NS: u64 = 1_000_000;
/// An arm whose pose has not been read for this long is given up \[ns\].
const UNREADABLE_NS: u64 = 1_000_000_000;
/// Poses that cannot be, and no other, for this long stop the arm \[ns\].
const JUMPING_NS: u64 = 100_000_000;
/// Joints not read for this long are told to be unreadable, and end motion \[ns\]: what depends on
/// them no longer limits it.
const OLD_JOINTS_NS: u64 = 2_000_000_000;
/// Homing that takes longer than this is broken off \[ns\].
const HOMING_NS: u64 = 60_000_000_000;
/// Points in the arm's queue that are too many: it would move on for that many ticks.
const QUEUE_ALARM: u32 = 5;
/// Readings in a row of too long a queue that stop the arm; it is emptied at each.
const QUEUE_ALARMS_TO_STOP: u32 = 2;
/// Ticks between attempts to take the arm back.
const RETRY_TICKS: u64 = 50;
/// An arm that nothing moves any more rests by then \[ns\]: its own lag, and the readings'.
const COMES_TO_REST_NS: u64 = 300_000_000;
/// Ticks between two orders to rest for an arm that does not.
const INSIST_TICKS: u64 = 5;
/// From then on it is told that it moves unasked \[ns\].
const UNASKED_NS: u64 = 1_000_000_000;

/// The arm is of no more use to this process: it must end, and another take over.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Lost {
    /// Reads of the pose fail.
    #[error("the arm could not be read for {silent_ms} ms; last failure: {why}")]
    Unreadable {
        /// For how long \[ms\].
        silent_ms: u64,
        /// What the last failed read said.
        why: CallError,
    },
}

/// What the kernel granted the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grants {
    /// SCHED_FIFO.
    pub realtime: bool,
    /// Locked memory.
    pub memory_locked: bool,
}

/// Numbers that go into every status.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    ticks: u64,
    late_ticks: u64,
    missed_ticks: u64,
    worst_lateness_ns: u64,
    send_ns: u64,
    read_ns: u64,
    points_sent: u64,
    read_failures: u64,
    send_failures: u64,
    arm_queue: u32,
    queue_alarms: u32,
    queue_erasures: u64,
    joystick_held: Option<bool>,
}

/// Law and arm, and what is known of both.
#[derive(Debug)]
pub struct Cycle<A: Api, C: Clock> {
    core: ServoCore,
    driver: Driver<A>,
    clock: C,
    grants: Grants,
    rest: RestWatch,
    follow: FollowWatch,
    health: Health,
    homing_since_ns: u64,
    /// Since when nothing is sent that moves the arm \[ns\]; `None` while something is.
    still_since_ns: Option<u64>,
    /// The last attempt to take the arm back failed: the next one waits for its turn.
    take_back_failed: bool,
    does_not_follow: bool,
    moves_unasked: bool,
    last_failure: CallError,
    note: Note,
}

impl<A: Api, C: Clock> Cycle<A, C> {
    /// A cycle for a connected arm; `clock` measures the SDK's calls.
    pub fn new(mut core: ServoCore, driver: Driver<A>, clock: C, grants: Grants) -> Self {
        core.set_ready(driver.is_ready());
        Self {
            core,
            clock,
            grants,
            rest: RestWatch::default(),
            follow: FollowWatch::default(),
            health: Health::default(),
            homing_since_ns: 0,
            still_since_ns: Some(driver.state().stamp_ns),
            driver,
            take_back_failed: false,
            does_not_follow: false,
            moves_unasked: false,
            last_failure: CallError::EmptyReply { call: "GetCartesianPosition" },
            note: Note::default(),
        }
    }

    /// Takes a packet from the daemon. What is refused is noted. A packet that holds no command of
    /// this version is no sign of life either: whoever sends such cannot stop the arm.
    pub fn command(&mut self, now_ns: u64, packet: &[u8]) {
        match decode_command(packet) {
            Ok(command) => match self.core.command(now_ns, &command) {
                Ok(()) => self.obeyed(now_ns, &command),
                Err(refusal) => self.note = Note::of(refusal),
            },
            Err(error) => self.note = Note::of(error),
        }
    }

    /// What the arm itself needs for a command that the law has taken.
    fn obeyed(&mut self, now_ns: u64, command: &Command) {
        let wanted = matches!(command, Command::Stop { .. } | Command::Reset | Command::Take);
        if wanted && self.driver.control() == Control::Taken {
            // Whoever orders this has seen that somebody else has it.
            self.driver.claim();
        }
        let asks = matches!(command, Command::Reset | Command::Take)
            && self.driver.control() == Control::Ours
            && self.driver.is_homed()
            && !self.driver.is_ready();
        if asks && let Err(error) = self.driver.ask_for_cartesian_control(now_ns) {
            self.note = Note::of(error);
        }
    }

    /// The daemon has gone: slow down, stop homing.
    pub fn begin_ending(&mut self, now_ns: u64) {
        // Refused when stopped or handed over, which is as good.
        let _ = self.core.command(now_ns, &Command::Hold);
    }

    /// Whether nothing is being sent that moves the arm.
    pub fn is_still(&self) -> bool {
        !self.driver.is_homing() && self.core.report().setpoint.twist == Twist::zero()
    }

    /// The step that the commander has to send next.
    pub fn next_needed_step(&self) -> u64 {
        self.core.report().next_needed_step
    }

    /// Gives the arm back.
    pub fn release(&mut self) {
        self.driver.release();
    }

    /// One tick, `tick.due_ns` and begun at `now_ns`.
    pub fn tick(&mut self, now_ns: u64, tick: &Tick) -> Result<ServoStatus, Lost> {
        let lateness_ns = now_ns.saturating_sub(tick.due_ns);
        self.health.ticks += 1;
        self.health.missed_ticks += tick.missed;
        self.health.late_ticks += u64::from(lateness_ns > LATE_NS);
        self.health.worst_lateness_ns = self.health.worst_lateness_ns.max(lateness_ns);

        let setpoint = self.core.tick(now_ns, self.driver.state());
        let before_ns = self.clock.now_ns();
        let sent = if self.driver.is_homing() {
            self.go_home(now_ns);
            true
        } else {
            self.send(&setpoint)
        };
        let between_ns = self.clock.now_ns();
        self.health.send_ns = between_ns - before_ns;
        if sent {
            self.driver.cost(self.health.send_ns);
        }
        self.read(between_ns, tick.due_ns + TICK_NS);
        self.health.read_ns = self.clock.now_ns() - between_ns;
        self.watch_readings(now_ns)?;
        self.watch_motion(now_ns, &setpoint);
        self.watch_control(now_ns);
        if self.core.wants_homing()
            && !self.driver.is_homing()
            && self.driver.control() == Control::Ours
        {
            self.driver.begin_homing(now_ns);
            self.homing_since_ns = now_ns;
            self.does_not_follow = false;
        }
        let knows_pose = self.driver.pose_refused_for_ns(now_ns) <= JUMPING_NS;
        // While a homing is being broken off no point would reach the arm.
        let free = knows_pose && !self.driver.is_homing();
        self.core.set_ready(self.driver.is_ready() && free);
        Ok(self.status(lateness_ns))
    }

    /// Sends the point of this tick; whether one was due.
    fn send(&mut self, setpoint: &Setpoint) -> bool {
        // An arm that is not in Cartesian control has no use for points that move nothing.
        let needed = self.driver.is_ready() || setpoint.twist != Twist::zero();
        if !needed || self.driver.control() != Control::Ours {
            return false;
        }
        match self.driver.send(setpoint) {
            Ok(()) => self.health.points_sent += 1,
            Err(error) => {
                self.health.send_failures += 1;
                self.note = Note::of(error);
            }
        }
        true
    }

    fn go_home(&mut self, now_ns: u64) {
        let too_long = now_ns.saturating_sub(self.homing_since_ns) > HOMING_NS;
        if self.core.mode() == Mode::Homing && too_long {
            let seconds = HOMING_NS / 1_000_000_000;
            self.note = Note::of(format_args!("homing has not ended after {seconds} s"));
            self.core.homing_ended(false);
        }
        if self.core.mode() != Mode::Homing {
            self.driver.break_off_homing(now_ns);
        }
        match self.driver.tick_homing(now_ns, self.rest.is_at_rest(now_ns)) {
            Ok(Some(HomingEnd::Home)) => self.core.homing_ended(true),
            Ok(Some(HomingEnd::Failed(shortfall))) => {
                self.note = Note::of(shortfall);
                self.core.homing_ended(false);
            }
            Ok(Some(HomingEnd::BrokenOff) | None) => {}
            Err(error) => {
                self.health.send_failures += 1;
                self.note = Note::of(error);
            }
        }
    }

    fn read(&mut self, now_ns: u64, next_due_ns: u64) {
        match self.driver.read(now_ns, next_due_ns) {
            Ok(Some(News::Pose)) => {
                let state = self.driver.state();
                self.rest.see(state.stamp_ns, &state.pose);
            }
            Ok(Some(News::Queue(points))) => self.watch_queue(points),
            Ok(Some(News::Joystick(held))) => {
                self.health.joystick_held = held;
                self.core.set_hand(held == Some(true));
            }
            Ok(Some(News::ControlTaken)) => {
                self.note = Note::of(HoldReason::ControlTaken);
                self.core.control_taken();
            }
            Ok(Some(News::StillOurs)) => {
                if self.core.mode() == Mode::HandedOver {
                    self.driver.leave(now_ns);
                }
            }
            Ok(Some(News::Restarted)) => {
                self.note = Note::of(StopReason::Restarted);
                if self.core.is_moving() {
                    self.core.stop(StopReason::Restarted);
                }
            }
            Ok(Some(News::State | News::Control) | None) => {}
            Err(error) => {
                self.health.read_failures += 1;
                self.note = Note::of(&error);
                self.last_failure = error;
            }
        }
    }

    /// Readings that stay away, or that cannot be.
    fn watch_readings(&mut self, now_ns: u64) -> Result<(), Lost> {
        // One that rests and was moved by hand is believed after a while.
        if self.driver.pose_refused_for_ns(now_ns) > JUMPING_NS && self.core.is_moving() {
            self.core.stop(StopReason::PoseJumped);
        }
        if now_ns.saturating_sub(self.driver.state().joints_ns) > OLD_JOINTS_NS {
            self.core.end_motion(HoldReason::StateOld);
        }
        let silent_ns = now_ns.saturating_sub(self.driver.state().stamp_ns);
        // Another process would read the same poses that cannot be.
        let jumping = self.driver.pose_refused_ago_ns(now_ns).is_some_and(|ns| ns < UNREADABLE_NS);
        if silent_ns > UNREADABLE_NS && !jumping {
            let (silent_ms, why) = (silent_ns / 1_000_000, self.last_failure.clone());
            return Err(Lost::Unreadable { silent_ms, why });
        }
        Ok(())
    }

    /// Points that pile up are motion that goes on after the stream ends.
    fn watch_queue(&mut self, points: u32) {
        self.health.arm_queue = points;
        // What somebody else has queued is his; homing may queue its way.
        let ours = self.driver.control() == Control::Ours && !self.driver.is_homing();
        if points <= QUEUE_ALARM || !ours {
            self.health.queue_alarms = 0;
            return;
        }
        self.driver.erase();
        self.health.queue_erasures += 1;
        self.health.queue_alarms += 1;
        if self.health.queue_alarms >= QUEUE_ALARMS_TO_STOP {
            self.core.stop(StopReason::QueueGrew);
        }
    }

    /// The arm must go where it is sent, and rest when nothing moves it: when motion has ended, what
    /// it may still have queued is dropped, and it is told to rest again for as long as it is seen
    /// moving, for an order can be lost on its way.
    fn watch_motion(&mut self, now_ns: u64, setpoint: &Setpoint) {
        let state = self.driver.state();
        self.follow.tick(&setpoint.twist, state.stamp_ns, &state.pose);
        if self.follow.is_blocked() && self.core.is_moving() {
            self.does_not_follow = true;
            self.follow = FollowWatch::default();
            self.note = Note::of(HoldReason::DoesNotFollow);
            self.core.end_motion(HoldReason::DoesNotFollow);
        }
        self.does_not_follow &= !self.follow.is_following();

        let ours = self.driver.control() == Control::Ours;
        if setpoint.twist != Twist::zero() || self.driver.is_homing() || !ours {
            (self.still_since_ns, self.moves_unasked) = (None, false);
            return;
        }
        let Some(since_ns) = self.still_since_ns else {
            self.still_since_ns = Some(now_ns);
            if matches!(self.core.mode(), Mode::Idle | Mode::Stopped) {
                self.driver.erase();
            }
            return;
        };
        let still_ns = now_ns.saturating_sub(since_ns);
        let unruly = still_ns > COMES_TO_REST_NS && self.rest.is_seen_moving(now_ns);
        if unruly && self.health.ticks.is_multiple_of(INSIST_TICKS) {
            self.driver.insist_on_rest();
        }
        self.moves_unasked = unruly && still_ns > UNASKED_NS;
    }

    /// Leaves the arm to somebody who took it or is to have it, and takes it back when that is
    /// over or a homing was broken off.
    fn watch_control(&mut self, now_ns: u64) {
        if self.driver.is_homing() {
            return;
        }
        let control = self.driver.control();
        if self.core.mode() == Mode::HandedOver {
            if self.core.wants_hand_over() && control == Control::Ours {
                self.driver.leave(now_ns);
            }
            return;
        }
        let turn = !self.take_back_failed || self.health.ticks.is_multiple_of(RETRY_TICKS);
        if control != Control::Left || !turn {
            return;
        }
        let taken = self.driver.take_back(now_ns);
        self.take_back_failed = taken.is_err();
        if let Err(error) = taken {
            self.note = Note::of(error);
        }
    }

    fn conditions(&self, now_ns: u64) -> Conditions {
        let mut conditions = self.driver.conditions();
        let old_joints = now_ns.saturating_sub(self.driver.state().joints_ns) > OLD_JOINTS_NS;
        conditions.set(Condition::JointsUnreadable, old_joints);
        conditions.set(Condition::DoesNotFollow, self.does_not_follow);
        conditions.set(Condition::MovesUnasked, self.moves_unasked);
        let jumping = self.driver.pose_refused_for_ns(now_ns) > JUMPING_NS;
        conditions.set(Condition::PoseRefused, jumping);
        conditions
    }

    fn status(&self, lateness_ns: u64) -> ServoStatus {
        let health = &self.health;
        let sent_ns = self.clock.now_ns();
        ServoStatus {
            sent_ns,
            state: *self.driver.state(),
            report: self.core.report(),
            ticks: health.ticks,
            late_ticks: health.late_ticks,
            missed_ticks: health.missed_ticks,
            lateness_ns,
            worst_lateness_ns: health.worst_lateness_ns,
            send_ns: health.send_ns,
            read_ns: health.read_ns,
            points_sent: health.points_sent,
            read_failures: health.read_failures,
            send_failures: health.send_failures,
            arm_queue: u64::from(health.arm_queue),
            queue_erasures: health.queue_erasures,
            realtime: self.grants.realtime,
            memory_locked: self.grants.memory_locked,
            homed: self.driver.is_homed(),
            at_rest: self.rest.is_at_rest(sent_ns),
            still: self.rest.is_still(sent_ns),
            joystick_held: health.joystick_held,
            in_control: self.driver.is_in_control(),
            conditions: self.conditions(sent_ns),
            telemetry: *self.driver.telemetry(),
            note: self.note,
        }
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SCHED_FIFO: {}, locked memory: {}", self.realtime, self.memory_locked)
    }
}
