//! Learning rate by step: linear warm-up times a cosine that ends at a share of the peak.

use crate::config::TrainConfig;

/// The learning rate of optimiser step `step` (from 0).
pub fn learning_rate(config: &TrainConfig, step: u64) -> f64 {
    let warmup = ((step + 1) as f64 / config.warmup_steps.max(1) as f64).min(1.0);
    let progress = (step as f64 / config.steps as f64).min(1.0);
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
    let floor = config.final_learning_rate_fraction;
    config.learning_rate * warmup * (floor + (1.0 - floor) * cosine)
}

/// The decay of the moving average of the weights after `step` optimiser steps: short at first, so
/// that the average forgets the initial weights.
pub fn ema_decay(config: &TrainConfig, step: u64) -> f64 {
    config.ema_decay.min((step + 1) as f64 / (step + 10) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TrainConfig {
        TrainConfig {
            steps: 1000,
            warmup_steps: 100,
            learning_rate: 2e-3,
            ..TrainConfig::default()
        }
    }

    #[test]
    fn warms_up_linearly_and_ends_at_the_floor() {
        let config = config();
        assert!((learning_rate(&config, 0) - 2e-5).abs() < 1e-9);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * 0.049).cos());
        let expected = 2e-3 * 0.5 * (0.03 + 0.97 * cosine);
        assert!((learning_rate(&config, 49) - expected).abs() < 1e-12);
        assert!((learning_rate(&config, 500) - 2e-3 * 0.515).abs() < 1e-9);
        assert!((learning_rate(&config, 1000) - 6e-5).abs() < 1e-12);
        assert!((learning_rate(&config, 5000) - 6e-5).abs() < 1e-12);
    }

    #[test]
    fn falls_after_the_warm_up() {
        let config = config();
        for step in 100..1000 {
            assert!(learning_rate(&config, step) < learning_rate(&config, step - 1));
        }
    }

    #[test]
    fn the_average_starts_short() {
        let config = config();
        assert!((ema_decay(&config, 0) - 0.1).abs() < 1e-12);
        assert_eq!(ema_decay(&config, 1_000_000), 0.999);
    }
}
