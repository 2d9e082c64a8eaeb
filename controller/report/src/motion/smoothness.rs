//! How smooth a path was: jerk in physical units, jerk without units, spectral arc length.

use super::spectrum::spectral_arc_length;
use super::{PathM, distance_m};
use serde::Serialize;

/// The smoothness of one path.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Smoothness {
    /// Root of the mean square of the jerk \[m/s^3\].
    pub rms_jerk_m_s3: f64,
    /// Log dimensionless jerk, `-ln(duration^3 / peak speed^2 * integral of squared jerk)` (Hogan
    /// and Sternad, 2009; Balasubramanian et al., 2012): nearer to 0 is smoother, whatever the
    /// size and the duration.
    pub log_dimensionless_jerk: f64,
    /// Spectral arc length of the speed: nearer to 0 is smoother, whatever size and duration.
    pub spectral_arc_length: f64,
    /// Length of the path \[m\].
    pub length_m: f64,
    /// Its duration \[s\].
    pub duration_s: f64,
}

/// The smoothness of a path with a point every `period_s`; none for less than five points, a hand
/// that never moved or moved without any jerk, and for what is no number.
pub fn smoothness(path_m: &PathM, period_s: f64) -> Option<Smoothness> {
    if path_m.len() < 5 || path_m.iter().flatten().any(|value| !value.is_finite()) {
        return None;
    }
    let velocities = differences(path_m, period_s);
    let jerks = differences(&differences(&velocities, period_s), period_s);
    let norm = |vector: &[f64; 3]| distance_m(vector, &[0.0; 3]);
    let speeds: Vec<f64> = velocities.iter().map(norm).collect();
    let peak = speeds.iter().copied().fold(0.0, f64::max);
    let squared: f64 = jerks.iter().map(|jerk| norm(jerk).powi(2)).sum();
    let duration_s = (path_m.len() - 1) as f64 * period_s;
    let dimensionless = duration_s.powi(3) / peak.powi(2) * squared * period_s;
    if peak <= 0.0 || !dimensionless.is_finite() || dimensionless <= 0.0 {
        return None;
    }
    Some(Smoothness {
        rms_jerk_m_s3: (squared / jerks.len() as f64).sqrt(),
        log_dimensionless_jerk: -dimensionless.ln(),
        spectral_arc_length: spectral_arc_length(&speeds)?,
        length_m: speeds.iter().sum::<f64>() * period_s,
        duration_s,
    })
}

fn differences(values: &[[f64; 3]], period_s: f64) -> Vec<[f64; 3]> {
    let between = |pair: &[[f64; 3]]| -> [f64; 3] {
        std::array::from_fn(|axis| (pair[1][axis] - pair[0][axis]) / period_s)
    };
    values.windows(2).map(between).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// A minimum-jerk path of `n` points over 0.3 m, with a tremor of `tremor_m` along it.
    fn reach(n: usize, tremor_m: f64) -> Vec<[f64; 3]> {
        let point = |i: usize| {
            let t = i as f64 / (n - 1) as f64;
            let along = t.powi(3) * (10.0 - 15.0 * t + 6.0 * t * t);
            [0.3 * along + tremor_m * (i as f64 * 1.9).sin(), -0.4, 0.1]
        };
        (0..n).map(point).collect()
    }

    #[test]
    fn the_jerk_of_a_cubic_is_its_third_derivative() {
        // x = t^3 has a jerk of 6 m/s^3 everywhere.
        let path: Vec<[f64; 3]> =
            (0..30).map(|i| [(f64::from(i) * 0.1).powi(3), 0.0, 0.0]).collect();
        let smooth = smoothness(&path, 0.1).unwrap();
        assert!((smooth.rms_jerk_m_s3 - 6.0).abs() < 1e-9, "{smooth:?}");
        assert!((smooth.length_m - 2.9_f64.powi(3)).abs() < 1e-9);
        assert!((smooth.duration_s - 2.9).abs() < 1e-12);
    }

    #[test]
    fn a_minimum_jerk_path_has_the_value_that_calculus_gives() {
        // Over duration and length 1: integral of squared jerk 720, peak speed 1.875.
        let expected = -(720.0_f64 / 1.875_f64.powi(2)).ln();
        let smooth = smoothness(&reach(2000, 0.0), 0.1).unwrap();
        assert!((smooth.log_dimensionless_jerk - expected).abs() < 0.01, "{smooth:?} {expected}");
    }

    #[test]
    fn what_did_not_move_has_no_smoothness() {
        assert_eq!(smoothness(&[[0.1, 0.2, 0.3]; 40], 0.1), None);
        assert_eq!(smoothness(&reach(4, 0.0), 0.1), None);
        let mut holed = reach(40, 0.0);
        holed[7][1] = f64::NAN;
        assert_eq!(smoothness(&holed, 0.1), None);
    }

    proptest! {
        #[test]
        fn a_shaking_path_is_worse_by_every_measure(n in 40_usize..120, tremor_m in 0.005..0.02) {
            let steady = smoothness(&reach(n, 0.0), 0.1).unwrap();
            let shaking = smoothness(&reach(n, tremor_m), 0.1).unwrap();
            prop_assert!(shaking.rms_jerk_m_s3 > steady.rms_jerk_m_s3);
            prop_assert!(shaking.log_dimensionless_jerk < steady.log_dimensionless_jerk);
            prop_assert!(shaking.spectral_arc_length < steady.spectral_arc_length);
        }

        #[test]
        fn size_and_duration_change_only_what_has_units(
            n in 20_usize..80,
            tremor_m in 0.0..0.01,
            scale in 0.1..10.0_f64,
            slower in 0.2..5.0_f64,
        ) {
            let path = reach(n, tremor_m);
            let scaled: Vec<[f64; 3]> = path.iter().map(|point| point.map(|v| v * scale)).collect();
            let one = smoothness(&path, 0.1).unwrap();
            let other = smoothness(&scaled, 0.1 * slower).unwrap();
            prop_assert!((one.log_dimensionless_jerk - other.log_dimensionless_jerk).abs() < 1e-6);
            prop_assert!((one.spectral_arc_length - other.spectral_arc_length).abs() < 1e-3);
            let jerk = one.rms_jerk_m_s3 * scale / slower.powi(3);
            prop_assert!((other.rms_jerk_m_s3 / jerk - 1.0).abs() < 1e-6);
            prop_assert!((other.length_m / (one.length_m * scale) - 1.0).abs() < 1e-6);
        }
    }
}
