//! libtorch's generator of random numbers, seeded for one purpose at a time.
//!
//! Owns the rule that makes draws repeatable: who seeds the process-wide generator holds it until
//! all is drawn. Draws elsewhere in the process at the same time would still disturb it.

use crate::error::ModelError;
use std::sync::{Mutex, PoisonError};

static GENERATOR: Mutex<()> = Mutex::new(());

/// Runs `draw` with libtorch's generators freshly seeded.
pub(super) fn seeded<T>(
    seed: u64,
    draw: impl FnOnce() -> Result<T, ModelError>,
) -> Result<T, ModelError> {
    let _held = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    draw()
}
