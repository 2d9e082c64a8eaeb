//! `jaco-servo`: takes the arm into control and runs the cycle until jacod closes its socket.
//!
//! Everything it has to say goes to standard error; standard output belongs to nobody, for the
//! SDK prints there. It exits with 0 when jacod ended it and the arm was given back.

use anyhow::Context;
use clap::Parser;
use jaco_core::{Clock, MonotonicClock};
use jaco_servo::ServoCore;
use jaco_servo::args::Args;
use jaco_servo::driver::{Driver, DriverOptions};
use jaco_servo::process::cycle::{Cycle, Grants};
use jaco_servo::process::socket::PacketSocket;
use jaco_servo::process::{realtime, run};
use kinova_sys::Sdk;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or("info".into()))
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of the log that goes away must not take the arm's owner with it.
        .log_internal_errors(false)
        .init();
    realtime::redirect_stdout_to_stderr().context("cannot redirect standard output")?;
    realtime::ignore_ending_signals();
    // SAFETY: the descriptor was opened for this process by its parent and is used only here.
    let socket = unsafe { PacketSocket::inherited(args.socket_fd) }
        .with_context(|| format!("--socket-fd {}: jacod starts this program", args.socket_fd))?;
    let core = ServoCore::new(args.limits)?;

    let clock = MonotonicClock;
    let sdk = Sdk::load(&args.sdk, args.transport)?;
    // Homing calls the SDK from a thread of its own: a second handle on the same library.
    let homing_sdk = Sdk::load(&args.sdk, args.transport)?;
    let options = DriverOptions {
        serial: args.serial,
        angular_frame: args.angular_frame,
        ..DriverOptions::default()
    };
    let driver = Driver::connect(sdk, homing_sdk, options, clock.now_ns())?;
    let grants = grants(args.priority);
    let readiness = driver.readiness();
    tracing::info!(
        serial = driver.serial(),
        homed = readiness.homed,
        cartesian_control = readiness.cartesian,
        "arm in control; {grants}"
    );
    let mut cycle = Cycle::new(core, driver, clock, grants);
    run(&mut cycle, &socket, &clock)?;
    tracing::info!("arm given back");
    Ok(())
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
