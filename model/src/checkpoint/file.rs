//! One safetensors file, mapped into memory.
//!
//! Owns the map, the checks of the file's header, and copying a tensor from the map to where it
//! is wanted, giving the pages back behind it. Must never unpickle: a pickled file is recognised
//! and refused.

use crate::error::{FileProblem, ModelError};
use crate::json;
use memmap2::{Advice, Mmap, UncheckedAdvice};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Bytes of the header's length at the beginning of a file.
const LENGTH_BYTES: usize = 8;
/// The format's own limit on the header \[bytes\].
const LONGEST_HEADER: usize = 100_000_000;
/// Bytes in which a file shows that something else stands in its place.
const LOOKED_AT_BYTES: usize = 256;
/// Bytes that are copied before their pages are given back.
const CHUNK_BYTES: usize = 32 << 20;

/// A safetensors file whose header is sound and whose length fits it.
///
/// The file must not be truncated while this lives; checkpoints are replaced by renaming, which
/// leaves the mapped file as it was.
#[derive(Debug)]
pub(crate) struct WeightsFile {
    path: PathBuf,
    map: Mmap,
    tensors: Vec<Stored>,
}

/// One tensor of a file.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Its name.
    pub name: String,
    /// Its element type.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<i64>,
    /// Where its bytes are in the file.
    range: Range<usize>,
}

impl Stored {
    /// Bytes of its values.
    pub fn bytes(&self) -> u64 {
        self.range.len() as u64
    }

    /// How many numbers it has.
    pub fn numbers(&self) -> u64 {
        self.shape.iter().product::<i64>() as u64
    }
}

impl WeightsFile {
    /// Maps the file at `path` and reads its header; nothing else is read.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        json::check_link(path)?;
        let refuse = |problem| ModelError::File { path: path.to_owned(), problem };
        let metadata = std::fs::metadata(path).map_err(ModelError::io(path))?;
        if !metadata.is_file() {
            return Err(refuse(FileProblem::NotAFile));
        }
        if metadata.len() == 0 {
            return Err(refuse(FileProblem::Empty));
        }
        let file = File::open(path).map_err(ModelError::io(path))?;
        // SAFETY: read only; see the type for who must leave the file alone.
        let map = unsafe { Mmap::map(&file) }.map_err(ModelError::io(path))?;
        if let Some(sign) = pickle_sign(&map) {
            return Err(ModelError::Pickle { path: path.to_owned(), sign });
        }
        if let Some(problem) = json::impostor(&map[..map.len().min(LOOKED_AT_BYTES)]) {
            return Err(refuse(problem));
        }
        let tensors = parse(&map, path)?;
        // Advice may be ignored, so a refusal does not matter.
        let _ = map.advise(Advice::Sequential);
        Ok(Self { path: path.to_owned(), map, tensors })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its tensors in the order of their bytes.
    pub fn tensors(&self) -> &[Stored] {
        &self.tensors
    }

    /// The element type of `stored`, if weights can have it.
    pub fn kind(&self, stored: &Stored) -> Result<Kind, ModelError> {
        kind_of(stored.dtype).ok_or_else(|| ModelError::ElementType {
            path: self.path.clone(),
            name: stored.name.clone(),
            found: stored.dtype.to_string(),
        })
    }

    /// Copies `stored` into `target`, which has its shape, any element type and device, and may
    /// be a view that is not contiguous.
    pub fn copy_into(&self, stored: &Stored, target: &Tensor) -> Result<(), ModelError> {
        let kind = self.kind(stored)?;
        let Some((&rows, rest)) = stored.shape.split_first() else {
            return self.copy_bytes(stored.range.clone(), &[], kind, target);
        };
        if stored.range.is_empty() {
            return Ok(());
        }
        let row_bytes = stored.range.len() / rows as usize;
        let chunk_rows = (CHUNK_BYTES / row_bytes).clamp(1, rows as usize);
        let mut shape = vec![0];
        shape.extend(rest);
        for first in (0..rows as usize).step_by(chunk_rows) {
            let count = chunk_rows.min(rows as usize - first);
            let start = stored.range.start + first * row_bytes;
            shape[0] = count as i64;
            let part = target.f_narrow(0, first as i64, count as i64)?;
            self.copy_bytes(start..start + count * row_bytes, &shape, kind, &part)?;
        }
        Ok(())
    }

    /// A copy of `stored` in float32 on `device`.
    pub fn load(&self, stored: &Stored, device: Device) -> Result<Tensor, ModelError> {
        let tensor = Tensor::f_empty(&stored.shape[..], (Kind::Float, device))?;
        self.copy_into(stored, &tensor)?;
        Ok(tensor)
    }

    fn copy_bytes(
        &self,
        range: Range<usize>,
        shape: &[i64],
        kind: Kind,
        target: &Tensor,
    ) -> Result<(), ModelError> {
        let bytes = &self.map[range.clone()];
        let source = if bytes.as_ptr().addr().is_multiple_of(kind.elt_size_in_bytes()) {
            // SAFETY: the bytes are aligned, as many as shape and kind ask for, only read, and
            // outlive `source`.
            unsafe { Tensor::f_from_blob(bytes.as_ptr(), shape, &[], kind, Device::Cpu)? }
        } else {
            Tensor::f_from_data_size(bytes, shape, kind)?
        };
        tch::no_grad(|| target.shallow_clone().f_copy_(&source))?;
        drop(source);
        // SAFETY: the map is of a file and read only: pages given back are read again if needed.
        let _ = unsafe {
            self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len())
        };
        Ok(())
    }
}

/// The libtorch element type of weights stored as `dtype`.
pub(crate) fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::F16 => Some(Kind::Half),
        Dtype::F64 => Some(Kind::Double),
        _ => None,
    }
}

/// What betrays a pickle in a file's first bytes: a zip archive (PyTorch's present form) or a
/// pickle protocol of its own (the form before).
fn pickle_sign(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'P', b'K', 3, 4, ..] => Some("not safetensors but a zip archive with a pickle in it"),
        // The same two bytes may begin a header's length; then the header follows, which is JSON.
        [0x80, 2..=5, ..] if bytes.get(LENGTH_BYTES) != Some(&b'{') => {
            Some("not safetensors but a pickle")
        }
        _ => None,
    }
}

/// What is wrong with a header that is none.
fn header_fault(text: &[u8]) -> &'static str {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Err(_) => "its header is not JSON",
        Ok(_) => {
            "its header is not that of safetensors: each tensor needs dtype, shape and \
             data_offsets that follow on one another and fit its shape"
        }
    }
}

fn parse(bytes: &[u8], path: &Path) -> Result<Vec<Stored>, ModelError> {
    let found = bytes.len() as u64;
    let length = |wanted| ModelError::FileLength { path: path.to_owned(), wanted, found };
    let damaged =
        |problem: &str| ModelError::Safetensors { path: path.to_owned(), problem: problem.into() };
    let first = bytes.first_chunk::<LENGTH_BYTES>().ok_or_else(|| length(LENGTH_BYTES as u64))?;
    let header = u64::from_le_bytes(*first);
    if header > LONGEST_HEADER as u64 {
        return Err(damaged("its first 8 bytes are no header's length"));
    }
    let start = LENGTH_BYTES + header as usize;
    let text = bytes.get(LENGTH_BYTES..start).ok_or_else(|| length(start as u64))?;
    let metadata: Metadata =
        serde_json::from_slice(text).map_err(|_| damaged(header_fault(text)))?;
    let wanted = (start + metadata.data_len()) as u64;
    if wanted != found {
        return Err(length(wanted));
    }
    let mut infos: Vec<_> = metadata.tensors().into_iter().collect();
    infos.sort_by_key(|(_, info)| info.data_offsets);
    Ok(infos
        .into_iter()
        .map(|(name, info)| Stored {
            name,
            dtype: info.dtype,
            shape: info.shape.iter().map(|&size| size as i64).collect(),
            range: start + info.data_offsets.0..start + info.data_offsets.1,
        })
        .collect())
}
