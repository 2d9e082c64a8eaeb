//! Copying weights into variables.

use super::{INSTRUCTION, load, tensor_names, tiny_model};
use crate::support::{fixtures, picture, rewrite, tiny_checkpoint, tiny_config};
use jaco_model::checkpoint::{read_weights, wanted_tensors};
use jaco_model::{DecodeRequest, ModelError, OpenVla, Policy};
use safetensors::Dtype;
use std::fs;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// Divides the weights in `dir` into two shards: the vision towers, and the rest.
pub fn divide(dir: &Path) {
    let whole = dir.join("model.safetensors");
    let mut map = serde_json::Map::new();
    for (shard, vision) in [("a.safetensors", true), ("b.safetensors", false)] {
        fs::copy(&whole, dir.join(shard)).unwrap();
        rewrite(&dir.join(shard), |name, stored| {
            (name.starts_with("vision_backbone.") == vision).then_some(stored)
        });
        for name in tensor_names(&dir.join(shard)) {
            map.insert(name, shard.into());
        }
    }
    fs::remove_file(whole).unwrap();
    let index = serde_json::json!({"metadata": {"total_size": 0}, "weight_map": map});
    fs::write(dir.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

#[test]
fn shards_load_like_one_file() {
    let (whole, sharded) = (tiny_checkpoint(), tiny_checkpoint());
    divide(sharded.path());
    let frame = picture(56, 56, 1);
    let request = DecodeRequest { full_log_probs: true, ..DecodeRequest::greedy(3) };
    let [one, many] = [&whole, &sharded]
        .map(|dir| load(dir.path()).unwrap().decode(&frame, INSTRUCTION, &request).unwrap());
    assert_eq!(one, many);
}

#[test]
fn the_element_type_is_the_variables_own() {
    let (exact, _) = tiny_model(Kind::Float);
    let (half, _) = tiny_model(Kind::BFloat16);
    let exact = exact.variables();
    for (name, tensor) in half.variables() {
        assert_eq!(tensor.kind(), Kind::BFloat16);
        assert_eq!(tensor, exact[&name].to_kind(Kind::BFloat16), "{name}");
    }
}

#[test]
fn variables_may_be_views_of_larger_tensors() {
    let config = tiny_config();
    let variables = VarStore::new(Device::Cpu);
    OpenVla::new(&variables.root(), &config).unwrap();
    let attention = "language_model.model.layers.1.self_attn";
    let names = ["q_proj", "k_proj", "v_proj"].map(|map| format!("{attention}.{map}.weight"));
    let fused = Tensor::zeros([64, 3 * 64], (Kind::Float, Device::Cpu));
    {
        let mut held = variables.variables_.lock().unwrap();
        for (i, name) in names.iter().enumerate() {
            // Columns of the fused tensor, transposed: as far from contiguous as can be.
            let view = fused.narrow(1, 64 * i as i64, 64).transpose(0, 1);
            assert!(!view.is_contiguous());
            held.named_variables.insert(name.clone(), view);
        }
    }
    read_weights(&fixtures().join("tiny-openvla"), &config, &variables).unwrap();
    let plain = tiny_model(Kind::Float).0.variables();
    for (i, name) in names.iter().enumerate() {
        assert_eq!(fused.narrow(1, 64 * i as i64, 64).transpose(0, 1), plain[name]);
    }
}

#[test]
fn a_refused_checkpoint_leaves_the_variables_alone() {
    let dir = tiny_checkpoint();
    rewrite(&dir.path().join("model.safetensors"), |name, stored| {
        (name != "language_model.model.norm.weight").then_some(stored)
    });
    let config = tiny_config();
    let variables = VarStore::new(Device::Cpu);
    OpenVla::new(&variables.root(), &config).unwrap();
    for mut tensor in variables.variables().into_values() {
        let _filled = tch::no_grad(|| tensor.fill_(3.0));
    }
    assert!(read_weights(dir.path(), &config, &variables).is_err());
    for (name, tensor) in variables.variables() {
        let (least, most) = (tensor.min().double_value(&[]), tensor.max().double_value(&[]));
        assert_eq!((least, most), (3.0, 3.0), "{name}");
    }
}

#[test]
fn values_need_not_be_aligned() {
    let dir = tiny_checkpoint();
    let path = dir.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    bytes.insert(8 + header as usize, b' ');
    bytes[..8].copy_from_slice(&(header + 1).to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let config = tiny_config();
    let variables = VarStore::new(Device::Cpu);
    OpenVla::new(&variables.root(), &config).unwrap();
    read_weights(dir.path(), &config, &variables).unwrap();
    assert_eq!(variables.variables(), tiny_model(Kind::Float).0.variables());
}

#[test]
fn the_listed_tensors_are_those_of_a_model() {
    let mini = jaco_model::checkpoint::synth::preset("mini").unwrap();
    for config in [tiny_config(), mini] {
        let variables = VarStore::new(Device::Cpu);
        OpenVla::new(&variables.root(), &config).unwrap();
        let built =
            variables.variables().into_iter().map(|(name, tensor)| (name, tensor.size())).collect();
        assert_eq!(wanted_tensors(&config), built);
    }
}

#[test]
fn a_tensor_of_integers_is_refused() {
    let dir = tiny_checkpoint();
    rewrite(&dir.path().join("model.safetensors"), |name, (dtype, shape, data)| {
        let integer = name == "projector.fc1.bias";
        Some((if integer { Dtype::I32 } else { dtype }, shape, data))
    });
    let error = load(dir.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::ElementType { name, found, .. }
            if name == "projector.fc1.bias" && found == "I32"),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_named() {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        let dir = tiny_checkpoint();
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert!(error.is_unusable_input(), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}
