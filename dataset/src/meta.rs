//! The parquet files below `meta/`: one row per episode with its place, length and statistics,
//! and the table of tasks; and the notes kept beside them.
//!
//! Two details decide whether lerobot accepts a dataset: `tasks.parquet` needs pandas' metadata,
//! or task texts come back as numbers; and every `stats/*` column must be there, or lerobot
//! cannot append.

use crate::error::{DatasetError, IoContext, ParquetContext};
use crate::feature::{Feature, FeatureKind};
use crate::info::FilePlace;
use crate::stats::{FeatureStats, QUANTILES, Shape};
use crate::table;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use serde_json::{Map, Value as Json, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the recorder has to say of one episode that the format has no place for: seed, success,
/// source, achieved rate, ... Kept in `meta/jacod/episode-xxxxxx.json`.
pub type EpisodeNotes = Map<String, Json>;

/// Where the notes of episode `index` are.
pub(crate) fn notes_path(root: &Path, index: usize) -> PathBuf {
    root.join(format!("meta/jacod/episode-{index:06}.json"))
}

/// The notes of episode `index`; an episode without a file has none.
pub(crate) fn read_notes(root: &Path, index: usize) -> Result<EpisodeNotes, DatasetError> {
    let path = notes_path(root, index);
    if !path.exists() {
        return Ok(EpisodeNotes::new());
    }
    let bytes = fs::read(&path).at("read", &path)?;
    serde_json::from_slice(&bytes)
        .map_err(|e| DatasetError::Description { path, reason: e.to_string() })
}

/// One row of `meta/episodes`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EpisodeRecord {
    pub index: usize,
    pub task: String,
    pub length: usize,
    pub data: FilePlace,
    pub meta: FilePlace,
    /// Index of the first row over the whole dataset.
    pub from: usize,
    /// In the order of all columns; empty when not read.
    pub stats: Vec<FeatureStats>,
}

impl EpisodeRecord {
    /// The file of this row.
    pub fn encode(&self, features: &[Feature]) -> Result<Vec<u8>, ParquetError> {
        let int = |value: usize| Arc::new(Int64Array::from(vec![value as i64])) as ArrayRef;
        let tasks = list(Arc::new(StringArray::from(vec![self.task.as_str()])), &[1]);
        let mut columns: Vec<(String, ArrayRef)> = vec![
            ("episode_index".into(), int(self.index)),
            ("tasks".into(), tasks),
            ("length".into(), int(self.length)),
            ("data/chunk_index".into(), int(self.data.chunk)),
            ("data/file_index".into(), int(self.data.file)),
            ("dataset_from_index".into(), int(self.from)),
            ("dataset_to_index".into(), int(self.from + self.length)),
        ];
        for (feature, stats) in features.iter().zip(&self.stats) {
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
        table::encode_batch(&table::batch(columns)?, None, false)
    }

    /// The rows of one file; statistics only if `with_stats`.
    pub fn read_file(
        path: &Path,
        features: &[Feature],
        with_stats: bool,
    ) -> Result<Vec<Self>, DatasetError> {
        let keep = |name: &str| with_stats || !name.starts_with("stats/");
        let batch = table::read_batch(path, keep, None)?;
        let rows = Rows { path, batch: &batch };
        (0..batch.num_rows())
            .map(|row| {
                let stats = if with_stats {
                    features.iter().map(|f| rows.stats(f, row)).collect::<Result<_, _>>()?
                } else {
                    Vec::new()
                };
                let place = |prefix: &str| -> Result<FilePlace, DatasetError> {
                    Ok(FilePlace {
                        chunk: rows.int(&format!("{prefix}/chunk_index"), row)?,
                        file: rows.int(&format!("{prefix}/file_index"), row)?,
                    })
                };
                Ok(Self {
                    index: rows.int("episode_index", row)?,
                    task: rows.task(row)?,
                    length: rows.int("length", row)?,
                    data: place("data")?,
                    meta: place("meta/episodes")?,
                    from: rows.int("dataset_from_index", row)?,
                    stats,
                })
            })
            .collect()
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

/// Typed access to the rows of a file of episode metadata.
struct Rows<'a> {
    path: &'a Path,
    batch: &'a RecordBatch,
}

impl Rows<'_> {
    fn column(&self, name: &str) -> Result<&ArrayRef, DatasetError> {
        self.batch.column_by_name(name).ok_or_else(|| self.fault(name, "is not in the file"))
    }

    fn fault(&self, column: &str, reason: &str) -> DatasetError {
        DatasetError::Column {
            path: self.path.to_owned(),
            column: column.to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn int(&self, name: &str, row: usize) -> Result<usize, DatasetError> {
        let column = self.column(name)?.as_primitive_opt::<Int64Type>();
        let value = column.filter(|c| c.is_valid(row)).map(|c| c.value(row));
        value
            .and_then(|value| usize::try_from(value).ok())
            .ok_or_else(|| self.fault(name, "is not a count of type int64"))
    }

    fn task(&self, row: usize) -> Result<String, DatasetError> {
        let tasks = self.column("tasks")?.as_list_opt::<i32>().map(|list| list.value(row));
        match tasks.and_then(|tasks| texts(&tasks)) {
            Some(texts) if texts.len() == 1 => Ok(texts.value(0).to_owned()),
            _ => Err(self.fault("tasks", "does not hold exactly one text per episode")),
        }
    }

    fn numbers(&self, name: &str, row: usize, len: usize) -> Result<Vec<f64>, DatasetError> {
        let mut values = Vec::new();
        let column = self.column(name)?;
        if !flatten(&column.slice(row, 1), &mut values) || values.len() != len {
            return Err(self.fault(name, &format!("does not hold {len} numbers per episode")));
        }
        Ok(values)
    }

    fn stats(&self, feature: &Feature, row: usize) -> Result<FeatureStats, DatasetError> {
        let dims = feature.kind.dims();
        let get = |stat: &str| self.numbers(&format!("stats/{}/{stat}", feature.key), row, dims);
        let count = self.numbers(&format!("stats/{}/count", feature.key), row, 1)?[0];
        let mut quantiles: [Vec<f64>; 5] = Default::default();
        for (values, (name, _)) in quantiles.iter_mut().zip(QUANTILES) {
            *values = get(name)?;
        }
        Ok(FeatureStats {
            shape: match feature.kind {
                FeatureKind::Image { .. } => Shape::Image,
                FeatureKind::Bool => Shape::Boolean,
                FeatureKind::Int64 => Shape::Integer,
                _ => Shape::Vector,
            },
            count: count as u64,
            min: get("min")?,
            max: get("max")?,
            mean: get("mean")?,
            std: get("std")?,
            quantiles,
        })
    }
}

/// A column of text in any of Arrow's layouts: pandas writes `large_string`, others `string`.
fn texts(array: &ArrayRef) -> Option<StringArray> {
    match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            cast(array, &DataType::Utf8).ok()?.as_string_opt::<i32>().cloned()
        }
        _ => None,
    }
}

/// The numbers in lists of any depth; false if there is anything else in them.
fn flatten(array: &ArrayRef, out: &mut Vec<f64>) -> bool {
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            (0..list.len()).all(|i| flatten(&list.value(i), out))
        }
        DataType::Float64 => {
            out.extend(array.as_primitive::<Float64Type>().values());
            true
        }
        DataType::Int64 => {
            out.extend(array.as_primitive::<Int64Type>().values().iter().map(|&v| v as f64));
            true
        }
        DataType::Boolean => {
            let values = array.as_boolean().iter().flatten();
            out.extend(values.map(|v| f64::from(u8::from(v))));
            true
        }
        _ => false,
    }
}

const TASK_TEXT: &str = "__index_level_0__";

/// Where the table of tasks is.
pub(crate) fn tasks_path(root: &Path) -> PathBuf {
    root.join("meta/tasks.parquet")
}

/// The table of tasks, whose row number is the `task_index`.
pub(crate) fn encode_tasks(tasks: &[String]) -> Result<Vec<u8>, ParquetError> {
    let column = |name: Option<&str>, field: &str, pandas: &str, numpy: &str| {
        json!({"name": name, "field_name": field, "pandas_type": pandas, "numpy_type": numpy,
               "metadata": null})
    };
    let pandas = json!({
        "index_columns": [TASK_TEXT],
        "column_indexes": [],
        "columns": [column(Some("task_index"), "task_index", "int64", "int64"),
                    column(None, TASK_TEXT, "unicode", "object")],
        "pandas_version": "2.0.0",
    });
    let indices = Int64Array::from_iter_values(0..tasks.len() as i64);
    let batch = table::batch(vec![
        ("task_index".to_owned(), Arc::new(indices) as ArrayRef),
        (TASK_TEXT.to_owned(), Arc::new(StringArray::from_iter_values(tasks))),
    ])?;
    let metadata = KeyValue::new("pandas".to_owned(), pandas.to_string());
    table::encode_batch(&batch, Some(vec![metadata]), false)
}

/// The texts of the tasks; a dataset without an episode may have no table yet.
pub(crate) fn read_tasks(root: &Path) -> Result<Vec<String>, DatasetError> {
    let path = tasks_path(root);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let batch = table::read_batch(&path, |_| true, None)?;
    let rows = Rows { path: &path, batch: &batch };
    let texts = texts(rows.column(TASK_TEXT)?);
    let texts = texts.ok_or_else(|| rows.fault(TASK_TEXT, "is not text"))?;
    for row in 0..batch.num_rows() {
        if rows.int("task_index", row)? != row {
            return Err(rows.fault("task_index", "does not count up from 0"));
        }
    }
    Ok(texts.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
}

/// Turns an encoding failure into an error that names the file it was for.
pub(crate) fn encoded(
    bytes: Result<Vec<u8>, ParquetError>,
    path: &Path,
) -> Result<Vec<u8>, DatasetError> {
    bytes.in_file(path)
}
