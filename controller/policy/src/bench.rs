//! `jaco bench policy`: how long the parts of an inference take, and how near decoding comes to
//! what the memory's bandwidth allows.

use crate::decode_request;
use crate::report::{MedianMs, Memory, Report};
use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use jaco_cli::policy::BenchArgs;
use jaco_cli::shipped;
use jaco_core::codec::ACTION_BINS;
use jaco_core::{ACTION_DIMS, Clock};
use jaco_model::bench::{bytes_per_pass, read_bandwidth_bytes_s};
use jaco_model::checkpoint::{self, synth};
use jaco_model::decode::decode;
use jaco_model::openvla::check_device;
use jaco_model::options::{kind, torch_device};
use jaco_model::{DecodeRequest, Decoded, Grammar, OpenVla, OpenVlaConfig, Timings, load_model};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;
use tch::nn::VarStore;
use tch::{Kind, Tensor};

/// Carries out `jaco bench policy`.
pub fn bench(args: &BenchArgs, clock: &dyn Clock, bar: &ProgressBar) -> anyhow::Result<Report> {
    jaco_model::set_threads(i32::from(args.load.threads));
    check_device(torch_device(args.load.device))?;
    // libtorch's own code and first allocations are no part of a checkpoint's memory.
    let _first = Tensor::f_zeros([1], (Kind::Float, torch_device(args.load.device)))?;
    let before_bytes = resident_bytes()?;
    ensure!(
        args.decode.max_entropy.is_none(),
        "--max-entropy: streams of different lengths have no time per unit"
    );
    let subject = Subject::load(args)?;
    let loaded_bytes = resident_bytes()?;
    let request = decode_request(&args.decode, subject.config.action_stream.horizon)?;
    let request = DecodeRequest { clock: Some(clock), ..request };

    let bandwidth = read_bandwidth_bytes_s(torch_device(args.load.device), clock)?;
    for _ in 0..args.warm_up {
        subject.ask(&request)?;
    }
    let warm_bytes = resident_bytes()?;
    bar.set_length(u64::from(args.runs));
    let mut timings = Vec::with_capacity(args.runs as usize);
    let mut last = None;
    for _ in 0..args.runs {
        let decoded = subject.ask(&request)?;
        timings.push(decoded.timings.unwrap_or_default());
        last = Some(decoded);
        bar.inc(1);
    }
    let memory = Memory {
        weight_bytes: subject.weight_bytes(),
        load_rss_bytes: loaded_bytes.saturating_sub(before_bytes),
        growth_over_runs_bytes: resident_bytes()? as i64 - warm_bytes as i64,
    };
    let decoded = last.context("at least one inference is measured")?;
    Ok(subject.report(args, &request, &timings, &decoded, bandwidth, memory))
}

/// What is measured, and on what input.
struct Subject {
    name: String,
    config: OpenVlaConfig,
    variables: VarStore,
    model: OpenVla,
    kind: Kind,
    pixel_values: Tensor,
    prompt: Vec<i64>,
}

impl Subject {
    fn load(args: &BenchArgs) -> anyhow::Result<Self> {
        let device = torch_device(args.load.device);
        let kind = kind(args.load.dtype());
        let (name, config, (variables, model)) = match &args.synth {
            Some(geometry) => synthetic(geometry, args, kind)?,
            None => {
                let folder = match &args.checkpoint {
                    Some(folder) => folder.clone(),
                    None => shipped::mini_policy()?,
                };
                from_folder(&folder, args, kind)?
            }
        };
        let (pixel_values, prompt) = match &args.inputs {
            Some(path) => read_inputs(path, &config)?,
            None => noise(&config, usize::from(args.prompt_tokens))?,
        };
        let pixel_values = pixel_values.f_to_device(device)?.f_to_kind(kind)?;
        Ok(Self { name, config, variables, model, kind, pixel_values, prompt })
    }

    fn ask(&self, request: &DecodeRequest) -> anyhow::Result<Decoded> {
        let prompts = std::slice::from_ref(&self.prompt);
        let mut answers = decode(&self.model, &self.config, &self.pixel_values, prompts, request)?;
        Ok(answers.swap_remove(0))
    }

    fn weight_bytes(&self) -> u64 {
        let bytes = |weight: &Tensor| weight.numel() * weight.kind().elt_size_in_bytes();
        self.variables.variables().values().map(bytes).sum::<usize>() as u64
    }

    fn report(
        &self,
        args: &BenchArgs,
        request: &DecodeRequest,
        timings: &[Timings],
        decoded: &Decoded,
        bandwidth: f64,
        memory: Memory,
    ) -> Report {
        let units = decoded.best().units.len();
        let (chosen, head_rows) = match request.grammar {
            Grammar::Constrained => (ACTION_DIMS * units, i64::from(ACTION_BINS)),
            Grammar::Free => ((ACTION_DIMS + 1) * units, self.config.text_config.vocab_size),
        };
        // The first token comes from the prefill, and nothing is fed after the last one.
        let passes = chosen - 1;
        let prefix = self.config.patches() as usize + self.prompt.len();
        let streams = request.method.streams();
        let positions = prefix + streams * passes / 2;
        let bytes = bytes_per_pass(&self.config, self.kind, positions, streams, head_rows);
        let median_ms = MedianMs::of(timings, units, passes);
        let floor_ms = bytes as f64 / bandwidth * 1e3;
        Report {
            policy: self.name.clone(),
            parameters: self.variables.variables().values().map(Tensor::numel).sum::<usize>()
                as u64,
            device: args.load.device,
            dtype: args.load.dtype(),
            threads: args.load.threads,
            horizon: units,
            decode: request.method.to_string(),
            streams,
            prefix_tokens: prefix,
            runs: args.runs,
            median_ms,
            inference_p95_ms: MedianMs::inference_p95(timings),
            tokens_per_s: (chosen * streams) as f64 / (median_ms.decode * 1e-3),
            bytes_per_pass: bytes,
            bandwidth_gb_s: bandwidth * 1e-9,
            bandwidth_share: floor_ms / median_ms.per_pass,
            memory,
            tokens: decoded.best().tokens.clone(),
        }
    }
}

type Loaded = (String, OpenVlaConfig, (VarStore, OpenVla));

fn synthetic(geometry: &str, args: &BenchArgs, kind: Kind) -> anyhow::Result<Loaded> {
    let mut config = synth::geometry(geometry)?;
    grow_horizon(&mut config, args);
    let (variables, model) = OpenVla::build_frozen(&config, torch_device(args.load.device), kind)?;
    synth::fill(&variables, 0)?;
    Ok((format!("random weights like {geometry}"), config, (variables, model)))
}

fn from_folder(folder: &Path, args: &BenchArgs, kind: Kind) -> anyhow::Result<Loaded> {
    let mut config = checkpoint::read_config(folder)?;
    grow_horizon(&mut config, args);
    let adapter = args.load.adapter.as_deref().map(|adapter| (adapter, args.load.merge));
    let device = torch_device(args.load.device);
    let loaded = load_model(folder, &config, device, kind, adapter)?;
    Ok((folder.display().to_string(), config, loaded))
}

/// Times do not depend on what a policy was trained for.
fn grow_horizon(config: &mut OpenVlaConfig, args: &BenchArgs) {
    let asked = args.decode.horizon.map_or(1, usize::from);
    config.action_stream.horizon = config.action_stream.horizon.max(asked);
}

fn read_inputs(path: &Path, config: &OpenVlaConfig) -> anyhow::Result<(Tensor, Vec<i64>)> {
    let name = path.display();
    let tensors = Tensor::read_safetensors(path)
        .with_context(|| format!("{name}: not readable as safetensors"))?;
    let get = |wanted: &str| {
        let found = tensors.iter().find(|(name, _)| name == wanted).map(|(_, tensor)| tensor);
        found.with_context(|| format!("{name}: there is no tensor {wanted}"))
    };
    let (pixels, ids) = (get("pixel_values")?, get("input_ids")?);
    let size = config.image_size();
    let (found, wanted) = (pixels.size(), [1, 6, size, size]);
    ensure!(
        found == wanted,
        "{name}: pixel_values has {}, wanted {}",
        sizes(&found),
        sizes(&wanted)
    );
    let (shape, kind) = (ids.size(), ids.kind());
    ensure!(
        kind == Kind::Int64 && shape.len() == 2 && shape[0] == 1 && shape[1] > 0,
        "{name}: input_ids must be 64-bit integers of shape [1, T], not of {}",
        sizes(&shape)
    );
    let ids = Vec::<i64>::try_from(ids.f_flatten(0, 1)?)?;
    let vocab = config.text_config.vocab_size;
    let outside = ids.iter().find(|id| !(0..vocab).contains(*id));
    if let Some(outside) = outside {
        bail!("{name}: input_ids holds {outside}, of {vocab} tokens");
    }
    Ok((pixels.shallow_clone(), ids))
}

fn sizes(sizes: &[i64]) -> String {
    let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
    format!("[{}]", sizes.join(", "))
}

/// A picture of noise and a prompt of any words: times do not depend on either.
fn noise(config: &OpenVlaConfig, prompt_tokens: usize) -> anyhow::Result<(Tensor, Vec<i64>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let size = config.image_size();
    let values: Vec<f32> = (0..6 * size * size).map(|_| rng.random_range(-1.0f32..1.0)).collect();
    let words = config.base_vocab() - config.n_action_bins;
    let bos = config.text_config.bos_token_id;
    let prompt = std::iter::once(bos)
        .chain((1..prompt_tokens).map(|_| rng.random_range(0..words)))
        .collect();
    Ok((Tensor::f_from_slice(&values)?.f_reshape([1, 6, size, size])?, prompt))
}

/// Memory of this process that is in RAM \[bytes\].
fn resident_bytes() -> anyhow::Result<u64> {
    let path = "/proc/self/status";
    let status = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kibibytes.with_context(|| format!("no VmRSS in {path}"))? * 1024)
}
