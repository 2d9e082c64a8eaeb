//! Rows of episodes as parquet: the columns of a data file.
//!
//! Written are, snappy: vectors as `fixed_size_list<float>`, numbers of one dimension as plain
//! columns, images as `struct<bytes: binary, path: string>` with the PNG or JPEG embedded. Read is whatever holds the same: see `numbers.rs`, and here for pictures.

use crate::error::DatasetError;
use crate::feature::{Feature, FeatureKind, Value};
use crate::numbers::{numbers, texts, words};
use crate::parquet_file::{batch, each_batch, encode_batch};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeListArray, Float32Array,
    Float64Array, Int64Array, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use parquet::errors::ParquetError;
use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// A column of an episode as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StoredColumn {
    /// Each picture's PNG or JPEG.
    Pictures(Vec<Vec<u8>>),
    F32 {
        dims: usize,
        values: Vec<f32>,
    },
    F64 {
        dims: usize,
        values: Vec<f64>,
    },
    Bool(Vec<bool>),
    I64(Vec<i64>),
}

impl StoredColumn {
    /// An empty column for a feature of this kind.
    pub fn new(kind: &FeatureKind) -> Self {
        match kind {
            FeatureKind::Image { .. } => StoredColumn::Pictures(Vec::new()),
            FeatureKind::Float32 { names } => {
                StoredColumn::F32 { dims: names.len(), values: Vec::new() }
            }
            FeatureKind::Float64 { names } => {
                StoredColumn::F64 { dims: names.len(), values: Vec::new() }
            }
            FeatureKind::Bool => StoredColumn::Bool(Vec::new()),
            FeatureKind::Int64 => StoredColumn::I64(Vec::new()),
        }
    }

    fn to_array(&self) -> ArrayRef {
        match self {
            StoredColumn::Pictures(images) => {
                let bytes = BinaryArray::from_iter_values(images);
                let path = StringArray::new_null(images.len());
                let columns: Vec<ArrayRef> = vec![Arc::new(bytes), Arc::new(path)];
                Arc::new(StructArray::new(image_fields(), columns, None))
            }
            StoredColumn::F32 { dims, values } => {
                vectors(Arc::new(Float32Array::from(values.clone())), *dims)
            }
            StoredColumn::F64 { dims, values } => {
                vectors(Arc::new(Float64Array::from(values.clone())), *dims)
            }
            StoredColumn::Bool(values) => Arc::new(BooleanArray::from(values.clone())),
            StoredColumn::I64(values) => Arc::new(Int64Array::from(values.clone())),
        }
    }

    /// Takes the value of a row, which is checked to be of the column's type.
    pub fn push(&mut self, value: &Value) {
        match (self, value) {
            (StoredColumn::F32 { values, .. }, Value::F32(v)) => values.extend_from_slice(v),
            (StoredColumn::F64 { values, .. }, Value::F64(v)) => values.extend_from_slice(v),
            (StoredColumn::Bool(values), Value::Bool(v)) => values.push(*v),
            (StoredColumn::I64(values), Value::I64(v)) => values.push(*v),
            _ => unreachable!("checked against the feature's kind"),
        }
    }

    /// Takes more rows; a reason names a row of `array`.
    fn extend(&mut self, array: &ArrayRef, root: &Path) -> Result<(), String> {
        match self {
            StoredColumn::Pictures(all) => all.extend(pictures(array, root)?),
            StoredColumn::F32 { dims, values } => {
                values.extend(numbers(array, *dims)?.into_f32()?);
            }
            StoredColumn::F64 { dims, values } => {
                values.extend(numbers(array, *dims)?.into_f64()?);
            }
            StoredColumn::Bool(values) => values.extend(numbers(array, 1)?.into_bool()?),
            StoredColumn::I64(values) => values.extend(numbers(array, 1)?.into_i64()?),
        }
        Ok(())
    }

    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            StoredColumn::Pictures(images) => images.len(),
            StoredColumn::F32 { dims, values } => values.len() / (*dims).max(1),
            StoredColumn::F64 { dims, values } => values.len() / (*dims).max(1),
            StoredColumn::Bool(values) => values.len(),
            StoredColumn::I64(values) => values.len(),
        }
    }
}

fn image_fields() -> Fields {
    Fields::from(vec![
        Field::new("bytes", DataType::Binary, true),
        Field::new("path", DataType::Utf8, true),
    ])
}

fn vectors(values: ArrayRef, dims: usize) -> ArrayRef {
    if dims == 1 {
        return values;
    }
    let item = Arc::new(Field::new("item", values.data_type().clone(), true));
    Arc::new(FixedSizeListArray::new(item, dims as i32, values, None))
}

/// The pictures of a column: bytes, or `struct<bytes, path>` where a path stands in for bytes
/// that are not embedded.
pub(crate) fn pictures(array: &ArrayRef, root: &Path) -> Result<Vec<Vec<u8>>, String> {
    let (bytes, paths) = match array.data_type() {
        DataType::Struct(_) => {
            let of = array.as_struct();
            (of.column_by_name("bytes").cloned(), of.column_by_name("path").cloned())
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            (Some(array.clone()), None)
        }
        _ => (None, Some(array.clone())),
    };
    let unexpected = || format!("it holds {}, not pictures", words(array));
    let bytes = match bytes.filter(|bytes| bytes.data_type() != &DataType::Null) {
        Some(bytes) => Some(cast(&bytes, &DataType::LargeBinary).map_err(|_| unexpected())?),
        None => None,
    };
    let bytes = bytes.as_ref().map(|bytes| bytes.as_binary::<i64>());
    let paths = match paths.map(|paths| texts(&paths)) {
        Some(Ok(paths)) => paths,
        Some(Err(_)) if bytes.is_none() => return Err(unexpected()),
        _ => vec![None; array.len()],
    };
    (0..array.len())
        .map(|row| match (bytes.filter(|bytes| bytes.is_valid(row)), &paths[row]) {
            (Some(bytes), _) => Ok(bytes.value(row).to_vec()),
            (None, Some(path)) => {
                let found = picture_file(root, path).and_then(|path| fs::read(path).ok());
                found.ok_or_else(|| {
                    format!("the picture of row {row} of it is not embedded, and its file {path} is not in the dataset")
                })
            }
            (None, None) => Err(format!("row {row} of it has no picture (null)")),
        })
        .collect()
}

/// The file of a picture within the dataset. Recorders note paths of their own machine, whose
/// part from `images/` on is the same everywhere.
fn picture_file(root: &Path, path: &str) -> Option<PathBuf> {
    let mut parts: Vec<&str> = Vec::new();
    let path = Path::new(path);
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => return None,
            _ => {}
        }
    }
    let images = parts.iter().rposition(|part| *part == "images").unwrap_or(0);
    let candidates = [(!path.is_absolute()).then_some(0), Some(images)];
    candidates
        .into_iter()
        .flatten()
        .map(|from| root.join(parts[from..].iter().collect::<PathBuf>()))
        .find(|path| path.is_file())
}

/// A data file of one row group.
pub(crate) fn encode_rows(
    features: &[Feature],
    columns: &[&StoredColumn],
) -> Result<Vec<u8>, ParquetError> {
    let named = features.iter().zip(columns).map(|(f, c)| (f.key.clone(), c.to_array())).collect();
    encode_batch(&batch(named)?, None, true)
}

/// The columns of `features` in some rows of a data file of the dataset in `root`.
pub(crate) fn decode_rows(
    root: &Path,
    path: &Path,
    features: &[Feature],
    rows: Range<usize>,
) -> Result<Vec<StoredColumn>, DatasetError> {
    let fault = |column: &str, reason: String| DatasetError::Column {
        path: path.to_owned(),
        column: column.to_owned(),
        reason,
    };
    let length = rows.len();
    let mut columns: Vec<_> = features.iter().map(|f| StoredColumn::new(&f.kind)).collect();
    if features.is_empty() {
        return Ok(columns);
    }
    let keep = |name: &str| features.iter().any(|feature| feature.key == name);
    each_batch(path, keep, Some(rows), |batch| {
        for (feature, column) in features.iter().zip(&mut columns) {
            let array = batch
                .column_by_name(&feature.key)
                .ok_or_else(|| fault(&feature.key, "it is not in the file".to_owned()))?;
            let done = column.len();
            column.extend(array, root).map_err(|reason| {
                let reason = match done {
                    0 => reason,
                    _ => format!("{reason} (counted after {done} others)"),
                };
                fault(&feature.key, reason)
            })?;
        }
        Ok(())
    })?;
    for (feature, column) in features.iter().zip(&columns) {
        if column.len() != length {
            let reason = format!("it has {} rows, {length} expected", column.len());
            return Err(fault(&feature.key, reason));
        }
    }
    Ok(columns)
}

/// Hands the pictures of `feature` in some rows of a data file to `each`, with the number of their
/// row in the range; few of them are in memory at a time.
pub(crate) fn each_picture(
    root: &Path,
    path: &Path,
    feature: &Feature,
    rows: Range<usize>,
    mut each: impl FnMut(usize, &[u8]) -> Result<(), DatasetError>,
) -> Result<(), DatasetError> {
    let mut row = 0;
    let keep = |name: &str| name == feature.key;
    each_batch(path, keep, Some(rows), |batch| {
        let fault = |reason: String| DatasetError::Column {
            path: path.to_owned(),
            column: feature.key.clone(),
            reason,
        };
        let array = batch.column_by_name(&feature.key);
        let array = array.ok_or_else(|| fault("it is not in the file".to_owned()))?;
        for picture in pictures(array, root).map_err(fault)? {
            each(row, &picture)?;
            row += 1;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_picture_s_file_is_found_below_the_dataset_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("images/front/frame-0.png");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, b"x").unwrap();
        let find = |path: &str| picture_file(folder.path(), path);
        assert_eq!(find("images/front/frame-0.png"), Some(file.clone()));
        assert_eq!(find("/home/someone/data/images/front/frame-0.png"), Some(file.clone()));
        assert_eq!(find("images/../images/front/frame-0.png"), None);
        assert_eq!(find("/etc/hostname"), None);
        assert_eq!(find("images/front/frame-1.png"), None);
    }
}
