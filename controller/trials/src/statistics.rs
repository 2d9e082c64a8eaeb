//! How sure a share is: Wilson's interval, Pass@N without bias, two policies on the same
//! placements. Pure numbers.

use serde::{Deserialize, Serialize};

/// Quantile of the normal distribution for intervals at 95 %.
const Z: f64 = 1.959_964;

/// Wilson score interval at 95 % (Wilson, 1927, equation for the limits of p) of a mean `share` of
/// `n` independent values from 0 to 1. For values 0 and 1, counts, it is Wilson's own; for values
/// between, whose variance is smaller, it is wider than need be.
pub fn wilson_share_95(share: f64, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let n = n as f64;
    let centre = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).max(0.0).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0))
}

/// Pass@N without bias from `tries` independent tries of which `successes` succeeded: the share of
/// their subsets of N with a success, 1 - C(n-c, N) / C(n, N) (Chen et al., 2021). None where there
/// are fewer tries than N.
pub fn pass_at(n: u32, tries: u32, successes: u32) -> Option<f64> {
    if n == 0 || n > tries || successes > tries {
        return None;
    }
    let failures = tries - successes;
    if failures < n {
        return Some(1.0);
    }
    let all_fail: f64 = (failures + 1..=tries).map(|i| 1.0 - f64::from(n) / f64::from(i)).product();
    Some(1.0 - all_fail)
}

/// Two policies on the same placements, each tried once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {
    /// Placements that both did.
    pub both: u32,
    /// Placements that only the first did.
    pub first_only: u32,
    /// Placements that only the second did.
    pub second_only: u32,
    /// Placements that neither did.
    pub neither: u32,
}

impl Paired {
    /// Counts placements: whether the first and whether the second did each.
    pub fn of(placements: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut all = Self::default();
        for placement in placements {
            *match placement {
                (true, true) => &mut all.both,
                (true, false) => &mut all.first_only,
                (false, true) => &mut all.second_only,
                (false, false) => &mut all.neither,
            } += 1;
        }
        all
    }

    /// Placements.
    pub fn placements(&self) -> u32 {
        self.both + self.first_only + self.second_only + self.neither
    }

    /// The shares that the first and the second did; 0 without placements.
    pub fn shares(&self) -> [f64; 2] {
        let n = f64::from(self.placements().max(1));
        [self.first_only, self.second_only].map(|only| f64::from(self.both + only) / n)
    }

    /// By how much the first did more than the second.
    pub fn difference(&self) -> f64 {
        let n = f64::from(self.placements().max(1));
        (f64::from(self.first_only) - f64::from(self.second_only)) / n
    }

    /// McNemar's exact test, both sides: how likely the placements that only one did part at least
    /// so unevenly if neither policy were better.
    pub fn mcnemar_p(&self) -> f64 {
        let n = self.first_only + self.second_only;
        let fewer = self.first_only.min(self.second_only);
        // In logarithms: half to the power of n is no number for large n.
        let mut term = -f64::from(n) * std::f64::consts::LN_2;
        let mut tail = term.exp();
        for k in 1..=fewer {
            term += (f64::from(n - k + 1) / f64::from(k)).ln();
            tail += term.exp();
        }
        (2.0 * tail).min(1.0)
    }

    /// Interval of [`Self::difference`] at 95 %: Newcombe's score interval for paired data
    /// (Statistics in Medicine 17, 1998, method 10). All of -1 to 1 without placements.
    pub fn difference_95(&self) -> (f64, f64) {
        let n = f64::from(self.placements());
        if n == 0.0 {
            return (-1.0, 1.0);
        }
        let [a, b, c, d] =
            [self.both, self.first_only, self.second_only, self.neither].map(f64::from);
        let margins = (a + b) * (c + d) * (a + c) * (b + d);
        let excess = a * d - b * c;
        // The correlation between the two, with a correction for small numbers where it helps.
        let excess = if excess > 0.0 { (excess - n / 2.0).max(0.0) } else { excess };
        let phi = if margins > 0.0 { excess / margins.sqrt() } else { 0.0 };
        let [first, second] = self.shares();
        let below_above = |share: f64| {
            let (low, high) = wilson_share_95(share, self.placements() as usize);
            (share - low, high - share)
        };
        let ((below_1, above_1), (below_2, above_2)) = (below_above(first), below_above(second));
        let reach =
            |one: f64, two: f64| (one * one - 2.0 * phi * one * two + two * two).max(0.0).sqrt();
        let difference = first - second;
        (
            (difference - reach(below_1, above_2)).max(-1.0),
            (difference + reach(above_1, below_2)).min(1.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pass@N by looking at every subset.
    fn counted(n: u32, tries: u32, successes: u32) -> f64 {
        let subsets = (0_u32..1 << tries).filter(|subset| subset.count_ones() == n);
        let (mut all, mut with) = (0.0, 0.0);
        for subset in subsets {
            all += 1.0;
            with += f64::from(u8::from(subset & ((1 << successes) - 1) != 0));
        }
        with / all
    }

    fn paired() -> impl Strategy<Value = Paired> {
        (0_u32..60, 0_u32..60, 0_u32..60, 0_u32..60).prop_map(
            |(both, first_only, second_only, neither)| Paired {
                both,
                first_only,
                second_only,
                neither,
            },
        )
    }

    proptest! {
        #[test]
        fn pass_at_is_the_share_of_subsets_with_a_success(tries in 1_u32..10, n in 1_u32..10, c in 0_u32..10) {
            let (n, c) = (n.min(tries), c.min(tries));
            let exact = pass_at(n, tries, c).unwrap_or(-1.0);
            prop_assert!((exact - counted(n, tries, c)).abs() < 1e-12);
        }

        #[test]
        fn more_tries_allowed_never_pass_less(tries in 2_u32..50, c in 0_u32..50) {
            let c = c.min(tries);
            let curve: Vec<f64> = (1..=tries).filter_map(|n| pass_at(n, tries, c)).collect();
            prop_assert_eq!(curve.len() as u32, tries);
            prop_assert!((curve[0] - f64::from(c) / f64::from(tries)).abs() < 1e-12);
            prop_assert!(curve.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
        }

        #[test]
        fn wilsons_interval_holds_the_share_and_shrinks(share in 0.0_f64..=1.0, n in 1_usize..500) {
            let (low, high) = wilson_share_95(share, n);
            prop_assert!(0.0 <= low && low <= share + 1e-12 && share <= high + 1e-12 && high <= 1.0);
            let (lower, higher) = wilson_share_95(share, 4 * n);
            prop_assert!(higher - lower < high - low);
        }

        #[test]
        fn pairs_turned_round_tell_the_opposite(pairs in paired()) {
            let turned = Paired {
                first_only: pairs.second_only,
                second_only: pairs.first_only,
                ..pairs
            };
            let ((low, high), (turned_low, turned_high)) =
                (pairs.difference_95(), turned.difference_95());
            prop_assert!((low + turned_high).abs() < 1e-9 && (high + turned_low).abs() < 1e-9);
            prop_assert!((-1.0..=1.0).contains(&low) && (-1.0..=1.0).contains(&high));
            let difference = pairs.difference();
            prop_assert!(low <= difference + 1e-9 && difference <= high + 1e-9);
            prop_assert!((pairs.mcnemar_p() - turned.mcnemar_p()).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&pairs.mcnemar_p()));
        }

        #[test]
        fn mcnemar_is_the_binomial_test(first_only in 0_u32..25, second_only in 0_u32..25) {
            let pairs = Paired { first_only, second_only, ..Paired::default() };
            let n = first_only + second_only;
            // Row n of Pascal's triangle.
            let mut row = vec![1.0_f64];
            for _ in 0..n {
                row = std::iter::once(1.0)
                    .chain(row.windows(2).map(|pair| pair[0] + pair[1]))
                    .chain(std::iter::once(1.0))
                    .collect();
            }
            let tail: f64 = row[..=first_only.min(second_only) as usize].iter().sum();
            let exact = (2.0 * tail / 2.0_f64.powi(n as i32)).min(1.0);
            prop_assert!((pairs.mcnemar_p() - exact).abs() < 1e-9);
        }
    }

    #[test]
    fn fewer_tries_than_asked_for_pass_nothing() {
        assert_eq!(pass_at(5, 4, 4), None);
        assert_eq!(pass_at(0, 4, 4), None);
    }

    #[test]
    fn the_paired_interval_is_newcombes() {
        // An example of the paper: 36, 12, 2 and 0 of 50.
        let pairs = Paired { both: 36, first_only: 12, second_only: 2, neither: 0 };
        let (low, high) = pairs.difference_95();
        assert!((pairs.difference() - 0.2).abs() < 1e-12);
        assert!((low - 0.0569).abs() < 2e-4 && (high - 0.3404).abs() < 2e-4, "{low} {high}");
    }

    #[test]
    fn many_pairs_do_not_underflow() {
        let pairs = Paired { first_only: 3000, second_only: 3100, ..Paired::default() };
        assert!((pairs.mcnemar_p() - 0.205).abs() < 5e-3, "{}", pairs.mcnemar_p());
    }
}
