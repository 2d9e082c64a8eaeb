//! Policy and Motion: actions queued by step, executed one a step.

use super::check_action;
use super::path::{Path, RunningStep, Tally, Wanted};
use crate::command::Refusal;
use crate::executor::{Beat, Executor, Queued};
use crate::limits::acted::Acted;
use crate::mode::Mode;
use crate::report::Counters;
use crate::stream;
use jaco_core::{
    Action, ActionCodec, ActionStatistics, ActionStream, ArmState, Limits, STEP_S, Twist,
};
use nalgebra::Vector3;

/// Who the actions come from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// A policy; units are decoded with the codec.
    Policy(Option<ActionCodec>),
    /// Somebody who has them as numbers, one by one.
    Motion,
}

/// The state of Policy and of Motion.
#[derive(Clone, Debug)]
pub(super) struct Stepping {
    source: Source,
    pub executor: Executor,
    pub path: Path,
}

impl Stepping {
    /// Policy mode before step 0. Refuses statistics that decode nothing.
    pub fn policy(
        statistics: Option<ActionStatistics>,
        pause_when_empty: bool,
    ) -> Result<Self, Refusal> {
        let codec = statistics.map(ActionCodec::new).transpose()?;
        let executor = Executor::new(pause_when_empty);
        Ok(Self { source: Source::Policy(codec), executor, path: Path::default() })
    }

    /// Motion mode before step 0; it never pauses.
    pub fn motion() -> Self {
        let executor = Executor::new(false);
        Self { source: Source::Motion, executor, path: Path::default() }
    }

    pub fn mode(&self) -> Mode {
        match self.source {
            Source::Policy(_) => Mode::Policy,
            Source::Motion => Mode::Motion,
        }
    }

    /// Queues what a policy wants, all of it or nothing.
    pub fn queue_stream(
        &mut self,
        stream: &ActionStream,
        counters: &mut Counters,
    ) -> Result<(), Refusal> {
        let Source::Policy(codec) = &self.source else {
            return Err(Refusal::WrongMode { command: "Stream", mode: self.mode() });
        };
        self.executor.check(stream.first_step, stream.chunk.len())?;
        stream::check(stream, codec.as_ref())?;
        for action in stream::actions(stream, codec.as_ref()) {
            check_action("Stream", &action)?;
        }
        let from_frame_ns = Some(stream.from_frame_ns);
        for (step, action) in (stream.first_step..).zip(stream::actions(stream, codec.as_ref())) {
            self.executor.insert(Queued { step, action, from_frame_ns }, counters);
        }
        Ok(())
    }

    /// Queues the action of one step.
    pub fn queue_action(
        &mut self,
        step: u64,
        action: &Action,
        counters: &mut Counters,
    ) -> Result<(), Refusal> {
        if let Source::Policy(_) = self.source {
            return Err(Refusal::WrongMode { command: "Motion", mode: self.mode() });
        }
        check_action("Motion", action)?;
        self.executor.check(step, 1)?;
        let queued = Queued { step, action: *action, from_frame_ns: None };
        self.executor.insert(queued, counters);
        Ok(())
    }

    pub fn tick(
        &mut self,
        state: &ArmState,
        sent: &Twist,
        limits: &Limits,
        tally: &mut Tally,
    ) -> Wanted {
        if self.path.is_new() {
            tally.gripper = state.opening().clamp(0.0, 1.0);
        }
        let mut reference = self.path.reference(state, limits);
        let (mut step_started, mut cut) = (None, Acted::default());
        match self.executor.advance(&mut tally.counters) {
            Beat::Stands => {
                reference.rest();
                self.path.running = None;
            }
            Beat::Begins(step, taken) => {
                let action = taken.map_or(Action::still(tally.gripper), |queued| queued.action);
                cut = reference.aim(
                    &Vector3::from(action.translation_m),
                    &Vector3::from(action.rotation_rad),
                    STEP_S,
                    limits,
                );
                tally.counters.clipped += u64::from(!cut.is_empty());
                tally.gripper = action.gripper.clamp(0.0, 1.0);
                let from_frame_ns = taken.and_then(|queued| queued.from_frame_ns);
                let running = RunningStep::new(step, taken.is_none(), action, from_frame_ns);
                self.path.running = Some(running);
                step_started = Some(step);
            }
            Beat::GoesOn => {}
        }
        let mut wanted = self.path.follow(reference, state, sent, limits, tally);
        wanted.step_started = step_started;
        wanted.acted.add(cut);
        wanted
    }
}
