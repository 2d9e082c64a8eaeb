//! `jaco-train`: the verbs of `jaco train`.

use indicatif::{ProgressBar, ProgressStyle};
use jaco_api::say::print;
use jaco_cli::helper;
use jaco_cli::{Cli, Verb, exit};
use jaco_train::{blames_input, train};
use std::process::ExitCode;

fn main() -> ExitCode {
    jaco_training::tune_allocator();
    helper::main(exit::FAILED, blames_input, carry_out)
}

fn carry_out(cli: &Cli) -> anyhow::Result<()> {
    let Verb::Train(verb) = &cli.verb else {
        anyhow::bail!("jaco-train knows `train` only; the others are jaco's");
    };
    let template = "{elapsed_precise} [{bar:30}] {pos}/{len} {msg} (eta {eta})";
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(template)?);
    let outcome = train(verb, &bar);
    // Before anything is said, or the bar is drawn over it.
    bar.finish_and_clear();
    print(cli.json, &outcome?)
}
