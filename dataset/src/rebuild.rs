//! The statistics of a dataset whose `stats.json` is missing or lags behind, from those of its
//! episodes, and where an episode has none, from its rows.

use crate::catalog::Catalog;
use crate::episodes::EpisodeRecord;
use crate::error::DatasetError;
use crate::feature::{Feature, FeatureKind};
use crate::image::{self, Histogram};
use crate::rows::{Expected, RowsCache};
use crate::stats::FeatureStats;
use crate::storage::parquet_files;
use crate::summary::Summary;
use crate::table::{self, StoredColumn};
use std::collections::BTreeMap;
use std::path::Path;

/// `kept` with the statistics of all episodes anew; what else it holds stays.
pub(crate) fn rebuilt(
    mut kept: Summary,
    catalog: &Catalog,
    records: &BTreeMap<usize, EpisodeRecord>,
) -> Result<Summary, DatasetError> {
    let columns = &catalog.columns;
    let mut stored = BTreeMap::new();
    for path in parquet_files(&catalog.root.join("meta/episodes"))? {
        stored.extend(EpisodeRecord::read_stats(&path, columns)?);
    }
    let rows = RowsCache::default();
    let mut all: Vec<FeatureStats> = Vec::new();
    for record in records.values() {
        let known = stored.remove(&record.index).unwrap_or_default();
        let known: Option<Vec<FeatureStats>> = known.into_iter().collect();
        let stats = match known.filter(|known| known.len() == columns.len()) {
            Some(known) => known,
            None => of_episode(catalog, record, &rows)?,
        };
        if all.is_empty() {
            all = stats;
        } else {
            all.iter_mut().zip(&stats).for_each(|(all, one)| all.merge(one));
        }
    }
    columns.iter().zip(&all).for_each(|(column, stats)| kept.set(column, stats));
    Ok(kept)
}

fn of_episode(
    catalog: &Catalog,
    record: &EpisodeRecord,
    rows: &RowsCache,
) -> Result<Vec<FeatureStats>, DatasetError> {
    let path = record.data.unwrap_or_default().data(&catalog.root);
    let file = rows.get(&path)?;
    let episode = record.index;
    let (length, fps) = (record.length.unwrap_or(0), catalog.info.fps);
    let expected = Expected { episode, length, offset: 0, fps };
    let fault = |reason| DatasetError::Rows { path: path.clone(), episode, reason };
    let range = file.episode(expected).map_err(fault)?.range;
    let columns = table::decode_rows(&catalog.root, &path, &catalog.columns, range)?;
    stats_of_rows(&path, episode, &catalog.columns, &columns)
}

/// The statistics of rows that were read from the file at `path`.
pub(crate) fn stats_of_rows(
    path: &Path,
    episode: usize,
    features: &[Feature],
    columns: &[StoredColumn],
) -> Result<Vec<FeatureStats>, DatasetError> {
    let mut stats = Vec::new();
    for (feature, column) in features.iter().zip(columns) {
        stats.push(match (column, &feature.kind) {
            (StoredColumn::Pictures(images), FeatureKind::Image { height, width }) => {
                let mut histogram = Histogram::default();
                for (frame, picture) in images.iter().enumerate() {
                    let rgb = image::decode(picture, *width, *height);
                    histogram.add(&rgb.map_err(|reason| DatasetError::Image {
                        path: path.to_owned(),
                        column: feature.key.clone(),
                        episode,
                        frame,
                        reason,
                    })?);
                }
                FeatureStats::of_image(&histogram)
            }
            _ => FeatureStats::of_column(column),
        });
    }
    Ok(stats)
}
