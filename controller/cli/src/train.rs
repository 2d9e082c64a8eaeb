//! The verb `jaco train`, as declared. `jaco-train` carries it out: it needs libtorch, but no
//! simulator and no daemon.

use super::EXIT_CODES;
use clap::{Args, Subcommand, ValueEnum};
use jaco_shell::args::path;
use std::path::PathBuf;

const DATASETS: &str = "\
Datasets are LeRobotDataset v3, whoever wrote them. Before training begins it is said of each what is \
read and how: camera, action, gripper, rate, tasks. Rows faster than 10 Hz are put together to steps \
of 100 ms. --camera, --action, --gripper, --displacements, --unit-m and --unit-rad are for all \
datasets; a recipe gives each its own:

    learning_rate = 5e-4
    [[dataset]]
    path = \"demos\"
    repeat = 2
    [[dataset]]
    path = \"from-others\"
    camera = \"top\"
    gripper = \"-1..1\"
    unit_m = 0.001

";

/// What to train.
#[derive(Debug, Subcommand)]
pub enum TrainVerb {
    /// Long-horizon behaviour cloning: next-token loss over streams of H units.
    #[command(after_help = after_help())]
    Lbc(TrainArgs),
    /// Step-wise action alignment: the policy explores from recorded states and learns at the first
    /// unit where its own stream goes wrong.
    #[command(after_help = saa_help())]
    Saa(SaaArgs),
    /// Vision pretraining: towers and projector learn to tell the simulator's labels.
    #[command(after_help = after_help())]
    Vision(TrainArgs),
    /// Show how the training in a folder is doing, or how it ended.
    #[command(after_help = EXIT_CODES)]
    Status(FolderArgs),
    /// End the training in a folder as Ctrl-C does: its state is saved, and --resume goes on.
    #[command(after_help = EXIT_CODES)]
    Stop(FolderArgs),
}

/// Options of `jaco train status` and `jaco train stop`.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// The folder that was given to `jaco train` as --out.
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub out: PathBuf,
}

fn after_help() -> String {
    format!("{DATASETS}{EXIT_CODES}")
}

const SAA: &str = "\
Starts from a trained policy (--init), which stays as the reference of the rewards. The policy of the
step that the paper's rule chooses (a small and stable gap between the rewards of winner and loser) is
kept in OUT/selected, the last one in OUT. Recipes: model/recipe/saa-paper.toml (the paper's rule) and
model/mini/recipe/saa.toml (units that move the arm elsewhere by more than 3 mm).

";

fn saa_help() -> String {
    format!("{SAA}{DATASETS}{EXIT_CODES}")
}

/// What is done instead of alignment, to compare it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SaaControl {
    /// Imitation whose batches hold streams of one unit every other time.
    Short,
    /// Imitation of whole streams.
    Full,
}

/// Options of `jaco train saa`.
#[derive(Debug, Args)]
pub struct SaaArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub train: TrainArgs,
    /// Take as many steps of imitation on the same states instead, to compare alignment with
    /// [default: the recipe's].
    #[arg(long)]
    pub control: Option<SaaControl>,
}

/// Options of `jaco train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Dataset folder; repeat it to train on several. `DIR:N` counts the dataset N times, unless
    /// a folder of that whole name is there.
    #[arg(long = "dataset", value_name = "DIR[:N]")]
    pub datasets: Vec<String>,
    /// Where the checkpoint and the training state go.
    #[arg(long, required_unless_present = "dry_run", value_parser = path())]
    pub out: Option<PathBuf>,
    /// Longest stream to learn, in action units of 100 ms [default: the recipe's, else 8].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=28))]
    pub horizon: Option<u8>,
    /// Optimiser steps [default: the recipe's, else 2000; saa 150].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Continue exactly where the training state in --out stopped.
    #[arg(long)]
    pub resume: bool,
    /// Start from this checkpoint folder, or from scratch with the sizes of a folder that holds
    /// only config.json and tokenizer.json [default: the mini policy's sizes, from scratch].
    #[arg(long, value_parser = path())]
    pub init: Option<PathBuf>,
    /// Train low-rank adapters of this rank beside the frozen weights of --init; --out becomes an
    /// adapter's folder in PEFT's layout [default: the recipe's `trainable`, else all weights].
    #[arg(long, value_name = "RANK", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub lora: Option<u16>,
    /// Train this adapter on --init further, instead of a fresh one; with --resume, go on with the
    /// run that began so.
    #[arg(long, value_name = "DIR", requires = "init", value_parser = path())]
    pub adapter: Option<PathBuf>,
    /// TOML file with the training's other parameters (learning rate, batch size, jitter, ...)
    /// and, as [[dataset]], with datasets that have options of their own.
    #[arg(long, value_parser = path())]
    pub recipe: Option<PathBuf>,
    /// Learning rate at the schedule's top [default: the recipe's, else 0.001; saa 0.0001].
    #[arg(long)]
    pub lr: Option<f64>,
    /// "cpu" or "cuda:N" [default: the recipe's, else cpu].
    #[arg(long)]
    pub device: Option<String>,
    /// Seed of initialisation, batches and augmentation [default: the recipe's, else 0].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where pictures are kept: "auto" (in memory if they fit into a quarter of what is free, else
    /// beside the dataset), "memory", "beside", or a folder [default: the recipe's, else auto].
    #[arg(long, value_name = "WHERE")]
    pub cache: Option<String>,
    /// Look at the datasets, say how they are read, and end.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on in the background, at the lowest priority, once the data are loaded: nothing is tied
    /// to this terminal any more. `jaco train status` and `jaco train stop` reach it.
    #[arg(long, conflicts_with = "dry_run")]
    pub detach: bool,
    /// What --detach starts.
    #[arg(long, hide = true, conflicts_with_all = ["dry_run", "detach"])]
    pub detached: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub reading: ReadingArgs,
}

/// How the numbers of datasets are to be understood.
#[derive(Debug, Args)]
#[command(next_help_heading = "How datasets are read")]
pub struct ReadingArgs {
    /// Camera to look through: a feature's key or its last part, such as top
    /// [default: the only one, or front].
    #[arg(long, value_name = "KEY")]
    pub camera: Option<String>,
    /// Feature that holds the actions [default: action].
    #[arg(long, value_name = "KEY")]
    pub action: Option<String>,
    /// Numbers of a closed and of an open gripper: -1..1, 0..100, 1..0 where 0 is open
    /// [default: 0..1].
    #[arg(long, value_name = "CLOSED..OPEN", allow_hyphen_values = true)]
    pub gripper: Option<String>,
    /// An action without names is seven displacements in our order: x y z [m], roll pitch yaw
    /// [rad], gripper, in the base frame.
    #[arg(long)]
    pub displacements: bool,
    /// Metres that a 1 in the action's displacement is: 0.001 where it holds millimetres
    /// [default: 1].
    #[arg(long, value_name = "METRES")]
    pub unit_m: Option<f64>,
    /// Radians that a 1 in the action's rotation is: 0.0174533 where it holds degrees
    /// [default: 1].
    #[arg(long, value_name = "RADIANS")]
    pub unit_rad: Option<f64>,
}
