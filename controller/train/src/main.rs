//! `jaco-train`: the verbs `jaco train lbc` and `jaco train vision`.

use indicatif::{ProgressBar, ProgressStyle};
use jaco_api::say::print;
use jaco_cli::helper;
use jaco_cli::train::TrainVerb;
use jaco_cli::{Cli, Verb, exit};
use jaco_train::{blames_input, train};
use jaco_training::Stage;
use std::process::ExitCode;

fn main() -> ExitCode {
    jaco_training::tune_allocator();
    helper::main(exit::FAILED, blames_input, carry_out)
}

fn carry_out(cli: &Cli) -> anyhow::Result<()> {
    let (stage, args) = match &cli.verb {
        Verb::Train(TrainVerb::Lbc(args)) => (Stage::Lbc, args),
        Verb::Train(TrainVerb::Vision(args)) => (Stage::Vision, args),
        _ => anyhow::bail!("jaco-train knows `train` only; the others are jaco's"),
    };
    let template = "{elapsed_precise} [{bar:30}] {pos}/{len} {msg} (eta {eta})";
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(template)?);
    let outcome = train(stage, args, &bar);
    // Before anything is said, or the bar is drawn over it.
    bar.finish_and_clear();
    print(cli.json, &outcome?)
}
