//! Tests of the model through its public door, against numbers of the reference
//! implementations (see `fixtures/README.md`).
#![allow(clippy::unwrap_used)]

mod adapters;
mod checkpoint;
mod config;
mod contexts;
mod decoding;
mod example;
mod forward;
mod full_vocabulary;
mod golden;
mod image;
mod init;
mod many_rows;
mod merged;
mod numbers;
mod packed;
mod prompt;
mod seam;
mod search;
mod support;
mod tokens;

/// What the example `forward` computes, called without it.
#[path = "../../examples/forward/outputs/mod.rs"]
mod outputs;
