//! `jaco-train` as a user starts it.
#![allow(clippy::unwrap_used)]

mod alone;
mod arm;
mod fake_daemon;
mod full;
mod given;
mod killed;
mod support;
