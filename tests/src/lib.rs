//! Whole-system tests that start the real programs: what they share.
//!
//! The programs must have been built: `make test` does, `cargo build --workspace` by hand.
//! Nothing here sleeps to wait for something: it looks until it is so, or until a deadline far
//! beyond what it takes has passed.

pub mod camera;
pub mod faults;
mod programs;
mod rig;

pub use programs::{PATIENCE, Running, Sim, built, poll};
pub use rig::{Rig, Setup, TASK};
