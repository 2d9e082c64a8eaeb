//! What is reported of steps of alignment, added up over micro-batches.
//!
//! Must never decide what is minimised.

use std::collections::BTreeMap;

/// Sums over states.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// States looked at.
    pub states: usize,
    /// Those with a unit that is to change.
    pub preferred: usize,
    /// Numbers of those units.
    pub h_star: f64,
    /// Rewards of the expert's units there and of the policy's own; none if no reference was asked.
    pub rewards: Option<(f64, f64)>,
    /// Losses of what is to change.
    pub preference_loss: f64,
    /// Mean cross entropies per token of the expert's streams.
    pub sft_loss: f64,
}

impl Tally {
    /// Takes in other states of the same step.
    pub fn add(&mut self, other: &Tally) {
        self.states += other.states;
        self.preferred += other.preferred;
        self.h_star += other.h_star;
        let before = self.rewards.unwrap_or_default();
        self.rewards = other.rewards.map(|(winner, loser)| (before.0 + winner, before.1 + loser));
        self.preference_loss += other.preference_loss;
        self.sft_loss += other.sft_loss;
    }

    /// Mean reward of winner and loser; none without a pair.
    pub fn mean_rewards(&self) -> Option<(f64, f64)> {
        let (winner, loser) = self.rewards.filter(|_| self.preferred > 0)?;
        Some((winner / self.preferred as f64, loser / self.preferred as f64))
    }

    /// The means by name. Those over units that are to change are not said where there are none.
    pub fn values(&self) -> BTreeMap<&'static str, f64> {
        let states = self.states.max(1) as f64;
        let mut values = BTreeMap::from([
            ("preferred_share", self.preferred as f64 / states),
            ("sft_loss", self.sft_loss / states),
        ]);
        if self.preferred > 0 {
            let pairs = self.preferred as f64;
            values.insert("h_star", self.h_star / pairs);
            values.insert("preference_loss", self.preference_loss / pairs);
        }
        if let Some((winner, loser)) = self.mean_rewards() {
            let gap = winner - loser;
            values.extend([
                ("winner_reward", winner),
                ("loser_reward", loser),
                ("reward_gap", gap),
            ]);
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn micro_batches_add_up_to_the_means_of_the_whole() {
        let none =
            Tally { states: 3, rewards: Some((0.0, 0.0)), sft_loss: 6.0, ..Tally::default() };
        assert_eq!(none.values(), BTreeMap::from([("preferred_share", 0.0), ("sft_loss", 2.0)]));
        let mut tally = Tally::default();
        tally.add(&none);
        tally.add(&Tally {
            states: 1,
            preferred: 1,
            h_star: 2.0,
            rewards: Some((0.25, -0.5)),
            preference_loss: 0.7,
            sft_loss: 6.0,
        });
        let values = tally.values();
        for (name, value) in [
            ("preferred_share", 0.25),
            ("sft_loss", 3.0),
            ("h_star", 2.0),
            ("preference_loss", 0.7),
            ("winner_reward", 0.25),
            ("loser_reward", -0.5),
            ("reward_gap", 0.75),
        ] {
            assert_eq!(values[name], value, "{name}");
        }
    }

    #[test]
    fn without_a_reference_there_are_no_rewards() {
        let tally = Tally { states: 1, preferred: 1, ..Tally::default() };
        assert!(!tally.values().contains_key("winner_reward"));
        assert!(tally.values().contains_key("h_star"));
    }
}
