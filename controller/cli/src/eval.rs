//! The verb `jaco eval`, as declared: which cells of a sweep are asked for, and how policies are
//! named in it.

mod table;

use crate::{instruction, nats};
use clap::{ArgGroup, Args};
use jaco_core::{Decode, Task, UnknownTask, View};
use jaco_shell::args::{Unusable, path, path_given};
use std::path::{Path, PathBuf};
use std::str::FromStr;
pub use table::{EvalVerb, TableArgs};

/// Longest label of a policy: a word or two at the head of a table's row.
const MOST_LABEL_CHARS: usize = 40;
/// What `--expert` is called among the policies.
const EXPERT: &str = "expert";

/// Options of `jaco eval`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("where").required(true).args(["sim", "arm"]))]
#[command(group = ArgGroup::new("what").required(true).args(["tasks", "instruction"]))]
pub struct EvalArgs {
    /// What to make of stored tries, instead of trying.
    #[command(subcommand)]
    pub verb: Option<EvalVerb>,
    /// Evaluate in lockstep simulation.
    #[arg(long)]
    pub sim: bool,
    /// Evaluate the daemon's policy on its arm, in real time. A simulated arm's table is set by
    /// itself and its task test judges; at a real one you are asked.
    #[arg(long, requires = "out", conflicts_with_all = [
        "decodes", "expectation", "max_entropy", "checkpoint", "adapter", "policies",
        "statistics", "view", "jobs", "expert",
    ])]
    pub arm: bool,
    /// The task to try, several of them (A,B), or all.
    #[arg(long = "task", value_name = "TASK", value_delimiter = ',')]
    pub tasks: Vec<TaskChoice>,
    /// With --arm: what to do, in words, where it is none of the tasks. You judge.
    #[arg(long, value_name = "WORDS", value_parser = instruction, conflicts_with = "sim")]
    pub instruction: Option<String>,
    /// With --arm: what tables call the daemon's policy [default: the name of its folder].
    #[arg(long, value_name = "LABEL", value_parser = label, conflicts_with = "sim")]
    pub label: Option<String>,
    /// Placements of each task. All policies get the same ones.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub trials: u32,
    /// Independent tries at each placement, each with draws of its own, for Pass@1 to Pass@N. Where
    /// nothing is drawn (greedy, beam) every try is the same: one is made and counts as all.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub pass: u32,
    /// Seed of the placements. Evaluation never sees a placement that recording can draw.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Action units executed per inference; several (1,2,4) are a sweep.
    #[arg(long = "horizon", value_name = "UNITS", default_value = "4", value_delimiter = ',',
          value_parser = clap::value_parser!(u8).range(1..=28))]
    pub horizons: Vec<u8>,
    /// How tokens are chosen: greedy, top-k:K, top-k:K:TEMPERATURE or beam:WIDTH; several are a
    /// sweep. Draws are seeded by the trial.
    #[arg(long = "decode", value_name = "HOW", default_value = "greedy", value_delimiter = ',')]
    pub decodes: Vec<Decode>,
    /// Execute the means under the policy's probabilities instead of the centres of the chosen
    /// bins.
    #[arg(long)]
    pub expectation: bool,
    /// End a stream before its first unit of higher entropy, and look again [nats per token].
    #[arg(long, value_name = "NATS", value_parser = nats)]
    pub max_entropy: Option<f32>,
    /// Checkpoint folder [default: the shipped mini policy].
    #[arg(long, value_parser = path())]
    pub checkpoint: Option<PathBuf>,
    /// Folder of an adapter in PEFT's layout, which acts on the checkpoint.
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub adapter: Option<PathBuf>,
    /// A policy of a sweep: what tables call it, its checkpoint's folder and, after a plus sign, an
    /// adapter's. Repeat it for each policy.
    #[arg(long = "policy", value_name = "LABEL=DIR[+ADAPTER]", num_args = 1)]
    pub policies: Vec<PolicyChoice>,
    /// Dataset whose statistics decode the actions [default: the only one].
    #[arg(long, value_name = "KEY")]
    pub statistics: Option<String>,
    /// What is done to pictures first, as `view` in jacod's configuration: plain, bridge, cropped
    /// or libero.
    #[arg(long, default_value_t = View::Plain)]
    pub view: View,
    /// A trial fails after this many steps of 100 ms.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_steps: u32,
    /// Folder that keeps the tries and pictures of some; what it holds already is not tried again.
    #[arg(long, value_name = "DIR", value_parser = path())]
    pub out: Option<PathBuf>,
    /// Trials that run at the same time, each in a process of its own [default: the machine's
    /// cores].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// Let the scripted expert act instead of a policy: what the task allows at best.
    #[arg(long, conflicts_with_all = [
        "decodes", "expectation", "max_entropy", "checkpoint", "adapter", "policies",
        "statistics", "view",
    ])]
    pub expert: bool,
}

impl EvalArgs {
    /// The tasks, each once.
    pub fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for choice in &self.tasks {
            let chosen: &[Task] = match choice {
                TaskChoice::All => &Task::ALL,
                TaskChoice::One(task) => std::slice::from_ref(task),
            };
            tasks.extend(chosen);
        }
        once(&tasks)
    }

    /// The horizons, each once.
    pub fn horizons(&self) -> Vec<u8> {
        once(&self.horizons)
    }

    /// The ways to decode, each once.
    pub fn decodes(&self) -> Vec<Decode> {
        once(&self.decodes)
    }

    /// The policies in order: that of --checkpoint, called after its folder, then those of --policy;
    /// `shipped` tells the one that is meant where none is named.
    ///
    /// # Errors
    /// A label is used twice, an adapter has no checkpoint, or `shipped` fails.
    pub fn policies(
        &self,
        shipped: impl FnOnce() -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<Vec<PolicyChoice>> {
        let checkpoint = match &self.checkpoint {
            Some(folder) => Some(folder.clone()),
            None if self.policies.is_empty() => Some(shipped()?),
            None if self.adapter.is_some() => {
                let why = "--adapter acts on --checkpoint; a policy of --policy names its own: \
                           LABEL=DIR+ADAPTER";
                return Err(Unusable(why.to_owned()).into());
            }
            None => None,
        };
        let first = checkpoint.map(|checkpoint| PolicyChoice {
            label: called_after(&checkpoint, self.adapter.as_deref()),
            checkpoint,
            adapter: self.adapter.clone(),
        });
        let all: Vec<_> = first.into_iter().chain(self.policies.iter().cloned()).collect();
        for (index, policy) in all.iter().enumerate() {
            if all[..index].iter().any(|before| before.label == policy.label) {
                let why = format!(
                    "the label {:?} is used twice: give each policy its own with --policy LABEL=DIR",
                    policy.label
                );
                return Err(Unusable(why).into());
            }
        }
        Ok(all)
    }
}

/// What --task names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskChoice {
    /// All that there are.
    All,
    /// One.
    One(Task),
}

impl FromStr for TaskChoice {
    type Err = UnknownTask;

    fn from_str(text: &str) -> Result<Self, UnknownTask> {
        match text {
            "all" => Ok(TaskChoice::All),
            name => name.parse().map(TaskChoice::One),
        }
    }
}

/// A policy of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyChoice {
    /// What tables call it.
    pub label: String,
    /// Folder of the checkpoint.
    pub checkpoint: PathBuf,
    /// Folder of an adapter that acts on it.
    pub adapter: Option<PathBuf>,
}

impl FromStr for PolicyChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let missing = "must be LABEL=DIR or LABEL=DIR+ADAPTER";
        let (called, folders) = text.split_once('=').ok_or(missing)?;
        let label = label(called)?;
        let given = |folder: &str| path_given(folder.into()).map_err(|error| error.to_string());
        let (checkpoint, adapter) = checkpoint_and_adapter(folders)?;
        let adapter = adapter.map(given).transpose()?;
        Ok(Self { label, checkpoint: given(checkpoint)?, adapter })
    }
}

/// `DIR` or `DIR+ADAPTER`. Folders' names may have the sign: an existing folder whose name is the
/// whole text is that folder, and else the sign stands between two that exist.
fn checkpoint_and_adapter(text: &str) -> Result<(&str, Option<&str>), String> {
    if Path::new(text).exists() {
        return Ok((text, None));
    }
    let splits = || text.match_indices('+').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let exist = |(one, other): &(&str, &str)| Path::new(one).exists() && Path::new(other).exists();
    let found: Vec<(&str, &str)> = splits().filter(exist).collect();
    match found[..] {
        [(checkpoint, adapter)] => Ok((checkpoint, Some(adapter))),
        // Which is missing is said when it is opened.
        [] => Ok(splits().next_back().map_or((text, None), |(one, other)| (one, Some(other)))),
        [(a, b), (c, d), ..] => Err(format!(
            "{text} can be {a} with the adapter {b}, or {c} with {d}: rename one of the folders, or \
             name them with --checkpoint and --adapter"
        )),
    }
}

fn label(text: &str) -> Result<String, String> {
    let label = text.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || " -_.+()".contains(c);
    match label.chars().count() {
        1..=MOST_LABEL_CHARS if !label.chars().all(fits) => {
            Err(format!("{label:?} has more than letters, digits, spaces and -_.+() in it"))
        }
        1..=MOST_LABEL_CHARS if label == EXPERT => {
            Err(format!("the label \"{EXPERT}\" is that of --expert: take another one"))
        }
        1..=MOST_LABEL_CHARS => Ok(label.to_owned()),
        _ => Err(format!("a label has 1 to {MOST_LABEL_CHARS} characters")),
    }
}

/// A label made of the names of a policy's folders.
pub fn called_after(checkpoint: &Path, adapter: Option<&Path>) -> String {
    let name = |folder: &Path| {
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned();
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        name.chars().map(|c| if fits(c) { c } else { '-' }).collect::<String>()
    };
    let names = [Some(checkpoint), adapter].into_iter().flatten().map(name);
    let label: String =
        names.collect::<Vec<_>>().join("+").chars().take(MOST_LABEL_CHARS).collect();
    match &*label {
        "" | EXPERT => "policy".to_owned(),
        _ => label,
    }
}

/// Each item once, in the order of first mention.
fn once<T: Clone + PartialEq>(items: &[T]) -> Vec<T> {
    let mut kept = Vec::<T>::new();
    for item in items {
        if !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Cli, Verb};
    use clap::Parser;

    fn eval(words: &[&str]) -> Result<EvalArgs, clap::Error> {
        let line = ["jaco", "eval", "--sim"].iter().chain(words).copied();
        Cli::try_parse_from(line).map(|cli| match cli.verb {
            Verb::Eval(args) => args,
            _ => unreachable!("eval was asked for"),
        })
    }

    #[test]
    fn a_sweep_is_lists_and_names_each_thing_once() {
        let args = eval(&[
            "--task",
            "clean-table,all",
            "--task",
            "place-block",
            "--horizon",
            "8,1,8",
            "--decode",
            "greedy,top-k:5,beam:2,top-k:5:1",
        ])
        .unwrap();
        let tasks = args.tasks();
        assert_eq!((tasks.len(), tasks[0], tasks[1]), (4, Task::CleanTable, Task::PlaceBlock));
        assert_eq!(args.horizons(), [8, 1]);
        assert_eq!(args.decodes().len(), 3);
        let plain = eval(&["--task", "place-block"]).unwrap();
        assert_eq!((plain.horizons(), plain.decodes()), (vec![4], vec![Decode::Greedy]));
        for wrong in ["", "block", "place-block,", "ALL"] {
            assert!(eval(&["--task", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_arm_has_the_daemons_policy_and_keeps_its_tries() {
        let arm =
            |words: &str| Cli::try_parse_from(format!("jaco eval {words}").split(' ')).map(|_| ());
        assert!(arm("--arm --task place-block --out x --label L-BC --horizon 1,2").is_ok());
        assert!(arm("--arm --instruction lift --out x").is_ok());
        for wrong in [
            "--task all",
            "--sim --arm --task all --out x",
            "--arm --task all",
            "--arm --out x",
            "--sim --instruction lift",
            "--arm --task all --instruction lift --out x",
            "--arm --task all --out x --decode greedy",
            "--arm --task all --out x --policy a=/x",
        ] {
            assert!(arm(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_policy_is_a_label_and_folders() {
        let policy = |text: &str| text.parse::<PolicyChoice>();
        let whole = policy("L-BC + S-AA=/a=b+/c").unwrap();
        assert_eq!(whole.label, "L-BC + S-AA");
        assert_eq!(whole.checkpoint, Path::new("/a=b"));
        assert_eq!(whole.adapter.as_deref(), Some(Path::new("/c")));
        let folder = tempfile::tempdir().unwrap();
        let plus = folder.path().join("a+b");
        std::fs::create_dir(&plus).unwrap();
        let there = policy(&format!("x={}", plus.display())).unwrap();
        assert_eq!((there.checkpoint, there.adapter), (plus, None));
        // Wherever the sign is in their names, and however many.
        for name in ["c", "c+d", "+e", "e+"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let pair = |checkpoint: &str, adapter: &str| {
            let [one, other] = [checkpoint, adapter].map(|name| folder.path().join(name));
            let read = policy(&format!("x={}+{}", one.display(), other.display()));
            read.map(|read| (read.checkpoint == one, read.adapter == Some(other)))
        };
        for (checkpoint, adapter) in [("a+b", "c"), ("c", "a+b"), ("a+b", "c+d"), ("c", "+e")] {
            assert_eq!(pair(checkpoint, adapter).unwrap(), (true, true), "{checkpoint} {adapter}");
        }
        for wrong in ["/a", "=/a", "a/b=/a", "expert=/a", "x=", "x=/a+", "ä=/a"] {
            assert!(policy(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn policies_are_the_shipped_one_or_those_that_are_named() {
        let shipped = || Ok(PathBuf::from("/model/mini"));
        let labels = |words: &[&str]| {
            let policies = eval(&[&["--task", "all"], words].concat()).unwrap().policies(shipped);
            policies.map(|all| all.into_iter().map(|policy| policy.label).collect::<Vec<_>>())
        };
        assert_eq!(labels(&[]).unwrap(), ["mini"]);
        assert_eq!(labels(&["--policy", "a=/x", "--policy", "b=/x"]).unwrap(), ["a", "b"]);
        let both = ["--checkpoint", "/c d", "--adapter", "/e", "--policy", "a=/x"];
        assert_eq!(labels(&both).unwrap(), ["c-d+e", "a"]);
        assert_eq!(labels(&["--checkpoint", "/expert"]).unwrap(), ["policy"]);
        for wrong in [
            &["--policy", "a=/x", "--policy", "a=/y"][..],
            &["--checkpoint", "/a", "--policy", "a=/y"],
            &["--adapter", "/e", "--policy", "a=/y"],
        ] {
            let error = labels(wrong).unwrap_err();
            assert!(Unusable::is_in(&error), "{wrong:?}: {error}");
        }
    }
}
