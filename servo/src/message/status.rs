//! What the servo says: what it is doing before its first status, the status once a tick, and why
//! it ends.

use super::note::Note;
use crate::condition::Conditions;
use crate::report::Report;
use crate::telemetry::Telemetry;
use jaco_core::ArmState;
use serde::{Deserialize, Serialize};

/// A message to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
// Sent from a stack that has room for the largest.
#[allow(clippy::large_enum_variant)]
pub enum FromServo {
    /// What it is doing, before the first status.
    Starting(Note),
    /// Once a tick.
    Status(ServoStatus),
    /// Why it ends; nothing comes after it. A servo that ends because the daemon closed the
    /// socket says nothing.
    LastWords(Note),
}

/// The arm, the law and the process after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServoStatus {
    /// When the status was made, at the end of the tick, monotonic \[ns\].
    pub sent_ns: u64,
    /// The newest reading of the arm.
    pub state: ArmState,
    /// The law's own report.
    pub report: Report,
    /// Ticks since the start.
    pub ticks: u64,
    /// Ticks that began more than 1 ms late.
    pub late_ticks: u64,
    /// Ticks left out because the one before took too long; they are never made up for.
    pub missed_ticks: u64,
    /// How late this tick began \[ns\].
    pub lateness_ns: u64,
    /// How late the tick that was latest began \[ns\].
    pub worst_lateness_ns: u64,
    /// Time of this tick's SendBasicTrajectory \[ns\].
    pub send_ns: u64,
    /// Time of this tick's read \[ns\].
    pub read_ns: u64,
    /// Points whose send call succeeded. That they reached the arm is for readings to tell.
    pub points_sent: u64,
    /// Reads that failed, but for those of the joystick.
    pub read_failures: u64,
    /// Points whose send call failed.
    pub send_failures: u64,
    /// Points waiting in the arm's queue when last read.
    pub arm_queue: u64,
    /// Times the arm's queue was emptied because it grew.
    pub queue_erasures: u64,
    /// Whether the process runs under SCHED_FIFO.
    pub realtime: bool,
    /// Whether the process's memory is locked.
    pub memory_locked: bool,
    /// Whether the arm is homed.
    pub homed: bool,
    /// Whether the readings of the last 200 ms show an arm at rest. This, not any return code,
    /// is what says that a stop has worked.
    pub at_rest: bool,
    /// Whether the readings of the last 40 to 80 ms show the tool slower than 5 mm/s and
    /// 0.05 rad/s: sooner than `at_rest`, and less sure.
    pub still: bool,
    /// Whether a person holds the joystick; `None` while it cannot be read.
    pub joystick_held: Option<bool>,
    /// Whether the arm is in our control; not when it is left to the joystick, nor while a homing
    /// that was broken off is being cleared up.
    pub in_control: bool,
    /// What is wrong with the arm, though it answers.
    pub conditions: Conditions,
    /// What it tells beside its motion.
    pub telemetry: Telemetry,
    /// The newest refusal or fault, in words; empty if there was none yet.
    pub note: Note,
}
