//! Action streams as they arrive: which are refused, and what action each of their steps is.
//!
//! A unit is executed as the centres of its bins, or as the refined values that came with it; an
//! action in numbers as it is. Nothing here knows of steps that have begun or of the queue.

use crate::command::Refusal;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ACTION_DIMS, Action, ActionCodec, ActionStream, ActionUnit, Chunk};

/// Refuses a stream whose units or values stand for no action; its steps must fit the queue. That
/// numbers are finite is for the caller to check, on the actions.
pub fn check(stream: &ActionStream, codec: Option<&ActionCodec>) -> Result<(), Refusal> {
    let first_step = stream.first_step;
    if stream.chunk.is_empty() {
        return Err(Refusal::EmptyStream { first_step });
    }
    match &stream.chunk {
        Chunk::Units { units, values } => {
            if codec.is_none() {
                return Err(Refusal::NoStatistics { first_step });
            }
            check_units(first_step, units, values)
        }
        Chunk::Actions(_) => Ok(()),
    }
}

fn check_units(
    first_step: u64,
    units: &[ActionUnit],
    values: &[[f32; ACTION_DIMS]],
) -> Result<(), Refusal> {
    if !values.is_empty() && values.len() != units.len() {
        return Err(Refusal::ValueRows { first_step, rows: values.len(), units: units.len() });
    }
    for (step, unit) in (first_step..).zip(units) {
        let bad = unit.0.iter().position(|bin| !(1..=ACTION_BINS).contains(bin));
        if let Some(dimension) = bad {
            return Err(Refusal::UnknownBin { step, dimension, bin: unit.0[dimension] });
        }
    }
    for (step, row) in (first_step..).zip(values) {
        // NaN lies in no range.
        let bad = row.iter().position(|value| !(-1.0..=1.0).contains(value));
        if let Some(dimension) = bad {
            return Err(Refusal::BadValue { step, dimension, value: row[dimension] });
        }
    }
    Ok(())
}

/// The actions of a checked stream, in order.
pub fn actions<'a>(
    stream: &'a ActionStream,
    codec: Option<&'a ActionCodec>,
) -> impl Iterator<Item = Action> + 'a {
    (0..stream.chunk.len()).filter_map(move |index| match &stream.chunk {
        Chunk::Units { units, values } => Some(match values.get(index) {
            Some(row) => codec?.decode_values(&row.map(f64::from)),
            None => codec?.decode(&units[index]),
        }),
        Chunk::Actions(actions) => actions.get(index).copied(),
    })
}
