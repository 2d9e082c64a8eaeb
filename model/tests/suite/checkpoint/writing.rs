//! What is written.

use super::{INSTRUCTION, load, names_in, tensor_names, tiny_model};
use crate::support::{Tensors, fixtures, mini, one_dataset, picture, tiny_checkpoint, tiny_config};
use jaco_model::checkpoint::{PUBLISHED_SHARD_BYTES, read_weights, split_into_shards};
use jaco_model::{
    Checkpoint, DecodeRequest, ImageProcessor, ModelError, OpenVla, Policy, PromptTokenizer,
};
use proptest::prelude::*;
use std::fs;
use tch::nn::VarStore;
use tch::{Device, Kind};

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

#[test]
fn large_checkpoints_are_divided_into_shards() {
    const MAX_BYTES: u64 = 200_000;
    let (variables, _) = tiny_model(Kind::BFloat16);
    let config = tiny_config();
    let tokenizer = PromptTokenizer::read(&mini().join("tokenizer.json"), &config).unwrap();
    let (images, statistics) =
        (ImageProcessor::new(56, config.image_resize_strategy), one_dataset());
    let checkpoint = Checkpoint::new(&config, &variables, &tokenizer, &images, &statistics);
    assert_eq!(
        (checkpoint.kind, checkpoint.max_shard_bytes),
        (Kind::BFloat16, PUBLISHED_SHARD_BYTES)
    );
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("sharded");
    Checkpoint { max_shard_bytes: MAX_BYTES, ..checkpoint }.save(&dir).unwrap();

    let index = fs::read(dir.join("model.safetensors.index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&index).unwrap();
    let shards: Vec<String> =
        names_in(&dir).into_iter().filter(|name| name.starts_with("model-0")).collect();
    assert!(shards.len() > 3, "{shards:?}");
    let count = shards.len();
    let mut total = 0;
    for (i, shard) in shards.iter().enumerate() {
        assert_eq!(*shard, format!("model-{:05}-of-{count:05}.safetensors", i + 1));
        let names = tensor_names(&dir.join(shard));
        assert!(names.iter().all(|name| index["weight_map"][name] == **shard));
        let bytes: usize = names.iter().map(|name| variables.variables()[name].numel() * 2).sum();
        assert!(bytes as u64 <= MAX_BYTES || names.len() == 1, "{shard}: {bytes} bytes");
        total += bytes;
    }
    assert_eq!(index["metadata"]["total_size"], total);
    assert!(!dir.join("model.safetensors").exists());

    let again = VarStore::new(Device::Cpu);
    OpenVla::new(&again.root(), &config).unwrap();
    read_weights(&dir, &config, &again).unwrap();
    let written = variables.variables();
    for (name, tensor) in again.variables() {
        assert_eq!(tensor, written[&name].to_kind(Kind::Float), "{name}");
    }
}

proptest! {
    #[test]
    fn shards_hold_every_tensor_once_and_no_more_than_asked(
        sizes in prop::collection::vec(0u64..1000, 0..60),
        max_bytes in 0u64..2000,
    ) {
        let shards = split_into_shards(&sizes, max_bytes);
        let order: Vec<usize> = shards.iter().cloned().flatten().collect();
        prop_assert_eq!(order, (0..sizes.len()).collect::<Vec<_>>());
        for (i, shard) in shards.iter().enumerate() {
            let bytes: u64 = sizes[shard.clone()].iter().sum();
            prop_assert!(bytes <= max_bytes || shard.len() == 1);
            // A shard ends only where the next tensor has no room.
            if let Some(next) = shards.get(i + 1) {
                prop_assert!(bytes + sizes[next.start] > max_bytes);
            }
        }
    }
}
