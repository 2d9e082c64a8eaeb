//! Random numbers of a training run: a generator for each purpose and index, derived from the
//! run's seed alone, so that a resumed run draws what the uninterrupted one would have drawn.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a generator's numbers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Order of the states in a pass over the data; index = pass.
    Order,
    /// Length of a batch's streams; index = step.
    StreamLength,
    /// Colour augmentation; index = step.
    Augmentation,
    /// Noise on the tokens that are fed in; index = step.
    TokenJitter,
    /// Weights of a fresh label head; index = position of the tensor by name.
    HeadWeights,
    /// Rank of an episode when choosing the held-out ones; index = episode.
    Split,
    /// Seed of the draws of exploring policies; index = step.
    Exploration,
}

/// The generator for `purpose` and `index` under `seed`.
pub fn generator(seed: u64, purpose: Purpose, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Words of the generator that one drawn number takes.
pub const WORDS_PER_NUMBER: usize = 2;
/// Words that one standard normal number takes.
pub const WORDS_PER_NORMAL: usize = 2 * WORDS_PER_NUMBER;

/// [`generator`] with its first `words` words left out, so that a part of what it is for can be
/// drawn without what comes before.
pub fn generator_at(seed: u64, purpose: Purpose, index: u64, words: usize) -> ChaCha8Rng {
    let mut rng = generator(seed, purpose, index);
    rng.set_word_pos(words as u128);
    rng
}

/// A standard normal number (Box-Muller).
pub fn standard_normal(rng: &mut ChaCha8Rng) -> f64 {
    // 1 - u is in (0, 1], so that the logarithm is finite.
    let (radius, angle): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A number uniform in `-half_width..half_width`.
pub fn symmetric(rng: &mut ChaCha8Rng, half_width: f64) -> f64 {
    (2.0 * rng.random::<f64>() - 1.0) * half_width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generators_depend_on_seed_purpose_and_index() {
        let draw = |seed, purpose, index| generator(seed, purpose, index).random::<u64>();
        let first = draw(1, Purpose::Order, 2);
        assert_eq!(first, draw(1, Purpose::Order, 2));
        assert_ne!(first, draw(2, Purpose::Order, 2));
        assert_ne!(first, draw(1, Purpose::TokenJitter, 2));
        assert_ne!(first, draw(1, Purpose::Order, 3));
    }

    #[test]
    fn numbers_in_the_middle_are_those_of_the_whole() {
        let mut whole = generator(5, Purpose::TokenJitter, 3);
        let numbers: Vec<f64> = (0..9).map(|_| standard_normal(&mut whole)).collect();
        let last = symmetric(&mut whole, 2.0);
        let mut rest = generator_at(5, Purpose::TokenJitter, 3, 7 * WORDS_PER_NORMAL);
        assert_eq!([(); 2].map(|()| standard_normal(&mut rest)), numbers[7..]);
        assert_eq!(symmetric(&mut rest, 2.0), last);
        let words = 9 * WORDS_PER_NORMAL;
        assert_eq!(symmetric(&mut generator_at(5, Purpose::TokenJitter, 3, words), 2.0), last);
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut rng = generator(0, Purpose::TokenJitter, 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| standard_normal(&mut rng)).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|x| x * x).sum::<f64>() / 20_000.0 - mean * mean;
        // Five standard errors of the mean (1/sqrt n) and of the variance (sqrt(2/n)).
        assert!(mean.abs() < 0.036, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }
}
