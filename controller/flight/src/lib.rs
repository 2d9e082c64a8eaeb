//! The flight recorder: what is remembered of the last 30 s, when that is written, and what a
//! written file says.
//!
//! A file is MCAP with messages in JSON and their schemas inside, so that Foxglove and every other
//! reader of MCAP open it. What it holds: [`channel`]. Nothing here reads a clock, runs a thread
//! or talks to an arm: the daemon feeds [`Record`] and asks [`Triggers`].

pub mod channel;
mod encode;
pub mod folder;
mod log;
pub mod message;
mod number;
mod picture;
mod read;
mod record;
mod ring;
mod schema;
mod summary;
mod trigger;

pub use encode::{EncodeError, Heading, encode};
pub use number::Number;
pub use picture::picture;
pub use read::{About, Damage, Flight, ReadError};
pub use record::{FrameSeen, Record, SPAN_NS, StreamSent, TICKS, Tick, Told, What};
pub use ring::Ring;
pub use summary::Summary;
pub use trigger::{Cause, Kind, Triggers};
