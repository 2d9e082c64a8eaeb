//! Rows of episodes as parquet: the columns of `data/chunk-xxx/file-yyy.parquet`.
//!
//! Snappy, one row group a file. Vectors are `fixed_size_list<float>`, numbers of one dimension
//! plain columns, images `struct<bytes: binary, path: string>` with the PNG embedded.

use crate::error::{DatasetError, IoContext, ParquetContext};
use crate::feature::{Feature, FeatureKind};
use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, FixedSizeListArray,
    Float32Array, Float64Array, Int64Array, PrimitiveArray, RecordBatch, RecordBatchReader,
    StringArray, StructArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Fields, Float32Type, Float64Type, Int64Type, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A column of an episode as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StoredColumn {
    Png(Vec<Vec<u8>>),
    F32 { dims: usize, values: Vec<f32> },
    F64 { dims: usize, values: Vec<f64> },
    Bool(Vec<bool>),
    I64(Vec<i64>),
}

impl StoredColumn {
    /// An empty column for a feature of this kind.
    pub fn new(kind: &FeatureKind) -> Self {
        match kind {
            FeatureKind::Image { .. } => StoredColumn::Png(Vec::new()),
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
            StoredColumn::Png(images) => {
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

    fn from_array(array: &ArrayRef, kind: &FeatureKind) -> Result<Self, String> {
        Ok(match kind {
            FeatureKind::Image { .. } => {
                let images = array.as_struct_opt().and_then(|s| s.column_by_name("bytes"));
                let images = images.and_then(|bytes| bytes.as_binary_opt::<i32>());
                let images = images.ok_or_else(|| unexpected(array))?;
                if images.null_count() > 0 {
                    return Err("an image is not embedded in the file".to_owned());
                }
                StoredColumn::Png(images.iter().flatten().map(<[u8]>::to_vec).collect())
            }
            FeatureKind::Float32 { names } => {
                let dims = names.len();
                StoredColumn::F32 { dims, values: numbers::<Float32Type>(array, dims)? }
            }
            FeatureKind::Float64 { names } => {
                let dims = names.len();
                StoredColumn::F64 { dims, values: numbers::<Float64Type>(array, dims)? }
            }
            FeatureKind::Int64 => StoredColumn::I64(numbers::<Int64Type>(array, 1)?),
            FeatureKind::Bool => {
                let values = array.as_boolean_opt().ok_or_else(|| unexpected(array))?;
                StoredColumn::Bool(values.iter().map(|value| value.unwrap_or(false)).collect())
            }
        })
    }
}

fn unexpected(array: &ArrayRef) -> String {
    format!("the file holds {}, which does not fit the feature in info.json", array.data_type())
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

/// The numbers of a plain, list or fixed-size-list column, `dims` a row.
fn numbers<T: ArrowPrimitiveType>(array: &ArrayRef, dims: usize) -> Result<Vec<T::Native>, String> {
    let flat: ArrayRef = match array.data_type() {
        DataType::FixedSizeList(..) => array.as_fixed_size_list().values().clone(),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            if list.offsets().lengths().any(|length| length != dims) {
                return Err(format!("not every row has {dims} numbers"));
            }
            let start = list.value_offsets()[0] as usize;
            list.values().slice(start, array.len() * dims)
        }
        _ => array.clone(),
    };
    let flat: &PrimitiveArray<T> = flat.as_primitive_opt().ok_or_else(|| unexpected(array))?;
    if flat.len() != array.len() * dims {
        return Err(format!("{} numbers in {} rows of {dims}", flat.len(), array.len()));
    }
    if flat.null_count() > 0 || array.null_count() > 0 {
        return Err("a value is missing (null)".to_owned());
    }
    Ok(flat.values().to_vec())
}

/// A parquet file of one batch, snappy, one row group.
///
/// `arrow_schema` embeds Arrow's own schema: only with it do readers see fixed-size lists, but
/// where it is, pyarrow overlooks the file's key-value metadata, pandas' among them.
pub(crate) fn encode_batch(
    batch: &RecordBatch,
    metadata: Option<Vec<KeyValue>>,
    arrow_schema: bool,
) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(None)
        // Indices for searching in a file that is always read whole: half of a small file's size.
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_key_value_metadata(metadata)
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(!arrow_schema);
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options)?;
    writer.write(batch)?;
    writer.close()?;
    Ok(bytes)
}

/// A batch of named columns.
pub(crate) fn batch(columns: Vec<(String, ArrayRef)>) -> Result<RecordBatch, ParquetError> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

/// The data file of one episode.
pub(crate) fn encode_rows(
    features: &[Feature],
    columns: &[&StoredColumn],
) -> Result<Vec<u8>, ParquetError> {
    let named = features.iter().zip(columns).map(|(f, c)| (f.key.clone(), c.to_array())).collect();
    encode_batch(&batch(named)?, None, true)
}

/// Some rows of some columns of a parquet file, as one batch.
pub(crate) fn read_batch(
    path: &Path,
    keep: impl Fn(&str) -> bool,
    rows: Option<(usize, usize)>,
) -> Result<RecordBatch, DatasetError> {
    let file = File::open(path).at("read", path)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).in_file(path)?;
    let total = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let (offset, limit) = rows.unwrap_or((0, total));
    let roots = builder.parquet_schema().root_schema().get_fields();
    let wanted: Vec<usize> = (0..roots.len()).filter(|&i| keep(roots[i].name())).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(limit.max(1))
        .with_offset(offset)
        .with_limit(limit)
        .build()
        .in_file(path)?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().in_file(path)?;
    concat_batches(&schema, &batches).in_file(path)
}

/// The columns of `features` in rows `offset..offset + length` of a data file.
pub(crate) fn decode_rows(
    path: &Path,
    features: &[Feature],
    offset: usize,
    length: usize,
) -> Result<Vec<StoredColumn>, DatasetError> {
    let keep = |name: &str| features.iter().any(|feature| feature.key == name);
    let batch = read_batch(path, keep, Some((offset, length)))?;
    let fault = |column: &str, reason: String| DatasetError::Column {
        path: path.to_owned(),
        column: column.to_owned(),
        reason,
    };
    features
        .iter()
        .map(|feature| {
            let array = batch
                .column_by_name(&feature.key)
                .ok_or_else(|| fault(&feature.key, "is not in the file".to_owned()))?;
            if array.len() != length {
                let reason = format!("has {} rows, {length} expected", array.len());
                return Err(fault(&feature.key, reason));
            }
            StoredColumn::from_array(array, &feature.kind).map_err(|e| fault(&feature.key, e))
        })
        .collect()
}

/// Rows of a parquet file, from its footer.
pub(crate) fn count_rows(path: &Path) -> Result<usize, DatasetError> {
    let file = File::open(path).at("read", path)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).in_file(path)?;
    Ok(usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0))
}
