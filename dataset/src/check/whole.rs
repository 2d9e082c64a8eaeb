//! Over all episodes: lengths that stand out, episodes that are there twice, dimensions of the
//! action that say nothing, statistics that are not those of the rows.

use super::finding::{Findings, Severity};
use super::pictures::Seen;
use super::{ENOUGH_ROWS, Numbers};
use crate::feature::{Feature, FeatureKind};
use crate::listing::EpisodeInfo;
use crate::reader::Dataset;
use crate::stats::FeatureStats;
use crate::summary::Summary;
use crate::table::StoredColumn;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Episodes from which a usual length is known.
const ENOUGH_EPISODES: usize = 8;
/// A length this many times the median, or this part of it, stands out.
const LENGTH_RATIO: f64 = 4.0;
/// Rows from which a dimension of the action is judged.
const ENOUGH_ACTIONS: usize = 100;
/// A dimension that stands at one of its ends for more than this part of all rows is saturated.
const SATURATED_SHARE: f64 = 0.25;
/// Statistics may be off by this part of the numbers' range: single floats, summed in any order.
const STATS_TOLERANCE: f64 = 1e-3;

/// What an episode's rows are, in one number: times left out, which differ in a repetition.
pub(super) struct Fingerprint(DefaultHasher);

impl Fingerprint {
    pub fn new(columns: &[Numbers<'_>]) -> Self {
        let mut hasher = DefaultHasher::new();
        for column in columns.iter().filter(|column| !column.feature.key.ends_with("_time")) {
            column.feature.key.hash(&mut hasher);
            column.values.iter().for_each(|value| value.to_bits().hash(&mut hasher));
        }
        Self(hasher)
    }

    pub fn pictures(&mut self, seen: &[Seen]) {
        seen.iter().for_each(|seen| seen.hash.hash(&mut self.0));
    }
}

/// What is known of all episodes so far.
pub(super) struct Whole {
    lengths: Vec<(usize, usize)>,
    fingerprints: BTreeMap<u64, usize>,
    repeated: Vec<(usize, usize)>,
    actions: Vec<Vec<f64>>,
    names: Vec<String>,
    /// Per feature the statistics of the rows read.
    stats: BTreeMap<String, FeatureStats>,
    /// Whether each episode was read.
    complete: usize,
}

impl Whole {
    pub fn new(dataset: &Dataset) -> Self {
        let names = match dataset.features().kind("action") {
            Some(FeatureKind::Float32 { names } | FeatureKind::Float64 { names }) => names.clone(),
            _ => Vec::new(),
        };
        Self {
            lengths: Vec::new(),
            fingerprints: BTreeMap::new(),
            repeated: Vec::new(),
            actions: vec![Vec::new(); names.len()],
            names,
            stats: BTreeMap::new(),
            complete: 0,
        }
    }

    /// Counts an episode in.
    pub fn add(&mut self, episode: &EpisodeInfo, columns: &[Numbers<'_>], print: Fingerprint) {
        self.complete += 1;
        self.lengths.push((episode.length, episode.index));
        if episode.length >= ENOUGH_ROWS {
            match self.fingerprints.entry(print.0.finish()) {
                Entry::Occupied(first) => self.repeated.push((episode.index, *first.get())),
                Entry::Vacant(place) => {
                    place.insert(episode.index);
                }
            }
        }
        for column in columns {
            if column.feature.key == "action" {
                for (i, value) in column.values.iter().enumerate() {
                    self.actions[i % column.dims].push(*value);
                }
            }
            let (dims, values) = (column.dims, column.values.clone());
            let stats = FeatureStats::of_column(&StoredColumn::F64 { dims, values });
            match self.stats.entry(column.feature.key.clone()) {
                Entry::Occupied(mut all) => all.get_mut().merge(&stats),
                Entry::Vacant(place) => {
                    place.insert(stats);
                }
            }
        }
    }

    /// Says what stands out.
    pub fn judge(mut self, dataset: &Dataset, findings: &mut Findings) {
        self.lengths_of(dataset.fps(), findings);
        for (episode, first) in &self.repeated {
            let problem = format!(
                "its rows are those of episode {first}: recorded twice with one seed? It can stand \
                 on both sides of a held-out split; `jaco dataset delete` leaves it out"
            );
            findings.of(Severity::Error, "duplicate", (*episode, None), problem);
        }
        self.dimensions(findings);
        self.summary(dataset, findings);
    }

    fn lengths_of(&mut self, fps: f64, findings: &mut Findings) {
        if self.lengths.len() < ENOUGH_EPISODES {
            return;
        }
        let mut sorted: Vec<usize> = self.lengths.iter().map(|(length, _)| *length).collect();
        sorted.sort_unstable();
        let median = sorted[sorted.len() / 2] as f64;
        for (length, episode) in &self.lengths {
            let ratio = *length as f64 / median;
            if !(1.0 / LENGTH_RATIO..=LENGTH_RATIO).contains(&ratio) {
                let problem = format!(
                    "it has {length} rows ({:.1} s), the median is {median:.0}",
                    *length as f64 / fps
                );
                findings.of(Severity::Warning, "length", (*episode, None), problem);
            }
        }
    }

    fn dimensions(&self, findings: &mut Findings) {
        for (name, values) in self.names.iter().zip(&self.actions) {
            if values.len() < ENOUGH_ACTIONS || values.iter().any(|value| !value.is_finite()) {
                continue;
            }
            let place = format!("\"action\", {name}");
            let low = values.iter().copied().fold(f64::MAX, f64::min);
            let high = values.iter().copied().fold(f64::MIN, f64::max);
            let width = high - low;
            if width <= 0.0 {
                let problem = format!("it is {low} in all {} rows: it is never used", values.len());
                findings.warning("dead-dimension", &place, problem);
                continue;
            }
            let near = |end: f64| {
                values.iter().filter(|value| (*value - end).abs() <= 1e-3 * width).count()
            };
            let (lowest, highest) = (near(low), near(high));
            // A gripper is open or closed: all of its values are ends.
            if lowest + highest == values.len() {
                continue;
            }
            for (end, count) in [(low, lowest), (high, highest)] {
                let share = count as f64 / values.len() as f64;
                // Where it rests it is not at a limit.
                if share > SATURATED_SHARE && end != 0.0 {
                    let problem = format!(
                        "it is at its end {end:.4} in {:.0} % of the rows: limited or cut off",
                        100.0 * share
                    );
                    findings.warning("saturated-dimension", &place, problem);
                }
            }
        }
    }

    /// Whether `stats.json` covers the rows there are, and is right about them.
    fn summary(&self, dataset: &Dataset, findings: &mut Findings) {
        if dataset.episodes().is_empty() {
            return;
        }
        let place = Summary::path(dataset.root()).display().to_string();
        let mends = "the next recording into this folder mends it";
        let summary = match Summary::read(dataset.root()) {
            Err(e) => return findings.error("stats", &place, e.to_string()),
            Ok(None) => {
                let problem = format!("is missing or not JSON; {mends}");
                return findings.error("stats", &place, problem);
            }
            Ok(Some(summary)) => summary,
        };
        let columns = dataset.features().with_defaults();
        if let Some(problem) = summary.fault(&columns, dataset.total_frames()) {
            return findings.error("stats", &place, format!("{problem}; {mends}"));
        }
        if self.complete < dataset.episodes().len() {
            return;
        }
        for feature in dataset.features().iter() {
            let (Some(said), Some(found)) = (summary.stats(feature), self.stats.get(&feature.key))
            else {
                continue;
            };
            if let Some(problem) = differs(feature, &said, found) {
                findings.error("stats", &place, problem);
            }
        }
    }
}

/// The first statistic that is not that of the rows, in words.
fn differs(feature: &Feature, said: &FeatureStats, found: &FeatureStats) -> Option<String> {
    if matches!(feature.kind, FeatureKind::Image { .. }) {
        return None;
    }
    for (name, said, numbers) in [
        ("min", &said.min, &found.min),
        ("max", &said.max, &found.max),
        ("mean", &said.mean, &found.mean),
        ("std", &said.std, &found.std),
    ] {
        for dim in 0..numbers.len().min(said.len()) {
            let scale = found.max[dim] - found.min[dim];
            let scale = scale.max(1e-3 * found.max[dim].abs().max(found.min[dim].abs())).max(1e-6);
            if (said[dim] - numbers[dim]).abs() > STATS_TOLERANCE * scale {
                let key = &feature.key;
                return Some(format!(
                    "\"{key}\", number {dim}: {name} is {}, that of the rows is {}",
                    said[dim], numbers[dim]
                ));
            }
        }
    }
    None
}
