//! The operator's command line, as declared: verbs, options, units, defaults and exit codes.
//!
//! `jaco` parses it, and so do the helper programs that it hands heavy verbs to (`jaco-lab`:
//! simulation and policy; `jaco-train` and `jaco-policy`: policy alone; `jaco-diagnose` and
//! `jaco-data`: neither), so that a robot PC needs no MuJoCo to be operated and trained on. Nothing is carried out here.

pub mod cameras;
pub mod dataset;
pub mod eval;
pub mod helper;
pub mod log;
pub mod policy;
pub mod record;
pub mod shipped;
pub mod teleop;
pub mod train;

use cameras::CamerasVerb;
use clap::{Args, Parser, Subcommand};
use dataset::{DatasetVerb, ReplayArgs};
pub use eval::{EvalArgs, EvalVerb, TableArgs};
use jaco_core::{Execution, Task};
use jaco_shell::args::{Unusable, path, path_given};
use log::LogVerb;
use policy::{BenchVerb, PolicyVerb};
pub use record::{RecordArgs, Source};
use std::path::PathBuf;
pub use teleop::TeleopArgs;
use train::TrainVerb;

/// Exit codes of `jaco`.
pub mod exit {
    /// The verb did what it says.
    pub const OK: u8 = 0;
    /// It was carried out, but without success: a failed run, an error on the way.
    pub const FAILED: u8 = 1;
    /// Wrong command line (clap's own code), or unusable input that it names: a checkpoint, an
    /// adapter, a dataset, a recipe, an instruction, a folder to write to.
    pub const USAGE: u8 = 2;
    /// No daemon answers on the socket.
    pub const NO_DAEMON: u8 = 3;
    /// The daemon refused, and said why.
    pub const REFUSED: u8 = 4;
}

/// Names the socket where no option does.
const SOCKET_VARIABLE: &str = "JACO_SOCKET";
/// Far beyond any prompt; what is longer is another file, by a slip of the shell.
const MOST_INSTRUCTION_CHARS: usize = 2000;

pub(crate) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong command line or unusable input, \
                          3 no daemon answers on the socket, 4 the daemon refused.";

/// Operate a Kinova Jaco2 through jacod, its controller daemon.
#[derive(Debug, Parser)]
#[command(name = "jaco", version, after_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    /// Unix socket of the daemon's API [default: the environment variable JACO_SOCKET, or
    /// /run/jacod/jacod.sock].
    #[arg(long, global = true, value_parser = path())]
    pub socket: Option<PathBuf>,
    /// Print one JSON object on stdout; words go to stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs of `jaco`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Look whether everything is in place, and say what to do where it is not: the first thing
    /// when something does not work. Moves and changes nothing.
    #[command(after_help = EXIT_CODES)]
    Doctor(DoctorArgs),
    /// Show mode, pose, rates and faults of the daemon.
    #[command(after_help = EXIT_CODES)]
    Status,
    /// Follow what happens in the daemon, a line each, until Ctrl-C.
    #[command(after_help = EXIT_CODES)]
    Events,
    /// Move the arm to its home pose; needed once after every power-up.
    #[command(after_help = EXIT_CODES)]
    Home,
    /// Stop all motion now. The stop latches until `jaco reset`.
    #[command(after_help = EXIT_CODES)]
    Stop,
    /// Release a latched stop, or take the arm back from the joystick. It stays where it is.
    #[command(after_help = EXIT_CODES)]
    Reset,
    /// Leave the arm to the joystick, or to another program. Ends what is going on; the arm holds
    /// first.
    #[command(after_help = EXIT_CODES)]
    Release,
    /// Take the arm back after `jaco release`, from the joystick or from another program. It stays
    /// where it is.
    #[command(after_help = EXIT_CODES)]
    Take,
    /// Look at cameras: what there is, one picture, how they are doing. Needs no daemon.
    #[command(subcommand)]
    Cameras(CamerasVerb),
    /// Let the policy carry out an instruction; ends at success, at --max-steps or at Ctrl-C.
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Steer the arm with the gamepad at the daemon's PC.
    #[command(after_help = EXIT_CODES)]
    Teleop(TeleopArgs),
    /// Record demonstrations into a LeRobotDataset v3: with the gamepad through the daemon, or in
    /// simulation.
    #[command(after_help = record::after_help())]
    Record(RecordArgs),
    /// Measure a policy's success in lockstep simulation. No daemon is needed.
    #[command(
        after_help = EXIT_CODES,
        args_conflicts_with_subcommands = true,
        subcommand_negates_reqs = true
    )]
    Eval(EvalArgs),
    /// Train the next policy.
    #[command(subcommand)]
    Train(TrainVerb),
    /// Look at a checkpoint, ask it, merge an adapter into it, invent one. No daemon is needed.
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Check, repair, look at and edit recorded datasets. No daemon is needed.
    #[command(subcommand)]
    Dataset(DatasetVerb),
    /// Play an episode's actions back onto the arm, and tell how far the motion came from the
    /// recorded one. Ctrl-C ends it; the arm then holds.
    #[command(after_help = EXIT_CODES)]
    Replay(ReplayArgs),
    /// Look at what the flight recorder wrote, or let it write now.
    #[command(subcommand)]
    Log(LogVerb),
    /// Measure speed and memory. No daemon is needed.
    #[command(subcommand)]
    Bench(BenchVerb),
    /// Start a simulated arm and a daemon, and let the shipped policy place the blue cube.
    #[command(after_help = EXIT_CODES)]
    Demo(DemoArgs),
}

/// Options of `jaco doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Configuration file of the daemon.
    #[arg(long, default_value = "/etc/jacod/jacod.toml", value_parser = path())]
    pub config: PathBuf,
}

/// Options of `jaco run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What to do, in words: "put the blue cube on the green plate".
    #[arg(value_parser = instruction)]
    pub instruction: String,
    /// Action units per inference, each 100 ms of motion [default: the daemon's configuration].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=28))]
    pub horizon: Option<u8>,
    /// How to execute: "sync" (all H units, then look again, as in the paper; the arm holds while
    /// the policy thinks) or "async" (think while executing; new units replace queued ones by step
    /// number) [default: the daemon's configuration].
    #[arg(long)]
    pub execution: Option<Execution>,
    /// Give up after this many steps of 100 ms [default: the daemon's configuration].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_steps: Option<u32>,
    /// Simulated arm only: put the objects of this task on the table first.
    #[arg(long)]
    pub task: Option<Task>,
    /// Simulated arm only: seed of the placement.
    #[arg(long, requires = "task", default_value_t = 0)]
    pub seed: u64,
    /// Record the run as an episode of this dataset below datasets/ in the daemon's data folder;
    /// what a person with the pad corrects on the way is marked in it.
    #[arg(long, value_name = "NAME")]
    pub record: Option<String>,
}

/// Options of `jaco demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Placements to try at most; the first success ends the demo.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub attempts: u8,
    /// Seed of the first placement [default: drawn from the clock].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Action units per inference.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=28))]
    pub horizon: u8,
    /// How to execute.
    #[arg(long, default_value_t = Execution::Sync)]
    pub execution: Execution,
    /// Checkpoint folder [default: the shipped aligned policy].
    #[arg(long, value_parser = path())]
    pub checkpoint: Option<PathBuf>,
    /// Folder that receives runs/<id>/ with the report.
    #[arg(long, default_value = ".", value_parser = path())]
    pub out: PathBuf,
    /// Count successes over all attempts instead of stopping at the first.
    #[arg(long)]
    pub all: bool,
}

impl Cli {
    /// Unix socket of the daemon's API.
    ///
    /// # Errors
    /// The variable that names it names no path.
    pub fn socket(&self) -> Result<PathBuf, Unusable> {
        match (&self.socket, jaco_shell::variable(SOCKET_VARIABLE)) {
            (Some(given), _) => Ok(given.clone()),
            (None, Some(set)) => path_given(set.clone()).map_err(|error| {
                Unusable(format!("{SOCKET_VARIABLE} is \"{}\": {error}", set.display()))
            }),
            (None, None) => Ok(jaco_api::DEFAULT_SOCKET.into()),
        }
    }
}

pub(crate) fn instruction(text: &str) -> Result<String, String> {
    match text.chars().count() {
        _ if text.trim().is_empty() => Err("it is empty: say what to do, in words".to_owned()),
        _ if text.contains(char::is_control) => {
            Err("must be one line of text, without control characters".to_owned())
        }
        0..=MOST_INSTRUCTION_CHARS => Ok(text.to_owned()),
        chars => Err(format!("has {chars} characters: at most {MOST_INSTRUCTION_CHARS}")),
    }
}

pub(crate) fn nats(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("must be a number of nats from 0 on".to_owned()),
    }
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
