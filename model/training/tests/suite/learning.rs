//! That training learns, and what it leaves behind can be used.

use crate::support::{Bench, SIDE};
use jaco_core::Frame;
use jaco_model::{DecodeRequest, OpenVlaPolicy, Policy};
use jaco_training::{Start, TrainConfig, Validation};
use std::fs;
use tch::Device;

fn validation(summary: jaco_training::Summary) -> Validation {
    summary.validation.unwrap()
}

/// The lowest token loss that soft targets allow: their entropy. A Gaussian of sigma 2 bins has
/// ln(2 sqrt(2 pi e)) = 2.11 nats; gripper and separator have none: 6/8 of that is 1.58.
const LOSS_FLOOR: f64 = 1.58;

#[test]
fn overfits_a_small_dataset_and_the_checkpoint_decodes_what_was_taught() {
    let mut bench = Bench::new();
    bench.config = TrainConfig { steps: 300, batch_size: 16, validate_every: 1000, ..bench.config };
    let validation = validation(bench.lbc(bench.fresh(), "out").unwrap());
    // Before training: ln 448 = 6.1. One tenth of the way above the floor is left at most.
    let loss = validation.token_loss.unwrap();
    assert!(loss < LOSS_FLOOR + 0.1 * (6.1 - LOSS_FLOOR), "{loss}");
    // Actions of opposite sign lie about 250 bins apart.
    assert!(validation.translation_error_bins[0] < 8.0, "{validation:?}");
    assert_eq!(validation.gripper_accuracy[0], 1.0);

    let policy = OpenVlaPolicy::load(&bench.path("out"), Device::Cpu).unwrap();
    assert_eq!(policy.horizon(), 2);
    let codec = jaco_core::ActionCodec::new(policy.statistics()).unwrap();
    let mut directions = Vec::new();
    for corner in [0u32, 1] {
        let bright = |x: u32, y: u32| y < SIDE / 2 && (x >= SIDE / 2) == (corner == 1);
        let pixel = |i: u32| if bright(i % SIDE, i / SIDE) { [230; 3] } else { [60; 3] };
        let frame = Frame {
            jpeg: None,
            camera: "front".into(),
            captured_ns: 0,
            width: SIDE,
            height: SIDE,
            rgb: (0..SIDE * SIDE).flat_map(pixel).collect(),
        };
        let request = DecodeRequest::greedy(1);
        let task = "put the blue cube on the green plate";
        let decoded = policy.decode(&frame, task, &request).unwrap();
        directions.push(codec.decode(&decoded.best().units[0]).translation_m[0]);
    }
    assert!((directions[0] - 0.02).abs() < 0.004, "{directions:?}");
    assert!((directions[1] + 0.02).abs() < 0.004, "{directions:?}");
}

#[test]
fn vision_pretraining_learns_the_labels_and_l_bc_goes_on_from_it() {
    let mut bench = Bench::new();
    bench.config = TrainConfig { steps: 500, batch_size: 16, validate_every: 1000, ..bench.config };
    let pretrained = validation(bench.vision(bench.fresh(), "vision").unwrap());
    // Standardised labels have variance 1: that is what a blind guess costs.
    let learnt = pretrained.label_loss.unwrap();
    assert!(learnt < 0.1, "{learnt}");
    assert_eq!(pretrained.label_error[0].0, "corner_x_m");
    assert_eq!(pretrained.token_loss, None);

    bench.config.steps = 1;
    bench.config.learning_rate = 1e-9;
    let start = Start::Checkpoint(bench.path("vision"));
    let kept = validation(bench.lbc(start, "lbc").unwrap()).label_loss.unwrap();
    assert!((kept - learnt).abs() < 1e-3, "the head came along: {learnt} then {kept}");
}

#[test]
fn writes_metrics_and_half_size_weights_on_request() {
    let mut bench = Bench::new();
    bench.config.steps = 2;
    bench.lbc(bench.fresh(), "full").unwrap();
    bench.config.save_bf16 = true;
    bench.lbc(bench.fresh(), "half").unwrap();
    let size =
        |run: &str| fs::metadata(bench.path(run).join("model.safetensors")).unwrap().len() as f64;
    let share = size("half") / size("full");
    assert!((0.5..0.6).contains(&share), "{share}");
    let lines = fs::read_to_string(bench.path("full/training/metrics.jsonl")).unwrap();
    let kinds: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| format!("{}{}", line["kind"].as_str().unwrap(), line["step"]))
        .collect();
    assert_eq!(kinds, ["train1", "train2", "validation2"]);
}
