//! `jacod`, the controller daemon of a Kinova Jaco2. Runs in the foreground; systemd or another
//! supervisor looks after it.

use anyhow::bail;
use clap::Parser;
use jaco_api::check::{Checked, Said};
use jaco_config::Config;
use jaco_core::MonotonicClock;
use jaco_daemon::{Daemon, check, look, server, settings};
use jaco_shell::args::{self, UNUSABLE, Unusable};
use jaco_shell::{log, say, variable};
use sd_notify::NotifyState;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// Controller daemon of a Kinova Jaco2.
///
/// SIGTERM and SIGINT: the arm holds, control is given back, exit code 0.
/// Exit codes: 0 ended as told, 1 could not start or failed, 2 wrong command line or unusable
/// configuration. With `format = "json"` in [log], all that follows the reading of the
/// configuration is said in JSON, a line each; what is wrong before that is said in words.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Configuration file; config/jacod.toml documents every key.
    #[arg(long, default_value = "/etc/jacod/jacod.toml", value_parser = args::path())]
    config: PathBuf,
    /// Check the configuration file, and whether what it names is there for this user, and exit.
    #[arg(long)]
    check: bool,
    /// With --check: print one JSON object.
    #[arg(long, requires = "check")]
    json: bool,
    /// With --check --json: open each camera, too, and wait for pictures.
    #[arg(long, requires = "json")]
    cameras: bool,
}

/// Time that the arm gets to answer before the daemon reports itself ready without it.
const ARM_TIME: Duration = Duration::from_secs(15);
/// Time that a disk gets at the end for what was given up.
const DISK_TIME: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let args = match args::parse::<Args>() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let settings = match settings::read(&args.config) {
        Ok(settings) => settings,
        Err(error) => {
            say::aside(format_args!("jacod: {}", say::in_full(&error)));
            return ExitCode::from(UNUSABLE);
        }
    };
    if args.check {
        return match args.json {
            true => tell_findings(&settings, args.cameras),
            false => tell_checked(&settings),
        };
    }
    let config = settings.config;
    // Kept to the end: it catches what libraries print.
    let _log = match log::start(config.log.level, config.log.format) {
        Ok(log) => log,
        Err(error) => {
            say::aside(format_args!("jacod: cannot log: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match carry_out(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", say::in_full(&error));
            ExitCode::from(if Unusable::is_in(&error) { UNUSABLE } else { 1 })
        }
    }
}

/// `--check`: what is well and what to know on standard output, what is wrong on standard error.
fn tell_checked(settings: &settings::Settings) -> ExitCode {
    let checked = match check::check(settings) {
        Ok(checked) => checked,
        Err(error) => {
            say::aside(format_args!("jacod: {error}"));
            return ExitCode::from(UNUSABLE);
        }
    };
    let lines = std::iter::once(format!("{}: good", settings.name))
        .chain(checked.well.iter().map(|well| format!("  checked {well}")))
        .chain(checked.notes.iter().map(|note| format!("  note    {note}")));
    told(say::line(lines.collect::<Vec<_>>().join("\n")).map(drop), ExitCode::SUCCESS)
}

/// `--check --json`.
fn tell_findings(settings: &settings::Settings, cameras: bool) -> ExitCode {
    let findings = check::findings(settings);
    let wrong = findings.iter().any(|finding| finding.said == Said::Wrong);
    let cameras = if cameras { look::cameras(&settings.config) } else { Vec::new() };
    let code = if wrong { ExitCode::from(UNUSABLE) } else { ExitCode::SUCCESS };
    told(say::object(&Checked { findings, cameras }), code)
}

/// `code`, if what was to be said was taken.
fn told(said: anyhow::Result<()>, code: ExitCode) -> ExitCode {
    match said {
        Ok(()) => code,
        Err(error) => {
            say::aside(format_args!("jacod: {}", say::in_full(&error)));
            ExitCode::FAILURE
        }
    }
}

fn carry_out(config: Config) -> anyhow::Result<()> {
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
    tokio::spawn(Arc::clone(&daemon).watch_pad());
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
    daemon.end_recording().await;
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

/// Tells the service manager. That it cannot be reached is news once.
fn tell(states: &[NotifyState<'_>]) {
    static UNREACHED: Once = Once::new();
    if variable("NOTIFY_SOCKET").is_none() {
        return;
    }
    if let Err(error) = sd_notify::notify(false, states) {
        UNREACHED.call_once(|| tracing::warn!("cannot reach the service manager: {error}"));
    }
}
