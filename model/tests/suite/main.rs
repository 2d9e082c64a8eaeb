//! Tests of the model through its public door, against numbers of the reference
//! implementations (see `fixtures/README.md`).
#![allow(clippy::unwrap_used)]

mod checkpoint;
mod config;
mod contexts;
mod decoding;
mod forward;
mod golden;
mod image;
mod init;
mod merged;
mod numbers;
mod prompt;
mod search;
mod support;
mod tokens;
