//! That a part of a model is trained and the rest stands still, adapters among them; and that a batch
//! in parts is the batch.

use crate::support::Bench;
use jaco_model::{LoadOptions, OpenVlaPolicy, Policy};
use jaco_training::{Precision, Progress, Start, TrainConfig, TrainError, Trainable, train_lbc};
use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use tch::{Device, Kind, Tensor};

fn tensors(path: &Path) -> HashMap<String, Tensor> {
    Tensor::read_safetensors(path).unwrap().into_iter().collect()
}

fn state(bench: &Bench, out: &str) -> HashMap<String, Tensor> {
    tensors(&bench.path(out).join("training/state.safetensors"))
}

fn metrics(bench: &Bench, out: &str) -> String {
    fs::read_to_string(bench.path(out).join("training/metrics.jsonl")).unwrap()
}

/// A bench with a checkpoint in `base` and settings to train `trainable` of it.
fn on_a_base(trainable: Trainable) -> (Bench, Start) {
    let mut bench = Bench::new();
    bench.config.steps = 2;
    bench.lbc(bench.fresh(), "base").unwrap();
    let config = TrainConfig { trainable, lora_rank: 3, steps: 24, ..bench.config };
    bench.config = TrainConfig { validate_every: 7, ..config };
    let base = Start::Checkpoint(bench.path("base"));
    (bench, base)
}

/// The next 20 losses of a run that was broken off after 4 steps are those of one that was not.
fn resumes_to_the_bit(bench: &Bench, base: &Start) {
    bench.lbc(base.clone(), "straight").unwrap();
    bench.lbc_until(4, base.clone(), "resumed");
    bench.lbc(Start::Resume, "resumed").unwrap();
    assert_eq!(metrics(bench, "straight"), metrics(bench, "resumed"));
    assert_eq!(metrics(bench, "straight").matches("\"train\"").count(), 24);
    let (one, other) = (state(bench, "straight"), state(bench, "resumed"));
    assert_eq!(one.len(), other.len());
    one.iter().for_each(|(name, tensor)| assert_eq!(*tensor, other[name], "{name}"));
}

#[test]
fn a_decoder_is_trained_while_the_towers_stand_still_and_resumes_to_the_bit() {
    let (mut bench, base) = on_a_base(Trainable::Decoder);
    // What stands still must not come back from a rounded checkpoint.
    bench.config.save_bf16 = true;
    resumes_to_the_bit(&bench, &base);
    let weights = |out: &str| tensors(&bench.path(out).join("model.safetensors"));
    let (before, after) = (weights("base"), weights("straight"));
    for (name, tensor) in &before {
        let same = tensor.to_kind(Kind::BFloat16) == after[name];
        assert_eq!(same, !name.starts_with("language_model."), "{name}");
    }
    let names: Vec<String> = state(&bench, "straight").into_keys().collect();
    assert!(names.iter().all(|name| !name.contains("head.query")), "no labels are learnt");
    let moves = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).count();
    assert_eq!(moves("average.model.vision_backbone") + moves("moments.model.projector"), 0);
    assert!(moves("average.model.language_model") > 0);
}

#[test]
fn adapters_are_trained_beside_a_frozen_base_and_resume_to_the_bit() {
    for base_dtype in [Precision::F32, Precision::Bf16] {
        let (mut bench, base) = on_a_base(Trainable::Lora);
        bench.config.base_dtype = base_dtype;
        resumes_to_the_bit(&bench, &base);
        let out = bench.path("straight");
        assert!(!out.join("model.safetensors").exists() && !out.join("config.json").exists());
        let config = fs::read_to_string(out.join("adapter_config.json")).unwrap();
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        assert_eq!((config["r"].as_i64(), config["lora_alpha"].as_i64()), (Some(3), Some(3)));
        let named = config["base_model_name_or_path"].as_str().unwrap();
        assert_eq!(Path::new(named), bench.path("base").canonicalize().unwrap());
        let saved = tensors(&out.join("adapter_model.safetensors"));
        let learnt = saved.iter().filter(|(name, _)| name.ends_with("lora_B.weight"));
        assert!(learnt.clone().count() > 20);
        learnt.for_each(|(name, b)| assert!(b.abs().max().double_value(&[]) > 0.0, "{name}"));
    }
}

#[test]
fn an_adapter_that_was_trained_acts_and_is_trained_further() {
    let (mut bench, base) = on_a_base(Trainable::Lora);
    // A policy of one unit learns to emit two.
    let config = bench.path("base/config.json");
    let text = fs::read_to_string(&config).unwrap().replace("\"horizon\": 2", "\"horizon\": 1");
    fs::write(&config, text).unwrap();
    bench.lbc(base.clone(), "adapter").unwrap();
    let adapter = bench.path("adapter");
    let options = LoadOptions { adapter: Some(&adapter), ..LoadOptions::plain(Device::Cpu) };
    let policy = OpenVlaPolicy::load_with(&bench.path("base"), &options).unwrap();
    assert_eq!(policy.horizon(), 2);

    bench.config.lora_rank = 0;
    bench.further("adapter", base.clone(), "further").unwrap();
    let first = |out: &str| -> f64 {
        let lines = metrics(&bench, out);
        let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        line["loss"].as_f64().unwrap()
    };
    assert!(first("further") < 0.95 * first("adapter"));

    let plain = bench.config.clone();
    for (config, words) in [
        (TrainConfig { lora_rank: 4, ..plain.clone() }, "rank 3, asked for is 4"),
        (TrainConfig { lora_alpha: 16.0, ..plain.clone() }, "alpha 3, asked for is 16"),
        (TrainConfig { lora_targets: "q_proj".into(), ..plain }, "asked for is q_proj; an adapter"),
    ] {
        bench.config = config;
        let text = bench.further("adapter", base.clone(), "other").unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    }
    assert!(!bench.path("other").exists());
}

#[test]
fn an_adapter_of_another_base_or_of_other_sizes_is_refused_by_name() {
    let (mut bench, base) = on_a_base(Trainable::Lora);
    bench.config.steps = 3;
    bench.lbc(base.clone(), "adapter").unwrap();
    // Another seed is another model; what was trained on the first does not fit.
    bench.config = TrainConfig { trainable: Trainable::All, seed: 9, ..bench.config.clone() };
    bench.lbc(bench.fresh(), "stranger").unwrap();
    bench.config.trainable = Trainable::Lora;
    let stranger = Start::Checkpoint(bench.path("stranger"));
    let error = bench.further("adapter", stranger, "out").unwrap_err();
    assert!(error.to_string().contains("trained on another base"), "{error}");
    assert!(error.is_unusable_input() && !bench.path("out").exists());

    // A run that goes on finds other weights in the place of its base.
    bench.config.seed = 0;
    let swapped = bench.path("base/model.safetensors");
    fs::copy(bench.path("stranger/model.safetensors"), swapped).unwrap();
    let error = bench.lbc(Start::Resume, "adapter").unwrap_err();
    assert!(matches!(error, TrainError::OtherBase { .. }), "{error}");

    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mini");
    let error = bench.further("adapter", Start::Checkpoint(mini), "out").unwrap_err();
    assert!(error.to_string().contains("do not fit"), "{error}");
    assert!(error.is_unusable_input() && !bench.path("out").exists());
}

#[test]
fn a_part_is_trained_only_of_what_is_there() {
    let mut bench = Bench::new();
    bench.config.trainable = Trainable::Decoder;
    let error = bench.lbc(bench.fresh(), "out").unwrap_err();
    assert!(error.to_string().contains("--init"), "{error}");
    let error = bench.vision(bench.fresh(), "out").unwrap_err();
    assert!(matches!(error, TrainError::NothingTrained { .. }), "{error}");
    bench.config.trainable = Trainable::All;
    let error = bench.further("adapter", bench.fresh(), "out").unwrap_err();
    assert!(matches!(error, TrainError::AdapterNotTrained { .. }), "{error}");
    assert!(!bench.path("out").exists());
}

/// The losses of the first steps, with a batch in so many parts.
fn losses(accumulation: usize, change: impl FnOnce(&mut TrainConfig)) -> Vec<f64> {
    let mut bench = Bench::new();
    bench.config.accumulation = accumulation;
    change(&mut bench.config);
    let mut losses = Vec::new();
    let mut heard = |progress: &Progress| {
        if let Progress::Step { loss, .. } = progress {
            losses.push(*loss);
        }
        ControlFlow::Continue(())
    };
    let request = bench.request(bench.fresh(), "out");
    train_lbc(&request, &bench.config, &bench.lbc, &mut heard).unwrap();
    losses
}

#[test]
fn a_batch_in_parts_learns_what_one_in_a_piece_learns() {
    let whole = losses(1, |_| ());
    // 8 states in parts of 3, 3 and 2, whose streams and labels differ in number.
    let parts = losses(3, |_| ());
    assert_eq!(whole.len(), 6);
    for (one, other) in whole.iter().zip(&parts) {
        assert!((one - other).abs() < 2e-4 * one, "{whole:?} {parts:?}");
    }
}

#[test]
fn bfloat16_and_openvlas_augmentation_train_as_well() {
    let whole = losses(1, |_| ());
    let coarse = losses(1, |config| config.compute_dtype = Precision::Bf16);
    assert_ne!(whole, coarse);
    assert!((whole[0] - coarse[0]).abs() < 0.05 * whole[0], "{whole:?} {coarse:?}");
    let varied = losses(1, |config| config.augmentation = jaco_training::Augmentation::Openvla);
    assert_ne!(whole, varied);
    assert!((whole[5] - varied[5]).abs() < 0.2 * whole[5], "{whole:?} {varied:?}");
}
