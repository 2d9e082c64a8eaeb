//! `jaco-diagnose`: the verbs of `jaco` that look at how things are and were: `log show`, `log
//! list`, `bench servo` and `cameras`. Needs neither a daemon nor libtorch.

mod bench;
mod cameras;
mod records;

use jaco_api::say::{object, print};
use jaco_cli::log::LogVerb;
use jaco_cli::policy::BenchVerb;
use jaco_cli::{Cli, Verb, exit, helper};
use std::process::ExitCode;

fn main() -> ExitCode {
    helper::main(exit::FAILED, |_| None, carry_out)
}

fn carry_out(cli: &Cli) -> anyhow::Result<()> {
    match &cli.verb {
        Verb::Log(LogVerb::Show(args)) => print(cli.json, &records::show(args)?),
        Verb::Log(LogVerb::List(args)) => print(cli.json, &records::list(args)?),
        Verb::Bench(BenchVerb::Servo(args)) => print(cli.json, &bench::servo(args)?),
        Verb::Bench(BenchVerb::Bare(args)) => object(&bench::bare::run(args)),
        Verb::Cameras(verb) => cameras::carry_out(verb, cli),
        _ => anyhow::bail!(
            "jaco-diagnose knows `log show`, `log list`, `bench servo` and `cameras` only; the others \
             are jaco's"
        ),
    }
}
