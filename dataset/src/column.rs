//! What reading gives: the rows of one episode by column.

use crate::error::DatasetError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// One episode's rows, by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// Number of the episode, from 0.
    pub index: usize,
    /// Text of the task of its first row, which is that of all rows in most datasets.
    pub task: String,
    /// Text of each row's task.
    pub tasks: Vec<Arc<str>>,
    /// Time of each row since the episode began \[s\], as the dataset gives it: finite and
    /// increasing.
    pub timestamps_s: Vec<f64>,
    /// Rows.
    pub length: usize,
    /// The columns that were asked for.
    pub columns: BTreeMap<String, Column>,
    pub(crate) root: PathBuf,
}

/// One column of an episode.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Pictures.
    Images(Images),
    /// Vectors of 32-bit floats.
    F32(Vectors<f32>),
    /// Vectors of 64-bit floats.
    F64(Vectors<f64>),
    /// Truth values.
    Bool(Vec<bool>),
    /// Integers.
    I64(Vec<i64>),
}

/// Decoded pictures of one camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// Height \[pixels\].
    pub height: u32,
    /// Width \[pixels\].
    pub width: u32,
    /// Per row `height * width * 3` bytes: rows from the top, red green blue.
    pub frames: Vec<Arc<[u8]>>,
}

/// Vectors of equal length, one per row.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors<T> {
    /// Numbers per row.
    pub dims: usize,
    /// All numbers, row by row.
    pub values: Vec<T>,
}

impl<T> Vectors<T> {
    /// The vector of row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> &[T] {
        &self.values[i * self.dims..(i + 1) * self.dims]
    }

    /// The vectors in order.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, T> {
        self.values.chunks_exact(self.dims)
    }
}

macro_rules! accessor {
    ($name:ident, $variant:ident, $type:ty, $kind:literal, $doc:literal) => {
        #[doc = $doc]
        pub fn $name(&self, key: &str) -> Result<&$type, DatasetError> {
            match self.columns.get(key) {
                Some(Column::$variant(column)) => Ok(column),
                _ => Err(self.absent(key, $kind)),
            }
        }
    };
}

impl Episode {
    accessor!(images, Images, Images, "image", "The pictures of the feature `key`.");
    accessor!(f32s, F32, Vectors<f32>, "float32", "The 32-bit vectors of the feature `key`.");
    accessor!(f64s, F64, Vectors<f64>, "float64", "The 64-bit vectors of the feature `key`.");
    accessor!(bools, Bool, Vec<bool>, "bool", "The truth values of the feature `key`.");
    accessor!(ints, I64, Vec<i64>, "int64", "The integers of the feature `key`.");

    /// The numbers of the feature `key`, whichever type they have: floats of either size, whole
    /// numbers, or truth values as 0 and 1.
    pub fn numbers(&self, key: &str) -> Result<Vectors<f64>, DatasetError> {
        let scalars = |values: Vec<f64>| Vectors { dims: 1, values };
        match self.columns.get(key) {
            Some(Column::F32(Vectors { dims, values })) => {
                Ok(Vectors { dims: *dims, values: values.iter().map(|&v| f64::from(v)).collect() })
            }
            Some(Column::F64(vectors)) => Ok(vectors.clone()),
            Some(Column::Bool(values)) => {
                Ok(scalars(values.iter().map(|&v| f64::from(u8::from(v))).collect()))
            }
            Some(Column::I64(values)) => Ok(scalars(values.iter().map(|&v| v as f64).collect())),
            Some(Column::Images(_)) | None => Err(self.absent(key, "number")),
        }
    }

    fn absent(&self, key: &str, kind: &'static str) -> DatasetError {
        let present = self.columns.keys().cloned().collect::<Vec<_>>().join(", ");
        let (root, key) = (self.root.clone(), key.to_owned());
        DatasetError::NoSuchFeature { root, key, kind, present }
    }
}
