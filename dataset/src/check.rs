//! Reads a whole dataset and says what is wrong with it. Changes nothing.

use crate::episode::default_columns;
use crate::error::DatasetError;
use crate::feature::{Feature, FeatureKind};
use crate::image;
use crate::info::FilePlace;
use crate::meta;
use crate::reader::{Dataset, EpisodeInfo};
use crate::repair::parquet_files;
use crate::storage::{TEMPORARY, files_below, has_extension};
use crate::table::{self, StoredColumn};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

/// A camera that gives the same picture for this long is taken for frozen \[s\].
const FROZEN_S: u32 = 1;

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
    for path in files_below(root)? {
        let place = path.display().to_string();
        if has_extension(&path, TEMPORARY) {
            findings.warning(&place, "half-written file of a crash; run `repair`".to_owned());
        } else if has_extension(&path, "rejected") {
            findings.warning(&place, "broken file that `repair` set aside".to_owned());
        }
    }
    Ok(())
}

/// Whether the data files hold the listed rows and no others.
fn file_sizes(dataset: &Dataset, findings: &mut Findings) -> Result<(), DatasetError> {
    let mut listed: BTreeMap<FilePlace, usize> = BTreeMap::new();
    for episode in dataset.episodes() {
        *listed.entry(episode.data).or_default() += episode.length;
    }
    let mut present = BTreeSet::new();
    for path in parquet_files(&dataset.root().join("data"))? {
        let place = path.display().to_string();
        match FilePlace::of(&path).and_then(|p| Some((p, *listed.get(&p)?))) {
            None => findings.error(
                &place,
                "no episode is listed for this file; run `repair` to adopt it".to_owned(),
            ),
            Some((p, expected)) => {
                present.insert(p);
                match table::count_rows(&path) {
                    Ok(found) if found == expected => {}
                    Ok(found) => {
                        findings.error(&place, format!("holds {found} rows, {expected} are listed"))
                    }
                    Err(e) => findings.error(&place, e.to_string()),
                }
            }
        }
    }
    for place in listed.keys().filter(|place| !present.contains(place)) {
        let path = place.data(dataset.root()).display().to_string();
        findings.error(&path, "the file is missing; restore it from a copy".to_owned());
    }
    Ok(())
}

/// Whether `stats.json` covers the rows there are.
fn summary(dataset: &Dataset, findings: &mut Findings) {
    if dataset.episodes().is_empty() {
        return;
    }
    let path = dataset.root().join("meta/stats.json");
    let place = path.display().to_string();
    let stats = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Json>(&bytes).ok());
    let Some(stats) = stats else {
        return findings.error(&place, "is missing or not JSON; run `repair`".to_owned());
    };
    for feature in dataset.features().with_defaults() {
        let count = stats[&feature.key]["count"][0].as_u64();
        let subsampled = matches!(feature.kind, FeatureKind::Image { .. });
        if count.is_none() || (!subsampled && count != Some(dataset.total_frames() as u64)) {
            let problem = format!(
                "{:?} counts {count:?} rows of {}; run `repair`",
                feature.key,
                dataset.total_frames()
            );
            findings.error(&place, problem);
        }
    }
}

fn rows(
    dataset: &Dataset,
    episode: &EpisodeInfo,
    findings: &mut Findings,
) -> Result<(), DatasetError> {
    let place = format!("episode {}", episode.index);
    let features = dataset.features().with_defaults();
    let columns = dataset.read_stored(episode, &features)?;
    let (own, found) = columns.split_at(features.len() - 5);
    let task = match &found[4] {
        StoredColumn::I64(values) => values.first().and_then(|&v| usize::try_from(v).ok()),
        _ => None,
    };
    match task.and_then(|task| dataset.tasks().get(task)) {
        Some(text) if *text == episode.task => {}
        other => findings.error(
            &place,
            format!("task_index names {other:?}, but the episode's task is {:?}", episode.task),
        ),
    }
    let (index, from, length) = (episode.index, episode.first_row, episode.length);
    let expected = default_columns(dataset.fps(), index, from, length, task.unwrap_or(0));
    for ((found, expected), feature) in found.iter().zip(&expected).zip(&features[own.len()..]) {
        if found != expected {
            let problem = format!("column {:?} does not count as the format asks", feature.key);
            findings.error(&place, problem);
        }
    }
    for (feature, column) in features.iter().zip(own) {
        match column {
            StoredColumn::F32 { dims, values } => {
                let at = values.iter().position(|v| !v.is_finite());
                not_finite(&place, feature, at.map(|i| i / dims), findings);
            }
            StoredColumn::F64 { dims, values } => {
                let at = values.iter().position(|v| !v.is_finite());
                not_finite(&place, feature, at.map(|i| i / dims), findings);
            }
            StoredColumn::Png(images) => {
                pictures(&place, feature, images, dataset.fps(), findings);
            }
            StoredColumn::Bool(_) | StoredColumn::I64(_) => {}
        }
    }
    meta::read_notes(dataset.root(), episode.index).map(|_| ())
}

fn not_finite(place: &str, feature: &Feature, row: Option<usize>, findings: &mut Findings) {
    if let Some(row) = row {
        let problem = format!("{:?} is not finite in row {row}; leave it out", feature.key);
        findings.error(place, problem);
    }
}

/// Whether all pictures decode, and whether the camera went on giving new ones.
fn pictures(place: &str, feature: &Feature, images: &[Vec<u8>], fps: u32, findings: &mut Findings) {
    let FeatureKind::Image { height, width } = feature.kind else { return };
    for (frame, png) in images.iter().enumerate() {
        if let Err(e) = image::decode(png, width, height) {
            findings.error(place, format!("{:?}, frame {frame}: {e}", feature.key));
        }
    }
    // The encoder is deterministic, so equal pictures are equal bytes.
    let longest = images.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0);
    if longest > (FROZEN_S * fps) as usize {
        let problem = format!(
            "{:?} shows the same picture for {longest} rows: a frozen camera?",
            feature.key
        );
        findings.warning(place, problem);
    }
}
