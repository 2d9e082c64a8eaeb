//! What is written is read back, and what does not fit is refused.
#![allow(clippy::unwrap_used)]

mod common;

use common::{features, fill, picture, row};
use jaco_dataset::{
    Column, Dataset, DatasetError, DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value,
    check,
};
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::fs::{self, File};

const TASK: &str = "put the blue cube on the green plate";

#[test]
fn every_kind_of_column_survives() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = DatasetWriter::create(folder.path(), 10, "kinova", features()).unwrap();
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    fill(&mut writer, 0..5);
    let notes: EpisodeNotes = json!({"seed": 7, "success": true}).as_object().cloned().unwrap();
    let summary = writer.keep(&notes).unwrap();
    writer.publish().unwrap();
    assert_eq!((summary.index, summary.frames), (0, 5));

    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!((dataset.fps(), dataset.robot_type()), (10.0, Some("kinova")));
    assert_eq!(dataset.features(), &features());
    assert_eq!(dataset.notes(0).unwrap(), notes);
    let episode = dataset.read_episode(0).unwrap();
    assert_eq!((episode.task.as_str(), episode.length), (TASK, 5));
    let images = episode.images("observation.images.front").unwrap();
    for i in 0..5_u32 {
        let at = i as usize;
        assert_eq!(images.frames[at], picture(i));
        let Value::F32(action) = &row(i).0["action"] else { unreachable!() };
        assert_eq!(episode.f32s("action").unwrap().row(at), &action[..]);
        let time = episode.f64s("observation.capture_time").unwrap().row(at)[0];
        assert_eq!(time, 1e6 + f64::from(i) * 0.1);
        assert_eq!(episode.bools("label.valid").unwrap()[at], !i.is_multiple_of(3));
        assert_eq!(episode.ints("label.phase").unwrap()[at], i64::from(i / 4));
    }
    assert_eq!(check(folder.path()), []);
}

#[test]
fn indices_and_tasks_go_on_over_episodes_and_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = ["push the red box", "pose la tasse orangée 🍊 sur l’assiette"];
    drop(DatasetWriter::create(folder.path(), 10, "kinova", features()).unwrap());
    for (i, length) in [3_u32, 4, 2].into_iter().enumerate() {
        let mut writer = DatasetWriter::open_append(folder.path()).unwrap();
        assert_eq!(writer.repairs(), []);
        writer.begin(tasks[i % 2], &EpisodeNotes::new()).unwrap();
        fill(&mut writer, 0..length);
        assert_eq!(writer.keep(&EpisodeNotes::new()).unwrap().index, i);
    }
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.tasks(), tasks);
    let mut index = Vec::new();
    for (episode, (task, length)) in
        dataset.episodes().iter().zip([(tasks[0], 3), (tasks[1], 4), (tasks[0], 2)])
    {
        assert_eq!((episode.task.as_str(), episode.length), (task, length));
        let keys = ["index", "frame_index", "timestamp", "task_index"];
        let rows = dataset.read_columns(episode.index, &keys).unwrap();
        index.extend_from_slice(rows.ints("index").unwrap());
        let frames: Vec<i64> = (0..length as i64).collect();
        assert_eq!(rows.ints("frame_index").unwrap(), &frames);
        assert_eq!(rows.f32s("timestamp").unwrap().row(1), [0.1]);
        assert!(rows.ints("task_index").unwrap().iter().all(|&t| tasks[t as usize] == task));
    }
    assert_eq!(index, (0..9).collect::<Vec<i64>>());
    assert_eq!(check(folder.path()), []);
}

/// lerobot finds the text of a task through pandas' metadata, which pyarrow overlooks in a file
/// that also embeds Arrow's own schema: `item["task"]` then is a number.
#[test]
fn the_table_of_tasks_carries_pandas_metadata_and_no_arrow_schema() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = DatasetWriter::create(folder.path(), 10, "kinova", features()).unwrap();
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    fill(&mut writer, 0..1);
    writer.keep(&EpisodeNotes::new()).unwrap();
    writer.publish().unwrap();
    let file = File::open(folder.path().join("meta/tasks.parquet")).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let [entry] = &metadata[..] else { panic!("{metadata:?}") };
    assert_eq!(entry.key, "pandas");
    let pandas: Json = serde_json::from_str(entry.value.as_ref().unwrap()).unwrap();
    assert_eq!(pandas["index_columns"], json!(["__index_level_0__"]));
}

#[test]
fn only_the_columns_asked_for_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = DatasetWriter::create(folder.path(), 10, "kinova", features()).unwrap();
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    fill(&mut writer, 0..3);
    writer.keep(&EpisodeNotes::new()).unwrap();
    writer.publish().unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    let episode = dataset.read_columns(0, &["action"]).unwrap();
    assert_eq!(episode.columns.keys().collect::<Vec<_>>(), ["action"]);
    assert!(episode.images("observation.images.front").is_err());
    let error = dataset.read_columns(0, &["actions"]).unwrap_err().to_string();
    assert!(error.contains("\"actions\"") && error.contains("action (float32)"), "{error}");
    let error = dataset.read_episode(1).unwrap_err();
    assert!(matches!(error, DatasetError::NoSuchEpisode { index: 1, count: 1, .. }));
}

#[test]
fn the_parallel_reader_keeps_the_order_and_passes_errors_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = DatasetWriter::create(folder.path(), 10, "kinova", features()).unwrap();
    for i in 0..7 {
        writer.begin(TASK, &EpisodeNotes::new()).unwrap();
        fill(&mut writer, i..i + 2);
        writer.keep(&EpisodeNotes::new()).unwrap();
        writer.publish().unwrap();
    }
    let dataset = Dataset::open(folder.path()).unwrap();
    let mut seen = Vec::new();
    let keys = ["observation.images.front"];
    dataset
        .read_episodes(1..7, &keys, 3, |episode| -> Result<(), DatasetError> {
            let images = episode.images(keys[0])?;
            assert_eq!(images.frames[0], picture(episode.index as u32));
            seen.push(episode.index);
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    let past = dataset.read_episodes(5..9, &keys, 2, |_| Ok::<_, DatasetError>(()));
    assert!(matches!(past, Err(DatasetError::NoSuchEpisode { index: 7, .. })), "{past:?}");
    let mut calls = 0;
    let stopped = dataset.read_episodes(0..7, &keys, 2, |_| {
        calls += 1;
        Err(DatasetError::EmptyEpisode { task: String::new() })
    });
    assert!(stopped.is_err() && calls == 1);
}

#[test]
fn quantiles_are_those_of_all_rows_together() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];
    let features = Features::new([("action", FeatureKind::float32(names))]).unwrap();
    let mut writer = DatasetWriter::create(folder.path(), 10, "kinova", features).unwrap();
    // 0..=100 in episodes of very different length: the mean of their quantiles is far off.
    for range in [0..3, 3..90, 90..101] {
        writer.begin(TASK, &EpisodeNotes::new()).unwrap();
        for i in range {
            let action = (0..7).map(|d| i as f32 * (d + 1) as f32).collect();
            writer.push(Row::new().with("action", Value::F32(action))).unwrap();
        }
        writer.keep(&EpisodeNotes::new()).unwrap();
        writer.publish().unwrap();
    }
    let statistics = Dataset::open(folder.path()).unwrap().action_statistics("action").unwrap();
    assert_eq!(statistics.q01, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(statistics.q99, [99.0, 198.0, 297.0, 396.0, 495.0, 594.0, 693.0]);
    assert_eq!(statistics.mask, [true, true, true, true, true, true, false]);
    let stats: Json =
        serde_json::from_slice(&fs::read(folder.path().join("meta/stats.json")).unwrap()).unwrap();
    assert_eq!(stats["action"]["count"], json!([101]));
    assert_eq!(stats["action"]["max"][0], json!(100.0));
    assert!((stats["action"]["mean"][0].as_f64().unwrap() - 50.0).abs() < 1e-9);
    assert_eq!(stats["frame_index"]["max"], json!([86]));
}

#[test]
fn a_row_that_does_not_fit_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = DatasetWriter::create(folder.path(), 10, "kinova", features()).unwrap();
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    fill(&mut writer, 0..1);
    let missing = Row(row(1).0.into_iter().filter(|(key, _)| key != "action").collect());
    let bad = [
        (missing, "action", "no value"),
        (row(1).with("extra", Value::I64(1)), "extra", "no such feature"),
        (row(1).with("observation.state", Value::F32(vec![0.0; 2])), "observation.state", "2"),
        (
            row(1).with("observation.state", Value::F32(vec![0., f32::NAN, 0.])),
            "observation.state",
            "number 1 is not finite",
        ),
        (row(1).with("label.valid", Value::I64(1)), "label.valid", "bool"),
        (
            row(1).with("observation.images.front", Value::Image([0; 9].into())),
            "observation.images.front",
            "576",
        ),
    ];
    for (row, key, reason) in bad {
        let error = writer.push(row).unwrap_err().to_string();
        assert!(
            error.contains(key) && error.contains(reason) && error.contains("row 1"),
            "{error}"
        );
    }
    fill(&mut writer, 1..2);
    writer.keep(&EpisodeNotes::new()).unwrap();
    writer.publish().unwrap();
    let read = Dataset::open(folder.path()).unwrap().read_episode(0).unwrap();
    assert_eq!(read.length, 2);
    assert_eq!(read.images("observation.images.front").unwrap().frames[1], picture(1));
}

#[test]
fn refusals_name_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let missing = DatasetWriter::open_append(root).err().unwrap().to_string();
    assert!(missing.contains("info.json") && missing.contains("does not exist"), "{missing}");
    let mut writer = DatasetWriter::create(root, 10, "kinova", features()).unwrap();
    assert!(matches!(writer.push(row(0)), Err(DatasetError::NoEpisode)));
    assert!(matches!(writer.keep(&EpisodeNotes::new()), Err(DatasetError::NoEpisode)));
    assert!(matches!(writer.discard(), Err(DatasetError::NoEpisode)));
    writer.begin(TASK, &EpisodeNotes::new()).unwrap();
    let error = writer.begin("another", &EpisodeNotes::new()).unwrap_err();
    assert!(matches!(error, DatasetError::EpisodeOpen { task } if task == TASK));
    let error = writer.keep(&EpisodeNotes::new()).unwrap_err();
    assert!(matches!(error, DatasetError::EmptyEpisode { .. }));
    assert_eq!(writer.discard().unwrap(), 0);
    let locked = DatasetWriter::open_append(root).err().unwrap();
    assert!(matches!(locked, DatasetError::Locked { .. }));
    drop(writer);
    let exists = DatasetWriter::create(root, 10, "kinova", features()).err().unwrap();
    assert!(matches!(exists, DatasetError::Exists { .. }));

    let path = root.join("meta/info.json");
    let good = fs::read_to_string(&path).unwrap();
    for (from, to, reason) in [
        ("{", "", "not valid JSON"),
        ("\"v3.0\"", "\"v2.1\"", "v2.1"),
        ("\"frame_index\"", "\"frame\"", "frame_index"),
    ] {
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        for error in [
            Dataset::open(root).unwrap_err().to_string(),
            DatasetWriter::open_append(root).err().unwrap().to_string(),
            check(root)[0].to_string(),
        ] {
            assert!(error.contains("info.json") && error.contains(reason), "{error}");
        }
    }
    // A type that nobody knows keeps from appending and from nothing else.
    fs::write(&path, good.replacen("\"float32\"", "\"complex64\"", 1)).unwrap();
    let dataset = Dataset::open(root).unwrap();
    for error in [
        dataset.read_columns(0, &["observation.state"]).unwrap_err().to_string(),
        DatasetWriter::open_append(root).err().unwrap().to_string(),
        check(root)[0].to_string(),
    ] {
        assert!(error.contains("complex64"), "{error}");
    }
}

#[test]
fn invalid_features_are_refused() {
    let float = || FeatureKind::float32(["x"]);
    for (features, reason) in [
        (vec![("a/b", float())], "'/'"),
        (vec![("index", float())], "belongs to the format"),
        (vec![("a", float()), ("a", float())], "twice"),
        (vec![("a", FeatureKind::float32(Vec::<String>::new()))], "at least one number"),
        (vec![("a", FeatureKind::Image { height: 0, width: 2 })], "at least one number"),
        (vec![], "at least one feature"),
    ] {
        let error = Features::new(features).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any finite numbers and any text, in any split into episodes.
    #[test]
    fn any_rows_survive(
        episodes in prop::collection::vec(
            (any::<String>(), prop::collection::vec(
                (prop::array::uniform3(prop::num::f32::NORMAL | prop::num::f32::ZERO),
                 prop::num::f64::NORMAL, any::<bool>(), -(1_i64 << 53)..(1 << 53)),
                1..6)),
            1..4)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let features = Features::new([
            ("v", FeatureKind::float32(["a", "b", "c"])),
            ("t", FeatureKind::float64(["t"])),
            ("b", FeatureKind::Bool),
            ("i", FeatureKind::Int64),
        ]).unwrap();
        let mut writer = DatasetWriter::create(folder.path(), 10, "kinova", features).unwrap();
        for (task, rows) in &episodes {
            writer.begin(task, &EpisodeNotes::new()).unwrap();
            for (v, t, b, i) in rows {
                let row = Row::new()
                    .with("v", Value::F32(v.to_vec()))
                    .with("t", Value::F64(vec![*t]))
                    .with("b", Value::Bool(*b))
                    .with("i", Value::I64(*i));
                writer.push(row).unwrap();
            }
            writer.keep(&EpisodeNotes::new()).unwrap();
            writer.publish().unwrap();
        }
        drop(writer);
        let reopened = DatasetWriter::open_append(folder.path()).unwrap();
        prop_assert_eq!(reopened.repairs(), []);
        let dataset = Dataset::open(folder.path()).unwrap();
        for (index, (task, rows)) in episodes.iter().enumerate() {
            let read = dataset.read_episode(index).unwrap();
            prop_assert_eq!(&read.task, task);
            prop_assert_eq!(read.length, rows.len());
            for (at, (v, t, b, i)) in rows.iter().enumerate() {
                prop_assert_eq!(read.f32s("v").unwrap().row(at), v);
                prop_assert_eq!(read.f64s("t").unwrap().row(at), &[*t]);
                prop_assert_eq!(&read.columns["b"], &Column::Bool(rows.iter().map(|r| r.2).collect()));
                prop_assert_eq!(read.bools("b").unwrap()[at], *b);
                prop_assert_eq!(read.ints("i").unwrap()[at], *i);
            }
        }
    }
}
