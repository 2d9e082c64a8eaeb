//! Which step's policy is kept: the paper's rule, that the gap between the rewards of winner and
//! loser be small and stable.
//!
//! Owns what is small and what is stable. Must never write a checkpoint.

use std::collections::VecDeque;

/// Stands for no gap that was kept; those are distances.
const NONE: f32 = -1.0;

/// Follows the gap from step to step.
#[derive(Clone, Debug, PartialEq)]
pub struct GapWatch {
    window: usize,
    threshold: f64,
    gaps: VecDeque<f32>,
    best: Option<f32>,
}

impl GapWatch {
    /// A watch over `window` gaps, which are stable while their standard deviation is at most
    /// `threshold`.
    pub fn new(window: usize, threshold: f64) -> Self {
        Self { window, threshold, gaps: VecDeque::with_capacity(window + 1), best: None }
    }

    /// The gap of a step (winner's reward less the loser's). A step without a pair has none.
    pub fn push(&mut self, gap: f64) {
        self.gaps.push_back(gap as f32);
        if self.gaps.len() > self.window {
            self.gaps.pop_front();
        }
    }

    /// The moving average of the gap; none before the first.
    pub fn mean(&self) -> Option<f64> {
        let sum: f64 = self.gaps.iter().map(|&gap| f64::from(gap)).sum();
        (!self.gaps.is_empty()).then(|| sum / self.gaps.len() as f64)
    }

    /// Its standard deviation over a full window.
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean().filter(|_| self.gaps.len() == self.window)?;
        let squares = self.gaps.iter().map(|&gap| (f64::from(gap) - mean).powi(2));
        Some((squares.sum::<f64>() / self.gaps.len() as f64).sqrt())
    }

    /// Whether the policy as it is now is to be kept: the gap is stable, and smaller than that of
    /// any before which was kept. What is not a number is neither.
    pub fn improves(&mut self) -> bool {
        let stable = self.deviation().is_some_and(|deviation| deviation <= self.threshold);
        let Some(gap) = self.mean().filter(|_| stable).map(|mean| mean.abs() as f32) else {
            return false;
        };
        let improves = self.best.is_none_or(|best| gap < best);
        if improves {
            self.best = Some(gap);
        }
        improves
    }

    /// All that a resumed run has to know, in `window` + 2 numbers: how many gaps there are, the
    /// smallest one that was kept ([`NONE`] if none was), and the gaps.
    pub fn to_numbers(&self) -> Vec<f32> {
        let mut numbers = vec![self.gaps.len() as f32, self.best.unwrap_or(NONE)];
        numbers.extend(&self.gaps);
        numbers.resize(self.window + 2, 0.0);
        numbers
    }

    /// Takes up where `numbers` of [`GapWatch::to_numbers`] stopped.
    pub fn restore(&mut self, numbers: &[f32]) {
        let [count, best, gaps @ ..] = numbers else { return };
        self.best = Some(*best).filter(|best| *best != NONE);
        self.gaps = gaps.iter().copied().take(*count as usize).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(gaps: &[f64]) -> GapWatch {
        let mut watch = GapWatch::new(3, 0.1);
        gaps.iter().for_each(|&gap| watch.push(gap));
        watch
    }

    #[test]
    fn the_average_is_over_the_window() {
        assert_eq!(watch(&[]).mean(), None);
        assert_eq!(watch(&[1.0, 2.0]).mean(), Some(1.5));
        assert_eq!(watch(&[9.0, 1.0, 2.0, 3.0]).mean(), Some(2.0));
    }

    #[test]
    fn only_a_stable_gap_that_is_smaller_is_kept() {
        let mut gaps = watch(&[0.5, 0.5]);
        assert!(!gaps.improves(), "the window is not full");
        gaps.push(0.5);
        assert!(gaps.improves());
        assert!(!gaps.improves(), "not smaller than itself");
        for (gap, kept) in [(-0.5, false), (-0.2, false), (-0.2, false), (-0.2, true), (0.3, false)]
        {
            gaps.push(gap);
            assert_eq!(gaps.improves(), kept, "{gap}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_kept() {
        assert!(!watch(&[f64::NAN; 3]).improves());
    }

    #[test]
    fn a_resumed_watch_goes_on_as_if_it_had_not_stopped() {
        for steps in 0..5 {
            let mut straight = watch(&[0.4; 5][..steps]);
            straight.improves();
            let mut resumed = GapWatch::new(3, 0.1);
            resumed.restore(&straight.to_numbers());
            assert_eq!(resumed, straight);
            assert_eq!(straight.to_numbers().len(), 5);
        }
    }
}
