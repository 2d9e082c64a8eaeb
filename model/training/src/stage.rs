//! The stages of training, by name. Must never know what a stage does.

use jaco_core::Word;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is trained in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Towers and projector, by regression of simulator labels.
    Vision,
    /// The policy, by the tokens of expert streams.
    Lbc,
    /// The policy, at the first unit where its own stream goes wrong.
    Saa,
}

impl Word for Stage {
    const ALL: &'static [Self] = &[Stage::Vision, Stage::Lbc, Stage::Saa];

    fn name(self) -> &'static str {
        match self {
            Stage::Vision => "vision",
            Stage::Lbc => "lbc",
            Stage::Saa => "saa",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
