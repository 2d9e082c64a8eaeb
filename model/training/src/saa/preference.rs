//! What step-wise alignment compares and minimises: rewards of units (equation 7 of the action-stream
//! paper), the first unit that the policy wrongly prefers, and the loss on it (equation 8).
//!
//! Pure: numbers in, numbers out. Must never run a model.

use tch::{Kind, TchError, Tensor};

/// The reward of a unit: `beta` times how much likelier the policy makes it than the reference
/// does, from the log-probabilities of its tokens.
pub fn reward(policy: &[f32], reference: &[f32], beta: f32) -> f32 {
    beta * (policy.iter().sum::<f32>() - reference.iter().sum::<f32>())
}

/// The first unit where `own` is above `expert`, each one reward a unit. Strictly: units that are
/// worth the same are no deviation, so that a policy which still is its reference has none.
pub fn first_preferred(own: &[f32], expert: &[f32]) -> Option<usize> {
    own.iter().zip(expert).position(|(own, expert)| own > expert)
}

/// Log-probabilities of units \[N\] from those of their tokens \[N, T\]: the sum of the first
/// `count`.
pub fn unit_log_probs(tokens: &Tensor, count: usize) -> Result<Tensor, TchError> {
    tokens.f_narrow(1, 0, count as i64)?.f_sum_dim_intlist(1, false, Kind::Float)
}

/// Log-probabilities of pairs of units \[N\].
pub struct Pairs {
    /// What is to become likelier, under the policy.
    pub policy_winner: Tensor,
    /// What is to become less likely, under the policy.
    pub policy_loser: Tensor,
    /// The first, under the reference.
    pub reference_winner: Tensor,
    /// The second, under the reference.
    pub reference_loser: Tensor,
}

impl Pairs {
    /// `-log sigmoid(beta ((pw - pl) - (rw - rl)))` of each pair \[N\].
    pub fn losses(&self, beta: f64) -> Result<Tensor, TchError> {
        let policy = self.policy_winner.f_sub(&self.policy_loser)?;
        let reference = self.reference_winner.f_sub(&self.reference_loser)?;
        policy.f_sub(&reference)?.f_mul_scalar(beta)?.f_log_sigmoid()?.f_neg()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashMap;
    use std::path::Path;

    const BETA: f64 = 0.1;

    fn fixture() -> HashMap<String, Tensor> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dpo.safetensors");
        Tensor::read_safetensors(path).unwrap().into_iter().collect()
    }

    #[track_caller]
    fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
        assert_eq!(found.size(), expected.size(), "{what}");
        let difference = (found - expected).abs().max().double_value(&[]);
        let size = expected.abs().max().double_value(&[]).max(1.0);
        assert!(difference <= 1e-6 * size, "{what}: {difference} of {size}");
    }

    #[test]
    fn losses_rewards_and_gradients_of_tokens_are_those_of_the_reference_code() {
        let fixture = fixture();
        for count in [7usize, 8] {
            let tensor = |name: &str| fixture[&format!("a.{name}")].shallow_clone();
            let leaf = |name: &str| tensor(name).copy().set_requires_grad(true);
            let of = |tokens: &Tensor| unit_log_probs(tokens, count).unwrap();
            let (winner, loser) = (leaf("policy_winner_logps"), leaf("policy_loser_logps"));
            let (ref_winner, ref_loser) = (tensor("ref_winner_logps"), tensor("ref_loser_logps"));
            let pairs = || Pairs {
                policy_winner: of(&winner),
                policy_loser: of(&loser),
                reference_winner: of(&ref_winner),
                reference_loser: of(&ref_loser),
            };
            let losses = pairs().losses(BETA).unwrap();
            assert_close(&losses, &tensor(&format!("loss_{count}")), "loss");
            losses.mean(Kind::Float).backward();
            let check = |name: &str, leaf: &Tensor| {
                assert_close(&leaf.grad(), &tensor(&format!("{name}_{count}")), name);
                let _ = leaf.grad().zero_();
            };
            check("grad_policy_winner", &winner);
            check("grad_policy_loser", &loser);

            let sft = winner.mean_dim(1, false, Kind::Float).neg();
            let mixed = pairs().losses(BETA).unwrap() * 0.9 + sft * 0.1;
            assert_close(&mixed, &tensor(&format!("mix09dpo01sft_{count}")), "mixed loss");
            mixed.mean(Kind::Float).backward();
            check("mix_grad_winner", &winner);
            check("mix_grad_loser", &loser);

            for (name, policy, reference) in
                [("reward_winner", &winner, &ref_winner), ("reward_loser", &loser, &ref_loser)]
            {
                let rows = |tensor: &Tensor| Vec::<Vec<f32>>::try_from(tensor).unwrap();
                let rewards: Vec<f32> = rows(policy)
                    .iter()
                    .zip(rows(reference))
                    .map(|(p, r)| reward(&p[..count], &r[..count], BETA as f32))
                    .collect();
                let expected = tensor(&format!("{name}_{count}"));
                assert_close(&Tensor::from_slice(&rewards), &expected, name);
            }
        }
    }

    #[test]
    fn whole_logits_give_the_losses_and_gradients_of_the_reference_code() {
        let fixture = fixture();
        let leaf = |name: &str| fixture[&format!("b.{name}")].copy().set_requires_grad(true);
        let score = |logits: &Tensor, labels: &str| {
            let labels = &fixture[&format!("b.{labels}_labels")].narrow(1, 1, 12);
            let log_probs = logits.narrow(1, 0, 12).log_softmax(2, Kind::Float);
            let picked = log_probs.gather(2, &labels.clamp_min(0).unsqueeze(2), false).squeeze();
            let supervised = labels.ne(-100).to_kind(Kind::Float);
            unit_log_probs(&(picked * supervised), 12).unwrap()
        };
        let (winner, loser) = (leaf("policy_winner_logits"), leaf("policy_loser_logits"));
        let pairs = Pairs {
            policy_winner: score(&winner, "winner"),
            policy_loser: score(&loser, "loser"),
            reference_winner: score(&fixture["b.ref_winner_logits"], "winner"),
            reference_loser: score(&fixture["b.ref_loser_logits"], "loser"),
        };
        let losses = pairs.losses(BETA).unwrap();
        assert_close(&losses, &fixture["b.loss"], "loss");
        losses.mean(Kind::Float).backward();
        assert_close(&winner.grad(), &fixture["b.grad_winner_logits"], "winner's gradient");
        assert_close(&loser.grad(), &fixture["b.grad_loser_logits"], "loser's gradient");
    }

    #[test]
    fn the_first_preferred_unit_is_that_of_the_reference_code() {
        let fixture = fixture();
        let rows = |name: &str| {
            Vec::<Vec<Vec<f32>>>::try_from(&fixture[&format!("c.{name}_logps")]).unwrap()
        };
        let (own, own_ref) = (rows("policy_explored"), rows("ref_explored"));
        let (expert, expert_ref) = (rows("policy_expert"), rows("ref_expert"));
        let stars = Vec::<i64>::try_from(&fixture["c.h_star"]).unwrap();
        let losses = Vec::<f32>::try_from(&fixture["c.loss"]).unwrap();
        let mut none = 0;
        for case in 0..stars.len() {
            let rewards = |policy: &[Vec<f32>], reference: &[Vec<f32>]| -> Vec<f32> {
                policy.iter().zip(reference).map(|(p, r)| reward(p, r, BETA as f32)).collect()
            };
            let own_rewards = rewards(&own[case], &own_ref[case]);
            let expert_rewards = rewards(&expert[case], &expert_ref[case]);
            let found = first_preferred(&own_rewards, &expert_rewards);
            assert_eq!(found.map_or(-1, |h| h as i64), stars[case], "case {case}");
            let Some(h) = found else {
                none += 1;
                continue;
            };
            let score = |rows: &[Vec<f32>]| {
                unit_log_probs(&Tensor::from_slice(&rows[h]).unsqueeze(0), 8).unwrap()
            };
            let pairs = Pairs {
                policy_winner: score(&expert[case]),
                policy_loser: score(&own[case]),
                reference_winner: score(&expert_ref[case]),
                reference_loser: score(&own_ref[case]),
            };
            let loss = pairs.losses(BETA).unwrap().double_value(&[0]);
            assert!((loss - f64::from(losses[case])).abs() < 1e-6, "case {case}: {loss}");
        }
        assert!(none > 0 && none < stars.len(), "both outcomes were put to the test");
    }

    #[test]
    fn units_worth_the_same_are_no_deviation() {
        assert_eq!(first_preferred(&[0.0, 1.0, 2.0], &[0.0, 1.0, 1.0]), Some(2));
        assert_eq!(first_preferred(&[0.0; 3], &[0.0; 3]), None);
        assert_eq!(first_preferred(&[0.5], &[]), None, "beyond what is compared nothing counts");
    }
}
