//! `jaco dataset show`: an episode as pictures that one can look at.

use crate::label::success;
use anyhow::Context;
use jaco_cli::dataset::ShowArgs;
use jaco_core::Frame;
use jaco_dataset::{Dataset, DatasetError, Episode, Vectors};
use jaco_report::{
    Curve, CurvePanel, EpisodePlot, FrameKeeper, KeptFrame, episode_plot, episode_sheet,
    replace_file,
};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// Numbers of a feature that are drawn where nobody knows what they are.
const MOST_CURVES: usize = 6;
/// A step this part longer or shorter shows in the panel of timing \[ms\].
const LEAST_TIMING_MS: f64 = 20.0;

/// What `jaco dataset show` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The files, first the contact sheets.
    pub files: Vec<PathBuf>,
}

/// Draws an episode.
///
/// # Errors
/// The episode cannot be read, the folder not be written.
pub fn show(args: &ShowArgs) -> anyhow::Result<Shown> {
    let dataset = Dataset::open(&args.dir)?;
    let keys: Vec<String> = dataset
        .features()
        .iter()
        .map(|feature| feature.key.clone())
        .filter(|key| !dataset.cameras().iter().any(|camera| camera.key == key))
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let episode = dataset.read_columns(args.episode, &keys)?;
    let doing = || format!("cannot write into {}", args.out.display());
    std::fs::create_dir_all(&args.out).with_context(doing)?;
    let detail = detail(&dataset, &episode)?;
    let mut files = Vec::new();
    for camera in dataset.cameras() {
        let mut keeper = FrameKeeper::default();
        dataset.read_pictures(args.episode, camera.key, |row, rgb| {
            let time_s = episode.timestamps_s[row];
            let frame = Frame {
                camera: camera.key.into(),
                captured_ns: (time_s * 1e9) as u64,
                width: camera.width,
                height: camera.height,
                rgb,
                jpeg: None,
            };
            keeper.offer(KeptFrame { step: row as u64, time_s, frame });
            Ok::<_, DatasetError>(())
        })?;
        let name = camera.key.rsplit('.').next().unwrap_or(camera.key);
        let words = format!("{name}: {detail}");
        let png = episode_sheet(&episode.task, &words, &keeper.frames())?;
        let file = args.out.join(format!("episode-{:06}-{name}.png", args.episode));
        replace_file(&file, &png).with_context(doing)?;
        files.push(file);
    }
    let plot = EpisodePlot {
        title: episode.task.clone(),
        detail,
        path_m: path(&dataset, &episode),
        fps: dataset.fps(),
        panels: panels(&dataset, &episode),
    };
    let file = args.out.join(format!("episode-{:06}-plot.png", args.episode));
    replace_file(&file, &episode_plot(&plot)?).with_context(doing)?;
    files.push(file);
    Ok(Shown { files })
}

fn detail(dataset: &Dataset, episode: &Episode) -> Result<String, DatasetError> {
    let label = match success(dataset, episode.index)? {
        Some(true) => "success",
        Some(false) => "failure",
        None => "not labelled",
    };
    let seconds = episode.length as f64 / dataset.fps();
    let (index, frames) = (episode.index, episode.length);
    Ok(format!("episode {index}, {frames} frames, {seconds:.1} s, {label}"))
}

fn names(dataset: &Dataset, key: &str) -> Vec<String> {
    dataset.feature(key).and_then(|feature| feature.names.clone()).unwrap_or_default()
}

fn path(dataset: &Dataset, episode: &Episode) -> Vec<[f64; 3]> {
    let names = names(dataset, "observation.state");
    let place = |name: &str| names.iter().position(|known| known == name);
    let (Some(x), Some(y), Some(z), Ok(state)) =
        (place("x"), place("y"), place("z"), episode.numbers("observation.state"))
    else {
        return Vec::new();
    };
    state.rows().map(|row| [row[x], row[y], row[z]]).collect()
}

fn panels(dataset: &Dataset, episode: &Episode) -> Vec<CurvePanel> {
    let drawn = Drawn { dataset, episode };
    let mut panels = Vec::new();
    let groups: [(&str, &str, &str, &[&str], f64); 4] = [
        ("position", "observation.state", "[m]", &["x", "y", "z"], 0.05),
        ("action: displacement a step", "action", "[m]", &["dx", "dy", "dz"], 0.005),
        ("action: rotation a step", "action", "[rad]", &["droll", "dpitch", "dyaw"], 0.02),
        ("joints", "observation.state", "[rad]", &["j1", "j2", "j3", "j4", "j5", "j6"], 0.1),
    ];
    for (caption, key, axis, wanted, least) in groups {
        let curves: Vec<Curve> =
            wanted.iter().filter_map(|name| drawn.curve(key, name, name)).collect();
        if !curves.is_empty() {
            let (caption, axis) = (caption.to_owned(), axis.to_owned());
            panels.push(CurvePanel { caption, axis, least, curves });
        }
    }
    let openings = [
        drawn.curve("action", "gripper", "asked"),
        drawn.curve("observation.state", "opening", "measured"),
    ];
    let curves: Vec<Curve> = openings.into_iter().flatten().collect();
    if !curves.is_empty() {
        let (caption, axis) = ("gripper, 1 open".to_owned(), "opening".to_owned());
        panels.push(CurvePanel { caption, axis, least: 1.0, curves });
    }
    for key in ["observation.state", "action"] {
        let known = panels.iter().any(|panel| panel.caption.starts_with("action"))
            && key == "action"
            || panels.iter().any(|panel| panel.caption == "position") && key == "observation.state";
        if !known {
            panels.extend(drawn.unknown(key));
        }
    }
    panels.extend(drawn.timing());
    panels
}

/// An episode whose numbers are drawn.
struct Drawn<'a> {
    dataset: &'a Dataset,
    episode: &'a Episode,
}

impl Drawn<'_> {
    fn points(&self, values: &Vectors<f64>, dim: usize) -> Vec<(f64, f64)> {
        self.episode.timestamps_s.iter().copied().zip(values.rows().map(|row| row[dim])).collect()
    }

    fn curve(&self, key: &str, number: &str, name: &str) -> Option<Curve> {
        let dim = names(self.dataset, key).iter().position(|known| known == number)?;
        let points = self.points(&self.episode.numbers(key).ok()?, dim);
        Some(Curve { name: name.to_owned(), points })
    }

    /// The first numbers of a feature of which it is not known what they are.
    fn unknown(&self, key: &str) -> Option<CurvePanel> {
        let values = self.episode.numbers(key).ok()?;
        let names = names(self.dataset, key);
        let curve = |dim: usize| Curve {
            name: names.get(dim).cloned().unwrap_or_else(|| dim.to_string()),
            points: self.points(&values, dim),
        };
        let curves = (0..values.dims.min(MOST_CURVES)).map(curve).collect();
        let caption = match values.dims {
            dims if dims > MOST_CURVES => format!("{key}, the first {MOST_CURVES} of {dims}"),
            _ => key.to_owned(),
        };
        Some(CurvePanel { caption, axis: String::new(), least: 1e-3, curves })
    }

    /// How long steps took, and how old pictures were against one another.
    fn timing(&self) -> Option<CurvePanel> {
        let mut curves = Vec::new();
        for (key, name) in
            [("observation.step_time", "step"), ("observation.capture_time", "picture")]
        {
            let Ok(times) = self.episode.numbers(key) else { continue };
            let given = names(self.dataset, key);
            for dim in 0..times.dims.min(MOST_CURVES - curves.len()) {
                let points = self.points(&times, dim);
                let points =
                    points.windows(2).map(|pair| (pair[1].0, 1e3 * (pair[1].1 - pair[0].1)));
                let name = match (times.dims, given.get(dim)) {
                    (1, _) | (_, None) => name.to_owned(),
                    (_, Some(camera)) => format!("{name} {camera}"),
                };
                curves.push(Curve { name, points: points.collect() });
            }
        }
        let caption = "time since the one before".to_owned();
        let axis = "[ms]".to_owned();
        (!curves.is_empty()).then_some(CurvePanel { caption, axis, least: LEAST_TIMING_MS, curves })
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        f.write_str(&lines.join("\n"))
    }
}
