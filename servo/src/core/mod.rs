//! The servo's law: commands and measured states in, velocities out. Pure and deterministic.
//!
//! [`ServoCore::tick`] is called every 10 ms with the newest state; its setpoint is what the arm
//! gets for the following 10 ms. Ten ticks are a step; steps are counted from the entry into
//! Policy, Motion or Jog. On entry the reference is the measured pose, and the twist always
//! changes within the limits of acceleration and jerk, so no mode begins or ends with a jump.
//!
//! In real time commands arrive between ticks, and `report().next_needed_step` says what to send
//! next. In lockstep the caller asks before each tick whether it begins a step without an
//! action, looks at the world at that instant, and supplies it:
//!
//! ```
//! # use jaco_core::{Action, ArmState, Limits, Pose, TICK_NS};
//! # use jaco_servo::{Command, ServoCore};
//! # use nalgebra::{UnitQuaternion, Vector3};
//! # let pose = Pose { position_m: Vector3::new(0.0, -0.4, 0.25), orientation: UnitQuaternion::identity() };
//! # let mut state = ArmState::at(0, pose);
//! let mut servo = ServoCore::new(Limits::default())?;
//! servo.command(0, &Command::StartMotion)?;
//! for tick in 0..20 {
//!     let now_ns = tick * TICK_NS;
//!     state.stamp_ns = now_ns;
//!     servo.command(now_ns, &Command::Heartbeat)?;
//!     if let Some(step) = servo.needs_action() {
//!         servo.command(now_ns, &Command::Motion { step, action: Action::still(1.0) })?;
//!     }
//!     let _setpoint = servo.tick(now_ns, &state);
//! }
//! assert_eq!(servo.report().counters.executed, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A step that has run, in lockstep with `pause_when_empty` or without, is `report().completed`
//! after its tenth tick. The heartbeat keeps the watchdog content, as on the robot.
//!
//! What a mode needs lives in its state and goes with it ([`stepping`], [`jogging`]). Nothing here
//! may read a clock, do I/O, or allocate in `tick` and `command`.

mod jogging;
mod path;
mod shaping;
mod stepping;

use crate::command::{Command, Refusal};
use crate::limits::acted::Acted;
use crate::mode::{HoldReason, Mode, StopReason};
use crate::report::{HomingRecord, Report, Setpoint};
use crate::watchdog::Watchdog;
use jaco_core::{Action, ArmState, Limits, LimitsError, Pose, Twist};
use jogging::Jogging;
use path::{Path, Tally, Wanted};
use shaping::Shaper;
use stepping::Stepping;

/// Executor, limits, watchdog and latched stop.
#[derive(Clone, Debug)]
pub struct ServoCore {
    limits: Limits,
    state: State,
    /// Why it holds, or held last.
    hold_reason: HoldReason,
    ready: bool,
    hand: bool,
    commander: Watchdog,
    tally: Tally,
    homing: HomingRecord,
    shaper: Shaper,
    setpoint: Setpoint,
    acted: Acted,
}

/// A mode with what only it needs.
#[derive(Clone, Debug)]
// The queue is held inline: changing modes must not allocate.
#[allow(clippy::large_enum_variant)]
enum State {
    Idle,
    Stepping(Stepping),
    Jogging(Jogging),
    Homing,
    HandedOver,
    Stopped(StopReason),
}

impl State {
    fn mode(&self) -> Mode {
        match self {
            State::Idle => Mode::Idle,
            State::Stepping(stepping) => stepping.mode(),
            State::Jogging(_) => Mode::Jog,
            State::Homing => Mode::Homing,
            State::HandedOver => Mode::HandedOver,
            State::Stopped(_) => Mode::Stopped,
        }
    }

    /// Whether it asks for motion, tick by tick.
    fn moves(&self) -> bool {
        matches!(self, State::Stepping(_) | State::Jogging(_))
    }

    fn path(&self) -> Path {
        match self {
            State::Stepping(stepping) => stepping.path,
            State::Jogging(jogging) => jogging.path,
            State::Idle | State::Homing | State::HandedOver | State::Stopped(_) => Path::default(),
        }
    }
}

impl ServoCore {
    /// A servo that holds still, with checked `limits`.
    pub fn new(limits: Limits) -> Result<Self, LimitsError> {
        limits.validate()?;
        Ok(Self {
            limits,
            state: State::Idle,
            hold_reason: HoldReason::Started,
            ready: true,
            hand: false,
            commander: Watchdog::new(milliseconds(limits.command_timeout_ms)),
            tally: Tally::new(),
            homing: HomingRecord::default(),
            shaper: Shaper::default(),
            setpoint: Setpoint::default(),
            acted: Acted::default(),
        })
    }

    /// The limits given at construction.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The mode.
    pub fn mode(&self) -> Mode {
        self.state.mode()
    }

    /// Carries out `command`, or refuses it and changes nothing. It takes effect at the next
    /// tick.
    pub fn command(&mut self, now_ns: u64, command: &Command) -> Result<(), Refusal> {
        self.commander.heard(now_ns);
        let done = self.apply(now_ns, command);
        if done.is_err() {
            self.tally.counters.refused += 1;
        }
        done
    }

    /// The step that the coming tick would begin but for which no action is there; `None`
    /// within a step and outside Policy and Motion.
    pub fn needs_action(&self) -> Option<u64> {
        match &self.state {
            State::Stepping(stepping) => stepping.executor.needs_action(),
            _ => None,
        }
    }

    /// Whether the arm is to be taken home now: Homing was asked and the twist is down to zero.
    /// Whoever does it tells the end through [`homing_ended`](Self::homing_ended).
    pub fn wants_homing(&self) -> bool {
        matches!(self.state, State::Homing) && self.setpoint.twist == Twist::zero()
    }

    /// Homing has ended, with the arm home or not.
    pub fn homing_ended(&mut self, home: bool) {
        if let State::Homing = self.state {
            self.hold(if home { HoldReason::Homed } else { HoldReason::HomingFailed });
            self.homing.home = home;
        }
    }

    /// Whether the arm is to be left to the joystick now: it was taken or released and the twist is
    /// down to zero. It is to be taken back when this is over.
    pub fn wants_hand_over(&self) -> bool {
        matches!(self.state, State::HandedOver) && self.setpoint.twist == Twist::zero()
    }

    /// Whether a person holds the joystick, as last read; nobody is taken to until told.
    pub fn set_hand(&mut self, held: bool) {
        self.hand = held;
    }

    /// Whether the arm takes Cartesian velocities: homed, and in Cartesian control. It is taken
    /// to until told otherwise. Losing it in a mode that needs it stops the arm.
    pub fn set_ready(&mut self, ready: bool) {
        self.ready = ready;
        if !ready && self.state.moves() {
            self.stop(StopReason::CartesianControlLost);
        }
    }

    /// Another program has taken control: nothing that is sent reaches the arm.
    pub fn control_taken(&mut self) {
        if !matches!(self.state, State::Stopped(_) | State::HandedOver) {
            self.hand_over(HoldReason::ControlTaken);
        }
    }

    /// Whether the mode is one that asks for motion, tick by tick, or homing.
    pub fn is_moving(&self) -> bool {
        self.state.moves() || matches!(self.state, State::Homing)
    }

    /// Motion that is asked for tick by tick ends in a hold; for what the process itself finds.
    pub fn end_motion(&mut self, reason: HoldReason) {
        if self.state.moves() {
            self.hold(reason);
        }
    }

    /// Stops, as a `Stop` command does; for what the process itself finds wrong.
    pub fn stop(&mut self, reason: StopReason) {
        // The first reason is the one to know.
        if !matches!(self.state, State::Stopped(_)) {
            self.leave_to(State::Stopped(reason));
        }
    }

    /// One tick: the setpoint for the next 10 ms, from the arm's newest `state`.
    pub fn tick(&mut self, now_ns: u64, state: &ArmState) -> Setpoint {
        self.watch(now_ns, state);
        let (limits, before) = (&self.limits, self.setpoint.twist);
        let wanted = match &mut self.state {
            State::Stepping(stepping) => stepping.tick(state, &before, limits, &mut self.tally),
            State::Jogging(jogging) => {
                jogging.tick(now_ns, state, &before, limits, &mut self.tally)
            }
            State::Idle | State::Homing | State::HandedOver | State::Stopped(_) => {
                Wanted::stillness()
            }
        };
        let moves = self.state.moves();
        let shaped = self.shaper.shape(now_ns, &wanted.twist, moves, state, limits);
        let Wanted { finger_velocity, step_started, mut acted, .. } = wanted;
        acted.add(shaped.acted);
        self.acted = acted;
        let (twist, removed) = (shaped.twist, shaped.removed);
        self.setpoint = Setpoint { twist, finger_velocity, step_started };
        match &mut self.state {
            State::Stepping(Stepping { path, executor, .. }) => {
                let ended = executor.at_boundary();
                path.account(&twist, &removed, ended, limits, &mut self.tally);
            }
            State::Jogging(Jogging { path, clock, .. }) => {
                let ended = clock.at_boundary();
                path.account(&twist, &removed, ended, limits, &mut self.tally);
            }
            State::Idle | State::Homing | State::HandedOver | State::Stopped(_) => {}
        }
        self.setpoint
    }

    /// The servo after the last tick and the commands since.
    pub fn report(&self) -> Report {
        let Tally { counters, completed, gripper } = self.tally;
        let path = self.state.path();
        let (next_needed_step, queued_until, queued) = match &self.state {
            State::Stepping(Stepping { executor, .. }) => {
                (executor.next_needed_step(), executor.queued_until(), executor.queued())
            }
            _ => {
                let begun = counters.executed + counters.starved;
                (begun, begun, 0)
            }
        };
        Report {
            mode: self.mode(),
            hold_reason: self.hold_reason,
            stop_reason: match self.state {
                State::Stopped(reason) => Some(reason),
                _ => None,
            },
            ready: self.ready,
            step: path.running.map(|running| running.step),
            next_needed_step,
            queued_until,
            queued,
            from_frame_ns: path.running.and_then(|running| running.from_frame_ns),
            reference: path.pose(),
            gripper,
            setpoint: self.setpoint,
            acted: self.acted,
            completed,
            counters,
            homing: self.homing,
        }
    }

    fn apply(&mut self, now_ns: u64, command: &Command) -> Result<(), Refusal> {
        use Mode::{HandedOver, Homing, Idle, Jog, Motion, Policy, Stopped};
        let counters = &mut self.tally.counters;
        match (command, &mut self.state) {
            (Command::Stream(stream), State::Stepping(stepping)) => {
                return stepping.queue_stream(stream, counters);
            }
            (Command::Motion { step, action }, State::Stepping(stepping)) => {
                return stepping.queue_action(*step, action, counters);
            }
            _ => {}
        }
        let name = command.name();
        match (command, self.mode()) {
            (Command::Heartbeat, _) => {}
            (Command::Stop { reason }, _) => self.stop(*reason),
            (Command::Reset | Command::Take, HandedOver) if self.hand => {
                return Err(Refusal::JoystickHeld);
            }
            (Command::Reset, HandedOver | Stopped) | (Command::Take, HandedOver) => {
                self.hold(HoldReason::Reset);
            }
            (Command::Reset, _) | (Command::Take, Idle) | (Command::Release, HandedOver) => {}
            (Command::Release, Idle | Policy | Motion | Jog | Homing) => {
                self.hand_over(HoldReason::Released);
            }
            (_, HandedOver) => return Err(Refusal::HandedOver { command: name }),
            (Command::Hold, Idle | Policy | Motion | Jog | Homing) => self.hold(HoldReason::Asked),
            (
                Command::StartPolicy { .. } | Command::StartMotion | Command::Jog { .. },
                Idle | Jog,
            ) if !self.ready => return Err(Refusal::NotReady { command: name }),
            (
                Command::StartPolicy { statistics, pause_when_empty },
                Idle | Policy | Motion | Jog,
            ) => {
                let stepping = Stepping::policy(*statistics, *pause_when_empty)?;
                self.enter(State::Stepping(stepping));
            }
            (Command::StartMotion, Idle | Policy | Motion | Jog) => {
                self.enter(State::Stepping(Stepping::motion()));
            }
            (Command::Jog { twist, gripper }, Idle | Policy | Jog) => {
                self.jog(now_ns, twist, *gripper)?
            }
            (Command::Home, Idle | Jog) => {
                self.leave_to(State::Homing);
                self.homing.begun += 1;
            }
            (_, mode) => return Err(Refusal::WrongMode { command: name, mode }),
        }
        Ok(())
    }

    fn jog(&mut self, now_ns: u64, twist: &Twist, gripper: f64) -> Result<(), Refusal> {
        jogging::check(twist, gripper)?;
        if !matches!(self.state, State::Jogging(_)) {
            let timeout_ns = milliseconds(self.limits.command_timeout_ms);
            self.enter(State::Jogging(Jogging::new(timeout_ns)));
        }
        if let State::Jogging(jogging) = &mut self.state {
            jogging.steer(now_ns, twist, gripper, &mut self.tally);
        }
        Ok(())
    }

    fn enter(&mut self, state: State) {
        self.leave_to(state);
        self.tally.begin_mode();
    }

    fn hold(&mut self, reason: HoldReason) {
        self.leave_to(State::Idle);
        self.hold_reason = reason;
    }

    fn hand_over(&mut self, reason: HoldReason) {
        self.leave_to(State::HandedOver);
        self.hold_reason = reason;
    }

    fn leave_to(&mut self, state: State) {
        if let State::Homing = self.state {
            self.homing.ended += 1;
            self.homing.home = false;
        }
        self.state = state;
    }

    fn watch(&mut self, now_ns: u64, state: &ArmState) {
        if let State::HandedOver = self.state {
            return;
        }
        if !is_finite(state) {
            self.stop(StopReason::StateNotFinite);
        }
        if self.hand && !matches!(self.state, State::Stopped(_)) {
            self.hand_over(HoldReason::JoystickTaken);
            return;
        }
        if matches!(self.state, State::Idle | State::Stopped(_)) {
            return;
        }
        if self.commander.is_silent(now_ns) {
            self.hold(HoldReason::CommanderSilent);
            return;
        }
        let age_ns = now_ns.saturating_sub(state.stamp_ns);
        if age_ns > milliseconds(self.limits.state_age_ms) {
            self.hold(HoldReason::StateOld);
        }
    }
}

fn milliseconds(ms: u64) -> u64 {
    ms.saturating_mul(1_000_000)
}

fn check_action(command: &'static str, action: &Action) -> Result<(), Refusal> {
    if action.is_finite() {
        Ok(())
    } else {
        Err(Refusal::NotFinite { command, values: action.to_array() })
    }
}

fn is_finite(state: &ArmState) -> bool {
    let Pose { position_m, orientation } = &state.pose;
    let pose = position_m.iter().chain(orientation.coords.iter());
    pose.chain(&state.joints_rad).chain(&state.closure).all(|value| value.is_finite())
}
