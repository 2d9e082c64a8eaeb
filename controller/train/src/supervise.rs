//! `jaco train stop`: a training that goes on elsewhere, ended from its folder.
//!
//! Owns how long one that was told to end is waited for.

use crate::record::Seen;
use anyhow::{Context, bail};
use std::path::Path;
use std::time::Duration;

/// A step and a save of a large model take minutes.
const PATIENCE: Duration = Duration::from_secs(600);

/// Tells the training in the folder `out` to save and end, and waits until it has. One that has
/// ended already is left as it is.
///
/// # Errors
/// There is none, or it does not end.
pub fn stop(out: &Path) -> anyhow::Result<Seen> {
    let seen = Seen::look(out)?;
    let process = seen.record.process.as_ref().filter(|_| seen.goes_on());
    let Some(process) = process else { return Ok(seen) };
    let ended = process.end(PATIENCE).with_context(|| {
        format!("cannot tell process {} to end: is it another user's?", process.pid)
    })?;
    if !ended {
        bail!(
            "process {} was told to end {} s ago and has not yet: ask again later with \
             `jaco train status`",
            process.pid,
            PATIENCE.as_secs()
        );
    }
    Seen::look(out)
}
