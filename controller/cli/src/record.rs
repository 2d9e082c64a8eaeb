//! The verb `jaco record`, as declared: at the arm through the daemon, or in lockstep simulation.

use super::{EXIT_CODES, instruction, share};
use clap::{Args, ValueEnum};
use jaco_core::Task;
use jaco_shell::args::{Unusable, path};
use std::path::PathBuf;

/// Keys of the terminal while `jaco record` or `jaco teleop` runs, with what they do.
pub const KEYS: &[(char, &str)] = &[
    ('s', "start an episode"),
    ('k', "keep the episode"),
    ('y', "keep it as a success; between episodes: the last one was a success"),
    ('n', "keep it as a failure; between episodes: the last one was a failure"),
    ('d', "discard the episode"),
    ('r', "discard it and record it again"),
    ('q', "end the session; an episode under way is kept"),
];

/// What `--help` says after the options.
pub(crate) fn after_help() -> String {
    let keys: String = KEYS.iter().map(|(key, what)| format!("  {key}  {what}\n")).collect();
    format!("Keys in the terminal while it records, also over SSH:\n{keys}\n{EXIT_CODES}")
}

/// Where recorded actions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Source {
    /// A person with the gamepad at the daemon's PC.
    Pad,
    /// A person with the keys of this terminal: the simulated arm only.
    Keys,
    /// The scripted expert, which knows where the objects are: the simulated arm only.
    Expert,
    /// A policy drives; the expert labels every state on the policy's path: only with --sim.
    Policy,
}

/// Options of `jaco record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Record in lockstep simulation (no daemon), faster than real time.
    #[arg(long, requires = "out", conflicts_with = "dataset")]
    pub sim: bool,
    /// Who acts [default: pad; with --sim: expert].
    #[arg(long, value_enum)]
    pub source: Option<Source>,
    /// The task to demonstrate, in words: "put the blue cube on the green plate". On the simulated
    /// arm also the name of one of its tasks (place-block, place-carrot, clean-table,
    /// relocate-cup), whose objects are then put on the table before each episode.
    #[arg(long, value_parser = instruction)]
    pub task: String,
    /// Episodes to keep (with --sim: successful ones; with --source policy: successful or not).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub episodes: u32,
    /// Seed of placements, perturbations and noise; recorded with each episode.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub live: LiveArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub lockstep: LockstepArgs,
}

/// Options of recording at the arm.
#[derive(Debug, Args)]
#[command(next_help_heading = "At the arm, through the daemon")]
pub struct LiveArgs {
    /// Name of the dataset below datasets/ in the daemon's data folder; created, or gone on with
    /// [default: the task's words].
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// Longest episode [s] [default: the daemon's configuration].
    #[arg(long, value_name = "SECONDS", conflicts_with = "sim")]
    pub max_s: Option<f64>,
    /// Pause after an episode, to set the table again [s] [default: the daemon's configuration].
    #[arg(long, value_name = "SECONDS", conflicts_with = "sim")]
    pub reset_s: Option<f64>,
    /// Leave the simulated table as it is.
    #[arg(long, conflicts_with = "sim")]
    pub as_it_is: bool,
}

/// Options of recording in lockstep.
#[derive(Debug, Args)]
#[command(next_help_heading = "In lockstep simulation (--sim)")]
pub struct LockstepArgs {
    /// Dataset folder; created, or appended to if it holds a dataset of the same features.
    #[arg(long, value_parser = path(), requires = "sim")]
    pub out: Option<PathBuf>,
    /// Share of episodes in which bursts of noise push the arm off the expert's path (0..1).
    /// The label stays the expert's clean command.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub perturbed: f64,
    /// Share of episodes that start from a random hand pose instead of home (0..1).
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    pub random_start: f64,
    /// Policy to follow with --source policy.
    #[arg(long, required_if_eq("source", "policy"), value_parser = path(), requires = "sim")]
    pub checkpoint: Option<PathBuf>,
    /// With --source policy: horizons to draw from, episode by episode.
    #[arg(long, value_delimiter = ',', default_values_t = [1u8, 2, 4, 8],
          value_parser = clap::value_parser!(u8).range(1..=28), requires = "sim")]
    pub horizons: Vec<u8>,
    /// Give up an episode after this many steps of 100 ms.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000),
          requires = "sim")]
    pub max_steps: u32,
    /// Width and height of the recorded picture [pixels].
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(32..=1024),
          requires = "sim")]
    pub image_size: u32,
    /// Episodes that are made at the same time, each in a process of its own [default: the
    /// machine's cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64), requires = "sim")]
    pub jobs: Option<u16>,
}

/// What is recorded in lockstep simulation.
#[derive(Clone, Debug)]
pub struct LockstepRecording {
    /// The task.
    pub task: Task,
    /// Who acts: the expert or a policy.
    pub source: Source,
    /// Episodes.
    pub episodes: u32,
    /// Seed of the series.
    pub seed: u64,
    /// Dataset folder.
    pub out: PathBuf,
    /// Share of episodes with noise.
    pub perturbed: f64,
    /// Share of episodes that start somewhere else than at home.
    pub random_start: f64,
    /// Policy to follow.
    pub checkpoint: Option<PathBuf>,
    /// Horizons to draw from.
    pub horizons: Vec<u8>,
    /// Steps after which an episode is given up.
    pub max_steps: u32,
    /// Width and height of the picture \[pixels\].
    pub image_size: u32,
}

impl RecordArgs {
    /// What is asked of lockstep simulation.
    ///
    /// # Errors
    /// Something that only the arm has is asked for.
    pub fn in_lockstep(&self) -> Result<LockstepRecording, Unusable> {
        let source = self.source();
        if matches!(source, Source::Pad | Source::Keys) {
            let why = "with --sim the expert or a policy acts: --source expert or --source policy";
            return Err(Unusable(why.to_owned()));
        }
        let LockstepArgs { out, perturbed, random_start, checkpoint, horizons, .. } =
            &self.lockstep;
        let no_folder = || Unusable("--sim needs --out, the dataset's folder".to_owned());
        Ok(LockstepRecording {
            task: self.simulated_task()?,
            source,
            episodes: self.episodes,
            seed: self.seed,
            out: out.clone().ok_or_else(no_folder)?,
            perturbed: *perturbed,
            random_start: *random_start,
            checkpoint: checkpoint.clone(),
            horizons: horizons.clone(),
            max_steps: self.lockstep.max_steps,
            image_size: self.lockstep.image_size,
        })
    }

    /// Who acts.
    pub fn source(&self) -> Source {
        self.source.unwrap_or(if self.sim { Source::Expert } else { Source::Pad })
    }

    /// The simulated task that is meant.
    ///
    /// # Errors
    /// The words are those of none.
    pub fn simulated_task(&self) -> Result<Task, Unusable> {
        Task::meant(&self.task).ok_or_else(|| {
            let known = Task::ALL.map(|task| format!("{task} ({:?})", task.instruction()));
            Unusable(format!(
                "--task {:?} is none of the simulated tasks: {}",
                self.task,
                known.join(", ")
            ))
        })
    }

    /// What is recorded as the task: the words of a simulated one, where it is named.
    pub fn instruction(&self) -> &str {
        match Task::meant(&self.task) {
            Some(task) => task.instruction(),
            None => self.task.trim(),
        }
    }

    /// Name of the dataset, at the arm.
    pub fn dataset(&self) -> String {
        self.live.dataset.clone().unwrap_or_else(|| {
            let words = self.instruction().to_lowercase();
            let words = words.split(|c: char| !c.is_ascii_alphanumeric());
            let words = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
            words.chars().take(60).collect()
        })
    }
}
