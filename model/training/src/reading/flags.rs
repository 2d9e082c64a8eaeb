//! What a recorder says of its rows and episodes, and what is not trained on because of it.
//!
//! Owns the pieces that an episode falls into and which steps are states. Must never judge a number.

use super::report::LeftOut;
use super::selection::{Corrections, Selection, Success};
use crate::error::TrainError;
use jaco_dataset::Dataset;
use serde_json::Value as Json;
use std::ops::Range;

/// What a recorder notes of an episode that did what it was to do.
const SUCCESS: &str = "success";

/// Which episodes are chosen.
pub fn succeeded(dataset: &Dataset, selection: Selection) -> Result<Vec<bool>, TrainError> {
    let count = dataset.episodes().len();
    if selection.success == Success::All {
        return Ok(vec![true; count]);
    }
    let said = |index| Ok(dataset.notes(index)?.get(SUCCESS).and_then(Json::as_bool));
    let said = (0..count).map(said).collect::<Result<Vec<Option<bool>>, TrainError>>()?;
    match said.iter().any(Option::is_some) {
        true => Ok(said.into_iter().map(|success| success == Some(true)).collect()),
        false => Err(TrainError::Unfit {
            root: dataset.root().to_owned(),
            problem: "does not say of any episode whether it succeeded: label the episodes, or \
                      leave success out of the recipe"
                .to_owned(),
        }),
    }
}

/// What the recorder says of the rows of an episode.
pub struct Flags {
    /// The step missed its time.
    pub late: Vec<bool>,
    /// It has no label.
    pub unlabelled: Vec<bool>,
    /// Its picture was an old one.
    pub stale: Vec<bool>,
    /// A person corrected a policy in it.
    pub correction: Vec<bool>,
}

impl Flags {
    /// The pieces of `range` in which every row has a label that was carried out in time.
    pub fn pieces(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut pieces: Vec<Range<usize>> = Vec::new();
        for row in range.filter(|&row| !self.late[row] && !self.unlabelled[row]) {
            match pieces.last_mut() {
                Some(piece) if piece.end == row => piece.end += 1,
                _ => pieces.push(row..row + 1),
            }
        }
        pieces
    }

    /// Those of the steps that begin with `rows` that are states.
    pub fn states(
        &self,
        rows: &[usize],
        corrections: Corrections,
        left_out: &mut LeftOut,
    ) -> Vec<usize> {
        let mut states = Vec::new();
        for (step, &row) in rows.iter().enumerate() {
            let chosen = match corrections {
                Corrections::All => true,
                Corrections::Only => self.correction[row],
                Corrections::Without => !self.correction[row],
            };
            if self.stale[row] {
                left_out.stale += 1;
            } else if !chosen {
                left_out.unselected += 1;
            } else {
                states.push(step);
            }
        }
        states
    }
}

/// How many are true.
pub fn count(flags: &[bool]) -> usize {
    flags.iter().filter(|&&flag| flag).count()
}
