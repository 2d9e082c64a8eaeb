//! Adapters in training: fresh or continued, their tensors by name, and how they are saved.
//!
//! A pair is made for every map that is computed. PEFT also makes pairs on the towers' last blocks
//! and pooling, which nothing reads: those never learn anything. Must never run a model.

use crate::config::{ALL_LINEAR, TrainConfig};
use crate::error::TrainError;
use crate::request::{Start, TrainRequest};
use crate::state::Base;
use jaco_model::checkpoint::adapter::{AdapterFolder, OPENVLA_TARGETS, TargetModules};
use jaco_model::checkpoint::{Adapter, AdapterConfig};
use jaco_model::config::OpenVlaConfig;
use jaco_model::statistics::NormStats;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tch::nn::VarStore;
use tch::{Kind, Tensor};

/// Rank where nothing is said: OpenVLA's.
const RANK: i64 = 32;
/// Largest numerator of the scale where nothing is said: OpenVLA's.
const LARGEST_ALPHA: i64 = 16;
/// The map whose weights PEFT saves along with an adapter on it.
const HEAD: &str = "language_model.lm_head";
/// Numbers of each weight that a base is told by.
const COMPARED: i64 = 256;

/// The adapter that `request` asks for, to be trained. With `Start::Resume` it has no values yet.
pub fn start(
    request: &TrainRequest,
    settings: &TrainConfig,
    model: &OpenVlaConfig,
    base: &VarStore,
) -> Result<Adapter, TrainError> {
    let fresh = |config| Adapter::fresh(config, base, model, settings.seed);
    let adapter = match (&request.start, &request.adapter) {
        (Start::Resume, _) => fresh(AdapterConfig::read_in(&request.out)?)?,
        (_, None) => fresh(chosen(settings))?,
        (_, Some(dir)) => {
            let adapter = Adapter::read(dir, model, base)?;
            as_asked(&adapter.config, settings, dir)?;
            adapter
        }
    };
    for (_, tensor) in tensors(&adapter) {
        let _ = tensor.f_set_requires_grad(true)?;
    }
    Ok(adapter)
}

/// Refuses the adapter in `dir` where `settings` ask for another rank, numerator or targets; what
/// they say nothing about is its own.
fn as_asked(own: &AdapterConfig, settings: &TrainConfig, dir: &Path) -> Result<(), TrainError> {
    let targets = |config: &AdapterConfig| {
        match &config.target_modules {
            TargetModules::Suffixes(suffixes) => {
                suffixes.iter().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect()
            }
            TargetModules::Expression(expression) => vec![expression.as_str()],
        }
        .join(", ")
    };
    let asked = chosen(settings);
    for (what, setting, says, found, wanted) in [
        (
            "rank",
            "lora_rank (--lora)",
            settings.lora_rank > 0,
            own.r.to_string(),
            asked.r.to_string(),
        ),
        (
            "alpha",
            "lora_alpha",
            settings.lora_alpha > 0.0,
            own.lora_alpha.to_string(),
            asked.lora_alpha.to_string(),
        ),
        (
            "targets",
            "lora_targets",
            settings.lora_targets != ALL_LINEAR,
            targets(own),
            targets(&asked),
        ),
    ] {
        if says && found != wanted {
            return Err(TrainError::AdapterOther { dir: dir.into(), what, found, wanted, setting });
        }
    }
    Ok(())
}

/// The adapter that settings describe.
fn chosen(settings: &TrainConfig) -> AdapterConfig {
    let rank = if settings.lora_rank > 0 { settings.lora_rank } else { RANK };
    let alpha = match settings.lora_alpha {
        0.0 => rank.min(LARGEST_ALPHA) as f64,
        alpha => alpha,
    };
    let listed: Vec<&str> = settings.lora_targets.split(',').map(str::trim).collect();
    match listed[..] {
        [ALL_LINEAR] => AdapterConfig::new(rank, alpha, &OPENVLA_TARGETS),
        _ => AdapterConfig::new(rank, alpha, &listed),
    }
}

/// The tensors of an adapter by name; they share memory with it.
pub fn tensors(adapter: &Adapter) -> Vec<(String, Tensor)> {
    let pairs = adapter.modules.iter();
    let halves = pairs.flat_map(|(module, pair)| {
        [("lora_A", &pair.a), ("lora_B", &pair.b)]
            .map(|(half, tensor)| (format!("adapter.{module}.{half}"), tensor.shallow_clone()))
    });
    halves.collect()
}

/// What the checkpoint in `dir` with these weights is known by; it must be the one that was `held`
/// before.
pub fn base(dir: &Path, held: Option<&Base>, weights: &VarStore) -> Result<Base, TrainError> {
    let mut number = crc32fast::Hasher::new();
    let sorted: BTreeMap<String, Tensor> = weights.variables().into_iter().collect();
    for (name, weight) in sorted {
        number.update(format!("{name} {:?}", weight.size()).as_bytes());
        let some = weight.f_detach()?.f_flatten(0, -1)?;
        let some = some.f_narrow(0, 0, COMPARED.min(weight.numel() as i64))?;
        // Whatever type they are kept in here.
        let some = some.f_to_kind(Kind::BFloat16)?.f_to_kind(Kind::Float)?;
        for value in Vec::<f32>::try_from(&some)? {
            number.update(&value.to_le_bytes());
        }
    }
    let number = number.finalize();
    if held.is_some_and(|held| held.number != number) {
        return Err(TrainError::OtherBase { dir: dir.to_owned() });
    }
    let dir = dir.canonicalize().map_err(TrainError::io(dir))?;
    Ok(Base { dir, number })
}

/// Numbers of the head, which is saved along with an `adapter` on it.
pub fn head_numbers(adapter: &Adapter, model: &OpenVlaConfig) -> u64 {
    if !adapter.modules.contains_key(HEAD) {
        return 0;
    }
    (model.text_config.vocab_size * model.text_config.hidden_size) as u64
}

/// Writes the adapter as the new folder `dir`, in PEFT's layout.
pub fn save(
    adapter: &Adapter,
    base: &Base,
    weights: &VarStore,
    model: &OpenVlaConfig,
    statistics: &NormStats,
    kind: Kind,
    dir: &Path,
) -> Result<(), TrainError> {
    let head = weights.variables().remove(&format!("{HEAD}.weight"));
    let folder = AdapterFolder {
        base: Some(&base.dir),
        head: head.as_ref().filter(|_| adapter.modules.contains_key(HEAD)).map(|it| (HEAD, it)),
        statistics: Some(statistics),
        stream: Some(&model.action_stream),
    };
    Ok(adapter.save_as(dir, kind, &folder)?)
}
