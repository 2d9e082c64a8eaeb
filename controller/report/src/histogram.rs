//! Digests of latencies: how late, how old or how long, as a few numbers that can be compared.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longer latencies count as this long in the percentiles: ten minutes.
const CEILING_US: u64 = 600_000_000;
/// Decimal digits that the percentiles are exact to.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Latencies as they come in. Memory is fixed, and recording neither allocates nor fails.
#[derive(Clone, Debug)]
pub struct Latencies {
    histogram: Histogram<u64>,
    max_us: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, CEILING_US, SIGNIFICANT_DIGITS)
            .expect("bounds are 1 <= low, 2 low <= high, and digits at most 5");
        Self { histogram, max_us: 0 }
    }
}

impl Latencies {
    /// Takes in one latency \[ns\], rounded to whole microseconds.
    pub fn record_ns(&mut self, latency_ns: u64) {
        let latency_us = latency_ns.saturating_add(500) / 1000;
        self.histogram.saturating_record(latency_us);
        self.max_us = self.max_us.max(latency_us);
    }

    /// Takes in all that `other` has.
    pub fn merge(&mut self, other: &Latencies) {
        self.histogram += &other.histogram;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// The digest of all latencies so far.
    pub fn digest(&self) -> Digest {
        let at = |quantile| self.histogram.value_at_quantile(quantile).min(self.max_us);
        Digest {
            count: self.histogram.len(),
            p50_us: at(0.5),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            max_us: self.max_us,
        }
    }
}

/// What is left of many latencies. The percentiles are exact to 0.1 %, the rest is exact; all are
/// 0 when there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How many there were.
    pub count: u64,
    /// Half were at most this \[us\].
    pub p50_us: u64,
    /// 99 % were at most this \[us\].
    pub p99_us: u64,
    /// 99.9 % were at most this \[us\].
    pub p99_9_us: u64,
    /// The longest \[us\].
    pub max_us: u64,
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |us: u64| us as f64 / 1000.0;
        let [p50, p99, p99_9, max] = [self.p50_us, self.p99_us, self.p99_9_us, self.max_us].map(ms);
        match self.count {
            0 => f.write_str("none"),
            n => write!(f, "p50 {p50:.3}, p99 {p99:.3}, p99.9 {p99_9:.3}, max {max:.3} ms (n {n})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn latencies(values_us: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        values_us.into_iter().for_each(|us| latencies.record_ns(us * 1000));
        latencies
    }

    #[test]
    fn the_digest_of_1_to_1000_microseconds_is_known() {
        let digest = latencies(1..=1000).digest();
        let expected =
            Digest { count: 1000, p50_us: 500, p99_us: 990, p99_9_us: 999, max_us: 1000 };
        assert_eq!(digest, expected);
    }

    #[test]
    fn one_outlier_in_a_thousand_shows_in_the_max_alone() {
        let digest = latencies(std::iter::repeat_n(120, 999).chain([4575])).digest();
        let expected =
            Digest { count: 1000, p50_us: 120, p99_us: 120, p99_9_us: 120, max_us: 4575 };
        assert_eq!(digest, expected);
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(Latencies::default().digest(), Digest::default());
        assert_eq!(Digest::default().to_string(), "none");
    }

    #[test]
    fn nanoseconds_round_to_the_nearest_microsecond() {
        let mut latencies = Latencies::default();
        latencies.record_ns(1499);
        assert_eq!(latencies.digest().max_us, 1);
        latencies.record_ns(1500);
        assert_eq!(latencies.digest().max_us, 2);
    }

    #[test]
    fn the_longest_stays_exact_beyond_the_ceiling() {
        let mut latencies = latencies([1]);
        latencies.record_ns(u64::MAX);
        assert_eq!(latencies.digest().max_us, u64::MAX / 1000);
        assert_eq!(latencies.digest().count, 2);
    }

    #[test]
    fn people_read_milliseconds() {
        let text = latencies([120, 120, 4575]).digest().to_string();
        assert_eq!(text, "p50 0.120, p99 4.575, p99.9 4.575, max 4.575 ms (n 3)");
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_values(
            mut values in prop::collection::vec(0_u64..10_000_000, 1..400),
        ) {
            let digest = latencies(values.iter().copied()).digest();
            values.sort_unstable();
            for (quantile, found) in [(0.5, digest.p50_us), (0.99, digest.p99_us)] {
                let rank = ((quantile * values.len() as f64).ceil() as usize).max(1);
                let exact = values[rank - 1];
                prop_assert!(found >= exact && found - exact <= exact / 1000 + 1,
                    "quantile {} is {}, found {}", quantile, exact, found);
            }
            prop_assert_eq!(digest.max_us, *values.last().expect("not empty"));
        }

        #[test]
        fn merging_equals_recording_together(
            a in prop::collection::vec(0_u64..10_000_000, 0..100),
            b in prop::collection::vec(0_u64..10_000_000, 0..100),
        ) {
            let mut merged = latencies(a.iter().copied());
            merged.merge(&latencies(b.iter().copied()));
            prop_assert_eq!(merged.digest(), latencies(a.into_iter().chain(b)).digest());
        }
    }
}
