//! config.json: defaults of the published checkpoint, and what is refused.

use crate::support::{fixtures, mini};
use jaco_model::{ModelError, OpenVlaConfig};
use serde_json::{Value, json};

fn parse(value: Value) -> Result<OpenVlaConfig, ModelError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    std::fs::write(&path, value.to_string()).unwrap();
    OpenVlaConfig::read(&path)
}

#[test]
fn published_sizes_are_the_defaults() {
    // The keys of the published file that say something about sizes.
    let config = parse(json!({
        "arch_specifier": "no-align+fused-gelu-mlp",
        "image_sizes": [224, 224],
        "image_resize_strategy": "resize-naive",
        "n_action_bins": 256,
        "pad_to_multiple_of": 64,
        "text_config": {"model_type": "llama", "pad_token_id": 32000, "vocab_size": 32064},
        "timm_model_ids":
            ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"],
        "use_fused_vision_backbone": true
    }))
    .unwrap();
    let (towers, text) = (config.towers(), &config.text_config);
    assert_eq!(config.patches(), 256);
    assert_eq!((towers.featurizer.embed_dim, towers.featurizer.live_blocks()), (1024, 23));
    assert_eq!((towers.fused_featurizer.mlp_hidden, towers.fused_featurizer.depth), (4304, 27));
    assert_eq!((text.hidden_size, text.head_dim(), text.num_hidden_layers), (4096, 128, 32));
    assert_eq!((text.rms_norm_eps, text.max_position_embeddings), (1e-6, 2048));
    assert_eq!(config.base_vocab(), 32000);
    let stream = config.action_stream;
    assert_eq!((stream.horizon, stream.separator_token_id), (1, 29936));
    assert_eq!(stream.prompt_suffix_token_id, Some(29871));
    assert_eq!(
        config,
        parse(json!({"text_config": text.rest, "model_type": "openvla"}))
            .map(|bare| OpenVlaConfig { rest: Default::default(), ..bare })
            .unwrap()
    );
}

#[test]
fn the_shipped_mini_configuration_is_valid() {
    let config = OpenVlaConfig::read(&mini().join("config.json")).unwrap();
    assert_eq!((config.patches(), config.base_vocab()), (64, 384));
    assert_eq!(config.action_stream.horizon, 10);
    assert_eq!(config.action_stream.prompt_suffix_token_id, None);
}

#[test]
fn values_that_build_no_model_are_refused_by_key() {
    let tiny = std::fs::read_to_string(fixtures().join("tiny-openvla/config.json")).unwrap();
    let tiny: Value = serde_json::from_str(&tiny).unwrap();
    let cases = [
        ("/arch_specifier", json!("gelu-mlp"), "arch_specifier"),
        ("/use_fused_vision_backbone", json!(false), "use_fused_vision_backbone"),
        ("/n_action_bins", json!(128), "n_action_bins"),
        ("/image_sizes", json!([56, 70]), "image_sizes"),
        ("/image_sizes", json!([57, 57]), "vision.featurizer.patch_size"),
        ("/vision/featurizer/num_heads", json!(5), "vision.featurizer.num_heads"),
        ("/vision/featurizer/num_heads", json!(0), "vision.featurizer.num_heads"),
        ("/vision/featurizer/depth", json!(1), "vision.featurizer.depth"),
        ("/vision/fused_featurizer/reg_tokens", json!(-1), "vision.fused_featurizer.reg_tokens"),
        ("/vision/fused_featurizer/patch_size", json!(7), "vision.fused_featurizer.patch_size"),
        ("/text_config/hidden_size", json!(-64), "text_config.hidden_size"),
        ("/text_config/num_attention_heads", json!(7), "text_config.num_attention_heads"),
        ("/text_config/num_attention_heads", json!(64), "text_config.num_attention_heads"),
        ("/text_config/num_key_value_heads", json!(3), "text_config.num_key_value_heads"),
        ("/text_config/rope_scaling", json!({"factor": 2}), "text_config.rope_scaling"),
        ("/text_config/tie_word_embeddings", json!(true), "text_config.tie_word_embeddings"),
        ("/text_config/vocab_size", json!(320), "text_config.vocab_size"),
        ("/text_config/bos_token_id", json!(100), "text_config.bos_token_id"),
        ("/action_stream/separator_token_id", json!(319), "action_stream.separator_token_id"),
        ("/action_stream/separator_token_id", json!(384), "action_stream.separator_token_id"),
        (
            "/action_stream/prompt_suffix_token_id",
            json!(64),
            "action_stream.prompt_suffix_token_id",
        ),
        ("/action_stream/horizon", json!(0), "action_stream.horizon"),
        ("/action_stream/horizon", json!(254), "action_stream.horizon"),
    ];
    for (pointer, value, key) in cases {
        let mut changed = tiny.clone();
        *changed.pointer_mut(pointer).unwrap() = value.clone();
        let error = parse(changed).unwrap_err();
        assert!(
            matches!(&error, ModelError::Config { key: found, .. } | ModelError::Key { key: found, .. }
                if found.starts_with(key)),
            "{pointer} = {value}: {error}"
        );
    }
}

#[test]
fn unknown_towers_need_their_sizes() {
    let error = parse(json!({"timm_model_ids": ["vit_tiny", "vit_so400m_patch14_siglip_224"]}));
    let error = error.unwrap_err();
    assert!(error.to_string().contains("vit_tiny"), "{error}");
    // A misspelt key under `vision` must not fall back to anything.
    let mut text: Value =
        serde_json::from_str(&std::fs::read_to_string(mini().join("config.json")).unwrap())
            .unwrap();
    text["vision"]["featurizer"]["registers"] = json!(4);
    let error = parse(text).unwrap_err();
    assert!(error.to_string().contains("registers"), "{error}");
}
