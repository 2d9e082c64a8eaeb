//! `jaco-servo`: takes the arm into control and runs the cycle until jacod closes its socket.
//!
//! What it is doing and why it ends it tells jacod; that and details go to standard error as well.
//! Standard output is what the SDK prints, on either output: jacod reads and logs it. It exits with 0 when jacod ended
//! it and the arm was given back, with 2 when its command line is wrong. With `--look` it commands
//! nothing and tells what it saw ([`look`]).

use jaco_core::MonotonicClock;
use jaco_servo::args::Args;
use jaco_servo::driver::Driver;
use jaco_servo::look;
use jaco_servo::message::Note;
use jaco_servo::process::cycle::{Cycle, Grants};
use jaco_servo::process::socket::PacketSocket;
use jaco_servo::process::{self, realtime, run};
use jaco_servo::{FromServo, ServoCore};
use jaco_shell::{args, log, say};
use kinova_sys::Sdk;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let args = match args::parse::<Args>() {
        Ok(args) => args,
        Err(code) => return code,
    };
    if let Err(error) = log::start_beside_prints(args.log_level, args.log_format) {
        say::aside(format_args!("jaco-servo: cannot log: {error}"));
        return ExitCode::FAILURE;
    }
    // SAFETY: the descriptor was opened for this process by its parent and is used only here.
    let socket = match unsafe { PacketSocket::inherited(args.socket_fd) } {
        Ok(socket) => Arc::new(socket),
        Err(error) => {
            tracing::error!("--socket-fd {}: jacod starts this program: {error}", args.socket_fd);
            return ExitCode::from(args::UNUSABLE);
        }
    };
    if args.look {
        return match look::answer(&args, &socket) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    tell_of_panics(&socket);
    let mut cycle = match connect(args, &socket) {
        Ok(cycle) => cycle,
        Err(error) => {
            // jacod logs what it is told, and knows whether it is news.
            tracing::debug!("{error:#}");
            process::say(&socket, &FromServo::LastWords(Note::of(format_args!("{error:#}"))));
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
            process::say(&socket, &FromServo::LastWords(Note::of(panic)));
        }
        report(panic);
    }));
}

/// From the library on disk to an arm in control.
fn connect(args: Args, socket: &PacketSocket) -> anyhow::Result<Cycle<Sdk, MonotonicClock>> {
    let mut told = |doing: &str| process::say(socket, &FromServo::Starting(Note::of(doing)));
    realtime::ignore_ending_signals();
    let mut core = ServoCore::new(args.limits)?;
    if let Some(reason) = args.stopped {
        core.stop(reason);
    }
    told("loading the SDK");
    let sdk = args.load_sdk()?;
    let options = args.driver_options();
    let clock = MonotonicClock;
    let driver = Driver::connect(sdk, options, &clock, &mut told)?;
    let grants = grants(args.priority);
    let identity = driver.identity();
    tracing::info!(
        serial = identity.serial,
        model = identity.model,
        uptime_s = identity.uptime_s,
        homed = driver.is_homed(),
        cartesian_control = driver.is_ready(),
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
