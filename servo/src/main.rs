//! `jaco-servo`: takes the arm into control and runs the cycle until jacod closes its socket.
//!
//! What it is doing and why it ends it tells jacod; that and details go to standard error as well.
//! Standard output belongs to nobody, for the SDK prints there. It exits with 0 when jacod ended
//! it and the arm was given back.

use anyhow::Context;
use clap::Parser;
use jaco_core::{Clock, MonotonicClock};
use jaco_servo::args::Args;
use jaco_servo::driver::{Driver, DriverOptions};
use jaco_servo::message::Note;
use jaco_servo::process::cycle::{Cycle, Grants};
use jaco_servo::process::socket::PacketSocket;
use jaco_servo::process::{realtime, run, say};
use jaco_servo::{FromServo, ServoCore};
use kinova_sys::Sdk;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or("info".into()))
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of the log that goes away must not take the arm's owner with it.
        .log_internal_errors(false)
        .init();
    // SAFETY: the descriptor was opened for this process by its parent and is used only here.
    let socket = match unsafe { PacketSocket::inherited(args.socket_fd) } {
        Ok(socket) => Arc::new(socket),
        Err(error) => {
            tracing::error!("--socket-fd {}: jacod starts this program: {error}", args.socket_fd);
            return ExitCode::FAILURE;
        }
    };
    tell_of_panics(&socket);
    let mut cycle = match connect(args, &socket) {
        Ok(cycle) => cycle,
        Err(error) => {
            // jacod logs what it is told, and knows whether it is news.
            tracing::debug!("{error:#}");
            say(&socket, &FromServo::LastWords(Note::of(format_args!("{error:#}"))));
            return ExitCode::FAILURE;
        }
    };
    match run(&mut cycle, &socket, &MonotonicClock) {
        Ok(()) => {
            tracing::info!("arm given back");
            ExitCode::SUCCESS
        }
        Err(lost) => {
            tracing::debug!("{lost}");
            ExitCode::FAILURE
        }
    }
}

/// A panic of the thread that has the arm ends the process: the reason must reach jacod.
fn tell_of_panics(socket: &Arc<PacketSocket>) {
    let (socket, main) = (Arc::clone(socket), std::thread::current().id());
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() == main {
            say(&socket, &FromServo::LastWords(Note::of(panic)));
        }
        report(panic);
    }));
}

/// From the library on disk to an arm in control.
fn connect(args: Args, socket: &PacketSocket) -> anyhow::Result<Cycle<Sdk, MonotonicClock>> {
    let mut told = |doing: &'static str| say(socket, &FromServo::Starting(Note::of(doing)));
    realtime::redirect_stdout_to_stderr().context("cannot redirect standard output")?;
    realtime::ignore_ending_signals();
    let mut core = ServoCore::new(args.limits)?;
    if let Some(reason) = args.stopped {
        core.stop(reason);
    }
    told("loading the SDK");
    let transport = match args.transport {
        jaco_core::Transport::Usb => kinova_sys::Transport::Usb,
        jaco_core::Transport::Ethernet => kinova_sys::Transport::Ethernet,
    };
    let sdk = Sdk::load(&args.sdk, transport)?;
    // Homing calls the SDK from a thread of its own: a second handle on the same library.
    let homing_sdk = Sdk::load(&args.sdk, transport)?;
    let options = DriverOptions {
        serial: args.serial,
        angular_frame: args.angular_frame,
        ..DriverOptions::default()
    };
    let clock = MonotonicClock;
    let driver = Driver::connect(sdk, homing_sdk, options, clock.now_ns(), &mut told)?;
    let grants = grants(args.priority);
    let readiness = driver.readiness();
    tracing::info!(
        serial = driver.serial(),
        homed = readiness.homed,
        cartesian_control = readiness.cartesian,
        "arm in control; {grants}"
    );
    Ok(Cycle::new(core, driver, clock, grants))
}

fn grants(priority: i32) -> Grants {
    let granted = realtime::ask(priority);
    if let Err(error) = &granted.scheduler {
        tracing::warn!("no SCHED_FIFO at priority {priority}, ticks may be late: {error}");
    }
    if let Err(error) = &granted.memory {
        tracing::warn!("memory is not locked, ticks may be late: {error}");
    }
    Grants { realtime: granted.scheduler.is_ok(), memory_locked: granted.memory.is_ok() }
}
