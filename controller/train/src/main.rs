//! `jaco-train`: the verbs of `jaco train`: the stages, and `status` and `stop` of one that goes on.

use indicatif::{ProgressBar, ProgressStyle};
use jaco_api::say::print;
use jaco_cli::helper;
use jaco_cli::train::{SaaArgs, TrainVerb};
use jaco_cli::{Cli, Verb, exit};
use jaco_train::{Begun, Seen, begin, blames_input, step_back, stop, train};
use std::process::ExitCode;

fn main() -> ExitCode {
    jaco_training::tune_allocator();
    helper::main(exit::FAILED, blames_input, carry_out)
}

fn carry_out(cli: &Cli) -> anyhow::Result<()> {
    let Verb::Train(verb) = &cli.verb else {
        anyhow::bail!("jaco-train knows `train` only; the others are jaco's");
    };
    let args = match verb {
        TrainVerb::Lbc(args) | TrainVerb::Vision(args) => args,
        TrainVerb::Saa(SaaArgs { train: args, .. }) => args,
        TrainVerb::Status(args) => return tell(cli, &Seen::look(&args.out)?),
        TrainVerb::Stop(args) => return tell(cli, &stop(&args.out)?),
    };
    if let (true, Some(out)) = (args.detach, &args.out) {
        return match begin(out)? {
            // It has said why, and its code is this one's.
            Begun::Refused { code } => std::process::exit(code.into()),
            begun => print(cli.json, &begun),
        };
    }
    if args.detached {
        step_back();
    }
    let template = "{elapsed_precise} [{bar:30}] {pos}/{len} {msg}";
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(template)?);
    let outcome = train(verb, &cli.socket()?, &bar);
    // Before anything is said, or the bar is drawn over it.
    bar.finish_and_clear();
    print(cli.json, &outcome?)
}

/// Prints how a training is doing; one that went wrong is a failure.
fn tell(cli: &Cli, seen: &Seen) -> anyhow::Result<()> {
    print(cli.json, seen)?;
    anyhow::ensure!(seen.is_well(), "the training did not end as it should");
    Ok(())
}
