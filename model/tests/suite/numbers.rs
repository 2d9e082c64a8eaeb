//! Found in review: what is no number, and what no machine can count, is refused in words.

use crate::decoding::INSTRUCTION;
use crate::support::{picture, rewrite, tiny_checkpoint};
use jaco_model::{DecodeRequest, ModelError, OpenVlaConfig, OpenVlaPolicy, Policy};
use serde_json::{Value, json};
use std::fs;
use tch::Device;

/// It answered the highest bin in every dimension: full speed, away.
#[test]
fn probabilities_that_are_no_numbers_are_no_actions() {
    let checkpoint = tiny_checkpoint();
    rewrite(&checkpoint.path().join("model.safetensors"), |name, (dtype, shape, mut data)| {
        if name == "language_model.model.norm.weight" {
            data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        Some((dtype, shape, data))
    });
    let policy = OpenVlaPolicy::load(checkpoint.path(), Device::Cpu).unwrap();
    let request = DecodeRequest::greedy(2);
    let error = policy.decode(&picture(56, 56, 1), INSTRUCTION, &request).unwrap_err();
    assert!(matches!(error, ModelError::NotFinite { unit: 0, dimension: 0 }), "{error}");
}

/// A header of 66 176 bytes: its length begins with the bytes of a pickle.
#[test]
fn a_long_header_is_no_pickle() {
    let checkpoint = tiny_checkpoint();
    let path = checkpoint.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let end = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header = bytes[8..end].to_vec();
    header.resize(0x1_0280, b' ');
    let length = (header.len() as u64).to_le_bytes();
    assert_eq!(length[..2], [0x80, 2]);
    fs::write(&path, [&length[..], &header, &bytes[end..]].concat()).unwrap();
    OpenVlaPolicy::load(checkpoint.path(), Device::Cpu).unwrap();
}

fn refused_key(edit: impl FnOnce(&mut Value)) -> String {
    let dir = tiny_checkpoint();
    let path = dir.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut config);
    fs::write(&path, config.to_string()).unwrap();
    match OpenVlaConfig::read(&path).unwrap_err() {
        ModelError::Config { key, .. } | ModelError::Key { key, .. } => key,
        error => panic!("{error}"),
    }
}

#[test]
fn sizes_that_overflow_are_refused_by_key() {
    let huge = json!(1i64 << 40);
    assert_eq!(refused_key(|c| c["image_sizes"] = json!([1i64 << 40, 1i64 << 40])), "image_sizes");
    assert_eq!(refused_key(|c| c["pad_to_multiple_of"] = json!(i64::MIN)), "pad_to_multiple_of");
    for key in ["hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings"] {
        let refused = refused_key(|c| c["text_config"][key] = huge.clone());
        assert_eq!(refused, format!("text_config.{key}"));
    }
}

#[test]
fn settings_that_change_the_numbers_are_not_passed_over() {
    assert_eq!(
        refused_key(|c| c["text_config"]["hidden_act"] = json!("gelu")),
        "text_config.hidden_act"
    );
    assert_eq!(
        refused_key(|c| c["timm_override_act_layers"] = json!([null, "quick_gelu"])),
        "timm_override_act_layers"
    );
    for (key, value) in [("rope_theta", -1.0), ("rms_norm_eps", 0.0)] {
        let refused = refused_key(|c| c["text_config"][key] = json!(value));
        assert_eq!(refused, format!("text_config.{key}"));
    }
}

#[test]
fn a_base_of_pickles_beside_an_adapter_is_not_passed_over() {
    let dir = tiny_checkpoint();
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    fs::write(dir.path().join("pytorch_model.bin"), b"PK\x03\x04").unwrap();
    let adapter = dir.path().join("tuned");
    fs::create_dir(&adapter).unwrap();
    let source = crate::support::fixtures().join("tiny-openvla/adapter");
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(source.join(name), adapter.join(name)).unwrap();
    }
    let error = jaco_model::checkpoint::inspect(dir.path()).unwrap_err();
    assert!(matches!(error, ModelError::Pickle { .. }), "{error}");
}
