//! Invented checkpoints.

use super::{load, names_in};
use crate::support::{Tensors, mini, picture};
use jaco_model::checkpoint::synth::{self, PRESETS};
use jaco_model::checkpoint::{dead_tensors, wanted_tensors};
use jaco_model::{DecodeRequest, ModelError, OpenVla, OpenVlaConfig, Policy};
use std::fs;
use tch::nn::VarStore;
use tch::{Device, Kind};

#[test]
fn the_large_preset_has_the_published_tensors() {
    let config = synth::preset("openvla-7b").unwrap();
    let mut shapes = wanted_tensors(&config);
    shapes.extend(dead_tensors(&config));
    assert_eq!(shapes.len(), 982);
    let parameters: i64 = shapes.values().map(|shape| shape.iter().product::<i64>()).sum();
    assert_eq!(parameters, 7_541_237_184);
    let cases: [(&str, &[i64]); 6] = [
        ("vision_backbone.featurizer.reg_token", &[1, 4, 1024]),
        ("vision_backbone.featurizer.blocks.23.ls2.scale_factor", &[1024]),
        ("vision_backbone.fused_featurizer.attn_pool.kv.weight", &[2304, 1152]),
        ("vision_backbone.fused_featurizer.blocks.26.mlp.fc1.weight", &[4304, 1152]),
        ("projector.fc1.weight", &[8704, 2176]),
        ("language_model.model.layers.31.mlp.down_proj.weight", &[4096, 11008]),
    ];
    for (name, shape) in cases {
        assert_eq!(shapes[name], shape, "{name}");
    }
}

#[test]
fn the_small_preset_has_the_shipped_sizes() {
    let preset = synth::preset("mini").unwrap();
    let shipped = OpenVlaConfig::read(&mini().join("config.json")).unwrap();
    assert_eq!(wanted_tensors(&preset), wanted_tensors(&shipped));
    assert_eq!(preset.action_stream, shipped.action_stream);
    let error = synth::preset("maxi").unwrap_err();
    assert!(PRESETS.iter().all(|name| error.to_string().contains(name)), "{error}");
}

#[test]
fn filled_variables_have_the_intended_spread() {
    let config = synth::preset("mini").unwrap();
    let filled = |kind, seed| {
        let mut variables = VarStore::new(Device::Cpu);
        variables.set_kind(kind);
        OpenVla::new(&variables.root(), &config).unwrap();
        synth::fill(&variables, seed).unwrap();
        variables.variables()
    };
    let first = filled(Kind::Float, 1);
    assert_eq!(first, filled(Kind::Float, 1));
    let head = "language_model.lm_head.weight";
    assert_ne!(first[head], filled(Kind::Float, 2)[head]);
    assert_eq!(filled(Kind::BFloat16, 1)[head], first[head].to_kind(Kind::BFloat16));
    for (name, std) in [(head, 0.02), ("projector.fc1.bias", 0.002)] {
        let found = first[name].std(false).double_value(&[]);
        // Five standard errors.
        let allowed = 5.0 * std / (2.0 * first[name].numel() as f64).sqrt();
        assert!((found - std).abs() < allowed, "{name}: {found}");
    }
    assert_eq!(first["language_model.model.norm.weight"].min().double_value(&[]), 1.0);
    assert_eq!(
        first["vision_backbone.featurizer.blocks.0.norm1.weight"].max().double_value(&[]),
        1.0
    );
}

#[test]
fn a_written_checkpoint_is_whole() {
    let config = synth::preset("mini").unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("mini");
    let mut heard = Vec::new();
    synth::write(&config, Kind::BFloat16, 1, &dir, 1_000_000, &mut |done, total| {
        heard.push((done, total));
    })
    .unwrap();
    let total = heard[0].1;
    assert!(heard.iter().all(|(_, of)| *of == total) && heard.is_sorted());
    assert_eq!(heard.last(), Some(&(total, total)));
    assert_eq!(names_in(root.path()), ["mini"]);
    assert!(names_in(&dir).contains(&"model-00001-of-00005.safetensors".to_owned()));

    let policy = load(&dir).unwrap();
    let frame = picture(128, 128, 1);
    // Any text has tokens, also letters that no ASCII table knows.
    for instruction in ["put the blue cube on the plate", "räum den Tisch auf: 100 % → ☺"] {
        let decoded = policy.decode(&frame, instruction, &DecodeRequest::greedy(2)).unwrap();
        assert_eq!(decoded.best().units.len(), 2);
        let ids = policy.tokenizer().encode(instruction).unwrap();
        assert_eq!(ids[0], 1);
        assert!(ids.iter().all(|id| *id < 128), "{ids:?}");
    }
    let short = |text: &str| policy.tokenizer().encode(text).unwrap();
    assert_ne!(short("put the cube"), short("put the cups"));

    // The tokenizer survives being read and written.
    let again = root.path().join("again");
    policy.save(&again, Kind::BFloat16).unwrap();
    assert_eq!(
        load(&again).unwrap().tokenizer().encode("put the cube").unwrap(),
        short("put the cube")
    );

    let error = synth::write(&config, Kind::BFloat16, 1, &dir, 1, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, ModelError::Exists { .. }), "{error}");
}

#[test]
fn equal_seeds_give_equal_files() {
    let config = synth::preset("mini").unwrap();
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, seed| {
        let dir = root.path().join(name);
        synth::write(&config, Kind::Float, seed, &dir, u64::MAX, &mut |_, _| {}).unwrap();
        dir.join("model.safetensors")
    };
    let (one, same, other) = (write("one", 4), write("same", 4), write("other", 5));
    assert!(fs::read(&one).unwrap() == fs::read(same).unwrap());
    let bias = "projector.fc1.bias";
    assert_ne!(Tensors::read(&one).get(bias), Tensors::read(&other).get(bias));
}
