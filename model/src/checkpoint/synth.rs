//! Invented checkpoints of any size, for measuring and testing where the real weights are not.
//!
//! Owns the presets of sizes and the values of invented weights. A folder written here is a whole
//! checkpoint in the published layout, dead tensors included; it decodes, but knows nothing.

use super::random::seeded;
use super::save::SmallFiles;
use super::shapes::{Shapes, dead_tensors, wanted_tensors};
use super::shards::write_weights;
use super::{CONFIG_FILE, TOKENIZER_FILE, folder};
use crate::config::OpenVlaConfig;
use crate::error::ModelError;
use crate::image::ImageProcessor;
use crate::statistics::NormStats;
use crate::tokens::ActionVocab;
use jaco_core::ActionStatistics;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// Names of the presets: the published checkpoint, and sizes for a CPU.
pub const PRESETS: [&str; 2] = ["openvla-7b", "mini"];

/// The dataset whose statistics an invented checkpoint has.
pub const DATASET: &str = "synthetic";

/// Numbers that are drawn at once.
const CHUNK_NUMBERS: i64 = 4 << 20;

/// Standard deviation of matrices; of biases a tenth of it.
const STD: f64 = 0.02;

/// The configuration of a geometry: a preset's name, or a config.json of any sizes, or the folder
/// that holds it.
pub fn geometry(name: &str) -> Result<OpenVlaConfig, ModelError> {
    let path = Path::new(name);
    let file = if path.is_dir() { path.join(CONFIG_FILE) } else { path.to_owned() };
    if !PRESETS.contains(&name) && file.exists() {
        return OpenVlaConfig::read(&file);
    }
    preset(name)
}

/// The configuration of a preset.
pub fn preset(name: &str) -> Result<OpenVlaConfig, ModelError> {
    let keys = match name {
        "openvla-7b" => json!({
            "vision_backbone_id": "dinosiglip-vit-so-224px",
            "llm_backbone_id": "llama2-7b-pure",
            "llm_max_length": 2048,
            "pad_token_id": 32000,
            "text_config": { "model_type": "llama", "pad_token_id": 32000, "vocab_size": 32064 },
        }),
        "mini" => json!({
            "image_sizes": [128, 128],
            "pad_token_id": 384,
            "text_config": {
                "model_type": "llama", "pad_token_id": 384, "vocab_size": 448,
                "hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 3,
                "num_attention_heads": 4, "max_position_embeddings": 256,
            },
            "vision": {
                "featurizer": {
                    "embed_dim": 96, "depth": 4, "num_heads": 4, "mlp_hidden": 384,
                    "patch_size": 16, "class_token": true, "layer_scale": true,
                },
                "fused_featurizer": {
                    "embed_dim": 96, "depth": 4, "num_heads": 4, "mlp_hidden": 384,
                    "patch_size": 16, "class_token": false, "layer_scale": false,
                },
            },
            "action_stream": {
                "horizon": 10, "separator_token_id": 3, "prompt_suffix_token_id": null,
            },
        }),
        _ => {
            let available = PRESETS.map(str::to_owned).to_vec();
            return Err(ModelError::UnknownPreset { name: name.into(), available });
        }
    };
    let mut all: Map<String, Value> = Map::new();
    all.insert("architectures".into(), json!(["OpenVLAForActionPrediction"]));
    all.insert("model_type".into(), "openvla".into());
    if let Value::Object(keys) = keys {
        all.extend(keys);
    }
    OpenVlaConfig::from_json(Path::new(name), &Value::Object(all))
}

/// What the values of a tensor are.
#[derive(Clone, Copy)]
enum Values {
    Constant(f64),
    Normal { std: f64 },
}

impl Values {
    fn of(name: &str) -> Self {
        match name.rsplit_once('.').unwrap_or(("", name)) {
            (_, "scale_factor") => Values::Constant(0.1),
            (module, "weight") if module.contains("norm") => Values::Constant(1.0),
            (_, "bias") => Values::Normal { std: STD / 10.0 },
            _ => Values::Normal { std: STD },
        }
    }

    fn draw(self, target: &mut Tensor) -> Result<(), ModelError> {
        let _filled = match self {
            Values::Constant(value) => target.f_fill_(value)?,
            Values::Normal { std } => target.f_normal_(0.0, std)?,
        };
        Ok(())
    }
}

/// Puts invented weights into all variables, drawn where these are. Equal seeds give equal
/// weights on equal devices; libtorch's generators are seeded for it.
pub fn fill(variables: &VarStore, seed: u64) -> Result<(), ModelError> {
    let sorted: BTreeMap<String, Tensor> = variables.variables().into_iter().collect();
    let _no_grad = tch::no_grad_guard();
    seeded(seed, || {
        for (name, variable) in sorted {
            let mut shape = variable.size();
            let (rows, row) = match shape.first() {
                Some(&rows) => (rows, shape[1..].iter().product::<i64>().max(1)),
                None => continue,
            };
            let count = (CHUNK_NUMBERS / row).clamp(1, rows.max(1));
            for first in (0..rows).step_by(count as usize) {
                shape[0] = count.min(rows - first);
                // Normal numbers are drawn in float32: in short element types a CPU is slow.
                let mut drawn = Tensor::f_empty(&shape[..], (Kind::Float, variable.device()))?;
                Values::of(&name).draw(&mut drawn)?;
                variable.f_narrow(0, first, shape[0])?.f_copy_(&drawn)?;
            }
        }
        Ok(())
    })
}

/// Writes an invented checkpoint of `config` into the new folder `dir`, weights stored as `kind`
/// in files of at most `max_shard_bytes`. `progress` hears of the bytes written so far and of all
/// that are to be written. Needs little memory whatever the size.
pub fn write(
    config: &OpenVlaConfig,
    kind: Kind,
    seed: u64,
    dir: &Path,
    max_shard_bytes: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ModelError> {
    config.check()?;
    let tokenizer = tokenizer(config)?;
    let small = SmallFiles {
        config,
        kind,
        tokenizer: &tokenizer,
        images: &ImageProcessor::new(config.image_size() as usize, config.image_resize_strategy),
        processor: None,
        statistics: &statistics(),
    };
    let mut shapes: Shapes = wanted_tensors(config);
    shapes.extend(dead_tensors(config));
    let numbers: i64 = shapes.values().map(|shape| shape.iter().product::<i64>()).sum();
    let size = kind.elt_size_in_bytes() as u64;
    let (mut done, total) = (0, numbers as u64 * size);
    let buffer = Tensor::f_empty([CHUNK_NUMBERS], (Kind::Float, Device::Cpu))?;
    folder::write_whole(dir, |dir| {
        small.write(dir)?;
        seeded(seed, || {
            write_weights(dir, &shapes, kind, max_shard_bytes, &mut |name, sink| {
                let numbers: i64 = shapes[name].iter().product();
                for first in (0..numbers).step_by(CHUNK_NUMBERS as usize) {
                    let count = CHUNK_NUMBERS.min(numbers - first);
                    let mut part = buffer.f_narrow(0, 0, count)?;
                    Values::of(name).draw(&mut part)?;
                    sink.put(&part)?;
                    done += count as u64 * size;
                    progress(done, total);
                }
                Ok(())
            })
        })
    })
}

/// Displacements of an arm's step: 2 cm, 0.1 rad, and a gripper that is open or closed.
fn statistics() -> NormStats {
    let q99 = [0.02, 0.02, 0.02, 0.1, 0.1, 0.1, 1.0];
    let mut q01 = q99.map(|high: f64| -high);
    q01[6] = 0.0;
    let mut mask = [true; 7];
    mask[6] = false;
    NormStats::single(DATASET, ActionStatistics { q01, q99, mask })
}

/// A tokenizer.json with a token for each printable ASCII character; others become "?". BOS comes
/// first, and all ids are below the action tokens of even the smallest vocabularies.
fn tokenizer(config: &OpenVlaConfig) -> Result<String, ModelError> {
    let specials = ["<none>", "<s>", "</s>", "<separator>"];
    let characters = std::iter::once('\n').chain(' '..='~').map(String::from);
    let mut tokens: Vec<String> = specials.map(String::from).to_vec();
    tokens.extend(characters);
    let bos = config.text_config.bos_token_id;
    if bos != 1 {
        return Err(ModelError::config("text_config.bos_token_id", bos, "must be 1 here"));
    }
    let first_action = ActionVocab::new(config).first();
    if first_action < tokens.len() as i64 {
        let wanted = format!("at least {} ids below the action tokens", tokens.len());
        let rows = config.text_config.vocab_size;
        return Err(ModelError::config("text_config.vocab_size", rows, wanted));
    }
    let added = |id: usize| {
        json!({
            "id": id, "content": specials[id], "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true,
        })
    };
    let vocab: Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), Value::from(id))).collect();
    let sequence = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let begin = json!({ "SpecialToken": { "id": "<s>", "type_id": 0 } });
    let file = json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [added(1), added(2)],
        "normalizer": {
            "type": "Replace", "pattern": { "Regex": "[^ -~\n]" }, "content": "?",
        },
        "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [begin, sequence("A")],
            "pair": [sequence("A"), sequence("B")],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [bos], "tokens": ["<s>"] } },
        },
        "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "fuse_unk": false,
            "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "byte_fallback": false, "vocab": vocab, "merges": [],
        },
    });
    serde_json::to_string_pretty(&file)
        .map_err(|source| ModelError::Json { path: PathBuf::from(TOKENIZER_FILE), source })
}
