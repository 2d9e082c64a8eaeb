//! What the moving modes share: the reference that is followed, the step under way and what has
//! been sent of it, and the numbers that outlive a mode. It decides no displacement.

use crate::gripper::{finger_velocity, is_cut};
use crate::limits::acted::{Acted, Limit};
use crate::reference::Reference;
use crate::report::{CompletedStep, Counters};
use jaco_core::state::FINGERS;
use jaco_core::{Action, ArmState, Limits, Pose, TICK_S, Twist};
use nalgebra::{UnitQuaternion, Vector3};

/// What a tick wants, before the limits of speed and acceleration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub twist: Twist,
    pub finger_velocity: [f64; FINGERS],
    pub step_started: Option<u64>,
    /// The limits that acted by now: those of the command, the reference and the fingers.
    pub acted: Acted,
}

impl Wanted {
    /// Nothing moves.
    pub fn stillness() -> Self {
        Self {
            twist: Twist::zero(),
            finger_velocity: [0.0; FINGERS],
            step_started: None,
            acted: Acted::default(),
        }
    }
}

/// What the last moving mode leaves behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub counters: Counters,
    pub completed: Option<CompletedStep>,
    /// Gripper opening commanded: 1 open, 0 closed.
    pub gripper: f64,
}

impl Tally {
    /// Nothing done yet, the gripper open.
    pub fn new() -> Self {
        Self { counters: Counters::default(), completed: None, gripper: 1.0 }
    }

    /// A mode begins that counts its own.
    pub fn begin_mode(&mut self) {
        self.completed = None;
        self.counters = Counters { refused: self.counters.refused, ..Counters::default() };
    }
}

/// Reference and step under way of a moving mode.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path {
    /// `None` until the first tick, which captures the measured pose.
    reference: Option<Reference>,
    pub running: Option<RunningStep>,
}

impl Path {
    /// Where the tool point should be now.
    pub fn pose(&self) -> Option<Pose> {
        self.reference.map(|reference| *reference.pose())
    }

    /// Whether no tick has been made yet.
    pub fn is_new(&self) -> bool {
        self.reference.is_none()
    }

    /// The reference, which begins at the measured pose.
    pub fn reference(&self, state: &ArmState, limits: &Limits) -> Reference {
        self.reference.unwrap_or(Reference::at(state.pose, limits))
    }

    /// One tick along `reference`, which it keeps; `sent` is the twist of the tick before.
    pub fn follow(
        &mut self,
        mut reference: Reference,
        state: &ArmState,
        sent: &Twist,
        limits: &Limits,
        tally: &mut Tally,
    ) -> Wanted {
        let (twist, mut acted) = reference.follow(&state.pose, sent, limits);
        tally.counters.leashed_ticks += u64::from(acted.holds(Limit::Leash));
        self.reference = Some(reference);
        let finger_velocity = finger_velocity(
            tally.gripper,
            &state.closure,
            limits.finger_gain_per_s,
            limits.finger_speed_per_s,
        );
        acted.note(Limit::FingerSpeed, is_cut(&finger_velocity, limits.finger_speed_per_s));
        Wanted { twist, finger_velocity, step_started: None, acted }
    }

    /// Adds what is sent to the step under way, and closes the step if it has `ended`. What was
    /// `removed` from the twist for good is not waited for.
    pub fn account(
        &mut self,
        sent: &Twist,
        removed: &Twist,
        ended: bool,
        limits: &Limits,
        tally: &mut Tally,
    ) {
        if let Some(reference) = &mut self.reference {
            reference.give_up(removed, limits);
        }
        let Some(running) = &mut self.running else { return };
        running.sent_m += sent.linear_m_s * TICK_S;
        let turn = UnitQuaternion::from_scaled_axis(sent.angular_rad_s * TICK_S);
        running.sent_turn = turn * running.sent_turn;
        if ended {
            let turned_rad = running.sent_turn.scaled_axis();
            tally.completed = Some(CompletedStep {
                step: running.step,
                starved: running.starved,
                asked: running.asked,
                sent: action_of(&running.sent_m, &turned_rad, tally.gripper),
            });
        }
    }
}

/// The step under way, and what has been sent of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunningStep {
    pub step: u64,
    pub starved: bool,
    pub from_frame_ns: Option<u64>,
    pub asked: Action,
    sent_m: Vector3<f64>,
    sent_turn: UnitQuaternion<f64>,
}

impl RunningStep {
    /// A step that begins.
    pub fn new(step: u64, starved: bool, asked: Action, from_frame_ns: Option<u64>) -> Self {
        let (sent_m, sent_turn) = (Vector3::zeros(), UnitQuaternion::identity());
        Self { step, starved, from_frame_ns, asked, sent_m, sent_turn }
    }
}

/// The action of these displacements.
pub(super) fn action_of(
    translation_m: &Vector3<f64>,
    rotation_rad: &Vector3<f64>,
    gripper: f64,
) -> Action {
    Action { translation_m: (*translation_m).into(), rotation_rad: (*rotation_rad).into(), gripper }
}
