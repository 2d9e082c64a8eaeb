//! The seam between those who want actions and those who find them.
//!
//! Whoever executes (the daemon, the laboratory) knows frames, instructions, committed units and
//! answers; whether libtorch in this process, another process or another machine answers is the
//! other side's business. Nothing here decodes, waits or reaches a device.

use crate::action::{ActionUnit, Chunk};
use crate::codec::ActionStatistics;
use crate::frame::Frame;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One question to a policy, at a step boundary.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What the camera shows.
    pub frame: &'a Frame,
    /// What to do, in words.
    pub instruction: &'a str,
    /// Steps to answer for, those of `committed` included.
    pub horizon: usize,
    /// Units that will be executed before the answer can matter: the answer continues them.
    pub committed: &'a [ActionUnit],
    /// The number of the inference; draws are seeded by it.
    pub number: u64,
}

/// What a policy answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The actions for the steps behind the committed ones; at most `horizon` less those, and
    /// fewer where the policy becomes unsure.
    pub chunk: Chunk,
    /// How long its parts took, as far as the policy measures them.
    pub timings: Timings,
}

/// How long the parts of an inference took \[ns\].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// Preparing the picture.
    pub image_ns: u64,
    /// The vision towers and the projector.
    pub vision_ns: u64,
    /// The language model over the prompt and the committed units.
    pub prefill_ns: u64,
    /// The language model token by token.
    pub decode_ns: u64,
}

/// A policy could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub String);

/// Whether a policy can be given an instruction; if not, why. Answers at once, from any thread.
pub type InstructionCheck = Arc<dyn Fn(&str) -> Result<(), PolicyError> + Send + Sync>;

/// Something that answers with actions. It may take its time: whoever asks keeps the deadline.
pub trait ActionPolicy: Send {
    /// Longest answer that it was made for \[steps\].
    fn horizon(&self) -> usize;

    /// What its units are decoded with; none if it answers in numbers.
    fn statistics(&self) -> Option<ActionStatistics>;

    /// Tells which instructions it can be given.
    fn instruction_check(&self) -> InstructionCheck;

    /// Answers `ask`.
    fn answer(&mut self, ask: &Ask<'_>) -> Result<Answer, PolicyError>;
}
