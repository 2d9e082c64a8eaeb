//! One tick of the process: law, send, read, and the watch over the arm.
//!
//! The setpoint is sent first, on the newest reading there is, so that points leave at even
//! intervals however long the read after it takes. This file decides when homing or a person at
//! the joystick has the arm, when the arm's queue is emptied, and when the arm is given up; it
//! must never shape motion, wait, or write to a log.

use super::pacer::Tick;
use super::rest::RestWatch;
use crate::command::Command;
use crate::condition::Conditions;
use crate::core::ServoCore;
use crate::driver::{Api, CallError, Driver, HomingEnd, News};
use crate::message::{Note, ServoStatus, decode_command};
use crate::mode::{Mode, StopReason};
use crate::telemetry::Telemetry;
use jaco_core::{Clock, Twist};
use std::fmt;

/// A tick that begins later than this is counted as late \[ns\].
const LATE_NS: u64 = 1_000_000;
/// Without a good read for this long the arm is given up \[ns\].
const UNREADABLE_NS: u64 = 1_000_000_000;
/// Homing that takes longer than this is given up \[ns\].
const HOMING_NS: u64 = 60_000_000_000;
/// Points in the arm's queue that are too many: it would move on for that many ticks.
const QUEUE_ALARM: u32 = 5;
/// Readings in a row of too long a queue that stop the arm; it is emptied at each.
const QUEUE_ALARMS_TO_STOP: u32 = 2;
/// Ticks between attempts to get what the arm does not give: rest, Cartesian control.
const RETRY_TICKS: u64 = 50;

/// The arm is of no more use to this process: it must end, and another take over.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Lost {
    /// Reads fail.
    #[error("the arm could not be read for {silent_ms} ms; last failure: {why}")]
    Unreadable {
        /// For how long \[ms\].
        silent_ms: u64,
        /// What the last failed read said.
        why: CallError,
    },
    /// MoveHome does not return.
    #[error("homing has not ended after {} s", HOMING_NS / 1_000_000_000)]
    HomingHangs,
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
    last_read_ns: u64,
    homing_since_ns: u64,
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
    health: Health,
    was_moving: bool,
    /// The last attempt to take the arm back failed: the next one waits for its turn.
    take_back_failed: bool,
    note: Note,
}

impl<A: Api, C: Clock> Cycle<A, C> {
    /// A cycle for a connected arm; `clock` measures the SDK's calls.
    pub fn new(mut core: ServoCore, driver: Driver<A>, clock: C, grants: Grants) -> Self {
        core.set_ready(driver.is_ready());
        let health = Health { last_read_ns: driver.state().stamp_ns, ..Health::default() };
        Self {
            core,
            driver,
            clock,
            grants,
            rest: RestWatch::default(),
            health,
            was_moving: false,
            take_back_failed: false,
            note: Note::default(),
        }
    }

    /// Takes a packet from the daemon. What is refused is noted. A packet that holds no command of
    /// this version is no sign of life either: whoever sends such cannot stop the arm.
    pub fn command(&mut self, now_ns: u64, packet: &[u8]) {
        match decode_command(packet) {
            Ok(command) => {
                if let Err(refusal) = self.core.command(now_ns, &command) {
                    self.note = Note::of(refusal);
                }
            }
            Err(error) => self.note = Note::of(error),
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
        if self.driver.is_homing() {
            self.watch_homing(now_ns)?;
        } else {
            let before_ns = self.clock.now_ns();
            // An arm that is not in Cartesian control has no use for points that move nothing.
            let needed = self.driver.is_ready() || setpoint.twist != Twist::zero();
            if needed && self.driver.is_in_control() {
                match self.driver.send(&setpoint) {
                    Ok(()) => self.health.points_sent += 1,
                    Err(error) => {
                        self.health.send_failures += 1;
                        self.note = Note::of(error);
                    }
                }
            }
            let between_ns = self.clock.now_ns();
            self.read(between_ns)?;
            self.health.send_ns = between_ns - before_ns;
            self.health.read_ns = self.clock.now_ns() - between_ns;
            self.watch_standstill(now_ns);
            self.watch_control();
            if self.core.wants_homing() && self.driver.is_in_control() {
                self.driver.begin_homing();
                self.health.homing_since_ns = now_ns;
            }
        }
        Ok(self.status(lateness_ns))
    }

    fn read(&mut self, now_ns: u64) -> Result<(), Lost> {
        let news = self.driver.read(now_ns);
        match news {
            Ok(News::State) => {
                let state = self.driver.state();
                self.rest.see(state.stamp_ns, &state.pose);
            }
            Ok(News::Queue(points)) => self.watch_queue(points),
            Ok(News::Control) => self.core.set_ready(self.driver.is_ready()),
            Ok(News::Joystick(held)) => {
                self.health.joystick_held = held;
                self.core.set_hand(held == Some(true));
                if held.is_none() {
                    return Ok(());
                }
            }
            Err(error) => {
                self.health.read_failures += 1;
                self.note = Note::of(&error);
                let silent_ns = now_ns.saturating_sub(self.health.last_read_ns);
                if silent_ns > UNREADABLE_NS {
                    let silent_ms = silent_ns / 1_000_000;
                    return Err(Lost::Unreadable { silent_ms, why: error });
                }
                return Ok(());
            }
        }
        self.health.last_read_ns = now_ns;
        Ok(())
    }

    /// Points that pile up are motion that goes on after the stream ends.
    fn watch_queue(&mut self, points: u32) {
        self.health.arm_queue = points;
        // What a person at the joystick has queued is his.
        if points <= QUEUE_ALARM || !self.driver.is_in_control() {
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

    /// When motion has ended, drops what the arm may still have queued; asks again as long as a
    /// stopped arm is seen moving, or a resting one is not in Cartesian control.
    fn watch_standstill(&mut self, now_ns: u64) {
        let report = self.core.report();
        let moving = report.setpoint.twist != Twist::zero();
        let ended = self.was_moving && !moving;
        self.was_moving = moving;
        if moving || !matches!(report.mode, Mode::Idle | Mode::Stopped) {
            return;
        }
        let retry = self.health.ticks.is_multiple_of(RETRY_TICKS);
        let unruly = report.mode == Mode::Stopped && retry && !self.rest.is_at_rest(now_ns);
        if ended || unruly {
            self.driver.erase();
        }
        let readiness = self.driver.readiness();
        if retry
            && self.driver.is_in_control()
            && readiness.homed
            && !readiness.cartesian
            && let Err(error) = self.driver.ask_for_cartesian_control()
        {
            self.note = Note::of(error);
        }
    }

    /// Leaves the arm to the person who took the joystick, and takes it back when that is over or
    /// a homing was broken off.
    fn watch_control(&mut self) {
        if self.core.mode() == Mode::HandedOver {
            if self.core.wants_hand_over() && self.driver.is_in_control() {
                self.driver.leave();
                self.core.set_ready(false);
            }
            return;
        }
        let turn = !self.take_back_failed || self.health.ticks.is_multiple_of(RETRY_TICKS);
        if self.driver.is_in_control() || !turn {
            return;
        }
        let taken = self.driver.take_back();
        self.take_back_failed = taken.is_err();
        if let Err(error) = taken {
            self.note = Note::of(error);
        }
        self.core.set_ready(self.driver.is_ready());
    }

    fn watch_homing(&mut self, now_ns: u64) -> Result<(), Lost> {
        if self.core.report().mode != Mode::Homing {
            self.driver.cancel_homing();
            // Until the homing thread is back no point would reach the arm.
            self.core.set_ready(false);
        }
        // Nobody reads the arm meanwhile; the silence is not the arm's.
        self.health.last_read_ns = now_ns;
        let end = match self.driver.poll_homing() {
            Some(Ok(end)) => end,
            Some(Err(error)) => {
                self.note = Note::of(error);
                HomingEnd::Done { home: false }
            }
            None if now_ns.saturating_sub(self.health.homing_since_ns) > HOMING_NS => {
                self.driver.cancel_homing();
                return Err(Lost::HomingHangs);
            }
            None => return Ok(()),
        };
        self.core.set_ready(self.driver.is_ready());
        // One that was broken off has ended for the law already; if Homing is asked for again, a
        // later tick begins it.
        if let HomingEnd::Done { home } = end {
            self.core.homing_ended(home);
        }
        // The state is as old as homing took: too old for the mode that may come next.
        self.read(now_ns)
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
            homed: self.driver.readiness().homed,
            at_rest: self.rest.is_at_rest(sent_ns),
            still: self.rest.is_still(sent_ns),
            joystick_held: health.joystick_held,
            in_control: self.driver.is_in_control(),
            conditions: Conditions::default(),
            telemetry: Telemetry::default(),
            note: self.note,
        }
    }
}

impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SCHED_FIFO: {}, locked memory: {}", self.realtime, self.memory_locked)
    }
}
