//! `jacod`, the controller daemon of a Kinova Jaco2. Runs in the foreground; systemd or another
//! supervisor looks after it.

use anyhow::Context;
use clap::Parser;
use jaco_config::{Config, LogFormat};
use jaco_controller::api::Verdict;
use jaco_controller::daemon::{self, Daemon, server};
use jaco_controller::words::in_full;
use jaco_core::MonotonicClock;
use sd_notify::NotifyState;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Controller daemon of a Kinova Jaco2 robot arm.
///
/// SIGTERM and SIGINT: the arm holds, control is given back, exit code 0.
/// Exit codes: 0 ended as told, 1 could not start or failed, 2 wrong command line.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Configuration file; config/jacod.toml documents every key.
    #[arg(long, default_value = "/etc/jacod/jacod.toml")]
    config: PathBuf,
    /// Check the configuration file and exit.
    #[arg(long)]
    check: bool,
}

/// Time that the arm gets to answer before the daemon reports itself ready without it.
const ARM_TIME: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let args = Args::parse();
    match carry_out(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jacod: {}", in_full(&error));
            ExitCode::FAILURE
        }
    }
}

fn carry_out(args: &Args) -> anyhow::Result<()> {
    let name = args.config.display().to_string();
    let text = std::fs::read_to_string(&args.config)
        .with_context(|| format!("cannot read the configuration {name}"))?;
    let config = Config::parse(&text, &name)?;
    if args.check {
        println!("{name}: good");
        return Ok(());
    }
    log_to_stderr(&config);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let listener = server::bind(&config.api.socket).await?;
    let socket = config.api.socket.clone();
    let clock = Arc::new(MonotonicClock);
    let (daemon, supervisor) =
        tokio::task::spawn_blocking(move || daemon::start(config, clock)).await??;

    let waiting = Arc::clone(&daemon);
    tokio::spawn(async move {
        let arm = Arc::clone(&waiting);
        let answers = tokio::task::spawn_blocking(move || arm.wait_for_arm(ARM_TIME)).await;
        if !answers.unwrap_or(false) {
            tracing::error!("the arm does not answer: see `jaco status`");
        }
        tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
        feed_watchdog(waiting).await;
    });

    tracing::info!(socket = %socket.display(), "serving");
    let (running, told) = (Arc::clone(&daemon), told_to_end()?);
    let ending = async move {
        told.await;
        // An open answer of a run would keep the server, and so the arm, going.
        let detail = "the daemon ends".to_owned();
        let _ = running.finish(Verdict { success: None, detail });
    };
    let served = server::serve(listener, daemon, ending).await;
    tell(&[NotifyState::Stopping]);
    tokio::task::spawn_blocking(move || supervisor.end()).await?;
    let _ = std::fs::remove_file(&socket);
    tracing::info!("ended");
    served
}

fn told_to_end() -> anyhow::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: the arm holds, the daemon ends"),
            _ = interrupt.recv() => tracing::info!("SIGINT: the arm holds, the daemon ends"),
        }
    })
}

/// Tells the service manager that all is well, as long as the daemon can still make a status.
/// An arm that is switched off is no reason to be restarted.
async fn feed_watchdog(daemon: Arc<Daemon>) {
    let mut allowed_us = 0;
    if !sd_notify::watchdog_enabled(false, &mut allowed_us) {
        return;
    }
    let mut timer = tokio::time::interval(Duration::from_micros(allowed_us / 3));
    loop {
        timer.tick().await;
        let status = daemon.status();
        tracing::debug!(?status.mode, "watchdog");
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!("cannot reach the service manager: {error}");
    }
}

fn log_to_stderr(config: &Config) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(config.log.level.to_string()));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of the log that goes away must not take the daemon with it.
        .log_internal_errors(false);
    match config.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
