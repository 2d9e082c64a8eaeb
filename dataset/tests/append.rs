//! Going on with a dataset that others wrote or extended: what they keep in it stays, and what
//! could not be kept is refused before anything is changed.
#![allow(clippy::unwrap_used)]

mod common;

use arrow::array::{Array, AsArray, StringArray};
use common::foreign::{
    HEIGHT, LENGTHS, Layout, Lists, TASKS, TaskTexts, WIDTH, action, array, doubles, picture,
    write_parquet,
};
use jaco_dataset::{
    Dataset, DatasetError, DatasetWriter, EpisodeNotes, Row, Severity, Value, blames_input, check,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const CAMERA: &str = "observation.images.top";

fn append(root: &Path, task: &str) -> Result<usize, DatasetError> {
    let mut writer = DatasetWriter::open_append(root)?;
    writer.begin(task, &EpisodeNotes::new())?;
    for row in 0..3 {
        writer.push(
            Row::new()
                .with(CAMERA, Value::Image(vec![9; (WIDTH * HEIGHT * 3) as usize].into()))
                .with("action", Value::F32(vec![row as f32, 100.0, -100.0])),
        )?;
    }
    let index = writer.keep(&EpisodeNotes::new())?.index;
    writer.publish().map(|()| index)
}

fn json_of(path: PathBuf) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn info(root: &Path) -> Json {
    json_of(root.join("meta/info.json"))
}

/// Changes a JSON file of the dataset.
fn edit(root: &Path, file: &str, change: impl FnOnce(&mut Json)) {
    let path = root.join(file);
    let mut json = json_of(path.clone());
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

/// Statistics as somebody keeps them who knows no quantiles and has some of their own.
fn theirs() -> Json {
    let entry = |min: f64| {
        json!({"min": [min, 0.0, 0.0], "max": [1.0, 1.0, 1.0], "mean": [0.5, 0.5, 0.5],
               "std": [0.1, 0.1, 0.1], "count": [11], "iqr": [0.2, 0.2, 0.2]})
    };
    json!({"action": entry(-2.0), "reward": {"mean": [7.0]}})
}

/// All files of a folder with their bytes.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    all
}

#[test]
fn what_others_keep_in_info_json_survives() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout { fps: json!(10.0), chunks_size: 7, ..Layout::default() }.write(root);
    edit(root, "meta/info.json", |info| {
        info["splits"] = json!({"train": "1:3", "val": "0:1"});
        info["data_files_size_in_mb"] = json!(500);
        info["tools"] = json!([{"type": "function"}]);
        info["their key"] = json!({"deep": [1, 2.5, null]});
        info["features"]["action"]["info"] = json!({"unit": "m"});
    });
    let before = info(root);
    assert_eq!(append(root, TASKS[0]).unwrap(), 3);
    let mut expected = before.clone();
    expected["total_episodes"] = json!(4);
    expected["total_frames"] = json!(14);
    expected["splits"]["train"] = json!("1:4");
    assert_eq!(info(root), expected);
    let dataset = Dataset::open(root).unwrap();
    for (index, length) in LENGTHS.into_iter().enumerate() {
        let episode = dataset.read_episode(index).unwrap();
        let last = length - 1;
        assert_eq!(episode.f32s("action").unwrap().row(last), action(index, last));
        assert_eq!(*episode.images(CAMERA).unwrap().frames[last], picture(index, last)[..]);
    }
    assert_eq!(dataset.read_episode(3).unwrap().f32s("action").unwrap().row(2)[0], 2.0);
    let errors = check(root).into_iter().filter(|f| f.severity == Severity::Error);
    assert_eq!(errors.map(|f| f.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_split_that_ends_before_the_dataset_does_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    Layout::default().write(folder.path());
    let splits = json!({"train": "0:2", "test": "2:3"});
    edit(folder.path(), "meta/info.json", |info| info["splits"] = splits.clone());
    append(folder.path(), TASKS[0]).unwrap();
    assert_eq!(info(folder.path())["splits"], splits);
}

#[test]
fn their_statistics_are_gone_on_with_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout::default().write(root);
    fs::write(root.join("meta/stats.json"), theirs().to_string()).unwrap();
    append(root, TASKS[0]).unwrap();
    append(root, TASKS[1]).unwrap();
    let stats = json_of(root.join("meta/stats.json"));
    assert_eq!(stats["action"]["count"], json!([17]));
    assert_eq!(stats["action"]["min"], json!([-2.0, 0.0, -100.0]));
    assert_eq!(stats["action"]["max"], json!([2.0, 100.0, 1.0]));
    let mean = stats["action"]["mean"][1].as_f64().unwrap();
    assert!((mean - (11.0 * 0.5 + 6.0 * 100.0) / 17.0).abs() < 1e-9);
    assert_eq!(stats["action"]["iqr"], json!([0.2, 0.2, 0.2]));
    // A quantile of some of the rows would be none, and neither would the mean of a new feature.
    assert!(stats["action"].get("q01").is_none() && stats.get("timestamp").is_none());
    assert_eq!(stats["reward"], json!({"mean": [7.0]}));
}

#[test]
fn statistics_that_nobody_kept_are_computed_from_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout { files: [1, 0, 1], ..Layout::default() }.write(root);
    append(root, TASKS[0]).unwrap();
    let stats = json_of(root.join("meta/stats.json"));
    assert_eq!(stats["action"]["count"], json!([14]));
    assert_eq!(stats["action"]["max"], json!([5.0, 100.0, 4.0]));
    assert_eq!(stats["index"]["max"], json!([13]));
    assert_eq!(stats[CAMERA]["count"], json!([14]));
}

/// lerobot reads all files of meta/episodes as one table, and fails where their columns differ.
#[test]
fn the_new_row_of_meta_episodes_has_the_columns_of_those_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout::default().write(root);
    let columns = |file: usize| -> Vec<String> {
        let path = root.join(format!("meta/episodes/chunk-000/file-{file:03}.parquet"));
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        reader.schema().fields().iter().map(|field| field.name().clone()).collect()
    };
    append(root, TASKS[0]).unwrap();
    assert_eq!(columns(0), columns(1));
}

/// lerobot 0.6.1 appends a task to our dataset: the table of tasks is then one whose index is
/// named "task".
#[test]
fn a_task_that_lerobot_added_to_our_dataset_does_not_lock_us_out() {
    for (tasks, column) in [
        (TaskTexts::Index, "task"),
        (TaskTexts::Unnamed, "__index_level_0__"),
        (TaskTexts::Plain, "task"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        Layout { tasks, ..Layout::default() }.write(root);
        append(root, "a task of our own").unwrap();
        let file = File::open(root.join("meta/tasks.parquet")).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let pairs = builder.metadata().file_metadata().key_value_metadata().cloned();
        let pandas = pairs.unwrap_or_default().into_iter().find(|pair| pair.key == "pandas");
        let index = pandas.map(|pair| serde_json::from_str::<Json>(&pair.value.unwrap()).unwrap());
        let index = index.map(|pandas| pandas["index_columns"][0].clone());
        assert_eq!(index, (tasks != TaskTexts::Plain).then(|| json!(column)));
        let batch = builder.build().unwrap().next().unwrap().unwrap();
        let texts = batch.column_by_name(column).unwrap().as_string::<i32>();
        assert_eq!((texts.len(), texts.value(3)), (4, "a task of our own"));
        assert_eq!(Dataset::open(root).unwrap().read_episode(3).unwrap().task, texts.value(3));
    }
}

/// A table with a counting index says in pandas' metadata how far it counts.
#[test]
fn a_counting_index_counts_the_new_task_too() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout::default().write(root);
    let range = json!({"index_columns": [{"kind": "range", "start": 0, "stop": 3, "step": 1}]});
    let properties = WriterProperties::builder()
        .set_key_value_metadata(Some(vec![KeyValue::new("pandas".to_owned(), range.to_string())]));
    let path = root.join("meta/tasks.parquet");
    let columns = vec![
        ("task_index".to_owned(), doubles(vec![0.0, 1.0, 2.0])),
        ("task".to_owned(), array(StringArray::from_iter_values(TASKS))),
    ];
    write_parquet(&path, columns, properties.build());
    append(root, "another").unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let pairs = builder.metadata().file_metadata().key_value_metadata().unwrap();
    assert!(pairs.iter().any(|pair| pair.value.as_ref().unwrap().contains("\"stop\":4")));
}

#[test]
fn what_could_not_be_kept_is_refused_before_anything_is_changed() {
    let moved = "rows/{chunk_index}/{file_index}.parquet";
    let layouts = [
        (Layout { data_path: moved, ..Layout::default() }, "data_path"),
        (Layout { extras: true, ..Layout::default() }, "holds text"),
        (Layout { fps: json!(9.97), ..Layout::default() }, "9.97"),
        (Layout { without: vec!["length", "dataset_to_index"], ..Layout::default() }, "episode 0"),
        (Layout { float: arrow::datatypes::DataType::Float16, ..Layout::default() }, "float16"),
    ];
    for (layout, words) in layouts {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        layout.write(root);
        fs::write(root.join("data/half.tmp"), b"half")
            .or_else(|_| fs::write(root.join("half.tmp"), b"half"))
            .unwrap();
        let before = files(root);
        for error in [
            DatasetWriter::open_append(root).err().unwrap(),
            jaco_dataset::repair(root).unwrap_err(),
        ] {
            assert!(matches!(error, DatasetError::NotAppendable { .. }), "{error}");
            assert_eq!(blames_input(&error), Some(true));
            let text = error.to_string();
            assert!(text.contains(words) && text.contains("record into a new folder"), "{text}");
        }
        assert_eq!(files(root), before);
    }
}

#[test]
fn a_dataset_of_which_files_are_missing_is_not_cut_down_to_those_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout { split_meta: true, lists: Lists::List, ..Layout::default() }.write(root);
    fs::remove_file(root.join("meta/episodes/chunk-000/file-002.parquet")).unwrap();
    let error = DatasetWriter::open_append(root).err().unwrap().to_string();
    assert!(error.contains("2 episodes are there, but info.json says 3"), "{error}");
    assert_eq!(info(root)["total_episodes"], json!(3));
}

/// Python's `json` writes NaN, which JSON does not know.
#[test]
fn statistics_with_nan_are_read_and_written_as_python_does() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout::default().write(root);
    let text = theirs().to_string().replace("[7.0]", "[NaN, -Infinity]");
    let text = text.replace("\"mean\":[0.5,0.5,0.5]", "\"mean\":[0.5,NaN,0.5]");
    assert!(text.contains("[0.5,NaN,0.5]"), "{text}");
    fs::write(root.join("meta/stats.json"), text).unwrap();
    append(root, TASKS[0]).unwrap();
    let text = fs::read_to_string(root.join("meta/stats.json")).unwrap();
    let words: Vec<&str> =
        text.split_whitespace().filter(|w| w.contains('N') || w.contains('I')).collect();
    // The mean of a NaN and more is one, and so is the spread about it.
    assert_eq!(words, ["NaN,", "NaN,", "NaN,", "-Infinity"], "{text}");
}

#[test]
fn rate_robot_and_features_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout::default().write(root);
    let features = Dataset::open(root).unwrap().features().clone();
    let difference = |fps, robot| DatasetWriter::difference(root, fps, robot, &features).unwrap();
    assert_eq!(difference(10, "so101"), None);
    assert!(difference(30, "so101").unwrap().contains("10 rows a second, not 30"));
    assert!(difference(10, "kinova").unwrap().contains("\"so101\", not \"kinova\""));
    edit(root, "meta/info.json", |info| info["robot_type"] = Json::Null);
    assert_eq!(DatasetWriter::difference(root, 10, "kinova", &features).unwrap(), None);
    let _ = common::features;
}

/// The only list of the episodes was set aside as if a crash had cut it off, and then none of them
/// could be listed anew.
#[test]
fn a_damaged_list_of_episodes_that_share_a_file_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    Layout::default().write(root);
    let path = root.join("meta/episodes/chunk-000/file-000.parquet");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let before = files(root);
    let error = DatasetWriter::open_append(root).err().unwrap();
    assert_eq!(blames_input(&error), Some(true));
    let text = error.to_string();
    assert!(text.contains("meta/episodes/chunk-000/file-000.parquet"), "{text}");
    assert!(text.contains("make the download, copy or conversion again"), "{text}");
    assert_eq!(files(root), before);
}

/// Every file that ended in `.tmp` was deleted, also those that a link led to.
#[test]
fn only_half_written_files_of_this_program_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (root, elsewhere) = (folder.path().join("data"), folder.path().join("elsewhere"));
    Layout::default().write(&root);
    append(&root, TASKS[0]).unwrap();
    fs::create_dir_all(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("data/chunk-009")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, root.join("notes")).unwrap();
    let kept = ["work.tmp", "data/chunk-000/theirs.tmp", "data/chunk-009/file-000.parquet.tmp"];
    let ours = [
        "data/chunk-000/file-007.parquet.tmp",
        "meta/episodes/chunk-000/file-007.parquet.tmp",
        "meta/info.json.tmp",
        "meta/jacod/episode-000007.json.tmp",
    ];
    kept.iter().chain(&ours).for_each(|name| fs::write(root.join(name), b"half").unwrap());
    assert_eq!(jaco_dataset::repair(&root).unwrap().len(), ours.len());
    assert!(kept.iter().all(|name| root.join(name).exists()));
    assert!(ours.iter().all(|name| !root.join(name).exists()));
}

/// Statistics that could not be read were made anew over what somebody else kept.
#[test]
fn statistics_that_cannot_be_read_are_refused_unless_they_are_our_own() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0";
    for (text, words) in [(pointer, "git lfs pull"), ("{\"action\": ", "cut off"), ("[]", "list")] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        Layout::default().write(root);
        fs::write(root.join("meta/stats.json"), text).unwrap();
        let before = files(root);
        let error = DatasetWriter::open_append(root).err().unwrap();
        assert_eq!(blames_input(&error), Some(true));
        let said = error.to_string();
        assert!(said.contains("stats.json") && said.contains(words), "{said}");
        assert_eq!(files(root), before);
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("ours");
    let mut writer = DatasetWriter::create(&root, 10, "kinova", common::features()).unwrap();
    writer.begin(TASKS[0], &EpisodeNotes::new()).unwrap();
    common::fill(&mut writer, 0..3);
    writer.keep(&EpisodeNotes::new()).unwrap();
    drop(writer);
    let whole = fs::read(root.join("meta/stats.json")).unwrap();
    fs::write(root.join("meta/stats.json"), "{").unwrap();
    drop(DatasetWriter::open_append(&root).unwrap());
    assert_eq!(fs::read(root.join("meta/stats.json")).unwrap(), whole);
}
