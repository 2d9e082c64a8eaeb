//! Action statistics by dataset: `norm_stats` of config.json and dataset_statistics.json.
//!
//! Owns the choice of the dataset. Keys without meaning here (mean, std, proprio, counts) are
//! kept and written back.

use crate::error::ModelError;
use jaco_core::{ActionCodec, ActionStatistics};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What LIBERO's datasets without standing still add to their names.
const NO_NOOPS: &str = "_no_noops";

/// Statistics of every dataset that a checkpoint was trained on, by dataset name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NormStats(BTreeMap<String, DatasetStatistics>);

/// Statistics of one dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct DatasetStatistics {
    action: ActionEntry,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ActionEntry {
    #[serde(flatten)]
    quantiles: ActionStatistics,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl NormStats {
    /// Statistics of one dataset.
    pub fn single(dataset: &str, quantiles: ActionStatistics) -> Self {
        let action = ActionEntry { quantiles, rest: Map::new() };
        Self(BTreeMap::from([(dataset.into(), DatasetStatistics { action, rest: Map::new() })]))
    }

    /// Whether no dataset is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names of all datasets, sorted.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The statistics under `key`, or of the only dataset; checked to be usable. LIBERO's
    /// fine-tunes name a suite with or without `_no_noops`: both find it.
    pub fn choose(&self, key: Option<&str>) -> Result<ActionStatistics, ModelError> {
        let available = || self.0.keys().cloned().collect::<Vec<_>>();
        let (key, entry) = match key {
            Some(key) => self
                .0
                .get_key_value(key)
                .or_else(|| self.0.get_key_value(&format!("{key}{NO_NOOPS}")))
                .ok_or_else(|| ModelError::UnknownStatistics {
                    key: key.into(),
                    available: available(),
                })?,
            None if self.0.len() > 1 => {
                return Err(ModelError::AmbiguousStatistics { available: available() });
            }
            None => self.0.first_key_value().ok_or_else(|| ModelError::UnknownStatistics {
                key: String::new(),
                available: Vec::new(),
            })?,
        };
        ActionCodec::new(entry.action.quantiles)
            .map(|codec| *codec.statistics())
            .map_err(|source| ModelError::BadStatistics { key: key.clone(), source })
    }
}
