//! What the servo tells of itself after each tick.

use crate::limits::acted::Acted;
use crate::mode::{HoldReason, Mode, StopReason};
use jaco_core::state::FINGERS;
use jaco_core::{Action, Pose, Twist};
use serde::{Deserialize, Serialize};

/// What to send to the arm for the next 10 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Setpoint {
    /// Velocity of the tool point, base frame.
    pub twist: Twist,
    /// Velocity of each finger \[closure/s\], closing is positive; 1 closure is the whole range.
    pub finger_velocity: [f64; FINGERS],
    /// The step that begins with this tick.
    pub step_started: Option<u64>,
}

/// A step that has ended, as asked and as sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletedStep {
    /// The step.
    pub step: u64,
    /// Whether no action was there for it.
    pub starved: bool,
    /// The action as it came, before any limit; standing still when starved. In Jog: the twists
    /// asked, integrated.
    pub asked: Action,
    /// The displacement that the ten twists sent add up to, and the gripper opening commanded.
    pub sent: Action,
}

/// Counts since the last entry into Policy, Motion or Jog, but for `refused`, which counts since
/// the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Steps begun with an action.
    pub executed: u64,
    /// Steps begun without one. `executed + starved` is the number of steps begun.
    pub starved: u64,
    /// Ticks the step clock was paused for want of an action.
    pub paused_ticks: u64,
    /// Units and actions dropped because their step had begun.
    pub late_units: u64,
    /// Queued actions replaced by newer ones for the same step.
    pub replaced_units: u64,
    /// Steps (in Jog: ticks) whose displacement was cut by the speed limits or the workspace.
    pub clipped: u64,
    /// Ticks at which the reference was pulled back to the leash.
    pub leashed_ticks: u64,
    /// Ticks in Jog without a fresh twist.
    pub stale_jog_ticks: u64,
    /// Commands refused since the start.
    pub refused: u64,
}

/// How homing went, counted since the start: a reader who missed statuses can tell from the counts
/// whether the homing that he asked for has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomingRecord {
    /// Homings begun: `Home` commands that were not refused.
    pub begun: u64,
    /// Homings ended, by themselves or by another command; never more than were begun.
    pub ended: u64,
    /// Whether the last one that ended left the arm at home and ready.
    pub home: bool,
}

/// The servo after its last tick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The mode.
    pub mode: Mode,
    /// Why it holds, or held last: idle, or handed over.
    pub hold_reason: HoldReason,
    /// Why it is stopped; `None` when it is not.
    pub stop_reason: Option<StopReason>,
    /// Whether the arm takes Cartesian velocities; if not, only homing is allowed.
    pub ready: bool,
    /// The step that runs; `None` before step 0, while paused and outside the stepping modes.
    pub step: Option<u64>,
    /// The first step not begun for which nothing is queued.
    pub next_needed_step: u64,
    /// One past the last step for which something is queued; the next step to begin if nothing.
    pub queued_until: u64,
    /// Actions queued.
    pub queued: usize,
    /// Capture time of the frame that the running step's action comes from, monotonic \[ns\];
    /// `None` when no action runs or it was not a policy's.
    pub from_frame_ns: Option<u64>,
    /// Where the tool point should be now; `None` outside the modes that move.
    pub reference: Option<Pose>,
    /// Gripper opening commanded: 1 open, 0 closed.
    pub gripper: f64,
    /// What was last sent.
    pub setpoint: Setpoint,
    /// The limits that acted in the last tick.
    pub acted: Acted,
    /// The step that ended last since mode entry.
    pub completed: Option<CompletedStep>,
    /// The counts.
    pub counters: Counters,
    /// How homing went.
    pub homing: HomingRecord,
}
