//! The programs of jacod, wired from the rooms below.
//!
//! | program | what it is | main parts |
//! |---|---|---|
//! | `jacod` | the controller daemon | [`daemon`], [`report`] |
//! | `jaco` | the operator's tool | [`cli`], [`client`], [`operate`] |
//! | `jaco-lab` | lockstep simulation: recording, evaluation | [`lab`] |
//! | `jaco-policy` | checkpoints: looked at, asked, merged, made, measured | [`policy_tool`] |
//! | `jaco-train` | training | [`lab`]'s sibling, [`training`] |
//!
//! The daemon and the laboratory load and ask policies through [`policy`].
//!
//! Holds no control or learning logic of its own: that is in `servo` and `model`.

pub mod api;
pub mod cli;
pub mod client;
pub mod daemon;
pub mod helper;
pub mod lab;
pub mod operate;
pub mod policy;
pub mod policy_tool;
pub mod report;
pub mod shipped;
pub mod training;
pub mod words;
