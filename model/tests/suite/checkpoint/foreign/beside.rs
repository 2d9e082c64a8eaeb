//! Statistics, adapters and other folders.

use super::{INSTRUCTION, assert_refused, checkpoint, patch, score, score_of};
use crate::checkpoint::load;
use crate::support::mini;
use jaco_core::{ActionCodec, ActionUnit};
use jaco_model::checkpoint::adapter::ADAPTER_CONFIG_FILE;
use jaco_model::checkpoint::inspect;
use jaco_model::{Adapter, AdapterConfig, LoadOptions, OpenVlaPolicy, Policy};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind};
use tempfile::TempDir;

/// Statistics as other programs write them: one unused entry never blocks.
#[test]
fn an_entry_of_the_statistics_is_judged_when_it_is_chosen() {
    let dir = checkpoint();
    let file = dir.path().join("dataset_statistics.json");
    let action = json!({"q01": [-1, -1, -1, -1, -1, -1, 0], "q99": [1, 1, 1, 1, 1, 1, 1],
        "mask": [true, true, true, true, true, true, false]});
    let long = vec![0.5; 14];
    let text = json!({
        "good": {"action": action, "proprio": {"mean": 0}, "num_transitions": 3},
        "aloha": {"action": {"q01": long, "q99": long}},
        "bounds": {"action": {"min": [0], "max": [1]}},
        "other": {"action": {"q01": [0, 0, 0, 0, 0, 0, 0], "q99": [1, 1, 1, 1, 1, 1, 1], "norm_type": "normal"}},
        "upside": {"action": {"q01": [1, 1, 1, 1, 1, 1, 1], "q99": [0, 0, 0, 0, 0, 0, 0]}},
        "strange": 3,
    });
    // Python writes numbers that JSON does not have.
    let text = text.to_string().replace("\"mean\":0", "\"mean\":NaN");
    let nan = r#""nan": {"action": {"q01": [NaN,0,0,0,0,0,0], "q99": [1,1,1,1,1,1,1]}}"#;
    fs::write(&file, format!("{{{nan},{}", &text[1..])).unwrap();
    let choose = |key| {
        let options = LoadOptions { statistics: Some(key), ..LoadOptions::plain(Device::Cpu) };
        OpenVlaPolicy::load_with(dir.path(), &options).map(|policy| policy.statistics())
    };
    assert_eq!(choose("good").unwrap().q99, [1.0; 7]);
    for (key, words) in [
        // openvla #48, openvla-oft #91: "invalid length 14 ... line 83" for the good one too.
        ("aloha", &["aloha.action.q01", "has 14 numbers"][..]),
        ("bounds", &["bounds.action.q01 is missing", "do not decode"]),
        ("other", &["other.action.norm_type", "quantiles"]),
        ("upside", &["\"upside\"", "q01 no greater than q99"]),
        ("strange", &["strange = 3", "must be an object"]),
        ("nan", &["\"nan\"", "dimension 0"]),
    ] {
        let said = choose(key).unwrap_err().to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{key}: {said}");
        assert!(said.contains("dataset_statistics.json"), "{said}");
    }
    let found = inspect(dir.path()).unwrap().model.unwrap().statistics_entries;
    let usable: Vec<&str> = found
        .iter()
        .filter(|entry| entry.problem.is_none())
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(usable, ["good"]);
}

/// VLA-Arena #29, #30: refused, although OpenVLA decodes such dimensions to q01.
#[test]
fn a_dimension_that_never_varies_decodes_to_its_value() {
    let dir = checkpoint();
    let action = json!({"q01": [-1, 0.25, -1, -1, -1, -1, 0], "q99": [1, 0.25, 1, 1, 1, 1, 1]});
    fs::write(
        dir.path().join("dataset_statistics.json"),
        json!({"table": {"action": action}}).to_string(),
    )
    .unwrap();
    let statistics = load(dir.path()).unwrap().statistics();
    let codec = ActionCodec::new(statistics).unwrap();
    for bin in [1, 77, 256] {
        assert_eq!(codec.decode(&ActionUnit([bin; 7])).to_array()[1], 0.25);
    }
    let found = inspect(dir.path()).unwrap();
    assert!(found.to_string().contains("table: usable, constant in dimension 1"), "{found}");
}

#[test]
fn statistics_without_the_datasets_name_are_usable() {
    let dir = checkpoint();
    let action = json!({"q01": [-1, -1, -1, -1, -1, -1, -1], "q99": [3, 3, 3, 3, 3, 3, 3]});
    fs::write(
        dir.path().join("dataset_statistics.json"),
        json!({"action": action, "num_transitions": 12}).to_string(),
    )
    .unwrap();
    assert_eq!(load(dir.path()).unwrap().statistics().q99, [3.0; 7]);
}

#[test]
fn a_folder_that_is_no_checkpoint_says_what_it_is() {
    let dir = checkpoint();
    let outer = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path(), outer.path().join("step-2000")).unwrap();
    assert_refused(outer.path(), &["has no config.json", "step-2000"]);
    fs::write(outer.path().join(ADAPTER_CONFIG_FILE), "{}").unwrap();
    assert_refused(outer.path(), &["holds an adapter, not a checkpoint"]);
    fs::write(dir.path().join(ADAPTER_CONFIG_FILE), "{}").unwrap();
    assert_refused(dir.path(), &["a checkpoint and an adapter"]);
    let dir = checkpoint();
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    fs::write(dir.path().join("tokenizer.model"), b"\n\x0e").unwrap();
    assert_refused(dir.path(), &["tokenizer.model", "save_pretrained"]);
}

/// An adapter folder on the shipped policy, its configuration patched.
fn adapter(change: Value) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let policy = load(&mini()).unwrap();
    let variables = VarStore::new(Device::Cpu);
    let config = AdapterConfig::new(2, 4.0, &["q_proj"]);
    let mut fresh = Adapter::fresh(config, &variables, policy.config(), 7).unwrap();
    for pair in fresh.modules.values_mut() {
        pair.b = pair.b.ones_like() * 0.05;
    }
    fresh.save(&dir.path().join("it"), Kind::Float).unwrap();
    for entry in fs::read_dir(dir.path().join("it")).unwrap() {
        let from = entry.unwrap().path();
        fs::rename(&from, dir.path().join(from.file_name().unwrap())).unwrap();
    }
    patch(&dir, ADAPTER_CONFIG_FILE, change);
    dir
}

fn adapted(dir: &Path) -> Result<f64, String> {
    let options = LoadOptions { adapter: Some(dir), ..LoadOptions::plain(Device::Cpu) };
    let policy = OpenVlaPolicy::load_with(&mini(), &options).map_err(|error| error.to_string())?;
    Ok(score(&policy, INSTRUCTION))
}

#[test]
fn adapter_keys_are_read_ignored_or_refused() {
    let plain = adapted(adapter(json!({})).path()).unwrap();
    assert_ne!(plain, score_of(&mini()));
    for harmless in [
        json!({"init_lora_weights": "eva", "lora_dropout": 0.5, "peft_version": "0.18.0"}),
        json!({"fan_in_fan_out": true, "task_type": "CAUSAL_LM", "modules_to_save": []}),
        json!({"loftq_config": {}, "megatron_core": "megatron.core", "runtime_config": {}}),
    ] {
        assert_eq!(adapted(adapter(harmless.clone()).path()).unwrap(), plain, "{harmless}");
    }
    for (change, words) in [
        // peft #1929, #2184: an adapter on changed base weights was added to the unchanged ones.
        (json!({"init_lora_weights": "pissa"}), &["init_lora_weights = \"pissa\"", "convert"][..]),
        (json!({"init_lora_weights": "pissa_niter_16"}), &["pissa_niter_16", "convert"]),
        (json!({"init_lora_weights": "olora"}), &["olora", "convert"]),
        (json!({"init_lora_weights": "corda"}), &["corda", "convert"]),
        (json!({"use_dora": true}), &["use_dora", "DoRA"]),
        (json!({"bias": "lora_only"}), &["bias"]),
        (json!({"modules_to_save": ["lm_head"]}), &["modules_to_save"]),
        (json!({"peft_type": "LOHA"}), &["peft_type = \"LOHA\""]),
        (json!({"lora_alpha": 0}), &["lora_alpha", "change nothing"]),
        (json!({"r": "8"}), &["r = \"8\"", "whole number"]),
        (json!({"spectral_twist": 0.3}), &["spectral_twist", "not among the known keys"]),
        (json!({"target_modules": null}), &["target_modules is missing"]),
    ] {
        let said = adapted(adapter(change.clone()).path()).unwrap_err();
        assert!(words.iter().all(|word| said.contains(word)), "{change}: {said}");
        assert!(said.contains(ADAPTER_CONFIG_FILE), "{said}");
    }
}

#[test]
fn an_adapter_that_changes_nothing_or_is_no_number_is_refused() {
    let policy = load(&mini()).unwrap();
    let variables = VarStore::new(Device::Cpu);
    let config = AdapterConfig::new(2, 4.0, &["q_proj"]);
    let mut fresh = Adapter::fresh(config, &variables, policy.config(), 7).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fresh.save(&dir.path().join("zero"), Kind::Float).unwrap();
    let said = adapted(&dir.path().join("zero")).unwrap_err();
    assert!(said.contains("changes nothing"), "{said}");
    for pair in fresh.modules.values_mut() {
        pair.b = pair.b.ones_like() * f64::NAN;
    }
    fresh.save(&dir.path().join("nan"), Kind::Float).unwrap();
    let said = adapted(&dir.path().join("nan")).unwrap_err();
    assert!(said.contains("NaN or infinity") && said.contains("q_proj"), "{said}");
}

/// An adapter in a sub-folder that nobody asked for blocked the inspection of the checkpoint.
#[test]
fn an_unused_adapter_never_blocks() {
    let dir = checkpoint();
    fs::create_dir(dir.path().join("lora_adapter")).unwrap();
    fs::write(dir.path().join("lora_adapter").join(ADAPTER_CONFIG_FILE), "{").unwrap();
    assert_eq!(score_of(dir.path()), score_of(&mini()));
    let found = inspect(dir.path()).unwrap().to_string();
    assert!(found.contains("lora_adapter: unusable") && found.contains("ends in the middle"));
}

#[test]
fn a_folder_that_is_no_adapter_says_what_it_is() {
    let said = adapted(&mini()).unwrap_err();
    assert!(said.contains("holds a checkpoint, not an adapter"), "{said}");
    let outer = tempfile::tempdir().unwrap();
    let inner = adapter(json!({}));
    std::os::unix::fs::symlink(inner.path(), outer.path().join("checkpoint-5000")).unwrap();
    let said = adapted(outer.path()).unwrap_err();
    assert!(said.contains("name ") && said.contains("checkpoint-5000"), "{said}");
    fs::write(inner.path().join("action_head--latest_checkpoint.pt"), b"PK").unwrap();
    let said = adapted(inner.path()).unwrap_err();
    assert!(said.contains("continuous head"), "{said}");
}

/// PEFT builds no pair on a module that is not named, and ignores what the file holds for it; here
/// all were applied.
#[test]
fn pairs_that_peft_would_not_use_are_refused() {
    for change in [
        json!({"exclude_modules": ["q_proj"]}),
        json!({"exclude_modules": ".*layers\\.1\\..*"}),
        json!({"layers_to_transform": [0]}),
        json!({"layers_to_transform": 0, "layers_pattern": "layers"}),
        json!({"target_modules": ".*v_proj"}),
    ] {
        let said = adapted(adapter(change.clone()).path()).unwrap_err();
        assert!(said.contains("unexpected") && said.contains("q_proj"), "{change}: {said}");
    }
    let plain = adapted(adapter(json!({})).path()).unwrap();
    for harmless in [
        json!({"exclude_modules": ["lm_head"]}),
        json!({"layers_to_transform": [0, 1, 2]}),
        json!({"target_modules": ".*\\.q_proj"}),
        json!({"target_modules": "all-linear"}),
    ] {
        assert_eq!(adapted(adapter(harmless.clone()).path()).unwrap(), plain, "{harmless}");
    }
    let said = adapted(adapter(json!({"target_modules": "(q_proj"})).path()).unwrap_err();
    assert!(said.contains("regular expression"), "{said}");
}

/// OpenVLA-OFT keeps the head in the run's folder and the adapter in one inside.
#[test]
fn an_adapter_whose_run_has_a_continuous_head_is_refused() {
    let run = tempfile::tempdir().unwrap();
    fs::rename(adapter(json!({})).keep(), run.path().join("lora_adapter")).unwrap();
    assert!(adapted(&run.path().join("lora_adapter")).is_ok());
    fs::write(run.path().join("action_head--150000_checkpoint.pt"), b"PK").unwrap();
    let said = adapted(&run.path().join("lora_adapter")).unwrap_err();
    assert!(said.contains("action_head--150000"), "{said}");
}
