//! What the servo can be told, and how it says no.

use crate::mode::{Mode, StopReason};
use jaco_core::codec::StatisticsError;
use jaco_core::{Action, ActionStatistics, ActionStream, Twist};
use serde::{Deserialize, Serialize};

/// An order to the servo. Every command, refused or not, also counts as a sign of life; a packet
/// that holds no command does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
// A stream is held inline, so that the cycle takes it up without allocating.
#[allow(clippy::large_enum_variant)]
pub enum Command {
    /// The commander lives. Needed at least every [`command_timeout_ms`] in a moving mode.
    ///
    /// [`command_timeout_ms`]: jaco_core::Limits::command_timeout_ms
    Heartbeat,
    /// Slow down and hold still.
    Hold,
    /// Enter Policy mode; step 0 begins when its action is there.
    StartPolicy {
        /// What units are decoded with; a policy that answers in numbers needs none.
        statistics: Option<ActionStatistics>,
        /// What to do at a step boundary with nothing queued. False: the step passes starved.
        /// True (synchronous execution: all units, then a new look): the step clock pauses, the
        /// arm holds still, and the step begins at the tick when its action has arrived.
        pause_when_empty: bool,
    },
    /// Enter Motion mode; step 0 begins when its action is there. Never pauses.
    StartMotion,
    /// What a policy wants for consecutive steps; replaces what is queued for them.
    Stream(ActionStream),
    /// The action for one step; replaces what is queued for it.
    Motion {
        /// The step, counted from mode entry.
        step: u64,
        /// What to do during it.
        action: Action,
    },
    /// Follow a twist until the next `Jog`; enters Jog mode. A twist older than
    /// [`command_timeout_ms`](jaco_core::Limits::command_timeout_ms) is taken as zero, so that a
    /// dead gamepad stops the arm though heartbeats go on.
    Jog {
        /// Velocity of the tool point, base frame.
        twist: Twist,
        /// Gripper opening to head for: 1 open, 0 closed.
        gripper: f64,
    },
    /// Stop and stay stopped until `Reset`.
    Stop {
        /// Why.
        reason: StopReason,
    },
    /// Release a latched stop, or take the arm back from a person who has let go of the joystick.
    Reset,
    /// Leave the arm to the joystick, or to another program, until `Take` or `Reset`.
    Release,
    /// Take the arm back; one that is ours is asked for Cartesian control again.
    Take,
    /// Move to the arm's home position.
    Home,
}

impl Command {
    /// The command's name, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Heartbeat => "Heartbeat",
            Command::Hold => "Hold",
            Command::StartPolicy { .. } => "StartPolicy",
            Command::StartMotion => "StartMotion",
            Command::Stream(_) => "Stream",
            Command::Motion { .. } => "Motion",
            Command::Jog { .. } => "Jog",
            Command::Stop { .. } => "Stop",
            Command::Reset => "Reset",
            Command::Release => "Release",
            Command::Take => "Take",
            Command::Home => "Home",
        }
    }
}

/// Why a command was not carried out. Nothing has changed when one is returned.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The mode does not allow the command.
    #[error("{command} is not allowed in mode {mode} (see the transition table of the servo)")]
    WrongMode {
        /// Name of the command.
        command: &'static str,
        /// The mode it met.
        mode: Mode,
    },
    /// The arm does not take Cartesian velocities.
    #[error("{command}: the arm is not homed or refuses Cartesian control; send Home first")]
    NotReady {
        /// Name of the command.
        command: &'static str,
    },
    /// Somebody else has the arm.
    #[error(
        "{command}: the arm is left to the joystick or to another program; take it back with \
         `jaco take`"
    )]
    HandedOver {
        /// Name of the command.
        command: &'static str,
    },
    /// A person is still moving the arm.
    #[error("the joystick is still held; let go of it first")]
    JoystickHeld,
    /// Units with nothing to decode them by.
    #[error(
        "the stream for step {first_step} holds units, but the policy was started without \
         statistics to decode them"
    )]
    NoStatistics {
        /// The step it was for.
        first_step: u64,
    },
    /// The statistics of a policy cannot decode units.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// A stream for no step.
    #[error("the stream for step {first_step} holds no action")]
    EmptyStream {
        /// The step it was for.
        first_step: u64,
    },
    /// A step too far ahead for the queue.
    #[error(
        "{count} action(s) from step {first_step} do not fit: the next step to begin is \
         {next_step} and the queue reaches {capacity} steps from there"
    )]
    BeyondQueue {
        /// First step of the command.
        first_step: u64,
        /// How many steps it is for.
        count: usize,
        /// The next step to begin.
        next_step: u64,
        /// Steps the queue can hold.
        capacity: usize,
    },
    /// A unit that no action token stands for.
    #[error("the unit for step {step} has bin {bin} in dimension {dimension}: not in 1..=256")]
    UnknownBin {
        /// The step of the unit.
        step: u64,
        /// The dimension at fault, 0..7.
        dimension: usize,
        /// The bin number.
        bin: u16,
    },
    /// Refined values that do not belong to the units.
    #[error(
        "the stream for step {first_step} holds {rows} row(s) of values for {units} unit(s): \
         one for each is due, or none"
    )]
    ValueRows {
        /// The step it was for.
        first_step: u64,
        /// Rows of values.
        rows: usize,
        /// Units.
        units: usize,
    },
    /// A refined value that no action is normalised to.
    #[error("the value for step {step} in dimension {dimension} is {value}: not in -1..=1")]
    BadValue {
        /// The step of the unit.
        step: u64,
        /// The dimension at fault, 0..7.
        dimension: usize,
        /// The normalised value.
        value: f32,
    },
    /// Numbers that are not finite.
    #[error(
        "{command} holds a number that is not finite: {} (six of motion, gripper)",
        values.map(|value| value.to_string()).join(", ")
    )]
    NotFinite {
        /// Name of the command.
        command: &'static str,
        /// Its numbers.
        values: [f64; 7],
    },
}
