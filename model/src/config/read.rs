//! From the text of config.json to a checked [`OpenVlaConfig`].
//!
//! Owns the spellings that mean the same, and which of two keys wins. Must never build or weigh a
//! model: whether the numbers fit together is `check`'s.

use super::vision::{TowerConfig, VisionConfig};
use super::{ActionStreamConfig, OpenVlaConfig, TextConfig};
use crate::error::ModelError;
use crate::image::ResizeStrategy;
use crate::json::keys::{ACTION_STREAM, CONFIG, ROPE, TEXT_CONFIG};
use crate::json::{self, Object, object};
use crate::statistics::NormStats;
use serde_json::{Map, Value};
use std::path::Path;

/// The architecture that a config.json may name.
const ARCHITECTURE: &str = "OpenVLAForActionPrediction";
/// Parts of the names of language models that are asked with another prompt or built otherwise.
const OTHER_LANGUAGE_MODELS: [&str; 7] =
    ["vicuna", "mistral", "phi", "qwen", "gemma", "-chat", "llama-3"];
/// Of the golden folders' `vision`, what is the same in every model.
const FIXED_VISION: [&str; 4] = ["act", "layer_norm_eps", "qkv_bias", "take_block_index"];

impl OpenVlaConfig {
    /// Reads and checks the config.json at `path`.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::from_json(path, &json::read(path)?)
    }

    /// The configuration that `value`, read from `file`, says; checked.
    pub(crate) fn from_json(file: &Path, value: &Value) -> Result<Self, ModelError> {
        let root = Object::root(file, value)?;
        root.check(&CONFIG)?;
        architecture(&root, ARCHITECTURE)?;
        let d = Self::default();
        let fused = root.boolean("use_fused_vision_backbone")?;
        if fused == Some(false) {
            let wanted = "a single vision tower; this program runs the two fused ones alone";
            return Err(root.refuse("use_fused_vision_backbone", wanted));
        }
        let other =
            |id: &str| OTHER_LANGUAGE_MODELS.iter().any(|it| id.to_lowercase().contains(it));
        if root.text("hf_llm_id")?.is_some_and(|id| other(&id)) {
            let wanted = "another language model, or one that is asked with another prompt; only \
                          Llama 2's are built";
            return Err(root.refuse("hf_llm_id", wanted));
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let towers = "two: a DINOv2 and a SigLIP tower";
        let mut config = Self {
            arch_specifier: root.text("arch_specifier")?.unwrap_or(d.arch_specifier),
            use_fused_vision_backbone: true,
            timm_model_ids: pair(&root, "timm_model_ids", towers, text)?
                .unwrap_or(d.timm_model_ids),
            image_sizes: pair(&root, "image_sizes", "two whole numbers", object::integer)?
                .unwrap_or(d.image_sizes),
            image_resize_strategy: ResizeStrategy::of(&root)?.unwrap_or_default(),
            pad_to_multiple_of: root.integer("pad_to_multiple_of")?.unwrap_or(d.pad_to_multiple_of),
            n_action_bins: root.integer("n_action_bins")?.unwrap_or(d.n_action_bins),
            text_config: match root.object("text_config")? {
                Some(text) => text_config(&text)?,
                None => TextConfig::default(),
            },
            norm_stats: NormStats::of_config(&root)?,
            vision: vision(&root)?,
            action_stream: match root.object("action_stream")? {
                Some(stream) => action_stream(&stream)?,
                None => ActionStreamConfig::default(),
            },
            rest: Map::new(),
        };
        let known = [
            "arch_specifier",
            "use_fused_vision_backbone",
            "timm_model_ids",
            "image_sizes",
            "image_resize_strategy",
            "pad_to_multiple_of",
            "n_action_bins",
            "text_config",
            "norm_stats",
            "vision",
            "fixture_vision",
            "action_stream",
            "fixture_separator_token_id",
        ];
        config.rest = rest(&root, &known);
        config.check_fixed_keys()?;
        config.check_bounds()?;
        // Golden folders of the reference say it so.
        if let Some(separator) = root.integer("fixture_separator_token_id")? {
            config.action_stream.separator_token_id = separator;
            let words = 0..config.base_vocab() - config.n_action_bins;
            let suffix = &mut config.action_stream.prompt_suffix_token_id;
            *suffix = suffix.filter(|id| words.contains(id));
        }
        config.check()?;
        Ok(config)
    }
}

/// Refuses an object that names other architectures than `wanted`.
fn architecture(object: &Object<'_>, wanted: &str) -> Result<(), ModelError> {
    let texts = |value: &Value| value.as_str().map(str::to_owned);
    let named = object.list("architectures", "must be a list of names", texts)?;
    match named {
        Some(named) if !named.is_empty() && !named.iter().any(|name| name == wanted) => {
            let wanted = format!("another kind of model; only {wanted} is run here");
            Err(object.refuse("architectures", wanted))
        }
        _ => Ok(()),
    }
}

fn pair<T>(
    object: &Object<'_>,
    key: &str,
    wanted: &str,
    item: impl Fn(&Value) -> Option<T>,
) -> Result<Option<[T; 2]>, ModelError> {
    let wanted = format!("must be {wanted}");
    let items = object.list(key, &wanted, item)?;
    items.map(|items| items.try_into().map_err(|_| object.refuse(key, &wanted))).transpose()
}

fn rest(object: &Object<'_>, known: &[&str]) -> Map<String, Value> {
    let others = object.map().iter().filter(|(key, _)| !known.contains(&key.as_str()));
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn text_config(text: &Object<'_>) -> Result<TextConfig, ModelError> {
    text.check(&TEXT_CONFIG)?;
    architecture(text, "LlamaForCausalLM")?;
    let d = TextConfig::default();
    let config = TextConfig {
        vocab_size: text.integer("vocab_size")?.unwrap_or(d.vocab_size),
        hidden_size: text.integer("hidden_size")?.unwrap_or(d.hidden_size),
        intermediate_size: text.integer("intermediate_size")?.unwrap_or(d.intermediate_size),
        num_hidden_layers: text.integer("num_hidden_layers")?.unwrap_or(d.num_hidden_layers),
        num_attention_heads: text.integer("num_attention_heads")?.unwrap_or(d.num_attention_heads),
        num_key_value_heads: text.integer("num_key_value_heads")?,
        rms_norm_eps: text.number("rms_norm_eps")?.unwrap_or(d.rms_norm_eps),
        rope_theta: rope_theta(text)?.unwrap_or(d.rope_theta),
        max_position_embeddings: match text.integer("max_position_embeddings")? {
            Some(positions) => usize::try_from(positions)
                .map_err(|_| text.refuse("max_position_embeddings", "must be positive"))?,
            None => d.max_position_embeddings,
        },
        bos_token_id: text.integer("bos_token_id")?.unwrap_or(d.bos_token_id),
        rest: rest(
            text,
            &[
                "vocab_size",
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "num_key_value_heads",
                "rms_norm_eps",
                "rope_theta",
                "max_position_embeddings",
                "bos_token_id",
            ],
        ),
    };
    let (heads, width) = (config.num_attention_heads, config.hidden_size);
    if let Some(head_dim) = text.integer("head_dim")?
        && head_dim.checked_mul(heads) != Some(width)
    {
        let wanted = format!("must be hidden_size / num_attention_heads, {width} / {heads}");
        return Err(text.refuse("head_dim", wanted));
    }
    Ok(config)
}

/// The base of the rotary embedding: `rope_theta`, or where transformers 5 keeps it.
fn rope_theta(text: &Object<'_>) -> Result<Option<f64>, ModelError> {
    let mut theta = text.number("rope_theta")?;
    for key in ["rope_parameters", "rope_scaling"] {
        let Some(rope) = text.object(key)? else { continue };
        let factor = rope.number("factor")?;
        for kind in ["rope_type", "type"] {
            let same = |kind: &str| kind == "default" || (kind == "linear" && factor == Some(1.0));
            if rope.text(kind)?.is_some_and(|kind| !same(&kind)) {
                let wanted = "stretches the positions, which is not computed here";
                return Err(text.refuse(key, wanted));
            }
        }
        rope.check(&ROPE)?;
        match (rope.number("rope_theta")?, theta) {
            (Some(inner), Some(outer)) if inner != outer => {
                let wanted =
                    format!("text_config.rope_theta = {outer} disagrees; remove the wrong one");
                return Err(rope.refuse("rope_theta", wanted));
            }
            (inner, outer) => theta = inner.or(outer),
        }
    }
    Ok(theta)
}

fn vision(root: &Object<'_>) -> Result<Option<VisionConfig>, ModelError> {
    let vision = match (root.object("vision")?, root.object("fixture_vision")?) {
        (Some(_), Some(_)) => {
            return Err(root.refuse("fixture_vision", "`vision` says the same; remove one"));
        }
        (Some(vision), None) | (None, Some(vision)) => vision,
        (None, None) => return Ok(None),
    };
    let known = ["featurizer", "fused_featurizer"];
    let mut keys = vision.map().keys();
    if let Some(key) = keys.find(|key| !known.iter().chain(&FIXED_VISION).any(|k| k == key)) {
        return Err(vision.refuse(key, "not known here: a featurizer and a fused_featurizer are"));
    }
    let tower = |key| match vision.object(key)? {
        Some(tower) => TowerConfig::of(&tower),
        None => Err(vision.lacks(key, "the sizes of a tower")),
    };
    let (featurizer, fused_featurizer) = (tower("featurizer")?, tower("fused_featurizer")?);
    Ok(Some(VisionConfig { featurizer, fused_featurizer }))
}

impl ActionStreamConfig {
    /// Reads the file at `path`, which holds the keys of config.json's `action_stream`.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let value = json::read(path)?;
        action_stream(&Object::root(path, &value)?)
    }
}

fn action_stream(stream: &Object<'_>) -> Result<ActionStreamConfig, ModelError> {
    stream.check(&ACTION_STREAM)?;
    let d = ActionStreamConfig::default();
    let horizon = match stream.integer("horizon")? {
        Some(horizon) => {
            usize::try_from(horizon).map_err(|_| stream.refuse("horizon", "must be positive"))?
        }
        None => d.horizon,
    };
    let suffix = "prompt_suffix_token_id";
    Ok(ActionStreamConfig {
        horizon,
        separator_token_id: stream.integer("separator_token_id")?.unwrap_or(d.separator_token_id),
        // Here alone null is a value: no suffix.
        prompt_suffix_token_id: match stream.map().contains_key(suffix) {
            true => stream.integer(suffix)?,
            false => d.prompt_suffix_token_id,
        },
    })
}
