//! The files against one another: what `info.json` says, what `meta/episodes` lists, what the rows
//! of the data files count. Reads each of them for itself, so that one that is broken hides nothing
//! of the others.

use super::finding::{Findings, and_after, runs};
use crate::appending::appendable;
use crate::described::Content;
use crate::episodes::EpisodeRecord;
use crate::error::{DatasetError, GET_AGAIN, MEND};
use crate::feature::{DEFAULT_KEYS, Features};
use crate::info::Info;
use crate::numbers::numbers;
use crate::parquet_file::{each_batch, schema};
use crate::storage::{files_below, has_extension, parquet_files, temporaries};
use crate::tasks::Tasks;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How far `timestamp` may be from `frame_index / fps` \[s\]: what lerobot demands of videos.
const TIMESTAMP_TOLERANCE_S: f64 = 1e-4;

/// What a killed recording or repair left behind.
pub(super) fn leftovers(root: &Path, findings: &mut Findings) -> Result<(), DatasetError> {
    for path in temporaries(root)? {
        let problem =
            "half-written file of a crash; the next recording into this folder removes it";
        findings.warning("leftover", &path.display().to_string(), problem.to_owned());
    }
    for path in files_below(root)?.iter().filter(|path| has_extension(path, "rejected")) {
        let problem = "broken file that was set aside".to_owned();
        findings.warning("leftover", &path.display().to_string(), problem);
    }
    Ok(())
}

/// The files of metadata and data, each for itself and against one another.
pub(super) fn files(root: &Path, findings: &mut Findings) {
    let info = match Info::read(root) {
        Ok(info) => Some(info),
        Err(e) => {
            findings.error("schema", "metadata", e.to_string());
            None
        }
    };
    let tasks = match Tasks::read(root) {
        Ok(tasks) => Some(tasks),
        Err(e) => {
            findings.error("schema", "metadata", e.to_string());
            None
        }
    };
    let records = records(root, findings);
    if let (Some(info), Some(tasks)) = (&info, &tasks) {
        totals(root, info, tasks, &records, findings);
    }
    if let Some(info) = &info {
        unreadable(info, findings);
        data(root, info, &records, findings);
    }
    if let Some(last) = records.keys().next_back() {
        notes(root, last + 1, findings);
    }
}

/// All rows of `meta/episodes`, by number.
fn records(root: &Path, findings: &mut Findings) -> BTreeMap<usize, EpisodeRecord> {
    let mut all: BTreeMap<usize, EpisodeRecord> = BTreeMap::new();
    let files = match parquet_files(&root.join("meta/episodes")) {
        Ok(files) => files,
        Err(e) => {
            findings.error("schema", "metadata", e.to_string());
            return all;
        }
    };
    for path in files {
        match EpisodeRecord::read_file(&path) {
            Err(e) => findings.error("schema", "metadata", e.to_string()),
            Ok(records) => {
                for record in records {
                    let index = record.index;
                    if all.insert(index, record).is_some() {
                        let problem = "it is listed twice in meta/episodes".to_owned();
                        findings.of(super::Severity::Error, "index", (index, None), problem);
                    }
                }
            }
        }
    }
    for (place, (&index, _)) in all.iter().enumerate() {
        if place != index {
            let problem = format!("episode {place} is not listed, though episode {index} is");
            findings.error("index", "meta/episodes", problem);
            break;
        }
    }
    let mut from = 0;
    let mut in_order: Vec<&EpisodeRecord> = all.values().collect();
    in_order.sort_by_key(|record| record.from.unwrap_or(0));
    for record in in_order.iter().filter(|record| record.from.is_some()) {
        let (index, begins) = (record.index, record.from.unwrap_or(0));
        if begins != from {
            let problem = format!("it begins at row {begins} of the dataset, not {from}");
            findings.of(super::Severity::Error, "index", (index, None), problem);
        }
        if record.length == Some(0) {
            let problem = "it has no rows".to_owned();
            findings.of(super::Severity::Error, "length", (index, None), problem);
        }
        from = begins + record.length.unwrap_or(0);
    }
    all
}

fn totals(
    root: &Path,
    info: &Info,
    tasks: &Tasks,
    records: &BTreeMap<usize, EpisodeRecord>,
    findings: &mut Findings,
) {
    let place = Info::path(root).display().to_string();
    let frames = records.values().map(|record| record.length.unwrap_or(0)).sum::<usize>();
    let mut differs = |key: &str, said: Option<usize>, found: usize, what: &str| {
        if let Some(said) = said.filter(|said| *said != found) {
            let problem = format!("{key} is {said}, but {what} {found}");
            findings.error("totals", &place, problem);
        }
    };
    differs("total_episodes", info.total_episodes, records.len(), "meta/episodes lists");
    differs("total_frames", info.total_frames, frames, "the listed lengths add up to");
    let said = info.published().tasks;
    differs("total_tasks", (said > 0).then_some(said), tasks.len(), "meta/tasks.parquet has");
}

/// Features that whoever asks for them will not get.
fn unreadable(info: &Info, findings: &mut Findings) {
    for feature in &info.described {
        if let Content::Unreadable(reason) = &feature.content {
            let place = format!("\"{}\" ({})", feature.key, feature.words());
            findings.warning("unreadable", &place, format!("it is not read: {reason}"));
        }
    }
}

/// The data files: their columns, and how their rows count.
fn data(
    root: &Path,
    info: &Info,
    records: &BTreeMap<usize, EpisodeRecord>,
    findings: &mut Findings,
) {
    let mut listed: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut owners: BTreeMap<PathBuf, Vec<&EpisodeRecord>> = BTreeMap::new();
    for record in records.values() {
        if let Some(place) = record.data {
            let path = info.data_path.path(root, place, "");
            *listed.entry(path.clone()).or_default() += record.length.unwrap_or(0);
            owners.entry(path).or_default().push(record);
        }
    }
    let mut files = match parquet_files(&root.join("data")) {
        Ok(files) => files,
        Err(e) => return findings.error("schema", "data", e.to_string()),
    };
    files.extend(listed.keys().filter(|path| !path.exists()).cloned());
    files.sort();
    files.dedup();
    let unlisted = if appendable(root).is_ok() { MEND } else { GET_AGAIN };
    let mut counted = Counted::default();
    for path in &files {
        let place = path.display().to_string();
        let Some(&expected) = listed.get(path) else {
            if !records.is_empty() {
                let problem = format!("no episode is listed for this file; {unlisted}");
                findings.error("schema", &place, problem);
            }
            continue;
        };
        let owners = owners.get(path).map(Vec::as_slice).unwrap_or_default();
        let owner = if let [only] = owners { Some(*only) } else { None };
        let before = counted.rows;
        let read = match path.exists() {
            true => counted.file(path, info, owner, findings).map_err(|e| e.to_string()),
            false => Err(format!("the file is missing; {GET_AGAIN}")),
        };
        if let Err(problem) = read {
            findings.error("schema", &place, problem);
            // What comes after is not out of place because of it.
            counted.rows = before + expected;
            counted.lost.extend(owners.iter().map(|record| record.index));
        } else if counted.rows - before != expected {
            let found = counted.rows - before;
            findings.error("schema", &place, format!("holds {found} rows, {expected} are listed"));
        }
    }
    counted.against(records, findings);
}

/// The rows of all data files in the order in which lerobot puts them together.
#[derive(Default)]
struct Counted {
    rows: usize,
    episodes: BTreeMap<usize, usize>,
    /// Those whose file cannot be read, which is said of the file.
    lost: BTreeSet<usize>,
}

impl Counted {
    fn file(
        &mut self,
        path: &Path,
        info: &Info,
        owner: Option<&EpisodeRecord>,
        findings: &mut Findings,
    ) -> Result<(), DatasetError> {
        let place = path.display().to_string();
        let columns = schema(path)?;
        let columns: BTreeSet<&str> =
            columns.fields().iter().map(|field| field.name().as_str()).collect();
        let described: BTreeSet<&str> =
            info.described.iter().map(|feature| feature.key.as_str()).collect();
        for feature in info.described.iter().filter(|feature| !feature.is_video()) {
            if !columns.contains(feature.key.as_str()) {
                let problem = format!("the column \"{}\" of info.json is missing", feature.key);
                findings.error("schema", &place, problem);
            }
        }
        for column in columns.iter().filter(|column| !DEFAULT_KEYS.contains(column)) {
            if !described.contains(column) {
                let problem = format!("info.json does not describe the column \"{column}\"");
                findings.warning("schema", &place, problem);
            }
        }
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let mut rows = 0;
        each_batch(
            path,
            |name| DEFAULT_KEYS.contains(&name),
            None,
            |batch| {
                rows += batch.num_rows();
                for key in DEFAULT_KEYS {
                    let Some(column) = batch.column_by_name(key) else { continue };
                    if column.logical_null_count() == batch.num_rows() {
                        continue;
                    }
                    let more = numbers(column, 1).and_then(|numbers| numbers.into_f64());
                    let more = more.map_err(|reason| DatasetError::Column {
                        path: path.to_owned(),
                        column: key.to_owned(),
                        reason,
                    })?;
                    values.entry(key).or_default().extend(more);
                }
                Ok(())
            },
        )?;
        for feature in Features::defaults() {
            let there = values.get(feature.key.as_str()).map_or(0, Vec::len);
            if there != rows && feature.key != "task_index" {
                let problem = format!("\"{}\" has {there} values in {rows} rows", feature.key);
                findings.error("schema", &place, problem);
            }
        }
        let column = |key: &str| values.get(key).filter(|values| values.len() == rows);
        if let Some(episodes) = column("episode_index") {
            let mut begin = 0;
            for piece in episodes.chunk_by(|a, b| a == b) {
                let range = begin..begin + piece.len();
                begin = range.end;
                let mut episode = piece[0] as usize;
                if let Some(owner) = owner.filter(|owner| owner.index != episode) {
                    let begins = column("index").map_or(0.0, |index| index[range.start]);
                    for (key, found) in [("episode_index", episode as f64), ("index", begins)] {
                        let problem = format!(
                            "column \"{key}\" does not count as the format asks: {found} in {place}"
                        );
                        let here = (owner.index, Some(0));
                        findings.of(super::Severity::Error, "index", here, problem);
                    }
                    episode = owner.index;
                }
                let again = self.episodes.insert(episode, range.len());
                if again.is_some() {
                    let problem = "its rows are in more than one piece".to_owned();
                    findings.of(super::Severity::Error, "index", (episode, None), problem);
                }
                let part = |key: &str| column(key).map(|values| &values[range.clone()]);
                counts(episode, info.fps, self.rows + range.start, part, findings);
            }
        }
        self.rows += rows;
        Ok(())
    }

    /// Whether each listed episode has its rows, and no other has any.
    fn against(&self, records: &BTreeMap<usize, EpisodeRecord>, findings: &mut Findings) {
        for (index, record) in records.iter().filter(|(index, _)| !self.lost.contains(index)) {
            let (found, said) = (self.episodes.get(index).copied(), record.length);
            match (found, said) {
                (None, said) if said != Some(0) => {
                    let problem = format!("no data file has a row of it; {GET_AGAIN}");
                    findings.of(super::Severity::Error, "index", (*index, None), problem);
                }
                (Some(found), Some(said)) if found != said => {
                    let problem = format!("the data has {found} rows of it, {said} are listed");
                    findings.of(super::Severity::Error, "index", (*index, None), problem);
                }
                _ => {}
            }
        }
        for index in self.episodes.keys().filter(|index| !records.contains_key(index)) {
            let problem = "the data has rows of it, but it is not listed".to_owned();
            findings.of(super::Severity::Error, "index", (*index, None), problem);
        }
    }
}

/// How the rows of one piece of an episode count; `position` is that of the first over all files.
fn counts<'a>(
    episode: usize,
    fps: f64,
    position: usize,
    part: impl Fn(&str) -> Option<&'a [f64]>,
    findings: &mut Findings,
) {
    let mut found: Vec<(&'static str, usize, String)> = Vec::new();
    let mut tell = |kind: &'static str, wrong: Vec<bool>, words: &dyn Fn(usize) -> String| {
        let runs = runs(wrong.into_iter()).into_iter();
        found.extend(
            runs.map(|run| (kind, run.start, format!("{}{}", words(run.start), and_after(&run)))),
        );
    };
    let format = "does not count as the format asks";
    if let Some(frames) = part("frame_index") {
        let wrong = frames.iter().enumerate().map(|(i, &frame)| frame != i as f64).collect();
        tell("index", wrong, &|i| format!("column \"frame_index\" {format}: {}", frames[i]));
    }
    if let Some(index) = part("index") {
        let first = index.first().copied().unwrap_or(0.0);
        let wrong = index.iter().enumerate().map(|(i, &v)| v != first + i as f64).collect();
        tell("index", wrong, &|i| format!("column \"index\" {format}: {}", index[i]));
        tell("row-position", vec![first != position as f64], &|_| {
            format!(
                "its rows stand at {position} of the data files, but index says {first}: lerobot \
                 reads other rows for them"
            )
        });
    }
    if let Some(times) = part("timestamp") {
        let off = |i: usize| times[i] - i as f64 / fps;
        let wrong = (0..times.len()).map(|i| {
            let off = off(i);
            off.is_nan() || off.abs() > TIMESTAMP_TOLERANCE_S
        });
        tell("timestamp", wrong.collect(), &|i| {
            format!(
                "column \"timestamp\" {format}: {:.4} s, {:+.4} s off frame / fps",
                times[i],
                off(i)
            )
        });
    }
    for (kind, frame, problem) in found {
        findings.of(super::Severity::Error, kind, (episode, Some(frame)), problem);
    }
}

/// Notes of episodes that are not there.
fn notes(root: &Path, episodes: usize, findings: &mut Findings) {
    for path in files_below(&root.join("meta/jacod")).unwrap_or_default() {
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let index = name.strip_prefix("episode-").and_then(|index| index.parse::<usize>().ok());
        if let Some(index) = index.filter(|index| *index >= episodes) {
            let problem = format!("notes of episode {index}, which is not there");
            findings.warning("notes", &path.display().to_string(), problem);
        }
    }
}
