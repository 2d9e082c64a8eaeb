//! Action streams as they arrive: which are refused, and what action each of their units is.
//!
//! A unit is executed as the centres of its bins, or as the refined values that came with it.
//! Nothing here knows of steps that have begun or of the queue.

use crate::command::Refusal;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{Action, ActionCodec, ActionStream};

/// Refuses a stream whose units or values stand for no action; its steps must fit the queue.
pub fn check(stream: &ActionStream) -> Result<(), Refusal> {
    let ActionStream { first_step, units, values, .. } = stream;
    let first_step = *first_step;
    if units.is_empty() {
        return Err(Refusal::EmptyStream { first_step });
    }
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
    codec: &'a ActionCodec,
) -> impl Iterator<Item = Action> + 'a {
    stream.units.iter().enumerate().map(|(index, unit)| match stream.values.get(index) {
        Some(row) => codec.decode_values(&row.map(f64::from)),
        None => codec.decode(unit),
    })
}
