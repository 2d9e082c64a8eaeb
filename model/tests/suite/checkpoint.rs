//! Checkpoint folders: what is read, what is refused, what is written.

use crate::support::{
    ONE_DATASET, Stored, Tensors, fixtures, picture, rewrite, tiny_checkpoint, write,
};
use jaco_model::error::Misshapen;
use jaco_model::{DecodeRequest, LoadOptions, ModelError, OpenVlaPolicy, Policy};
use safetensors::{Dtype, SafeTensors};
use std::fs;
use std::path::Path;
use tch::{Device, Kind};

const INSTRUCTION: &str = "push the red box out of the marked region";

fn load(dir: &Path) -> Result<OpenVlaPolicy, ModelError> {
    OpenVlaPolicy::load(dir, Device::Cpu)
}

fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
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
    let bytes = fs::read(&weights).unwrap();
    let mut tensors: Vec<(String, Stored)> = SafeTensors::deserialize(&bytes)
        .unwrap()
        .iter()
        .map(|(name, view)| {
            (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec()))
        })
        .collect();
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
fn a_truncated_file_is_refused() {
    let dir = tiny_checkpoint();
    let weights = dir.path().join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&weights, &bytes[..length]).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert!(
            matches!(&error, ModelError::Safetensors { path, .. } if *path == weights),
            "{length} bytes: {error}"
        );
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
fn shards_load_like_one_file() {
    let whole = tiny_checkpoint();
    let sharded = tiny_checkpoint();
    let path = |name: &str| sharded.path().join(name);
    let mut map = serde_json::Map::new();
    for (shard, vision) in [("a.safetensors", true), ("b.safetensors", false)] {
        fs::copy(path("model.safetensors"), path(shard)).unwrap();
        rewrite(&path(shard), |name, stored| {
            (name.starts_with("vision_backbone.") == vision).then_some(stored)
        });
        let bytes = fs::read(path(shard)).unwrap();
        for name in SafeTensors::deserialize(&bytes).unwrap().names() {
            map.insert(name.to_owned(), shard.into());
        }
    }
    fs::remove_file(path("model.safetensors")).unwrap();
    let index = serde_json::json!({"metadata": {"total_size": 0}, "weight_map": map});
    fs::write(path("model.safetensors.index.json"), index.to_string()).unwrap();

    let frame = picture(56, 56, 1);
    let request = DecodeRequest { full_log_probs: true, ..DecodeRequest::greedy(3) };
    let [one, many] = [&whole, &sharded]
        .map(|dir| load(dir.path()).unwrap().decode(&frame, INSTRUCTION, &request).unwrap());
    assert_eq!(one, many);

    fs::remove_file(path("b.safetensors")).unwrap();
    let error = load(sharded.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::Io { path: at, .. } if *at == path("b.safetensors")),
        "{error}"
    );
}

#[test]
fn a_saved_checkpoint_loads_as_it_was() {
    let source = tiny_checkpoint();
    let policy = load(source.path()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("runs/step-10");
    policy.save(&dir, Kind::Float).unwrap();
    assert_eq!(names_in(&root.path().join("runs")), ["step-10"]);
    let again = load(&dir).unwrap();
    assert_eq!(again.statistics(), policy.statistics());
    assert_eq!(again.images(), policy.images());
    assert_eq!(again.config().text_config, policy.config().text_config);
    // Keys without meaning here survive.
    assert_eq!(again.config().rest["hf_llm_id"], "meta-llama/Llama-2-7b-hf");
    let statistics = fs::read_to_string(dir.join("dataset_statistics.json")).unwrap();
    assert!(statistics.contains("\"num_transitions\": 12"), "{statistics}");
    let frame = picture(56, 56, 2);
    let request = DecodeRequest { full_log_probs: true, ..DecodeRequest::greedy(4) };
    assert_eq!(
        again.decode(&frame, INSTRUCTION, &request).unwrap(),
        policy.decode(&frame, INSTRUCTION, &request).unwrap()
    );
}

#[test]
fn weights_are_stored_in_the_type_asked_for() {
    let source = tiny_checkpoint();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("half");
    load(source.path()).unwrap().save(&dir, Kind::BFloat16).unwrap();
    let stored = Tensors::read(&dir.join("model.safetensors"));
    let original = Tensors::read(&fixtures().join("tiny-openvla/model.safetensors"));
    for name in ["language_model.lm_head.weight", "vision_backbone.featurizer.cls_token"] {
        assert_eq!(stored.get(name).kind(), Kind::BFloat16);
        assert_eq!(*stored.get(name), original.get(name).to_kind(Kind::BFloat16));
    }
    assert_eq!(load(&dir).unwrap().config().rest["torch_dtype"], "bfloat16");
}

#[test]
fn saving_leaves_a_whole_folder_or_none() {
    let source = tiny_checkpoint();
    let policy = load(source.path()).unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("policy");

    assert!(matches!(policy.save(&dir, Kind::Int64), Err(ModelError::Torch(_))));
    assert_eq!(names_in(root.path()), Vec::<String>::new());

    // What a run killed in the middle of saving leaves behind.
    let leftover = root.path().join(".policy.partial");
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join("junk"), "x").unwrap();
    policy.save(&dir, Kind::Float).unwrap();
    assert_eq!(names_in(root.path()), ["policy"]);
    assert!(!dir.join("junk").exists());

    let before = fs::read(dir.join("config.json")).unwrap();
    let error = policy.save(&dir, Kind::BFloat16).unwrap_err();
    assert!(matches!(error, ModelError::Exists { .. }), "{error}");
    assert_eq!(fs::read(dir.join("config.json")).unwrap(), before);
}

fn load_statistics(dir: &Path, key: Option<&str>) -> Result<OpenVlaPolicy, ModelError> {
    let options = LoadOptions { statistics: key, ..LoadOptions::plain(Device::Cpu) };
    OpenVlaPolicy::load_with(dir, &options)
}

#[test]
fn the_dataset_of_the_statistics_must_be_clear() {
    let dir = tiny_checkpoint();
    let file = dir.path().join("dataset_statistics.json");
    assert_eq!(load(dir.path()).unwrap().statistics().q99[0], 0.02, "overrides config.json");
    let error = load_statistics(dir.path(), Some("kitchen")).unwrap_err();
    assert!(error.to_string().contains("\"kitchen\"") && error.to_string().contains("table"));
    assert!(matches!(error, ModelError::UnknownStatistics { .. }));

    // config.json has two data sets.
    fs::remove_file(&file).unwrap();
    let error = load(dir.path()).unwrap_err();
    let ModelError::AmbiguousStatistics { available } = &error else { panic!("{error}") };
    assert_eq!(*available, ["fixture_a", "fixture_nomask"]);
    let chosen = load_statistics(dir.path(), Some("fixture_nomask")).unwrap().statistics();
    assert_eq!((chosen.q99[6], chosen.mask), (7.0, [true; 7]));
    let chosen = load_statistics(dir.path(), Some("fixture_a")).unwrap().statistics();
    assert_eq!((chosen.q01[0], chosen.mask[6]), (-0.75, false));

    fs::write(&file, "{}").unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(error, ModelError::NoStatistics { .. }), "{error}");
    fs::write(&file, ONE_DATASET.replace("[0.02, 0.02,", "[0.02, -0.02,")).unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::BadStatistics { key, source }
            if key == "table" && source.dimension == 1),
        "{error}"
    );
    fs::write(&file, "{\"table\": {}}").unwrap();
    let error = load(dir.path()).unwrap_err();
    assert!(matches!(&error, ModelError::Json { path, .. } if *path == file), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        let dir = tiny_checkpoint();
        fs::remove_file(dir.path().join(name)).unwrap();
        let error = load(dir.path()).unwrap_err();
        assert!(matches!(error, ModelError::Io { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}
