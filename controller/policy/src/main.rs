//! `jaco-policy`: the verbs of `jaco` about checkpoints: `policy` and `bench`.

use indicatif::{ProgressBar, ProgressStyle};
use jaco_api::say::print;
use jaco_cli::helper;
use jaco_cli::policy::{BenchVerb, PolicyVerb};
use jaco_cli::{Cli, Verb, exit};
use jaco_core::MonotonicClock;
use jaco_policy::{ask, bench, devices, folders};
use std::process::ExitCode;

fn main() -> ExitCode {
    helper::main(exit::USAGE, jaco_model::blames_input, carry_out)
}

fn carry_out(cli: &Cli) -> anyhow::Result<()> {
    match &cli.verb {
        Verb::Policy(PolicyVerb::Inspect(args)) => print(cli.json, &folders::inspect(args)?),
        Verb::Policy(PolicyVerb::Devices) => print(cli.json, &devices::devices()),
        Verb::Policy(PolicyVerb::Ask(args)) => print(cli.json, &ask::ask(args, &MonotonicClock)?),
        Verb::Policy(PolicyVerb::Merge(args)) => print(cli.json, &folders::merge(args)?),
        Verb::Policy(PolicyVerb::Synth(args)) => {
            let bar = bar("{elapsed_precise} [{bar:40}] {bytes}/{total_bytes} (eta {eta})")?;
            print(cli.json, &folders::synth(args, &bar)?)
        }
        Verb::Bench(BenchVerb::Policy(args)) => {
            let bar = bar("{elapsed_precise} [{bar:40}] {pos}/{len} inferences (eta {eta})")?;
            let report = bench::bench(args, &MonotonicClock, &bar)?;
            bar.finish_and_clear();
            print(cli.json, &report)
        }
        _ => anyhow::bail!(
            "jaco-policy knows `policy` and `bench policy` only; the others are jaco's"
        ),
    }
}

fn bar(template: &str) -> anyhow::Result<ProgressBar> {
    Ok(ProgressBar::new(0).with_style(ProgressStyle::with_template(template)?))
}
