//! `jaco train`: the trainer of `jaco-training` with a progress bar, a recipe file and a clean end
//! on Ctrl-C.
//!
//! `input` and `recipe` own what the user gave: datasets, options, hyper-parameters.

mod error;
mod input;
mod recipe;

pub use error::InputError;

use anyhow::Context;
use indicatif::ProgressBar;
use jaco_cli::shipped;
use jaco_cli::train::{SaaArgs, SaaControl, TrainArgs, TrainVerb};
use jaco_core::MonotonicClock;
use jaco_training::{
    Control, DatasetReport, LbcConfig, Progress, SaaConfig, StageConfig, Start, Summary,
    TrainConfig, TrainError, TrainRequest, Trainable, VisionConfig, describe, train_lbc, train_saa,
    train_vision,
};
use recipe::Recipe;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What `jaco train` did.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// It trained.
    Trained(Box<Summary>),
    /// With `--dry-run` it looked at the datasets.
    Described {
        /// What was found.
        datasets: Vec<DatasetReport>,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Trained(summary) => summary.fmt(f),
            Outcome::Described { datasets } => {
                let texts: Vec<String> = datasets.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join("\n"))
            }
        }
    }
}

/// Whether `error` is about what a user gave or about the machine; none if nobody here knows it.
pub fn blames_input(error: &(dyn Error + 'static)) -> Option<bool> {
    match error.downcast_ref::<InputError>() {
        Some(error) => Some(error.is_unusable_input()),
        None => jaco_training::blames_input(error),
    }
}

/// Carries out `jaco train`. On SIGINT or SIGTERM the training state is saved and training ends.
pub fn train(verb: &TrainVerb, bar: &ProgressBar) -> anyhow::Result<Outcome> {
    match verb {
        TrainVerb::Vision(args) => carry_out::<VisionConfig>(args, |own| own, bar, train_vision),
        TrainVerb::Lbc(args) => carry_out::<LbcConfig>(args, |own| own, bar, train_lbc),
        TrainVerb::Saa(SaaArgs { train: args, control }) => {
            if args.init.is_none() && !args.resume && !args.dry_run {
                return Err(InputError::NoPolicy.into());
            }
            let control = control.map(|control| match control {
                SaaControl::Short => Control::ShortSft,
                SaaControl::Full => Control::FullSft,
            });
            let chosen =
                |own: SaaConfig| SaaConfig { control: control.unwrap_or(own.control), ..own };
            carry_out::<SaaConfig>(args, chosen, bar, train_saa)
        }
    }
}

/// A stage of the trainer.
type Train<S> = fn(
    &TrainRequest,
    &TrainConfig,
    &S,
    &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Summary, TrainError>;

fn carry_out<S: StageConfig>(
    args: &TrainArgs,
    chosen: impl FnOnce(S) -> S,
    bar: &ProgressBar,
    train: Train<S>,
) -> anyhow::Result<Outcome> {
    let Recipe { train: config, own, sections } = match &args.recipe {
        None => Recipe::<S>::default(),
        Some(path) => Recipe::read(path)?,
    };
    let (config, own) = (overridden(config, args), chosen(own));
    let datasets = input::datasets(args, sections)?;
    let out = match &args.out {
        Some(out) if !args.dry_run => out.clone(),
        _ => return Ok(Outcome::Described { datasets: describe(&datasets, config.threads)? }),
    };
    let start = match (&args.init, args.resume) {
        (_, true) => Start::Resume,
        (Some(folder), false) if has_weights(folder) => Start::Checkpoint(folder.clone()),
        (Some(folder), false) => Start::Fresh { model_dir: folder.clone() },
        (None, false) => Start::Fresh { model_dir: shipped::mini_policy()? },
    };
    let adapter = args.adapter.clone();
    let request = TrainRequest { datasets, start, adapter, out, clock: &MonotonicClock };
    let stop = end_on_signals()?;
    bar.set_length(config.steps);
    let mut on_progress = |progress: &Progress| {
        bar.set_position(progress.step());
        match progress {
            Progress::Loading { .. } | Progress::Seeing { .. } | Progress::Step { .. } => {
                bar.set_message(progress.to_string());
            }
            lasting => bar.suspend(|| jaco_api::say::aside(lasting)),
        }
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let summary = train(&request, &config, &own, &mut on_progress)?;
    Ok(Outcome::Trained(Box::new(summary)))
}

/// The recipe's settings with those of the command line in their place.
fn overridden(recipe: TrainConfig, args: &TrainArgs) -> TrainConfig {
    let is_lora = args.lora.is_some() || args.adapter.is_some();
    TrainConfig {
        horizon: args.horizon.map_or(recipe.horizon, usize::from),
        steps: args.steps.unwrap_or(recipe.steps),
        seed: args.seed.unwrap_or(recipe.seed),
        device: args.device.clone().unwrap_or(recipe.device),
        cache: args.cache.clone().unwrap_or(recipe.cache),
        learning_rate: args.lr.unwrap_or(recipe.learning_rate),
        trainable: if is_lora { Trainable::Lora } else { recipe.trainable },
        lora_rank: args.lora.map_or(recipe.lora_rank, i64::from),
        ..recipe
    }
}

fn has_weights(folder: &Path) -> bool {
    ["model.safetensors", "model.safetensors.index.json"]
        .iter()
        .any(|name| folder.join(name).is_file())
}

/// A flag that SIGINT and SIGTERM raise.
fn end_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot catch signals")?;
    }
    Ok(stop)
}
