//! Action statistics by dataset: `norm_stats` of config.json and dataset_statistics.json.
//!
//! Owns the choice of the dataset. An entry is read when it is chosen, so that one which is of no
//! use here never stands in another's way; all are kept and written back as they were.

use crate::error::ModelError;
use crate::json::keys::{ACTION_STATISTICS, STATISTICS};
use crate::json::{self, Object, object};
use jaco_core::{ACTION_DIMS, ActionCodec, ActionStatistics};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// What LIBERO's datasets without standing still add to their names.
const NO_NOOPS: &str = "_no_noops";
/// Name of the statistics in a file that holds one dataset's without its name.
const UNNAMED: &str = "unnamed";

/// Statistics of every dataset that a checkpoint was trained on, by dataset name.
#[derive(Clone, Debug, Default)]
pub struct NormStats {
    entries: Map<String, Value>,
    /// The file that they are from.
    file: PathBuf,
    /// Dotted path of the entries in it, with its dot.
    prefix: &'static str,
    /// Whether the file holds one dataset's without its name.
    unnamed: bool,
}

/// What one entry is good for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StatisticsSummary {
    /// The dataset.
    pub name: String,
    /// Why no action can be decoded with it; none if one can.
    pub problem: Option<String>,
    /// Dimensions, 0..7, that decode to one value whatever the tokens.
    pub constant: Vec<usize>,
}

impl PartialEq for NormStats {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Serialize for NormStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entries.serialize(serializer)
    }
}

impl NormStats {
    /// Statistics of one dataset.
    pub fn single(dataset: &str, quantiles: ActionStatistics) -> Self {
        let entries = Map::from_iter([(dataset.to_owned(), json!({ "action": quantiles }))]);
        Self { entries, ..Self::default() }
    }

    /// Those of the dataset_statistics.json at `path`.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let value = json::read(path)?;
        let root = Object::root(path, &value)?;
        let holds_quantiles = |value: &Value| value.get("q01").or(value.get("q99")).is_some();
        let unnamed = root.get("action").is_some_and(holds_quantiles);
        let entries = match unnamed {
            true => Map::from_iter([(UNNAMED.to_owned(), value)]),
            false => root.map().clone(),
        };
        Ok(Self { entries, file: path.to_owned(), prefix: "", unnamed })
    }

    /// Those of `norm_stats` in a config.json.
    pub(crate) fn of_config(root: &Object<'_>) -> Result<Self, ModelError> {
        let entries = root.object("norm_stats")?.map(|all| all.map().clone()).unwrap_or_default();
        Ok(Self { entries, file: root.file().to_owned(), prefix: "norm_stats.", unnamed: false })
    }

    /// Whether no dataset is named.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names of all datasets, sorted.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The statistics under `key`, or of the only dataset; checked to be usable. LIBERO's
    /// fine-tunes name a suite with or without `_no_noops`: both find it.
    pub fn choose(&self, key: Option<&str>) -> Result<ActionStatistics, ModelError> {
        let name = self.name(key)?;
        self.entry(&name, &self.entries[&name])
    }

    /// The dataset that `key` names, or the only one.
    pub fn name(&self, key: Option<&str>) -> Result<String, ModelError> {
        let available = || self.entries.keys().cloned().collect::<Vec<_>>();
        let found = match key {
            // The file has no names to choose by.
            Some(_) if self.unnamed => Some(UNNAMED.to_owned()),
            Some(key) => [key.to_owned(), format!("{key}{NO_NOOPS}")]
                .into_iter()
                .find(|key| self.entries.contains_key(key)),
            None if self.entries.len() > 1 => {
                return Err(ModelError::AmbiguousStatistics { available: available() });
            }
            None => self.entries.keys().next().cloned(),
        };
        found.ok_or_else(|| ModelError::UnknownStatistics {
            key: key.unwrap_or_default().to_owned(),
            available: available(),
        })
    }

    /// What each entry is good for.
    pub fn survey(&self) -> Vec<StatisticsSummary> {
        let summary = |(name, value): (&String, &Value)| {
            let read = self.entry(name, value);
            let constant = read.as_ref().map_or_else(|_| Vec::new(), constant_dimensions);
            let problem = read.err().map(|error| error.to_string());
            StatisticsSummary { name: name.clone(), problem, constant }
        };
        self.entries.iter().map(summary).collect()
    }

    fn entry(&self, name: &str, value: &Value) -> Result<ActionStatistics, ModelError> {
        let at = if self.unnamed { String::new() } else { format!("{}{name}", self.prefix) };
        let entry = Object::at(&self.file, at, value)?;
        entry.check(&STATISTICS)?;
        let action = entry
            .object("action")?
            .ok_or_else(|| entry.lacks("action", "the statistics of actions"))?;
        action.check(&ACTION_STATISTICS)?;
        let quantile = |key| {
            let missing = "quantiles of the training actions; others than q01 and q99 (mean, std, \
                           min, max) do not decode OpenVLA's tokens";
            seven(&action, key, "numbers", object::number)?
                .ok_or_else(|| action.lacks(key, missing))
        };
        let (q01, q99) = (quantile("q01")?, quantile("q99")?);
        let mask = seven(&action, "mask", "truth values", object::boolean)?;
        let statistics = ActionStatistics { q01, q99, mask: mask.unwrap_or([true; ACTION_DIMS]) };
        ActionCodec::new(statistics).map(|codec| *codec.statistics()).map_err(|source| {
            ModelError::BadStatistics { file: self.file.clone(), key: name.to_owned(), source }
        })
    }
}

/// The list `key`, one item for each dimension of an action.
fn seven<T: Copy>(
    action: &Object<'_>,
    key: &str,
    what: &str,
    item: impl Fn(&Value) -> Option<T>,
) -> Result<Option<[T; ACTION_DIMS]>, ModelError> {
    let wanted = format!("must be {ACTION_DIMS} {what}");
    let Some(items) = action.list(key, &wanted, item)? else { return Ok(None) };
    let count = items.len();
    items.try_into().map(Some).map_err(|_| {
        action.refuse(key, format!("has {count} {what}; an action has {ACTION_DIMS} here"))
    })
}

fn constant_dimensions(statistics: &ActionStatistics) -> Vec<usize> {
    let s = statistics;
    (0..ACTION_DIMS).filter(|&i| s.mask[i] && s.q01[i] == s.q99[i]).collect()
}
