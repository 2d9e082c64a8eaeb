//! Keep-out boxes: where the reference of the tool point does not go.
//!
//! A move into a box ends at the face that it would enter by and slides along it, so that a box
//! is an obstacle and no trap. From inside, where only an arm that was put there can be, each
//! move may lead out but not deeper.

use jaco_core::keep_out::KeepOuts;
use nalgebra::Vector3;

/// Rounds in which sliding along one box may lead into the next.
const ROUNDS: usize = 3;

/// Where a move from `from_m` to `to_m` may end.
pub fn clip_m(boxes: &KeepOuts, from_m: &Vector3<f64>, to_m: &Vector3<f64>) -> Vector3<f64> {
    let mut end_m = *to_m;
    for _ in 0..ROUNDS {
        let before_m = end_m;
        for keep_out in boxes.iter() {
            end_m = clip_one_m(&keep_out.min_m, &keep_out.max_m, from_m, &end_m);
        }
        if end_m == before_m {
            return end_m;
        }
    }
    // A corner between boxes: stay.
    *from_m
}

fn clip_one_m(
    min_m: &[f64; 3],
    max_m: &[f64; 3],
    from_m: &Vector3<f64>,
    to_m: &Vector3<f64>,
) -> Vector3<f64> {
    let way_m = to_m - from_m;
    // The part of the way, 0 to 1, that lies between each pair of faces; what is common to all
    // three is inside the box.
    let (mut enters, mut leaves, mut face) = (f64::NEG_INFINITY, f64::INFINITY, 0);
    for axis in 0..3 {
        let inside = min_m[axis] < from_m[axis] && from_m[axis] < max_m[axis];
        if way_m[axis] == 0.0 {
            if !inside {
                return *to_m;
            }
            continue;
        }
        let to_min = (min_m[axis] - from_m[axis]) / way_m[axis];
        let to_max = (max_m[axis] - from_m[axis]) / way_m[axis];
        let (first, last) = (to_min.min(to_max), to_min.max(to_max));
        if first > enters {
            (enters, face) = (first, axis);
        }
        leaves = leaves.min(last);
    }
    if enters >= 1.0 || leaves <= 0.0 || enters >= leaves {
        return *to_m;
    }
    if enters < 0.0 {
        let deeper = depth_m(min_m, max_m, to_m) > depth_m(min_m, max_m, from_m);
        return if deeper { *from_m } else { *to_m };
    }
    let mut slid_m = *to_m;
    slid_m[face] = if way_m[face] > 0.0 { min_m[face] } else { max_m[face] };
    slid_m
}

/// How far it is from inside the box to its nearest face; 0 or less outside.
fn depth_m(min_m: &[f64; 3], max_m: &[f64; 3], at_m: &Vector3<f64>) -> f64 {
    let to_face = |axis: usize| (at_m[axis] - min_m[axis]).min(max_m[axis] - at_m[axis]);
    to_face(0).min(to_face(1)).min(to_face(2))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jaco_core::KeepOut;
    use proptest::prelude::*;

    fn post() -> KeepOuts {
        let post = KeepOut { min_m: [0.1, -0.5, 0.0], max_m: [0.2, -0.4, 0.3] };
        let beam = KeepOut { min_m: [0.15, -0.7, 0.25], max_m: [0.3, -0.3, 0.35] };
        KeepOuts::try_from(vec![post, beam]).unwrap()
    }

    #[test]
    fn a_move_into_a_box_slides_along_the_face_that_it_meets() {
        let from = Vector3::new(0.09, -0.45, 0.1);
        let end = clip_m(&post(), &from, &Vector3::new(0.12, -0.44, 0.11));
        assert_eq!(end, Vector3::new(0.1, -0.44, 0.11));
    }

    #[test]
    fn a_move_through_a_box_is_one_into_it() {
        let from = Vector3::new(0.05, -0.45, 0.1);
        assert_eq!(clip_m(&post(), &from, &Vector3::new(0.5, -0.45, 0.1)).x, 0.1);
    }

    #[test]
    fn from_inside_it_leads_out_and_not_deeper() {
        let from = Vector3::new(0.11, -0.45, 0.1);
        let (out, deeper) = (Vector3::new(0.09, -0.45, 0.1), Vector3::new(0.13, -0.45, 0.1));
        assert_eq!(clip_m(&post(), &from, &out), out);
        assert_eq!(clip_m(&post(), &from, &deeper), from);
    }

    proptest! {
        #[test]
        fn no_sequence_of_moves_leads_into_a_box(
            moves in proptest::collection::vec(
                proptest::array::uniform3(-0.1..0.1_f64), 1..200,
            ),
        ) {
            let boxes = post();
            let mut at_m = Vector3::new(0.0, -0.45, 0.15);
            for by_m in moves {
                at_m = clip_m(&boxes, &at_m, &(at_m + Vector3::from(by_m)));
                prop_assert!(!boxes.iter().any(|keep_out| keep_out.contains(&at_m)), "{at_m}");
            }
        }
    }
}
