//! LoRA adapters in PEFT's layout, against the reference's.

use super::{names_in, tiny_model};
use crate::support::{Stored, Tensors, assert_close, fixtures, rewrite, tiny_config, tiny_inputs};
use jaco_model::checkpoint::adapter::{OPENVLA_TARGETS, TargetModules};
use jaco_model::checkpoint::synth;
use jaco_model::error::AdapterError;
use jaco_model::{Adapter, AdapterConfig, ModelError, OpenVla};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

const Q_PROJ: &str = "language_model.model.layers.0.self_attn.q_proj";

fn fixture() -> PathBuf {
    fixtures().join("tiny-openvla/adapter")
}

/// A copy of the fixture's adapter that may be changed.
fn copy() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(fixture().join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn read(dir: &Path) -> Result<Adapter, ModelError> {
    Adapter::read(dir, &tiny_config(), &tiny_model(Kind::Float).0)
}

fn set(dir: &Path, key: &str, value: Value) {
    let path = dir.join("adapter_config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config[key] = value;
    fs::write(path, config.to_string()).unwrap();
}

fn edit(dir: &Path, change: impl Fn(&str, Stored) -> Option<Stored>) {
    rewrite(&dir.join("adapter_model.safetensors"), change);
}

fn refusal(dir: &Path) -> AdapterError {
    match read(dir).unwrap_err() {
        ModelError::Adapter { source, .. } => source,
        ModelError::Key { key, found, wanted, .. } => AdapterError::Config { key, found, wanted },
        other => panic!("{other}"),
    }
}

#[test]
fn the_reference_adapter_is_read_without_its_dead_modules() {
    let adapter = read(&fixture()).unwrap();
    assert_eq!((adapter.config.r, adapter.config.lora_alpha), (4, 2.0));
    // 15 of the decoder, 3 of the projector, both patch embeddings, 4 in each of 3 live blocks.
    assert_eq!(adapter.modules.len(), 15 + 3 + 2 + 12);
    assert!(!adapter.modules.keys().any(|module| module.contains("attn_pool")));
    assert!(!adapter.modules.contains_key("vision_backbone.featurizer.blocks.2.attn.qkv"));
    let patches = &adapter.modules["vision_backbone.featurizer.patch_embed.proj"];
    assert_eq!((patches.a.size(), patches.b.size()), (vec![4, 3, 14, 14], vec![48, 4, 1, 1]));
    let map = &adapter.modules[Q_PROJ];
    assert_eq!((map.a.size(), map.b.size(), map.scale), (vec![4, 64], vec![64, 4], 0.5));
    assert!(map.b.abs().max().double_value(&[]) > 0.0);
}

#[test]
fn a_merged_adapter_gives_the_reference_logits() {
    let (variables, model) = tiny_model(Kind::Float);
    let adapter = read(&fixture()).unwrap();
    let inputs = tiny_inputs();
    let expected = Tensors::read(&fixture().join("expected.safetensors"));
    let logits = || {
        tch::no_grad(|| {
            model.forward_train(inputs.get("pixel_values"), inputs.get("input_ids")).unwrap()
        })
    };
    let before = logits();
    adapter.merge_into(&variables).unwrap();
    assert_close(&logits(), expected.get("logits"), 1e-4);
    let change = (before - expected.get("logits")).abs().max().double_value(&[]);
    assert!(change > 0.01, "the adapter changes logits by {change} at most");
}

#[test]
fn merging_into_short_numbers_rounds_once() {
    let adapter = read(&fixture()).unwrap();
    let (exact, _) = tiny_model(Kind::BFloat16);
    let weight = &exact.variables()[&format!("{Q_PROJ}.weight")];
    let pair = &adapter.modules[Q_PROJ];
    let wanted = weight.to_kind(Kind::Float) + pair.b.matmul(&pair.a) * pair.scale;
    let wanted = wanted.to_kind(Kind::BFloat16);
    adapter.merge_into(&exact).unwrap();
    assert_eq!(*weight, wanted);
}

#[test]
fn an_adapter_merges_only_into_its_own_model() {
    let adapter = read(&fixture()).unwrap();
    let other = VarStore::new(Device::Cpu);
    OpenVla::new(&other.root(), &synth::preset("mini").unwrap()).unwrap();
    let error = adapter.merge_into(&other).unwrap_err();
    assert!(
        matches!(&error, ModelError::Adapter { source: AdapterError::Module { .. }, .. }),
        "{error}"
    );
}

#[test]
fn a_saved_adapter_comes_back() {
    let adapter = read(&fixture()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("adapter");
    adapter.save(&dir, Kind::Float).unwrap();
    assert_eq!(names_in(root.path()), ["adapter"]);
    assert_eq!(names_in(&dir), ["adapter_config.json", "adapter_model.safetensors"]);
    let again = read(&dir).unwrap();
    assert_eq!(again.config, adapter.config);
    assert_eq!(again.modules.len(), adapter.modules.len());
    for (module, pair) in &again.modules {
        let wanted = &adapter.modules[module];
        assert_eq!((&pair.a, &pair.b, pair.scale), (&wanted.a, &wanted.b, wanted.scale));
    }
    let text = fs::read_to_string(dir.join("adapter_config.json")).unwrap();
    assert!(text.contains("\"lora_alpha\": 2,") && text.contains("\"megatron_core\""), "{text}");
    let error = adapter.save(&dir, Kind::Float).unwrap_err();
    assert!(matches!(error, ModelError::Exists { .. }), "{error}");
}

#[test]
fn a_fresh_adapter_changes_nothing_and_covers_every_live_map() {
    let (variables, _) = tiny_model(Kind::Float);
    let config = tiny_config();
    let fresh =
        |seed| Adapter::fresh(AdapterConfig::openvla(8), &variables, &config, seed).unwrap();
    let adapter = fresh(5);
    let reference = read(&fixture()).unwrap();
    assert!(adapter.modules.keys().eq(reference.modules.keys()));
    assert_eq!(adapter.config.lora_alpha, 8.0);
    assert_eq!(AdapterConfig::openvla(32).rank_and_scale("any").unwrap(), (32, 0.5));
    let before = variables.variables()[&format!("{Q_PROJ}.weight")].copy();
    adapter.merge_into(&variables).unwrap();
    assert_eq!(variables.variables()[&format!("{Q_PROJ}.weight")], before);
    let all: Vec<Tensor> = adapter.modules.values().map(|pair| pair.a.flatten(0, -1)).collect();
    let all = Tensor::cat(&all, 0).to_kind(Kind::Double);
    let (count, std) = (all.numel() as f64, all.std(false).double_value(&[]));
    // Five standard errors.
    assert!((std - 0.125).abs() < 5.0 * 0.125 / (2.0 * count).sqrt(), "{std}");
    assert_eq!(fresh(5).modules[Q_PROJ].a, adapter.modules[Q_PROJ].a);
    assert_ne!(fresh(6).modules[Q_PROJ].a, adapter.modules[Q_PROJ].a);
    assert_eq!(adapter.parameters(), 2 * reference.parameters(), "rank 8 against 4");

    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("fresh");
    let mut adapter = adapter;
    for pair in adapter.modules.values_mut() {
        pair.b = pair.b.ones_like();
    }
    adapter.save(&dir, Kind::BFloat16).unwrap();
    assert_eq!(read(&dir).unwrap().modules[Q_PROJ].a.kind(), Kind::Float);
    for key in ["auto_mapping", "bias", "fan_in_fan_out", "init_lora_weights", "modules_to_save"] {
        assert!(read(&dir).unwrap().config.rest.contains_key(key), "{key}");
    }
    let nowhere = AdapterConfig::new(8, 8.0, &["query"]);
    let error = Adapter::fresh(nowhere, &variables, &config, 0).unwrap_err();
    assert!(error.to_string().contains("query"), "{error}");
}

#[test]
fn the_other_spelling_and_rank_stabilised_scales_are_understood() {
    let dir = copy();
    let path = dir.path().join("adapter_model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<(String, Stored)> = file
        .iter()
        .map(|(name, view)| {
            let name = name.replace(".lora_A.", ".lora_A.default.");
            (
                name.replace(".lora_B.", ".lora_B.default."),
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect();
    crate::support::write(&path, &tensors);
    set(dir.path(), "use_rslora", json!(true));
    set(dir.path(), "alpha_pattern", json!({"self_attn.q_proj": 6}));
    let adapter = read(dir.path()).unwrap();
    assert_eq!(adapter.modules.len(), 32);
    assert_eq!(adapter.modules["projector.fc1"].scale, 1.0);
    assert_eq!(adapter.modules[Q_PROJ].scale, 3.0);
}

#[test]
fn targets_may_be_an_expression() {
    let dir = copy();
    set(dir.path(), "target_modules", json!("all-linear"));
    let adapter = read(dir.path()).unwrap();
    assert_eq!(adapter.config.target_modules, TargetModules::Expression("all-linear".into()));
    assert!(OPENVLA_TARGETS.is_sorted());
}

#[test]
fn configurations_that_are_not_understood_are_refused() {
    for (key, value) in [
        ("peft_type", json!("ADALORA")),
        ("use_dora", json!(true)),
        ("bias", json!("lora_only")),
        ("modules_to_save", json!(["lm_head"])),
        ("r", json!(0)),
        ("rank_pattern", json!({"q_proj": 0})),
        ("rank_pattern", json!({"^language.*": 4})),
        ("alpha_pattern", json!({"q_proj": 1, "self_attn.q_proj": 2})),
    ] {
        let dir = copy();
        set(dir.path(), key, value);
        let error = refusal(dir.path());
        assert!(matches!(&error, AdapterError::Config { key: at, .. } if at == key), "{error}");
    }
}

#[test]
fn ranks_must_be_the_configured_ones() {
    let dir = copy();
    set(dir.path(), "rank_pattern", json!({"layers.0.self_attn.q_proj": 8}));
    let expected = AdapterError::Rank { module: Q_PROJ.into(), wanted: 8, found: 4 };
    assert_eq!(refusal(dir.path()), expected);
}

#[test]
fn halves_and_gaps_are_refused() {
    for (part, missing) in [("q_proj.lora_B", 1), ("q_proj.", 2)] {
        let dir = copy();
        let dropped = format!("layers.0.self_attn.{part}");
        edit(dir.path(), |name, stored| (!name.contains(&dropped)).then_some(stored));
        let error = refusal(dir.path());
        let AdapterError::Tensors(mismatch) = &error else { panic!("{error}") };
        assert_eq!(mismatch.missing.len(), missing, "{error}");
        assert!(mismatch.missing.iter().all(|name| name.contains("layers.0.self_attn.q_proj")));
    }
}

#[test]
fn tensors_beyond_the_configuration_are_refused() {
    let dir = copy();
    set(dir.path(), "target_modules", json!(["q_proj"]));
    let AdapterError::Tensors(mismatch) = refusal(dir.path()) else { panic!() };
    assert_eq!(mismatch.unexpected.len(), 2 * (32 - 2));

    let dir = copy();
    let path = dir.path().join("adapter_model.safetensors");
    let stray = "base_model.model.projector.fc1.lora_magnitude_vector";
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<(String, Stored)> = file
        .iter()
        .map(|(name, view)| {
            (name.into(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        })
        .collect();
    tensors.push((stray.into(), (safetensors::Dtype::F32, vec![1], vec![0; 4])));
    crate::support::write(&path, &tensors);
    let AdapterError::Tensors(mismatch) = refusal(dir.path()) else { panic!() };
    assert_eq!(mismatch.unexpected, [stray]);
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    // A decoder of other sizes, and one that has fewer layers.
    for change in [
        |config: &mut jaco_model::OpenVlaConfig| config.text_config.intermediate_size = 100,
        |config: &mut jaco_model::OpenVlaConfig| config.text_config.num_hidden_layers = 1,
    ] {
        let mut config = tiny_config();
        change(&mut config);
        let base = VarStore::new(Device::Cpu);
        OpenVla::new(&base.root(), &config).unwrap();
        let error = Adapter::read(&fixture(), &config, &base).unwrap_err();
        assert!(
            matches!(&error, ModelError::Adapter { source: AdapterError::Module { module, .. }, .. }
                if module.starts_with("language_model.model.layers.")),
            "{error}"
        );
    }
}

#[test]
fn an_adapter_of_another_base_is_refused() {
    let (variables, _) = tiny_model(Kind::Float);
    let head = &variables.variables()["language_model.lm_head.weight"];
    tch::no_grad(|| {
        let _ = head.narrow(0, 3, 1).fill_(0.25);
    });
    let error = Adapter::read(&fixture(), &tiny_config(), &variables).unwrap_err();
    let ModelError::Adapter { source, .. } = &error else { panic!("{error}") };
    let tensor = "language_model.lm_head.weight".to_owned();
    assert_eq!(*source, AdapterError::OtherBase { tensor, differing: 64, numbers: 384 * 64 });

    // The same base in a shorter element type is still the same base.
    let (short, _) = tiny_model(Kind::BFloat16);
    assert!(Adapter::read(&fixture(), &tiny_config(), &short).is_ok());
}

#[test]
fn a_pickled_adapter_is_refused() {
    let dir = copy();
    let (safe, pickled) = ("adapter_model.safetensors", dir.path().join("adapter_model.bin"));
    fs::rename(dir.path().join(safe), &pickled).unwrap();
    let error = read(dir.path()).unwrap_err();
    assert!(matches!(&error, ModelError::Pickle { path, .. } if *path == pickled), "{error}");
    fs::remove_file(pickled).unwrap();
    let error = read(dir.path()).unwrap_err();
    assert!(matches!(&error, ModelError::Io { .. }) && error.to_string().contains(safe), "{error}");
}
