//! An episode in the making: rows in memory, checked and compressed as they come.
//!
//! Nothing is on the disk before `DatasetWriter::save`, so discarding is dropping the value.

use crate::error::DatasetError;
use crate::feature::{FeatureKind, Features, Row, Value};
use crate::image::{self, Histogram};
use crate::stats::FeatureStats;
use crate::table::StoredColumn;

/// The rows of one episode that is being recorded.
#[derive(Clone, Debug)]
pub struct EpisodeBuffer {
    task: String,
    features: Features,
    columns: Vec<StoredColumn>,
    /// One per column; used by images alone.
    histograms: Vec<Histogram>,
    rows: usize,
}

impl EpisodeBuffer {
    pub(crate) fn new(task: &str, features: &Features) -> Self {
        Self {
            task: task.to_owned(),
            columns: features.iter().map(|f| StoredColumn::new(&f.kind)).collect(),
            histograms: features.iter().map(|_| Histogram::default()).collect(),
            features: features.clone(),
            rows: 0,
        }
    }

    /// The task's text.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Takes a row: a value of the right type and size, finite, for every feature and for nothing
    /// else. A row with a fault is not taken at all. Compresses the images, which costs
    /// about a millisecond for 128x128.
    pub fn push(&mut self, row: Row) -> Result<(), DatasetError> {
        let fault = |key: &str, reason: String| DatasetError::Row {
            row: self.rows,
            key: key.to_owned(),
            reason,
        };
        if let Some(key) = row.0.keys().find(|key| self.features.kind(key).is_none()) {
            return Err(fault(key, "the dataset has no such feature".to_owned()));
        }
        let mut images = Vec::new();
        for (i, feature) in self.features.iter().enumerate() {
            let value = row.0.get(&feature.key);
            let value = value.ok_or_else(|| fault(&feature.key, "no value given".to_owned()))?;
            check(value, &feature.kind).map_err(|reason| fault(&feature.key, reason))?;
            if let (Value::Image(rgb), FeatureKind::Image { height, width }) =
                (value, &feature.kind)
            {
                let png =
                    image::encode(rgb, *width, *height).map_err(|e| fault(&feature.key, e))?;
                self.histograms[i].add(rgb);
                images.push(png);
            }
        }
        let mut images = images.into_iter();
        for (feature, column) in self.features.iter().zip(&mut self.columns) {
            match (column, &row.0[&feature.key]) {
                (StoredColumn::Pictures(column), Value::Image(_)) => column.extend(images.next()),
                (StoredColumn::F32 { values, .. }, Value::F32(v)) => values.extend_from_slice(v),
                (StoredColumn::F64 { values, .. }, Value::F64(v)) => values.extend_from_slice(v),
                (StoredColumn::Bool(values), Value::Bool(v)) => values.push(*v),
                (StoredColumn::I64(values), Value::I64(v)) => values.push(*v),
                _ => unreachable!("checked against the feature's kind above"),
            }
        }
        self.rows += 1;
        Ok(())
    }

    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    pub(crate) fn columns(&self) -> &[StoredColumn] {
        &self.columns
    }

    /// Statistics per column.
    pub(crate) fn stats(&self) -> Vec<FeatureStats> {
        let columns = self.columns.iter().zip(&self.histograms);
        columns
            .map(|(column, histogram)| match column {
                StoredColumn::Pictures(_) => FeatureStats::of_image(histogram),
                numbers => FeatureStats::of_column(numbers),
            })
            .collect()
    }
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
        (Value::Image(rgb), FeatureKind::Image { height, width }) => {
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
    let timestamp = |i: usize| (i as f64 / fps) as f32;
    let count = |start: usize| (start..start + length).map(|i| i as i64).collect();
    [
        StoredColumn::F32 { dims: 1, values: (0..length).map(timestamp).collect() },
        StoredColumn::I64(count(0)),
        StoredColumn::I64(vec![index as i64; length]),
        StoredColumn::I64(count(from)),
        StoredColumn::I64(vec![task_index; length]),
    ]
}
