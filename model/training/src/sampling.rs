//! In which order the states are visited: endless passes over the pool, each in a random order of
//! its own, so that the batch of a step depends on seed and step alone.

use crate::random::{Purpose, generator};
use rand::seq::SliceRandom;

/// Draws batches from a pool of states.
pub struct Sampler {
    pool: Vec<u32>,
    seed: u64,
    pass: Option<(u64, Vec<u32>)>,
}

impl Sampler {
    /// A sampler over `pool`, in which a state may occur more than once. An empty pool yields
    /// empty batches.
    pub fn new(pool: Vec<u32>, seed: u64) -> Self {
        Self { pool, seed, pass: None }
    }

    /// The states of batch number `step` when every batch has `size` states.
    pub fn batch(&mut self, step: u64, size: usize) -> Vec<u32> {
        if self.pool.is_empty() {
            return Vec::new();
        }
        let length = self.pool.len() as u64;
        let first = step * size as u64;
        (first..first + size as u64)
            .map(|place| self.order(place / length)[(place % length) as usize])
            .collect()
    }

    fn order(&mut self, pass: u64) -> &[u32] {
        let stale = self.pass.as_ref().is_none_or(|(held, _)| *held != pass);
        if stale {
            let mut order = self.pool.clone();
            order.shuffle(&mut generator(self.seed, Purpose::Order, pass));
            self.pass = Some((pass, order));
        }
        &self.pass.as_ref().expect("filled just above").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_visits_every_entry_of_the_pool_once() {
        let pool = vec![0, 1, 2, 3, 4, 4];
        let mut sampler = Sampler::new(pool.clone(), 7);
        for pass in 0..3 {
            let mut seen: Vec<u32> = (0..3).flat_map(|i| sampler.batch(pass * 3 + i, 2)).collect();
            seen.sort_unstable();
            assert_eq!(seen, pool);
        }
    }

    #[test]
    fn a_batch_depends_on_its_step_alone() {
        let mut straight = Sampler::new((0..50).collect(), 3);
        let batches: Vec<_> = (0..20).map(|step| straight.batch(step, 8)).collect();
        let mut resumed = Sampler::new((0..50).collect(), 3);
        assert_eq!(resumed.batch(13, 8), batches[13]);
        assert_ne!(batches[0], batches[7]);
    }

    #[test]
    fn a_batch_larger_than_the_pool_repeats_it() {
        let mut sampler = Sampler::new(vec![5, 6], 0);
        let batch = sampler.batch(0, 6);
        assert_eq!(batch.iter().filter(|&&state| state == 5).count(), 3);
    }
}
