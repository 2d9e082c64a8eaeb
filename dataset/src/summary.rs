//! `meta/stats.json`: the statistics of all episodes together.
//!
//! A file that is there is gone on with: each new episode is merged into the numbers that it
//! holds. Entries and statistics that this package does not know stay as they are, and none that
//! is missing is made up.

use crate::error::{DatasetError, IoContext};
use crate::feature::{Feature, FeatureKind};
use crate::json;
use crate::notes::begun_here;
use crate::stats::{FeatureStats, QUANTILES, Shape};
use serde_json::{Map, Value as Json, json};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The statistics that every entry must have to be gone on with.
const MOMENTS: [&str; 5] = ["min", "max", "mean", "std", "count"];

/// The content of `stats.json`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Summary(Map<String, Json>);

impl Summary {
    /// Where `stats.json` is.
    pub fn path(root: &Path) -> PathBuf {
        root.join("meta/stats.json")
    }

    /// Reads the file; `None` if it is not there. Nor is one that is no JSON object, in a dataset
    /// that this package began: all of it can be computed again. Others may keep more in theirs.
    pub fn read(root: &Path) -> Result<Option<Self>, DatasetError> {
        let path = Self::path(root);
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.at("read", &path)?,
        };
        let reason = match json::parse(&bytes) {
            Ok(Json::Object(entries)) => return Ok(Some(Self(entries))),
            Ok(other) => format!("the file holds {}, not an object", json::kind(&other)),
            Err(reason) => reason,
        };
        if begun_here(root) { Ok(None) } else { Err(DatasetError::Description { path, reason }) }
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_text(&self.0).into_bytes()
    }

    /// What is wrong with it as the summary of `frames` rows of these columns; `None` if nothing.
    /// Of pictures lerobot counts a sample, so their count says nothing.
    pub fn fault(&self, columns: &[Feature], frames: usize) -> Option<String> {
        let mut known = 0;
        for column in columns {
            let Some(entry) = self.0.get(&column.key) else { continue };
            let Some(stats) = parse(entry, &column.kind) else {
                return Some(format!("\"{}\" is not whole", column.key));
            };
            known += 1;
            let sampled = matches!(column.kind, FeatureKind::Image { .. });
            if !sampled && stats.count != frames as u64 {
                let (key, count) = (&column.key, stats.count);
                return Some(format!("\"{key}\" counts {count} rows of {frames}"));
            }
        }
        (known == 0).then(|| "it has none of the dataset's features".to_owned())
    }

    /// The statistics of a column; `None` if they are not there, or not whole.
    pub fn stats(&self, column: &Feature) -> Option<FeatureStats> {
        parse(self.0.get(&column.key)?, &column.kind)
    }

    /// Counts an episode in; `first` if it is the first of all.
    pub fn add(&mut self, columns: &[Feature], stats: &[FeatureStats], first: bool) {
        for (column, new) in columns.iter().zip(stats) {
            let entry = self.0.get_mut(&column.key);
            match entry.map(|entry| (parse(entry, &column.kind), entry)) {
                Some((Some(mut all), entry)) if !first => {
                    all.merge(new);
                    replace(entry, &all);
                }
                None if !first => {}
                _ => self.set(column, new),
            }
        }
    }

    /// Puts in the statistics of a column over all episodes; what else its entry holds stays.
    pub fn set(&mut self, column: &Feature, all: &FeatureStats) {
        let entry = self.0.entry(column.key.clone()).or_insert_with(|| json!({}));
        match (entry, all.to_json()) {
            (Json::Object(entry), Json::Object(all)) => entry.extend(all),
            (entry, all) => *entry = all,
        }
    }
}

/// The statistics of an entry; quantiles that it lacks are those of nothing.
fn parse(entry: &Json, kind: &FeatureKind) -> Option<FeatureStats> {
    let mut stats = FeatureStats::zero(kind);
    let dims = kind.dims();
    if !MOMENTS.iter().all(|name| entry.get(name).is_some()) {
        return None;
    }
    stats.count = leaves(&entry["count"], 1)?.first().filter(|c| **c >= 0.0).map(|&c| c as u64)?;
    stats.min = leaves(&entry["min"], dims)?;
    stats.max = leaves(&entry["max"], dims)?;
    stats.mean = leaves(&entry["mean"], dims)?;
    stats.std = leaves(&entry["std"], dims)?;
    for (values, (name, _)) in stats.quantiles.iter_mut().zip(QUANTILES) {
        if let Some(found) = entry.get(name) {
            *values = leaves(found, dims)?;
        }
    }
    Some(stats)
}

/// Writes the statistics into those places of an entry that are there.
fn replace(entry: &mut Json, all: &FeatureStats) {
    let Json::Object(entry) = entry else { return };
    for (name, values) in all.fields() {
        if let Some(place) = entry.get_mut(name) {
            fill(place, all.shape, name, &mut values.iter().copied());
        }
    }
    if let Some(count) = entry.get_mut("count") {
        fill(count, Shape::Integer, "max", &mut std::iter::once(all.count as f64));
    }
}

/// The numbers in lists of any depth, if there are `dims` of them.
fn leaves(json: &Json, dims: usize) -> Option<Vec<f64>> {
    fn collect(json: &Json, out: &mut Vec<f64>) -> Option<()> {
        match json {
            Json::Array(items) => items.iter().try_for_each(|item| collect(item, out)),
            Json::Bool(value) => {
                out.push(f64::from(u8::from(*value)));
                Some(())
            }
            other => {
                out.push(json::number(other)?);
                Some(())
            }
        }
    }
    let mut values = Vec::new();
    collect(json, &mut values)?;
    (values.len() == dims).then_some(values)
}

fn fill(place: &mut Json, shape: Shape, name: &str, values: &mut impl Iterator<Item = f64>) {
    match place {
        Json::Array(items) => items.iter_mut().for_each(|item| fill(item, shape, name, values)),
        leaf => {
            if let Some(value) = values.next() {
                *leaf = shape.json(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::StoredColumn;

    fn action() -> Feature {
        Feature { key: "action".to_owned(), kind: FeatureKind::float32(["x", "y"]) }
    }

    fn of(values: &[f64]) -> FeatureStats {
        FeatureStats::of_column(&StoredColumn::F64 { dims: 2, values: values.to_vec() })
    }

    #[test]
    fn what_others_keep_stays_and_nothing_missing_is_made_up() {
        let entry = json!({
            "min": [0.0, 0.0], "max": [1.0, 1.0], "mean": [0.5, 0.5], "std": [0.1, 0.1],
            "count": [2], "iqr": [7],
        });
        let Json::Object(entries) = json!({"action": entry, "theirs": {"mean": [1]}}) else {
            unreachable!()
        };
        let mut summary = Summary(entries);
        assert_eq!(summary.fault(&[action()], 2), None);
        summary.add(&[action()], &[of(&[-1.0, 0.5, 0.0, 2.0])], false);
        let action_entry = &summary.0["action"];
        assert_eq!(action_entry["min"], json!([-1.0, 0.0]));
        assert_eq!(action_entry["mean"], json!([0.0, 0.875]));
        assert_eq!((&action_entry["count"], &action_entry["iqr"]), (&json!([4]), &json!([7])));
        assert!(action_entry.get("q01").is_none());
        assert_eq!(summary.0["theirs"], json!({"mean": [1]}));
        assert!(summary.fault(&[action()], 2).is_some_and(|f| f.contains("4 rows of 2")));
    }
}
