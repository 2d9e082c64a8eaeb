//! The verbs that change datasets: which episodes go where. The writing is `jaco-dataset`'s.

use crate::label::success;
use crate::split::{Known, assign};
use anyhow::bail;
use jaco_cli::dataset::{
    DeleteArgs, EpisodeList, MergeArgs, RelabelArgs, SplitArgs, ToVideoArgs, VideoCodec,
};
use jaco_dataset::{Codec, Dataset, Edit, Outcome, Taken, Target, VideoPlan};
use jaco_shell::args::Unusable;
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// What an editing verb prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edited {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// What was done, in words.
    pub done: String,
    /// The datasets that it made.
    pub datasets: Vec<Made>,
    /// Episodes of the source that are in none of them.
    pub left_out: Vec<usize>,
}

/// A dataset as an edit made it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Made {
    /// Its folder.
    pub dir: PathBuf,
    /// Episodes.
    pub episodes: usize,
    /// Rows.
    pub frames: usize,
    /// Tasks.
    pub tasks: usize,
}

/// `jaco dataset delete`.
///
/// # Errors
/// As the library's edits; an episode that is not there.
pub fn delete(args: &DeleteArgs) -> anyhow::Result<Edited> {
    let dataset = Dataset::open(&args.dir)?;
    there(&dataset, &args.episodes.0)?;
    let kept = |episode: &usize| !args.episodes.0.contains(episode);
    let episodes: Vec<Taken> = (0..dataset.episodes().len()).filter(kept).map(unchanged).collect();
    let done = format!("left out {}", listed(&args.episodes.0));
    let edit = one(&args.dir, args.out.as_deref(), episodes)?;
    carry_out(&edit, args.dry_run, done, args.episodes.0.clone())
}

/// `jaco dataset merge`.
///
/// # Errors
/// As the library's edits; datasets that do not go together.
pub fn merge(args: &MergeArgs) -> anyhow::Result<Edited> {
    let mut episodes = Vec::new();
    for (source, dir) in args.dirs.iter().enumerate() {
        let count = Dataset::open(dir)?.episodes().len();
        episodes.extend((0..count).map(|episode| Taken { source, ..unchanged(episode) }));
    }
    let target = Target { root: args.out.clone(), episodes };
    let edit = Edit::into_new(args.dirs.clone(), vec![target]);
    let done = format!("put together {} datasets", args.dirs.len());
    carry_out(&edit, args.dry_run, done, Vec::new())
}

/// `jaco dataset split`.
///
/// # Errors
/// As the library's edits; parts that cannot be told apart.
pub fn split(args: &SplitArgs) -> anyhow::Result<Edited> {
    let dataset = Dataset::open(&args.dir)?;
    let mut known = Vec::new();
    for episode in dataset.episodes() {
        let success = success(&dataset, episode.index)?;
        known.push(Known { tasks: episode.tasks.clone(), success });
    }
    let assigned = assign(&args.parts, &known, args.in_order, args.seed)?;
    let left_out: Vec<usize> =
        (0..known.len()).filter(|i| !assigned.iter().any(|part| part.contains(i))).collect();
    if let Some((part, _)) =
        args.parts.iter().zip(&assigned).find(|(_, episodes)| episodes.is_empty())
    {
        let why = format!("no episode would be in {}", part.out.display());
        bail!(Unusable(why));
    }
    let targets = args.parts.iter().zip(assigned).map(|(part, episodes)| Target {
        root: part.out.clone(),
        episodes: episodes.into_iter().map(unchanged).collect(),
    });
    let edit = Edit::into_new(vec![args.dir.clone()], targets.collect());
    let done = format!("parted {} episodes", known.len() - left_out.len());
    carry_out(&edit, args.dry_run, done, left_out)
}

/// `jaco dataset relabel`.
///
/// # Errors
/// As the library's edits; an episode that is not there.
pub fn relabel(args: &RelabelArgs) -> anyhow::Result<Edited> {
    let dataset = Dataset::open(&args.dir)?;
    let all = || EpisodeList((0..dataset.episodes().len()).collect());
    let changed = args.episodes.clone().unwrap_or_else(all).0;
    there(&dataset, &changed)?;
    let taken = |episode| match changed.contains(&episode) {
        true => Taken { task: args.task.clone(), success: args.success, ..unchanged(episode) },
        false => unchanged(episode),
    };
    let episodes: Vec<Taken> = (0..dataset.episodes().len()).map(taken).collect();
    let mut what = Vec::new();
    what.extend(args.task.as_ref().map(|task| format!("of the task \"{task}\"")));
    what.extend(args.success.map(|s| if s { "a success" } else { "a failure" }.to_owned()));
    let done = format!("{} now {}", listed(&changed), what.join(" and "));
    let edit = one(&args.dir, args.out.as_deref(), episodes)?;
    carry_out(&edit, args.dry_run, done, Vec::new())
}

/// `jaco dataset to-video`.
///
/// # Errors
/// As the library's edits; pictures that cannot be videos; no ffmpeg.
pub fn to_video(args: &ToVideoArgs) -> anyhow::Result<Edited> {
    let count = Dataset::open(&args.dir)?.episodes().len();
    let episodes = (0..count).map(unchanged).collect();
    let target = Target { root: args.out.clone(), episodes };
    let codec = match args.codec {
        VideoCodec::H264 => Codec::H264,
        VideoCodec::Av1 => Codec::Av1,
    };
    let plan = VideoPlan { ffmpeg: "ffmpeg".into(), codec };
    let edit = Edit::into_new(vec![args.dir.clone()], vec![target]).with_videos(plan);
    let done = "made the pictures videos".to_owned();
    carry_out(&edit, args.dry_run, done, Vec::new())
}

fn unchanged(episode: usize) -> Taken {
    Taken { episode, ..Taken::default() }
}

fn one(dir: &Path, out: Option<&Path>, episodes: Vec<Taken>) -> anyhow::Result<Edit> {
    Ok(match out {
        None => Edit::in_place(dir, episodes)?,
        Some(out) => {
            let target = Target { root: out.to_owned(), episodes };
            Edit::into_new(vec![dir.to_owned()], vec![target])
        }
    })
}

fn carry_out(
    edit: &Edit,
    dry_run: bool,
    done: String,
    left_out: Vec<usize>,
) -> anyhow::Result<Edited> {
    let outcomes = if dry_run { edit.plan()? } else { edit.carry_out()? };
    let made = |outcome: Outcome| Made {
        dir: outcome.root,
        episodes: outcome.episodes,
        frames: outcome.frames,
        tasks: outcome.tasks,
    };
    let datasets = outcomes.into_iter().map(made).collect();
    Ok(Edited { dry_run, done, datasets, left_out })
}

fn there(dataset: &Dataset, episodes: &[usize]) -> anyhow::Result<()> {
    let count = dataset.episodes().len();
    match episodes.iter().find(|episode| **episode >= count) {
        None => Ok(()),
        Some(episode) => {
            let dir = dataset.root().display();
            bail!(Unusable(format!("{dir} has no episode {episode}: it has {count}, from 0 on")))
        }
    }
}

/// `episodes 3, 5-7`.
fn listed(episodes: &[usize]) -> String {
    let runs = episodes.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        _ => run.iter().map(usize::to_string).collect(),
    });
    let words = if episodes.len() == 1 { "episode" } else { "episodes" };
    format!("{words} {}", runs.collect::<Vec<_>>().join(", "))
}

impl fmt::Display for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let would = if self.dry_run { "would be done: " } else { "" };
        write!(f, "{would}{}", self.done)?;
        for made in &self.datasets {
            let (dir, tasks) = (made.dir.display(), made.tasks);
            let (episodes, frames) = (made.episodes, made.frames);
            write!(f, "\n{dir}: {episodes} episodes, {frames} frames, {tasks} tasks")?;
        }
        if !self.left_out.is_empty() {
            write!(f, "\nin none of them: {}", listed(&self.left_out))?;
        }
        Ok(())
    }
}
