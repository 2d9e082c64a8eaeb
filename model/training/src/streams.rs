//! Cutting action streams out of episodes: which units of the stream that starts at a state are
//! known to be right. Pure.

/// How many units of the stream that starts at each state may be supervised, at most `horizon`.
///
/// `label_valid[s]` is false where the action that was executed at step `s` was not its label. The
/// label of step `s` itself still answers the state at `s`, but what follows it answers states that
/// the stream does not lead to; so a stream ends with the first such unit. It also ends with the
/// episode: nothing is invented beyond.
pub fn supervised_units(label_valid: &[bool], horizon: u8) -> Vec<u8> {
    let mut units = vec![0; label_valid.len()];
    let mut following: u8 = 0;
    for (unit, &valid) in units.iter_mut().zip(label_valid).rev() {
        following = if valid { following.saturating_add(1).min(horizon) } else { 1 };
        *unit = following;
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clean_demonstration_is_cut_only_at_its_end() {
        assert_eq!(supervised_units(&[true; 5], 3), [3, 3, 3, 2, 1]);
    }

    #[test]
    fn a_perturbed_step_keeps_its_own_unit_and_ends_the_stream() {
        let valid = [true, true, false, true, true, true];
        assert_eq!(supervised_units(&valid, 8), [3, 2, 1, 3, 2, 1]);
    }

    /// The count had 8 bits, of a number of any size.
    #[test]
    fn the_longest_stream_is_counted() {
        assert_eq!(supervised_units(&[true; 300], u8::MAX)[0], u8::MAX);
    }

    proptest! {
        /// The definition, unit by unit: unit j of the stream at s counts when s + j is in the
        /// episode and no step s..s+j was perturbed.
        #[test]
        fn agrees_with_the_definition(
            valid in proptest::collection::vec(any::<bool>(), 0..40),
            horizon in 1u8..12,
        ) {
            let units = supervised_units(&valid, horizon);
            for s in 0..valid.len() {
                let expected = (0..usize::from(horizon))
                    .take_while(|&j| s + j < valid.len() && valid[s..s + j].iter().all(|&v| v))
                    .count();
                prop_assert_eq!(usize::from(units[s]), expected);
            }
        }
    }
}
