//! Means with bootstrap intervals from a seed: the same values and the same seed give the same
//! interval, on every machine.

use serde::Serialize;

/// Resamples behind an interval.
const RESAMPLES: usize = 2000;

/// A mean and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The mean.
    pub mean: f64,
    /// Low end of the 95 % percentile bootstrap interval.
    pub low: f64,
    /// High end of it.
    pub high: f64,
    /// Values that it is the mean of.
    pub n: usize,
}

/// Numbers drawn from a seed (SplitMix64; Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, of all of `u64`.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next number below `bound`, which is not 0. The bias of the product form is below
    /// `bound` / 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }
}

/// The mean of `values` with its percentile bootstrap interval at 95 % (Efron, 1979); none without
/// values, and of one value an interval without width: it says nothing then.
pub fn mean_95(values: &[f64], seed: u64) -> Option<Mean> {
    let n = values.len();
    if n == 0 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let mut draws = Draws::new(seed);
    let resampled = |_| (0..n).map(|_| values[draws.below(n)]).sum::<f64>() / n as f64;
    let mut means: Vec<f64> = (0..RESAMPLES).map(resampled).collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[(share * (RESAMPLES - 1) as f64).round() as usize];
    // Rounding of sums must not put the mean outside of its interval.
    Some(Mean { mean, low: at(0.025).min(mean), high: at(0.975).max(mean), n })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_draws_are_those_of_splitmix64() {
        // The first outputs for the seed 1234567, as published with the reference implementation.
        let mut draws = Draws::new(1_234_567);
        let first = [draws.next_u64(), draws.next_u64(), draws.next_u64()];
        assert_eq!(first[0], 6_457_827_717_110_365_317);
        assert_eq!(first[1], 3_203_168_211_198_807_973);
        assert_eq!(first[2], 9_817_491_932_198_370_423);
    }

    #[test]
    fn the_interval_has_the_width_that_theory_gives() {
        // 400 draws of a fair coin: standard error 0.025, so 0.098 from end to end.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let mean = mean_95(&values, 7).unwrap();
        assert_eq!((mean.mean, mean.n), (0.5, 400));
        assert!((mean.high - mean.low - 0.098).abs() < 0.012, "{mean:?}");
    }

    #[test]
    fn without_values_there_is_no_mean() {
        assert_eq!(mean_95(&[], 1), None);
        assert_eq!(mean_95(&[1.0, f64::NAN], 1), None);
    }

    proptest! {
        #[test]
        fn the_interval_is_around_the_mean_within_the_values_and_repeatable(
            values in proptest::collection::vec(-5.0..5.0_f64, 1..40),
            seed in any::<u64>(),
        ) {
            let mean = mean_95(&values, seed).unwrap();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(mean.low <= mean.mean && mean.mean <= mean.high);
            prop_assert!(mean.low >= low - 1e-9 && mean.high <= high + 1e-9);
            prop_assert_eq!(mean_95(&values, seed), Some(mean));
        }
    }
}
