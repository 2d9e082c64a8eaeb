//! Tensors whose names or shapes are not the model's.

use super::load;
use crate::support::{Stored, rewrite, tiny_checkpoint, write};
use jaco_model::error::{Misnamed, Misshapen, TensorMismatch};
use jaco_model::{ModelError, OpenVlaConfig};
use safetensors::{Dtype, SafeTensors};
use std::fs;
use std::path::Path;

fn stored(path: &Path) -> Vec<(String, Stored)> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        })
        .collect()
}

/// The complaint about a checkpoint whose tensors were renamed.
fn renamed(rename: impl Fn(&str) -> String) -> (TensorMismatch, String) {
    let dir = tiny_checkpoint();
    let weights = dir.path().join("model.safetensors");
    let mut tensors = stored(&weights);
    tensors.iter_mut().for_each(|(name, _)| *name = rename(name));
    write(&weights, &tensors);
    let error = load(dir.path()).unwrap_err();
    let text = error.to_string();
    let ModelError::Tensors { mismatch, .. } = error else { panic!("{text}") };
    (*mismatch, text)
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let dir = tiny_checkpoint();
    let weights = dir.path().join("model.safetensors");
    let missing = ["language_model.lm_head.weight", "projector.fc2.bias"];
    let misshapen = "vision_backbone.featurizer.blocks.1.mlp.fc1.weight";
    rewrite(&weights, |name, (dtype, mut shape, data)| {
        if missing.contains(&name) {
            return None;
        }
        if name == misshapen {
            shape.reverse();
        }
        Some((dtype, shape, data))
    });
    let error = load(dir.path()).unwrap_err();
    let text = error.to_string();
    let ModelError::Tensors { path, mismatch } = error else { panic!("{text}") };
    assert_eq!(path, weights);
    assert_eq!(mismatch.missing, missing);
    assert_eq!(mismatch.unexpected, Vec::<String>::new());
    let wrong = Misshapen { name: misshapen.into(), wanted: vec![192, 48], found: vec![48, 192] };
    assert_eq!(mismatch.misshapen, [wrong]);
    for name in missing.into_iter().chain([misshapen]) {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn only_the_known_dead_weights_may_be_surplus() {
    let dir = tiny_checkpoint();
    let weights = dir.path().join("model.safetensors");
    let mut tensors = stored(&weights);
    // The last blocks, the final norms and the attention pool are in the fixture.
    let is_dead = |name: &str| {
        ["featurizer.blocks.2.", "fused_featurizer.blocks.1.", "featurizer.norm.", ".attn_pool."]
            .iter()
            .any(|part| name.contains(part))
    };
    assert_eq!(tensors.iter().filter(|(name, _)| is_dead(name)).count(), 14 + 12 + 4 + 13);
    assert!(load(dir.path()).is_ok());

    let surplus =
        ["vision_backbone.featurizer.blocks.3.norm1.weight", "vision_backbone.neck.weight"];
    for name in surplus {
        tensors.push((name.into(), (Dtype::F32, vec![1], vec![0; 4])));
    }
    write(&weights, &tensors);
    let error = load(dir.path()).unwrap_err();
    let ModelError::Tensors { mismatch, .. } = error else { panic!("{error}") };
    assert_eq!(mismatch.unexpected, surplus);
    assert!(mismatch.missing.is_empty() && mismatch.misshapen.is_empty());
}

#[test]
fn a_misspelt_name_is_recognised() {
    let (mismatch, text) = renamed(|name| {
        name.replace("layers.0.self_attn.q_proj", "layers.0.self_attn.query_proj")
            .replace("projector.fc2.bias", "projector.fc2.b")
    });
    let pair = |found: &str, wanted: &str| Misnamed { found: found.into(), wanted: wanted.into() };
    let layer = "language_model.model.layers.0.self_attn";
    assert_eq!(
        mismatch.misnamed,
        [
            pair(&format!("{layer}.query_proj.weight"), &format!("{layer}.q_proj.weight")),
            pair("projector.fc2.b", "projector.fc2.bias"),
        ]
    );
    assert!(mismatch.missing.is_empty() && mismatch.unexpected.is_empty(), "{text}");
    assert!(text.contains("2 misnamed: ") && text.contains("projector.fc2.b looks like"), "{text}");
}

#[test]
fn a_tensor_of_another_layer_is_no_misspelling() {
    let (mismatch, text) = renamed(|name| name.replace(".layers.0.mlp.", ".layers.7.mlp."));
    assert_eq!((mismatch.misnamed.len(), mismatch.missing.len()), (0, 3), "{text}");
    assert_eq!(mismatch.unexpected.len(), 3, "{text}");
}

#[test]
fn names_of_a_native_checkpoint_are_recognised() {
    let (mismatch, text) = renamed(|name| {
        name.replace("vision_backbone.featurizer.", "vision_backbone.dino_featurizer.")
            .replace("vision_backbone.fused_featurizer.", "vision_backbone.siglip_featurizer.")
            .replace("projector.fc1.", "projector.projector.0.")
            .replace("projector.fc2.", "projector.projector.2.")
            .replace("projector.fc3.", "projector.projector.4.")
            .replace("language_model.", "llm_backbone.llm.")
            .replace(".scale_factor", ".gamma")
    });
    assert!(mismatch.missing.is_empty() && mismatch.unexpected.is_empty(), "{text}");
    assert!(mismatch.native_names && text.contains("Prismatic"), "{text}");
    assert!(text.contains("75 misnamed: ") && text.contains("and 55 more"), "{text}");
}

#[test]
fn a_configuration_that_contradicts_the_tensors_is_the_suspect() {
    let dir = tiny_checkpoint();
    let path = dir.path().join("config.json");
    let mut config = OpenVlaConfig::read(&path).unwrap();
    config.text_config.intermediate_size += 4;
    config.text_config.num_hidden_layers += 1;
    fs::write(&path, serde_json::to_string(&config).unwrap()).unwrap();
    let error = load(dir.path()).unwrap_err();
    let text = error.to_string();
    let ModelError::Tensors { mismatch, .. } = error else { panic!("{text}") };
    // gate, up and down of two layers; nine tensors of a third.
    assert_eq!((mismatch.misshapen.len(), mismatch.missing.len()), (6, 9), "{text}");
    let keys = ["text_config.hidden_size", "text_config.intermediate_size"];
    assert_eq!(mismatch.deciding_keys(), keys);
    assert!(text.contains("text_config.intermediate_size"), "{text}");
}

#[test]
fn long_lists_are_cut() {
    let dir = tiny_checkpoint();
    rewrite(&dir.path().join("model.safetensors"), |name, stored| {
        (!name.starts_with("vision_backbone.featurizer.blocks.")).then_some(stored)
    });
    let error = load(dir.path()).unwrap_err();
    let text = error.to_string();
    // Two live blocks of 14 tensors.
    assert!(text.contains("28 missing: ") && text.ends_with(", and 8 more"), "{text}");
    let ModelError::Tensors { mismatch, .. } = error else { panic!("{text}") };
    assert_eq!(mismatch.missing.len(), 28);
    assert!(mismatch.missing.is_sorted());
}
