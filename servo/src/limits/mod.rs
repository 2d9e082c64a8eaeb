//! How the limits of motion act: one file for each kind, with the pure functions that apply it
//! (units in the names). Their values are [`jaco_core::Limits`]; the order in which they act is
//! that of [`acted::Limit`], and [`crate::core`] keeps it.
//!
//! Limits know nothing of modes, steps or who asked. They must never make a number larger.

pub mod acted;
pub mod force;
pub mod joint_margin;
pub mod keep_out;
pub mod leash;
pub mod ramp;
pub mod singularity;
pub mod speed;
pub mod workspace;
