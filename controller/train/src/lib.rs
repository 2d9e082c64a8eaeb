//! `jaco train`: the trainer of `jaco-training` with a progress bar, a recipe file and a clean end
//! on Ctrl-C.
//!
//! `input`, `recipe` and `unread` own what the user gave: datasets, options, hyper-parameters; `attendant`
//! what happens while a training goes on, in the foreground or (`detached`) in the background;
//! `arm` whether it may; `record` and `supervise` how one that goes on is looked at and ended.

mod arm;
mod attendant;
mod detached;
mod error;
mod input;
mod pace;
mod plots;
mod process;
mod recipe;
mod record;
mod supervise;
mod unread;

pub use detached::{Begun, begin, step_back};
pub use error::InputError;
pub use record::Seen;
pub use supervise::stop;

use arm::Arm;
use attendant::{Attendant, Charge};
use indicatif::ProgressBar;
use jaco_cli::shipped;
use jaco_cli::train::{SaaArgs, SaaControl, TrainArgs, TrainVerb};
use jaco_core::MonotonicClock;
use jaco_shell::say::aside;
use jaco_training::{
    Control, DatasetReport, LbcConfig, Progress, SaaConfig, StageConfig, Start, Summary,
    TrainConfig, TrainError, TrainRequest, Trainable, VisionConfig, describe, train_lbc, train_saa,
    train_vision,
};
use recipe::Recipe;
use record::refuse_second;
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;

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

/// Carries out a stage of `jaco train`. On SIGINT or SIGTERM the training state is saved and training
/// ends. It waits while the daemon on `socket` moves an arm, and does not begin beside one that moves.
pub fn train(verb: &TrainVerb, socket: &Path, bar: &ProgressBar) -> anyhow::Result<Outcome> {
    match verb {
        TrainVerb::Vision(args) => {
            carry_out::<VisionConfig>(args, |own| own, socket, bar, train_vision)
        }
        TrainVerb::Lbc(args) => carry_out::<LbcConfig>(args, |own| own, socket, bar, train_lbc),
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
            carry_out::<SaaConfig>(args, chosen, socket, bar, train_saa)
        }
        TrainVerb::Status(_) | TrainVerb::Stop(_) => anyhow::bail!("trains nothing"),
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
    socket: &Path,
    bar: &ProgressBar,
    train: Train<S>,
) -> anyhow::Result<Outcome> {
    let recipe = match &args.recipe {
        None => Recipe::<S>::default(),
        Some(path) => Recipe::read(path)?,
    };
    let (config, own) = (overridden(recipe.train, args), chosen(recipe.own));
    let recipe = Recipe { train: config, own, ..recipe };
    let notes = match &args.recipe {
        None => Vec::new(),
        Some(path) => unread::look(&recipe, path, args.adapter.is_some())?,
    };
    let Recipe { train: config, own, sections, .. } = recipe;
    let datasets = input::datasets(args, sections)?;
    let out = match &args.out {
        Some(out) if !args.dry_run => out.clone(),
        _ => {
            notes.iter().for_each(aside);
            return Ok(Outcome::Described { datasets: describe(&datasets, config.threads)? });
        }
    };
    let start = match (&args.init, args.resume) {
        (_, true) => Start::Resume,
        (Some(folder), false) if has_weights(folder) => Start::Checkpoint(folder.clone()),
        (Some(folder), false) => Start::Fresh { model_dir: folder.clone() },
        (None, false) => Start::Fresh { model_dir: shipped::mini_policy()? },
    };
    let adapter = args.adapter.clone();
    let request = TrainRequest { datasets, start, adapter, out, clock: &MonotonicClock };
    refuse_second(&request.out)?;
    let (arm, unknown) = Arm::follow(socket)?;
    unknown.iter().for_each(aside);
    bar.set_length(config.steps);
    let charge = Charge {
        stage: S::STAGE,
        steps: config.steps,
        out: &request.out,
        detached: args.detached,
        arm,
        clock: &MonotonicClock,
        bar,
    };
    let mut attendant = Attendant::new(charge)?;
    for note in notes {
        // A signal will be seen at the next word.
        let _ = attendant.hear(&Progress::Note(note));
    }
    let end = train(&request, &config, &own, &mut |progress| attendant.hear(progress));
    Ok(Outcome::Trained(Box::new(attendant.ended(end)?)))
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
