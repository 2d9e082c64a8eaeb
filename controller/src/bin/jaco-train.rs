//! `jaco-train`: the verbs `jaco train lbc` and `jaco train vision`.

use indicatif::{ProgressBar, ProgressStyle};
use jaco_controller::cli::{Cli, TrainVerb, Verb, exit};
use jaco_controller::helper;
use jaco_controller::training::{Stage, train};
use jaco_controller::words::print;
use std::process::ExitCode;

fn main() -> ExitCode {
    jaco_model::train::tune_allocator();
    helper::main(exit::FAILED, carry_out)
}

fn carry_out(cli: &Cli) -> anyhow::Result<()> {
    let (stage, args) = match &cli.verb {
        Verb::Train(TrainVerb::Lbc(args)) => (Stage::Lbc, args),
        Verb::Train(TrainVerb::Vision(args)) => (Stage::Vision, args),
        _ => anyhow::bail!("jaco-train knows `train` only; the others are jaco's"),
    };
    let template = "{elapsed_precise} [{bar:30}] {pos}/{len} {msg} (eta {eta})";
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(template)?);
    let summary = train(stage, args, &bar)?;
    bar.finish_and_clear();
    print(cli.json, &summary)
}
