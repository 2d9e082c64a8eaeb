//! The servo's law: commands and measured states in, velocities out. Pure and deterministic.
//!
//! [`ServoCore::tick`] is called every 10 ms with the newest state; its setpoint is what the arm
//! gets for the following 10 ms. Ten ticks are a step; steps are counted from the entry into
//! Policy, Motion or Jog. On entry the reference is the measured pose, and the twist always
//! changes within the acceleration limits, so no mode begins or ends with a jump.
//!
//! In real time commands arrive between ticks, and `report().next_needed_step` says what to send
//! next. In lockstep the caller asks before each tick whether it begins a step without an
//! action, looks at the world at that instant, and supplies it:
//!
//! ```
//! # use jaco_core::{Action, ArmState, Pose, TICK_NS};
//! # use jaco_servo::{Command, Limits, ServoCore};
//! # use nalgebra::{UnitQuaternion, Vector3};
//! # let pose = Pose { position_m: Vector3::new(0.0, -0.4, 0.25), orientation: UnitQuaternion::identity() };
//! # let mut state = ArmState { stamp_ns: 0, pose, joints_rad: [0.0; 6], closure: [0.0; 3] };
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
//! This file must never read a clock, do I/O or allocate in `tick`.

use crate::command::{Command, Refusal};
use crate::executor::{Beat, Executor, Queued};
use crate::gripper::finger_velocity;
use crate::limits::acceleration::limit_change;
use crate::limits::speed::limit_twist;
use crate::limits::{Limits, LimitsError};
use crate::mode::{HoldReason, Mode, StopReason};
use crate::reference::Reference;
use crate::report::{CompletedStep, Counters, Report, Setpoint};
use crate::stream;
use crate::watchdog::Watchdog;
use jaco_core::state::FINGERS;
use jaco_core::{
    Action, ActionCodec, ActionStatistics, ActionStream, ArmState, Pose, STEP_S, TICK_S, Twist,
};
use nalgebra::{UnitQuaternion, Vector3};

/// Executor, limits, watchdog and latched stop.
#[derive(Clone, Debug)]
pub struct ServoCore {
    limits: Limits,
    mode: Mode,
    hold_reason: HoldReason,
    stop_reason: Option<StopReason>,
    ready: bool,
    commander: Watchdog,
    jog_source: Watchdog,
    executor: Executor,
    codec: Option<ActionCodec>,
    /// `None` until the first tick in a moving mode, which captures the measured pose.
    reference: Option<Reference>,
    jog: Twist,
    gripper: f64,
    running: Option<RunningStep>,
    completed: Option<CompletedStep>,
    counters: Counters,
    setpoint: Setpoint,
}

/// The step under way, and what has been sent of it.
#[derive(Clone, Copy, Debug)]
struct RunningStep {
    step: u64,
    starved: bool,
    from_frame_ns: Option<u64>,
    asked: Action,
    sent_m: Vector3<f64>,
    sent_turn: UnitQuaternion<f64>,
}

impl ServoCore {
    /// A servo that holds still, with checked `limits`.
    pub fn new(limits: Limits) -> Result<Self, LimitsError> {
        limits.validate()?;
        let silence_ns = limits.commander_silence_ms.saturating_mul(1_000_000);
        Ok(Self {
            limits,
            mode: Mode::Idle,
            hold_reason: HoldReason::Started,
            stop_reason: None,
            ready: true,
            commander: Watchdog::new(silence_ns),
            jog_source: Watchdog::new(silence_ns),
            executor: Executor::new(false),
            codec: None,
            reference: None,
            jog: Twist::zero(),
            gripper: 1.0,
            running: None,
            completed: None,
            counters: Counters::default(),
            setpoint: Setpoint::default(),
        })
    }

    /// The limits given at construction.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Carries out `command`, or refuses it and changes nothing. It takes effect at the next
    /// tick.
    pub fn command(&mut self, now_ns: u64, command: &Command) -> Result<(), Refusal> {
        self.commander.heard(now_ns);
        let done = self.apply(now_ns, command);
        if done.is_err() {
            self.counters.refused += 1;
        }
        done
    }

    /// The step that the coming tick would begin but for which no action is there; `None`
    /// within a step and outside Policy and Motion.
    pub fn needs_action(&self) -> Option<u64> {
        match self.mode {
            Mode::Policy | Mode::Motion => self.executor.needs_action(),
            _ => None,
        }
    }

    /// Whether the arm is to be taken home now: Homing was asked and the twist is down to zero.
    /// Whoever does it tells the end through [`homing_ended`](Self::homing_ended).
    pub fn wants_homing(&self) -> bool {
        self.mode == Mode::Homing && self.setpoint.twist == Twist::zero()
    }

    /// Homing has ended, with the arm home or not.
    pub fn homing_ended(&mut self, home: bool) {
        if self.mode == Mode::Homing {
            self.hold(if home { HoldReason::Homed } else { HoldReason::HomingFailed });
        }
    }

    /// Whether the arm takes Cartesian velocities: homed, and in Cartesian control. It is taken
    /// to until told otherwise. Losing it in a mode that needs it stops the arm.
    pub fn set_ready(&mut self, ready: bool) {
        self.ready = ready;
        if !ready && matches!(self.mode, Mode::Policy | Mode::Motion | Mode::Jog) {
            self.stop(StopReason::CartesianControlLost);
        }
    }

    /// Stops, as a `Stop` command does; for what the process itself finds wrong.
    pub fn stop(&mut self, reason: StopReason) {
        // The first reason is the one to know.
        self.stop_reason.get_or_insert(reason);
        self.leave_to(Mode::Stopped);
    }

    /// One tick: the setpoint for the next 10 ms, from the arm's newest `state`.
    pub fn tick(&mut self, now_ns: u64, state: &ArmState) -> Setpoint {
        self.watch(now_ns, state);
        let (wanted, fingers, step_started) = match self.mode {
            Mode::Idle | Mode::Homing | Mode::Stopped => (Twist::zero(), [0.0; FINGERS], None),
            Mode::Policy | Mode::Motion => self.tick_queued(state),
            Mode::Jog => self.tick_jog(now_ns, state),
        };
        let limits = &self.limits;
        let wanted = limit_twist(&wanted, limits.linear_speed_m_s, limits.angular_speed_rad_s);
        let (linear_m_s2, angular_rad_s2) = match self.mode {
            Mode::Idle | Mode::Homing | Mode::Stopped => {
                (limits.linear_braking_m_s2, limits.angular_braking_rad_s2)
            }
            Mode::Policy | Mode::Motion | Mode::Jog => {
                (limits.linear_acceleration_m_s2, limits.angular_acceleration_rad_s2)
            }
        };
        let twist = limit_change(&self.setpoint.twist, &wanted, linear_m_s2, angular_rad_s2);
        self.setpoint = Setpoint { twist, finger_velocity: fingers, step_started };
        self.account(&twist);
        self.setpoint
    }

    /// The servo after the last tick and the commands since.
    pub fn report(&self) -> Report {
        Report {
            mode: self.mode,
            hold_reason: self.hold_reason,
            stop_reason: self.stop_reason,
            ready: self.ready,
            step: self.running.map(|running| running.step),
            next_needed_step: self.executor.next_needed_step(),
            queued_until: self.executor.queued_until(),
            queued: self.executor.len(),
            from_frame_ns: self.running.and_then(|running| running.from_frame_ns),
            reference: self.reference.map(|reference| *reference.pose()),
            gripper: self.gripper,
            setpoint: self.setpoint,
            completed: self.completed,
            counters: self.counters,
        }
    }

    fn apply(&mut self, now_ns: u64, command: &Command) -> Result<(), Refusal> {
        use Mode::{Homing, Idle, Jog, Motion, Policy, Stopped};
        match (command, self.mode) {
            (Command::Heartbeat, _) => {}
            (Command::Stop { reason }, _) => self.stop(*reason),
            (Command::Reset, Stopped) => {
                self.stop_reason = None;
                self.hold(HoldReason::Reset);
            }
            (Command::Reset, _) => {}
            (Command::Hold, Idle | Policy | Motion | Jog | Homing) => self.hold(HoldReason::Asked),
            (
                Command::StartPolicy { .. } | Command::StartMotion | Command::Jog { .. },
                Idle | Jog,
            ) if !self.ready => return Err(Refusal::NotReady { command: command.name() }),
            (
                Command::StartPolicy { statistics, pause_when_empty },
                Idle | Policy | Motion | Jog,
            ) => self.start_policy(*statistics, *pause_when_empty)?,
            (Command::StartMotion, Idle | Policy | Motion | Jog) => {
                self.enter(Motion, Executor::new(false));
            }
            (Command::Stream(stream), Policy) => self.queue_stream(stream)?,
            (Command::Motion { step, action }, Motion) => self.queue_action(*step, action)?,
            (Command::Jog { twist, gripper }, Idle | Jog) => self.jog(now_ns, twist, *gripper)?,
            (Command::Home, Idle | Jog) => self.leave_to(Homing),
            (_, mode) => return Err(Refusal::WrongMode { command: command.name(), mode }),
        }
        Ok(())
    }

    fn start_policy(
        &mut self,
        statistics: ActionStatistics,
        pause_when_empty: bool,
    ) -> Result<(), Refusal> {
        let codec = ActionCodec::new(statistics)?;
        self.enter(Mode::Policy, Executor::new(pause_when_empty));
        self.codec = Some(codec);
        Ok(())
    }

    fn queue_stream(&mut self, stream: &ActionStream) -> Result<(), Refusal> {
        let codec = self.codec.expect("Policy mode is entered with a codec");
        self.executor.check(stream.first_step, stream.units.len())?;
        stream::check(stream)?;
        for action in stream::actions(stream, &codec) {
            check_action("Stream", &action)?;
        }
        let from_frame_ns = Some(stream.from_frame_ns);
        for (step, action) in (stream.first_step..).zip(stream::actions(stream, &codec)) {
            let queued = Queued { step, action, from_frame_ns };
            self.executor.insert(queued, &mut self.counters);
        }
        Ok(())
    }

    fn queue_action(&mut self, step: u64, action: &Action) -> Result<(), Refusal> {
        check_action("Motion", action)?;
        self.executor.check(step, 1)?;
        let queued = Queued { step, action: *action, from_frame_ns: None };
        self.executor.insert(queued, &mut self.counters);
        Ok(())
    }

    fn jog(&mut self, now_ns: u64, twist: &Twist, gripper: f64) -> Result<(), Refusal> {
        check_action("Jog", &action_of(&twist.linear_m_s, &twist.angular_rad_s, gripper))?;
        if self.mode != Mode::Jog {
            self.enter(Mode::Jog, Executor::new(false));
        }
        self.jog_source.heard(now_ns);
        self.jog = *twist;
        self.gripper = gripper.clamp(0.0, 1.0);
        Ok(())
    }

    fn enter(&mut self, mode: Mode, executor: Executor) {
        self.leave_to(mode);
        self.executor = executor;
        self.completed = None;
        self.counters = Counters { refused: self.counters.refused, ..Counters::default() };
    }

    fn hold(&mut self, reason: HoldReason) {
        self.leave_to(Mode::Idle);
        self.hold_reason = reason;
    }

    fn leave_to(&mut self, mode: Mode) {
        self.mode = mode;
        self.reference = None;
        self.running = None;
        self.jog = Twist::zero();
        self.executor.clear();
    }

    fn watch(&mut self, now_ns: u64, state: &ArmState) {
        if !is_finite(state) {
            self.stop(StopReason::StateNotFinite);
        }
        if matches!(self.mode, Mode::Idle | Mode::Stopped) {
            return;
        }
        if self.commander.is_silent(now_ns) {
            self.hold(HoldReason::CommanderSilent);
            return;
        }
        let age_ns = now_ns.saturating_sub(state.stamp_ns);
        // While homing nobody reads the arm.
        if self.mode != Mode::Homing && age_ns > self.limits.state_age_ms.saturating_mul(1_000_000)
        {
            self.hold(HoldReason::StateOld);
        }
    }

    fn tick_queued(&mut self, state: &ArmState) -> (Twist, [f64; FINGERS], Option<u64>) {
        if self.reference.is_none() {
            self.gripper = state.opening().clamp(0.0, 1.0);
        }
        let mut reference = self.reference.unwrap_or(Reference::at(state.pose));
        let mut started = None;
        match self.executor.advance(&mut self.counters) {
            Beat::Stands => {
                reference.rest();
                self.running = None;
            }
            Beat::Begins(step, taken) => {
                let action = taken.map_or(Action::still(self.gripper), |queued| queued.action);
                let clipped = reference.aim(
                    &Vector3::from(action.translation_m),
                    &Vector3::from(action.rotation_rad),
                    STEP_S,
                    &self.limits,
                );
                self.counters.clipped += u64::from(clipped);
                self.gripper = action.gripper.clamp(0.0, 1.0);
                self.running = Some(RunningStep {
                    from_frame_ns: taken.and_then(|queued| queued.from_frame_ns),
                    ..RunningStep::new(step, taken.is_none(), action)
                });
                started = Some(step);
            }
            Beat::GoesOn => {}
        }
        let (twist, fingers) = self.follow(reference, state);
        (twist, fingers, started)
    }

    fn tick_jog(&mut self, now_ns: u64, state: &ArmState) -> (Twist, [f64; FINGERS], Option<u64>) {
        if self.jog_source.is_silent(now_ns) {
            self.counters.stale_jog_ticks += 1;
            self.jog = Twist::zero();
        }
        let mut reference = self.reference.unwrap_or(Reference::at(state.pose));
        let mut started = None;
        if let Beat::Begins(step, _) = self.executor.advance_unqueued(&mut self.counters) {
            self.running = Some(RunningStep::new(step, false, Action::still(self.gripper)));
            started = Some(step);
        }
        let (asked_m, asked_rad) = (self.jog.linear_m_s * TICK_S, self.jog.angular_rad_s * TICK_S);
        let clipped = reference.aim(&asked_m, &asked_rad, TICK_S, &self.limits);
        self.counters.clipped += u64::from(clipped);
        if let Some(running) = &mut self.running {
            running.asked = action_of(
                &(Vector3::from(running.asked.translation_m) + asked_m),
                &(Vector3::from(running.asked.rotation_rad) + asked_rad),
                self.gripper,
            );
        }
        let (twist, fingers) = self.follow(reference, state);
        (twist, fingers, started)
    }

    fn follow(&mut self, mut reference: Reference, state: &ArmState) -> (Twist, [f64; FINGERS]) {
        let (twist, leashed) = reference.follow(&state.pose, &self.limits);
        self.counters.leashed_ticks += u64::from(leashed);
        self.reference = Some(reference);
        let fingers = finger_velocity(
            self.gripper,
            &state.closure,
            self.limits.finger_gain_per_s,
            self.limits.finger_speed_closure_s,
        );
        (twist, fingers)
    }

    /// Adds what is sent to the step under way, and closes the step after its last tick.
    fn account(&mut self, twist: &Twist) {
        let Some(running) = &mut self.running else { return };
        running.sent_m += twist.linear_m_s * TICK_S;
        let turn = UnitQuaternion::from_scaled_axis(twist.angular_rad_s * TICK_S);
        running.sent_turn = turn * running.sent_turn;
        if self.executor.at_boundary() {
            self.completed = Some(CompletedStep {
                step: running.step,
                starved: running.starved,
                asked: running.asked,
                sent: action_of(&running.sent_m, &running.sent_turn.scaled_axis(), self.gripper),
            });
        }
    }
}

impl RunningStep {
    fn new(step: u64, starved: bool, asked: Action) -> Self {
        Self {
            step,
            starved,
            from_frame_ns: None,
            asked,
            sent_m: Vector3::zeros(),
            sent_turn: UnitQuaternion::identity(),
        }
    }
}

fn action_of(translation_m: &Vector3<f64>, rotation_rad: &Vector3<f64>, gripper: f64) -> Action {
    Action { translation_m: (*translation_m).into(), rotation_rad: (*rotation_rad).into(), gripper }
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
