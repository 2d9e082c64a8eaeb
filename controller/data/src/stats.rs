//! `jaco dataset stats`: what there is, in numbers.

use crate::label::success;
use jaco_dataset::{Column, Dataset, DatasetError};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// What `jaco dataset stats` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// Episodes.
    pub episodes: usize,
    /// Rows.
    pub frames: usize,
    /// Their time at the dataset's rate \[s\].
    pub seconds: f64,
    /// Rows a second that the dataset says.
    pub fps: f64,
    /// Rows a second that were reached, by the true times of the steps: least, mean and most.
    pub reached_hz: Option<[f64; 3]>,
    /// Robot.
    pub robot: Option<String>,
    /// Shortest, median and longest episode \[rows\].
    pub lengths: Option<[usize; 3]>,
    /// Tasks, with the episodes of each.
    pub tasks: BTreeMap<String, usize>,
    /// Episodes by label.
    pub labels: Labels,
    /// Cameras.
    pub cameras: Vec<CameraStats>,
    /// Numbers, a line for each dimension.
    pub dimensions: Vec<Dimension>,
    /// Size on disk \[bytes\].
    pub bytes: u64,
}

/// Episodes by label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// Labelled a success.
    pub success: usize,
    /// Labelled a failure.
    pub failure: usize,
    /// Not labelled.
    pub none: usize,
}

/// A camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CameraStats {
    /// Its feature.
    pub key: String,
    /// Width \[pixels\].
    pub width: u32,
    /// Height \[pixels\].
    pub height: u32,
    /// Whether its pictures are frames of videos; otherwise they are in the tables.
    pub video: bool,
}

/// One number of a feature, over all rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dimension {
    /// The feature.
    pub key: String,
    /// The number's name.
    pub name: String,
    /// Least.
    pub min: f64,
    /// Most.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub std: f64,
    /// True 1 % quantile.
    pub q01: f64,
    /// True 99 % quantile.
    pub q99: f64,
}

/// Reads a dataset and counts.
///
/// # Errors
/// The dataset cannot be read: the library's words.
pub fn stats(dir: &Path) -> Result<Stats, DatasetError> {
    let dataset = Dataset::open(dir)?;
    let mut tasks: BTreeMap<String, usize> = BTreeMap::new();
    let mut labels = Labels::default();
    let mut lengths = Vec::new();
    for episode in dataset.episodes() {
        lengths.push(episode.length);
        for task in &episode.tasks {
            *tasks.entry(task.clone()).or_default() += 1;
        }
        match success(&dataset, episode.index)? {
            Some(true) => labels.success += 1,
            Some(false) => labels.failure += 1,
            None => labels.none += 1,
        }
    }
    lengths.sort_unstable();
    let lengths = match lengths[..] {
        [] => None,
        [first, .., last] => Some([first, lengths[lengths.len() / 2], last]),
        [only] => Some([only; 3]),
    };
    let (dimensions, reached_hz) = numbers(&dataset)?;
    let cameras = dataset.cameras().into_iter().map(|camera| CameraStats {
        key: camera.key.to_owned(),
        width: camera.width,
        height: camera.height,
        video: camera.video,
    });
    let frames = dataset.total_frames();
    Ok(Stats {
        episodes: dataset.episodes().len(),
        frames,
        seconds: frames as f64 / dataset.fps(),
        fps: dataset.fps(),
        reached_hz,
        robot: dataset.robot_type().map(str::to_owned),
        lengths,
        tasks,
        labels,
        cameras: cameras.collect(),
        dimensions,
        bytes: size(dir),
    })
}

fn numbers(dataset: &Dataset) -> Result<(Vec<Dimension>, Option<[f64; 3]>), DatasetError> {
    let (mut dimensions, mut rates) = (Vec::new(), Vec::new());
    for feature in dataset.described() {
        if dataset.cameras().iter().any(|camera| camera.key == feature.key)
            || feature.kind().is_none()
        {
            continue;
        }
        let mut columns: Vec<Vec<f64>> = Vec::new();
        for episode in dataset.episodes() {
            let read = dataset.read_columns(episode.index, &[&feature.key])?;
            if matches!(read.columns.get(&feature.key), None | Some(Column::Images(_))) {
                continue;
            }
            let read = read.numbers(&feature.key)?;
            if let (true, [first, .., last]) =
                (feature.key == "observation.step_time" && read.dims == 1, &read.values[..])
            {
                rates.push((read.values.len() - 1) as f64 / (last - first));
            }
            columns.resize(read.dims, Vec::new());
            for (i, value) in read.values.iter().enumerate() {
                columns[i % read.dims].push(*value);
            }
        }
        for (i, values) in columns.iter_mut().enumerate().filter(|(_, v)| !v.is_empty()) {
            let given = feature.names.as_ref().and_then(|names| names.get(i)).cloned();
            let name = given.unwrap_or_else(|| i.to_string());
            dimensions.push(dimension(&feature.key, name, values));
        }
    }
    let mean = rates.iter().sum::<f64>() / rates.len() as f64;
    let ends = rates.iter().fold((f64::MAX, f64::MIN), |(l, h), r| (l.min(*r), h.max(*r)));
    Ok((dimensions, (!rates.is_empty()).then_some([ends.0, mean, ends.1])))
}

fn dimension(key: &str, name: String, values: &mut [f64]) -> Dimension {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    // Linear interpolation between neighbours, as numpy's.
    let quantile = |q: f64| {
        let at = q * (values.len() - 1) as f64;
        let (low, high) = (at.floor() as usize, at.ceil() as usize);
        values[low] + (values[high] - values[low]) * (at - low as f64)
    };
    let (q01, q99) = (quantile(0.01), quantile(0.99));
    let (min, max) = (values[0], values[values.len() - 1]);
    Dimension { key: key.to_owned(), name, min, max, mean, std, q01, q99 }
}

/// What a folder takes on the disk; what cannot be looked at counts nothing.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |file| file.len()),
            _ => 0,
        })
        .sum()
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.seconds / 60.0;
        writeln!(
            f,
            "{:<10}{}, {} frames, {:.0} s ({minutes:.1} min) at {} Hz",
            "episodes", self.episodes, self.frames, self.seconds, self.fps
        )?;
        if let Some([least, mean, most]) = self.reached_hz {
            writeln!(f, "{:<10}{mean:.2} Hz reached, {least:.2} to {most:.2}", "rate")?;
        }
        if let Some([shortest, median, longest]) = self.lengths {
            writeln!(f, "{:<10}{shortest} to {longest} frames, median {median}", "lengths")?;
        }
        writeln!(f, "{:<10}{}", "robot", self.robot.as_deref().unwrap_or("not named"))?;
        for (task, episodes) in &self.tasks {
            writeln!(f, "{:<10}\"{task}\": {episodes} episodes", "task")?;
        }
        let Labels { success, failure, none } = self.labels;
        writeln!(f, "{:<10}{success} success, {failure} failure, {none} without", "labels")?;
        for camera in &self.cameras {
            let kind = if camera.video { "videos" } else { "pictures in the tables" };
            let (key, w, h) = (&camera.key, camera.width, camera.height);
            writeln!(f, "{:<10}{key}, {w}x{h}, {kind}", "camera")?;
        }
        writeln!(f, "{:<10}{:.1} MB on disk", "size", self.bytes as f64 / 1e6)?;
        write!(f, "\n{:<34}", "")?;
        for head in ["min", "q01", "mean", "q99", "max", "std"] {
            write!(f, "{head:>11}")?;
        }
        for d in &self.dimensions {
            write!(f, "\n{:<34}", format!("{} {}", d.key, d.name))?;
            for value in [d.min, d.q01, d.mean, d.q99, d.max, d.std] {
                write!(f, "{value:>11.4}")?;
            }
        }
        Ok(())
    }
}
