//! Rows of an episode in memory: checked and compressed as they come. All that is kept of the whole
//! episode is what its statistics need; pictures stay until their row group is on the disk.

use crate::error::DatasetError;
use crate::feature::{FeatureKind, Features, Row, Value};
use crate::image::Histogram;
use crate::picture::Pictures;
use crate::stats::FeatureStats;
use crate::table::StoredColumn;
use std::ops::Range;

/// The rows of the episode that is being recorded.
#[derive(Clone, Debug)]
pub(crate) struct EpisodeRows {
    features: Features,
    /// The rows that are not on the disk yet.
    waiting: Vec<StoredColumn>,
    waiting_bytes: usize,
    /// All rows, without pictures.
    numbers: Vec<StoredColumn>,
    /// One per column; used by images alone.
    histograms: Vec<Histogram>,
    rows: usize,
    on_disk: usize,
}

impl EpisodeRows {
    pub fn new(features: &Features) -> Self {
        Self {
            waiting: empty(features),
            waiting_bytes: 0,
            numbers: empty(features),
            histograms: features.iter().map(|_| Histogram::default()).collect(),
            features: features.clone(),
            rows: 0,
            on_disk: 0,
        }
    }

    /// All rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Numbers of the rows that are not on the disk yet.
    pub fn waiting(&self) -> Range<usize> {
        self.on_disk..self.rows
    }

    /// Bytes of the pictures that are not on the disk yet.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The columns of the rows that are not on the disk yet.
    pub fn waiting_columns(&self) -> &[StoredColumn] {
        &self.waiting
    }

    /// The waiting rows are on the disk now.
    pub fn written(&mut self) {
        self.waiting = empty(&self.features);
        self.waiting_bytes = 0;
        self.on_disk = self.rows;
    }

    /// Takes a row: a value of the right type and size, finite, for every feature and for nothing
    /// else. A row with a fault is not taken at all.
    pub fn push(&mut self, row: Row, pictures: Pictures) -> Result<(), DatasetError> {
        let fault = |key: &str, reason: String| DatasetError::Row {
            row: self.rows,
            key: key.to_owned(),
            reason,
        };
        if let Some(key) = row.0.keys().find(|key| self.features.kind(key).is_none()) {
            return Err(fault(key, "the dataset has no such feature".to_owned()));
        }
        for feature in self.features.iter() {
            let value = row.0.get(&feature.key);
            let value = value.ok_or_else(|| fault(&feature.key, "no value given".to_owned()))?;
            check(value, &feature.kind).map_err(|reason| fault(&feature.key, reason))?;
        }
        let mut images = Vec::new();
        for feature in self.features.iter() {
            let FeatureKind::Image { height, width } = feature.kind else { continue };
            let Some((rgb, jpeg)) = row.0[&feature.key].picture() else { continue };
            let image = pictures.encode(rgb, jpeg, width, height);
            images.push(image.map_err(|e| fault(&feature.key, e))?);
        }
        let mut images = images.into_iter();
        for (i, feature) in self.features.iter().enumerate() {
            let value = &row.0[&feature.key];
            if let Some((rgb, _)) = value.picture() {
                self.histograms[i].add(rgb);
                if let (StoredColumn::Pictures(all), Some(image)) =
                    (&mut self.waiting[i], images.next())
                {
                    self.waiting_bytes += image.len();
                    all.push(image);
                }
            } else {
                self.waiting[i].push(value);
                self.numbers[i].push(value);
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Statistics per column.
    pub fn stats(&self) -> Vec<FeatureStats> {
        let columns = self.numbers.iter().zip(&self.histograms);
        columns
            .map(|(column, histogram)| match column {
                StoredColumn::Pictures(_) => FeatureStats::of_image(histogram),
                numbers => FeatureStats::of_column(numbers),
            })
            .collect()
    }
}

fn empty(features: &Features) -> Vec<StoredColumn> {
    features.iter().map(|feature| StoredColumn::new(&feature.kind)).collect()
}

fn check(value: &Value, kind: &FeatureKind) -> Result<(), String> {
    let length = |found: usize, expected: usize| match found == expected {
        true => Ok(()),
        false => Err(format!("{found} numbers or bytes given, {expected} expected")),
    };
    let finite = |position: Option<usize>| match position {
        None => Ok(()),
        Some(i) => Err(format!("number {i} is not finite")),
    };
    match (value, kind) {
        (Value::Image(rgb) | Value::Picture { rgb, .. }, FeatureKind::Image { height, width }) => {
            length(rgb.len(), *height as usize * *width as usize * 3)
        }
        (Value::F32(values), FeatureKind::Float32 { names }) => {
            length(values.len(), names.len())?;
            finite(values.iter().position(|v| !v.is_finite()))
        }
        (Value::F64(values), FeatureKind::Float64 { names }) => {
            length(values.len(), names.len())?;
            finite(values.iter().position(|v| !v.is_finite()))
        }
        (Value::Bool(_), FeatureKind::Bool) | (Value::I64(_), FeatureKind::Int64) => Ok(()),
        (_, kind) => Err(format!("the feature is of type {}, another was given", kind.dtype())),
    }
}

/// The five default columns of an episode.
pub(crate) fn default_columns(
    fps: f64,
    index: usize,
    from: usize,
    length: usize,
    task_index: i64,
) -> [StoredColumn; 5] {
    default_columns_of(fps, index, from, 0..length, task_index)
}

/// The five default columns of some rows of an episode.
pub(crate) fn default_columns_of(
    fps: f64,
    index: usize,
    from: usize,
    rows: Range<usize>,
    task_index: i64,
) -> [StoredColumn; 5] {
    let timestamp = |i: usize| (i as f64 / fps) as f32;
    let count = |start: usize| rows.clone().map(|i| (start + i) as i64).collect();
    [
        StoredColumn::F32 { dims: 1, values: rows.clone().map(timestamp).collect() },
        StoredColumn::I64(count(0)),
        StoredColumn::I64(vec![index as i64; rows.len()]),
        StoredColumn::I64(count(from)),
        StoredColumn::I64(vec![task_index; rows.len()]),
    ]
}
