//! adapter_config.json of PEFT: rank, scale and the modules that are adapted.
//!
//! Owns their values; which of PEFT's many keys are understood, ignored or refused stands in
//! [`crate::json::keys`]. Those without effect are kept and written back.

use super::ADAPTER_CONFIG_FILE;
use super::targets::{TargetModules, ends_in};
use crate::checkpoint::mistaken;
use crate::error::{AdapterError, ModelError};
use crate::json::keys::ADAPTER;
use crate::json::object::{integer, number};
use crate::json::{self, Object};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

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

/// The keys of adapter_config.json.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdapterConfig {
    /// Kind of adapter; must be "LORA".
    pub peft_type: String,
    /// Rank.
    pub r: i64,
    /// Numerator of the scale.
    #[serde(serialize_with = "whole_if_possible")]
    pub lora_alpha: f64,
    /// Share of the inputs that training drops.
    pub lora_dropout: f64,
    /// Modules that are adapted.
    pub target_modules: TargetModules,
    /// Other ranks, by the end of the module path.
    pub rank_pattern: BTreeMap<String, i64>,
    /// Other numerators, by the end of the module path.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Whether the scale is alpha/sqrt(r) instead of alpha/r.
    pub use_rslora: bool,
    /// Keys that mean nothing here.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// PEFT's rank and numerator where the file does not say them.
const PEFT_R: i64 = 8;
const PEFT_ALPHA: f64 = 8.0;

/// The keys that [`AdapterConfig`] has fields for.
const READ: [&str; 8] = [
    "peft_type",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
];

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

    /// Reads and checks the adapter_config.json in the folder `dir`.
    pub fn read_in(dir: &Path) -> Result<Self, ModelError> {
        Self::read(&dir.join(ADAPTER_CONFIG_FILE))
    }

    /// Reads and checks the adapter_config.json at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        if !json::is_there(path)
            && let Some(dir) = path.parent()
            && let Some(problem) = mistaken::instead_of_adapter(dir)
        {
            return Err(ModelError::OtherFolder { dir: dir.to_owned(), problem });
        }
        let value = json::read(path)?;
        let file = Object::root(path, &value)?;
        let kind = file.text("peft_type")?;
        let kind = kind.ok_or_else(|| file.lacks("peft_type", "\"LORA\""))?;
        if kind != "LORA" {
            return Err(file.refuse("peft_type", "only LORA adapters are applied here"));
        }
        file.check(&ADAPTER)?;
        let target_modules = match file.get("target_modules") {
            None => return Err(file.lacks("target_modules", "names of the adapted modules")),
            Some(Value::String(expression)) => TargetModules::Expression(expression.clone()),
            Some(_) => {
                let text = |value: &Value| value.as_str().map(str::to_owned);
                let names =
                    file.list("target_modules", "must be a text or a list of texts", text)?;
                TargetModules::Suffixes(names.unwrap_or_default())
            }
        };
        let rest = file.map().iter().filter(|(key, _)| !READ.contains(&key.as_str()));
        let config = Self {
            peft_type: kind,
            r: file.integer("r")?.unwrap_or(PEFT_R),
            lora_alpha: file.number("lora_alpha")?.unwrap_or(PEFT_ALPHA),
            lora_dropout: file.number("lora_dropout")?.unwrap_or(0.0),
            target_modules,
            rank_pattern: patterns(&file, "rank_pattern", integer)?,
            alpha_pattern: patterns(&file, "alpha_pattern", number)?,
            use_rslora: file.boolean("use_rslora")?.unwrap_or(false),
            rest: rest.map(|(key, value)| (key.clone(), value.clone())).collect(),
        };
        let refuse = |source| ModelError::Adapter { path: path.to_owned(), source };
        config.check().map_err(refuse)?;
        Ok(config)
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
        if !self.lora_alpha.is_finite() || self.lora_alpha == 0.0 {
            let wanted = "must be a number other than 0: the adapter would change nothing";
            return refuse("lora_alpha", self.lora_alpha.to_string(), wanted);
        }
        self.check_targets()?;
        for (key, mut patterns) in [
            ("rank_pattern", self.rank_pattern.keys().collect::<Vec<_>>()),
            ("alpha_pattern", self.alpha_pattern.keys().collect()),
        ] {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
            patterns.retain(|pattern| !pattern.chars().all(is_plain));
            if let Some(pattern) = patterns.first() {
                return refuse(key, pattern.to_string(), "only ends of module paths work here");
            }
        }
        Ok(())
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
fn choose<T: Copy + PartialEq + fmt::Display>(
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
            found: format!("{first}: {value}, {second}: {other}"),
            wanted: format!("only one value for {module}"),
        }),
    }
}

fn patterns<T>(
    file: &Object<'_>,
    key: &str,
    item: impl Fn(&Value) -> Option<T>,
) -> Result<BTreeMap<String, T>, ModelError> {
    let wanted = "must be an object of numbers";
    let read = |value: &Value| {
        let entries = value.as_object()?.iter();
        entries.map(|(end, value)| Some((end.clone(), item(value)?))).collect()
    };
    Ok(file.read(key, wanted, read)?.unwrap_or_default())
}

/// PEFT writes and expects whole numbers as integers.
fn whole_if_possible<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}
