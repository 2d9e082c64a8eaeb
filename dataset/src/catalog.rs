//! The summary of a dataset that a writer keeps in memory, so that saving an episode costs the
//! same for the first and the thousandth: totals, tasks and the statistics over all episodes.

use crate::episodes::EpisodeRecord;
use crate::error::DatasetError;
use crate::feature::Feature;
use crate::info::{Info, Totals};
use crate::layout::FilePlace;
use crate::stats::FeatureStats;
use crate::storage::{Storage, replace};
use crate::summary::Summary;
use crate::tasks::Tasks;
use arrow::datatypes::SchemaRef;
use std::path::{Path, PathBuf};

/// What is known of a dataset without reading its rows.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub root: PathBuf,
    pub info: Info,
    pub totals: Totals,
    pub tasks: Tasks,
    /// All columns of a data file: `info.features` and the default ones.
    pub columns: Vec<Feature>,
    pub summary: Summary,
    /// The columns that files of `meta/episodes` must have, if there are any yet.
    pub template: Option<SchemaRef>,
    /// The place for the next episode's files.
    pub next: FilePlace,
}

impl Catalog {
    /// The catalogue of no episode; totals count up as records are added.
    pub fn new(root: &Path, info: Info, tasks: Tasks) -> Self {
        let columns = info.features.with_defaults();
        let totals = Totals { tasks: tasks.len(), ..Totals::default() };
        let (root, next) = (root.to_owned(), FilePlace::default());
        let (summary, template) = (Summary::default(), None);
        Self { root, info, totals, tasks, columns, summary, template, next }
    }

    /// Counts an episode in, without its statistics.
    pub fn count(&mut self, record: &EpisodeRecord) {
        self.totals.episodes += 1;
        self.totals.frames += record.length.unwrap_or(0);
        let chunks_size = self.info.chunks_size;
        let data = record.data.unwrap_or_default().next(chunks_size);
        self.next = self.next.max(data).max(record.meta.next(chunks_size));
    }

    /// Counts a new episode in.
    pub fn add(&mut self, record: &EpisodeRecord, stats: &[FeatureStats]) {
        self.summary.add(&self.columns, stats, self.totals.frames == 0);
        self.count(record);
    }

    /// Writes `stats.json`.
    pub fn publish_summary(&self, storage: &mut dyn Storage) -> Result<(), DatasetError> {
        replace(storage, &Summary::path(&self.root), &self.summary.to_bytes())
    }

    /// Writes the two summaries; `info.json` last, for it is what readers go by.
    pub fn publish(&self, storage: &mut dyn Storage) -> Result<(), DatasetError> {
        self.publish_summary(storage)?;
        replace(storage, &Info::path(&self.root), &self.info.to_bytes(&self.totals))
    }
}
