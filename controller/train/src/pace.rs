//! How quickly a training goes, and when it will have ended.
//!
//! Owns the arithmetic alone: times are passed in, and pauses do not count.

use std::collections::VecDeque;
use std::fmt;

/// What is looked back on \[ns of training\].
const WINDOW_NS: u64 = 300_000_000_000;
/// Marks are at least so far apart \[ns\].
const APART_NS: u64 = 1_000_000_000;

/// When which step was taken, lately. Saves and validations count, pauses do not.
#[derive(Debug, Default)]
pub struct Pace {
    marks: VecDeque<(u64, u64)>,
    paused_ns: u64,
}

impl Pace {
    /// Step `step` was taken at `now_ns`.
    pub fn step(&mut self, step: u64, now_ns: u64) {
        let at_ns = now_ns.saturating_sub(self.paused_ns);
        if self.marks.len() > 1 {
            let before = self.marks.len() - 2;
            // The last mark moves on until it is far enough from the one before.
            if at_ns < self.marks[before].0 + APART_NS {
                self.marks.pop_back();
            }
        }
        self.marks.push_back((at_ns, step));
        while self.marks.len() > 2 && self.marks[1].0 + WINDOW_NS < at_ns {
            self.marks.pop_front();
        }
    }

    /// Nothing was done for `ns`.
    pub fn pause(&mut self, ns: u64) {
        self.paused_ns += ns;
    }

    /// What is left until step `steps` \[s\], if that can be told.
    pub fn left_s(&self, steps: u64) -> Option<f64> {
        let ((from_ns, from), (to_ns, to)) = (*self.marks.front()?, *self.marks.back()?);
        let each_s =
            (to_ns - from_ns) as f64 * 1e-9 / to.checked_sub(from).filter(|n| *n > 0)? as f64;
        Some(each_s * steps.saturating_sub(to) as f64)
    }
}

/// A time to wait, as one would say it.
pub struct About(pub f64);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = (self.0 / 60.0).round() as u64;
        match minutes {
            _ if self.0 < 90.0 => write!(f, "{:.0} s", self.0),
            0..=99 => write!(f, "{minutes} min"),
            _ => write!(f, "{} h {:02} min", minutes / 60, minutes % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn what_is_left_follows_from_the_steps_taken_and_not_from_pauses() {
        let mut pace = Pace::default();
        assert_eq!(pace.left_s(100), None);
        pace.step(500, 7 * S);
        assert_eq!(pace.left_s(1000), None, "one step tells nothing of the next");
        for step in 1..=100 {
            pace.step(500 + step, 7 * S + step * S / 2);
        }
        assert!((pace.left_s(1000).unwrap() - 200.0).abs() < 1e-6);
        pace.pause(3600 * S);
        pace.step(601, 7 * S + 50 * S + S / 2 + 3600 * S);
        assert!((pace.left_s(1000).unwrap() - 199.5).abs() < 1e-6);
        assert_eq!(pace.left_s(601), Some(0.0));
    }

    #[test]
    fn what_was_long_ago_counts_no_more_and_few_marks_are_kept() {
        let mut pace = Pace::default();
        let mut now_ns = 0;
        for step in 0..10_000u64 {
            now_ns += if step < 5000 { S } else { S / 10 };
            pace.step(step, now_ns);
        }
        assert!((pace.left_s(10_999).unwrap() - 100.0).abs() < 1.0);
        assert!(pace.marks.len() < 400, "{}", pace.marks.len());
    }

    #[test]
    fn times_are_said_as_one_says_them() {
        let said = [4.2, 89.0, 91.0, 5999.0, 7260.0].map(|s| About(s).to_string());
        assert_eq!(said, ["4 s", "89 s", "2 min", "1 h 40 min", "2 h 01 min"]);
    }
}
