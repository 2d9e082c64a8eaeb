//! Tests of the trainer through its public door, on small datasets written for the purpose.
#![allow(clippy::unwrap_used)]

mod foreign;
mod learning;
mod lerobot;
mod refusals;
mod resume;
mod support;
