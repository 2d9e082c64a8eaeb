//! How the limits of motion act: one file for each kind, with the pure functions that apply it
//! (units in the names). Their values are [`jaco_core::Limits`]. A new kind of limit (jerk, joint
//! margin, slow-down near a singularity) is a file here and a line where [`crate::core`] shapes
//! the twist.
//!
//! Limits know nothing of modes, steps or who asked. They must never make a number larger.

pub mod acceleration;
pub mod acted;
pub mod leash;
pub mod speed;
pub mod workspace;
