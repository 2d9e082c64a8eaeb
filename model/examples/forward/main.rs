//! Runs a checkpoint on recorded inputs and writes everything that it computes, under the names of
//! the golden folders in `tests/fixtures`, so that any two implementations can be compared:
//!
//! `forward CHECKPOINT INPUTS.safetensors OUT.safetensors [--adapter DIR]`
//!
//! INPUTS holds `pixel_values` \[1, 6, S, S\], `input_ids` \[1, T\] and, for the batch,
//! `batch_pixel_values`, `batch_input_ids` \[B, L\] and `batch_labels` (-100 = not supervised), of
//! which the first row is a stream of two units.
//! With an adapter only `logits`, `batch_logits` and `batch_loss` are written. Exit code 2: the
//! input cannot be used or OUT not be written, and nothing was written.

mod outputs;

use anyhow::Context;
use outputs::{Outputs, compute};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tch::Tensor;

fn main() -> ExitCode {
    match carry_out() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forward: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn carry_out() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let ([dir, inputs, out], adapter) = match &arguments[..] {
        [dir, inputs, out] => ([dir, inputs, out], None),
        [dir, inputs, out, flag, adapter] if flag.as_os_str() == "--adapter" => {
            ([dir, inputs, out], Some(adapter))
        }
        _ => anyhow::bail!(
            "usage: forward CHECKPOINT INPUTS.safetensors OUT.safetensors [--adapter DIR]"
        ),
    };
    write(&compute(dir, inputs, adapter.map(PathBuf::as_path))?, out)
}

/// OUT is there whole or as it was before.
fn write(outputs: &Outputs, out: &Path) -> anyhow::Result<()> {
    let mut partial = OsString::from(out);
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let tensors: Vec<(&str, Tensor)> = outputs
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), tensor.f_contiguous()?)))
        .collect::<anyhow::Result<_>>()?;
    let written = Tensor::write_safetensors(&tensors, &partial)
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(fs::rename(&partial, out)?));
    if written.is_err() {
        // It may never have come to be; the first error is the one to tell.
        let _absent = fs::remove_file(&partial);
    }
    written.with_context(|| format!("cannot write {}", out.display()))
}
