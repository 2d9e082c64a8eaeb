//! How other processes talk to `jaco-sim`: wire format, camera and control clients.
//!
//! One Unix stream socket serves three channels; a client names its channel in a first line of
//! text, `jaco-sim 1 <channel>\n`:
//!
//! | channel | after the first line |
//! |---|---|
//! | `sdk` | binary [`Message`]s: a [`sdk::Call`], then its [`sdk::Reply`], one at a time |
//! | `camera` | one line of JSON, a [`camera::CameraRequest`]; then frames, pushed as messages |
//! | `control` | lines of JSON: a [`control::Request`], then its [`control::Reply`], one at a time |
//!
//! All lengths are bounded before anything is allocated. What does not parse is an error with
//! its reason, and ends that connection only. Time stamps are CLOCK_MONOTONIC nanoseconds, which
//! all processes of a machine share. This package must never link MuJoCo.

pub mod camera;
pub mod control;
mod error;
mod faults;
mod json;
mod plain;
pub mod sdk;
pub mod seeds;
mod wire;

pub use camera::CameraClient;
pub use control::ControlClient;
pub use error::LinkError;
pub use plain::Plain;
pub use sdk::SdkClient;
pub use wire::{Channel, Message, read_hello, read_line, write_line};

/// Environment variable by which the SDK stand-in finds the socket.
pub const SOCKET_VARIABLE: &str = "JACO_SIM_SOCKET";

/// Environment variable which, set to anything, lets the stand-in crash as the vendor's library
/// does when a point is sent or devices are looked for before `InitAPI`.
pub const CRASH_VARIABLE: &str = "JACO_SIM_CRASH_BEFORE_INIT";

/// Environment variable that names the semaphore of the stand-in's USB layer: `/KinovaMutex` is
/// the vendor's. Without it there is none.
pub const SEMAPHORE_VARIABLE: &str = "JACO_SIM_SEMAPHORE";
