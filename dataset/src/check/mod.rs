//! Reads a whole dataset and says what is wrong with it. Changes nothing, and stops at nothing:
//! what cannot be read is one finding, and the rest is looked at all the same.
//!
//! Metadata and the rows' counting are judged from the files themselves (`files.rs`), the rest
//! episode by episode: true times (`times.rs`), pictures (`pictures.rs`), motion (`motion.rs`); and
//! over all of them lengths, repetitions, dimensions and statistics (`whole.rs`).

mod files;
mod finding;
mod motion;
mod pictures;
mod times;
mod whole;

use crate::described::FeatureInfo;
use crate::error::DatasetError;
use crate::feature::{Feature, FeatureKind};
use crate::listing::EpisodeInfo;
use crate::notes::read_notes;
use crate::reader::Dataset;
use crate::table::StoredColumn;
use finding::Findings;
use motion::Limits;
use std::path::Path;
use whole::Whole;

pub use finding::{Finding, Severity};

/// Rows from which an episode's times, motion and actions are judged: fewer are no evidence.
const ENOUGH_ROWS: usize = 10;

/// Numbers of one feature over an episode.
struct Numbers<'a> {
    feature: &'a Feature,
    dims: usize,
    values: Vec<f64>,
}

impl Numbers<'_> {
    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.dims..(row + 1) * self.dims]
    }

    fn rows(&self) -> usize {
        self.values.len() / self.dims.max(1)
    }

    /// The names of the numbers, where the feature has such.
    fn names(&self) -> &[String] {
        match &self.feature.kind {
            FeatureKind::Float32 { names } | FeatureKind::Float64 { names } => names,
            _ => &[],
        }
    }
}

/// Checks everything in `root`: an empty list means that nothing was found.
pub fn check(root: &Path) -> Vec<Finding> {
    let mut findings = Findings::default();
    files::files(root, &mut findings);
    if let Err(e) = files::leftovers(root, &mut findings) {
        findings.error("files", "files", e.to_string());
    }
    match Dataset::open(root) {
        Err(e) => {
            let said = e.to_string();
            if !findings.0.iter().any(|finding| finding.problem == said) {
                findings.error("schema", "metadata", said);
            }
        }
        Ok(dataset) => {
            let mut whole = Whole::new(&dataset);
            let limits = Limits::of(dataset.robot_type());
            for episode in dataset.episodes() {
                rows(&dataset, episode, &limits, &mut whole, &mut findings);
            }
            whole.judge(&dataset, &mut findings);
        }
    }
    findings.0
}

/// The rows of one episode: what of them cannot be read hides nothing of the others.
fn rows(
    dataset: &Dataset,
    episode: &EpisodeInfo,
    limits: &Limits,
    whole: &mut Whole,
    findings: &mut Findings,
) {
    let here = (episode.index, None);
    let unread = |kind: &'static str, error: DatasetError, findings: &mut Findings| {
        let problem = error.to_string();
        // One file that cannot be read is no news for each of its columns.
        if !findings.0.iter().any(|known| known.problem == problem) {
            findings.of(Severity::Error, kind, here, problem);
        }
    };
    match dataset.read_columns(episode.index, &[]) {
        Err(e) => return unread("rows", e, findings),
        Ok(rows) => tasks(episode, &rows.tasks, findings),
    }
    let (mut numeric, mut cameras) = (Vec::new(), Vec::new());
    for feature in dataset.features().iter() {
        if matches!(feature.kind, FeatureKind::Image { .. }) {
            cameras.push(feature);
            continue;
        }
        match dataset.read_stored(episode, std::slice::from_ref(feature)) {
            Err(e) => unread("column", e, findings),
            Ok(columns) => numeric.extend(columns.into_iter().filter_map(|c| numbers(feature, c))),
        }
    }
    for column in &numeric {
        not_finite(episode, column, findings);
    }
    let moves = motion::moving(&numeric);
    let mut hash = whole::Fingerprint::new(&numeric);
    let mut frozen = Vec::new();
    for feature in cameras {
        let is_video = dataset.feature(&feature.key).is_some_and(FeatureInfo::is_video);
        let seen = match is_video {
            true => pictures::video(dataset, episode, feature),
            false => pictures::stored(dataset, episode, feature, findings),
        };
        match seen {
            Err(e) => unread("picture", e, findings),
            Ok(seen) => {
                hash.pictures(&seen);
                frozen.extend(pictures::judge(
                    episode.index,
                    feature,
                    &seen,
                    &moves,
                    dataset.fps(),
                    findings,
                ));
            }
        }
    }
    times::judge(episode.index, dataset.fps(), &numeric, &frozen, findings);
    motion::judge(episode.index, dataset.fps(), &numeric, limits, findings);
    whole.add(episode, &numeric, hash);
    if let Err(e) = read_notes(dataset.root(), episode.index) {
        unread("notes", e, findings);
    }
}

fn numbers(feature: &Feature, column: StoredColumn) -> Option<Numbers<'_>> {
    let (dims, values) = match column {
        StoredColumn::F32 { dims, values } => (dims, values.into_iter().map(f64::from).collect()),
        StoredColumn::F64 { dims, values } => (dims, values),
        StoredColumn::Bool(values) => {
            (1, values.into_iter().map(|v| f64::from(u8::from(v))).collect())
        }
        StoredColumn::I64(values) => (1, values.into_iter().map(|v| v as f64).collect()),
        _ => return None,
    };
    Some(Numbers { feature, dims, values })
}

fn tasks(episode: &EpisodeInfo, rows: &[std::sync::Arc<str>], findings: &mut Findings) {
    let here = (episode.index, None);
    if let Some(frame) = rows.iter().position(|task| task.trim().is_empty()) {
        let place = (episode.index, Some(frame));
        findings.of(Severity::Error, "task", place, "its task has no text".to_owned());
    } else if episode.tasks.is_empty() {
        findings.of(Severity::Error, "task", here, "it lists no task".to_owned());
    }
    if let Some(frame) = rows.iter().position(|task| !episode.tasks.iter().any(|t| **t == **task)) {
        let listed = episode.tasks.join("\", \"");
        let problem = format!("task_index names \"{}\", but listed is \"{listed}\"", rows[frame]);
        findings.of(Severity::Error, "task", (episode.index, Some(frame)), problem);
    }
}

fn not_finite(episode: &EpisodeInfo, column: &Numbers<'_>, findings: &mut Findings) {
    let wrong = column.values.chunks(column.dims.max(1));
    for run in finding::runs(wrong.map(|row| row.iter().any(|v| !v.is_finite()))) {
        let key = &column.feature.key;
        let more = finding::and_after(&run);
        let problem = format!("\"{key}\" is not finite in row {}{more}; leave it out", run.start);
        findings.of(Severity::Error, "not-finite", (episode.index, Some(run.start)), problem);
    }
}
