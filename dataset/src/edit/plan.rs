//! Whether an edit can be made, and what comes of it: judged before anything is written.

use super::table::listed;
use super::video::VideoPlan;
use super::{Outcome, Taken, Target};
use crate::error::{DatasetError, IoContext};
use crate::reader::Dataset;
use crate::storage::{files_below, has_extension, parquet_files};
use crate::tasks::Tasks;
use arrow::array::RecordBatch;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What an edit goes by.
pub(super) struct Checked {
    pub sources: Vec<Source>,
    pub outcomes: Vec<Outcome>,
}

/// A dataset whose episodes are taken.
pub(super) struct Source {
    pub dataset: Dataset,
    pub tasks: Tasks,
    /// Rows of `meta/episodes`, with all their columns.
    pub listed: BTreeMap<usize, RecordBatch>,
    /// How many episodes each data file has.
    pub in_file: BTreeMap<PathBuf, usize>,
}

impl Checked {
    pub fn new(
        roots: &[PathBuf],
        targets: &[Target],
        in_place: bool,
        video: &Option<VideoPlan>,
    ) -> Result<Self, DatasetError> {
        let sources =
            roots.iter().map(|root| Source::open(root, in_place)).collect::<Result<Vec<_>, _>>()?;
        let first = sources.first();
        for source in sources.iter().skip(1) {
            if let Some(difference) = first.and_then(|first| source.difference(first)) {
                return Err(refused(source.dataset.root(), difference));
            }
        }
        if let (Some(source), Some(video)) = (first, video) {
            video.fits(&source.dataset).map_err(|why| refused(source.dataset.root(), why))?;
        }
        let mut places = BTreeSet::new();
        let mut outcomes = Vec::new();
        for target in targets {
            if !in_place {
                free(&target.root, &mut places)?;
            }
            outcomes.push(outcome(&sources, target, in_place)?);
        }
        Ok(Self { sources, outcomes })
    }

    /// The episode that is taken, with its source.
    pub fn of(&self, taken: &Taken) -> (&Source, &crate::listing::EpisodeInfo) {
        let source = &self.sources[taken.source];
        (source, &source.dataset.episodes()[taken.episode])
    }
}

impl Source {
    fn open(root: &Path, in_place: bool) -> Result<Self, DatasetError> {
        let dataset = Dataset::open(root)?;
        let tasks = Tasks::read(root)?;
        if let Some(column) = tasks.other_column() {
            let reason =
                format!("meta/tasks.parquet has a column \"{column}\", which would be lost");
            return Err(refused(root, reason));
        }
        let listed = listed(&parquet_files(&root.join("meta/episodes"))?)?;
        let mut in_file: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for episode in dataset.episodes() {
            *in_file.entry(episode.data_path(root, dataset.info())).or_default() += 1;
        }
        if in_place && let Some(path) = unsettled(root, &dataset, &in_file, &listed)? {
            let reason = format!(
                "{} is of an episode that is not counted yet: `jaco dataset repair` brings in what a \
                 crash left, or move the file away",
                path.display()
            );
            return Err(refused(root, reason));
        }
        Ok(Self { dataset, tasks, listed, in_file })
    }

    /// What keeps the episodes of two datasets apart, in words.
    fn difference(&self, first: &Self) -> Option<String> {
        let (mine, theirs) = (&self.dataset, &first.dataset);
        let other = theirs.root().display();
        if mine.fps() != theirs.fps() {
            let (mine, theirs) = (mine.fps(), theirs.fps());
            return Some(format!("it has {mine} rows a second, {other} has {theirs}"));
        }
        if mine.robot_type() != theirs.robot_type() {
            let name = |robot: Option<&str>| robot.unwrap_or("none").to_owned();
            let (mine, theirs) = (name(mine.robot_type()), name(theirs.robot_type()));
            return Some(format!("it is of the robot {mine}, {other} of {theirs}"));
        }
        for feature in theirs.described() {
            match mine.feature(&feature.key) {
                None => return Some(format!("it has no \"{}\", as {other} has", feature.key)),
                Some(mine) if mine.words() != feature.words() => {
                    let (key, mine, theirs) = (&feature.key, mine.words(), feature.words());
                    return Some(format!("its \"{key}\" is {mine}, that of {other} {theirs}"));
                }
                Some(mine) if mine.names != feature.names => {
                    let words = |names: &Option<Vec<String>>| match names {
                        Some(names) => names.join(", "),
                        None => "no names".to_owned(),
                    };
                    let (mine, theirs) = (words(&mine.names), words(&feature.names));
                    let key = &feature.key;
                    return Some(format!(
                        "the numbers of its \"{key}\" are {mine}, those of {other} {theirs}"
                    ));
                }
                Some(_) => {}
            }
        }
        if let Some(more) = mine.described().iter().find(|f| theirs.feature(&f.key).is_none()) {
            return Some(format!("it has \"{}\", which {other} lacks", more.key));
        }
        let columns = |source: &Self| -> BTreeSet<String> {
            let row = source.listed.values().next();
            let fields = row.map(|row| row.schema().fields().clone());
            fields.iter().flatten().map(|field| field.name().clone()).collect()
        };
        let (mine, theirs) = (columns(self), columns(first));
        let only = mine.symmetric_difference(&theirs).next()?;
        Some(format!("meta/episodes has the column \"{only}\" in one of it and {other} only"))
    }

    /// The text of each row's task.
    pub fn texts(&self, taken: &Taken) -> Result<Vec<Arc<str>>, DatasetError> {
        let episode = &self.dataset.episodes()[taken.episode];
        match &taken.task {
            Some(task) => Ok(vec![Arc::from(task.as_str()); episode.length]),
            None => Ok(self.dataset.read_columns(taken.episode, &[])?.tasks),
        }
    }
}

/// A file of an episode that is none yet, and would be lost with the old dataset: one that was being
/// recorded when its recording was killed, or is kept and not published.
fn unsettled(
    root: &Path,
    dataset: &Dataset,
    in_file: &BTreeMap<PathBuf, usize>,
    listed: &BTreeMap<usize, RecordBatch>,
) -> Result<Option<PathBuf>, DatasetError> {
    if listed.len() > dataset.episodes().len() {
        return Ok(Some(root.join("meta/episodes")));
    }
    let running = |path: &Path| has_extension(path, "running") || has_extension(path, "journal");
    let files = files_below(&root.join("data"))?.into_iter();
    let unlisted = |path: &Path| has_extension(path, "parquet") && !in_file.contains_key(path);
    Ok(files.into_iter().find(|path| running(path) || unlisted(path)))
}

/// The tasks of a target, in the order in which its sources have them, and then new ones.
pub(super) fn tasks(sources: &[Source], target: &Target) -> Result<Tasks, DatasetError> {
    let mut used: Vec<Arc<str>> = Vec::new();
    for taken in &target.episodes {
        for text in sources[taken.source].texts(taken)? {
            if !used.contains(&text) {
                used.push(text);
            }
        }
    }
    let mut tasks = sources.first().map(|source| source.tasks.emptied()).unwrap_or_default();
    let known = sources.iter().flat_map(|source| source.dataset.tasks());
    let known = known.filter(|text| used.iter().any(|used| **used == ***text)).cloned();
    for text in known.chain(used.iter().map(|text| text.to_string())) {
        if tasks.index_of(&text).is_none() {
            tasks.add(&text);
        }
    }
    Ok(tasks)
}

fn outcome(sources: &[Source], target: &Target, in_place: bool) -> Result<Outcome, DatasetError> {
    let root = &target.root;
    if target.episodes.is_empty() {
        return Err(refused(root, "no episode would be left in it".to_owned()));
    }
    let mut outcome = Outcome { root: root.clone(), episodes: 0, frames: 0, tasks: 0, bytes: 0 };
    let mut files = BTreeSet::new();
    for taken in &target.episodes {
        let dataset = &sources[taken.source].dataset;
        let (index, all) = (taken.episode, dataset.episodes());
        let Some(episode) = all.get(index) else {
            let (root, count) = (dataset.root().to_owned(), all.len());
            return Err(DatasetError::NoSuchEpisode { root, index, count });
        };
        outcome.episodes += 1;
        outcome.frames += episode.length;
        files.insert(episode.data_path(dataset.root(), dataset.info()));
        for (key, video) in episode.videos.iter().filter(|_| !in_place) {
            files.insert(dataset.info().video_path.path(dataset.root(), video.place, key));
        }
    }
    for path in &files {
        outcome.bytes += fs::metadata(path).at("read", path)?.len();
    }
    outcome.tasks = tasks(sources, target)?.len();
    Ok(outcome)
}

/// Whether a new dataset can go to `root`.
fn free(root: &Path, places: &mut BTreeSet<PathBuf>) -> Result<(), DatasetError> {
    if root.file_name().is_none() {
        return Err(refused(root, "it names no new folder".to_owned()));
    }
    if !places.insert(root.to_owned()) {
        return Err(refused(root, "two parts would go there".to_owned()));
    }
    match fs::read_dir(root) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                Err(refused(root, "something is there already: name a new folder".to_owned()))
            }
        },
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e).at("look into", root),
    }
}

pub(super) fn refused(root: &Path, reason: String) -> DatasetError {
    DatasetError::NotEditable { root: root.to_owned(), reason }
}
