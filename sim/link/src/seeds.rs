//! Seeds of episodes, so that what is recorded and what is evaluated can never coincide.

/// What an episode is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A demonstration.
    Demonstration = 1,
    /// A policy's own path, labelled by the expert.
    OnPolicy = 2,
    /// A trial of an evaluation.
    Evaluation = 3,
}

/// The seed of episode `index` of a series, distinct for each purpose: SplitMix64 of the three.
pub fn episode_seed(purpose: Purpose, series: u64, index: u64) -> u64 {
    [purpose as u64, series, index].into_iter().fold(0x6a61_636f_6400, |state, word| {
        let mut z = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// The seed of what is drawn at try `attempt` of the placement of seed `placement`: at the first
/// one the placement's own.
pub fn attempt_seed(placement: u64, attempt: u32) -> u64 {
    match attempt {
        0 => placement,
        _ => episode_seed(Purpose::Evaluation, placement, u64::from(attempt)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn purposes_series_and_indices_never_share_a_seed() {
        let mut seen = HashSet::new();
        for purpose in [Purpose::Demonstration, Purpose::OnPolicy, Purpose::Evaluation] {
            for series in 0..20 {
                for index in 0..500 {
                    assert!(seen.insert(episode_seed(purpose, series, index)));
                }
            }
        }
    }

    #[test]
    fn tries_never_share_draws() {
        let mut seen = HashSet::new();
        for index in 0..200 {
            let placement = episode_seed(Purpose::Evaluation, 7, index);
            assert_eq!(attempt_seed(placement, 0), placement);
            for attempt in 0..20 {
                assert!(seen.insert(attempt_seed(placement, attempt)));
            }
        }
    }
}
