//! Tests of the trainer through its public door, on small datasets written for the purpose.
#![allow(clippy::unwrap_used)]

mod cache;
mod foreign;
mod keeping;
mod learning;
mod lerobot;
mod live;
mod parts;
mod refusals;
mod resume;
mod saa;
mod support;
