//! Noise on executed actions: bursts of wrong motion during reaching, carrying and pushing, from
//! which demonstrations then show the way back. The label stays the clean action.

use crate::expert::{Phase, lowest_z_m};
use crate::random::{generator, normal};
use crate::truth::SceneTruth;
use jaco_core::Action;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// How strongly and how often actions are disturbed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerturbationOptions {
    /// Chance that a burst begins at a step of reaching, carrying or pushing.
    pub burst_chance: f64,
    /// Chance that a burst also flips the gripper.
    pub flip_chance: f64,
    /// Standard deviation of the displacement a step, each axis \[m\].
    pub translation_sd_m: f64,
    /// Standard deviation of roll and pitch a step \[rad\].
    pub tilt_sd_rad: f64,
    /// Standard deviation of yaw a step \[rad\].
    pub yaw_sd_rad: f64,
    /// Seed of the random numbers.
    pub seed: u64,
}

impl PerturbationOptions {
    /// The usual strength, from `seed`.
    pub fn with_seed(seed: u64) -> Self {
        Self {
            burst_chance: 0.07,
            flip_chance: 0.11,
            translation_sd_m: 0.012,
            tilt_sd_rad: 0.02,
            yaw_sd_rad: 0.03,
            seed,
        }
    }
}

/// A source of disturbances for one episode.
#[derive(Clone, Debug)]
pub struct Perturbation {
    options: PerturbationOptions,
    rng: ChaCha8Rng,
    burst: Option<Burst>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    steps_left: u32,
    translation_m: [f64; 3],
    rotation_rad: [f64; 3],
    flip: bool,
}

impl Perturbation {
    /// A source that has not disturbed anything yet.
    pub fn new(options: PerturbationOptions) -> Self {
        Self { options, rng: generator(options.seed, 101), burst: None }
    }

    /// The action to execute instead of `clean`, and whether it differs on purpose.
    pub fn apply(&mut self, clean: &Action, truth: &SceneTruth, phase: Phase) -> (Action, bool) {
        let may_begin = matches!(phase, Phase::Reach | Phase::Carry | Phase::Push);
        if self.burst.is_none() && may_begin && self.rng.random_bool(self.options.burst_chance) {
            self.burst = Some(self.draw());
        }
        let Some(burst) = &mut self.burst else {
            return (*clean, false);
        };
        let mut executed = *clean;
        for i in 0..3 {
            executed.translation_m[i] = 0.5 * clean.translation_m[i] + burst.translation_m[i];
            executed.rotation_rad[i] = 0.5 * clean.rotation_rad[i] + burst.rotation_rad[i];
        }
        if burst.flip {
            executed.gripper = 1.0 - clean.gripper;
        }
        // A low hand must not be driven into the table.
        if truth.hand.position_m.z < lowest_z_m(truth.task) + 0.004 {
            executed.translation_m[2] = executed.translation_m[2].max(0.0);
        }
        burst.steps_left -= 1;
        if burst.steps_left == 0 {
            self.burst = None;
        }
        (executed, true)
    }

    fn draw(&mut self) -> Burst {
        let o = self.options;
        let rng = &mut self.rng;
        let flip = rng.random_bool(o.flip_chance);
        // A flipped gripper needs time to show.
        let steps_left = if flip { 5 } else { rng.random_range(2..=5) };
        let [x, y, z] = std::array::from_fn(|_| normal(rng, o.translation_sd_m));
        let [roll, pitch] = std::array::from_fn(|_| normal(rng, o.tilt_sd_rad));
        Burst {
            steps_left,
            translation_m: [x, y, 0.8 * z],
            rotation_rad: [roll, pitch, normal(rng, o.yaw_sd_rad)],
            flip,
        }
    }
}
