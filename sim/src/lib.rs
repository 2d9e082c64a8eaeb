//! A simulated Jaco2 tabletop (MuJoCo): arm, hand and base firmware, the objects of the four
//! tasks, a scripted expert, cameras.
//!
//! [`World`] is deterministic: the same options, task, seed and commands give the same states
//! bit for bit, and [`World::save`] / [`World::restore`] fork it. It must never read a clock,
//! sleep, or be needed where a real arm is.

pub mod error;
pub mod expert;
pub mod firmware;
pub mod perturbation;
mod physics;
mod random;
pub mod render;
mod scene;
pub mod server;
pub mod task;
pub mod truth;
pub mod world;

pub use error::SimError;
pub use expert::{Expert, ExpertOptions, Phase};
pub use firmware::Firmware;
pub use perturbation::{Perturbation, PerturbationOptions};
pub use render::{RenderOptions, Renderer};
pub use task::Outcome;
pub use task::placement::StartPose;
pub use truth::SceneTruth;
pub use world::{Snapshot, World, WorldOptions};

/// Version of the MuJoCo library this program runs with, e.g. `3.17.0`.
pub fn mujoco_version() -> &'static str {
    mujoco_rs::mujoco_version()
}
