//! `jaco train`: the trainer of `jaco-model` with a progress bar, a recipe file and a clean end
//! on Ctrl-C.

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use jaco_cli::TrainArgs;
use jaco_cli::shipped;
use jaco_core::MonotonicClock;
use jaco_training::{
    DatasetSource, LbcConfig, Progress, Stage, Start, Summary, TrainRequest, train_lbc,
    train_vision,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The camera whose pictures are trained on.
const CAMERA: &str = "front";

/// Carries out `jaco train`. On SIGINT or SIGTERM the training state is saved and training ends.
pub fn train(stage: Stage, args: &TrainArgs, bar: &ProgressBar) -> anyhow::Result<Summary> {
    let config = recipe(args)?;
    let start = match (&args.init, args.resume) {
        (_, true) => Start::Resume,
        (Some(folder), false) if has_weights(folder) => Start::Checkpoint(folder.clone()),
        (Some(folder), false) => Start::Fresh { model_dir: folder.clone() },
        (None, false) => Start::Fresh { model_dir: shipped::mini_policy()? },
    };
    let request = TrainRequest {
        datasets: args.datasets.iter().map(|text| dataset(text)).collect::<Result<_, _>>()?,
        camera: format!("observation.images.{CAMERA}"),
        start,
        out: args.out.clone(),
        clock: &MonotonicClock,
    };
    let stop = end_on_signals()?;
    bar.set_length(config.steps);
    let mut on_progress = |progress: &Progress| {
        bar.set_position(progress.step());
        match progress {
            Progress::Loading { .. } | Progress::Step { .. } => {
                bar.set_message(progress.to_string());
            }
            lasting => bar.suspend(|| eprintln!("{lasting}")),
        }
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let summary = match stage {
        Stage::Vision => train_vision(&request, &config, &mut on_progress)?,
        Stage::Lbc => train_lbc(&request, &config, &mut on_progress)?,
    };
    Ok(summary)
}

fn recipe(args: &TrainArgs) -> anyhow::Result<LbcConfig> {
    let mut config: LbcConfig = match &args.recipe {
        None => LbcConfig::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the recipe {}", path.display()))?;
            toml::from_str(&text).with_context(|| format!("in the recipe {}", path.display()))?
        }
    };
    config.horizon = usize::from(args.horizon);
    config.steps = args.steps;
    config.seed = args.seed;
    config.device.clone_from(&args.device);
    config.learning_rate = args.lr.unwrap_or(config.learning_rate);
    Ok(config)
}

fn has_weights(folder: &Path) -> bool {
    ["model.safetensors", "model.safetensors.index.json"]
        .iter()
        .any(|name| folder.join(name).is_file())
}

/// `DIR` or `DIR:N`.
fn dataset(text: &str) -> anyhow::Result<DatasetSource> {
    let (root, repeat) = match text.rsplit_once(':') {
        Some((root, repeat)) => {
            let repeat = repeat
                .parse()
                .with_context(|| format!("--dataset {text}: after the colon comes a number"))?;
            (root, repeat)
        }
        None => (text, 1),
    };
    if repeat == 0 {
        bail!("--dataset {text}: a dataset that counts 0 times is not trained on");
    }
    Ok(DatasetSource { root: root.into(), repeat })
}

/// A flag that SIGINT and SIGTERM raise.
fn end_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot catch signals")?;
    }
    Ok(stop)
}
