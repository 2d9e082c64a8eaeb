//! The queue: actions by absolute step, for as many steps from the next one on as it has places.
//! Knows no time.

use jaco_core::{Action, MAX_CHUNK_STEPS};

/// Steps that can be queued, counted from the next step to begin.
pub const QUEUE_STEPS: usize = MAX_CHUNK_STEPS;

/// An action waiting for its step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queued {
    /// The step it is for.
    pub step: u64,
    /// What to do.
    pub action: Action,
    /// Capture time of the frame it comes from, monotonic \[ns\].
    pub from_frame_ns: Option<u64>,
}

/// Places for [`QUEUE_STEPS`] steps.
#[derive(Clone, Debug)]
pub struct StepQueue([Option<Queued>; QUEUE_STEPS]);

impl Default for StepQueue {
    fn default() -> Self {
        Self([None; QUEUE_STEPS])
    }
}

impl StepQueue {
    /// Puts an action into the place of its step; returns the one that it replaces.
    pub fn put(&mut self, queued: Queued) -> Option<Queued> {
        self.0[place(queued.step)].replace(queued)
    }

    /// Takes the action for `step`.
    pub fn take(&mut self, step: u64) -> Option<Queued> {
        self.0[place(step)].take()
    }

    /// Whether there is an action for `step`.
    pub fn holds(&self, step: u64) -> bool {
        self.0[place(step)].is_some()
    }

    /// The last step with an action.
    pub fn last_step(&self) -> Option<u64> {
        self.0.iter().flatten().map(|queued| queued.step).max()
    }

    /// Actions queued.
    pub fn count(&self) -> usize {
        self.0.iter().flatten().count()
    }
}

/// Where a step is kept; unambiguous for the `QUEUE_STEPS` steps from the next one on.
fn place(step: u64) -> usize {
    (step % QUEUE_STEPS as u64) as usize
}
