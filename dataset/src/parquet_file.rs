//! Parquet files as such: opened, read batch by batch, encoded; what is wrong with one, in words.
//!
//! Arrow's own schema in a file is overlooked in reading: what a column holds is asked of its
//! arrays, so that lists and texts of any layout are the same here.

use crate::error::{DatasetError, IoContext};
use crate::json::{LFS_POINTER, LFS_REASON};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 1024;
/// Bytes that are decoded at a time, as far as the footer tells: above 2 GiB of one column the
/// offsets of its values would overflow, and much less is enough.
const BATCH_BYTES: u64 = 256 << 20;
/// The mark at both ends of a parquet file.
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";

type Builder = ParquetRecordBatchReaderBuilder<File>;

fn open(path: &Path) -> Result<Builder, DatasetError> {
    let file = File::open(path).at("read", path)?;
    let length = file.metadata().at("read", path)?.len();
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = guarded(|| Builder::try_new_with_options(file, options));
    let builder = builder.map_err(|e| fault(path, e, None))?;
    match lies_inside(builder.metadata(), length) {
        true => Ok(builder),
        false => Err(fault(path, damaged("a column lies outside of the file"), None)),
    }
}

/// Whether the places that the footer names are in a file of `length` bytes.
fn lies_inside(metadata: &ParquetMetaData, length: u64) -> bool {
    let mut columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    columns.all(|column| {
        let begin = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let end = begin.checked_add(column.compressed_size());
        let inside = |place: i64| u64::try_from(place).is_ok_and(|place| place <= length);
        inside(begin) && column.compressed_size() >= 0 && end.is_some_and(inside)
    })
}

/// The library panics at some damaged files; a panic there is a fault of the file.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(damaged("its pages do not fit")))
}

fn damaged(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_owned())
}

/// Hands the columns that `keep` names to `each`, batch by batch.
pub(crate) fn each_batch(
    path: &Path,
    keep: impl Fn(&str) -> bool,
    rows: Option<Range<usize>>,
    each: impl FnMut(&RecordBatch) -> Result<(), DatasetError>,
) -> Result<(), DatasetError> {
    each_batch_of(BATCH_ROWS, path, keep, rows, each)
}

/// [`each_batch`] with at most `batch_rows` rows at a time. Row groups without a wanted row are not
/// read.
pub(crate) fn each_batch_of<E: From<DatasetError>>(
    batch_rows: usize,
    path: &Path,
    keep: impl Fn(&str) -> bool,
    rows: Option<Range<usize>>,
    mut each: impl FnMut(&RecordBatch) -> Result<(), E>,
) -> Result<(), E> {
    let mut builder = open(path)?;
    let metadata = builder.metadata().clone();
    let roots = builder.parquet_schema().root_schema().get_fields();
    let wanted: Vec<usize> = (0..roots.len()).filter(|&i| keep(roots[i].name())).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    if let Some(rows) = rows {
        let (groups, before) = groups_of(&metadata, &rows);
        let offset = rows.start.saturating_sub(before);
        builder = builder.with_row_groups(groups).with_offset(offset).with_limit(rows.len());
    }
    let batch = most_rows(&metadata, &mask).min(batch_rows);
    let builder = builder.with_projection(mask).with_batch_size(batch);
    let reader = guarded(|| builder.build());
    let mut reader = reader.map_err(|e| fault(path, e, Some(&metadata)))?;
    loop {
        let batch = guarded(|| reader.next().transpose().map_err(ParquetError::from));
        match batch.map_err(|e| fault(path, e, Some(&metadata)))? {
            Some(batch) => each(&batch)?,
            None => return Ok(()),
        }
    }
}

/// Rows to decode at a time, by the row group whose wanted columns are largest.
fn most_rows(metadata: &ParquetMetaData, mask: &ProjectionMask) -> usize {
    let largest = metadata.row_groups().iter().map(|group| {
        let wanted = (0..group.num_columns()).filter(|&leaf| mask.leaf_included(leaf));
        let bytes = wanted.map(|leaf| group.column(leaf).uncompressed_size().max(0) as u64);
        bytes.sum::<u64>().checked_div(group.num_rows().max(0) as u64).unwrap_or(0)
    });
    let of_row = largest.max().unwrap_or(0).max(1);
    usize::try_from(BATCH_BYTES / of_row).map_or(BATCH_ROWS, |rows| rows.clamp(1, BATCH_ROWS))
}

/// The row groups that hold some of `rows`, and how many rows lie before them.
fn groups_of(metadata: &ParquetMetaData, rows: &Range<usize>) -> (Vec<usize>, usize) {
    let (mut groups, mut before, mut begin) = (Vec::new(), 0, 0);
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let end = begin + usize::try_from(group.num_rows()).unwrap_or(0);
        if end > rows.start && begin < rows.end {
            if groups.is_empty() {
                before = begin;
            }
            groups.push(number);
        }
        begin = end;
    }
    (groups, before)
}

/// The columns of a file with their Arrow types.
pub(crate) fn schema(path: &Path) -> Result<SchemaRef, DatasetError> {
    Ok(open(path)?.schema().clone())
}

/// What the file's own metadata say of `key`.
pub(crate) fn key_value(path: &Path, key: &str) -> Result<Option<String>, DatasetError> {
    let builder = open(path)?;
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    Ok(pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == key)?.value.clone()))
}

/// Rows of a parquet file, from its footer.
pub(crate) fn count_rows(path: &Path) -> Result<usize, DatasetError> {
    let rows = open(path)?.metadata().file_metadata().num_rows();
    Ok(usize::try_from(rows).unwrap_or(0))
}

/// A library's error as this package's, with the likeliest cause.
fn fault(path: &Path, error: ParquetError, metadata: Option<&ParquetMetaData>) -> DatasetError {
    if let ParquetError::External(source) = error {
        return match source.downcast::<io::Error>() {
            Ok(source) => {
                DatasetError::Io { action: "read", path: path.to_owned(), source: *source }
            }
            Err(other) => fault(path, ParquetError::General(other.to_string()), metadata),
        };
    }
    let (reason, lost) = match ends(path) {
        Err(source) => return DatasetError::Io { action: "read", path: path.to_owned(), source },
        Ok(Some(reason)) => {
            let lost = reason != LFS_REASON;
            (reason, lost)
        }
        Ok(None) => match metadata.and_then(unsupported_codec) {
            Some(reason) => (reason, false),
            None => ("it is damaged; get the file again".to_owned(), true),
        },
    };
    DatasetError::Parquet { path: path.to_owned(), reason, lost }
}

/// What the two ends of a file that cannot be read tell.
fn ends(path: &Path) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(LFS_POINTER.len() as u64).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(Some("it is empty".to_owned()));
    }
    if head == LFS_POINTER.as_bytes() {
        return Ok(Some(LFS_REASON.to_owned()));
    }
    if !head.starts_with(MAGIC) {
        return Ok(Some("it does not begin as parquet files do".to_owned()));
    }
    let mut tail = Vec::new();
    file.seek(SeekFrom::End(-4))?;
    file.read_to_end(&mut tail)?;
    Ok((tail != MAGIC || head.len() < 12).then(|| {
        "its end is missing: the recording that wrote it was killed, or the copy is not complete"
            .to_owned()
    }))
}

fn unsupported_codec(metadata: &ParquetMetaData) -> Option<String> {
    let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
    let name = columns.map(|column| column.compression()).find_map(|codec| match codec {
        Compression::BROTLI(_) => Some("brotli"),
        Compression::LZO => Some("lzo"),
        _ => None,
    })?;
    Some(format!("it is compressed with {name}; write it anew with snappy, zstd, gzip or lz4"))
}

/// A parquet file of one batch, snappy, one row group. Pictures are stored as they are, for they
/// are compressed already.
///
/// `arrow_schema` embeds Arrow's own schema: only with it do readers see fixed-size lists, but
/// where it is, pyarrow overlooks the file's key-value metadata, pandas' among them.
pub(crate) fn encode_batch(
    batch: &RecordBatch,
    metadata: Option<Vec<KeyValue>>,
    arrow_schema: bool,
) -> Result<Vec<u8>, ParquetError> {
    let mut properties = WriterProperties::builder();
    for field in batch.schema().fields() {
        if let DataType::Struct(parts) = field.data_type()
            && let Some(bytes) = parts.iter().find(|part| part.data_type() == &DataType::Binary)
        {
            let path = ColumnPath::new(vec![field.name().clone(), bytes.name().clone()]);
            properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
        }
    }
    let properties = properties
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

/// Turns an encoding failure into an error that names the file it was for.
pub(crate) fn encoded<T>(result: Result<T, ParquetError>, path: &Path) -> Result<T, DatasetError> {
    result.map_err(|source| DatasetError::Encode { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::array::Int64Array;
    use parquet::file::metadata::ParquetMetaDataReader;

    /// The metadata of a file with `rows` rows of a column of `bytes` bytes.
    fn metadata(rows: i64, bytes: i64) -> ParquetMetaData {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let batch = batch(vec![("picture".to_owned(), values)]).unwrap();
        let file = encode_batch(&batch, None, false).unwrap();
        let length = u32::from_le_bytes(*file[..file.len() - 4].last_chunk().unwrap()) as usize;
        let footer = &file[file.len() - 8 - length..file.len() - 8];
        let one = ParquetMetaDataReader::decode_metadata(footer).unwrap();
        let group = one.row_group(0);
        let column = group.column(0).clone().into_builder();
        let column = column.set_total_uncompressed_size(bytes).build().unwrap();
        let group = group.clone().into_builder().set_num_rows(rows);
        let group = group.set_column_metadata(vec![column]).build().unwrap();
        ParquetMetaData::new(one.file_metadata().clone(), vec![group])
    }

    /// Above 2 GiB the offsets of a batch's values overflowed.
    #[test]
    fn few_large_pictures_are_decoded_at_a_time_and_many_small_ones() {
        let rows = |rows, bytes| most_rows(&metadata(rows, bytes), &ProjectionMask::all());
        assert_eq!(rows(3000, 3000 * 600_000), 447);
        assert_eq!(rows(3000, 3000 * 100), BATCH_ROWS);
        assert_eq!(rows(3, 3 << 30), 1);
        assert_eq!(rows(0, 0), BATCH_ROWS);
    }
}
