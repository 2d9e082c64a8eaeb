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
use crate::table;
use std::collections::BTreeMap;
use std::ops::Range;
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
    stats_of_rows(&catalog.root, &path, episode, &catalog.columns, range)
}

/// The statistics of some rows of the file at `path`, which are all those of an episode.
pub(crate) fn stats_of_rows(
    root: &Path,
    path: &Path,
    episode: usize,
    features: &[Feature],
    rows: Range<usize>,
) -> Result<Vec<FeatureStats>, DatasetError> {
    let numbers: Vec<Feature> = features.iter().filter(|f| !is_image(f)).cloned().collect();
    let mut numbers = table::decode_rows(root, path, &numbers, rows.clone())?.into_iter();
    let mut stats = Vec::new();
    for feature in features {
        if let FeatureKind::Image { height, width } = feature.kind {
            let mut histogram = Histogram::default();
            table::each_picture(root, path, feature, rows.clone(), |frame, picture| {
                let rgb = image::decode(picture, width, height);
                histogram.add(&rgb.map_err(|reason| DatasetError::Image {
                    path: path.to_owned(),
                    column: feature.key.clone(),
                    episode,
                    frame,
                    reason,
                })?);
                Ok(())
            })?;
            stats.push(FeatureStats::of_image(&histogram));
        } else {
            stats.extend(numbers.next().as_ref().map(FeatureStats::of_column));
        }
    }
    Ok(stats)
}

fn is_image(feature: &Feature) -> bool {
    matches!(feature.kind, FeatureKind::Image { .. })
}
