//! New models, by the example of the shipped mini configuration.

use crate::support::{mini, one_dataset, picture};
use jaco_core::Task;
use jaco_model::{
    Checkpoint, DecodeRequest, ImageProcessor, OpenVla, OpenVlaConfig, OpenVlaPolicy, Policy,
    PromptTokenizer,
};
use std::collections::HashMap;
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

fn mini_config() -> OpenVlaConfig {
    OpenVlaConfig::read(&mini().join("config.json")).unwrap()
}

fn new_mini(seed: u64) -> VarStore {
    OpenVla::init(&mini_config(), seed, Device::Cpu).unwrap().0
}

fn weights(seed: u64) -> HashMap<String, Tensor> {
    new_mini(seed).variables()
}

#[test]
fn equal_seeds_give_equal_models() {
    let (first, again, other) = (weights(7), weights(7), weights(8));
    assert_eq!(first, again);
    let head = "language_model.lm_head.weight";
    assert_ne!(first[head], other[head]);
}

#[test]
fn first_values_have_the_intended_spread() {
    let weights = weights(1);
    let cases = [
        ("language_model.model.embed_tokens.weight", 0.0, 0.05),
        ("language_model.model.layers.1.mlp.down_proj.weight", 0.0, 0.02 / 6f64.sqrt()),
        ("language_model.model.layers.0.self_attn.q_proj.weight", 0.0, 1.0 / 384f64.sqrt()),
        ("language_model.model.norm.weight", 1.0, 0.0),
        ("vision_backbone.featurizer.blocks.2.norm2.weight", 1.0, 0.0),
        ("vision_backbone.featurizer.blocks.2.norm2.bias", 0.0, 0.0),
        ("vision_backbone.featurizer.blocks.0.ls1.scale_factor", 0.3, 0.0),
        ("vision_backbone.featurizer.cls_token", 0.0, 0.02),
        ("vision_backbone.fused_featurizer.patch_embed.proj.weight", 0.0, 1.0 / 2304f64.sqrt()),
        ("projector.fc1.bias", 0.0, 0.0),
    ];
    for (name, mean, std) in cases {
        let values = weights[name].to_kind(Kind::Double);
        let found = values.std(false).double_value(&[]);
        // Six standard errors of a mean of this many draws, and float32's rounding.
        let allowed = 6.0 * std / (values.numel() as f64).sqrt() + 1e-7;
        let off = (values.mean(Kind::Double).double_value(&[]) - mean).abs();
        assert!(off <= allowed, "{name}: mean is off by {off}");
        assert!((found - std).abs() <= allowed, "{name}: std {found}, wanted {std}");
    }
}

#[test]
fn new_position_tables_are_sines_and_cosines_of_row_and_column() {
    let table = &weights(1)["vision_backbone.fused_featurizer.pos_embed"];
    assert_eq!(table.size(), [1, 64, 96]);
    // Patch 19 is row 2, column 3; 24 numbers each for sine and cosine of both.
    let frequency = 10_000f64.powf(-5.0 / 24.0);
    let (row, column) = (2.0 * frequency, 3.0 * frequency);
    let wanted = [row.sin(), row.cos(), column.sin(), column.cos()];
    for (quarter, wanted) in wanted.into_iter().enumerate() {
        let found = table.double_value(&[0, 19, quarter as i64 * 24 + 5]);
        assert!((found - wanted).abs() < 1e-6, "quarter {quarter}: {found}");
    }
}

#[test]
fn a_new_mini_policy_saves_loads_and_decodes() {
    let config = mini_config();
    let variables = new_mini(3);
    // Beside the model: a head that only training needs.
    let _head = variables.root().sub("regression_head").zeros("weight", &[3]);
    let tokenizer = PromptTokenizer::read(&mini().join("tokenizer.json"), &config).unwrap();
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("mini");
    let (images, statistics) =
        (ImageProcessor::new(128, config.image_resize_strategy), one_dataset());
    let checkpoint = Checkpoint::new(&config, &variables, &tokenizer, &images, &statistics);
    Checkpoint { kind: Kind::BFloat16, ..checkpoint }.save(&dir).unwrap();
    let size = std::fs::metadata(dir.join("model.safetensors")).unwrap().len();
    assert!(size < 5_000_000, "{size} bytes");

    let policy = OpenVlaPolicy::load(&dir, Device::Cpu).unwrap();
    let frame = picture(128, 128, 1);
    for task in Task::ALL {
        let request = DecodeRequest::greedy(policy.horizon());
        let decoded = policy.decode(&frame, task.instruction(), &request).unwrap();
        assert_eq!(decoded.best().units.len(), 10);
    }
}
