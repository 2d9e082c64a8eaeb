//! The verbs `jaco dataset` and `jaco replay`, as declared. `jaco-data` carries them out: it needs
//! no libtorch and no simulator, and only a replay needs a daemon.

use super::EXIT_CODES;
use clap::{Args, Subcommand, ValueEnum};
use jaco_shell::args::{path, path_given};
use std::path::PathBuf;
use std::str::FromStr;

/// Lists of episodes have at most so many.
const MOST_EPISODES: usize = 1_000_000;

const EDITS: &str = "\
An edit is built beside the dataset and takes its place in one step, or goes to a new folder with \
--out; whatever interrupts it, the dataset is the old one or the new one. --dry-run says what would \
be done and changes nothing.\n\n";

/// What to do with a recorded dataset (LeRobotDataset v3, whoever wrote it).
#[derive(Debug, Subcommand)]
pub enum DatasetVerb {
    /// Read everything and name whatever is wrong, with episode and frame. Exit code 1 if there is
    /// an error (with --strict: or a warning).
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Put right what a crash of a recording left behind, and tell each repair.
    #[command(after_help = EXIT_CODES)]
    Repair(RepairArgs),
    /// Episodes, tasks, labels, numbers of each dimension, rates, sizes.
    #[command(after_help = EXIT_CODES)]
    Stats(FolderArgs),
    /// Draw an episode: a contact sheet of each camera, and plots of path, actions and timing.
    #[command(after_help = EXIT_CODES)]
    Show(ShowArgs),
    /// Leave episodes out.
    #[command(after_help = edits())]
    Delete(DeleteArgs),
    /// Join datasets of equal features and rate into a new one.
    #[command(after_help = edits())]
    Merge(MergeArgs),
    /// Part a dataset into new ones: by share, by success or by task.
    #[command(after_help = edits())]
    Split(SplitArgs),
    /// Change the task's text or the label of episodes.
    #[command(after_help = edits())]
    Relabel(RelabelArgs),
    /// Write a copy whose pictures are videos, which ffmpeg encodes.
    #[command(after_help = edits())]
    ToVideo(ToVideoArgs),
}

fn edits() -> String {
    format!("{EDITS}{EXIT_CODES}")
}

/// A dataset.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
}

/// Options of `jaco dataset check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
    /// Warnings count as errors.
    #[arg(long)]
    pub strict: bool,
}

/// Options of `jaco dataset repair`.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `jaco dataset show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
    /// Number of the episode, from 0.
    #[arg(long)]
    pub episode: usize,
    /// Folder that receives the pictures; created if it is not there.
    #[arg(long, value_parser = path())]
    pub out: PathBuf,
}

/// Options of `jaco dataset delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
    /// Episodes to leave out, from 0: 3,5-7.
    #[arg(long, value_name = "LIST")]
    pub episodes: EpisodeList,
    /// Write a new dataset here, and leave this one as it is.
    #[arg(long, value_parser = path())]
    pub out: Option<PathBuf>,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `jaco dataset merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Folders of the datasets, in order.
    #[arg(required = true, num_args = 2.., value_parser = path())]
    pub dirs: Vec<PathBuf>,
    /// The new dataset.
    #[arg(long, value_parser = path())]
    pub out: PathBuf,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `jaco dataset split`.
#[derive(Debug, Args)]
pub struct SplitArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
    /// A part and its share of the episodes (A=0.9), or what its episodes have in common: success,
    /// failure, task:TEXT, or rest for those of no other part. Repeat it for each part.
    #[arg(long = "out", value_name = "DIR=WHAT", required = true, num_args = 1)]
    pub parts: Vec<Part>,
    /// With shares: episodes in their order, not drawn.
    #[arg(long)]
    pub in_order: bool,
    /// With shares: seed of the draw.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `jaco dataset relabel`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("label").required(true).multiple(true))]
pub struct RelabelArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
    /// Episodes to change, from 0: 3,5-7 [default: all].
    #[arg(long, value_name = "LIST")]
    pub episodes: Option<EpisodeList>,
    /// New text of their task.
    #[arg(long, value_parser = super::instruction, group = "label")]
    pub task: Option<String>,
    /// New label: whether the task was done.
    #[arg(long, value_name = "true|false", group = "label")]
    pub success: Option<bool>,
    /// Write a new dataset here, and leave this one as it is.
    #[arg(long, value_parser = path())]
    pub out: Option<PathBuf>,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// How videos are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VideoCodec {
    /// Quick to write and to read.
    H264,
    /// Smaller, slower; lerobot's own choice.
    Av1,
}

/// Options of `jaco dataset to-video`.
#[derive(Debug, Args)]
pub struct ToVideoArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
    /// The new dataset.
    #[arg(long, value_parser = path())]
    pub out: PathBuf,
    /// How pictures are compressed.
    #[arg(long, value_enum, default_value_t = VideoCodec::H264)]
    pub codec: VideoCodec,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Which of the recorded actions are replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Replayed {
    /// What was asked for: the feature `action`.
    Asked,
    /// What the servo made of it and sent: the feature `action.sent`.
    Sent,
}

/// Options of `jaco replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Folder of the dataset.
    #[arg(value_parser = path())]
    pub dir: PathBuf,
    /// Number of the episode, from 0.
    #[arg(long)]
    pub episode: usize,
    /// Which actions.
    #[arg(long, value_enum, default_value_t = Replayed::Asked)]
    pub actions: Replayed,
    /// Speed relative to the recording, above 0 and at most 2.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// Begin where the arm is, not at its home pose.
    #[arg(long)]
    pub no_home: bool,
}

/// Episodes by number: `3,5-7`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpisodeList(pub Vec<usize>);

impl FromStr for EpisodeList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut episodes = Vec::new();
        for part in text.split(',').map(str::trim) {
            let number = |text: &str| {
                let number = text.trim().parse::<usize>();
                number
                    .map_err(|_| format!("\"{part}\" is neither a number nor a range such as 5-7"))
            };
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(format!("\"{part}\" ends before it begins"));
            }
            if last - first >= MOST_EPISODES - episodes.len() {
                return Err(format!("more than {MOST_EPISODES} episodes"));
            }
            episodes.extend(first..=last);
        }
        episodes.sort_unstable();
        episodes.dedup();
        Ok(Self(episodes))
    }
}

/// A part of a split: a new dataset and its episodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Where it goes.
    pub out: PathBuf,
    /// Which episodes.
    pub what: PartOf,
}

/// What the episodes of a part are.
#[derive(Clone, Debug, PartialEq)]
pub enum PartOf {
    /// This share of all, above 0 and at most 1.
    Share(f64),
    /// Those labelled a success.
    Success,
    /// Those labelled a failure.
    Failure,
    /// Those of this task.
    Task(String),
    /// Those of no other part.
    Rest,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let missing = "must be DIR=WHAT, such as A=0.9";
        // A folder's name may have the sign, and a task's text as well.
        let (out, what) = match text.split_once("=task:") {
            Some((out, task)) => (out, PartOf::Task(task.to_owned())),
            None => {
                let (out, what) = text.rsplit_once('=').ok_or(missing)?;
                let what = match what {
                    "success" => PartOf::Success,
                    "failure" => PartOf::Failure,
                    "rest" => PartOf::Rest,
                    share => match share.parse::<f64>() {
                        Ok(share) if share > 0.0 && share <= 1.0 => PartOf::Share(share),
                        _ => {
                            return Err(format!(
                                "\"{share}\" is no share above 0 and up to 1, nor success, failure, \
                                 task:TEXT or rest"
                            ));
                        }
                    },
                };
                (out, what)
            }
        };
        let out = path_given(out.into()).map_err(|error| error.to_string())?;
        Ok(Self { out, what })
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed > 0.0 && speed <= 2.0 => Ok(speed),
        _ => Err("must be a number above 0 and at most 2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lists_of_episodes_are_numbers_and_ranges() {
        let list = |text: &str| text.parse::<EpisodeList>().map(|list| list.0);
        assert_eq!(list("3,5-7, 6").unwrap(), [3, 5, 6, 7]);
        assert_eq!(list("0").unwrap(), [0]);
        for wrong in ["", "a", "7-5", "1,,2", "-3", "0-99999999999"] {
            assert!(list(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_part_is_a_folder_and_what_goes_there() {
        let part = |text: &str| text.parse::<Part>();
        assert_eq!(part("a=b=0.5").unwrap().out, PathBuf::from("a=b"));
        assert_eq!(part("x=task:a=b").unwrap().what, PartOf::Task("a=b".to_owned()));
        assert_eq!(part("x=rest").unwrap().what, PartOf::Rest);
        for wrong in ["x", "x=0", "x=1.5", "x=good", "=0.5"] {
            assert!(part(wrong).is_err(), "{wrong}");
        }
    }
}
