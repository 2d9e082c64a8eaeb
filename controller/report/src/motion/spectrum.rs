//! The spectral arc length of a speed profile (Balasubramanian, Melendez-Calderon and Burdet, 2012;
//! with the threshold of their revision of 2015).

/// The spectrum is looked at up to the highest frequency at which it reaches this share of its
/// largest magnitude.
const THRESHOLD: f64 = 0.05;
/// The profile is padded to this many times its length, so that the arc is smooth.
const PADDING: usize = 16;

/// The spectral arc length (SPARC) of a speed profile of even spacing: minus the length of the
/// curve that the normalised spectrum draws over the normalised frequency. Nearer to 0 is smoother;
/// a single bell-shaped stroke has about -1.4. It depends on neither the amplitude nor the duration
/// of the motion. The highest frequency looked at is the profile's own limit, half its rate.
///
/// None for less than four speeds, for a hand at rest, and for what is no number.
pub fn spectral_arc_length(speeds: &[f64]) -> Option<f64> {
    if speeds.len() < 4 || speeds.iter().any(|speed| !speed.is_finite()) {
        return None;
    }
    let size = speeds.len().next_power_of_two() * PADDING;
    let mut real = vec![0.0; size];
    real[..speeds.len()].copy_from_slice(speeds);
    let mut imaginary = vec![0.0; size];
    transform(&mut real, &mut imaginary);
    let magnitudes: Vec<f64> = (0..=size / 2).map(|bin| real[bin].hypot(imaginary[bin])).collect();
    let largest = magnitudes.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return None;
    }
    let reaches = |magnitude: &f64| *magnitude >= THRESHOLD * largest;
    let (first, last) =
        (magnitudes.iter().position(reaches)?, magnitudes.iter().rposition(reaches)?);
    if first == last {
        return None;
    }
    let step = 1.0 / (last - first) as f64;
    let arc: f64 = magnitudes[first..=last]
        .windows(2)
        .map(|pair| step.hypot((pair[1] - pair[0]) / largest))
        .sum();
    Some(-arc)
}

/// The discrete Fourier transform in place; the length is a power of two (Cooley and Tukey, 1965).
fn transform(real: &mut [f64], imaginary: &mut [f64]) {
    let size = real.len();
    let bits = size.trailing_zeros();
    for index in 0..size {
        let mirrored = index.reverse_bits() >> (usize::BITS - bits);
        if index < mirrored {
            real.swap(index, mirrored);
            imaginary.swap(index, mirrored);
        }
    }
    let mut half = 1;
    while half < size {
        let turns: Vec<(f64, f64)> = (0..half)
            .map(|k| {
                let (sin, cos) = (-std::f64::consts::PI * k as f64 / half as f64).sin_cos();
                (cos, sin)
            })
            .collect();
        for start in (0..size).step_by(2 * half) {
            for (k, (cos, sin)) in turns.iter().enumerate() {
                let (low, high) = (start + k, start + k + half);
                let turned_real = real[high] * cos - imaginary[high] * sin;
                let turned_imaginary = real[high] * sin + imaginary[high] * cos;
                (real[high], imaginary[high]) =
                    (real[low] - turned_real, imaginary[low] - turned_imaginary);
                real[low] += turned_real;
                imaginary[low] += turned_imaginary;
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The speed of a minimum-jerk stroke of `n` samples.
    fn stroke(n: usize) -> Vec<f64> {
        let bell = |i: usize| {
            let t = i as f64 / (n - 1) as f64;
            30.0 * t * t * (1.0 - t) * (1.0 - t)
        };
        (0..n).map(bell).collect()
    }

    #[test]
    fn the_transform_is_that_of_the_sum() {
        let values = [0.3, -1.0, 2.5, 0.0, 4.0, -0.5, 1.0, 7.0];
        let (mut real, mut imaginary) = (values.to_vec(), vec![0.0; 8]);
        transform(&mut real, &mut imaginary);
        for bin in 0..8 {
            let angle = |k: usize| -2.0 * std::f64::consts::PI * (bin * k) as f64 / 8.0;
            let sum = |part: fn(f64) -> f64| -> f64 {
                values.iter().enumerate().map(|(k, value)| value * part(angle(k))).sum()
            };
            assert!((real[bin] - sum(f64::cos)).abs() < 1e-12, "bin {bin}");
            assert!((imaginary[bin] - sum(f64::sin)).abs() < 1e-12, "bin {bin}");
        }
    }

    #[test]
    fn one_stroke_has_the_value_of_the_literature() {
        // Balasubramanian et al. (2015) give about -1.41 for a minimum-jerk movement.
        let sparc = spectral_arc_length(&stroke(100)).unwrap();
        assert!((-1.45..-1.38).contains(&sparc), "{sparc}");
    }

    #[test]
    fn a_hand_at_rest_has_none() {
        assert_eq!(spectral_arc_length(&[0.0; 30]), None);
        assert_eq!(spectral_arc_length(&[1.0, 2.0]), None);
        assert_eq!(spectral_arc_length(&[1.0, f64::NAN, 2.0, 1.0, 1.0]), None);
    }

    #[test]
    fn strokes_with_pauses_between_are_less_smooth() {
        let mut both = stroke(30);
        both.extend([0.0; 15]);
        both.extend(stroke(30));
        let (one, two) = (spectral_arc_length(&stroke(75)), spectral_arc_length(&both));
        assert!(two.unwrap() < one.unwrap() - 0.5, "{one:?} {two:?}");
    }

    proptest! {
        #[test]
        fn amplitude_does_not_matter(
            speeds in proptest::collection::vec(0.01..1.0_f64, 8..80),
            scale in 0.01..100.0_f64,
        ) {
            let scaled: Vec<f64> = speeds.iter().map(|speed| speed * scale).collect();
            let (a, b) = (spectral_arc_length(&speeds), spectral_arc_length(&scaled));
            // What lies just at the threshold may fall to either side of it by rounding.
            if let (Some(a), Some(b)) = (a, b) {
                prop_assert!((a - b).abs() < 1e-6 * a.abs(), "{} {}", a, b);
            }
        }

        #[test]
        fn duration_does_not_matter(n in 40_usize..100, times in 2_usize..5) {
            let (short, long) = (spectral_arc_length(&stroke(n)), spectral_arc_length(&stroke(n * times)));
            prop_assert!((short.unwrap() - long.unwrap()).abs() < 0.02, "{:?} {:?}", short, long);
        }

        #[test]
        fn tremor_makes_it_worse(n in 40_usize..100, share in 0.2..1.0_f64) {
            let steady = stroke(n);
            let shaking: Vec<f64> = steady
                .iter()
                .enumerate()
                .map(|(i, speed)| speed * (1.0 + share * (i as f64 * 2.1).sin()))
                .collect();
            prop_assert!(spectral_arc_length(&shaking) < spectral_arc_length(&steady));
        }
    }
}
