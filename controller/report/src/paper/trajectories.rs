//! The trajectory analysis of the paper's figures 4, 6 and 7, as numbers: how smooth the hand's
//! paths are, and how far those of long horizons drift from those of one step at a time.

use super::evidence::{Evidence, Placement, Question, Stage};
use super::table::{Cell, Row, Table, Value};
use super::tables::{HORIZONS, listed};
use super::variant::{Role, Variant};
use crate::chart::{Panel, Point, Series, Spread};
use crate::motion::{Mean, Smoothness, drift_by_length_m, drift_by_step_m, mean_95, smoothness};
use jaco_core::{Decode, STEP_S};
use jaco_trials::Try;
use std::collections::BTreeMap;

/// Seed of the bootstrap.
const SEED: u64 = 20_121_207;
/// Steps at which the table shows the drift.
const STEPS: [usize; 3] = [10, 25, 50];
/// Ways at which the table shows the drift \[m\].
const WAYS_M: [f64; 3] = [0.1, 0.25, 0.5];
/// Spacing along the way \[m\].
const SPACING_M: f64 = 0.01;
/// A curve ends where fewer than this share of the placements still moves, or fewer than three.
const LEAST_SHARE: f64 = 0.5;

/// Stands below both tables.
const NO_NUMBERS: &str = "The paper shows paths and gives no such numbers.";

/// Paths of one policy at one horizon, by placement.
type Paths = BTreeMap<Placement, (Vec<[f64; 3]>, bool)>;

/// Every policy and horizon with greedy paths in lockstep.
struct Walks {
    tasks: Vec<String>,
    walks: Vec<(Variant, u8, Paths)>,
}

impl Walks {
    fn of(evidence: &Evidence<'_>) -> Self {
        let tasks = evidence.tasks(Stage::Lockstep);
        let mut walks = Vec::new();
        for variant in evidence.variants() {
            let all: &[u8] = if variant.role() == Role::Expert { &[1] } else { &HORIZONS };
            for &horizon in all {
                let (variant, decode) = (variant.clone(), Decode::Greedy);
                let question = Question { variant, horizon, decode };
                let tries = evidence.first_tries(Stage::Lockstep, &tasks, &question);
                let paths: Paths =
                    tries.into_iter().map(|(at, made)| (at, (path(made), made.success))).collect();
                if !paths.is_empty() {
                    walks.push((question.variant, horizon, paths));
                }
            }
        }
        Self { tasks, walks }
    }

    fn single(&self, variant: &Variant) -> Option<&Paths> {
        let single =
            |(other, horizon, _): &&(Variant, u8, Paths)| other == variant && *horizon == 1;
        self.walks.iter().find(single).map(|(.., paths)| paths)
    }

    fn variants(&self) -> Vec<&Variant> {
        let mut all: Vec<&Variant> = Vec::new();
        for (variant, ..) in &self.walks {
            if all.last() != Some(&variant) {
                all.push(variant);
            }
        }
        all
    }
}

/// The path of a try in numbers of full precision.
pub fn path(made: &Try) -> Vec<[f64; 3]> {
    made.path_m.iter().map(|point| point.map(f64::from)).collect()
}

/// Whether a path has points and is finite.
fn usable(path_m: &[[f64; 3]]) -> bool {
    path_m.len() > 1 && path_m.iter().flatten().all(|value| value.is_finite())
}

/// What the trajectory analysis gives.
pub struct Trajectories {
    /// Smoothness, drift by step, drift by way.
    pub tables: Vec<Table>,
    /// Smoothness by horizon.
    pub smoothness: Vec<Panel>,
    /// Drift over time and over the way, a row for each policy.
    pub drift: Vec<Panel>,
}

/// Analyses the paths of an evaluation.
pub fn trajectories(evidence: &Evidence<'_>) -> Trajectories {
    let walks = Walks::of(evidence);
    let smooth: Vec<(&Variant, u8, BTreeMap<&Placement, Smoothness>)> = walks
        .walks
        .iter()
        .map(|(variant, horizon, paths)| {
            let done = paths.iter().filter(|(_, (_, success))| *success);
            let smooth = done.filter_map(|(at, (path, _))| Some((at, smoothness(path, STEP_S)?)));
            (variant, *horizon, smooth.collect())
        })
        .collect();
    let tables = vec![smoothness_table(&walks, &smooth), drift_table(&walks)];
    Trajectories { tables, smoothness: smoothness_panels(&smooth), drift: drift_panels(&walks) }
}

type Smooth<'w> = [(&'w Variant, u8, BTreeMap<&'w Placement, Smoothness>)];

fn mean_of(values: impl Iterator<Item = f64>) -> Option<Mean> {
    mean_95(&values.collect::<Vec<_>>(), SEED)
}

fn horizon_word(variant: &Variant, horizon: u8) -> String {
    if variant.role() == Role::Expert { String::new() } else { horizon.to_string() }
}

fn smoothness_table(walks: &Walks, smooth: &Smooth<'_>) -> Table {
    let rows = smooth.iter().map(|(variant, horizon, of)| {
        let mean = |part: fn(&Smoothness) -> f64, digits| {
            Cell::mean(mean_of(of.values().map(part)), digits)
        };
        let is_single = |(other, h, _): &&(&Variant, u8, _)| other == variant && *h == 1;
        let single = smooth.iter().find(is_single).filter(|_| *horizon != 1);
        let change = single.and_then(|(.., single)| {
            mean_of(of.iter().filter_map(|(at, smooth)| {
                Some(smooth.spectral_arc_length - single.get(at)?.spectral_arc_length)
            }))
        });
        let change = match single {
            Some(_) => Cell::mean(change, 2),
            None => Cell::ours(Value::Absent),
        };
        let cells = vec![
            mean(|s| s.rms_jerk_m_s3, 2),
            mean(|s| s.log_dimensionless_jerk, 2),
            mean(|s| s.spectral_arc_length, 2),
            change,
            mean(|s| s.length_m, 2),
            mean(|s| s.duration_s, 1),
        ];
        Row { head: vec![variant.name(), horizon_word(variant, *horizon)], cells }
    });
    let columns = [
        "rms jerk [m/s^3]",
        "log dimensionless jerk",
        "spectral arc length",
        "its change from H = 1, paired",
        "path [m]",
        "duration [s]",
    ];
    let mut table = Table {
        id: "smoothness",
        title: "Table 6. Smoothness of the paths".to_owned(),
        caption: format!(
            "Of the tool point's path at 10 Hz, greedy tries that succeeded, {} together. Nearer to \
             0 is smoother. Spectral arc length (SPARC) of the speed up to 5 Hz; change: on \
             placements that the same policy also did at H = 1. [95 % bootstrap of the mean, 2000 \
             resamples, seed {SEED}]; n paths.",
            listed(&walks.tasks)
        ),
        heads: vec!["policy", "H"],
        columns: columns.map(str::to_owned).into(),
        published_columns: 0,
        rows: rows.collect(),
        notes: vec![NO_NUMBERS.to_owned(), "-: no path that counts.".to_owned()],
    };
    if table.rows.is_empty() {
        table.notes.push("No try with a path is stored.".to_owned());
    }
    table
}

fn smoothness_panels(smooth: &Smooth<'_>) -> Vec<Panel> {
    type Part = fn(&Smoothness) -> f64;
    let measures: [(&str, &str, Part); 3] = [
        ("jerk", "rms jerk [m/s^3]", |s| s.rms_jerk_m_s3),
        ("jerk without units", "log dimensionless jerk", |s| s.log_dimensionless_jerk),
        ("spectral arc length", "SPARC of the speed", |s| s.spectral_arc_length),
    ];
    let panel = |(caption, axis, part): (&str, &str, Part)| {
        let mut series: Vec<Series> = Vec::new();
        for (variant, horizon, of) in smooth.iter().filter(|(v, ..)| v.role() != Role::Expert) {
            let Some(mean) = mean_of(of.values().map(part)) else { continue };
            let range = Some((mean.low, mean.high));
            let point = Point { x: f64::from(*horizon), y: mean.mean, range };
            match series.iter_mut().find(|series| series.name == variant.name()) {
                Some(series) => series.points.push(point),
                None => series.push(Series { name: variant.name(), points: vec![point] }),
            }
        }
        Panel {
            caption: caption.to_owned(),
            x_axis: "horizon H [units of 100 ms]".to_owned(),
            y_axis: axis.to_owned(),
            x: Some(0.5..10.5),
            y: None,
            spread: Spread::Whiskers,
            series,
        }
    };
    measures.map(panel).into_iter().filter(|panel| !panel.series.is_empty()).collect()
}

/// Distances of each placement's path from the one at H = 1.
fn drifts(single: &Paths, long: &Paths, by_step: bool) -> Vec<Vec<f64>> {
    let pairs = long.iter().filter_map(|(at, (long, _))| Some((&single.get(at)?.0, long)));
    let pairs = pairs.filter(|(single, long)| usable(single) && usable(long));
    let drift = |(single, long): (&Vec<[f64; 3]>, &Vec<[f64; 3]>)| match by_step {
        true => drift_by_step_m(single, long),
        false => drift_by_length_m(single, long, SPACING_M),
    };
    pairs.map(drift).collect()
}

/// The mean drift at an index \[mm\], over the placements that come so far.
fn drift_at(drifts: &[Vec<f64>], index: usize) -> Option<Mean> {
    mean_of(drifts.iter().filter_map(|drift| drift.get(index)).map(|m| 1000.0 * m))
}

fn drift_table(walks: &Walks) -> Table {
    let long = walks.walks.iter().filter(|(_, horizon, _)| *horizon != 1);
    let rows = long.filter_map(|(variant, horizon, paths)| {
        let single = walks.single(variant)?;
        let (steps, ways) = (drifts(single, paths, true), drifts(single, paths, false));
        let along = |way_m: f64| (way_m / SPACING_M).round() as usize;
        let cells = STEPS
            .iter()
            .map(|&step| drift_at(&steps, step))
            .chain(WAYS_M.iter().map(|&way_m| drift_at(&ways, along(way_m))));
        let cells = cells.map(|mean| Cell::mean(mean, 1)).collect();
        Some(Row { head: vec![variant.name(), horizon.to_string()], cells })
    });
    let columns = STEPS
        .iter()
        .map(|&step| format!("after {:.1} s", step as f64 * STEP_S))
        .chain(WAYS_M.iter().map(|way_m| format!("after {:.0} mm of way", 1000.0 * way_m)));
    let mut table = Table {
        id: "drift",
        title: "Table 7. Drift from one step at a time".to_owned(),
        caption: format!(
            "Distance [mm] between the tool point's path at horizon H and the same policy's at H = 1 \
             from the same placement, {} together, whether the tries succeeded or not: at the same \
             step, and after the same way. [95 % bootstrap of the mean, 2000 resamples, seed {SEED}]; \
             n placements that come so far.",
            listed(&walks.tasks)
        ),
        heads: vec!["policy", "H"],
        columns: columns.collect(),
        published_columns: 0,
        rows: rows.collect(),
        notes: vec![NO_NUMBERS.to_owned(), "-: no path comes so far.".to_owned()],
    };
    if table.rows.is_empty() {
        table.notes.push("No policy was tried both at H = 1 and beyond.".to_owned());
    }
    table
}

fn drift_panels(walks: &Walks) -> Vec<Panel> {
    let mut panels = Vec::new();
    for variant in walks.variants().into_iter().filter(|v| !v.role().is_control()) {
        let Some(single) = walks.single(variant) else { continue };
        let long = || walks.walks.iter().filter(|(other, h, _)| other == variant && *h != 1);
        for (by_step, word, x_axis, spacing) in [
            (true, "at the same step", "time [s]", STEP_S),
            (false, "after the same way", "way of the tool point [m]", SPACING_M),
        ] {
            let series: Vec<Series> = long()
                .map(|(_, horizon, paths)| Series {
                    name: format!("H = {horizon}"),
                    points: drift_curve(&drifts(single, paths, by_step), spacing),
                })
                .filter(|series| !series.points.is_empty())
                .collect();
            if !series.is_empty() {
                panels.push(Panel {
                    caption: format!("{}, {word}", variant.name()),
                    x_axis: x_axis.to_owned(),
                    y_axis: "distance from H = 1 [mm]".to_owned(),
                    x: None,
                    y: None,
                    spread: Spread::Band,
                    series,
                });
            }
        }
    }
    panels
}

fn drift_curve(drifts: &[Vec<f64>], spacing: f64) -> Vec<Point> {
    let least = ((drifts.len() as f64 * LEAST_SHARE).ceil() as usize).max(3);
    let longest = drifts.iter().map(Vec::len).max().unwrap_or(0);
    // No more points than a plot can show: each costs a bootstrap.
    let stride = longest.div_ceil(40).max(1);
    let point = |index: usize| {
        let mean = drift_at(drifts, index).filter(|mean| mean.n >= least)?;
        let range = Some((mean.low, mean.high));
        Some(Point { x: index as f64 * spacing, y: mean.mean, range })
    };
    (0..longest).step_by(stride).map_while(point).collect()
}
