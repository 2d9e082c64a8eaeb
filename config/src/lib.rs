//! The typed, validated configuration of jacod.
//!
//! A file passes through two forms. `section` walks it as it was written: every key optional,
//! every value with the place it stands at. `resolve` turns that into [`Config`]: defaults
//! filled in, ranges and cross-references checked, units in the names. Everything wrong with a
//! file is reported at once, each fault with its file, line, key, value and what is allowed.
//!
//! This package must never read anything but its input: no file, no environment, no clock. The
//! shipped `jacod.toml` beside this package documents every key.

mod camera;
mod config;
mod encoding;
mod limits;
mod place;
mod problem;
mod record;
mod resolve;
mod section;
pub mod teleop;

pub use camera::{Camera, CameraFormat, Controls, PowerLine, Setting, Source, VideoDevice};
pub use config::{Api, Arm, Config, Log, Paths, Policy, Run, Sim};
pub use jaco_core::{KeepOut, KeepOuts, Limits};
pub use problem::{ConfigError, Fault, Problem};
pub use record::{Pictures, Record};
pub use teleop::Teleop;
