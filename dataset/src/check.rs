//! Reads a whole dataset and says what is wrong with it. Changes nothing.

use crate::appending::appendable;
use crate::described::{Content, FeatureInfo};
use crate::episode::default_columns;
use crate::error::{DatasetError, GET_AGAIN, MEND};
use crate::feature::{Feature, FeatureKind, Features};
use crate::image;
use crate::listing::EpisodeInfo;
use crate::notes::read_notes;
use crate::parquet_file::count_rows;
use crate::reader::Dataset;
use crate::storage::{files_below, has_extension, parquet_files, temporaries};
use crate::summary::Summary;
use crate::table::{StoredColumn, decode_rows};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// A camera that gives the same picture for this long is taken for frozen \[s\].
const FROZEN_S: f64 = 1.0;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Usable, but not what one would expect.
    Warning,
    /// Wrong: training on it or appending to it would go wrong.
    Error,
}

/// One thing that is wrong with a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// File, episode or column.
    pub place: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}: {}", self.place, self.problem)
    }
}

/// Checks everything in `root`: an empty list means that nothing was found.
pub fn check(root: &Path) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    if let Err(e) = leftovers(root, &mut findings) {
        findings.error("files", e.to_string());
    }
    match Dataset::open(root) {
        Err(e) => findings.error("metadata", e.to_string()),
        Ok(dataset) => {
            if let Err(e) = file_sizes(&dataset, &mut findings) {
                findings.error("data", e.to_string());
            }
            unreadable(&dataset, &mut findings);
            summary(&dataset, &mut findings);
            for episode in dataset.episodes() {
                if let Err(e) = rows(&dataset, episode, &mut findings) {
                    findings.error(&format!("episode {}", episode.index), e.to_string());
                }
            }
        }
    }
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, place: &str, problem: String) {
        self.0.push(Finding { severity: Severity::Error, place: place.to_owned(), problem });
    }

    fn warning(&mut self, place: &str, problem: String) {
        self.0.push(Finding { severity: Severity::Warning, place: place.to_owned(), problem });
    }
}

fn leftovers(root: &Path, findings: &mut Findings) -> Result<(), DatasetError> {
    for path in temporaries(root)? {
        let problem =
            "half-written file of a crash; the next recording into this folder removes it";
        findings.warning(&path.display().to_string(), problem.to_owned());
    }
    for path in files_below(root)?.iter().filter(|path| has_extension(path, "rejected")) {
        let problem = "broken file that was set aside".to_owned();
        findings.warning(&path.display().to_string(), problem);
    }
    Ok(())
}

/// Whether the data files hold the listed rows and no others.
fn file_sizes(dataset: &Dataset, findings: &mut Findings) -> Result<(), DatasetError> {
    let mut listed: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for episode in dataset.episodes() {
        let path = episode.data_path(dataset.root(), dataset.info());
        *listed.entry(path).or_default() += episode.length;
    }
    let mut present = BTreeSet::new();
    let unlisted = match appendable(dataset.root()) {
        Ok(_) => MEND,
        Err(_) => GET_AGAIN,
    };
    for path in parquet_files(&dataset.root().join("data"))? {
        let place = path.display().to_string();
        match listed.get(&path) {
            None => {
                findings.error(&place, format!("no episode is listed for this file; {unlisted}"))
            }
            Some(&expected) => {
                match count_rows(&path) {
                    Ok(found) if found == expected => {}
                    Ok(found) => {
                        findings.error(&place, format!("holds {found} rows, {expected} are listed"))
                    }
                    Err(e) => findings.error(&place, e.to_string()),
                }
                present.insert(path);
            }
        }
    }
    for path in listed.keys().filter(|path| !present.contains(*path) && !path.exists()) {
        let problem = format!("the file is missing; {GET_AGAIN}");
        findings.error(&path.display().to_string(), problem);
    }
    Ok(())
}

/// Features that whoever asks for them will not get.
fn unreadable(dataset: &Dataset, findings: &mut Findings) {
    for feature in dataset.described() {
        if let Content::Unreadable(reason) = &feature.content {
            let place = format!("\"{}\" ({})", feature.key, feature.words());
            findings.warning(&place, format!("it is not read: {reason}"));
        }
    }
}

/// Whether `stats.json` covers the rows there are.
fn summary(dataset: &Dataset, findings: &mut Findings) {
    if dataset.episodes().is_empty() {
        return;
    }
    let place = Summary::path(dataset.root()).display().to_string();
    let problem = match Summary::read(dataset.root()) {
        Err(e) => return findings.error(&place, e.to_string()),
        Ok(None) => Some("is missing or not JSON".to_owned()),
        Ok(Some(summary)) => {
            summary.fault(&dataset.features().with_defaults(), dataset.total_frames())
        }
    };
    if let Some(problem) = problem {
        findings.error(&place, format!("{problem}; the next recording into this folder mends it"));
    }
}

fn rows(
    dataset: &Dataset,
    episode: &EpisodeInfo,
    findings: &mut Findings,
) -> Result<(), DatasetError> {
    let place = format!("episode {}", episode.index);
    counting(dataset, episode, findings)?;
    // Tasks of the rows, their times, and the pictures of videos.
    let videos: Vec<&str> =
        dataset.cameras().iter().filter(|camera| camera.video).map(|camera| camera.key).collect();
    for key in videos {
        dataset.read_pictures(episode.index, key, |_, _| Ok::<_, DatasetError>(()))?;
    }
    let tasks = dataset.read_columns(episode.index, &[])?.tasks;
    if let Some(task) = tasks.iter().find(|task| !episode.tasks.iter().any(|t| **t == ***task)) {
        let listed = episode.tasks.join("\", \"");
        let problem = format!("task_index names \"{task}\", but listed is \"{listed}\"");
        findings.error(&place, problem);
    }
    let is_video =
        |feature: &&Feature| dataset.feature(&feature.key).is_some_and(FeatureInfo::is_video);
    let features: Vec<Feature> =
        dataset.features().iter().filter(|feature| !is_video(feature)).cloned().collect();
    let own = dataset.read_stored(episode, &features)?;
    for (feature, column) in features.iter().zip(&own) {
        match column {
            StoredColumn::F32 { dims, values } => {
                let at = values.iter().position(|v| !v.is_finite());
                not_finite(&place, feature, at.map(|i| i / dims), findings);
            }
            StoredColumn::F64 { dims, values } => {
                let at = values.iter().position(|v| !v.is_finite());
                not_finite(&place, feature, at.map(|i| i / dims), findings);
            }
            StoredColumn::Pictures(images) => {
                pictures(&place, feature, images, dataset.fps(), findings);
            }
            StoredColumn::Bool(_) | StoredColumn::I64(_) => {}
        }
    }
    read_notes(dataset.root(), episode.index).map(|_| ())
}

/// Whether the default columns count as the format asks, at the place where lerobot expects the
/// episode: by its rows' numbers over the whole dataset.
fn counting(
    dataset: &Dataset,
    episode: &EpisodeInfo,
    findings: &mut Findings,
) -> Result<(), DatasetError> {
    let (index, from, length) = (episode.index, episode.first_row, episode.length);
    // All but the number of the task.
    let columns = &Features::defaults()[..4];
    let path = episode.data_path(dataset.root(), dataset.info());
    let rows = episode.offset..episode.offset.saturating_add(length);
    let found = decode_rows(dataset.root(), &path, columns, rows)?;
    let expected = default_columns(dataset.fps(), index, from, length, 0);
    for ((found, expected), feature) in found.iter().zip(&expected).zip(columns) {
        if found != expected {
            let place = format!("episode {index}");
            let problem = format!("column \"{}\" does not count as the format asks", feature.key);
            findings.error(&place, problem);
        }
    }
    Ok(())
}

fn not_finite(place: &str, feature: &Feature, row: Option<usize>, findings: &mut Findings) {
    if let Some(row) = row {
        let problem = format!("\"{}\" is not finite in row {row}; leave it out", feature.key);
        findings.error(place, problem);
    }
}

/// Whether all pictures decode, and whether the camera went on giving new ones.
fn pictures(place: &str, feature: &Feature, images: &[Vec<u8>], fps: f64, findings: &mut Findings) {
    let FeatureKind::Image { height, width } = feature.kind else { return };
    for (frame, png) in images.iter().enumerate() {
        if let Err(e) = image::decode(png, width, height) {
            findings.error(place, format!("\"{}\", frame {frame}: {e}", feature.key));
        }
    }
    // The encoder is deterministic, so equal pictures are equal bytes.
    let longest = images.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0);
    if longest as f64 > FROZEN_S * fps {
        let problem = format!(
            "\"{}\" shows the same picture for {longest} rows: a frozen camera?",
            feature.key
        );
        findings.warning(place, problem);
    }
}
