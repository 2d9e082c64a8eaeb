//! The parquet files below `meta/episodes`: one row per episode, with its place, length, tasks,
//! videos and statistics.
//!
//! lerobot reads all of them as one table, so a file that is added must have the columns that
//! those before it have: no more, no less.

use crate::error::DatasetError;
use crate::feature::Feature;
use crate::layout::FilePlace;
use crate::numbers::{numbers, texts, words};
use crate::parquet_file::{batch, each_batch, encode_batch};
use crate::stats::{FeatureStats, QUANTILES, Shape};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, new_null_array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::errors::ParquetError;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// One row of `meta/episodes`, as far as it is there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EpisodeRecord {
    pub index: usize,
    /// Texts of its tasks; empty where the file does not say.
    pub tasks: Vec<String>,
    pub length: Option<usize>,
    pub data: Option<FilePlace>,
    /// The file that this row is in, or is to be in.
    pub meta: FilePlace,
    /// Index of the first row over the whole dataset.
    pub from: Option<usize>,
    /// Per video feature where its frames are.
    pub videos: BTreeMap<String, VideoPlace>,
}

/// Where an episode's frames are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct VideoPlace {
    pub place: FilePlace,
    /// Where in the file the episode begins \[s\].
    pub from_s: Option<f64>,
    /// Where it ends \[s\].
    pub to_s: Option<f64>,
}

impl EpisodeRecord {
    /// The file of this row with the statistics of all columns; with the columns of `template` if
    /// there is one.
    pub fn encode(
        &self,
        features: &[Feature],
        stats: &[FeatureStats],
        template: Option<&Schema>,
    ) -> Result<Vec<u8>, ParquetError> {
        let mut columns = self.columns(features, stats);
        if let Some(template) = template {
            let mut known: BTreeMap<String, ArrayRef> = columns.into_iter().collect();
            let fields = template.fields().iter().map(|field| {
                let array = match known.remove(field.name()) {
                    Some(array) => cast(&array, field.data_type())?,
                    None => new_null_array(field.data_type(), 1),
                };
                Ok((field.name().clone(), array))
            });
            columns = fields.collect::<Result<_, ParquetError>>()?;
        }
        encode_batch(&batch(columns)?, None, false)
    }

    /// What keeps rows from being added to a table of these columns, if anything does.
    pub fn hindrance(features: &[Feature], template: &Schema) -> Option<String> {
        let stats: Vec<FeatureStats> =
            features.iter().map(|feature| FeatureStats::zero(&feature.kind)).collect();
        let row = Self { tasks: vec![String::new()], ..Self::default() };
        let known: BTreeMap<String, ArrayRef> = row.columns(features, &stats).into_iter().collect();
        template.fields().iter().find_map(|field| {
            let fits = match known.get(field.name()) {
                Some(array) => can_cast_types(array.data_type(), field.data_type()),
                None => field.is_nullable(),
            };
            let name = field.name();
            (!fits).then(|| format!("meta/episodes has a column \"{name}\" that cannot be filled"))
        })
    }

    pub fn columns(&self, features: &[Feature], stats: &[FeatureStats]) -> Vec<(String, ArrayRef)> {
        let int = |value: usize| Arc::new(Int64Array::from(vec![value as i64])) as ArrayRef;
        let (from, length) = (self.from.unwrap_or(0), self.length.unwrap_or(0));
        let data = self.data.unwrap_or_default();
        let tasks = list(Arc::new(StringArray::from_iter_values(&self.tasks)), &[self.tasks.len()]);
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("episode_index".into(), int(self.index)),
            ("tasks".into(), tasks),
            ("length".into(), int(length)),
            ("data/chunk_index".into(), int(data.chunk)),
            ("data/file_index".into(), int(data.file)),
            ("dataset_from_index".into(), int(from)),
            ("dataset_to_index".into(), int(from + length)),
        ];
        for (feature, stats) in features.iter().zip(stats) {
            let name = |stat: &str| format!("stats/{}/{stat}", feature.key);
            for (stat, values) in stats.fields() {
                let extreme = matches!(stat, "min" | "max");
                columns.push((name(stat), stat_array(stats.shape, extreme, values)));
            }
            let count = Arc::new(Int64Array::from(vec![stats.count as i64]));
            columns.push((name("count"), list(count, &[1])));
        }
        columns.push(("meta/episodes/chunk_index".into(), int(self.meta.chunk)));
        columns.push(("meta/episodes/file_index".into(), int(self.meta.file)));
        columns
    }

    /// The rows of one file, without their statistics.
    pub fn read_file(path: &Path) -> Result<Vec<Self>, DatasetError> {
        let mut records = Vec::new();
        each_batch(
            path,
            |name| !name.starts_with("stats/"),
            None,
            |batch| {
                let table = Table { path, batch };
                for row in 0..batch.num_rows() {
                    records.push(table.record(row)?);
                }
                Ok(())
            },
        )?;
        Ok(records)
    }

    /// The statistics in one file, by episode and in the order of `features`; `None` for a
    /// feature whose statistics are not all there.
    pub fn read_stats(
        path: &Path,
        features: &[Feature],
    ) -> Result<BTreeMap<usize, Vec<Option<FeatureStats>>>, DatasetError> {
        let mut all = BTreeMap::new();
        let keep = |name: &str| name.starts_with("stats/") || name == "episode_index";
        each_batch(path, keep, None, |batch| {
            let table = Table { path, batch };
            for row in 0..batch.num_rows() {
                let stats = features.iter().map(|feature| table.stats(feature, row)).collect();
                all.insert(table.index(row)?, stats);
            }
            Ok(())
        })?;
        Ok(all)
    }
}

/// A list column of one row; `lengths` are those of the lists inside it.
fn list(values: ArrayRef, lengths: &[usize]) -> ArrayRef {
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    Arc::new(ListArray::new(item, offsets, values, None))
}

fn stat_array(shape: Shape, extreme: bool, values: &[f64]) -> ArrayRef {
    let flat: ArrayRef = match shape {
        Shape::Integer if extreme => {
            Arc::new(Int64Array::from_iter_values(values.iter().map(|&v| v as i64)))
        }
        Shape::Boolean if extreme => {
            Arc::new(BooleanArray::from_iter(values.iter().map(|&v| Some(v != 0.0))))
        }
        _ => Arc::new(Float64Array::from(values.to_vec())),
    };
    if shape == Shape::Image {
        let singles = vec![1; values.len()];
        let columns = list(list(flat, &singles), &singles);
        return list(columns, &[values.len()]);
    }
    list(flat, &[values.len()])
}

/// Typed access to the rows of a file.
struct Table<'a> {
    path: &'a Path,
    batch: &'a RecordBatch,
}

impl Table<'_> {
    fn record(&self, row: usize) -> Result<EpisodeRecord, DatasetError> {
        let index = self.index(row)?;
        let place = |prefix: &str| -> Result<Option<FilePlace>, DatasetError> {
            let chunk = self.count(&format!("{prefix}/chunk_index"), row)?;
            let file = self.count(&format!("{prefix}/file_index"), row)?;
            Ok(chunk.zip(file).map(|(chunk, file)| FilePlace { chunk, file }))
        };
        let from = self.count("dataset_from_index", row)?;
        let to = self.count("dataset_to_index", row)?;
        let spanned = from.zip(to).and_then(|(from, to)| to.checked_sub(from));
        let mut videos = BTreeMap::new();
        for field in self.batch.schema().fields() {
            let key = field.name().strip_prefix("videos/");
            let Some(key) = key.and_then(|key| key.strip_suffix("/file_index")) else { continue };
            if let Some(place) = place(&format!("videos/{key}"))? {
                let from_s = self.number(&format!("videos/{key}/from_timestamp"), row)?;
                let to_s = self.number(&format!("videos/{key}/to_timestamp"), row)?;
                videos.insert(key.to_owned(), VideoPlace { place, from_s, to_s });
            }
        }
        let meta = FilePlace::of(self.path).or(place("meta/episodes")?);
        Ok(EpisodeRecord {
            index,
            tasks: self.tasks(row)?,
            length: self.count("length", row)?.or(spanned),
            data: place("data")?,
            meta: meta.unwrap_or_default(),
            from,
            videos,
        })
    }

    fn fault(&self, column: &str, reason: String) -> DatasetError {
        let (path, column) = (self.path.to_owned(), column.to_owned());
        DatasetError::Column { path, column, reason }
    }

    fn index(&self, row: usize) -> Result<usize, DatasetError> {
        let index = self.count("episode_index", row)?;
        index.ok_or_else(|| self.fault("episode_index", "it is not in the file".to_owned()))
    }

    /// A number of a column that may be missing or null.
    fn number(&self, name: &str, row: usize) -> Result<Option<f64>, DatasetError> {
        match self.batch.column_by_name(name) {
            Some(column) if column.is_valid(row) => {
                let value = numbers(&column.slice(row, 1), 1).and_then(|n| n.into_f64());
                value.map(|v| v.first().copied()).map_err(|reason| self.fault(name, reason))
            }
            _ => Ok(None),
        }
    }

    fn count(&self, name: &str, row: usize) -> Result<Option<usize>, DatasetError> {
        let Some(value) = self.number(name, row)? else { return Ok(None) };
        let whole = value >= 0.0 && value.fract() == 0.0 && value < 9e15;
        let reason = || format!("{value} in row {row} is not a count");
        whole.then_some(Some(value as usize)).ok_or_else(|| self.fault(name, reason()))
    }

    /// A text or a list of texts.
    fn tasks(&self, row: usize) -> Result<Vec<String>, DatasetError> {
        let Some(column) = self.batch.column_by_name("tasks") else { return Ok(Vec::new()) };
        if column.is_null(row) {
            return Ok(Vec::new());
        }
        let of_row = match column.data_type() {
            DataType::List(_) => column.as_list::<i32>().value(row),
            DataType::LargeList(_) => column.as_list::<i64>().value(row),
            DataType::FixedSizeList(..) => column.as_fixed_size_list().value(row),
            _ => column.slice(row, 1),
        };
        let found = texts(&of_row)
            .map_err(|_| self.fault("tasks", format!("it holds {}, not texts", words(column))))?;
        Ok(found.into_iter().flatten().collect())
    }

    fn stats(&self, feature: &Feature, row: usize) -> Option<FeatureStats> {
        let values = |stat: &str, dims: usize| -> Option<Vec<f64>> {
            let column = self.batch.column_by_name(&format!("stats/{}/{stat}", feature.key))?;
            numbers(&column.slice(row, 1), dims).ok()?.into_f64().ok()
        };
        let dims = feature.kind.dims();
        let mut quantiles: [Vec<f64>; 5] = Default::default();
        for (numbers, (name, _)) in quantiles.iter_mut().zip(QUANTILES) {
            *numbers = values(name, dims)?;
        }
        Some(FeatureStats {
            shape: Shape::of(&feature.kind),
            count: *values("count", 1)?.first()? as u64,
            min: values("min", dims)?,
            max: values("max", dims)?,
            mean: values("mean", dims)?,
            std: values("std", dims)?,
            quantiles,
        })
    }
}
