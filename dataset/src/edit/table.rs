//! Tables rewritten as they are: every column of an episode's rows, known to this package or not,
//! with the numbers of its place in the dataset put in anew.

use crate::error::DatasetError;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchReader};
use arrow::compute::cast;
use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Rows at a time: pictures of so many are small.
const BATCH_ROWS: usize = 128;
/// Size of a row group in memory from which the next is begun \[bytes\].
const GROUP_BYTES: usize = 64 << 20;

/// A part of a data file as it is to be.
pub(super) struct Rewrite<'a> {
    pub from: &'a Path,
    pub rows: Range<usize>,
    pub to: &'a Path,
    pub episode: usize,
    /// Number of its first row over the whole dataset.
    pub first_row: usize,
    /// Number of each row's task.
    pub tasks: &'a [i64],
    /// Columns that are left out.
    pub without: &'a [String],
    /// Columns whose pictures must be in the table.
    pub pictures: &'a [String],
}

impl Rewrite<'_> {
    /// Writes the file, whose folder is there, and forces it to the disk.
    pub fn carry_out(&self) -> Result<(), DatasetError> {
        self.copy().map_err(|source| DatasetError::Encode { path: self.to.to_owned(), source })
    }

    fn copy(&self) -> Result<(), ParquetError> {
        let builder = open(self.from)?;
        let kept = |name: &str| !self.without.iter().any(|key| key == name);
        let roots = builder.parquet_schema().root_schema().get_fields();
        let wanted: Vec<usize> = (0..roots.len()).filter(|&i| kept(roots[i].name())).collect();
        let mask = parquet::arrow::ProjectionMask::roots(builder.parquet_schema(), wanted);
        let reader = builder
            .with_projection(mask)
            .with_offset(self.rows.start)
            .with_limit(self.rows.len())
            .with_batch_size(BATCH_ROWS)
            .build()?;
        let schema = self.schema(reader.schema());
        let properties = WriterProperties::builder()
            .set_compression(parquet::basic::Compression::SNAPPY)
            .set_dictionary_enabled(false)
            .set_max_row_group_row_count(None)
            .build();
        let file = File::create_new(self.to)?;
        let mut writer = ArrowWriter::try_new(&file, Arc::clone(&schema), Some(properties))?;
        let mut done = 0;
        for batch in reader {
            let batch = batch?;
            writer.write(&self.renumbered(&schema, &batch, done)?)?;
            if writer.in_progress_size() > GROUP_BYTES {
                writer.flush()?;
            }
            done += batch.num_rows();
        }
        writer.close()?;
        if done != self.rows.len() {
            let words = format!("{done} of {} rows were there", self.rows.len());
            return Err(ParquetError::General(words));
        }
        file.sync_all()?;
        Ok(())
    }

    /// Where columns go, what others noted of the features (Hugging Face's `huggingface`) is wrong.
    fn schema(&self, read: SchemaRef) -> SchemaRef {
        match self.without {
            [] => read,
            _ => Arc::new(Schema::new(read.fields().clone())),
        }
    }

    fn renumbered(
        &self,
        schema: &SchemaRef,
        batch: &RecordBatch,
        done: usize,
    ) -> Result<RecordBatch, ParquetError> {
        let rows = done..done + batch.num_rows();
        let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            let numbers: Vec<i64> = match field.name().as_str() {
                "episode_index" => rows.clone().map(|_| self.episode as i64).collect(),
                "index" => rows.clone().map(|row| (self.first_row + row) as i64).collect(),
                "task_index" => self.tasks[rows.clone()].to_vec(),
                name => {
                    if self.pictures.iter().any(|key| key == name) && !embedded(column) {
                        let words = format!(
                            "pictures of \"{name}\" are files of their own, which are not moved"
                        );
                        return Err(ParquetError::General(words));
                    }
                    return Ok(Arc::clone(column));
                }
            };
            let numbers: ArrayRef = Arc::new(Int64Array::from(numbers));
            Ok(cast(&numbers, field.data_type())?)
        });
        let columns = columns.collect::<Result<Vec<_>, ParquetError>>()?;
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

/// Arrow's own schema keeps lists of fixed length; one that is damaged is overlooked.
fn open(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ParquetError> {
    let bare = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)
        .or_else(|_| ParquetRecordBatchReaderBuilder::try_new_with_options(File::open(path)?, bare))
}

/// Whether each picture's bytes are in the table.
fn embedded(column: &ArrayRef) -> bool {
    match column.as_struct_opt() {
        Some(of) => of.column_by_name("bytes").is_some_and(|bytes| bytes.logical_null_count() == 0),
        None => column.logical_null_count() == 0,
    }
}

/// Rows of `meta/episodes` by episode, with all columns that they have.
pub(super) fn listed(
    files: &[std::path::PathBuf],
) -> Result<BTreeMap<usize, RecordBatch>, DatasetError> {
    let mut all = BTreeMap::new();
    for path in files {
        crate::parquet_file::each_batch(
            path,
            |_| true,
            None,
            |batch| {
                let Some(index) = batch.column_by_name("episode_index") else { return Ok(()) };
                let numbers =
                    crate::numbers::numbers(index, 1).and_then(|numbers| numbers.into_i64());
                for (row, index) in numbers.unwrap_or_default().into_iter().enumerate() {
                    all.insert(index as usize, batch.slice(row, 1));
                }
                Ok(())
            },
        )?;
    }
    Ok(all)
}
