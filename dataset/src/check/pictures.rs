//! What cameras gave: pictures that do not decode, that do not change, that show nothing.

use super::finding::{Findings, Severity, and_after, runs};
use crate::error::DatasetError;
use crate::feature::{Feature, FeatureKind};
use crate::image;
use crate::listing::EpisodeInfo;
use crate::reader::Dataset;
use crate::table::StoredColumn;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

/// A camera that gives the same picture for this long is taken for frozen \[s\].
const FROZEN_S: f64 = 1.0;
/// Mean of a picture's values below which it shows nothing, of 255.
const DARK: f64 = 6.0;
/// Mean difference of two pictures of a video up to which they are the same one, of 255: what a
/// codec makes of one picture is not quite the same each time.
const VIDEO_SAME: f64 = 0.2;

/// What matters here of a picture.
pub(super) struct Seen {
    /// Of its pixels, or of its bytes as they are stored.
    pub hash: u64,
    /// Mean of its values, of 255; none if it does not decode.
    pub mean: Option<f64>,
    /// Whether it is the one before it.
    pub same: bool,
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn mean(rgb: &[u8]) -> f64 {
    rgb.iter().map(|&v| u64::from(v)).sum::<u64>() as f64 / rgb.len().max(1) as f64
}

/// The pictures of a camera that are in the tables. One that does not decode is told.
pub(super) fn stored(
    dataset: &Dataset,
    episode: &EpisodeInfo,
    feature: &Feature,
    findings: &mut Findings,
) -> Result<Vec<Seen>, DatasetError> {
    let FeatureKind::Image { height, width } = feature.kind else { return Ok(Vec::new()) };
    let mut seen: Vec<Seen> = Vec::new();
    for column in dataset.read_stored(episode, std::slice::from_ref(feature))? {
        let StoredColumn::Pictures(pictures) = column else { continue };
        for (frame, bytes) in pictures.iter().enumerate() {
            // Encoders are deterministic, so equal pictures are equal bytes.
            let same = frame > 0 && pictures[frame - 1] == *bytes;
            let decoded = match seen.last().filter(|_| same) {
                Some(before) => before.mean,
                None => match image::decode(bytes, width, height) {
                    Ok(rgb) => Some(mean(&rgb)),
                    Err(e) => {
                        let problem = format!("\"{}\", frame {frame}: {e}", feature.key);
                        let place = (episode.index, Some(frame));
                        findings.of(Severity::Error, "picture", place, problem);
                        None
                    }
                },
            };
            seen.push(Seen { hash: hash_of(bytes), mean: decoded, same });
        }
    }
    Ok(seen)
}

/// The pictures of a camera that are frames of a video.
pub(super) fn video(
    dataset: &Dataset,
    episode: &EpisodeInfo,
    feature: &Feature,
) -> Result<Vec<Seen>, DatasetError> {
    let mut seen = Vec::new();
    let mut before: Option<std::sync::Arc<[u8]>> = None;
    dataset.read_pictures(episode.index, &feature.key, |_, rgb| {
        let difference = |before: &[u8]| {
            let sum = before.iter().zip(&*rgb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
            sum as f64 / rgb.len().max(1) as f64
        };
        let same = before.as_deref().is_some_and(|before| difference(before) <= VIDEO_SAME);
        seen.push(Seen { hash: hash_of(&rgb), mean: Some(mean(&rgb)), same });
        before = Some(rgb);
        Ok::<_, DatasetError>(())
    })?;
    Ok(seen)
}

/// Says of a camera what is wrong with its pictures; the runs of rows in which it was frozen.
/// `moves` tells of a run of rows whether the arm moved.
pub(super) fn judge(
    episode: usize,
    feature: &Feature,
    seen: &[Seen],
    moves: &dyn Fn(&Range<usize>) -> Option<bool>,
    fps: f64,
    findings: &mut Findings,
) -> Vec<Range<usize>> {
    let key = &feature.key;
    for run in runs(seen.iter().map(|seen| seen.mean.is_some_and(|mean| mean < DARK))) {
        let mean = seen[run.start].mean.unwrap_or(0.0);
        let more = and_after(&run);
        let problem = format!("\"{key}\" is dark: {mean:.1} of 255 on average{more}");
        findings.of(Severity::Warning, "dark-image", (episode, Some(run.start)), problem);
    }
    let mut frozen = Vec::new();
    for run in runs(seen.iter().map(|seen| seen.same)) {
        // The first of equal pictures is the one before those that are the same as it.
        let run = run.start - 1..run.end;
        if run.len() as f64 <= FROZEN_S * fps {
            continue;
        }
        let (severity, words) = match moves(&run) {
            Some(true) => (Severity::Error, ", while the arm moves: the camera was frozen"),
            Some(false) => (Severity::Warning, "; the arm stands still: a frozen camera?"),
            None => (Severity::Warning, ": a frozen camera?"),
        };
        let problem = format!("\"{key}\" shows the same picture for {} rows{words}", run.len());
        findings.of(severity, "frozen-image", (episode, Some(run.start)), problem);
        frozen.push(run);
    }
    frozen
}
