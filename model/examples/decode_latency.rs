//! Measures how long a policy takes from a frame to H action units, for H = 1, 4, 8 as far as
//! it was trained: `decode_latency [CHECKPOINT [THREADS]]`, by default a new mini policy on
//! one thread. Weights do not matter to the time.

use jaco_core::{ActionStatistics, Frame, MonotonicClock, Task};
use jaco_model::{
    Checkpoint, DecodeRequest, ImageProcessor, NormStats, OpenVla, OpenVlaConfig, Policy,
    PromptTokenizer, Timings,
};
use std::error::Error;
use std::path::{Path, PathBuf};
use tch::{Device, Kind};

const RUNS: usize = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let scratch = tempfile::tempdir()?;
    let checkpoint = match arguments.next() {
        Some(path) => PathBuf::from(path),
        None => new_mini(scratch.path())?,
    };
    jaco_model::set_threads(arguments.next().map_or(Ok(1), |threads| threads.parse())?);
    let policy = Policy::load(&checkpoint, Device::cuda_if_available())?;
    let side = policy.config().image_size() as u32;
    let rgb = (0..side * side * 3).map(|i| (i * 7) as u8).collect();
    let frame = Frame { camera: "still".into(), captured_ns: 0, width: side, height: side, rgb };
    println!("median of {RUNS} [ms]");
    println!(" H   image  vision  prefill  decode   total   worst");
    for horizon in [1, 4, 8].into_iter().filter(|&horizon| horizon <= policy.horizon()) {
        let clock = Some(&MonotonicClock as _);
        let request = DecodeRequest { clock, ..DecodeRequest::greedy(horizon) };
        let mut runs = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let decoded = policy.decode(&frame, Task::PlaceBlock.instruction(), &request)?;
            runs.extend(decoded.timings);
        }
        let median = |part: fn(&Timings) -> u64| {
            let mut values: Vec<u64> = runs.iter().map(part).collect();
            values.sort_unstable();
            (values[values.len() / 2] as f64 * 1e-6, values[values.len() - 1] as f64 * 1e-6)
        };
        let (total, worst) = median(|t| t.image_ns + t.vision_ns + t.prefill_ns + t.decode_ns);
        println!(
            "{horizon:2} {:7.2} {:7.2} {:8.2} {:7.2} {total:7.2} {worst:7.2}",
            median(|t| t.image_ns).0,
            median(|t| t.vision_ns).0,
            median(|t| t.prefill_ns).0,
            median(|t| t.decode_ns).0,
        );
    }
    Ok(())
}

/// A checkpoint of the shipped mini configuration with first weights.
fn new_mini(root: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mini = Path::new(env!("CARGO_MANIFEST_DIR")).join("mini");
    let config = OpenVlaConfig::read(&mini.join("config.json"))?;
    let (variables, _) = OpenVla::init(&config, 0, Device::Cpu)?;
    let quantiles = ActionStatistics { q01: [-0.02; 7], q99: [0.02; 7], mask: [true; 7] };
    let dir = root.join("mini");
    let tokenizer = PromptTokenizer::read(&mini.join("tokenizer.json"), &config)?;
    let images = ImageProcessor::new(config.image_size() as usize);
    let statistics = NormStats::single("still", quantiles);
    let checkpoint = Checkpoint::new(&config, &variables, &tokenizer, &images, &statistics);
    Checkpoint { kind: Kind::BFloat16, ..checkpoint }.save(&dir)?;
    Ok(dir)
}
