//! Which modules an adapter changes: PEFT's `target_modules`, and the keys that narrow them.
//!
//! Owns PEFT's rule (`check_target_module_exists`), so that a pair which PEFT would not use is never
//! applied. Must never look at tensors.

use super::config::AdapterConfig;
use crate::error::AdapterError;
use crate::json::object::is_neutral;
use fancy_regex::Regex;
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// What PEFT resolves to every linear map but the head before it trains.
const ALL_LINEAR: &str = "all-linear";

/// PEFT's `target_modules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TargetModules {
    /// Ends of module paths.
    Suffixes(Vec<String>),
    /// "all-linear", or a regular expression for whole module paths.
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

impl TargetModules {
    fn name(&self, module: &str) -> bool {
        match self {
            Self::Suffixes(suffixes) => suffixes.iter().any(|end| ends_in(module, end)),
            Self::Expression(text) => text == ALL_LINEAR || matches_whole(text, module),
        }
    }
}

impl AdapterConfig {
    /// Whether `module` is adapted.
    pub fn targets(&self, module: &str) -> bool {
        let excluded = self.rest.get("exclude_modules").filter(|it| !is_neutral(it));
        if excluded.and_then(modules).is_some_and(|excluded| excluded.name(module)) {
            return false;
        }
        self.target_modules.name(module) && self.is_in_layers(module)
    }

    /// Whether every module that [`AdapterConfig::targets`] names must have a pair.
    pub(super) fn is_exhaustive(&self) -> bool {
        !matches!(&self.target_modules, TargetModules::Expression(text) if text == ALL_LINEAR)
    }

    /// Whether the keys that name modules can be understood.
    pub(super) fn check_targets(&self) -> Result<(), AdapterError> {
        let refuse = |key: &str, found: &dyn fmt::Display, wanted: &str| {
            Err(AdapterError::Config {
                key: key.to_owned(),
                found: found.to_string(),
                wanted: wanted.to_owned(),
            })
        };
        let expression = "is no regular expression; or use a list of names";
        if let TargetModules::Expression(text) = &self.target_modules
            && whole(text).is_none()
        {
            return refuse("target_modules", text, expression);
        }
        if let Some(found) = self.rest.get("exclude_modules").filter(|it| !is_neutral(it)) {
            let sound = match modules(found) {
                None => false,
                Some(TargetModules::Expression(text)) => whole(&text).is_some(),
                Some(TargetModules::Suffixes(_)) => true,
            };
            if !sound {
                return refuse("exclude_modules", found, expression);
            }
        }
        let Some(found) = self.layers() else { return Ok(()) };
        if layer_numbers(found).is_none() {
            return refuse("layers_to_transform", found, "must be a number of a layer or a list");
        }
        if !matches!(self.target_modules, TargetModules::Suffixes(_)) {
            let wanted = "goes with a list of target_modules only, as in PEFT";
            return refuse("layers_to_transform", found, wanted);
        }
        match self.layer_patterns() {
            Some(patterns) if patterns.iter().all(|text| layer_of(text).is_some()) => Ok(()),
            _ => {
                let found = self.rest.get("layers_pattern").unwrap_or(&Value::Null);
                refuse("layers_pattern", found, "must be the name before a layer's number")
            }
        }
    }

    fn layers(&self) -> Option<&Value> {
        self.rest
            .get("layers_to_transform")
            .filter(|it| layer_numbers(it) != Some(Vec::new()))
            .filter(|it| !it.is_null())
    }

    /// What stands before the number of a layer; any name, if the file does not say it.
    fn layer_patterns(&self) -> Option<Vec<String>> {
        match self.rest.get("layers_pattern").filter(|it| !is_neutral(it)) {
            None => Some(vec!["[^.]*".to_owned()]),
            Some(Value::String(one)) => Some(vec![one.clone()]),
            Some(many) => {
                many.as_array()?.iter().map(|it| it.as_str().map(str::to_owned)).collect()
            }
        }
    }

    fn is_in_layers(&self, module: &str) -> bool {
        let Some(numbers) = self.layers().and_then(layer_numbers) else { return true };
        let number = self.layer_patterns().unwrap_or_default().iter().find_map(|pattern| {
            let found = layer_of(pattern)?.captures(module).ok()??;
            found.get(1)?.as_str().parse().ok()
        });
        number.is_some_and(|number| numbers.contains(&number))
    }
}

/// The value of a key that names modules.
fn modules(value: &Value) -> Option<TargetModules> {
    match value {
        Value::String(text) => Some(TargetModules::Expression(text.clone())),
        Value::Array(names) => {
            let names: Option<Vec<String>> =
                names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
            names.map(TargetModules::Suffixes)
        }
        _ => None,
    }
}

fn layer_numbers(value: &Value) -> Option<Vec<u64>> {
    match value {
        Value::Array(numbers) => numbers.iter().map(Value::as_u64).collect(),
        one => one.as_u64().map(|one| vec![one]),
    }
}

/// PEFT's expression for the number of a layer behind `pattern`.
fn layer_of(pattern: &str) -> Option<Regex> {
    Regex::new(&format!(r"^.*\.{pattern}\.(\d+)\.")).ok()
}

fn whole(expression: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{expression})$")).ok()
}

fn matches_whole(expression: &str, module: &str) -> bool {
    whole(expression).is_some_and(|it| it.is_match(module).unwrap_or(false))
}

/// Whether a module's path ends in `end`, at a dot.
pub(super) fn ends_in(module: &str, end: &str) -> bool {
    module.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
