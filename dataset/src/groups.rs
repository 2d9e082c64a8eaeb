//! A parquet file in the making, row group by row group. Each group is encoded on its own and put
//! behind those that are there; what the footer must say of them is kept beside, so that the file
//! can be ended, or its end made up, at any time.
//!
//! It knows no file: whoever calls writes the bytes.

use crate::parquet_file::MAGIC;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
    RowGroupMetaData,
};

/// One row group, as bytes for its place in the file.
pub(crate) struct Group {
    /// Its pages.
    pub pages: Vec<u8>,
    /// The footer of a file that has this group alone, right behind [`MAGIC`].
    pub footer: Vec<u8>,
}

impl Group {
    /// The group of a whole file that has one.
    pub fn of_file(mut file: Vec<u8>) -> Result<Self, ParquetError> {
        let cut_off = || ParquetError::General("the row group has no footer".to_owned());
        let end = file.len().checked_sub(2 * MAGIC.len()).ok_or_else(cut_off)?;
        let (_, length) = file[..end + 4].split_last_chunk::<4>().ok_or_else(cut_off)?;
        let begin = end.checked_sub(u32::from_le_bytes(*length) as usize).ok_or_else(cut_off)?;
        let footer = file[begin..end].to_vec();
        file.truncate(begin);
        file.drain(..MAGIC.len().min(begin));
        Ok(Self { pages: file, footer })
    }
}

/// The row groups of a file so far.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    file: Option<FileMetaData>,
    groups: Vec<RowGroupMetaData>,
    end: u64,
}

impl Default for Groups {
    fn default() -> Self {
        Self { file: None, groups: Vec::new(), end: MAGIC.len() as u64 }
    }
}

impl Groups {
    /// Where the next group, or the footer, has its place in the file.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Rows in all groups.
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).sum()
    }

    /// Counts in the group with this footer and `length` bytes of pages, which are at [`Self::end`].
    pub fn add(&mut self, footer: &[u8], length: u64) -> Result<(), ParquetError> {
        let alone = ParquetMetaDataReader::decode_metadata(footer)?;
        let [group] = alone.row_groups() else {
            let reason = format!("{} row groups where one is", alone.num_row_groups());
            return Err(ParquetError::General(reason));
        };
        let by = self.end as i64 - MAGIC.len() as i64;
        self.groups.push(moved(group, by)?);
        self.end += length;
        self.file.get_or_insert_with(|| alone.file_metadata().clone());
        Ok(())
    }

    /// The footer, with its length and the mark of the end, of a file of these groups. `pairs` go
    /// into its metadata.
    pub fn footer(&self, pairs: Vec<KeyValue>) -> Result<Vec<u8>, ParquetError> {
        let none = || ParquetError::General("a file without rows".to_owned());
        let file = self.file.as_ref().ok_or_else(none)?;
        let mut metadata = file.key_value_metadata().cloned().unwrap_or_default();
        metadata.extend(pairs);
        let file = FileMetaData::new(
            file.version(),
            self.rows() as i64,
            file.created_by().map(str::to_owned),
            Some(metadata),
            file.schema_descr_ptr(),
            file.column_orders().cloned(),
        );
        let mut bytes = Vec::new();
        let whole = ParquetMetaData::new(file, self.groups.clone());
        ParquetMetaDataWriter::new(&mut bytes, &whole).finish()?;
        Ok(bytes)
    }
}

/// A group that begins `by` bytes further on. Its number is left out: 16 bits are too few for it,
/// and readers count.
fn moved(group: &RowGroupMetaData, by: i64) -> Result<RowGroupMetaData, ParquetError> {
    let columns = group.columns().iter().map(|column| {
        let dictionary = column.dictionary_page_offset().map(|place| place + by);
        let builder = column.clone().into_builder();
        builder
            .set_data_page_offset(column.data_page_offset() + by)
            .set_dictionary_page_offset(dictionary)
            .build()
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let mut builder = RowGroupMetaData::builder(group.schema_descr_ptr())
        .set_num_rows(group.num_rows())
        .set_total_byte_size(group.total_byte_size())
        .set_column_metadata(columns);
    if let Some(place) = group.file_offset() {
        builder = builder.set_file_offset(place + by);
    }
    builder.build()
}
