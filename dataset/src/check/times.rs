//! The true times that a recorder kept beside the format's `frame_index / fps`: when each step
//! began (`observation.step_time`) and when each picture was taken (`observation.capture_time`).

use super::finding::{Findings, Severity, and_after, runs};
use super::{ENOUGH_ROWS, Numbers};
use std::ops::Range;

/// A step may be this part of its length longer or shorter.
const STEP_TOLERANCE: f64 = 0.2;
/// A step that took so many times its length is a gap of its own.
const GAP_STEPS: f64 = 1.5;
/// Pictures may come so many steps apart: a camera's clock is not the arm's.
const PICTURE_GAP_STEPS: f64 = 2.5;
/// The rate that was reached may be off the dataset's by this part: what training accepts.
const RATE_TOLERANCE: f64 = 0.02;
/// Times nearer than this are one and the same \[s\]: seconds in floats are not exact.
const SAME_TIME_S: f64 = 1e-6;
/// More steps than this part outside the tolerance make an episode uneven.
const UNEVEN_SHARE: f64 = 0.05;

/// Looks at the times of an episode; `frozen` are runs of rows told of already.
pub(super) fn judge(
    episode: usize,
    fps: f64,
    columns: &[Numbers<'_>],
    frozen: &[Range<usize>],
    findings: &mut Findings,
) {
    for column in columns {
        let key = column.feature.key.as_str();
        let is_step = key.ends_with("step_time");
        if !is_step && !key.ends_with("capture_time") {
            continue;
        }
        for dim in 0..column.dims {
            let times: Vec<f64> = (0..column.rows()).map(|row| column.row(row)[dim]).collect();
            if times.iter().any(|time| !time.is_finite()) {
                continue;
            }
            let name = match (column.dims, column.names().get(dim)) {
                (1, _) | (_, None) => key.to_owned(),
                (_, Some(name)) => format!("{key}, {name}"),
            };
            match is_step {
                true => steps(episode, fps, &name, &times, findings),
                false => captures(episode, fps, &name, &times, frozen, findings),
            }
        }
    }
}

fn intervals(times: &[f64]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn backwards(episode: usize, name: &str, times: &[f64], findings: &mut Findings) -> bool {
    let runs = runs(intervals(times).into_iter().map(|dt| dt < -SAME_TIME_S));
    for run in &runs {
        let (before, after) = (times[run.start], times[run.start + 1]);
        let problem = format!("\"{name}\" goes back: {after:.4} s after {before:.4} s");
        findings.of(Severity::Error, "time", (episode, Some(run.start + 1)), problem);
    }
    !runs.is_empty()
}

fn steps(episode: usize, fps: f64, name: &str, times: &[f64], findings: &mut Findings) {
    if backwards(episode, name, times, findings) || times.len() < ENOUGH_ROWS {
        return;
    }
    let step_s = 1.0 / fps;
    let intervals = intervals(times);
    for run in runs(intervals.iter().map(|dt| *dt > GAP_STEPS * step_s)) {
        let longest_s = intervals[run.clone()].iter().fold(0.0_f64, |a, b| a.max(*b));
        let problem = format!(
            "\"{name}\": this step took {:.0} ms, not {:.0} ms{}",
            1e3 * longest_s,
            1e3 * step_s,
            and_after(&run)
        );
        findings.of(Severity::Warning, "time-gap", (episode, Some(run.start)), problem);
    }
    let off = |dt: &f64| (dt - step_s).abs() > STEP_TOLERANCE * step_s;
    let wrong = intervals.iter().filter(|dt| off(dt)).count();
    if wrong as f64 > UNEVEN_SHARE * intervals.len() as f64 {
        let first = intervals.iter().position(off);
        let problem = format!(
            "\"{name}\": {wrong} of {} steps are more than {:.0} % longer or shorter than {:.0} ms",
            intervals.len(),
            100.0 * STEP_TOLERANCE,
            1e3 * step_s
        );
        findings.of(Severity::Warning, "uneven-steps", (episode, first), problem);
    }
    let reached_hz = intervals.len() as f64 / (times[times.len() - 1] - times[0]);
    if (reached_hz / fps - 1.0).abs() > RATE_TOLERANCE {
        let problem = format!(
            "\"{name}\": {reached_hz:.2} rows a second were reached, {fps} are said: motion is \
             taught {:.2} times too fast",
            fps / reached_hz
        );
        findings.of(Severity::Error, "rate", (episode, None), problem);
    }
}

fn captures(
    episode: usize,
    fps: f64,
    name: &str,
    times: &[f64],
    frozen: &[Range<usize>],
    findings: &mut Findings,
) {
    if backwards(episode, name, times, findings) || times.len() < ENOUGH_ROWS {
        return;
    }
    let step_s = 1.0 / fps;
    let intervals = intervals(times);
    let told = |row: usize| frozen.iter().any(|run| run.contains(&row));
    let stale = |row: usize| intervals[row].abs() <= SAME_TIME_S && !told(row + 1);
    for run in runs((0..intervals.len()).map(stale)) {
        let problem = format!(
            "\"{name}\": the picture is the one of the frame before it{}",
            and_after(&(run.start + 1..run.end + 1))
        );
        findings.of(Severity::Warning, "stale-image", (episode, Some(run.start + 1)), problem);
    }
    for run in runs(intervals.iter().map(|dt| *dt > PICTURE_GAP_STEPS * step_s)) {
        let gap_ms = 1e3 * intervals[run.start];
        let problem = format!("\"{name}\": no new picture for {gap_ms:.0} ms before it");
        findings.of(Severity::Warning, "time-gap", (episode, Some(run.start + 1)), problem);
    }
}
