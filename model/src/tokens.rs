//! Action units as token ids.
//!
//! Owns the place of the 256 action tokens and of the separator in the vocabulary: bin number
//! `d` has the id `base vocabulary - d` (openvla `prismatic/vla/action_tokenizer.py`).

use crate::config::{OpenVlaConfig, UNIT_TOKENS};
use crate::error::ModelError;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ACTION_DIMS, ActionUnit};

/// Where the words of action streams are in a model's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionVocab {
    base: i64,
    separator: i64,
}

impl ActionVocab {
    /// The vocabulary of a checked configuration.
    pub fn new(config: &OpenVlaConfig) -> Self {
        Self { base: config.base_vocab(), separator: config.action_stream.separator_token_id }
    }

    /// The lowest action token: bin 256.
    pub fn first(&self) -> i64 {
        self.base - i64::from(ACTION_BINS)
    }

    /// The highest action token: bin 1.
    pub fn last(&self) -> i64 {
        self.base - 1
    }

    /// The separator `[;]` that ends a unit in a stream.
    pub fn separator(&self) -> i64 {
        self.separator
    }

    /// The seven tokens of a unit.
    pub fn tokens(&self, unit: &ActionUnit) -> [i64; ACTION_DIMS] {
        unit.0.map(|bin| self.base - i64::from(bin))
    }

    /// The seven tokens of a unit and the separator.
    pub fn unit_tokens(&self, unit: &ActionUnit) -> [i64; UNIT_TOKENS] {
        let mut tokens = [self.separator; UNIT_TOKENS];
        tokens[..ACTION_DIMS].copy_from_slice(&self.tokens(unit));
        tokens
    }

    /// The unit that seven tokens stand for.
    pub fn unit(&self, tokens: &[i64; ACTION_DIMS]) -> Result<ActionUnit, ModelError> {
        let mut unit = ActionUnit([0; ACTION_DIMS]);
        for (bin, &token) in unit.0.iter_mut().zip(tokens) {
            if token < self.first() || token > self.last() {
                let (first, last) = (self.first(), self.last());
                return Err(ModelError::NotAnAction { token, first, last });
            }
            *bin = (self.base - token) as u16;
        }
        Ok(unit)
    }

    /// The unit that the first seven of `tokens` stand for, whatever they are, and how many break
    /// the grammar: actions first, then the separator if there is an eighth. Where no action is,
    /// OpenVLA's decoding clips: a word becomes the highest bin, padding the lowest.
    pub fn unit_of_any(&self, tokens: &[i64]) -> (ActionUnit, usize) {
        let mut unit = ActionUnit([1; ACTION_DIMS]);
        let mut violations = 0;
        for (bin, &token) in unit.0.iter_mut().zip(tokens) {
            violations += usize::from(token < self.first() || token > self.last());
            *bin = (self.base - token).clamp(1, i64::from(ACTION_BINS)) as u16;
        }
        let ends = tokens.get(ACTION_DIMS);
        violations += usize::from(ends.is_some_and(|&token| token != self.separator));
        (unit, violations)
    }

    /// The tokens of a stream of units, each with its separator; refuses numbers that are no
    /// bins.
    pub fn stream_tokens(&self, units: &[ActionUnit]) -> Result<Vec<i64>, ModelError> {
        for (index, unit) in units.iter().enumerate() {
            for (dimension, &bin) in unit.0.iter().enumerate() {
                if !(1..=ACTION_BINS).contains(&bin) {
                    return Err(ModelError::Bin { unit: index, dimension, bin });
                }
            }
        }
        Ok(units.iter().flat_map(|unit| self.unit_tokens(unit)).collect())
    }
}
