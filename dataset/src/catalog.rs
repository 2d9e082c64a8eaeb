//! The summary of a dataset that a writer keeps in memory, so that saving an episode costs the
//! same for the first and the thousandth: totals, tasks and the running aggregate of statistics.

use crate::error::DatasetError;
use crate::feature::Feature;
use crate::info::{FilePlace, Info};
use crate::meta::EpisodeRecord;
use crate::stats::FeatureStats;
use crate::storage::{Storage, replace};
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// What is known of a dataset without reading its rows.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub root: PathBuf,
    pub info: Info,
    pub tasks: Vec<String>,
    /// All columns of a data file: `info.features` and the default ones.
    pub columns: Vec<Feature>,
    /// Per column, over all episodes; empty while there is none.
    aggregate: Vec<FeatureStats>,
    /// The place for the next episode's files.
    pub next: FilePlace,
}

impl Catalog {
    /// The catalogue of no episode; totals count up as records are added.
    pub fn new(root: &Path, info: Info, tasks: Vec<String>) -> Self {
        let columns = info.features.with_defaults();
        let total_tasks = tasks.len();
        let info = Info { total_episodes: 0, total_frames: 0, total_tasks, ..info };
        let (root, next) = (root.to_owned(), FilePlace::default());
        Self { root, info, tasks, columns, aggregate: Vec::new(), next }
    }

    /// Counts an episode in.
    pub fn add(&mut self, record: &EpisodeRecord) {
        self.info.total_episodes += 1;
        self.info.total_frames += record.length;
        if self.aggregate.is_empty() {
            self.aggregate.clone_from(&record.stats);
        } else {
            for (all, one) in self.aggregate.iter_mut().zip(&record.stats) {
                all.merge(one);
            }
        }
        self.next = self.next.max(record.data.next()).max(record.meta.next());
    }

    /// Where `stats.json` is.
    pub fn stats_path(&self) -> PathBuf {
        self.root.join("meta/stats.json")
    }

    /// The bytes of `stats.json`.
    pub fn stats_bytes(&self) -> Vec<u8> {
        let entries = self.columns.iter().zip(&self.aggregate);
        let entries: Map<String, Json> =
            entries.map(|(column, stats)| (column.key.clone(), stats.to_json())).collect();
        serde_json::to_vec_pretty(&entries).expect("plain data with text keys serialises")
    }

    /// Writes the two summaries; `info.json` last, for it is what readers go by.
    pub fn publish(&self, storage: &mut dyn Storage) -> Result<(), DatasetError> {
        replace(storage, &self.stats_path(), &self.stats_bytes())?;
        replace(storage, &Info::path(&self.root), &self.info.to_bytes())
    }
}
