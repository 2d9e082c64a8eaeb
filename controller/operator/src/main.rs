//! `jaco`, the operator's tool. Talks to the daemon; hands simulation and training to sibling
//! programs, so that it itself needs neither libtorch nor MuJoCo.

mod bindings;
mod demo;
mod doctor;
mod evaluate;
mod operate;
mod records;
mod run;
mod session;

use anyhow::Context;
use jaco_api::client::Client;
use jaco_cli::log::{ListArgs, LogVerb};
use jaco_cli::policy::BenchVerb;
use jaco_cli::{Cli, Verb, exit};
use jaco_shell::{args, say};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = match args::parse::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let done = match &cli.verb {
        Verb::Record(args) if args.sim => hand_to("jaco-lab"),
        Verb::Eval(args) if !args.arm => hand_to("jaco-lab"),
        Verb::Train(_) => hand_to("jaco-train"),
        Verb::Dataset(_) | Verb::Replay(_) => hand_to("jaco-data"),
        Verb::Bench(BenchVerb::Servo(_) | BenchVerb::Bare(_)) => hand_to("jaco-diagnose"),
        Verb::Log(LogVerb::Show(_) | LogVerb::List(ListArgs { dir: Some(_) })) => {
            hand_to("jaco-diagnose")
        }
        Verb::Cameras(_) => hand_to("jaco-diagnose"),
        Verb::Policy(_) | Verb::Bench(_) => hand_to("jaco-policy"),
        Verb::Teleop(args) if args.show_bindings => {
            bindings::show(args.config.as_deref(), cli.json)
        }
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(operate(&cli))),
    };
    match done {
        Ok(true) => ExitCode::from(exit::OK),
        Ok(false) => ExitCode::from(exit::FAILED),
        Err(error) => {
            say::aside(format_args!("jaco: {}", say::in_full(&error)));
            ExitCode::from(operate::exit_code(&error))
        }
    }
}

async fn operate(cli: &Cli) -> anyhow::Result<bool> {
    if let Verb::Doctor(args) = &cli.verb {
        return doctor::doctor(args, cli).await;
    }
    let client = Client::new(&cli.socket()?);
    match &cli.verb {
        Verb::Status => operate::status(&client, cli.json).await?,
        Verb::Events => operate::events(&client, cli.json).await?,
        Verb::Home => operate::request(&client, "/v1/home", cli.json).await?,
        Verb::Stop => return operate::stop(&client, cli.json).await,
        Verb::Release => operate::request(&client, "/v1/release", cli.json).await?,
        Verb::Take => operate::request(&client, "/v1/take", cli.json).await?,
        Verb::Reset => operate::request(&client, "/v1/reset", cli.json).await?,
        Verb::Run(args) => return run::run(&client, args, cli.json).await,
        Verb::Demo(args) => {
            let mut terminate = signal(SignalKind::terminate())?;
            // Leaving here ends the programs that the demo started.
            tokio::select! {
                done = demo::demo(args, cli.json) => return done,
                _ = terminate.recv() => anyhow::bail!("told to end (SIGTERM)"),
            }
        }
        Verb::Log(LogVerb::Save(args)) => records::save(&client, args, cli.json).await?,
        Verb::Log(_) => return records::list(&client, cli.json).await,
        Verb::Teleop(args) => return session::teleop(&client, args.keys, cli.json).await,
        Verb::Record(args) => return session::record(&client, args, cli.json).await,
        Verb::Eval(args) => return evaluate::evaluate(&client, args, cli.json).await,
        Verb::Doctor(_)
        | Verb::Cameras(_)
        | Verb::Train(_)
        | Verb::Dataset(_)
        | Verb::Replay(_)
        | Verb::Policy(_)
        | Verb::Bench(_) => {}
    }
    Ok(true)
}

/// Becomes the sibling program `name`, with the same arguments.
fn hand_to(name: &str) -> anyhow::Result<bool> {
    let program = std::env::current_exe()?.with_file_name(name);
    let error = Command::new(&program).args(std::env::args_os().skip(1)).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
