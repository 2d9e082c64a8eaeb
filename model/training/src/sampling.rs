//! In which order the states are visited: endless passes over the pool, each in a random order of
//! its own, so that the batch of a step depends on seed and step alone.

use crate::random::{Purpose, generator};
use rand::seq::SliceRandom;

/// The states of a pass over the data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    /// Each as often as it stands here.
    every: Vec<u32>,
    shares: Vec<Share>,
}

/// States that occur in a pass a number of times that is not whole, or less than once: the passes
/// take turns among them, so that in the long run all occur equally often.
#[derive(Clone, Debug, PartialEq)]
struct Share {
    times: f64,
    states: Vec<u32>,
}

impl Pool {
    /// Adds a state that occurs `times` times in a pass on average.
    pub fn add(&mut self, state: u32, times: f64) {
        if times.fract() == 0.0 {
            self.every.extend(std::iter::repeat_n(state, times as usize));
            return;
        }
        match self.shares.iter_mut().find(|share| share.times == times) {
            Some(share) => share.states.push(state),
            None => self.shares.push(Share { times, states: vec![state] }),
        }
    }

    /// States in one pass, which is the same for all passes.
    pub fn len(&self) -> usize {
        self.every.len() + self.shares.iter().map(Share::in_a_pass).sum::<usize>()
    }

    /// The states of a pass, not in the order in which they are visited.
    pub fn pass(&self, number: u64) -> Vec<u32> {
        let mut states = self.every.clone();
        for share in &self.shares {
            let (count, length) = (share.in_a_pass() as u64, share.states.len() as u64);
            let first = (number % length) * count;
            states.extend((first..first + count).map(|at| share.states[(at % length) as usize]));
        }
        states
    }
}

impl Share {
    fn in_a_pass(&self) -> usize {
        ((self.states.len() as f64 * self.times).round() as usize).max(1)
    }
}

/// The states of a micro-batch, and where they stand in the batch of their optimiser step.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// Optimiser step, from 0.
    pub step: u64,
    /// States of the step before these.
    pub first: usize,
    /// The states.
    pub states: &'a [u32],
    /// All states of the step.
    pub all: &'a [u32],
}

impl<'a> Draw<'a> {
    /// The micro-batches, at most `parts` of nearly equal size, of step `step` with the states
    /// `all`.
    pub fn parts(step: u64, all: &'a [u32], parts: usize) -> impl Iterator<Item = Draw<'a>> {
        let size = all.len().div_ceil(parts.max(1)).max(1);
        all.chunks(size).enumerate().map(move |(part, states)| Draw {
            step,
            first: part * size,
            states,
            all,
        })
    }

    /// Whether these are all states of the step.
    pub fn is_whole(&self) -> bool {
        self.states.len() == self.all.len()
    }
}

/// Draws batches from a pool of states.
pub struct Sampler {
    pool: Pool,
    seed: u64,
    pass: Option<(u64, Vec<u32>)>,
}

impl Sampler {
    /// A sampler over `pool`. An empty pool yields empty batches.
    pub fn new(pool: Pool, seed: u64) -> Self {
        Self { pool, seed, pass: None }
    }

    /// The states of batch number `step` when every batch has `size` states.
    pub fn batch(&mut self, step: u64, size: usize) -> Vec<u32> {
        let length = self.pool.len() as u64;
        if length == 0 {
            return Vec::new();
        }
        let first = step * size as u64;
        (first..first + size as u64)
            .map(|place| self.order(place / length)[(place % length) as usize])
            .collect()
    }

    fn order(&mut self, pass: u64) -> &[u32] {
        let stale = self.pass.as_ref().is_none_or(|(held, _)| *held != pass);
        if stale {
            let mut order = self.pool.pass(pass);
            order.shuffle(&mut generator(self.seed, Purpose::Order, pass));
            self.pass = Some((pass, order));
        }
        &self.pass.as_ref().expect("filled just above").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(states: impl IntoIterator<Item = u32>) -> Pool {
        let mut pool = Pool::default();
        states.into_iter().for_each(|state| pool.add(state, 1.0));
        pool
    }

    #[test]
    fn a_share_of_a_state_is_given_over_the_passes() {
        for (times, states) in [(2.5, 4), (0.3, 10), (0.01, 3), (1.75, 7)] {
            let mut pool = pool([1000, 1001]);
            (0..states).for_each(|state| pool.add(state, times));
            let mut counts = vec![0; states as usize];
            for pass in 0..u64::from(states) {
                let drawn = pool.pass(pass);
                assert_eq!(drawn.len(), pool.len());
                assert_eq!(drawn[..2], [1000, 1001]);
                drawn[2..].iter().for_each(|&state| counts[state as usize] += 1);
            }
            assert!(counts.iter().all(|&count| count == counts[0]), "{times}: {counts:?}");
            assert_eq!(pool.pass(3), pool.pass(3 + u64::from(states)));
        }
    }

    #[test]
    fn a_pass_visits_every_entry_of_the_pool_once() {
        let all = vec![0, 1, 2, 3, 4, 4];
        let mut sampler = Sampler::new(pool(all.clone()), 7);
        for pass in 0..3 {
            let mut seen: Vec<u32> = (0..3).flat_map(|i| sampler.batch(pass * 3 + i, 2)).collect();
            seen.sort_unstable();
            assert_eq!(seen, all);
        }
    }

    #[test]
    fn a_batch_depends_on_its_step_alone() {
        let mut straight = Sampler::new(pool(0..50), 3);
        let batches: Vec<_> = (0..20).map(|step| straight.batch(step, 8)).collect();
        let mut resumed = Sampler::new(pool(0..50), 3);
        assert_eq!(resumed.batch(13, 8), batches[13]);
        assert_ne!(batches[0], batches[7]);
    }

    #[test]
    fn the_parts_of_a_batch_are_the_whole() {
        let all: Vec<u32> = (10..17).collect();
        for (parts, sizes) in [(1, vec![7]), (3, vec![3, 3, 1]), (7, vec![1; 7]), (9, vec![1; 7])] {
            let draws: Vec<Draw> = Draw::parts(4, &all, parts).collect();
            let found: Vec<usize> = draws.iter().map(|draw| draw.states.len()).collect();
            assert_eq!(found, sizes);
            assert!(draws.iter().all(|draw| draw.states[0] == all[draw.first]));
        }
    }

    #[test]
    fn a_batch_larger_than_the_pool_repeats_it() {
        let mut sampler = Sampler::new(pool([5, 6]), 0);
        let batch = sampler.batch(0, 6);
        assert_eq!(batch.iter().filter(|&&state| state == 5).count(), 3);
    }
}
