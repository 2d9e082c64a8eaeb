//! `meta/tasks.parquet`: the text of each `task_index`.
//!
//! The texts are the index of a pandas table, which lerobot 0.6 names `task`, 0.4 leaves unnamed,
//! and others write as a plain column. What is found is kept when a task is added. pandas'
//! metadata decide whether lerobot sees texts at all: without them they come back as numbers.

use crate::error::{DatasetError, IoContext};
use crate::numbers::{numbers, texts};
use crate::parquet_file::{batch, each_batch, encode_batch, key_value, schema};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name that pandas gives an index without one.
const UNNAMED: &str = "__index_level_0__";
const INDEX: &str = "task_index";

/// The tasks of a dataset.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    texts: BTreeMap<i64, String>,
    /// The numbers in the order of the rows.
    places: Vec<i64>,
    layout: Layout,
}

/// How the file is laid out.
#[derive(Clone, Debug)]
struct Layout {
    /// The column of the texts.
    text: String,
    /// The type of the numbers.
    index_type: DataType,
    /// The metadata of pandas, if there are any.
    pandas: Option<String>,
    /// Columns that this package does not know.
    others: Vec<String>,
}

impl Default for Tasks {
    fn default() -> Self {
        let column = |name: Option<&str>, field: &str, pandas: &str, numpy: &str| {
            json!({"name": name, "field_name": field, "pandas_type": pandas, "numpy_type": numpy,
                   "metadata": null})
        };
        let pandas = json!({
            "index_columns": [UNNAMED],
            "column_indexes": [],
            "columns": [column(Some(INDEX), INDEX, "int64", "int64"),
                        column(None, UNNAMED, "unicode", "object")],
            "pandas_version": "2.0.0",
        });
        let layout = Layout {
            text: UNNAMED.to_owned(),
            index_type: DataType::Int64,
            pandas: Some(pandas.to_string()),
            others: Vec::new(),
        };
        Self { texts: BTreeMap::new(), places: Vec::new(), layout }
    }
}

impl Tasks {
    /// Where the table is.
    pub fn path(root: &Path) -> PathBuf {
        root.join("meta/tasks.parquet")
    }

    /// Reads the table; a dataset without an episode may have none yet.
    pub fn read(root: &Path) -> Result<Self, DatasetError> {
        let path = Self::path(root);
        match fs::metadata(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            other => other.at("read", &path)?,
        };
        let fault = |column: &str, reason: String| DatasetError::Column {
            path: path.clone(),
            column: column.to_owned(),
            reason,
        };
        let layout = Layout::of(&path)?;
        let (mut found, mut indices) = (Vec::new(), Vec::new());
        let keep = |name: &str| name == layout.text || name == INDEX;
        each_batch(&path, keep, None, |batch| {
            if let Some(column) = batch.column_by_name(&layout.text) {
                found.extend(texts(column).map_err(|reason| fault(&layout.text, reason))?);
            }
            if let Some(column) = batch.column_by_name(INDEX) {
                let numbers = numbers(column, 1).and_then(|numbers| numbers.into_i64());
                indices.extend(numbers.map_err(|reason| fault(INDEX, reason))?);
            }
            Ok(())
        })?;
        if indices.is_empty() {
            indices = (0..found.len() as i64).collect();
        }
        let (mut texts, places) = (BTreeMap::new(), indices.clone());
        for (row, (index, text)) in indices.into_iter().zip(found).enumerate() {
            let text = text.ok_or_else(|| fault(&layout.text, format!("row {row} has no text")))?;
            if let Some(other) = texts.insert(index, text) {
                let reason = format!("row {row} has {index} again, which is \"{other}\" already");
                return Err(fault(INDEX, reason));
            }
        }
        Ok(Self { texts, places, layout })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// All texts, by number.
    pub fn texts(&self) -> Vec<String> {
        self.texts.values().cloned().collect()
    }

    /// The text of a number.
    pub fn text(&self, index: i64) -> Option<&str> {
        self.texts.get(&index).map(String::as_str)
    }

    /// The text in the row of this number, counted from 0, whatever number the row has.
    pub fn in_place(&self, row: i64) -> Option<&str> {
        let number = self.places.get(usize::try_from(row).ok()?)?;
        self.text(*number)
    }

    /// The number of a text.
    pub fn index_of(&self, text: &str) -> Option<i64> {
        self.texts.iter().find(|(_, known)| *known == text).map(|(&index, _)| index)
    }

    /// Gives a new text the next number.
    pub fn add(&mut self, text: &str) -> i64 {
        let index = self.texts.last_key_value().map_or(0, |(&last, _)| last.saturating_add(1));
        self.texts.insert(index, text.to_owned());
        self.places.push(index);
        index
    }

    /// A table of the same layout without a task.
    pub fn emptied(&self) -> Self {
        Self { texts: BTreeMap::new(), places: Vec::new(), layout: self.layout.clone() }
    }

    /// A column of it that this package does not know, if there is one.
    pub fn other_column(&self) -> Option<&str> {
        self.layout.others.first().map(String::as_str)
    }

    /// What keeps this package from writing the table anew, if anything does.
    pub fn hindrance(&self) -> Option<String> {
        // lerobot looks a task up by its place in the table.
        let in_place = self.texts.keys().enumerate().all(|(i, &index)| index == i as i64);
        match self.layout.others.first() {
            Some(other) => Some(format!("meta/tasks.parquet has a column \"{other}\"")),
            None if !in_place => Some("the numbers of its tasks do not count up from 0".to_owned()),
            None => None,
        }
    }

    /// The bytes of the table.
    pub fn encode(&self) -> Result<Vec<u8>, ParquetError> {
        let indices: ArrayRef = Arc::new(Int64Array::from_iter_values(self.texts.keys().copied()));
        let batch = batch(vec![
            (INDEX.to_owned(), cast(&indices, &self.layout.index_type)?),
            (
                self.layout.text.clone(),
                Arc::new(StringArray::from_iter_values(self.texts.values())),
            ),
        ])?;
        let pandas = self.layout.pandas.as_deref().map(|pandas| counted(pandas, self.len()));
        let metadata = pandas.map(|pandas| vec![KeyValue::new("pandas".to_owned(), pandas)]);
        encode_batch(&batch, metadata, false)
    }
}

impl Layout {
    fn of(path: &Path) -> Result<Self, DatasetError> {
        let schema = schema(path)?;
        let is_text = |of: &DataType| {
            matches!(
                of,
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::Utf8View
            )
        };
        let text_columns: Vec<&String> =
            schema.fields().iter().filter(|f| is_text(f.data_type())).map(|f| f.name()).collect();
        let pandas = key_value(path, "pandas")?;
        let told: Option<Json> =
            pandas.as_ref().and_then(|pandas| serde_json::from_str(pandas).ok());
        let told = told.as_ref().and_then(|told| told["index_columns"][0].as_str());
        let named = [told, Some("task"), Some(UNNAMED)].into_iter().flatten();
        let text = named
            .filter_map(|name| text_columns.iter().find(|column| column.as_str() == name))
            .chain(text_columns.first().filter(|_| text_columns.len() == 1))
            .next();
        let text = text.ok_or_else(|| DatasetError::Column {
            path: path.to_owned(),
            column: "task".to_owned(),
            reason: match text_columns.len() {
                0 => "the table has no column of text".to_owned(),
                n => format!("the table has {n} columns of text and none of this name"),
            },
        })?;
        let index_type = schema.field_with_name(INDEX).map(|field| field.data_type().clone());
        let others = schema.fields().iter().map(|field| field.name());
        Ok(Self {
            text: (*text).clone(),
            index_type: index_type.unwrap_or(DataType::Int64),
            pandas,
            others: others.filter(|name| *name != *text && *name != INDEX).cloned().collect(),
        })
    }
}

/// pandas' metadata for a table of `rows` rows: an index that only counts says how far.
fn counted(pandas: &str, rows: usize) -> String {
    let Ok(mut told) = serde_json::from_str::<Json>(pandas) else { return pandas.to_owned() };
    let index = told.get_mut("index_columns").and_then(|columns| columns.get_mut(0));
    if let Some(Json::Object(range)) = index
        && range.contains_key("stop")
    {
        range.insert("stop".to_owned(), json!(rows));
        return told.to_string();
    }
    pandas.to_owned()
}
