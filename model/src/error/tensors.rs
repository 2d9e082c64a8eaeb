//! How the tensors in files differ from those that a model wants.
//!
//! Owns the lists of differences and their wording, with what to do about them. Must never read
//! a file: the differences are found by [`crate::checkpoint`].

use std::collections::BTreeSet;
use std::fmt;

/// Names of one kind that a message lists at most.
const LISTED: usize = 20;

/// How the tensors of a checkpoint differ from those of the model; all lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorMismatch {
    /// Tensors of the model that the checkpoint lacks.
    pub missing: Vec<String>,
    /// Tensors of the checkpoint that the model lacks.
    pub unexpected: Vec<String>,
    /// Pairs of a missing and an unexpected tensor that seem to be the same one.
    pub misnamed: Vec<Misnamed>,
    /// Tensors of another shape than the model's.
    pub misshapen: Vec<Misshapen>,
    /// Whether names of OpenVLA's native (Prismatic) checkpoints were found.
    pub native_names: bool,
    /// Whether names of quantised weights were found: scales and maps beside them.
    pub quantised_names: bool,
    /// Whether names of a head that gives continuous actions were found.
    pub continuous_head: bool,
}

/// One tensor under a name that the model does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Misnamed {
    /// Its name.
    pub found: String,
    /// The model's tensor of the same shape that it seems to be.
    pub wanted: String,
}

/// One tensor of a wrong shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshapen {
    /// Its name.
    pub name: String,
    /// The model's shape.
    pub wanted: Vec<i64>,
    /// The checkpoint's shape.
    pub found: Vec<i64>,
}

impl TensorMismatch {
    /// Whether there is no difference.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.misnamed.is_empty()
            && self.misshapen.is_empty()
    }

    /// The keys of config.json that decide the shapes which differ.
    pub fn deciding_keys(&self) -> Vec<&'static str> {
        let keys: BTreeSet<_> =
            self.misshapen.iter().flat_map(|misshapen| keys_of(&misshapen.name)).collect();
        keys.into_iter().copied().collect()
    }
}

fn keys_of(name: &str) -> &'static [&'static str] {
    const EMBEDDING: &[&str] = &["text_config.hidden_size", "text_config.vocab_size"];
    const ATTENTION: &[&str] = &[
        "text_config.hidden_size",
        "text_config.num_attention_heads",
        "text_config.num_key_value_heads",
    ];
    const GATED_MLP: &[&str] = &["text_config.hidden_size", "text_config.intermediate_size"];
    const HIDDEN: &[&str] = &["text_config.hidden_size"];
    const PROJECTOR: &[&str] = &[
        "text_config.hidden_size",
        "vision.featurizer.embed_dim",
        "vision.fused_featurizer.embed_dim",
    ];
    const FIRST_TOWER: &[&str] = &[
        "image_sizes",
        "vision.featurizer.embed_dim",
        "vision.featurizer.mlp_hidden",
        "vision.featurizer.patch_size",
        "vision.featurizer.reg_tokens",
    ];
    const SECOND_TOWER: &[&str] = &[
        "image_sizes",
        "vision.fused_featurizer.embed_dim",
        "vision.fused_featurizer.mlp_hidden",
        "vision.fused_featurizer.patch_size",
        "vision.fused_featurizer.reg_tokens",
    ];
    if name.starts_with("vision_backbone.featurizer.") {
        FIRST_TOWER
    } else if name.starts_with("vision_backbone.") {
        SECOND_TOWER
    } else if name.starts_with("projector.") {
        PROJECTOR
    } else if name.contains(".self_attn.") {
        ATTENTION
    } else if name.contains(".mlp.") {
        GATED_MLP
    } else if name.contains("embed_tokens") || name.contains("lm_head") {
        EMBEDDING
    } else {
        HIDDEN
    }
}

impl fmt::Display for TensorMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.misnamed.is_empty() {
            let pair = |m: &Misnamed| format!("{} looks like {}", m.found, m.wanted);
            parts.push(format!("{} misnamed: {}", self.misnamed.len(), list(&self.misnamed, pair)));
        }
        if !self.missing.is_empty() {
            parts.push(format!("{} missing: {}", self.missing.len(), names(&self.missing)));
        }
        if !self.unexpected.is_empty() {
            let count = self.unexpected.len();
            parts.push(format!("{count} unexpected: {}", names(&self.unexpected)));
        }
        if !self.misshapen.is_empty() {
            let shape = |m: &Misshapen| {
                format!("{} has {}, wanted {}", m.name, sizes(&m.found), sizes(&m.wanted))
            };
            let count = self.misshapen.len();
            parts.push(format!("{count} of another shape: {}", list(&self.misshapen, shape)));
            let keys = self.deciding_keys().join(", ");
            parts.push(format!("such shapes follow from these keys of config.json: {keys}"));
        }
        if self.quantised_names {
            parts.push(
                "these are quantised weights (bitsandbytes, GPTQ, AWQ), which are not computed \
                 here: save the unquantised checkpoint as bf16"
                    .into(),
            );
        }
        if self.continuous_head {
            parts.push(
                "these are of a head that gives continuous actions, and this program decodes \
                 tokens: use a checkpoint that was trained to emit action tokens"
                    .into(),
            );
        }
        if self.native_names {
            parts.push(
                "these are names of a native (Prismatic) checkpoint; convert it with OpenVLA's \
                 vla-scripts/extern/convert_openvla_weights_to_hf.py"
                    .into(),
            );
        }
        f.write_str(&parts.join("; "))
    }
}

/// What is wrong between an index of shards and the shards.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexProblem {
    /// The index names no tensor.
    #[error("names no shard; fetch it again")]
    Empty,
    /// A shard's name is a path out of the folder.
    #[error("shard {shard:?} is not a plain file name; shards lie beside their index")]
    Outside {
        /// The name.
        shard: String,
    },
    /// A shard is not there.
    #[error("shard {shard} with {} tensors ({}) is not there; fetch it", tensors.len(), names(tensors))]
    MissingShard {
        /// Its file name.
        shard: String,
        /// What it should hold.
        tensors: Vec<String>,
    },
    /// A shard and the index list different tensors.
    #[error(
        "shard {shard} does not hold what the index says: {}; fetch both again, they belong to \
         different checkpoints",
        differences(lacking, unlisted)
    )]
    Disagrees {
        /// The shard's file name.
        shard: String,
        /// Tensors that the index places there and that are not there.
        lacking: Vec<String>,
        /// Tensors that are there although the index does not place them there.
        unlisted: Vec<String>,
    },
}

fn differences(lacking: &[String], unlisted: &[String]) -> String {
    let part = |what, found: &[String]| format!("{} {what} ({})", found.len(), names(found));
    match (lacking, unlisted) {
        ([], unlisted) => part("not listed", unlisted),
        (lacking, []) => part("lacking", lacking),
        (lacking, unlisted) => {
            format!("{}, {}", part("lacking", lacking), part("not listed", unlisted))
        }
    }
}

fn sizes(sizes: &[i64]) -> String {
    let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
    format!("[{}]", sizes.join(", "))
}

pub(super) fn names(names: &[String]) -> String {
    list(names, String::clone)
}

/// The first items, then how many there are beyond.
fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    let mut listed: Vec<String> = items.iter().take(LISTED).map(text).collect();
    if items.len() > LISTED {
        listed.push(format!("and {} more", items.len() - LISTED));
    }
    listed.join(", ")
}
