//! The verbs `jaco policy` and `jaco bench`, as declared. `jaco-policy` carries them out: it needs
//! libtorch, but no simulator and no daemon. `bench servo` is `jaco-diagnose`'s, which needs none.

use clap::{Args, Subcommand};
use jaco_core::{Decode, Dtype, View};
use jaco_shell::args::path;
use std::path::PathBuf;

/// What to do with a checkpoint.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Show architecture, sizes, statistics keys and adapter of a checkpoint or adapter folder.
    /// Reads headers only.
    Inspect(InspectArgs),
    /// Show libtorch's version, and the GPUs that it finds.
    Devices,
    /// Ask a policy about one picture, and print the actions that it would take.
    Ask(AskArgs),
    /// Add an adapter into its base's weights, and write the result as a checkpoint.
    Merge(MergeArgs),
    /// Write a checkpoint of random weights of a known geometry, for measurements and tests.
    Synth(SynthArgs),
}

/// Options of `jaco policy inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Folder of a checkpoint, or of an adapter in PEFT's layout.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
}

/// How a checkpoint is brought to memory.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Where the model runs: "cpu" or "cuda:N".
    #[arg(long, default_value = "cpu")]
    pub device: jaco_core::Device,
    /// Element type of the weights [default: f32 on the CPU, bf16 on a GPU].
    #[arg(long)]
    pub dtype: Option<Dtype>,
    /// Threads of one operator on the CPU.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// Folder of an adapter in PEFT's layout, to act on the checkpoint.
    #[arg(long, value_parser = path())]
    pub adapter: Option<PathBuf>,
    /// Add the adapter into the weights when loading, instead of computing it at every token.
    #[arg(long, requires = "adapter")]
    pub merge: bool,
}

impl LoadArgs {
    /// The element type asked for, or the one that suits the device.
    pub fn dtype(&self) -> Dtype {
        self.dtype.unwrap_or_else(|| self.device.default_dtype())
    }
}

/// How streams are decoded.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Action units to decode, each 100 ms of motion [default: the policy's horizon].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=28))]
    pub horizon: Option<u8>,
    /// How tokens are chosen: greedy, top-k:K, top-k:K:TEMPERATURE or beam:WIDTH.
    #[arg(long, default_value = "greedy")]
    pub decode: Decode,
    /// With top-k: streams to draw from the one picture.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub samples: u8,
    /// With top-k: seed of the draws.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Let the policy choose any token instead of only those that the grammar allows, and count
    /// what breaks it.
    #[arg(long)]
    pub free: bool,
    /// Execute the mean over the bins instead of the chosen bin's centre.
    #[arg(long)]
    pub expectation: bool,
    /// End a stream before its first unit of a higher entropy [nats per token].
    #[arg(long, value_name = "NATS", value_parser = super::nats)]
    pub max_entropy: Option<f32>,
}

/// Options of `jaco policy ask`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// Checkpoint folder.
    #[arg(value_parser = path())]
    pub checkpoint: PathBuf,
    /// PNG picture that the policy sees.
    #[arg(long, value_parser = path())]
    pub image: PathBuf,
    /// What to do, in words.
    #[arg(long)]
    pub instruction: String,
    /// Dataset whose statistics decode the actions [default: the only one].
    #[arg(long)]
    pub statistics: Option<String>,
    /// What is done to the picture first, as `view` in jacod's configuration: plain, bridge,
    /// cropped or libero.
    #[arg(long, default_value = "plain")]
    pub view: View,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub load: LoadArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub decode: DecodeArgs,
}

/// Options of `jaco policy merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Checkpoint folder of the base.
    #[arg(value_parser = path())]
    pub checkpoint: PathBuf,
    /// Folder of the adapter, in PEFT's layout.
    #[arg(value_parser = path())]
    pub adapter: PathBuf,
    /// Folder to write; must not exist.
    #[arg(value_parser = path())]
    pub out: PathBuf,
    /// Element type to store.
    #[arg(long, default_value = "bf16")]
    pub dtype: Dtype,
    /// Largest file of weights [GB].
    #[arg(long, default_value_t = 7.0, value_parser = shard_gb)]
    pub max_shard_gb: f64,
}

/// Options of `jaco policy synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// Geometry: openvla-7b, mini, or a config.json (or its folder) of any sizes.
    #[arg(long, value_name = "GEOMETRY")]
    pub like: String,
    /// Folder to write; must not exist.
    #[arg(long, value_parser = path())]
    pub out: PathBuf,
    /// Element type to store.
    #[arg(long, default_value = "bf16")]
    pub dtype: Dtype,
    /// Seed of the weights.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Largest file of weights [GB].
    #[arg(long, default_value_t = 7.0, value_parser = shard_gb)]
    pub max_shard_gb: f64,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum BenchVerb {
    /// Measure a policy: times of its parts, bandwidth, memory.
    Policy(BenchArgs),
    /// Measure how punctual the servo process is, beside a loop that only sleeps, on a simulated
    /// arm of its own. Not on a PC whose jacod has a real arm at that time.
    Servo(ServoBenchArgs),
    /// The loop that only sleeps, as `jaco bench servo` starts it.
    #[command(hide = true)]
    Bare(BareArgs),
}

/// Options of `jaco bench servo`.
#[derive(Debug, Args)]
pub struct ServoBenchArgs {
    /// How long to measure [s]. p99.9 needs a minute or more to mean something.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub seconds: u32,
    /// Keep every core busy meanwhile, with a thread of usual priority each.
    #[arg(long)]
    pub load: bool,
    /// Real-time priority that both ask for.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(i32).range(1..=99))]
    pub priority: i32,
}

/// Options of the loop that only sleeps.
#[derive(Debug, Args)]
pub struct BareArgs {
    /// How long to loop [s].
    #[arg(long)]
    pub seconds: u32,
    /// Real-time priority to ask for.
    #[arg(long)]
    pub priority: i32,
    /// A time at which a tick is due, monotonic [ns]; the others follow from it.
    #[arg(long)]
    pub due_ns: u64,
}

/// Options of `jaco bench policy`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Checkpoint folder [default: the shipped mini policy].
    #[arg(long, conflicts_with = "synth", value_parser = path())]
    pub checkpoint: Option<PathBuf>,
    /// Random weights made in place on the device, of a geometry: openvla-7b, mini, or a
    /// config.json (or its folder) of any sizes.
    #[arg(long, value_name = "GEOMETRY", conflicts_with = "adapter")]
    pub synth: Option<String>,
    /// safetensors file with `pixel_values` [1, 6, S, S] and `input_ids` [1, T]
    /// [default: noise, and a prompt of --prompt-tokens].
    #[arg(long, value_parser = path())]
    pub inputs: Option<PathBuf>,
    /// Tokens in the prompt, without the picture's.
    #[arg(long, default_value_t = 29, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub prompt_tokens: u16,
    /// Inferences before the first that counts: libtorch allocates and picks kernels in them.
    #[arg(long, default_value_t = 3)]
    pub warm_up: u32,
    /// Inferences that are measured.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub load: LoadArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub decode: DecodeArgs,
}

fn shard_gb(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(gb) if gb.is_finite() && gb > 0.0 => Ok(gb),
        _ => Err("must be a positive number of gigabytes".to_owned()),
    }
}
