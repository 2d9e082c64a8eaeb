//! Steps as they are recorded: what was seen when a step began, and what was asked and sent during
//! it. The servo's step count is the metronome. Pure.

use jaco_core::{Action, ArmState, Frame, STEP_NS};
use jaco_servo::ServoStatus;
use std::sync::Arc;

/// How far the time between two beginnings of steps may be from 100 ms until the step is marked
/// \[ns\].
const TOLERANCE_NS: u64 = 10_000_000;

/// A camera when a step begins.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its newest picture; none before the first.
    pub frame: Option<Arc<Frame>>,
    /// Whether it has a fault.
    pub faulty: bool,
}

/// A step that has ended.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When it began, monotonic \[ns\].
    pub step_ns: u64,
    /// The arm when it began.
    pub state: ArmState,
    /// The cameras when it began, in the order in which they are recorded.
    pub seen: Vec<Seen>,
    /// What was asked.
    pub asked: Action,
    /// What was sent.
    pub sent: Action,
    /// Whether the step missed its time.
    pub late: bool,
}

/// What a status of the servo adds.
#[derive(Debug, Default)]
pub struct Sampled {
    /// The step that ended.
    pub sample: Option<Sample>,
    /// Whether a step begins with this status.
    pub begins: bool,
    /// Steps of which nothing is known, since their statuses were not heard.
    pub missed: u64,
}

/// Puts steps together from statuses.
#[derive(Debug, Default)]
pub struct Sampler {
    open: Option<Open>,
    last_began: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Open {
    step: u64,
    step_ns: u64,
    state: ArmState,
    seen: Vec<Seen>,
    late: bool,
}

impl Sampler {
    /// Takes in a status; `look` shows the cameras now.
    pub fn on_status(
        &mut self,
        status: &ServoStatus,
        look: &mut dyn FnMut() -> Vec<Seen>,
    ) -> Sampled {
        let report = &status.report;
        let mut sampled = Sampled::default();
        if let (Some(completed), Some(open)) = (report.completed, &self.open)
            && completed.step == open.step
        {
            sampled.sample = self.open.take().map(|open| Sample {
                step_ns: open.step_ns,
                state: open.state,
                seen: open.seen,
                asked: completed.asked,
                sent: completed.sent,
                late: open.late,
            });
        }
        let Some(step) = report.setpoint.step_started else { return sampled };
        sampled.begins = true;
        // The tick began before its calls of the SDK, and the status was made after them.
        let step_ns = status.sent_ns.saturating_sub(status.send_ns + status.read_ns);
        let (missed, late) = match self.last_began {
            // Step numbers begin again with each mode.
            Some((last, last_ns)) if step > last => {
                let apart = step - last;
                let off = (step_ns.saturating_sub(last_ns)).abs_diff(apart * STEP_NS);
                (apart - 1, apart > 1 || off > TOLERANCE_NS)
            }
            _ => (0, false),
        };
        // A step whose end was not heard is no row either.
        let unended = u64::from(missed > 0 && self.open.is_some());
        sampled.missed = missed + unended;
        self.last_began = Some((step, step_ns));
        self.open = Some(Open { step, step_ns, state: status.state, seen: look(), late });
        sampled
    }

    /// The arm's mode changes: the step that is open has no end.
    pub fn break_off(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::arm::tests::status_in;
    use jaco_servo::{CompletedStep, Mode};

    fn tick(at_ns: u64, started: Option<u64>, completed: Option<u64>) -> ServoStatus {
        let mut status = status_in(Mode::Jog);
        status.sent_ns = at_ns;
        status.report.setpoint.step_started = started;
        status.report.completed = completed.map(|step| CompletedStep {
            step,
            starved: false,
            asked: Action::still(step as f64),
            sent: Action::still(0.0),
        });
        status
    }

    fn run(statuses: &[ServoStatus]) -> Vec<Sampled> {
        let mut sampler = Sampler::default();
        statuses.iter().map(|status| sampler.on_status(status, &mut Vec::new)).collect()
    }

    #[test]
    fn a_step_holds_what_was_when_it_began_and_what_came_of_it() {
        let sampled = run(&[
            tick(1_000_000_000, Some(0), None),
            tick(1_010_000_000, None, None),
            tick(1_100_000_000, Some(1), Some(0)),
            tick(1_200_000_000, Some(2), Some(1)),
        ]);
        assert!(sampled[0].sample.is_none() && sampled[0].begins && !sampled[1].begins);
        let first = sampled[2].sample.as_ref().unwrap();
        assert_eq!((first.step_ns, first.asked.gripper, first.late), (1_000_000_000, 0.0, false));
        let second = sampled[3].sample.as_ref().unwrap();
        assert_eq!((second.step_ns, second.asked.gripper), (1_100_000_000, 1.0));
    }

    #[test]
    fn a_step_that_misses_its_time_is_marked() {
        let sampled = run(&[
            tick(1_000_000_000, Some(0), None),
            tick(1_111_000_000, Some(1), Some(0)),
            tick(1_211_000_000, Some(2), Some(1)),
        ]);
        assert!(!sampled[1].sample.as_ref().unwrap().late);
        assert!(sampled[2].sample.as_ref().unwrap().late);
    }

    /// A follower that slept hears of step 4 after step 1.
    #[test]
    fn steps_that_were_not_heard_are_counted_and_never_invented() {
        let sampled = run(&[
            tick(1_000_000_000, Some(1), None),
            tick(1_300_000_000, Some(4), Some(3)),
            tick(1_400_000_000, Some(5), Some(4)),
        ]);
        assert!(sampled[1].sample.is_none());
        assert_eq!(sampled[1].missed, 3);
        assert!(sampled[2].sample.as_ref().unwrap().late);
    }

    #[test]
    fn steps_count_anew_in_another_mode() {
        let sampled =
            run(&[tick(1_000_000_000, Some(7), None), tick(9_000_000_000, Some(0), None)]);
        assert_eq!(sampled[1].missed, 0);
    }
}
