//! The executor: which action belongs to which step, and when a step begins.
//!
//! Actions are queued by absolute step. At a step boundary the action of that step is taken;
//! what arrives for a step already begun is dropped and counted, never played late. Every step
//! that begins is either executed or starved. The step clock stands until the action of step 0
//! is there, and, if so asked, whenever a step's action is missing.
//!
//! The executor knows nothing of poses, velocities or limits.

pub mod clock;
pub mod queue;

use crate::command::Refusal;
use crate::report::Counters;
use clock::StepClock;
use queue::StepQueue;
pub use queue::{QUEUE_STEPS, Queued};

/// What one tick is in the course of steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beat {
    /// The step clock stands.
    Stands,
    /// A step begins, with its action or starved.
    Begins(u64, Option<Queued>),
    /// A step goes on.
    GoesOn,
}

/// A queue of actions, and the step clock that takes from it.
#[derive(Clone, Debug)]
pub struct Executor {
    queue: StepQueue,
    clock: StepClock,
    pause_when_empty: bool,
}

impl Executor {
    /// An executor before step 0.
    pub fn new(pause_when_empty: bool) -> Self {
        Self { queue: StepQueue::default(), clock: StepClock::default(), pause_when_empty }
    }

    /// Refuses steps that the queue cannot hold.
    pub fn check(&self, first_step: u64, count: usize) -> Result<(), Refusal> {
        let next_step = self.clock.next_step();
        let fits = first_step
            .checked_add(count as u64)
            .is_some_and(|end| end <= next_step.saturating_add(QUEUE_STEPS as u64));
        if count <= QUEUE_STEPS && fits {
            Ok(())
        } else {
            Err(Refusal::BeyondQueue { first_step, count, next_step, capacity: QUEUE_STEPS })
        }
    }

    /// Queues what [`check`](Self::check) has let pass; late is counted and dropped.
    pub fn insert(&mut self, queued: Queued, counters: &mut Counters) {
        if queued.step < self.clock.next_step() {
            counters.late_units += 1;
        } else if self.queue.put(queued).is_some() {
            counters.replaced_units += 1;
        }
    }

    /// The step that the coming tick would begin but for which nothing is queued.
    pub fn needs_action(&self) -> Option<u64> {
        let step = self.clock.next_step();
        (self.clock.at_boundary() && !self.queue.holds(step)).then_some(step)
    }

    /// Moves on by one tick, taking actions from the queue.
    pub fn advance(&mut self, counters: &mut Counters) -> Beat {
        if !self.clock.at_boundary() {
            self.clock.go_on();
            return Beat::GoesOn;
        }
        let taken = self.queue.take(self.clock.next_step());
        match taken {
            Some(_) => counters.executed += 1,
            None if self.clock.next_step() == 0 => return Beat::Stands,
            None if self.pause_when_empty => {
                counters.paused_ticks += 1;
                return Beat::Stands;
            }
            None => counters.starved += 1,
        }
        Beat::Begins(self.clock.begin(), taken)
    }

    /// Whether the coming tick is a step boundary.
    pub fn at_boundary(&self) -> bool {
        self.clock.at_boundary()
    }

    /// The first step not begun for which nothing is queued.
    pub fn next_needed_step(&self) -> u64 {
        let next_step = self.clock.next_step();
        let end = next_step + QUEUE_STEPS as u64;
        (next_step..end).find(|step| !self.queue.holds(*step)).unwrap_or(end)
    }

    /// One past the last step queued; the next step to begin if nothing is.
    pub fn queued_until(&self) -> u64 {
        self.queue.last_step().map_or(self.clock.next_step(), |step| step + 1)
    }

    /// Actions queued.
    pub fn queued(&self) -> usize {
        self.queue.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jaco_core::{Action, TICKS_PER_STEP};

    fn queued(step: u64, dx_m: f64) -> Queued {
        let action = Action { translation_m: [dx_m, 0.0, 0.0], ..Action::default() };
        Queued { step, action, from_frame_ns: None }
    }

    fn run_step(executor: &mut Executor, counters: &mut Counters) -> Beat {
        let first = executor.advance(counters);
        for _ in 1..TICKS_PER_STEP {
            assert_eq!(executor.advance(counters), Beat::GoesOn);
        }
        assert!(executor.at_boundary());
        first
    }

    #[test]
    fn the_clock_stands_until_step_0_is_there_and_nothing_is_counted() {
        let (mut executor, mut counters) = (Executor::new(false), Counters::default());
        executor.insert(queued(1, 0.1), &mut counters);
        assert_eq!(executor.advance(&mut counters), Beat::Stands);
        assert_eq!(executor.needs_action(), Some(0));
        assert_eq!(counters, Counters::default());
        executor.insert(queued(0, 0.0), &mut counters);
        assert_eq!(executor.needs_action(), None);
        assert!(matches!(run_step(&mut executor, &mut counters), Beat::Begins(0, Some(_))));
        assert!(matches!(run_step(&mut executor, &mut counters), Beat::Begins(1, Some(_))));
    }

    #[test]
    fn a_missing_action_is_a_starved_step_and_coming_late_it_is_dropped() {
        let (mut executor, mut counters) = (Executor::new(false), Counters::default());
        executor.insert(queued(0, 0.0), &mut counters);
        run_step(&mut executor, &mut counters);
        assert_eq!(run_step(&mut executor, &mut counters), Beat::Begins(1, None));
        executor.insert(queued(1, 0.1), &mut counters);
        assert_eq!((counters.executed, counters.starved, counters.late_units), (1, 1, 1));
        assert!(executor.queued() == 0);
    }

    #[test]
    fn a_pausing_clock_waits_and_goes_on_at_the_tick_of_arrival() {
        let (mut executor, mut counters) = (Executor::new(true), Counters::default());
        executor.insert(queued(0, 0.0), &mut counters);
        run_step(&mut executor, &mut counters);
        for _ in 0..3 {
            assert_eq!(executor.advance(&mut counters), Beat::Stands);
        }
        executor.insert(queued(1, 0.1), &mut counters);
        assert!(matches!(executor.advance(&mut counters), Beat::Begins(1, Some(_))));
        assert_eq!((counters.paused_ticks, counters.starved), (3, 0));
    }

    #[test]
    fn newer_actions_replace_queued_ones_and_gaps_are_seen() {
        let (mut executor, mut counters) = (Executor::new(false), Counters::default());
        for (step, dx_m) in [(0, 0.1), (1, 0.1), (3, 0.1), (1, 0.2)] {
            executor.insert(queued(step, dx_m), &mut counters);
        }
        assert_eq!(counters.replaced_units, 1);
        assert_eq!((executor.next_needed_step(), executor.queued_until()), (2, 4));
        run_step(&mut executor, &mut counters);
        let Beat::Begins(1, Some(taken)) = run_step(&mut executor, &mut counters) else { panic!() };
        assert_eq!(taken.action.translation_m[0], 0.2);
    }

    #[test]
    fn the_queue_reaches_64_steps_and_no_further() {
        let mut executor = Executor::new(false);
        assert_eq!(executor.check(0, QUEUE_STEPS), Ok(()));
        assert!(executor.check(1, QUEUE_STEPS).is_err());
        assert!(executor.check(0, QUEUE_STEPS + 1).is_err());
        assert!(executor.check(u64::MAX, 2).is_err());
        let mut counters = Counters::default();
        for step in 0..QUEUE_STEPS as u64 {
            executor.insert(queued(step, 0.0), &mut counters);
        }
        assert_eq!(executor.next_needed_step(), 64);
        assert_eq!(counters.replaced_units, 0);
    }
}
