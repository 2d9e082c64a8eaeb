//! What is known of an episode while it is recorded: how it kept its time, and why it may be no
//! good demonstration. Pure.

use super::sampler::Sample;
use jaco_core::STEP_NS;
use jaco_dataset::EpisodeNotes;
use nalgebra::Vector3;

/// Share of the rate by which an episode may miss 10 Hz.
const RATE_TOLERANCE: f64 = 0.02;
/// Share of steps that may miss their time.
const LATE_SHARE: f64 = 0.05;
/// Fewer steps than this demonstrate nothing.
const LEAST_STEPS: u64 = 5;
/// A path shorter than this demonstrates nothing \[m\].
const LEAST_PATH_M: f64 = 0.01;

/// The counts of an episode.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Steps recorded.
    pub steps: u64,
    /// Steps that missed their time.
    pub late: u64,
    /// Steps with a picture that was too old, or of a camera with a fault.
    pub stale: u64,
    /// Steps that are missing.
    pub lost: u64,
    path_m: f64,
    first_ns: u64,
    last_ns: u64,
    last_m: Option<Vector3<f64>>,
}

impl Tally {
    /// Takes in a step that is recorded.
    pub fn take(&mut self, sample: &Sample, stale: bool) {
        if self.steps == 0 {
            self.first_ns = sample.step_ns;
        }
        self.last_ns = sample.step_ns;
        self.steps += 1;
        self.late += u64::from(sample.late);
        self.stale += u64::from(stale);
        let here = sample.state.pose.position_m;
        self.path_m += self.last_m.map_or(0.0, |last| (here - last).norm());
        self.last_m = Some(here);
    }

    /// Steps with any mark, the missing ones included.
    pub fn flagged(&self) -> u64 {
        self.late + self.stale + self.lost
    }

    /// Rate achieved \[Hz\]; none for less than two steps.
    pub fn achieved_hz(&self) -> Option<f64> {
        let span_ns = self.last_ns.saturating_sub(self.first_ns);
        (span_ns > 0).then(|| (self.steps - 1) as f64 * 1e9 / span_ns as f64)
    }

    /// Adds how the episode kept its time to its notes.
    pub fn note(&self, notes: &mut EpisodeNotes) {
        for (key, steps) in
            [("late_steps", self.late), ("stale_steps", self.stale), ("lost_steps", self.lost)]
        {
            notes.insert(key.to_owned(), steps.into());
        }
        notes.insert("doubts".to_owned(), self.doubts().into());
    }

    /// Why the episode may be no good demonstration.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if self.steps < LEAST_STEPS {
            doubts.push(format!("it has {} steps only", self.steps));
        }
        if self.path_m < LEAST_PATH_M {
            doubts.push("the arm hardly moved".to_owned());
        }
        let nominal_hz = 1e9 / STEP_NS as f64;
        if let Some(hz) = self.achieved_hz()
            && (hz / nominal_hz - 1.0).abs() > RATE_TOLERANCE
        {
            doubts.push(format!("it ran at {hz:.2} Hz instead of {nominal_hz} Hz"));
        }
        if self.late as f64 > LATE_SHARE * self.steps as f64 {
            doubts.push(format!("{} of {} steps missed their time", self.late, self.steps));
        }
        if self.stale > 0 {
            doubts.push(format!("{} steps have an old or faulty picture", self.stale));
        }
        if self.lost > 0 {
            doubts.push(format!("{} steps are missing", self.lost));
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::arm::tests::status_in;
    use jaco_core::Action;

    fn sample(step_ns: u64, x_m: f64) -> Sample {
        let mut state = status_in(jaco_servo::Mode::Jog).state;
        state.pose.position_m.x = x_m;
        let still = Action::still(1.0);
        Sample { step_ns, state, seen: vec![], asked: still, sent: still, late: false }
    }

    fn episode(period_ns: u64) -> Tally {
        let mut tally = Tally::default();
        (0..50).for_each(|k| tally.take(&sample(k * period_ns, k as f64 * 1e-3), false));
        tally
    }

    #[test]
    fn an_episode_that_kept_its_time_has_no_doubts() {
        let tally = episode(STEP_NS);
        assert_eq!(tally.doubts(), Vec::<String>::new());
        assert!((tally.achieved_hz().unwrap() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn an_episode_that_ran_slow_says_so_at_once() {
        let doubts = episode(STEP_NS * 11 / 10).doubts();
        assert_eq!(doubts, ["it ran at 9.09 Hz instead of 10 Hz"]);
    }

    #[test]
    fn what_is_missing_or_marked_is_told() {
        let mut tally = Tally::default();
        tally.take(&Sample { late: true, ..sample(0, 0.0) }, true);
        tally.lost = 2;
        assert_eq!(
            tally.doubts(),
            [
                "it has 1 steps only",
                "the arm hardly moved",
                "1 of 1 steps missed their time",
                "1 steps have an old or faulty picture",
                "2 steps are missing",
            ]
        );
        assert_eq!((tally.achieved_hz(), tally.flagged()), (None, 4));
    }
}
