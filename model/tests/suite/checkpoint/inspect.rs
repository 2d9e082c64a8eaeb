//! What is told of a folder.

use crate::support::{fixtures, mini, rewrite, tiny_checkpoint};
use jaco_model::ModelError;
use jaco_model::checkpoint::{inspect, synth};
use std::fs;
use tch::Kind;

#[test]
fn a_checkpoint_is_told_by_its_sizes_and_files() {
    let dir = tiny_checkpoint();
    let found = inspect(dir.path()).unwrap();
    let model = found.model.as_ref().unwrap();
    assert_eq!((model.towers[0].width, model.towers[0].depth), (48, 3));
    assert_eq!((model.projector, model.decoder.layers), ([88, 64], 2));
    assert_eq!(model.bytes, 4 * model.parameters);
    assert_eq!(model.element_types.keys().collect::<Vec<_>>(), ["F32"]);
    assert_eq!(model.shards.len(), 1);
    assert!(0 < model.dead_parameters && model.dead_parameters < model.parameters / 4);
    assert_eq!(model.statistics, ["table"]);
    assert_eq!(model.default_statistics.as_deref(), Some("table"));
    assert!(model.tokenizer);
    assert_eq!((model.horizon, model.separator_token_id), (4, 37));
    assert!(found.adapters.is_empty());
    let text = found.to_string();
    for word in ["width 48", "2 layers", "model.safetensors", "table", "separator token 37"] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }

    // config.json has two data sets.
    fs::remove_file(dir.path().join("dataset_statistics.json")).unwrap();
    let model = inspect(dir.path()).unwrap().model.unwrap();
    assert_eq!((model.statistics.len(), model.default_statistics), (2, None));
}

#[test]
fn the_shipped_policy_is_told() {
    let model = inspect(&mini()).unwrap().model.unwrap();
    assert_eq!(model.dead_parameters, 0);
    assert!(model.tokenizer && model.default_statistics.is_some());
}

#[test]
fn shards_and_adapters_in_sub_folders_are_told() {
    let config = synth::preset("mini").unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("model");
    synth::write(&config, Kind::BFloat16, 0, &dir, 1_000_000, &mut |_, _| {}).unwrap();
    let adapter = dir.join("tuned");
    fs::create_dir(&adapter).unwrap();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(fixtures().join("tiny-openvla/adapter").join(name), adapter.join(name)).unwrap();
    }
    let found = inspect(&dir).unwrap();
    let model = found.model.as_ref().unwrap();
    assert_eq!(model.shards.len(), 5);
    assert_eq!(model.shards.iter().map(|shard| shard.bytes).sum::<u64>(), model.bytes);
    assert_eq!(model.element_types.keys().collect::<Vec<_>>(), ["BF16"]);
    assert_eq!(found.adapters[0].dir, adapter);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["model"]["statistics"][0], synth::DATASET);

    let alone = inspect(&adapter).unwrap();
    assert!(alone.model.is_none());
    let told = &alone.adapters[0];
    assert_eq!((told.r, told.alpha, told.scale, told.modules), (4, 2.0, 0.5, 45));
    assert!(told.parameters > 20_000 && told.targets.contains("lm_head"), "{told:?}");
    assert!(alone.to_string().contains("rank 4, alpha 2, scale 0.5, 45 modules"), "{alone}");
}

#[test]
fn a_folder_that_would_not_load_is_an_error() {
    let dir = tiny_checkpoint();
    rewrite(&dir.path().join("model.safetensors"), |name, stored| {
        (name != "projector.fc3.bias").then_some(stored)
    });
    let error = inspect(dir.path()).unwrap_err();
    assert!(
        matches!(&error, ModelError::Tensors { mismatch, .. }
        if mismatch.missing == ["projector.fc3.bias"]),
        "{error}"
    );
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(inspect(nothing.path()), Err(ModelError::Io { .. })));
}
