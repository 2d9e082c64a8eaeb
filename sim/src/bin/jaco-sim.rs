//! `jaco-sim`: the simulated Jaco2 tabletop as a program. Reads its command line, starts
//! [`jaco_sim::server`], waits for a signal.

use anyhow::Context;
use clap::Parser;
use jaco_core::{AngularFrame, Level, LogFormat, MonotonicClock, Task};
use jaco_shell::{args, log, say};
use jaco_sim::WorldOptions;
use jaco_sim::server::{Exit, Options, Server, StartError, serial};
use jaco_sim_link::control::Faults;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Simulates a Jaco2 on its table, in real time, behind the Kinova SDK's C interface.
///
/// Programs reach the arm through the stand-in library libjaco_sim_sdk.so, with the environment
/// variable JACO_SIM_SOCKET set to the socket; cameras, resets and verdicts over the same socket.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Exit status: 0 ended by SIGTERM, SIGINT or a client's quit; 1 failed to start or broke down; \
2 the command line is wrong, or names what cannot be used.

RUST_LOG sets what is logged to standard error (default: info)."
)]
struct Cli {
    /// Unix socket to serve; a stale one is replaced, it is removed at the end
    #[arg(long, value_name = "PATH", value_parser = args::path())]
    socket: PathBuf,
    /// Task whose objects are on the table: place-block, place-carrot, clean-table, relocate-cup
    #[arg(long, default_value_t = Task::PlaceBlock)]
    task: Task,
    /// Seed of the objects' placement
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Start with a homed arm, not with one that was just switched on
    #[arg(long)]
    homed: bool,
    /// Physics step [ms]; must divide 10
    #[arg(long, default_value_t = 5.0)]
    timestep_ms: f64,
    /// Frame in which the arm takes angular velocities: effector or base
    #[arg(long, default_value_t = AngularFrame::Effector)]
    angular_frame: AngularFrame,
    /// Serial number of the arm [default: SIM- and a number by the socket's path]
    #[arg(long, value_name = "TEXT", value_parser = serial::given)]
    serial: Option<String>,
    /// Vices of the arm from the start, as a JSON object: {"dead_zone_m_s":0.03}
    #[arg(long, value_name = "JSON", value_parser = Faults::parse, default_value = "{}")]
    faults: Faults,
    /// Let further vices come and go at random times drawn by this seed
    #[arg(long, value_name = "SEED")]
    fault_schedule: Option<u64>,
}

fn main() -> ExitCode {
    let cli = match args::parse::<Cli>() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let _log = match log::start(Level::Info, LogFormat::Text) {
        Ok(log) => log,
        Err(error) => {
            say::aside(format_args!("jaco-sim: cannot log: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match serve(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::aside(format_args!("jaco-sim: {}", say::in_full(&error)));
            let blames_input =
                error.downcast_ref::<StartError>().is_some_and(StartError::blames_input);
            ExitCode::from(if blames_input { args::UNUSABLE } else { 1 })
        }
    }
}

/// Serves until somebody asks for the end.
fn serve(cli: Cli) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("cannot catch signals")?;
    let options = Options {
        socket: cli.socket,
        world: WorldOptions {
            timestep_s: cli.timestep_ms / 1000.0,
            angular_frame: cli.angular_frame,
        },
        task: cli.task,
        seed: cli.seed,
        homed: cli.homed,
        serial: cli.serial,
        faults: cli.faults,
        fault_schedule: cli.fault_schedule,
    };
    let server = Server::start(&options, Arc::new(MonotonicClock))?;
    tracing::info!(
        socket = %server.socket().display(),
        task = %options.task,
        seed = options.seed,
        serial = server.serial(),
        faults = %options.faults,
        mujoco = jaco_sim::mujoco_version(),
        "ready"
    );

    let exit = server.exit_sender();
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let _ = exit.send(Exit::Signal(signal));
        }
    });
    let exit = server.wait();
    server.stop();
    match exit {
        Exit::Broken(thread) => anyhow::bail!("the {thread} thread broke down"),
        Exit::Signal(SIGTERM) => tracing::info!("ended by SIGTERM"),
        Exit::Signal(_) => tracing::info!("ended by SIGINT"),
        Exit::Quit => tracing::info!("ended by a client"),
    }
    Ok(())
}
