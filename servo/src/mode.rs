//! The modes of the servo and why it left them.
//!
//! Transition table; what is not listed is refused and changes nothing.
//!
//! | from \ command       | Hold | StartPolicy | StartMotion | Jog | Home   | Stop    | Reset  | Release    | Take   |
//! |----------------------|------|-------------|-------------|-----|--------|---------|--------|------------|--------|
//! | Idle                 | Idle | Policy      | Motion      | Jog | Homing | Stopped | Idle   | HandedOver | Idle   |
//! | Policy (Stream)      | Idle | Policy      | Motion      | Jog | -      | Stopped | same   | HandedOver | -      |
//! | Motion (Motion)      | Idle | Policy      | Motion      | -   | -      | Stopped | same   | HandedOver | -      |
//! | Jog                  | Idle | Policy      | Motion      | Jog | Homing | Stopped | same   | HandedOver | -      |
//! | Homing               | Idle | -           | -           | -   | -      | Stopped | same   | HandedOver | -      |
//! | HandedOver (latched) | -    | -           | -           | -   | -      | Stopped | Idle * | HandedOver | Idle * |
//! | Stopped (latched)    | -    | -           | -           | -   | -      | Stopped | Idle   | -          | -      |
//!
//! A jog during a policy's run is a person who takes over: the reference is then the measured pose,
//! and the twist changes within its limits.
//!
//! \* refused while the joystick is still held.
//!
//! By itself the servo goes from any moving mode to Idle when the commander falls silent, the
//! measured state grows old or the arm does not follow, from Homing to Idle when homing ends, and
//! to Stopped when the arm's readings stop making sense or it was restarted in motion. `Stream` is
//! taken in Policy only, `Motion` in Motion only.
//!
//! A hand on the joystick takes the arm from every mode but Stopped: the servo brakes to a hold and
//! then gives control back, for only then does the joystick move the arm. So does `Release`, and so
//! does another program that takes control. A stop outranks them: it takes the arm back. In
//! Stopped a hand changes nothing; one that is still there when it ends takes the arm then.

use jaco_core::Word;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What the servo is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Holding still, ready for orders.
    Idle,
    /// Executing action units of a policy, by step.
    Policy,
    /// Executing actions given as numbers, by step: an expert, a replay.
    Motion,
    /// Following a twist that a person gives.
    Jog,
    /// Moving to the arm's home position.
    Homing,
    /// Left to the person at the joystick, or to another program, until taken back.
    HandedOver,
    /// Stopped until reset.
    Stopped,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::Idle => "idle",
            Mode::Policy => "policy",
            Mode::Motion => "motion",
            Mode::Jog => "jog",
            Mode::Homing => "homing",
            Mode::HandedOver => "handed over",
            Mode::Stopped => "stopped",
        })
    }
}

/// Why the servo is, or was last, not moving the arm, but for stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldReason {
    /// Nothing has been asked yet.
    Started,
    /// A `Hold` was asked.
    Asked,
    /// A stop or a hand-over was reset.
    Reset,
    /// The commander sent nothing for longer than the limit.
    CommanderSilent,
    /// The arm's state could not be read for longer than the limit.
    StateOld,
    /// Homing ended well.
    Homed,
    /// Homing ended without the arm being home.
    HomingFailed,
    /// A person took the joystick; the mode is, or was, HandedOver.
    JoystickTaken,
    /// Another program took control; the mode is, or was, HandedOver.
    ControlTaken,
    /// A `Release` was asked; the mode is, or was, HandedOver.
    Released,
    /// The arm was commanded to move and did not.
    DoesNotFollow,
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HoldReason::Started => "nothing asked yet",
            HoldReason::Asked => "asked to hold",
            HoldReason::Reset => "reset",
            HoldReason::CommanderSilent => "the commander fell silent",
            HoldReason::StateOld => "the arm's state could not be read",
            HoldReason::Homed => "homing finished",
            HoldReason::HomingFailed => "homing failed",
            HoldReason::JoystickTaken => "a person took the joystick",
            HoldReason::ControlTaken => "another program took control of the arm",
            HoldReason::Released => "the arm was released",
            HoldReason::DoesNotFollow => "the arm did not follow its commands",
        })
    }
}

/// Why the servo stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StopReason {
    /// A person asked.
    Operator,
    /// The daemon found a fault.
    Supervisor,
    /// The arm reported a state that is not made of finite numbers.
    StateNotFinite,
    /// The arm left Cartesian control while it was needed.
    CartesianControlLost,
    /// Points piled up in the arm's queue: it would go on moving after the stream ends.
    QueueGrew,
    /// The arm's pose went on jumping further than an arm can move.
    PoseJumped,
    /// The arm was switched off and on while it was commanded.
    Restarted,
}

/// The words by which the command line of the servo names a reason.
impl Word for StopReason {
    const ALL: &'static [Self] = &[
        StopReason::Operator,
        StopReason::Supervisor,
        StopReason::StateNotFinite,
        StopReason::CartesianControlLost,
        StopReason::QueueGrew,
        StopReason::PoseJumped,
        StopReason::Restarted,
    ];

    fn name(self) -> &'static str {
        match self {
            StopReason::Operator => "operator",
            StopReason::Supervisor => "supervisor",
            StopReason::StateNotFinite => "state-not-finite",
            StopReason::CartesianControlLost => "cartesian-control-lost",
            StopReason::QueueGrew => "queue-grew",
            StopReason::PoseJumped => "pose-jumped",
            StopReason::Restarted => "restarted",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::Operator => "stopped by the operator",
            StopReason::Supervisor => "stopped by the daemon",
            StopReason::StateNotFinite => "the arm reported a state that is not finite",
            StopReason::CartesianControlLost => "the arm left Cartesian control",
            StopReason::QueueGrew => "points piled up in the arm's queue",
            StopReason::PoseJumped => "the arm's pose jumped further than an arm can move",
            StopReason::Restarted => "the arm was switched off and on; it must be homed again",
        })
    }
}
