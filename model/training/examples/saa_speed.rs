//! How fast alignment goes at several batch sizes, measured one after the other in one process:
//! decoder alone (what the towers see is computed once) and all weights, by the paper's rule and by
//! a margin.
//!
//!     saa_speed DATASET POLICY [STATES [BATCH ...]]
//!
//! Each measurement takes at least STATES states (default 256) after one report's worth of warming
//! up. First of all come single states without what this crate does about speed: a pass for each
//! sequence. Prints one line of JSON for each.

use jaco_core::{ActionUnit, Clock, MonotonicClock};
use jaco_model::decode::decode_features;
use jaco_model::{ActionVocab, DecodeRequest, OpenVla, checkpoint};
use jaco_training::{
    DatasetSource, Deviation, Progress, SaaConfig, StageConfig, Start, TrainConfig, TrainRequest,
    Trainable, train_saa, tune_allocator,
};
use serde_json::json;
use std::env;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use tch::nn::{self, OptimizerConfig};
use tch::{Device, Kind, Tensor, no_grad};

/// Batch sizes where none are given.
const BATCHES: [usize; 5] = [1, 4, 16, 32, 64];

fn main() -> Result<(), Box<dyn Error>> {
    tune_allocator();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [dataset, policy, rest @ ..] = &arguments[..] else {
        return Err("saa_speed DATASET POLICY [STATES [BATCH ...]]".into());
    };
    let numbers = rest.iter().map(|word| word.parse()).collect::<Result<Vec<usize>, _>>()?;
    let (states, batches) = match &numbers[..] {
        [] => (256, &BATCHES[..]),
        [states] => (*states, &BATCHES[..]),
        [states, batches @ ..] => (*states, batches),
    };
    let rate = sequence_by_sequence(Path::new(policy), states.min(64))?;
    println!("{}", json!({"way": "a pass for each sequence", "batch": 1, "states_per_s": rate}));
    let out = env::temp_dir().join(format!("saa_speed-{}", MonotonicClock.now_ns()));
    for trainable in [Trainable::Decoder, Trainable::All] {
        for deviation in [Deviation::Reward, Deviation::Margin] {
            let mut single = None;
            for &batch in batches {
                let rate = measure(dataset, policy, &out, trainable, deviation, batch, states)?;
                let ratio = rate / *single.get_or_insert(rate);
                let line = json!({
                    "trainable": trainable, "deviation": deviation, "batch": batch,
                    "states_per_s": rate, "times_the_first": ratio,
                });
                println!("{line}");
            }
        }
    }
    Ok(())
}

/// States per second.
fn measure(
    dataset: &str,
    policy: &str,
    out: &PathBuf,
    trainable: Trainable,
    deviation: Deviation,
    batch: usize,
    states: usize,
) -> Result<f64, Box<dyn Error>> {
    let steps = states.div_ceil(batch).max(3) as u64;
    let train = TrainConfig {
        trainable,
        batch_size: batch,
        steps: 2 * steps,
        report_every: steps,
        validation_fraction: 0.0,
        save_every: u64::MAX,
        cache: "memory".to_owned(),
        ..SaaConfig::train_defaults()
    };
    let own = SaaConfig {
        deviation,
        explore_units: train.horizon,
        token_jitter_bins: 2.5,
        target_sigma_bins: 2.0,
        ..SaaConfig::default()
    };
    let request = TrainRequest {
        datasets: vec![DatasetSource::new(dataset)],
        start: Start::Checkpoint(policy.into()),
        adapter: None,
        out: out.clone(),
        clock: &MonotonicClock,
    };
    let mut rate = 0.0;
    train_saa(&request, &train, &own, &mut |progress| {
        if let Progress::Report(report) = progress {
            rate = report.states_per_s;
        }
        ControlFlow::Continue(())
    })?;
    std::fs::remove_dir_all(out)?;
    Ok(rate)
}

/// Tokens of a prompt, about as many as those of the datasets.
const PROMPT: i64 = 20;

/// States per second of the plain way: each state alone, the decoder alone trained behind features
/// that are there; the policy explores, then reference and policy see the explored stream and the
/// expert's in a pass each, and the policy the expert's once more for imitation. It is less than the
/// paper's rule needs, which asks about each of the expert's units behind the policy's own prefix.
fn sequence_by_sequence(policy: &Path, states: usize) -> Result<f64, Box<dyn Error>> {
    let config = checkpoint::read_config(policy)?;
    let units = config.action_stream.horizon;
    let threads = TrainConfig::default().threads;
    tch::set_num_threads(i32::try_from(threads)?);
    let (variables, model) = OpenVla::build(&config, Device::Cpu, Kind::Float)?;
    checkpoint::read_weights(policy, &config, &variables)?;
    for (name, tensor) in variables.variables() {
        let _ = tensor.f_set_requires_grad(name.starts_with("language_model."))?;
    }
    let (frozen, reference) = OpenVla::build_frozen(&config, Device::Cpu, Kind::Float)?;
    checkpoint::read_weights(policy, &config, &frozen)?;
    let mut optimiser = nn::AdamW::default().build(&variables, 1e-6)?;
    let vocab = ActionVocab::new(&config);
    let shape = [1, config.patches(), config.text_config.hidden_size];
    let features = Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?;
    let prompt: Vec<i64> = (1..=PROMPT).collect();
    let expert = vec![ActionUnit([100; 7]); units];
    let log_probs = |model: &OpenVla, stream: &[ActionUnit]| -> Result<Tensor, Box<dyn Error>> {
        let stream = vocab.stream_tokens(stream)?;
        let ids = [&prompt[..], &stream].concat();
        let fed = Tensor::f_from_slice(&ids[..ids.len() - 1])?.f_unsqueeze(0)?;
        let logits = model.forward_features(&features, &fed)?.f_squeeze_dim(0)?;
        let count = stream.len() as i64;
        let rows = logits.f_narrow(0, logits.size2()?.0 - count, count)?;
        let tokens = Tensor::f_from_slice(&stream)?.f_unsqueeze(1)?;
        Ok(rows.f_log_softmax(1, Kind::Float)?.f_gather(1, &tokens, false)?)
    };
    let unit = |log_probs: &Tensor| log_probs.f_narrow(0, 0, 8)?.f_sum(Kind::Float);
    let mut begin_ns = 0;
    for state in 0..states + 2 {
        if state == 2 {
            begin_ns = MonotonicClock.now_ns();
        }
        let request = DecodeRequest::greedy(units);
        let explored = decode_features(&model, &config, &features, &[&prompt], &request)?;
        let own = &explored[0].best().units;
        let (theirs_own, theirs_expert) = no_grad(|| -> Result<_, Box<dyn Error>> {
            Ok((log_probs(&reference, own)?, log_probs(&reference, &expert)?))
        })?;
        let (own, preferred) = (log_probs(&model, own)?, log_probs(&model, &expert)?);
        let policy = unit(&preferred)?.f_sub(&unit(&own)?)?;
        let gap = policy.f_sub(&unit(&theirs_expert)?.f_sub(&unit(&theirs_own)?)?)?;
        let preference = gap.f_mul_scalar(0.1)?.f_log_sigmoid()?.f_mul_scalar(-0.9)?;
        let imitation = log_probs(&model, &expert)?.f_mean(Kind::Float)?.f_mul_scalar(-0.1)?;
        optimiser.backward_step(&preference.f_add(&imitation)?);
    }
    Ok(states as f64 / ((MonotonicClock.now_ns() - begin_ns) as f64 / 1e9))
}
