//! Writing tensors to safetensors files of bounded size.
//!
//! Owns the division into shards, their headers and their index. Values pass through in small
//! pieces, so that little memory is needed. Must never read a checkpoint.

use super::folder;
use super::locate::Index;
use super::shapes::Shapes;
use super::{INDEX_FILE, WEIGHTS_FILE};
use crate::error::ModelError;
use safetensors::Dtype;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, TchError, Tensor};

/// Numbers that are converted and written at once.
const CHUNK_NUMBERS: i64 = 8 << 20;

/// How weights are stored: safetensors' element type, and PyTorch's name of it.
pub(super) fn stored_as(kind: Kind) -> Result<(Dtype, &'static str), TchError> {
    match kind {
        Kind::Float => Ok((Dtype::F32, "float32")),
        Kind::BFloat16 => Ok((Dtype::BF16, "bfloat16")),
        Kind::Half => Ok((Dtype::F16, "float16")),
        other => Err(TchError::Kind(format!("weights are not stored as {other:?}"))),
    }
}

/// Divides tensors of `sizes` bytes, in their order, into shards of at most `max_bytes`; a
/// tensor larger than that has a shard of its own.
pub fn split_into_shards(sizes: &[u64], max_bytes: u64) -> Vec<Range<usize>> {
    let mut shards: Vec<Range<usize>> = Vec::new();
    let mut filled = 0u64;
    for (i, &size) in sizes.iter().enumerate() {
        match shards.last_mut().filter(|_| filled.saturating_add(size) <= max_bytes) {
            Some(shard) => shard.end = i + 1,
            None => {
                shards.push(i..i + 1);
                filled = 0;
            }
        }
        filled = filled.saturating_add(size);
    }
    shards
}

/// Writes tensors of `shapes` into `dir` as `kind`: one file, or shards with an index if they
/// are more than `max_shard_bytes`. For each name, `values` puts the tensor's values into the
/// sink, in order and in as many pieces as it likes.
pub(super) fn write_weights(
    dir: &Path,
    shapes: &Shapes,
    kind: Kind,
    max_shard_bytes: u64,
    values: &mut dyn FnMut(&str, &mut Sink) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let tensors: Vec<(&String, &Vec<i64>)> = shapes.iter().collect();
    let sizes: Vec<u64> = tensors.iter().map(|(_, shape)| bytes_of(shape, kind)).collect();
    let shards = split_into_shards(&sizes, max_shard_bytes);
    let mut weight_map = BTreeMap::new();
    for (i, range) in shards.iter().enumerate() {
        let name = match shards.len() {
            1 => WEIGHTS_FILE.to_owned(),
            count => format!("model-{:05}-of-{count:05}.safetensors", i + 1),
        };
        let shard = &tensors[range.clone()];
        write_file(&dir.join(&name), shard, kind, values)?;
        weight_map.extend(shard.iter().map(|(tensor, _)| ((*tensor).clone(), name.clone())));
    }
    if shards.len() > 1 {
        let total: u64 = sizes.iter().sum();
        let metadata = Map::from_iter([("total_size".to_owned(), Value::from(total))]);
        folder::write_json(&dir.join(INDEX_FILE), &Index { metadata, weight_map })?;
    }
    Ok(())
}

/// Writes one safetensors file and flushes it to disk.
pub(super) fn write_file(
    path: &Path,
    tensors: &[(&String, &Vec<i64>)],
    kind: Kind,
    values: &mut dyn FnMut(&str, &mut Sink) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let header = header(tensors, kind)?;
    let file = File::create(path).map_err(ModelError::io(path))?;
    let mut sink = Sink {
        file: BufWriter::new(file),
        path: path.to_owned(),
        kind,
        buffer: Vec::new(),
        numbers: 0,
    };
    sink.write(&(header.len() as u64).to_le_bytes())?;
    sink.write(&header)?;
    for (name, shape) in tensors {
        sink.numbers = 0;
        values(name, &mut sink)?;
        let wanted: i64 = shape.iter().product();
        if sink.numbers != wanted {
            let found = sink.numbers;
            let problem = format!("{name} has {found} numbers where {shape:?} was announced");
            return Err(TchError::Shape(problem).into());
        }
    }
    let file = sink.file.into_inner().map_err(|e| ModelError::io(path)(e.into_error()))?;
    file.sync_all().map_err(ModelError::io(path))
}

fn bytes_of(shape: &[i64], kind: Kind) -> u64 {
    shape.iter().product::<i64>() as u64 * kind.elt_size_in_bytes() as u64
}

fn header(tensors: &[(&String, &Vec<i64>)], kind: Kind) -> Result<Vec<u8>, TchError> {
    let (dtype, _) = stored_as(kind)?;
    let mut entries = Map::new();
    // Hugging Face's loader refuses files without this entry.
    entries.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut start = 0;
    for (name, shape) in tensors {
        let end = start + bytes_of(shape, kind);
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
        entries.insert((*name).clone(), entry);
        start = end;
    }
    let mut text = Value::Object(entries).to_string().into_bytes();
    // Spaces put the values on a multiple of 8 bytes, so that a mapped file can be used in place.
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok(text)
}

/// Takes the values of one tensor after another.
#[derive(Debug)]
pub(super) struct Sink {
    file: BufWriter<File>,
    path: PathBuf,
    kind: Kind,
    buffer: Vec<u8>,
    numbers: i64,
}

impl Sink {
    /// Appends the values of `values`, of any shape, element type and device.
    pub fn put(&mut self, values: &Tensor) -> Result<(), ModelError> {
        let flat = values.f_detach()?.f_reshape([-1])?;
        let numbers = flat.numel() as i64;
        for first in (0..numbers).step_by(CHUNK_NUMBERS as usize) {
            let part = flat.f_narrow(0, first, CHUNK_NUMBERS.min(numbers - first))?;
            let part = part.f_to_kind(self.kind)?.f_to_device(Device::Cpu)?.f_contiguous()?;
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(part.numel() * self.kind.elt_size_in_bytes(), 0);
            part.f_copy_data_u8(&mut buffer, part.numel())?;
            self.write(&buffer)?;
            self.buffer = buffer;
        }
        self.numbers += numbers;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        self.file.write_all(bytes).map_err(ModelError::io(&self.path))
    }
}
