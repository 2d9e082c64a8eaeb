//! When to think, and about which steps: the rule of synchronous and asynchronous execution.
//!
//! Pure: told when steps begin and what was decoded, it answers which inference to start and
//! which units to send. Units are tied to absolute steps that the servo counts; no estimate of
//! latency decides anything.
//!
//! * sync (the paper's way): when the servo has run out of units, look and decode H units.
//! * async: at every step boundary at which no inference is under way, look and decode the H
//!   units from that step on. The first `commit_steps` of them are already queued in the servo
//!   and may be executed before the answer is there: they are forced as the decoder's prefix,
//!   so that the new units continue what the arm really does.
//!
//! A policy that becomes unsure answers fewer units than H. Then sync looks again sooner; in
//! async, what is queued for later steps stays until newer units replace it, and is what the next
//! inference is forced to continue.

use jaco_core::{ActionStream, ActionUnit, Chunk};
use std::collections::BTreeMap;

/// How units are executed while the policy thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Execute all units, then look again.
    Sync,
    /// Think while executing.
    Async {
        /// Queued units that are forced as the decoder's prefix.
        commit_steps: usize,
    },
}

/// An inference to start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The step that the stream's first unit is for.
    pub first_step: u64,
    /// Units already committed, for `first_step`, `first_step + 1`, ...
    pub forced: Vec<ActionUnit>,
}

/// What the servo said last about its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepClock {
    /// The step that begins next.
    pub next_step: u64,
    /// Whether a step began with this report.
    pub step_began: bool,
    /// Whether the servo waits for a unit of `next_step`, its step clock standing still.
    pub waiting: bool,
}

/// Decides about one run.
#[derive(Debug)]
pub struct Pacer {
    pace: Pace,
    horizon: usize,
    sent: BTreeMap<u64, ActionUnit>,
    /// One past the last step for which numbers were sent.
    numbers_until: u64,
    thinking: bool,
}

impl Pacer {
    /// A pacer for streams of `horizon` units.
    pub fn new(pace: Pace, horizon: usize) -> Self {
        Self { pace, horizon, sent: BTreeMap::new(), numbers_until: 0, thinking: false }
    }

    /// The inference to start now, if it is time for one.
    pub fn plan(&mut self, clock: StepClock) -> Option<Plan> {
        self.sent = self.sent.split_off(&clock.next_step.saturating_sub(1));
        if self.thinking {
            return None;
        }
        let plan = if clock.waiting {
            // A report made before the servo got the units still says that it waits.
            let sent = self.sent.contains_key(&clock.next_step);
            if sent || clock.next_step < self.numbers_until {
                return None;
            }
            Plan { first_step: clock.next_step, forced: Vec::new() }
        } else {
            match self.pace {
                Pace::Sync => return None,
                Pace::Async { .. } if !clock.step_began => return None,
                Pace::Async { commit_steps } => self.plan_from(clock.next_step - 1, commit_steps),
            }
        };
        self.thinking = true;
        Some(plan)
    }

    fn plan_from(&self, running: u64, commit_steps: usize) -> Plan {
        let most = commit_steps.min(self.horizon - 1);
        let forced: Vec<ActionUnit> =
            (running..).map_while(|step| self.sent.get(&step).copied()).take(most).collect();
        // A starved step cannot be made up for: the stream begins after it.
        let first_step = if forced.is_empty() { running + 1 } else { running };
        Plan { first_step, forced }
    }

    /// What to send of the `chunk` that answers `plan`, for the steps behind the forced ones.
    pub fn answered(&mut self, plan: &Plan, chunk: Chunk, from_frame_ns: u64) -> ActionStream {
        self.thinking = false;
        let first_step = plan.first_step + plan.forced.len() as u64;
        // Only units can be forced: what stands for these steps in numbers replaces them.
        self.sent.retain(|step, _| !(first_step..first_step + chunk.len() as u64).contains(step));
        match &chunk {
            Chunk::Units { units, .. } => {
                self.sent.extend((first_step..).zip(units.iter().copied()))
            }
            Chunk::Actions(actions) => {
                self.numbers_until = self.numbers_until.max(first_step + actions.len() as u64);
            }
        }
        ActionStream { first_step, chunk, from_frame_ns }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn units(tag: u16, count: usize) -> Vec<ActionUnit> {
        (0..count as u16).map(|i| ActionUnit([tag + i; 7])).collect()
    }

    /// What a policy answers behind the forced units.
    fn free(units: &[ActionUnit]) -> Chunk {
        let units = heapless::Vec::from_slice(units).unwrap();
        Chunk::Units { units, values: heapless::Vec::new() }
    }

    fn began(step: u64) -> StepClock {
        StepClock { next_step: step + 1, step_began: true, waiting: false }
    }

    const WAITING_AT_0: StepClock = StepClock { next_step: 0, step_began: false, waiting: true };

    #[test]
    fn sync_thinks_only_when_the_servo_has_run_out() {
        let mut pacer = Pacer::new(Pace::Sync, 4);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        assert_eq!(plan, Plan { first_step: 0, forced: vec![] });
        assert_eq!(pacer.plan(WAITING_AT_0), None, "one inference at a time");
        let stream = pacer.answered(&plan, free(&units(1, 4)), 7);
        assert_eq!((stream.first_step, stream.chunk.len(), stream.from_frame_ns), (0, 4, 7));
        assert_eq!(pacer.plan(began(0)), None);
        let waiting = StepClock { next_step: 4, step_began: false, waiting: true };
        assert_eq!(pacer.plan(waiting).unwrap().first_step, 4);
    }

    /// Found in a run: every other inference was made twice, and its units came late.
    #[test]
    fn a_report_from_before_the_units_arrived_starts_no_second_inference() {
        let mut pacer = Pacer::new(Pace::Sync, 4);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        pacer.answered(&plan, free(&units(1, 4)), 0);
        assert_eq!(pacer.plan(WAITING_AT_0), None);
    }

    #[test]
    fn async_forces_what_is_committed_and_sends_only_the_rest() {
        let mut pacer = Pacer::new(Pace::Async { commit_steps: 2 }, 4);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        pacer.answered(&plan, free(&units(1, 4)), 0);
        let plan = pacer.plan(began(1)).unwrap();
        assert_eq!(plan, Plan { first_step: 1, forced: units(2, 2) });
        let stream = pacer.answered(&plan, free(&units(50, 2)), 0);
        assert_eq!((stream.first_step, stream.chunk), (3, free(&units(50, 2))));
        let middle = StepClock { next_step: 2, step_began: false, waiting: false };
        assert_eq!(pacer.plan(middle), None, "observations are taken at step boundaries");
    }

    #[test]
    fn sync_looks_again_as_soon_as_a_short_stream_is_used_up() {
        let mut pacer = Pacer::new(Pace::Sync, 4);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        pacer.answered(&plan, free(&units(1, 1)), 0);
        assert_eq!(pacer.plan(began(0)), None);
        let waiting = StepClock { next_step: 1, step_began: false, waiting: true };
        assert_eq!(pacer.plan(waiting), Some(Plan { first_step: 1, forced: vec![] }));
    }

    #[test]
    fn async_continues_a_short_stream_from_its_last_unit() {
        let mut pacer = Pacer::new(Pace::Async { commit_steps: 3 }, 6);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        pacer.answered(&plan, free(&units(1, 2)), 0);
        let plan = pacer.plan(began(0)).unwrap();
        assert_eq!(plan, Plan { first_step: 0, forced: units(1, 2) });
        let stream = pacer.answered(&plan, free(&units(3, 1)), 0);
        assert_eq!((stream.first_step, stream.chunk), (2, free(&units(3, 1))));
        let plan = pacer.plan(began(2)).unwrap();
        assert_eq!(plan, Plan { first_step: 2, forced: units(3, 1) });
        assert_eq!(pacer.answered(&plan, free(&units(4, 1)), 0).first_step, 3);
        // The answer came after the last unit had been used up.
        let plan = pacer.plan(began(5)).unwrap();
        assert_eq!(plan, Plan { first_step: 6, forced: vec![] });
    }

    #[test]
    fn what_a_short_stream_does_not_replace_stays_committed() {
        let mut pacer = Pacer::new(Pace::Async { commit_steps: 3 }, 5);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        pacer.answered(&plan, free(&units(10, 5)), 0);
        let plan = Plan { first_step: 0, forced: units(10, 2) };
        pacer.answered(&plan, free(&units(50, 1)), 0);
        let plan = pacer.plan(began(1)).unwrap();
        let forced = [units(11, 1), units(50, 1), units(13, 1)].concat();
        assert_eq!(plan, Plan { first_step: 1, forced });
    }

    #[test]
    fn a_starved_step_is_not_planned_for() {
        let mut pacer = Pacer::new(Pace::Async { commit_steps: 2 }, 4);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        pacer.answered(&plan, free(&units(1, 4)), 0);
        let plan = pacer.plan(began(4)).unwrap();
        assert_eq!(plan, Plan { first_step: 5, forced: vec![] });
    }

    #[test]
    fn at_least_one_unit_is_always_new() {
        let mut pacer = Pacer::new(Pace::Async { commit_steps: 9 }, 2);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        pacer.answered(&plan, free(&units(1, 2)), 0);
        assert_eq!(pacer.plan(began(0)).unwrap().forced.len(), 1);
    }

    #[test]
    fn an_answer_in_numbers_is_waited_for_and_never_forced() {
        let mut pacer = Pacer::new(Pace::Async { commit_steps: 2 }, 4);
        let plan = pacer.plan(WAITING_AT_0).unwrap();
        let still = heapless::Vec::from_slice(&[jaco_core::Action::still(1.0); 4]).unwrap();
        pacer.answered(&plan, Chunk::Actions(still), 0);
        assert_eq!(pacer.plan(WAITING_AT_0), None, "the servo has not got them yet");
        assert_eq!(pacer.plan(began(0)), Some(Plan { first_step: 1, forced: vec![] }));
    }
}
