//! Tries of an evaluation: what they are, the folder that keeps them, what they add up to.
//!
//! A *placement* is a table that a seed has laid; a *try* is one attempt at it by one policy under
//! one way of asking, the *cell*. Tables, figures and `jaco eval` are made from stored tries and
//! from nothing else. Nothing here runs a policy, reads a clock or draws without a seed.

mod fingerprint;
mod result;
mod statistics;
mod store;
mod summary;
mod words;

pub use fingerprint::fingerprint;
pub use result::{Evaluation, Evaluations, Sweep};
pub use statistics::{Paired, pass_at, wilson_share_95};
pub use store::{EVALUATION_FILE, PICTURES_FOLDER, StoreError, TRIALS_FILE, TrialStore};
pub use summary::{CellSummary, Pair, PassAt, pairs, summarize};
pub use words::{Arm, Asked, Cell, EXPERT, Ended, Key, Policy, Try};
