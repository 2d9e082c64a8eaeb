//! Names and shapes of all tensors of an OpenVLA, from its configuration alone.
//!
//! Owns what a checkpoint must hold, and what a published one holds beside that although the
//! output never depends on it. Must never build a model.

use crate::config::PROJECTOR_EXPANSION as EXPANSION;
use crate::config::{OpenVlaConfig, TowerConfig};
use std::collections::BTreeMap;

/// Shapes by tensor name.
pub type Shapes = BTreeMap<String, Vec<i64>>;

/// The tensors that a model of `config`, which is checked, computes with.
pub fn wanted_tensors(config: &OpenVlaConfig) -> Shapes {
    let (towers, text) = (config.towers(), &config.text_config);
    let mut shapes = Shapes::new();
    for (name, tower) in config.towers().named() {
        let path = format!("vision_backbone.{name}");
        let (width, patch) = (tower.embed_dim, tower.patch_size);
        if tower.class_token {
            shapes.insert(format!("{path}.cls_token"), vec![1, 1, width]);
        }
        if tower.reg_tokens > 0 {
            shapes.insert(format!("{path}.reg_token"), vec![1, tower.reg_tokens, width]);
        }
        let patches = tower.patches(config.image_size());
        shapes.insert(format!("{path}.pos_embed"), vec![1, patches, width]);
        let projection = vec![width, 3, patch, patch];
        shapes.insert(format!("{path}.patch_embed.proj.weight"), projection);
        shapes.insert(format!("{path}.patch_embed.proj.bias"), vec![width]);
        for i in 0..tower.live_blocks() {
            block(&mut shapes, &format!("{path}.blocks.{i}"), &tower);
        }
    }
    let vision = towers.featurizer.embed_dim + towers.fused_featurizer.embed_dim;
    let (hidden, inner) = (text.hidden_size, EXPANSION * vision);
    linear(&mut shapes, "projector.fc1", vision, inner);
    linear(&mut shapes, "projector.fc2", inner, hidden);
    linear(&mut shapes, "projector.fc3", hidden, hidden);
    decoder(&mut shapes, config);
    shapes
}

/// The tensors that a published checkpoint of `config` holds for nothing: each tower's last
/// block and final norm, and the second tower's attention pool.
pub fn dead_tensors(config: &OpenVlaConfig) -> Shapes {
    let mut shapes = Shapes::new();
    for (name, tower) in config.towers().named() {
        let path = format!("vision_backbone.{name}");
        block(&mut shapes, &format!("{path}.blocks.{}", tower.live_blocks()), &tower);
        norm(&mut shapes, &format!("{path}.norm"), tower.embed_dim);
    }
    let (path, tower) =
        ("vision_backbone.fused_featurizer.attn_pool", config.towers().fused_featurizer);
    let width = tower.embed_dim;
    shapes.insert(format!("{path}.latent"), vec![1, 1, width]);
    linear(&mut shapes, &format!("{path}.q"), width, width);
    linear(&mut shapes, &format!("{path}.kv"), width, 2 * width);
    linear(&mut shapes, &format!("{path}.proj"), width, width);
    norm(&mut shapes, &format!("{path}.norm"), width);
    linear(&mut shapes, &format!("{path}.mlp.fc1"), width, tower.mlp_hidden);
    linear(&mut shapes, &format!("{path}.mlp.fc2"), tower.mlp_hidden, width);
    shapes
}

/// Whether the output never depends on a tensor of this name, in whatever shape it is stored.
pub(crate) fn is_dead(name: &str, config: &OpenVlaConfig) -> bool {
    // A table that older versions of transformers stored, and none reads.
    if name.starts_with("language_model.") && name.ends_with(".rotary_emb.inv_freq") {
        return true;
    }
    config
        .towers()
        .named()
        .into_iter()
        .filter_map(|(tower, sizes)| {
            Some((name.strip_prefix("vision_backbone.")?.strip_prefix(tower)?, sizes))
        })
        .any(|(rest, sizes)| {
            rest.starts_with(&format!(".blocks.{}.", sizes.live_blocks()))
                || rest.starts_with(".norm.")
                || rest.starts_with(".attn_pool.")
        })
}

fn decoder(shapes: &mut Shapes, config: &OpenVlaConfig) {
    let text = &config.text_config;
    let (hidden, inner) = (text.hidden_size, text.intermediate_size);
    let queries = text.num_attention_heads * text.head_dim();
    let keys = text.key_value_heads() * text.head_dim();
    let model = "language_model.model";
    for i in 0..text.num_hidden_layers {
        let maps = [
            ("self_attn.q_proj", queries, hidden),
            ("self_attn.k_proj", keys, hidden),
            ("self_attn.v_proj", keys, hidden),
            ("self_attn.o_proj", hidden, queries),
            ("mlp.gate_proj", inner, hidden),
            ("mlp.up_proj", inner, hidden),
            ("mlp.down_proj", hidden, inner),
        ];
        for (map, outputs, inputs) in maps {
            shapes.insert(format!("{model}.layers.{i}.{map}.weight"), vec![outputs, inputs]);
        }
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            shapes.insert(format!("{model}.layers.{i}.{norm}.weight"), vec![hidden]);
        }
    }
    shapes.insert(format!("{model}.norm.weight"), vec![hidden]);
    shapes.insert(format!("{model}.embed_tokens.weight"), vec![text.vocab_size, hidden]);
    shapes.insert("language_model.lm_head.weight".into(), vec![text.vocab_size, hidden]);
}

fn block(shapes: &mut Shapes, path: &str, tower: &TowerConfig) {
    let (width, inner) = (tower.embed_dim, tower.mlp_hidden);
    norm(shapes, &format!("{path}.norm1"), width);
    linear(shapes, &format!("{path}.attn.qkv"), width, 3 * width);
    linear(shapes, &format!("{path}.attn.proj"), width, width);
    norm(shapes, &format!("{path}.norm2"), width);
    linear(shapes, &format!("{path}.mlp.fc1"), width, inner);
    linear(shapes, &format!("{path}.mlp.fc2"), inner, width);
    if tower.layer_scale {
        for branch in ["ls1", "ls2"] {
            shapes.insert(format!("{path}.{branch}.scale_factor"), vec![width]);
        }
    }
}

fn linear(shapes: &mut Shapes, path: &str, inputs: i64, outputs: i64) {
    shapes.insert(format!("{path}.weight"), vec![outputs, inputs]);
    shapes.insert(format!("{path}.bias"), vec![outputs]);
}

fn norm(shapes: &mut Shapes, path: &str, width: i64) {
    shapes.insert(format!("{path}.weight"), vec![width]);
    shapes.insert(format!("{path}.bias"), vec![width]);
}
