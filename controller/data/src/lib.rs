//! The verbs of `jaco` about recorded datasets: looked at, edited, played back. What is decided
//! here is which episodes and which words; the files are `jaco-dataset`'s, the pictures
//! `jaco-report`'s, the arm the daemon's.

pub mod check;
pub mod edit;
pub mod label;
pub mod repair;
pub mod replay;
pub mod show;
pub mod split;
pub mod stats;
