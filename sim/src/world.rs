//! The simulated world in lockstep: physics, firmware and task test under one clock.
//!
//! Deterministic: everything random comes from the seed of [`World::reset`]. Time is simulated
//! and moves only by [`World::tick`].

use crate::error::SimError;
use crate::firmware::{Firmware, Measured, POWER_UP_DEG, fingers, kinematics};
use crate::physics::{Physics, Touch};
use crate::random;
use crate::scene::Scene;
use crate::task::placement::StartPose;
use crate::task::{self, Goal, Outcome, placement};
use crate::truth::SceneTruth;
use jaco_core::state::JOINTS;
use jaco_core::{AngularFrame, ArmState, Pose, TICK_NS, TICK_S, Task};
use nalgebra::UnitQuaternion;
use std::sync::Arc;

/// Joint angles \[deg\] near the home pose, from which its exact angles are solved.
const NEAR_HOME_DEG: [f64; JOINTS] = [261.2, 205.2, 78.1, 343.3, 61.9, 64.5];
/// Ticks that objects are given to settle before an episode begins.
const SETTLE_TICKS: usize = 10;

/// How a world is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorldOptions {
    /// Physics step \[s\]; must divide 10 ms.
    pub timestep_s: f64,
    /// Frame of angular velocities in Cartesian velocity points.
    pub angular_frame: AngularFrame,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self { timestep_s: 0.005, angular_frame: AngularFrame::Effector }
    }
}

/// A full state of a [`World`], to come back to. Plain data: it can be sent to other threads.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) physics: Box<[f64]>,
    pub(crate) ticks: u64,
    firmware: Firmware,
    touch: Touch,
    test: task::Test,
}

/// The simulated tabletop with its arm. Clones share the scene and are otherwise independent.
#[derive(Clone, Debug)]
pub struct World {
    options: WorldOptions,
    pub(crate) physics: Physics,
    steps_per_tick: usize,
    home_rad: [f64; JOINTS],
    firmware: Firmware,
    /// Contacts of the task's object as of the last physics step.
    touch: Touch,
    test: task::Test,
    ticks: u64,
}

impl World {
    /// Compiles the scene and resets it to [`Task::PlaceBlock`], seed 0, hand at home.
    pub fn new(options: &WorldOptions) -> Result<World, SimError> {
        let steps = TICK_S / options.timestep_s;
        if !(steps.is_finite() && steps >= 1.0 && (steps - steps.round()).abs() < 1e-6) {
            return Err(SimError::Timestep { timestep_s: options.timestep_s });
        }
        let scene = Arc::new(Scene::load(options.timestep_s)?);
        let mut physics = Physics::new(scene);
        physics.reset();
        let home_rad = physics.solve_pose(&placement::home(), NEAR_HOME_DEG.map(f64::to_radians));
        let measured = measure(&physics);
        let firmware = Firmware::ready(options.angular_frame, home_rad, measured);
        let touch = Touch::default();
        let truth = look(&physics, Task::PlaceBlock, touch);
        let mut world = World {
            options: *options,
            physics,
            steps_per_tick: steps.round() as usize,
            home_rad,
            firmware,
            touch,
            test: task::Test::new(Task::PlaceBlock, &truth),
            ticks: 0,
        };
        world.reset(Task::PlaceBlock, 0, StartPose::Home);
        Ok(world)
    }

    /// Begins an episode of `task` at time 0: objects placed at random, those of other tasks out
    /// of sight, the arm homed, under Cartesian control and with control started.
    pub fn reset(&mut self, task: Task, seed: u64, start: StartPose) {
        let placement = self.lay_table(task, seed, start);
        let joints_rad = self.physics.solve_pose(&placement.hand, self.home_rad);
        self.begin(task, joints_rad, placement.fingers_rad, Firmware::ready);
    }

    /// As [`World::reset`], but with an arm that was just switched on: at Kinova's factory home
    /// pose, not homed, nobody in control.
    pub fn power_up(&mut self, task: Task, seed: u64) {
        self.lay_table(task, seed, StartPose::Home);
        let joints_rad = POWER_UP_DEG.map(f64::to_radians);
        self.begin(task, joints_rad, fingers::OPEN_RAD, Firmware::power_up);
    }

    fn lay_table(&mut self, task: Task, seed: u64, start: StartPose) -> placement::Placement {
        let mut rng = random::generator(seed, task as u64);
        let placement = placement::draw(task, start, &mut rng);
        self.physics.reset();
        for &(object, position_m, yaw_rad) in &placement.objects {
            self.physics.place(object, position_m, yaw_rad);
        }
        if let Some(centre_m) = placement.region_m {
            self.physics.place_region(centre_m);
        }
        placement
    }

    fn begin(
        &mut self,
        task: Task,
        joints_rad: [f64; JOINTS],
        fingers_rad: f64,
        firmware: fn(AngularFrame, [f64; JOINTS], Measured) -> Firmware,
    ) {
        self.physics.set_arm(joints_rad, [fingers_rad; 3]);
        self.physics.data.forward();
        let vices = *self.firmware.vices();
        self.firmware = firmware(self.options.angular_frame, self.home_rad, measure(&self.physics));
        self.firmware.set_vices(vices);
        self.test.task = task;
        for _ in 0..SETTLE_TICKS {
            self.tick();
        }
        self.test = task::Test::new(task, &self.truth());
        self.ticks = 0;
    }

    /// The arm's base: what the SDK's calls talk to. Its vices outlive resets.
    pub fn firmware(&mut self) -> &mut Firmware {
        &mut self.firmware
    }

    /// The arm's base, to read.
    pub fn firmware_ref(&self) -> &Firmware {
        &self.firmware
    }

    /// Advances 10 ms: the firmware executes one point, physics and task test follow.
    pub fn tick(&mut self) {
        let targets = self.firmware.tick(&self.physics.tool_jacobian());
        self.physics.set_targets(&targets.joints_rad, &targets.fingers_rad);
        self.physics.step(self.steps_per_tick);
        self.touch = self.physics.touch(task::cast(self.test.task).0);
        self.physics.refresh();
        self.firmware.measure(measure(&self.physics));
        self.ticks += 1;
        let truth = self.truth();
        self.test.tick(&truth);
    }

    /// Simulated time since the last reset \[ns\].
    pub fn now_ns(&self) -> u64 {
        self.ticks * TICK_NS
    }

    /// The task in play.
    pub fn task(&self) -> Task {
        self.test.task
    }

    /// The arm as the SDK would report it now.
    pub fn arm_state(&self) -> ArmState {
        self.firmware.arm_state(self.now_ns())
    }

    /// Joint angles of the home position \[rad\].
    pub fn home_rad(&self) -> &[f64; JOINTS] {
        &self.home_rad
    }

    /// The exact state of the scene, for the expert and for labels; never for a policy.
    pub fn truth(&self) -> SceneTruth {
        look(&self.physics, self.test.task, self.touch)
    }

    /// How the task stands.
    pub fn outcome(&self) -> Outcome {
        self.test.outcome()
    }

    /// The full state, firmware and task test included.
    pub fn save(&self) -> Snapshot {
        Snapshot {
            physics: self.physics.state(),
            ticks: self.ticks,
            firmware: self.firmware.clone(),
            touch: self.touch,
            test: self.test,
        }
    }

    /// Back to `snapshot`: what follows is then the same bit for bit. Fails, and changes nothing,
    /// when the snapshot is of another scene.
    pub fn restore(&mut self, snapshot: &Snapshot) -> Result<(), SimError> {
        self.physics.set_state(&snapshot.physics)?;
        self.ticks = snapshot.ticks;
        self.firmware = snapshot.firmware.clone();
        self.touch = snapshot.touch;
        self.test = snapshot.test;
        Ok(())
    }
}

fn measure(physics: &Physics) -> Measured {
    let joint_torques_nm = physics.joint_torques_nm();
    Measured {
        pose: physics.tool_pose(),
        joints_rad: physics.joints_rad(),
        joint_velocities_rad_s: physics.joint_velocities_rad_s(),
        joint_torques_nm,
        fingers_rad: physics.fingers_rad(),
        tool_wrench: kinematics::tool_wrench(&physics.tool_jacobian(), &joint_torques_nm),
    }
}

fn look(physics: &Physics, task: Task, touch: Touch) -> SceneTruth {
    let (object, goal) = task::cast(task);
    SceneTruth {
        task,
        hand: physics.tool_pose(),
        fingers_rad: physics.fingers_rad(),
        object: physics.object_pose(object),
        object_speed_m_s: physics.object_speed_m_s(object),
        goal: match goal {
            Goal::On(vessel) => physics.object_pose(vessel),
            Goal::OutOfRegion => {
                Pose { position_m: physics.region_m(), orientation: UnitQuaternion::identity() }
            }
        },
        touching: touch.fingers,
        palm_touching: touch.palm,
    }
}
