//! A scripted demonstrator: a reactive law at 10 Hz on the true state of the scene.
//!
//! The command is a function of the present state and of a small phase, so a demonstrator can be
//! put into any state ([`Expert::from_truth`]) and goes on from there. It must never move the
//! world itself.

mod pick_place;
mod push;

use crate::random::{generator, normal};
use crate::task::placement::down;
use crate::truth::SceneTruth;
use jaco_core::{Action, Task};
use nalgebra::{Vector2, Vector3};
use pick_place::PickPlace;
use push::Push;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::FRAC_PI_2;

/// Share of the way to the target that one step covers.
const GAIN: f64 = 0.4;
/// Largest displacement a step in the table's plane and upwards \[m\].
const MAX_XY_M: f64 = 0.013;
const MAX_Z_M: f64 = 0.0095;
/// Largest rotation a step \[rad\].
const MAX_TURN_RAD: f64 = 0.09;
/// Height to which the hand rises when all is done \[m\].
const RETREAT_Z_M: f64 = 0.22;

/// What the demonstrator is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Moving to the object.
    Reach,
    /// Closing the fingers round it.
    Close,
    /// Lifting and carrying it to the goal, and lowering it.
    Carry,
    /// Opening the fingers.
    Release,
    /// Pushing it along.
    Push,
    /// Done: rising out of the way.
    Retreat,
}

/// How a demonstrator differs from the exact law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertOptions {
    /// Standard deviation of the noise on each displacement \[m\]: it is part of the command, so
    /// that no exact number becomes a code for a phase.
    pub jitter_m: f64,
    /// Standard deviation of the noise on each rotation \[rad\].
    pub jitter_rad: f64,
    /// Seed of the noise.
    pub seed: u64,
}

impl ExpertOptions {
    /// The noise of a steady human hand, from `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self { jitter_m: 0.001, jitter_rad: 0.001, seed }
    }
}

#[derive(Clone, Debug)]
enum Law {
    PickPlace(PickPlace),
    Push(Push),
}

/// The demonstrator of one task.
#[derive(Clone, Debug)]
pub struct Expert {
    law: Law,
    options: ExpertOptions,
    rng: ChaCha8Rng,
}

impl Expert {
    /// A demonstrator at the start of an episode.
    pub fn new(task: Task, options: ExpertOptions) -> Self {
        let law = match task {
            Task::CleanTable => Law::Push(Push::default()),
            _ => Law::PickPlace(PickPlace::new(task)),
        };
        Self { law, options, rng: generator(options.seed, 202) }
    }

    /// A demonstrator that takes over in the state `truth`: its phase is chosen by the gripper
    /// command in force (1 open, 0 closed) and by how far the mean finger moved over the last
    /// step \[rad\].
    pub fn from_truth(
        options: ExpertOptions,
        truth: &SceneTruth,
        last_gripper: f64,
        finger_motion_rad: f64,
    ) -> Self {
        let mut expert = Self::new(truth.task, options);
        match &mut expert.law {
            Law::PickPlace(law) => law.take_over(truth, last_gripper, finger_motion_rad),
            Law::Push(law) => law.take_over(truth),
        }
        expert
    }

    /// The command for the next step.
    pub fn act(&mut self, truth: &SceneTruth) -> Action {
        let mut action = match &mut self.law {
            Law::PickPlace(law) => law.act(truth),
            Law::Push(law) => law.act(truth),
        };
        for i in 0..3 {
            action.translation_m[i] += normal(&mut self.rng, self.options.jitter_m);
            action.rotation_rad[i] += normal(&mut self.rng, self.options.jitter_rad);
        }
        action
    }

    /// What the demonstrator is about, as of the last command.
    pub fn phase(&self) -> Phase {
        match &self.law {
            Law::PickPlace(law) => law.phase,
            Law::Push(law) => law.phase,
        }
    }
}

/// The lowest that the demonstrator takes the tool point in `task` \[m\].
pub(crate) fn lowest_z_m(task: Task) -> f64 {
    match task {
        Task::CleanTable => push::PUSH_Z_M,
        _ => PickPlace::new(task).grasp_z_m(),
    }
}

/// `way` shortened to at most `limit_m`.
fn limited(way: Vector2<f64>, limit_m: f64) -> Vector2<f64> {
    way.cap_magnitude(limit_m)
}

/// Displacement of one step towards the height `target_m`.
fn climb(z_m: f64, target_m: f64) -> f64 {
    (GAIN * (target_m - z_m)).clamp(-MAX_Z_M, MAX_Z_M)
}

/// Rotation of one step towards pointing straight down with the fingers closing along `yaw_rad`.
fn turn(truth: &SceneTruth, yaw_rad: f64) -> Vector3<f64> {
    (truth.hand.rotation_to(&down(yaw_rad)) * 0.35).cap_magnitude(MAX_TURN_RAD)
}

/// The angle nearest to `present_rad` that equals `wanted_rad` up to multiples of `period_rad`,
/// kept within about 56 degrees of the arm's usual yaw.
fn nearest_yaw(present_rad: f64, wanted_rad: f64, period_rad: f64) -> f64 {
    let way =
        (wanted_rad - present_rad + period_rad / 2.0).rem_euclid(period_rad) - period_rad / 2.0;
    let yaw = present_rad + way;
    let off = yaw - FRAC_PI_2;
    if off.abs() > std::f64::consts::PI / 3.2 { yaw - off.signum() * period_rad } else { yaw }
}

fn action(translation_m: Vector3<f64>, rotation_rad: Vector3<f64>, gripper: f64) -> Action {
    Action { translation_m: translation_m.into(), rotation_rad: rotation_rad.into(), gripper }
}
