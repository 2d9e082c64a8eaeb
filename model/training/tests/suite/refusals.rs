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
