//! What the expert answers behind the policy's own units, where those have led the arm off its path.
//!
//! Pure. Must never look at a model or choose which unit is to change.

use jaco_core::{ACTION_DIMS, Action, ActionCodec, ActionUnit, Word};
use serde::{Deserialize, Serialize};

/// Dimensions that add up along a stream: translation and rotation.
const MOVING: usize = ACTION_DIMS - 1;

/// Which answer of the expert's a unit is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relabel {
    /// That of its own stream, as in the paper.
    #[default]
    None,
    /// The one that leads from where the policy's units before it end to where its own stream is
    /// after it.
    Path,
}

impl Word for Relabel {
    const ALL: &'static [Self] = &[Relabel::None, Relabel::Path];

    fn name(self) -> &'static str {
        match self {
            Relabel::None => "none",
            Relabel::Path => "path",
        }
    }
}

/// The expert's answer to each unit's history in `own`: back to the path of the stream `expert`,
/// as far as one unit goes. Its gripper is the stream's.
///
/// Rotations are added as vectors: for what a stream turns they are composed so to the second order.
pub fn back_on_path(
    codec: &ActionCodec,
    own: &[ActionUnit],
    expert: &[ActionUnit],
) -> Vec<ActionUnit> {
    let mut astray = [0.0; MOVING];
    let answer = |(own, expert): (&ActionUnit, &ActionUnit)| {
        let wanted = codec.decode(expert).to_array();
        let mut back = wanted;
        back.iter_mut().zip(astray).for_each(|(value, astray)| *value -= astray);
        let done = codec.decode(own).to_array();
        for (astray, (done, wanted)) in astray.iter_mut().zip(done.iter().zip(wanted)) {
            *astray += done - wanted;
        }
        let encoded = codec.encode(&Action::from_array(back));
        // Two bins decode alike: what is not led astray keeps its own token.
        ActionUnit(std::array::from_fn(|i| match back[i] == wanted[i] {
            true => expert.0[i],
            false => encoded.0[i],
        }))
    };
    own.iter().zip(expert).map(answer).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_core::ActionStatistics;
    use proptest::prelude::*;

    /// A bin is 1 mm or 1 mrad; bin 128 is half a bin above standing still.
    fn codec() -> ActionCodec {
        let (mut q01, mut q99) = ([-0.1275; 7], [0.1275; 7]);
        (q01[6], q99[6]) = (0.0, 1.0);
        ActionCodec::new(ActionStatistics { q01, q99, mask: [true; 7] }).unwrap()
    }

    fn unit(x: u16, gripper: u16) -> ActionUnit {
        ActionUnit([x, 128, 128, 128, 128, 128, gripper])
    }

    fn back(own: &[ActionUnit], expert: &[ActionUnit]) -> Vec<ActionUnit> {
        back_on_path(&codec(), own, expert)
    }

    #[test]
    fn a_policy_on_the_path_is_answered_with_the_stream_itself() {
        let stream = [unit(140, 255), unit(256, 256), unit(1, 1)];
        assert_eq!(back(&stream, &stream), stream);
    }

    #[test]
    fn what_was_missed_is_made_up_for_in_the_next_answer() {
        let expert = [unit(140, 255), unit(140, 255), unit(140, 1)];
        // 4 mm short, then 4 mm too far: back on the path before the last unit.
        let own = [unit(136, 1), unit(144, 255), unit(150, 255)];
        assert_eq!(back(&own, &expert), [unit(140, 255), unit(144, 255), unit(140, 1)]);
    }

    #[test]
    fn no_answer_is_longer_than_a_unit_can_be() {
        let expert = [unit(200, 255); 4];
        let own = [unit(1, 255); 4];
        let answers = back(&own, &expert);
        assert_eq!(answers[0], expert[0]);
        assert!(answers[1..].iter().all(|answer| answer.0[0] >= 255), "{answers:?}");
    }

    #[test]
    fn only_units_that_both_have_are_answered() {
        assert_eq!(back(&[unit(1, 1)], &[unit(2, 2), unit(3, 3)]).len(), 1);
        assert_eq!(back(&[unit(1, 1); 3], &[unit(2, 2)]).len(), 1);
    }

    proptest! {
        /// Executing the answer to a history ends where the expert's stream does, wherever the
        /// answer is not clipped.
        #[test]
        fn an_answer_ends_on_the_path(
            expert in prop::collection::vec(prop::array::uniform7(118_u16..=138), 1..10),
            noise in prop::collection::vec(prop::array::uniform7(-5_i16..=5), 10),
        ) {
            let codec = codec();
            let expert: Vec<ActionUnit> = expert.into_iter().map(ActionUnit).collect();
            let moved = |unit: &ActionUnit, by: &[i16; 7]| {
                ActionUnit(std::array::from_fn(|i| unit.0[i].saturating_add_signed(by[i])))
            };
            let own: Vec<ActionUnit> =
                expert.iter().zip(&noise).map(|(unit, by)| moved(unit, by)).collect();
            let answers = back_on_path(&codec, &own, &expert);
            let sum = |units: &[ActionUnit], i: usize| -> f64 {
                units.iter().map(|unit| codec.decode(unit).to_array()[i]).sum()
            };
            for (h, answer) in answers.iter().enumerate() {
                for i in 0..MOVING {
                    let reached = sum(&own[..h], i) + codec.decode(answer).to_array()[i];
                    let off = reached - sum(&expert[..=h], i);
                    prop_assert!(off.abs() <= 0.0005 + 1e-6, "unit {}, dimension {}: {}", h, i, off);
                }
                prop_assert_eq!(answer.0[6], expert[h].0[6]);
            }
        }
    }
}
