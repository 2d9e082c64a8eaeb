//! Which rows of a dataset are trained on, and how often.
//!
//! Owns the options about what a recorder says of its rows: corrections, late steps, stale pictures,
//! an episode's success. Must never look at a row: [`super::survey`] does.

use jaco_core::Word;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How often a step of a correction may be drawn, relative to others.
pub const CORRECTION_WEIGHTS: [f64; 2] = [0.01, 100.0];

/// Which rows are trained on, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Which of those with and without a correction.
    pub corrections: Corrections,
    /// How often a step of a correction is drawn, relative to others.
    pub correction_weight: f64,
    /// Which episodes.
    pub success: Success,
    /// What becomes of steps whose picture is an old one.
    pub stale: Stale,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            corrections: Corrections::All,
            correction_weight: 1.0,
            success: Success::All,
            stale: Stale::Skip,
        }
    }
}

impl Selection {
    /// Whether it can only be done where it is recorded which steps are corrections.
    pub fn needs_corrections(&self) -> bool {
        self.corrections == Corrections::Only || self.correction_weight != 1.0
    }
}

/// Steps in which a person corrected a running policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Corrections {
    /// These and all others.
    All,
    /// These alone.
    Only,
    /// All but these.
    Without,
}

/// Episodes, by what was said of their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Success {
    /// Whatever was said.
    All,
    /// Those of which it was said that they succeeded.
    Only,
}

/// Steps whose picture was an old one when they began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stale {
    /// None is a state; their actions go on in the streams of those before.
    Skip,
    /// They are states as others are.
    Keep,
}

macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),+) => {
        impl Word for $type {
            const ALL: &'static [Self] = &[$($type::$variant),+];

            fn name(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }
    };
}

words!(Corrections: All = "all", Only = "only", Without = "without");
words!(Success: All = "all", Only = "only");
words!(Stale: Skip = "skip", Keep = "keep");

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { corrections, correction_weight, success, stale } = self;
        write!(
            f,
            "corrections {} {correction_weight} time(s), success {}, stale {}",
            corrections.name(),
            success.name(),
            stale.name()
        )
    }
}
