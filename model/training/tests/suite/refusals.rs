//! That bad input is refused with its name, and nothing is overwritten.

use crate::support::Bench;
use jaco_training::{Progress, TrainConfig, TrainError, train_lbc};
use std::fs;
use std::ops::ControlFlow;

#[test]
fn a_folder_that_holds_a_checkpoint_is_not_overwritten() {
    let mut bench = Bench::new();
    bench.config.steps = 1;
    bench.lbc(bench.fresh(), "out").unwrap();
    let before = fs::read(bench.path("out/model.safetensors")).unwrap();
    let error = bench.lbc(bench.fresh(), "out").unwrap_err();
    assert!(error.to_string().contains("exists"), "{error}");
    assert_eq!(fs::read(bench.path("out/model.safetensors")).unwrap(), before);
}

#[test]
fn a_missing_camera_is_named() {
    let bench = Bench::new();
    let mut request = bench.request(bench.fresh(), "out");
    request.datasets[0].camera = Some("observation.images.wrist".into());
    let error = train_lbc(&request, &bench.config, &bench.lbc, &mut |_| ControlFlow::Continue(()));
    let error = error.unwrap_err();
    assert!(matches!(error, TrainError::Unfit { .. }), "{error}");
    assert!(error.to_string().contains("observation.images.wrist"), "{error}");
    assert!(!bench.path("out").exists());
}

#[test]
fn no_dataset_and_too_long_streams_are_refused() {
    let mut bench = Bench::new();
    let mut request = bench.request(bench.fresh(), "out");
    request.datasets.clear();
    let error = train_lbc(&request, &bench.config, &bench.lbc, &mut |_| ControlFlow::Continue(()));
    assert!(matches!(error.unwrap_err(), TrainError::NoData { datasets: 0, .. }));
    bench.config.horizon = 64;
    let error = bench.lbc(bench.fresh(), "out").unwrap_err();
    assert!(error.to_string().contains("positions"), "{error}");
}

#[test]
fn breaking_off_while_loading_writes_nothing() {
    let bench = Bench::new();
    let request = bench.request(bench.fresh(), "out");
    let mut stop = |progress: &Progress| match progress {
        Progress::Dataset(_) | Progress::Pictures(_) => ControlFlow::Continue(()),
        Progress::Loading { .. } => ControlFlow::Break(()),
        other => panic!("{other}"),
    };
    let error = train_lbc(&request, &bench.config, &bench.lbc, &mut stop).unwrap_err();
    assert!(matches!(error, TrainError::StoppedWhileLoading), "{error}");
    assert!(!bench.path("out").exists());
}

#[test]
fn a_loss_that_is_no_number_ends_the_run() {
    let mut bench = Bench::new();
    bench.config = TrainConfig { learning_rate: 1e30, steps: 50, ..bench.config };
    let error = bench.lbc(bench.fresh(), "out").unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
}

#[test]
fn a_sequence_beyond_the_context_is_refused_with_the_numbers() {
    let mut bench = Bench::new();
    bench.config.context = 30;
    let error = bench.lbc(bench.fresh(), "out").unwrap_err();
    assert!(error.to_string().contains("context = 30"), "{error}");
    assert!(error.is_unusable_input() && !bench.path("out").exists());
}

/// A second trainer would write the first one's files.
#[test]
fn two_trainers_do_not_share_an_output_folder() {
    let bench = Bench::new();
    let mut second = None;
    let request = bench.request(bench.fresh(), "out");
    let mut heard = |progress: &Progress| {
        if let (Progress::Step { step: 3, .. }, None) = (progress, &second) {
            second = Some(bench.lbc(bench.fresh(), "out").unwrap_err());
        }
        ControlFlow::Continue(())
    };
    train_lbc(&request, &bench.config, &bench.lbc, &mut heard).unwrap();
    let error = second.unwrap();
    assert!(matches!(error, TrainError::Taken { .. }), "{error}");
    assert!(!bench.path("out/training/lock").exists());
}

/// As in OpenVLA: what has no range is trained on, and it is said.
#[test]
fn statistics_without_a_range_are_trained_on_and_told() {
    let mut bench = Bench::new();
    bench.config.steps = 1;
    bench.lbc(bench.fresh(), "base").unwrap();
    let path = bench.path("base/dataset_statistics.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut all: serde_json::Value = serde_json::from_str(&text).unwrap();
    all["data"]["action"]["q01"][4] = 0.25.into();
    all["data"]["action"]["q99"][4] = 0.25.into();
    fs::write(&path, all.to_string()).unwrap();
    let mut told = Vec::new();
    let base = jaco_training::Start::Checkpoint(bench.path("base"));
    let request = bench.request(base, "out");
    let mut heard = |progress: &Progress| {
        told.push(progress.to_string());
        ControlFlow::Continue(())
    };
    train_lbc(&request, &bench.config, &bench.lbc, &mut heard).unwrap();
    let note = "dpitch: the checkpoint's statistics have no range";
    assert!(told.iter().any(|line| line.starts_with(note)), "{told:?}");
}
