//! Random numbers that the same seed repeats on every machine.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator for `seed`, one of several independent ones told apart by `stream`.
pub fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A uniform number in \[low, high).
pub fn uniform(rng: &mut ChaCha8Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// A number from the normal distribution of mean 0 and standard deviation `sd` (Box-Muller).
pub fn normal(rng: &mut ChaCha8Rng, sd: f64) -> f64 {
    // 1 - u lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    sd * radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}
