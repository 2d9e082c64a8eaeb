//! A dataset written by lerobot 0.4.4 itself (two episodes in one file), `fixtures/lerobot-0.4.4`,
//! and one written by pandas and pyarrow as lerobot 0.6 writes, `fixtures/lerobot-0.6`, which its
//! `make.py` makes.
#![allow(clippy::unwrap_used)]

use jaco_dataset::{Dataset, DatasetWriter, EpisodeNotes, Row, Value, check, repair};
use std::fs;
use std::path::{Path, PathBuf};

/// Pixel values that the fixture was made with.
fn picture(episode: usize, frame: usize) -> Vec<u8> {
    (0..72).map(|i| (i + 10 * frame + episode) as u8).collect()
}

fn copy_of_the_fixture(folder: &Path) -> PathBuf {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lerobot-0.4.4");
    let root = folder.join("dataset");
    for file in [
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "data/chunk-000/file-000.parquet",
    ] {
        let target = root.join(file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(fixture.join(file), target).unwrap();
    }
    root
}

fn assert_as_written(dataset: &Dataset) {
    for (index, (task, length)) in [("push", 3), ("put the cup", 4)].into_iter().enumerate() {
        let episode = dataset.read_episode(index).unwrap();
        assert_eq!((episode.task.as_str(), episode.length), (task, length));
        for frame in 0..length {
            let images = episode.images("observation.images.front").unwrap();
            assert_eq!(*images.frames[frame], picture(index, frame)[..]);
            let action = episode.f32s("action").unwrap().row(frame);
            assert_eq!(action, [frame as f32, -(index as f32)]);
            assert_eq!(episode.bools("label.valid").unwrap()[frame], frame % 2 == 0);
        }
    }
}

#[test]
fn lerobots_own_dataset_is_read_checked_and_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let root = copy_of_the_fixture(folder.path());
    let dataset = Dataset::open(&root).unwrap();
    assert_eq!(
        (dataset.tasks(), dataset.total_frames()),
        (&["push", "put the cup"].map(String::from)[..], 7)
    );
    assert_as_written(&dataset);
    assert_eq!(check(&root), []);

    let mut writer = DatasetWriter::open_append(&root).unwrap();
    writer.begin("push", &EpisodeNotes::new()).unwrap();
    let row = Row::new()
        .with("observation.images.front", Value::Image(picture(2, 0).into()))
        .with("action", Value::F32(vec![0.5, 0.25]))
        .with("label.valid", Value::Bool(true));
    writer.push(row).unwrap();
    assert_eq!(writer.keep(&EpisodeNotes::new()).unwrap().index, 2);
    drop(writer);
    let dataset = Dataset::open(&root).unwrap();
    assert_as_written(&dataset);
    assert_eq!(dataset.read_episode(2).unwrap().f32s("action").unwrap().row(0), [0.5, 0.25]);
    assert_eq!(check(&root), []);
    assert_eq!(repair(&root).unwrap(), []);
    // The order of the features is that of the columns, which is not that of the alphabet.
    let info = fs::read_to_string(root.join("meta/info.json")).unwrap();
    let at = |key: &str| info.find(&format!("\"{key}\"")).unwrap();
    assert!(at("observation.images.front") < at("action") && at("action") < at("label.valid"));
}

/// lerobot #2467: nothing that lerobot 0.6 wrote was opened.
#[test]
fn the_layout_of_lerobot_0_6_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lerobot-0.6");
    let dataset = Dataset::open(&root).unwrap();
    assert_eq!((dataset.fps(), dataset.robot_type()), (10.0, None));
    assert_eq!(dataset.tasks(), ["put the cup", "push"]);
    let keys: Vec<&str> = dataset.described().iter().map(|f| f.key.as_str()).collect();
    assert_eq!(keys, ["action", "observation.images.top", "language_persistent", "next.done"]);
    for (index, tasks) in
        [&["push"; 3][..], &["put the cup", "put the cup", "push", "push"]].into_iter().enumerate()
    {
        let episode = dataset.read_episode(index).unwrap();
        assert_eq!(episode.tasks.iter().map(|task| &**task).collect::<Vec<_>>(), tasks);
        for frame in 0..episode.length {
            let images = episode.images("observation.images.top").unwrap();
            assert_eq!(*images.frames[frame], picture(index, frame));
            let action = episode.f32s("action").unwrap().row(frame);
            assert_eq!(action, [frame as f32, -(index as f32)]);
            let last = frame + 1 == episode.length;
            assert_eq!(episode.bools("next.done").unwrap()[frame], last);
        }
    }
    let findings: Vec<String> = check(&root).iter().map(ToString::to_string).collect();
    assert!(matches!(&findings[..], [one] if one.contains("language_persistent")), "{findings:#?}");
}
