//! Episodes that are told apart by their numbers, recorded in row groups of two rows.

use super::{features, picture, row};
use jaco_dataset::{Dataset, DatasetError, DatasetWriter, EpisodeNotes};
use serde_json::json;
use std::fs;
use std::path::Path;

pub const TASKS: [&str; 2] = ["push the red box", "put the cup on the plate"];
/// Rows of an episode: two row groups and a row that waits for `keep`.
pub const ROWS: usize = 5;
pub const GROUP_ROWS: usize = 2;

pub fn notes(seed: u64) -> EpisodeNotes {
    json!({"seed": seed}).as_object().cloned().unwrap()
}

fn seed(index: usize, at: usize) -> u32 {
    (index * 10 + at) as u32
}

/// Begins episode `index`.
pub fn begin(writer: &mut DatasetWriter, index: usize) -> Result<(), DatasetError> {
    writer.set_group_rows(GROUP_ROWS);
    writer.begin(TASKS[index % 2], &notes(index as u64))
}

/// Row `at` of episode `index`.
pub fn push(writer: &mut DatasetWriter, index: usize, at: usize) -> Result<(), DatasetError> {
    writer.push(row(seed(index, at)))
}

/// The rest of what is known of episode `index`.
pub fn success() -> EpisodeNotes {
    json!({"success": true}).as_object().cloned().unwrap()
}

pub fn save(writer: &mut DatasetWriter, index: usize) -> Result<(), DatasetError> {
    begin(writer, index)?;
    (0..ROWS).try_for_each(|at| push(writer, index, at))?;
    writer.keep(&success())?;
    writer.publish()
}

/// A dataset of `count` episodes.
pub fn dataset_of(root: &Path, count: usize) {
    let mut writer = DatasetWriter::create(root, 10, "kinova", features()).unwrap();
    (0..count).for_each(|index| save(&mut writer, index).unwrap());
}

/// Asserts that the first `count` episodes are whole, as `save` writes them.
pub fn assert_whole(root: &Path, count: usize) {
    let dataset = Dataset::open(root).unwrap();
    assert!(dataset.episodes().len() >= count);
    for index in 0..count {
        assert_rows(&dataset, index, ROWS);
        let mut expected = notes(index as u64);
        expected.extend(success());
        assert_eq!(dataset.notes(index).unwrap(), expected);
    }
}

/// Asserts that episode `index` has the first `count` rows of those that `save` writes.
pub fn assert_rows(dataset: &Dataset, index: usize, count: usize) {
    let episode = dataset.read_episode(index).unwrap();
    assert_eq!((episode.task.as_str(), episode.length), (TASKS[index % 2], count));
    let images = episode.images("observation.images.front").unwrap();
    for at in 0..count {
        assert_eq!(images.frames[at], picture(seed(index, at)));
        let jaco_dataset::Value::F32(action) = &row(seed(index, at)).0["action"] else {
            unreachable!()
        };
        assert_eq!(episode.f32s("action").unwrap().row(at), &action[..]);
    }
}

/// The statistics that are kept are those of the rows that are there.
pub fn assert_statistics_are_of_the_rows(root: &Path) {
    let dataset = Dataset::open(root).unwrap();
    let mut first_numbers = Vec::new();
    for episode in dataset.episodes() {
        let rows = dataset.read_columns(episode.index, &["action"]).unwrap();
        first_numbers.extend(rows.numbers("action").unwrap().rows().map(|row| row[0]));
    }
    let count = first_numbers.len();
    if let Some(largest) = first_numbers.into_iter().max_by(f64::total_cmp) {
        let stats = fs::read(root.join("meta/stats.json")).unwrap();
        let stats: serde_json::Value = serde_json::from_slice(&stats).unwrap();
        assert_eq!(stats["action"]["max"][0], json!(largest));
        assert_eq!(stats["action"]["count"], json!([count]));
    }
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            fs::copy(&path, &target).map(|_| ()).unwrap()
        }
    }
}
