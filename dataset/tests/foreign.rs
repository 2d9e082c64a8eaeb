//! Datasets that others wrote: every layout that the format allows reads the same.
#![allow(clippy::unwrap_used)]

mod common;

use arrow::array::StringArray;
use arrow::datatypes::DataType;
use common::foreign::{
    HEIGHT, LENGTHS, Layout, Lists, Pictures, TASKS, TaskTexts, WIDTH, action, array, doubles,
    gzip, picture, write_parquet, zstd,
};
use jaco_dataset::{
    Camera, Content, Dataset, DatasetError, DatasetWriter, EpisodeNotes, FeatureKind, Row, Value,
    blames_input, check,
};
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;

const CAMERA: &str = "observation.images.top";

/// Asserts that the dataset is the one that every layout holds.
fn assert_read(root: &Path, layout: &Layout) {
    let dataset = Dataset::open(root).unwrap();
    assert_eq!((dataset.fps(), dataset.total_frames()), (10.0, 11));
    assert_eq!(dataset.tasks(), TASKS);
    let camera = Camera { key: CAMERA, height: HEIGHT, width: WIDTH, video: false };
    assert_eq!(dataset.cameras(), [camera]);
    let names = dataset.feature("action").unwrap().names.clone().unwrap();
    assert_eq!(names, ["x", "y", "z"]);
    for (index, length) in LENGTHS.into_iter().enumerate() {
        let episode = dataset.read_columns(index, &[CAMERA, "action"]).unwrap();
        assert_eq!(episode.length, length);
        let actions = episode.numbers("action").unwrap();
        for row in 0..length {
            assert_eq!(*episode.tasks[row], *TASKS[layout.task(index, row)]);
            assert!((episode.timestamps_s[row] - row as f64 * 0.1).abs() < 1e-6);
            assert_eq!(actions.row(row), action(index, row).map(f64::from));
            assert_eq!(*episode.images(CAMERA).unwrap().frames[row], picture(index, row)[..]);
        }
    }
}

fn reads(layout: Layout) {
    let folder = tempfile::tempdir().unwrap();
    layout.write(folder.path());
    assert_read(folder.path(), &layout);
}

/// A dataset whose info.json is changed by `edit`.
fn edited(edit: impl FnOnce(&mut Json)) -> (tempfile::TempDir, Result<Dataset, DatasetError>) {
    let folder = tempfile::tempdir().unwrap();
    Layout::default().write(folder.path());
    let path = folder.path().join("meta/info.json");
    let mut info = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut info);
    fs::write(&path, info.to_string()).unwrap();
    let dataset = Dataset::open(folder.path());
    (folder, dataset)
}

/// lerobot #2467, visualizer #61: the index of tasks.parquet is named "task", as lerobot 0.6
/// writes it, or it is a plain column.
#[test]
fn task_texts_are_found_whatever_their_column_is_called() {
    for tasks in [TaskTexts::Index, TaskTexts::Unnamed, TaskTexts::Plain] {
        for task_index in [DataType::Int64, DataType::Int32, DataType::UInt8] {
            reads(Layout { tasks, task_index, reversed_tasks: true, ..Layout::default() });
        }
    }
}

/// lerobot #2001: fps is written as 10.0; and rates that are no whole number.
#[test]
fn a_rate_may_be_written_as_a_float() {
    reads(Layout { fps: json!(10.0), ..Layout::default() });
    let (_folder, dataset) = edited(|info| info["fps"] = json!(9.97));
    assert_eq!(dataset.unwrap().fps(), 9.97);
    for wrong in [json!(0), json!(-3), json!("ten"), Json::Null] {
        let (_folder, dataset) = edited(|info| info["fps"] = wrong);
        let error = dataset.unwrap_err().to_string();
        assert!(error.contains("info.json") && error.contains("\"fps\""), "{error}");
    }
}

/// Visualizer #62: several tasks in an episode; the rows say which.
#[test]
fn each_row_has_its_own_task() {
    reads(Layout { several_tasks: true, ..Layout::default() });
    let folder = tempfile::tempdir().unwrap();
    Layout { several_tasks: true, ..Layout::default() }.write(folder.path());
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.episodes()[0].tasks, [TASKS[0], TASKS[1]]);
    assert_eq!(dataset.episodes()[1].tasks, [TASKS[1]]);
}

/// lerobot #3467: language, string, dictionary and uint8 columns, which training does not need.
#[test]
fn columns_that_nobody_asks_for_do_not_block() {
    let layout = Layout { extras: true, ..Layout::default() };
    reads(layout.clone());
    let folder = tempfile::tempdir().unwrap();
    layout.write(folder.path());
    let dataset = Dataset::open(folder.path()).unwrap();
    for (key, what) in [("note", "string [1]"), ("language_events", "language [1]")] {
        let feature = dataset.feature(key).unwrap();
        assert_eq!(feature.words(), what);
        assert!(matches!(&feature.content, Content::Unreadable(reason) if reason.contains("text")));
        let error = dataset.read_columns(0, &[key]).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains("text"), "{error}");
    }
    assert_eq!(dataset.feature("step_type").unwrap().kind(), Some(&FeatureKind::Int64));
    assert_eq!(
        dataset.read_columns(1, &["step_type"]).unwrap().ints("step_type").unwrap(),
        &[2, 2]
    );
    assert!(dataset.read_episode(0).is_ok());
}

/// lerobot #3786, Isaac-GR00T #291: `names` and other keys that lerobot gives a default are absent.
#[test]
fn keys_that_have_a_default_may_be_absent() {
    let absent = ["robot_type", "chunks_size", "splits", "video_path", "data_path", "total_tasks"];
    reads(Layout { without_keys: absent.to_vec(), ..Layout::default() });
    let sizes =
        ["data_files_size_in_mb", "video_files_size_in_mb", "total_episodes", "total_frames"];
    reads(Layout { without_keys: sizes.to_vec(), ..Layout::default() });
    let (_folder, dataset) = edited(|info| {
        let features = info["features"].as_object_mut().unwrap();
        features.values_mut().for_each(|feature| {
            feature.as_object_mut().unwrap().remove("names");
        });
    });
    let dataset = dataset.unwrap();
    assert_eq!(dataset.feature("action").unwrap().names, None);
    assert_eq!(dataset.cameras()[0].width, WIDTH);
    assert_eq!(dataset.read_columns(0, &["action"]).unwrap().f32s("action").unwrap().dims, 3);
}

/// lerobot feature_utils: pictures are c,h,w or h,w,c, and the camera has any name.
#[test]
fn pictures_are_read_from_every_storage_and_order_of_axes() {
    for pictures in [Pictures::Struct, Pictures::Binary, Pictures::LargeBinary, Pictures::Files] {
        for chw in [false, true] {
            reads(Layout { pictures, chw, ..Layout::default() });
        }
    }
}

#[test]
fn compression_and_row_groups_are_the_writer_s_choice() {
    for codec in
        [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::LZ4_RAW, zstd(), gzip()]
    {
        for row_group_rows in [1, 3, 1000] {
            reads(Layout { codec, row_group_rows, ..Layout::default() });
        }
    }
}

#[test]
fn paths_follow_the_template_and_other_chunk_sizes() {
    let files = [0, 1, 2];
    reads(Layout { files, chunks_size: 2, ..Layout::default() });
    reads(Layout {
        files,
        data_path: "rows/{chunk_index}/{file_index}.parquet",
        ..Layout::default()
    });
}

#[test]
fn what_metadata_leave_out_is_derived() {
    for without in [
        vec!["dataset_from_index", "dataset_to_index"],
        vec!["length"],
        vec!["length", "dataset_to_index", "meta/episodes/chunk_index", "meta/episodes/file_index"],
        vec!["data/chunk_index", "data/file_index"],
        vec!["tasks"],
    ] {
        reads(Layout { without, files: [1, 0, 1], listed: [2, 0, 1], ..Layout::default() });
    }
}

fn layouts() -> impl Strategy<Value = Layout> {
    let tasks =
        prop_oneof![Just(TaskTexts::Index), Just(TaskTexts::Unnamed), Just(TaskTexts::Plain)];
    let lists = prop_oneof![Just(Lists::List), Just(Lists::Large), Just(Lists::Fixed)];
    let pictures = prop_oneof![
        Just(Pictures::Struct),
        Just(Pictures::Binary),
        Just(Pictures::LargeBinary),
        Just(Pictures::Files)
    ];
    let float =
        prop_oneof![Just(DataType::Float16), Just(DataType::Float32), Just(DataType::Float64)];
    let codec = prop_oneof![Just(Compression::SNAPPY), Just(zstd()), Just(gzip())];
    let flags = prop::array::uniform5(any::<bool>());
    let files = prop::array::uniform3(0_usize..3);
    let listed = Just([0, 1, 2]).prop_shuffle();
    ((tasks, lists, pictures, float, codec), (flags, files, listed, 1_usize..8, 1_usize..4))
        .prop_map(
            |(
                (tasks, lists, pictures, float, codec),
                (flags, files, listed, group, chunks_size),
            )| {
                let [reversed_tasks, chw, split_meta, extras, several_tasks] = flags;
                Layout {
                    tasks,
                    lists,
                    pictures,
                    float,
                    codec,
                    reversed_tasks,
                    chw,
                    split_meta,
                    extras,
                    several_tasks,
                    files,
                    listed,
                    row_group_rows: group,
                    chunks_size,
                    ..Layout::default()
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The same rows in any layout read equal.
    #[test]
    fn any_layout_reads_the_same(layout in layouts()) {
        reads(layout);
    }
}

/// A sound dataset of others is not spoken ill of.
#[test]
fn check_finds_no_error_in_another_s_sound_dataset() {
    let folder = tempfile::tempdir().unwrap();
    Layout { extras: true, several_tasks: true, ..Layout::default() }.write(folder.path());
    let errors: Vec<String> = check(folder.path())
        .into_iter()
        .filter(|finding| finding.severity == jaco_dataset::Severity::Error)
        .map(|finding| finding.to_string())
        .collect();
    // Statistics are not part of what this layout writes.
    assert!(errors.iter().all(|error| error.contains("stats.json")), "{errors:#?}");
}

/// What opening or reading everything says of a dataset that `spoil` has changed.
fn said_of(spoil: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    Layout::default().write(folder.path());
    spoil(folder.path());
    let read = || -> Result<(), DatasetError> {
        let dataset = Dataset::open(folder.path())?;
        (0..3).try_for_each(|index| dataset.read_episode(index).map(|_| ()))
    };
    let error = read().unwrap_err();
    assert_eq!(blames_input(&error), Some(true));
    error.to_string()
}

fn replaced(root: &Path, from: &str, to: &str) {
    let path = root.join("meta/info.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// Files that contradict one another are named with what each of them says.
#[test]
fn contradictions_are_named() {
    let anew = |layout: Layout, file: &'static str| {
        move |root: &Path| {
            let other = tempfile::tempdir().unwrap();
            layout.write(other.path());
            fs::copy(other.path().join(file), root.join(file)).unwrap();
        }
    };
    let (meta, data) =
        ("meta/episodes/chunk-000/file-000.parquet", "data/chunk-000/file-000.parquet");
    let twice = anew(Layout { listed: [0, 1, 1], ..Layout::default() }, meta);
    assert!(said_of(twice).contains("episode 1 is listed twice"));
    let elsewhere = anew(Layout { files: [0, 1, 0], ..Layout::default() }, data);
    let error = said_of(elsewhere);
    assert!(error.contains("episode 1") && error.contains("only of episodes 0 to 2"), "{error}");
    let error = said_of(|root| replaced(root, "\"total_frames\": 11", "\"total_frames\": 12"));
    assert!(error.contains("11 rows") && error.contains("12"), "{error}");
    let error = said_of(|root| replaced(root, "\"total_episodes\": 3", "\"total_episodes\": 5"));
    assert!(error.contains("lists 3 episodes") && error.contains('5'), "{error}");
    let error = said_of(|root| replaced(root, "\"fps\": 10", "\"fps\": 30"));
    assert!(error.contains("0.1000 s apart") && error.contains("30 rows a second"), "{error}");
    let error = said_of(|root| fs::remove_dir_all(root.join("meta/episodes")).unwrap());
    assert!(error.contains("lists 0 episodes"), "{error}");
}

/// A task that the table lacks, a picture of another size, a vector of another length.
#[test]
fn values_that_do_not_fit_are_named_by_place() {
    let two = |root: &Path| {
        let columns = vec![
            ("task_index".to_owned(), doubles(vec![0.0, 1.0])),
            ("task".to_owned(), array(StringArray::from(vec!["a", "b"]))),
        ];
        let properties = WriterProperties::builder().build();
        write_parquet(&root.join("meta/tasks.parquet"), columns, properties);
    };
    let error = said_of(two);
    assert!(error.contains("episode 2") && error.contains("is of task 2"), "{error}");
    let error = said_of(|root| {
        let path = root.join("meta/info.json");
        let mut info: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        info["features"][CAMERA]["shape"] = json!([5, 8, 3]);
        fs::write(path, info.to_string()).unwrap();
    });
    assert!(error.contains("8x6") && error.contains("8x5") && error.contains("frame 0"), "{error}");
    let error = said_of(|root| {
        let path = root.join("meta/info.json");
        let mut info: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        info["features"]["action"]["shape"] = json!([4]);
        fs::write(path, info.to_string()).unwrap();
    });
    assert!(error.contains("\"action\"") && error.contains("3 numbers, not 4"), "{error}");
}

/// Groups came in alphabetical order: "orientation" before "position", and the numbers with them.
#[test]
fn names_in_groups_keep_the_order_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    Layout::default().write(folder.path());
    let names = r#"{"position":["x","y"],"gripper":["g"]}"#;
    let path = folder.path().join("meta/info.json");
    let mut info: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    info["features"]["action"]["names"] = json!("HERE");
    fs::write(&path, info.to_string().replace("\"HERE\"", names)).unwrap();
    let dataset = Dataset::open(folder.path()).unwrap();
    let action = dataset.feature("action").unwrap();
    assert_eq!(action.names.as_deref().unwrap(), ["x", "y", "g"]);
    assert_eq!(action.groups, ["position", "gripper"]);
    assert!(dataset.feature(CAMERA).unwrap().groups.is_empty());
    // And appending leaves them as they are.
    let mut writer = DatasetWriter::open_append(folder.path()).unwrap();
    writer.begin(TASKS[0], &EpisodeNotes::new()).unwrap();
    let picture = Value::Image(vec![9; (WIDTH * HEIGHT * 3) as usize].into());
    let row = Row::new().with(CAMERA, picture).with("action", Value::F32(vec![0.0; 3]));
    writer.push(row).unwrap();
    writer.keep(&EpisodeNotes::new()).unwrap();
    writer.publish().unwrap();
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.find("position") < written.find("gripper"), "{written}");
}

/// lerobot takes the text in the place of the number, not the one with the number.
#[test]
fn a_task_with_two_readings_is_refused_unless_the_episode_lists_it() {
    let table = |root: &Path, numbers: Vec<f64>, texts: [&str; 3]| {
        let columns = vec![
            ("task_index".to_owned(), doubles(numbers)),
            ("task".to_owned(), array(StringArray::from(texts.to_vec()))),
        ];
        let properties = WriterProperties::builder().build();
        write_parquet(&root.join("meta/tasks.parquet"), columns, properties);
    };
    let [a, b, c] = TASKS;
    let error = said_of(|root| table(root, vec![1.0, 0.0, 2.0], [a, b, c]));
    assert!(error.contains("row 0 is of task 0"), "{error}");
    let words = format!("\"{b}\" by its number and \"{a}\" by its place");
    assert!(error.contains(&words), "{error}");
    let folder = tempfile::tempdir().unwrap();
    Layout::default().write(folder.path());
    table(folder.path(), vec![1.0, 0.0, 2.0], [b, a, c]);
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(dataset.read_columns(0, &[]).unwrap().task, a);
}

/// As lerobot's aggregator leaves them: numbered one way, standing and counted another.
#[test]
fn episodes_may_stand_in_another_order_than_their_numbers() {
    for (files, without) in [
        ([0, 0, 0], vec![]),
        ([1, 0, 1], vec![]),
        ([0, 0, 0], vec!["dataset_to_index", "meta/episodes/chunk_index"]),
    ] {
        let layout = Layout { standing: [2, 0, 1], files, without, ..Layout::default() };
        reads(layout.clone());
        let folder = tempfile::tempdir().unwrap();
        layout.write(folder.path());
        assert_eq!(Dataset::open(folder.path()).unwrap().episodes()[0].first_row, LENGTHS[2]);
        let counting = |finding: &jaco_dataset::Finding| finding.problem.contains("does not count");
        assert!(!check(folder.path()).iter().any(counting), "{files:?}");
    }
}

#[test]
fn what_nobody_asks_for_blocks_nobody() {
    reads(Layout { null_tasks: true, ..Layout::default() });
    let (folder, dataset) = edited(|info| {
        let features = info["features"].as_object_mut().unwrap();
        features.insert("untyped".to_owned(), json!({"shape": [1]}));
        features.insert("odd".to_owned(), json!("float32"));
        features.remove("index");
    });
    let dataset = dataset.unwrap();
    assert_read(folder.path(), &Layout::default());
    for (key, words) in [("untyped", "no dtype"), ("odd", "not an object")] {
        let error = dataset.read_columns(0, &[key]).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(words), "{error}");
    }
    let (folder, dataset) = edited(|info| {
        info["features"].as_object_mut().unwrap().remove("index");
    });
    assert!(dataset.is_ok());
    let error = DatasetWriter::open_append(folder.path()).err().unwrap().to_string();
    assert!(error.contains("does not describe the column \"index\""), "{error}");
}

/// Recording again was named as the remedy where recording is refused.
#[test]
fn a_remedy_that_is_named_is_one_that_can_be_had() {
    for (extras, words) in [(false, "recording into this folder again"), (true, "correct total_")] {
        let folder = tempfile::tempdir().unwrap();
        Layout { extras, ..Layout::default() }.write(folder.path());
        replaced(folder.path(), "\"total_frames\": 11", "\"total_frames\": 12");
        let error = Dataset::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert_eq!(DatasetWriter::open_append(folder.path()).is_ok(), !extras);
    }
}

/// lerobot reads every episode that is listed, whatever info.json counts.
#[test]
fn an_episode_that_is_listed_and_not_counted_is_read() {
    for (total, frames) in [(2, 6), (2, 11), (0, 0)] {
        let (folder, dataset) = edited(|info| {
            info["total_episodes"] = json!(total);
            info["total_frames"] = json!(frames);
        });
        assert!(dataset.is_ok());
        assert_read(folder.path(), &Layout::default());
    }
}
