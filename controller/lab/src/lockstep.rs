//! One world, its camera and a servo, moved on step by step by whoever calls.

use anyhow::{Context, bail};
use jaco_core::state::FINGERS;
use jaco_core::{
    Action, ActionStatistics, ActionStream, Chunk, Limits, Observation, Pose, TICKS_PER_STEP, Task,
    Twist,
};
use jaco_model::Stream;
use jaco_servo::{Command, ServoCore, Setpoint};
use jaco_sim::{Renderer, SceneTruth, Snapshot, StartPose, World, WorldOptions};

/// Finger travel of the Jaco2 hand in the SDK's ticks, open to closed.
const FINGER_TICKS: f64 = 6800.0;
/// The camera that policies look through.
pub const CAMERA: &str = "front";

/// A simulated arm under the servo's control, in lockstep.
pub struct Lockstep {
    world: World,
    renderer: Renderer,
    servo: ServoCore,
}

/// A moment to come back to.
pub struct Fork {
    world: Snapshot,
    servo: ServoCore,
}

impl Lockstep {
    /// A world with a square camera of `image_size` pixels.
    pub fn new(image_size: u32) -> anyhow::Result<Self> {
        let world = World::new(&WorldOptions::default())?;
        let renderer = Renderer::new(&world, CAMERA, image_size, image_size)?;
        Ok(Self { world, renderer, servo: ServoCore::new(Limits::default())? })
    }

    /// Places the objects of `task` and puts the arm at its start.
    pub fn reset(&mut self, task: Task, seed: u64, start: StartPose) -> anyhow::Result<()> {
        self.world.reset(task, seed, start);
        self.servo = ServoCore::new(Limits::default())?;
        Ok(())
    }

    /// Lets actions in numbers drive from now on; step 0 comes next.
    pub fn drive_by_actions(&mut self) -> anyhow::Result<()> {
        self.command(&Command::StartMotion)
    }

    /// Lets units of a policy with these statistics drive from now on; step 0 comes next. With
    /// `pause_when_empty` the steps wait, tick by tick, for units that are missing.
    pub fn drive_by_units(
        &mut self,
        statistics: ActionStatistics,
        pause_when_empty: bool,
    ) -> anyhow::Result<()> {
        self.command(&Command::StartPolicy { statistics: Some(statistics), pause_when_empty })
    }

    /// What a policy sees at the boundary of `step`.
    pub fn observe(&mut self, step: u64) -> anyhow::Result<Observation> {
        let frame = self.renderer.render(&self.world)?;
        Ok(Observation { step, frame, state: self.world.arm_state() })
    }

    /// The truth about the scene: for experts and labels, never for a policy.
    pub fn truth(&self) -> SceneTruth {
        self.world.truth()
    }

    /// Queues `action` for `step`.
    pub fn queue_action(&mut self, step: u64, action: Action) -> anyhow::Result<()> {
        self.command(&Command::Motion { step, action })
    }

    /// Whether the coming step has no unit: all that were queued are used up.
    pub fn needs_units(&self) -> bool {
        self.servo.needs_action().is_some()
    }

    /// Queues what a policy answered, from `first_step` on.
    pub fn queue_stream(&mut self, first_step: u64, stream: Stream) -> anyhow::Result<()> {
        let units = heapless::Vec::from_slice(&stream.units);
        let values = heapless::Vec::from_slice(stream.values.as_deref().unwrap_or_default());
        let chunk = match (units, values) {
            (Ok(units), Ok(values)) => Chunk::Units { units, values },
            _ => bail!("a stream of {} units is longer than the queue", stream.units.len()),
        };
        let from_frame_ns = self.world.now_ns();
        self.command(&Command::Stream(ActionStream { first_step, chunk, from_frame_ns }))
    }

    /// Lets one step of 100 ms pass. Returns whether the task is done at its end.
    pub fn step(&mut self) -> anyhow::Result<bool> {
        for _ in 0..TICKS_PER_STEP {
            self.tick()?;
        }
        Ok(self.is_done())
    }

    /// Lets one tick of 10 ms pass. Returns what was sent.
    pub fn tick(&mut self) -> anyhow::Result<Setpoint> {
        self.command(&Command::Heartbeat)?;
        let setpoint = self.servo.tick(self.world.now_ns(), &self.world.arm_state());
        let ticks_s: [f64; FINGERS] = setpoint.finger_velocity.map(|v| v * FINGER_TICKS);
        self.world.firmware().push_velocity(&setpoint.twist, ticks_s);
        self.world.tick();
        Ok(setpoint)
    }

    /// Whether the task is done.
    pub fn is_done(&self) -> bool {
        self.world.outcome().success
    }

    /// Steers by a twist, from now until the next one or until it is too old.
    pub fn jog(&mut self, twist: Twist) -> anyhow::Result<()> {
        self.command(&Command::Jog { twist, gripper: 1.0 })
    }

    /// Where the tool point is, and where the servo would have it.
    pub fn tracking(&self) -> (Pose, Option<Pose>) {
        (self.world.arm_state().pose, self.servo.report().reference)
    }

    /// The action that the servo decoded for the step that ended last, and what it sent for it.
    pub fn last_step(&self) -> Option<(Action, Action)> {
        self.servo.report().completed.map(|completed| (completed.asked, completed.sent))
    }

    /// Remembers this moment.
    pub fn fork(&self) -> Fork {
        Fork { world: self.world.save(), servo: self.servo.clone() }
    }

    /// Comes back to a moment.
    pub fn restore(&mut self, fork: &Fork) -> anyhow::Result<()> {
        self.world.restore(&fork.world)?;
        self.servo = fork.servo.clone();
        Ok(())
    }

    fn command(&mut self, command: &Command) -> anyhow::Result<()> {
        self.servo
            .command(self.world.now_ns(), command)
            .with_context(|| format!("the servo refused {}", command.name()))
    }
}
