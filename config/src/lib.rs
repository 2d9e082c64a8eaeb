//! The typed, validated configuration of jacod.
//!
//! A file passes through two forms. `section` walks it as it was written: every key optional,
//! every value with the place it stands at. `resolve` turns that into [`Config`]: defaults
//! filled in, ranges and cross-references checked, units in the names. Everything wrong with a
//! file is reported at once, each fault with its file, line, key, value and what is allowed.
//!
//! This package must never read anything but its input: no file, no environment, no clock. The
//! shipped `jacod.toml` beside this package documents every key.

mod config;
mod decode;
mod problem;
mod resolve;
mod section;
mod words;

pub use config::{Api, Arm, Camera, Config, Limits, Log, Paths, Policy, Run, Sim, Source};
pub use decode::{Decode, UnknownDecode};
pub use problem::{ConfigError, Fault, Problem};
pub use words::{
    AngularFrame, Device, Dtype, Execution, Level, LogFormat, Transport, UnknownDevice, View, Word,
};
