//! The 100 Hz real-time process that owns the arm, as a library.
//!
//! [`ServoCore`] is the pure part: executor, limits, watchdog and latched stop, ticked every
//! 10 ms with a measured state, giving the velocity to send. It does no I/O, reads no clock and
//! allocates nothing after construction, so that a lockstep simulation and the robot run the
//! same code. [`driver`] makes the SDK's calls, [`process`] is the loop around both, [`spawn`] is
//! the daemon's side of it.
//!
//! This package must never link a neural-network library, an async runtime or a camera.

pub mod args;
pub mod command;
pub mod condition;
pub mod core;
pub mod dead_zone;
pub mod driver;
pub mod executor;
pub mod gripper;
pub mod kinematics;
pub mod limits;
pub mod look;
pub mod message;
pub mod mode;
pub mod process;
pub mod reference;
pub mod report;
pub mod resistance;
pub mod smoothing;
pub mod spawn;
pub mod stream;
pub mod telemetry;
pub mod watchdog;

pub use crate::core::ServoCore;
pub use command::{Command, Refusal};
pub use condition::{Condition, Conditions};
pub use jaco_core::{Limits, LimitsError};
pub use limits::acted::{Acted, Limit};
pub use message::{FromServo, ServoStatus};
pub use mode::{HoldReason, Mode, StopReason};
pub use report::{CompletedStep, Counters, HomingRecord, Report, Setpoint};
pub use telemetry::Telemetry;
