//! `jacod`, the controller daemon of a Kinova Jaco2. Runs in the foreground; systemd or another
//! supervisor looks after it.

use anyhow::{Context, bail};
use clap::Parser;
use jaco_api::say::in_full;
use jaco_config::Config;
use jaco_core::{LogFormat, MonotonicClock};
use jaco_daemon::{Daemon, server};
use sd_notify::NotifyState;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tracing_subscriber::EnvFilter;

/// Controller daemon of a Kinova Jaco2.
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
/// Time that a disk gets at the end for what was given up.
const DISK_TIME: Duration = Duration::from_secs(2);

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
    server::raise_descriptor_limit();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(serve(config));
    // A disk that does not answer must not keep the process.
    runtime.shutdown_timeout(DISK_TIME);
    served
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let socket = config.api.socket.clone();
    let listener = server::bind(&socket).await?;
    let (broken, mut breaks) = mpsc::unbounded_channel();
    let clock = Arc::new(MonotonicClock);
    let report_break = move |why| _ = broken.send(why);
    let started = move || jaco_daemon::start(config, clock, report_break);
    let (daemon, supervisor) = tokio::task::spawn_blocking(started).await??;
    tokio::spawn(get_ready(Arc::clone(&daemon)));
    let watched = Arc::clone(&daemon);
    tokio::spawn(async move { watched.watch_cameras().await });
    tracing::info!(socket = %socket.display(), "serving");

    let (end, ending) = oneshot::channel::<()>();
    let (rest, resting) = oneshot::channel::<()>();
    let serving = server::serve(listener, Arc::clone(&daemon), async { _ = ending.await }, async {
        _ = resting.await
    });
    let served = tokio::spawn(serving);
    let broke = tokio::select! {
        told = told_to_end() => told.map(|()| None)?,
        Some(why) = breaks.recv() => Some(why),
    };
    tell(&[NotifyState::Stopping]);
    let _ = end.send(());
    // Motion first; clients and disks may take what they take.
    daemon.end_motion("the daemon ends").await;
    daemon.until_reports_are_written().await;
    daemon.tell_no_more();
    let _ = rest.send(());
    served.await?;
    tokio::task::spawn_blocking(move || supervisor.end()).await?;
    let _ = std::fs::remove_file(&socket);
    tracing::info!("ended");
    match broke {
        None => Ok(()),
        Some(why) => bail!("{why}"),
    }
}

/// Reports the daemon ready when it is, then feeds the service manager's watchdog.
async fn get_ready(daemon: Arc<Daemon>) {
    daemon.until_ready(ARM_TIME).await;
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
    let homing = Arc::clone(&daemon);
    tokio::spawn(async move { homing.home_at_start().await });
    feed_watchdog(daemon).await;
}

async fn told_to_end() -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: the daemon ends"),
        _ = interrupt.recv() => tracing::info!("SIGINT: the daemon ends"),
    }
    Ok(())
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
        tracing::debug!(mode = %status.mode, "watchdog");
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
