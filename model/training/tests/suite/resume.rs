//! That a run broken off and resumed ends where the uninterrupted one does.

use crate::support::Bench;
use jaco_training::{Start, TrainError};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use tch::Tensor;

fn weights(dir: &Path) -> HashMap<String, Tensor> {
    Tensor::read_safetensors(dir.join("model.safetensors")).unwrap().into_iter().collect()
}

fn state(dir: &Path) -> HashMap<String, Tensor> {
    let path = dir.join("training/state.safetensors");
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

#[test]
fn three_and_three_steps_equal_six() {
    let bench = Bench::new();
    let straight = bench.lbc(bench.fresh(), "straight").unwrap();
    assert_eq!((straight.step, straight.stopped), (6, false));
    let broken = bench.lbc_until(3, bench.fresh(), "resumed");
    assert_eq!((broken.step, broken.stopped), (3, true));
    let early = weights(&bench.path("resumed"));
    let resumed = bench.lbc(Start::Resume, "resumed").unwrap();
    assert_eq!((resumed.step, resumed.stopped), (6, false));

    let (one, other) = (state(&bench.path("straight")), state(&bench.path("resumed")));
    assert_eq!(one.len(), other.len());
    assert!(one.keys().any(|name| name.starts_with("moments.head.")));
    for (name, tensor) in &one {
        assert_eq!(*tensor, other[name], "{name}");
    }
    let late = weights(&bench.path("resumed"));
    assert!(late.iter().any(|(name, tensor)| *tensor != early[name]), "something was learnt");
    let metrics =
        |run: &str| fs::read_to_string(bench.path(run).join("training/metrics.jsonl")).unwrap();
    assert_eq!(metrics("straight"), metrics("resumed"));
}

#[test]
fn the_checkpoint_holds_the_moving_average() {
    let bench = Bench::new();
    bench.lbc(bench.fresh(), "out").unwrap();
    let (checkpoint, state) = (weights(&bench.path("out")), state(&bench.path("out")));
    let name = "language_model.lm_head.weight";
    assert_eq!(checkpoint[name], state[&format!("average.model.{name}")]);
    assert_ne!(checkpoint[name], state[&format!("weights.model.{name}")]);
}

#[test]
fn a_run_is_not_resumed_with_other_settings() {
    let mut bench = Bench::new();
    bench.lbc_until(2, bench.fresh(), "out");
    bench.config.learning_rate = 1e-4;
    let error = bench.lbc(Start::Resume, "out").unwrap_err();
    assert!(matches!(error, TrainError::ResumeMismatch { .. }), "{error}");
    let error = bench.vision(Start::Resume, "out").unwrap_err();
    assert!(error.to_string().contains("stage"), "{error}");
}
