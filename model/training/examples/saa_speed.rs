//! How fast alignment goes at several batch sizes, measured one after the other in one process:
//! decoder alone (what the towers see is computed once) and all weights, by the paper's rule and by
//! a margin.
//!
//!     saa_speed DATASET POLICY [STATES [BATCH ...]]
//!
//! Each measurement takes at least STATES states (default 256) after one report's worth of warming
//! up. Prints one line of JSON for each.

use jaco_core::{Clock, MonotonicClock};
use jaco_training::{
    DatasetSource, Deviation, Progress, SaaConfig, StageConfig, Start, TrainConfig, TrainRequest,
    Trainable, train_saa, tune_allocator,
};
use serde_json::json;
use std::env;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Batch sizes where none are given.
const BATCHES: [usize; 5] = [1, 4, 16, 32, 64];

fn main() -> Result<(), Box<dyn Error>> {
    tune_allocator();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [dataset, policy, rest @ ..] = &arguments[..] else {
        return Err("saa_speed DATASET POLICY [STATES [BATCH ...]]".into());
    };
    let numbers = rest.iter().map(|word| word.parse()).collect::<Result<Vec<usize>, _>>()?;
    let (states, batches) = match &numbers[..] {
        [] => (256, &BATCHES[..]),
        [states] => (*states, &BATCHES[..]),
        [states, batches @ ..] => (*states, batches),
    };
    let out = env::temp_dir().join(format!("saa_speed-{}", MonotonicClock.now_ns()));
    for trainable in [Trainable::Decoder, Trainable::All] {
        for deviation in [Deviation::Reward, Deviation::Margin] {
            let mut single = None;
            for &batch in batches {
                let rate = measure(dataset, policy, &out, trainable, deviation, batch, states)?;
                let ratio = rate / *single.get_or_insert(rate);
                let line = json!({
                    "trainable": trainable, "deviation": deviation, "batch": batch,
                    "states_per_s": rate, "times_the_first": ratio,
                });
                println!("{line}");
            }
        }
    }
    Ok(())
}

/// States per second.
fn measure(
    dataset: &str,
    policy: &str,
    out: &PathBuf,
    trainable: Trainable,
    deviation: Deviation,
    batch: usize,
    states: usize,
) -> Result<f64, Box<dyn Error>> {
    let steps = states.div_ceil(batch).max(3) as u64;
    let train = TrainConfig {
        trainable,
        batch_size: batch,
        steps: 2 * steps,
        report_every: steps,
        validation_fraction: 0.0,
        save_every: u64::MAX,
        cache: "memory".to_owned(),
        ..SaaConfig::train_defaults()
    };
    let own = SaaConfig {
        deviation,
        explore_units: train.horizon,
        token_jitter_bins: 2.5,
        target_sigma_bins: 2.0,
        ..SaaConfig::default()
    };
    let request = TrainRequest {
        datasets: vec![DatasetSource::new(dataset)],
        start: Start::Checkpoint(policy.into()),
        adapter: None,
        out: out.clone(),
        clock: &MonotonicClock,
    };
    let mut rate = 0.0;
    train_saa(&request, &train, &own, &mut |progress| {
        if let Progress::Report(report) = progress {
            rate = report.states_per_s;
        }
        ControlFlow::Continue(())
    })?;
    std::fs::remove_dir_all(out)?;
    Ok(rate)
}
