//! What every program of jacod shares with whoever starts it: how it reads its command line and
//! its environment, what it says on its two outputs, and how it logs.
//!
//! Standard output is for results, standard error for words and the log. A reader of either who
//! goes away is no failure; a disk that takes no result is one. Nothing here knows what a program
//! does.

pub mod args;
pub mod durable;
pub mod file;
pub mod log;
pub mod prints;
pub mod say;

use std::ffi::OsString;

/// The value of an environment variable. One that is set to nothing counts as not set: that is how
/// unit files, containers and shells switch a variable off.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
