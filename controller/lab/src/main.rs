//! `jaco-lab`: the verbs of `jaco` that simulate: `record --sim`, `eval --sim` and `eval table`.

use indicatif::{ProgressBar, ProgressStyle};
use jaco_api::say::print;
use jaco_cli::helper;
use jaco_cli::{Cli, EvalArgs, EvalVerb, Verb, exit};
use jaco_lab::worker::{self, WORKER, Work};
use jaco_lab::{eval, record, table};
use jaco_shell::say::{aside, in_full};
use std::ffi::OsString;
use std::num::NonZero;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    // Another process of this program has started it, and gives orders on standard input.
    if words == [WORKER, eval::Stage::NAME] {
        work(worker::serve::<eval::Stage>)
    } else if words == [WORKER, record::Stage::NAME] {
        work(worker::serve::<record::Stage>)
    } else {
        helper::main(exit::FAILED, jaco_model::blames_input, carry_out)
    }
}

fn work(serve: fn() -> anyhow::Result<()>) -> ExitCode {
    // Every worker has a core of its own; libtorch must not take the others' as well.
    jaco_model::set_threads(1);
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            aside(in_full(&error));
            ExitCode::FAILURE
        }
    }
}

fn carry_out(cli: &Cli) -> anyhow::Result<()> {
    let bar = progress_bar()?;
    match &cli.verb {
        Verb::Record(args) => {
            let recorded = record::record(&args.in_lockstep()?, jobs(args.lockstep.jobs), &bar)?;
            bar.finish_and_clear();
            print(cli.json, &recorded)
        }
        Verb::Eval(EvalArgs { verb: Some(EvalVerb::Table(args)), .. }) => {
            let made = table::table(args, jobs(args.jobs), &bar)?;
            bar.finish_and_clear();
            print(cli.json, &made)
        }
        Verb::Eval(args) => {
            let result = eval::evaluate(args, jobs(args.jobs), &bar)?;
            bar.finish_and_clear();
            print(cli.json, &result)
        }
        _ => anyhow::bail!("jaco-lab knows `record` and `eval` only; the others are jaco's"),
    }
}

fn jobs(wanted: Option<u16>) -> usize {
    wanted.map_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get), usize::from)
}

fn progress_bar() -> anyhow::Result<ProgressBar> {
    let template = "{elapsed_precise} {prefix} [{bar:40}] {pos}/{len} {msg} (eta {eta})";
    Ok(ProgressBar::new(0).with_style(ProgressStyle::with_template(template)?))
}
