//! How far two paths from one start drift apart: at the same step, and after the same way.

use super::{PathM, distance_m};

/// Distance between two paths at each step that both have \[m\].
pub fn drift_by_step_m(a: &PathM, b: &PathM) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| distance_m(a, b)).collect()
}

/// Distance between two paths where each has come as far along its own way \[m\]: every
/// `spacing_m`, from 0 to the end of the shorter. How fast each went does not matter.
pub fn drift_by_length_m(a: &PathM, b: &PathM, spacing_m: f64) -> Vec<f64> {
    let (along_a, along_b) = (along(a, spacing_m), along(b, spacing_m));
    drift_by_step_m(&along_a, &along_b)
}

/// The points of a path every `spacing_m` of its way, from its start.
fn along(path_m: &PathM, spacing_m: f64) -> Vec<[f64; 3]> {
    let (Some(first), true) = (path_m.first(), spacing_m > 0.0) else { return Vec::new() };
    let mut points = vec![*first];
    // The way up to the pair under consideration.
    let mut before = 0.0;
    for pair in path_m.windows(2) {
        let length = distance_m(&pair[0], &pair[1]);
        while before + length >= points.len() as f64 * spacing_m && length > 0.0 {
            let share = (points.len() as f64 * spacing_m - before) / length;
            points.push(std::array::from_fn(|axis| {
                pair[0][axis] + share * (pair[1][axis] - pair[0][axis])
            }));
        }
        before += length;
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path() -> impl Strategy<Value = Vec<[f64; 3]>> {
        proptest::collection::vec(proptest::array::uniform3(-0.5..0.5_f64), 2..30)
    }

    #[test]
    fn the_way_is_measured_along_the_path() {
        let corner = [[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.1, 0.1, 0.0]];
        let straight = [[0.0, 0.0, 0.0], [0.2, 0.0, 0.0]];
        let drift = drift_by_length_m(&corner, &straight, 0.05);
        let expected = [0.0, 0.0, 0.0, 0.05 * 2.0_f64.sqrt(), 0.1 * 2.0_f64.sqrt()];
        assert_eq!(drift.len(), expected.len(), "{drift:?}");
        assert!(drift.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{drift:?}");
    }

    #[test]
    fn without_a_path_there_is_no_drift() {
        assert!(drift_by_step_m(&[], &[[0.0; 3]]).is_empty());
        assert!(drift_by_length_m(&[], &[[0.0; 3]], 0.01).is_empty());
        assert!(drift_by_length_m(&[[0.0; 3]; 2], &[[0.0; 3]; 2], 0.0).is_empty());
    }

    proptest! {
        #[test]
        fn no_path_drifts_from_itself_and_a_shift_is_the_drift(path in path(), shift in 0.0..1.0_f64) {
            let shifted: Vec<[f64; 3]> = path.iter().map(|p| [p[0], p[1] + shift, p[2]]).collect();
            for (drift, twin) in [
                (drift_by_step_m(&path, &shifted), drift_by_step_m(&path, &path)),
                (drift_by_length_m(&path, &shifted, 0.02), drift_by_length_m(&path, &path, 0.02)),
            ] {
                prop_assert!(drift.iter().all(|d| (d - shift).abs() < 1e-9));
                prop_assert!(twin.iter().all(|d| *d < 1e-12));
            }
        }

        #[test]
        fn neither_path_is_the_first(a in path(), b in path()) {
            prop_assert_eq!(drift_by_step_m(&a, &b), drift_by_step_m(&b, &a));
            prop_assert_eq!(drift_by_length_m(&a, &b, 0.03), drift_by_length_m(&b, &a, 0.03));
        }

        #[test]
        fn speed_does_not_matter_to_drift_by_length(a in path(), b in path()) {
            // The same way, with a stop at every point and a point between.
            let slow: Vec<[f64; 3]> = a
                .windows(2)
                .flat_map(|p| [p[0], p[0], std::array::from_fn(|i| (p[0][i] + p[1][i]) / 2.0)])
                .chain(a.last().copied())
                .collect();
            let (fast, slow) = (drift_by_length_m(&a, &b, 0.03), drift_by_length_m(&slow, &b, 0.03));
            // Rounding may take or leave the very last point.
            prop_assert!(fast.len().abs_diff(slow.len()) <= 1);
            prop_assert!(fast.iter().zip(&slow).all(|(x, y)| (x - y).abs() < 1e-6));
        }
    }
}
