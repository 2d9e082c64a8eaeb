//! The step clock: which step is under way, and how far. Knows no action.

use jaco_core::TICKS_PER_STEP;

/// Counts ticks and steps from the entry into a mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepClock {
    next_step: u64,
    /// Ticks of the running step that are past; 0: the coming tick is a step boundary.
    tick_in_step: u64,
}

impl StepClock {
    /// The next step to begin.
    pub fn next_step(&self) -> u64 {
        self.next_step
    }

    /// Whether the coming tick is a step boundary.
    pub fn at_boundary(&self) -> bool {
        self.tick_in_step == 0
    }

    /// A tick at a boundary: the next step begins; returns which.
    pub fn begin(&mut self) -> u64 {
        let step = self.next_step;
        self.next_step += 1;
        self.tick_in_step = 1;
        step
    }

    /// A tick within a step.
    pub fn go_on(&mut self) {
        self.tick_in_step = (self.tick_in_step + 1) % TICKS_PER_STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_ten_ticks() {
        let mut clock = StepClock::default();
        for step in 0..3 {
            assert!(clock.at_boundary());
            assert_eq!((clock.begin(), clock.next_step()), (step, step + 1));
            for _ in 1..TICKS_PER_STEP {
                assert!(!clock.at_boundary());
                clock.go_on();
            }
        }
        assert!(clock.at_boundary());
    }
}
