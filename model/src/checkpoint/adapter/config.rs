//! adapter_config.json of PEFT: rank, scale and the modules that are adapted.
//!
//! Owns which of PEFT's many keys are understood: one that would change the meaning of the
//! tensors and is not is refused, others are kept and written back.

use crate::error::AdapterError;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The modules that OpenVLA's fine-tuning adapts, as PEFT resolves its "all-linear": the head
/// and both patch embeddings (`proj`) are among them.
pub const OPENVLA_TARGETS: [&str; 15] = [
    "down_proj",
    "fc1",
    "fc2",
    "fc3",
    "gate_proj",
    "k_proj",
    "kv",
    "lm_head",
    "o_proj",
    "proj",
    "q",
    "q_proj",
    "qkv",
    "up_proj",
    "v_proj",
];

/// Keys that must be absent, null, false or empty.
const REFUSED: [&str; 9] = [
    "alora_invocation_tokens",
    "fan_in_fan_out",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "target_parameters",
    "trainable_token_indices",
    "use_dora",
    "use_qalora",
];

/// Keys that leave out some of the modules which `target_modules` names.
const NARROWING: [&str; 2] = ["exclude_modules", "layers_to_transform"];

/// The keys of adapter_config.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdapterConfig {
    /// Kind of adapter; must be "LORA".
    pub peft_type: String,
    /// Rank.
    pub r: i64,
    /// Numerator of the scale.
    #[serde(serialize_with = "whole_if_possible")]
    pub lora_alpha: f64,
    /// Share of the inputs that training drops.
    #[serde(default)]
    pub lora_dropout: f64,
    /// Modules that are adapted.
    pub target_modules: TargetModules,
    /// Other ranks, by the end of the module path.
    #[serde(default)]
    pub rank_pattern: BTreeMap<String, i64>,
    /// Other numerators, by the end of the module path.
    #[serde(default)]
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Whether the scale is alpha/sqrt(r) instead of alpha/r.
    #[serde(default)]
    pub use_rslora: bool,
    /// Keys that mean nothing here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// PEFT's `target_modules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TargetModules {
    /// Ends of module paths.
    Suffixes(Vec<String>),
    /// "all-linear" or a regular expression, which is not evaluated: every linear map counts.
    Expression(String),
}

impl fmt::Display for TargetModules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suffixes(suffixes) => f.write_str(&suffixes.join(", ")),
            Self::Expression(expression) => f.write_str(expression),
        }
    }
}

impl AdapterConfig {
    /// An adapter of rank `r` and scale `alpha / r` on modules whose paths end in `suffixes`.
    pub fn new(r: i64, alpha: f64, suffixes: &[&str]) -> Self {
        Self {
            peft_type: "LORA".into(),
            r,
            lora_alpha: alpha,
            lora_dropout: 0.0,
            target_modules: TargetModules::Suffixes(
                suffixes.iter().map(|suffix| (*suffix).to_owned()).collect(),
            ),
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            use_rslora: false,
            rest: Map::new(),
        }
    }

    /// What OpenVLA's fine-tuning script makes of a rank: alpha = min(r, 16), all linear maps.
    pub fn openvla(r: i64) -> Self {
        Self::new(r, r.min(16) as f64, &OPENVLA_TARGETS)
    }

    /// Whether an adapter of this configuration is understood.
    pub fn check(&self) -> Result<(), AdapterError> {
        let refuse = |key: &str, found: String, wanted: &str| {
            Err(AdapterError::Config { key: key.into(), found, wanted: wanted.into() })
        };
        if self.peft_type != "LORA" {
            return refuse("peft_type", self.peft_type.clone(), "only LORA is supported");
        }
        if self.r <= 0 {
            return refuse("r", self.r.to_string(), "must be positive");
        }
        if let Some((_, rank)) = self.rank_pattern.iter().find(|(_, rank)| **rank <= 0) {
            return refuse("rank_pattern", rank.to_string(), "ranks must be positive");
        }
        for key in REFUSED {
            if let Some(found) = self.rest.get(key).filter(|found| !is_neutral(found)) {
                return refuse(key, found.to_string(), "not supported");
            }
        }
        match self.rest.get("bias") {
            Some(found) if *found != "none" => {
                return refuse("bias", found.to_string(), "only none is supported");
            }
            _ => {}
        }
        for (key, mut patterns) in [
            ("rank_pattern", self.rank_pattern.keys().collect::<Vec<_>>()),
            ("alpha_pattern", self.alpha_pattern.keys().collect()),
        ] {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            patterns.retain(|pattern| !pattern.chars().all(is_plain));
            if let Some(pattern) = patterns.first() {
                return refuse(key, format!("{pattern:?}"), "only ends of module paths work here");
            }
        }
        Ok(())
    }

    /// Whether `module` is adapted.
    pub fn targets(&self, module: &str) -> bool {
        match &self.target_modules {
            TargetModules::Suffixes(suffixes) => suffixes.iter().any(|end| ends_in(module, end)),
            TargetModules::Expression(_) => true,
        }
    }

    /// Whether every module that [`AdapterConfig::targets`] names must have a pair.
    pub(super) fn is_exhaustive(&self) -> bool {
        matches!(self.target_modules, TargetModules::Suffixes(_))
            && NARROWING.iter().all(|key| self.rest.get(*key).is_none_or(is_neutral))
    }

    /// Rank of `module` and the factor of its product.
    pub fn rank_and_scale(&self, module: &str) -> Result<(i64, f64), AdapterError> {
        let rank = choose("rank_pattern", &self.rank_pattern, module)?.unwrap_or(self.r);
        let alpha = choose("alpha_pattern", &self.alpha_pattern, module)?;
        Ok((rank, self.scale(alpha.unwrap_or(self.lora_alpha), rank)))
    }

    /// The factor that goes with `alpha` and `rank`.
    pub fn scale(&self, alpha: f64, rank: i64) -> f64 {
        alpha / if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 }
    }
}

/// The value of the patterns that `module` ends in. PEFT takes the first one in the file's order;
/// where that would matter the file is refused.
fn choose<T: Copy + PartialEq + fmt::Debug>(
    key: &str,
    patterns: &BTreeMap<String, T>,
    module: &str,
) -> Result<Option<T>, AdapterError> {
    let mut matching = patterns.iter().filter(|(end, _)| ends_in(module, end));
    let Some((first, &value)) = matching.next() else { return Ok(None) };
    match matching.find(|(_, other)| **other != value) {
        None => Ok(Some(value)),
        Some((second, other)) => Err(AdapterError::Config {
            key: key.into(),
            found: format!("{first:?}: {value:?}, {second:?}: {other:?}"),
            wanted: format!("only one value for {module}"),
        }),
    }
}

fn ends_in(module: &str, end: &str) -> bool {
    module.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_neutral(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// PEFT writes and expects whole numbers as integers.
fn whole_if_possible<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}
