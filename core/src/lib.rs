//! The words of jacod: what a step, an action, a pose, a frame and a clock are.
//!
//! Every other package speaks in these types. This one must never do I/O, start a thread or
//! read a clock other than through [`clock::Clock`].
//!
//! Units are part of the names (`_m`, `_rad`, `_m_s`, `_rad_s`, `_ns`). Positions, linear and
//! angular velocities are in the arm's base frame: origin at the centre of the base's bottom,
//! +x to the left when one faces the connector panel, +y towards one, +z up; work is at y < 0.

pub mod action;
pub mod clock;
pub mod codec;
pub mod decode;
pub mod ethernet;
pub mod frame;
pub mod given;
pub mod gripper;
pub mod keep_out;
pub mod limits;
pub mod policy;
pub mod pose;
pub mod slot;
pub mod state;
pub mod task;
pub mod verdict;
pub mod words;

pub use action::{ACTION_DIMS, Action, ActionStream, ActionUnit, Chunk, MAX_CHUNK_STEPS};
pub use clock::{Clock, ManualClock, MonotonicClock};
pub use codec::{ActionCodec, ActionStatistics};
pub use decode::{Decode, DecodeOptions};
pub use ethernet::Ethernet;
pub use frame::{Frame, Observation};
pub use keep_out::{KeepOut, KeepOuts};
pub use limits::{Limits, LimitsError};
pub use policy::{ActionPolicy, Answer, Ask, PolicyError};
pub use pose::{Pose, Twist};
pub use slot::Slot;
pub use state::{ArmState, Wrench};
pub use task::{Task, UnknownTask};
pub use verdict::{Cause, Outcome, Verdict};
pub use words::{AngularFrame, Device, Dtype, Execution, Level, LogFormat, Transport, View, Word};

/// Length of one step, the period of the policy: 100 ms.
pub const STEP_NS: u64 = 100_000_000;
/// Length of one tick, the period of the velocity stream to the arm: 10 ms.
pub const TICK_NS: u64 = 10_000_000;
/// Ticks in a step.
pub const TICKS_PER_STEP: u64 = STEP_NS / TICK_NS;
/// Length of one step in seconds.
pub const STEP_S: f64 = STEP_NS as f64 * 1e-9;
/// Length of one tick in seconds.
pub const TICK_S: f64 = TICK_NS as f64 * 1e-9;
