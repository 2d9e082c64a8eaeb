//! What is odd about the data of a run and yet trained on, in words. Must never refuse anything.

use crate::store::Store;
use jaco_core::{ACTION_DIMS, ActionStatistics};

/// Names of the dimensions of an action.
const DIMENSIONS: [&str; ACTION_DIMS] = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];

/// What is to be said of `store`, whose statistics come from a checkpoint if `continued`; `short`
/// of its `demonstrations` are shorter than the `horizon`.
pub fn notes(
    store: &Store,
    continued: bool,
    [short, demonstrations]: [usize; 2],
    horizon: usize,
) -> Vec<String> {
    let mut notes = Vec::new();
    let still: Vec<&str> = match continued {
        true => collapsed(&store.statistics),
        false => store.still.iter().map(|&dimension| DIMENSIONS[dimension]).collect(),
    };
    if !still.is_empty() {
        let names = still.join(", ");
        notes.push(match continued {
            true => format!(
                "{names}: the checkpoint's statistics have no range (q01 = q99), so every label is \
                 an end bin and every answer that one value; nothing is learnt there"
            ),
            false => {
                format!("{names}: never changes in the data; the policy will answer that one value")
            }
        });
    }
    if short > 0 {
        notes.push(format!(
            "{short} of {demonstrations} demonstrations are shorter than {horizon} steps: their \
             streams end with them, and nothing is learnt of the units beyond"
        ));
    }
    notes
}

/// Dimensions whose range is nothing.
fn collapsed(statistics: &ActionStatistics) -> Vec<&'static str> {
    let ActionStatistics { q01, q99, mask } = statistics;
    let nothing = |&dimension: &usize| mask[dimension] && q01[dimension] == q99[dimension];
    (0..ACTION_DIMS).filter(nothing).map(|dimension| DIMENSIONS[dimension]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_nothing_is_told_unless_it_is_not_used() {
        let mut statistics = ActionStatistics { q01: [-1.0; 7], q99: [1.0; 7], mask: [true; 7] };
        statistics.q01[4] = 1.0;
        (statistics.q01[6], statistics.mask[6]) = (1.0, false);
        assert_eq!(collapsed(&statistics), ["dpitch"]);
    }
}
