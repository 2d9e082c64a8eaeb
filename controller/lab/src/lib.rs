//! The laboratory: a world, a servo and a policy in lockstep, faster than real time and
//! repeatable. Records training data and measures policies.
//!
//! The servo's executor and limits, the firmware emulation and the policy are the very code of
//! the daemon; only the clock is simulated. Nothing here reaches a real arm.

pub mod eval;
pub mod jobs;
pub mod lockstep;
pub mod record;
pub mod table;
pub mod worker;
