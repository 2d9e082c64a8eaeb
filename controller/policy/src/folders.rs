//! `jaco policy inspect`, `merge` and `synth`: checkpoint folders read and written.

use indicatif::ProgressBar;
use jaco_cli::policy::{InspectArgs, MergeArgs, SynthArgs};
use jaco_model::checkpoint::{self, Inspection, synth};
use jaco_model::options::kind;
use jaco_model::{Checkpoint, load_model};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use tch::Device;

/// Carries out `jaco policy inspect`.
pub fn inspect(args: &InspectArgs) -> anyhow::Result<Inspection> {
    Ok(checkpoint::inspect(&args.dir)?)
}

/// What `jaco policy merge` and `synth` print.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// The new folder.
    pub dir: PathBuf,
    /// Bytes of its weights.
    pub weight_bytes: u64,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.weight_bytes as f64 / 1e6;
        write!(f, "{}: {megabytes:.1} MB of weights", self.dir.display())
    }
}

/// Carries out `jaco policy merge`.
pub fn merge(args: &MergeArgs) -> anyhow::Result<Written> {
    let dir = &args.checkpoint;
    let config = checkpoint::read_config_with(dir, Some(&args.adapter))?;
    let statistics = checkpoint::read_statistics(dir, Some(&args.adapter), &config)?;
    let (tokenizer, images) = checkpoint::read_processors(dir, &config)?;
    let kind = kind(args.dtype);
    let adapter = Some((args.adapter.as_path(), true));
    let (variables, _model) = load_model(dir, &config, Device::Cpu, kind, adapter)?;
    let merged = Checkpoint::new(&config, &variables, &tokenizer, &images, &statistics);
    let max_shard_bytes = shard_bytes(args.max_shard_gb);
    Checkpoint { kind, max_shard_bytes, base: Some(dir), ..merged }.save(&args.out)?;
    written(&args.out)
}

/// Carries out `jaco policy synth`.
pub fn synth(args: &SynthArgs, bar: &ProgressBar) -> anyhow::Result<Written> {
    let config = synth::geometry(&args.like)?;
    let (kind, max_shard_bytes) = (kind(args.dtype), shard_bytes(args.max_shard_gb));
    let mut progress = |done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
    };
    synth::write(&config, kind, args.seed, &args.out, max_shard_bytes, &mut progress)?;
    bar.finish_and_clear();
    written(&args.out)
}

fn shard_bytes(gigabytes: f64) -> u64 {
    (gigabytes * 1e9) as u64
}

fn written(dir: &Path) -> anyhow::Result<Written> {
    let weight_bytes = checkpoint::weight_file_bytes(dir)?;
    Ok(Written { dir: dir.to_owned(), weight_bytes })
}
