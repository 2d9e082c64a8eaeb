//! Edits: what comes of them is a sound dataset of the rows that were meant, whoever wrote the old
//! one, and whatever interrupts them, the dataset is the old one or the new one.
#![allow(clippy::unwrap_used)]

mod common;

use common::foreign::{LENGTHS, Layout, TASKS, TaskTexts};
use common::{features, row};
use jaco_dataset::{
    Codec, Dataset, DatasetError, DatasetWriter, Edit, EpisodeNotes, Severity, Taken, Target,
    VideoPlan, blames_input, check,
};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const CAMERA: &str = "observation.images.front";
const WORDS: [&str; 2] = ["push the red box", "lift the cup"];

/// A dataset of episodes of these lengths, whose rows tell which they are.
fn made(root: &Path, lengths: &[usize], seed: u32) {
    let mut writer = DatasetWriter::create(root, 10, "kinova", features()).unwrap();
    for (index, length) in lengths.iter().enumerate() {
        writer.begin(WORDS[index % 2], &EpisodeNotes::new()).unwrap();
        let from = seed + 20 * index as u32;
        (from..from + *length as u32).for_each(|seed| writer.push(row(seed)).unwrap());
        let notes = json!({"seed": from, "success": index % 2 == 0});
        writer.keep(notes.as_object().unwrap()).unwrap();
    }
}

/// What matters of an episode.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    task: String,
    action: Vec<f64>,
    pictures: usize,
    first_pixels: Vec<u8>,
    notes: EpisodeNotes,
}

fn seen(root: &Path) -> Vec<Seen> {
    let dataset = Dataset::open(root).unwrap();
    let camera = dataset.cameras()[0].key.to_owned();
    let of = |index: usize| {
        let episode = dataset.read_columns(index, &["action", &camera]).unwrap();
        let images = &episode.images(&camera).unwrap().frames;
        Seen {
            task: episode.tasks.last().unwrap().to_string(),
            action: episode.numbers("action").unwrap().values,
            pictures: images.len(),
            first_pixels: images.iter().flat_map(|image| image[..12].to_vec()).collect(),
            notes: dataset.notes(index).unwrap(),
        }
    };
    (0..dataset.episodes().len()).map(of).collect()
}

fn assert_sound(root: &Path) {
    let errors = check(root).into_iter().filter(|f| f.severity == Severity::Error);
    assert_eq!(errors.map(|f| f.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
}

fn taken(episodes: &[usize]) -> Vec<Taken> {
    episodes.iter().map(|&episode| Taken { episode, ..Taken::default() }).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

fn beside(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.parent().unwrap()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_left_are_the_rows_that_were_meant(
        lengths in prop::collection::vec(1_usize..6, 2..6),
        keep in prop::collection::vec(any::<bool>(), 6),
        other in prop::collection::vec(1_usize..6, 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| folder.path().join(name));
        made(&a, &lengths, 0);
        made(&b, &other, 500);
        let (first, second) = (seen(&a), seen(&b));
        let (mut kept, mut left): (Vec<usize>, Vec<usize>) =
            (0..lengths.len()).partition(|&i| keep[i]);
        if kept.is_empty() {
            kept.push(left.pop().unwrap());
        }
        if left.is_empty() {
            left.push(kept[0]);
        }
        // Split: both parts, the source untouched.
        let parts = [(&c, &kept), (&d, &left)].map(|(root, episodes)| Target {
            root: root.clone(),
            episodes: taken(episodes),
        });
        Edit::into_new(vec![a.clone()], parts.to_vec()).carry_out().unwrap();
        let of = |list: &[usize]| list.iter().map(|&i| first[i].clone()).collect::<Vec<_>>();
        prop_assert_eq!(seen(&c), of(&kept));
        prop_assert_eq!(seen(&d), of(&left));
        prop_assert_eq!(&seen(&a), &first);
        // Delete in place is the same.
        let outcome = Edit::in_place(&a, taken(&kept)).unwrap().carry_out().unwrap();
        prop_assert_eq!(outcome[0].episodes, kept.len());
        prop_assert_eq!(seen(&a), of(&kept));
        // Merge.
        let e = folder.path().join("e");
        let all = (0..kept.len()).map(|episode| (0, episode));
        let all = all.chain((0..other.len()).map(|episode| (1, episode)));
        let episodes = all.map(|(source, episode)| Taken { source, episode, ..Taken::default() });
        let target = Target { root: e.clone(), episodes: episodes.collect() };
        Edit::into_new(vec![a.clone(), b.clone()], vec![target]).carry_out().unwrap();
        prop_assert_eq!(seen(&e), [of(&kept), second].concat());
        for root in [&a, &c, &d, &e] {
            assert_sound(root);
        }
        prop_assert_eq!(beside(&a), ["a", "b", "c", "d", "e"]);
        // And recording goes on.
        let mut writer = DatasetWriter::open_append(&a).unwrap();
        prop_assert_eq!(writer.repairs(), &[]);
        writer.begin("another", &EpisodeNotes::new()).unwrap();
        writer.push(row(77)).unwrap();
        writer.keep(&EpisodeNotes::new()).unwrap();
        drop(writer);
        assert_sound(&a);
    }
}

#[test]
fn an_edit_that_ends_anywhere_leaves_the_old_dataset_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let original = folder.path().join("original");
    made(&original, &[3, 2, 4], 0);
    let relabelled = |episode: usize| Taken {
        episode,
        task: (episode == 2).then(|| "a new text".to_owned()),
        success: Some(false),
        ..Taken::default()
    };
    let edit = |root: &Path| Edit::in_place(root, vec![relabelled(0), relabelled(2)]).unwrap();
    let trial = folder.path().join("trial");
    copy(&original, &trial);
    let mut operations = 0;
    let mut count = |_: &Path| {
        operations += 1;
        Ok(())
    };
    edit(&trial).carry_out_on(&mut count).unwrap();
    let (old, new) = (seen(&original), seen(&trial));
    assert_ne!(old, new);
    assert_eq!((new.len(), new[1].task.as_str()), (2, "a new text"));
    assert!(operations > 10, "{operations}");
    let mut replaced = 0;
    for last in 0..operations {
        let root = folder.path().join(format!("end-{last}"));
        copy(&original, &root);
        let mut done = 0;
        let mut end = |_: &Path| {
            done += 1;
            // The world ends: nothing is cleared up either.
            if done > last { Err(io::Error::other("the end")) } else { Ok(()) }
        };
        assert!(edit(&root).carry_out_on(&mut end).is_err(), "{last}");
        let found = seen(&root);
        assert!(found == old || found == new, "after {last} operations");
        assert_sound(&root);
        if found == new {
            replaced += 1;
        } else {
            edit(&root).carry_out().unwrap();
            assert_eq!(seen(&root), new, "again after {last}");
        }
        fs::remove_dir_all(&root).unwrap();
    }
    assert!((1..operations).contains(&replaced), "{replaced} of {operations}");
}

#[test]
fn other_files_stay_and_files_that_do_not_change_are_the_same() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    made(&root, &[3, 2, 4], 0);
    fs::write(root.join("README.md"), "of ours").unwrap();
    fs::create_dir(root.join("photos")).unwrap();
    fs::write(root.join("photos/set-up.jpg"), "a photo").unwrap();
    std::os::unix::fs::symlink("README.md", root.join("link")).unwrap();
    let first = root.join("data/chunk-000/file-000.parquet");
    let before = fs::metadata(&first).unwrap().ino();
    Edit::in_place(&root, taken(&[0, 2])).unwrap().carry_out().unwrap();
    assert_eq!(fs::metadata(&first).unwrap().ino(), before);
    assert_eq!(fs::read_to_string(root.join("README.md")).unwrap(), "of ours");
    assert_eq!(fs::read_to_string(root.join("photos/set-up.jpg")).unwrap(), "a photo");
    assert_eq!(fs::read_link(root.join("link")).unwrap(), PathBuf::from("README.md"));
    // In a new dataset they are copies: somebody may write into either.
    let out = folder.path().join("out");
    let target = Target { root: out.clone(), episodes: taken(&[0]) };
    Edit::into_new(vec![root], vec![target]).carry_out().unwrap();
    let copied = fs::metadata(out.join("data/chunk-000/file-000.parquet")).unwrap();
    assert_ne!(copied.ino(), before);
}

fn refusal(edit: &Edit) -> String {
    let error = edit.plan().unwrap_err();
    assert_eq!(blames_input(&error), Some(true), "{error}");
    assert_eq!(edit.carry_out().unwrap_err().to_string(), error.to_string());
    error.to_string()
}

#[test]
fn what_would_lose_something_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, out] = ["a", "b", "out"].map(|name| folder.path().join(name));
    made(&a, &[3, 2], 0);
    let into = |sources: &[&PathBuf], root: &Path, episodes: Vec<Taken>| {
        let target = Target { root: root.to_owned(), episodes };
        Edit::into_new(sources.iter().map(|s| (*s).clone()).collect(), vec![target])
    };
    let text = refusal(&into(&[&a], &out, taken(&[])));
    assert!(text.contains("no episode would be left"), "{text}");
    let text = refusal(&into(&[&a], &out, taken(&[7])));
    assert!(text.contains("no episode 7"), "{text}");
    let text = refusal(&into(&[&a], &a, taken(&[0])));
    assert!(text.contains("something is there already"), "{text}");
    // Other features, and another rate.
    Layout::default().write(&b);
    let both = || [taken(&[0]), vec![Taken { source: 1, ..Taken::default() }]].concat();
    let text = refusal(&into(&[&a, &b], &out, both()));
    assert!(text.contains("robot"), "{text}");
    // A data file that nobody lists may hold an episode of a crash.
    let stray = a.join("data/chunk-000/file-009.parquet");
    fs::copy(a.join("data/chunk-000/file-000.parquet"), &stray).unwrap();
    let text = refusal(&Edit::in_place(&a, taken(&[0])).unwrap());
    assert!(text.contains("file-009") && text.contains("jaco dataset repair"), "{text}");
    fs::remove_file(&stray).unwrap();
    // So may one that was running when its recording was killed.
    let running = a.join("data/chunk-000/file-002.parquet.running");
    fs::write(&running, b"rows").unwrap();
    let text = refusal(&Edit::in_place(&a, taken(&[0])).unwrap());
    assert!(text.contains("file-002") && text.contains("jaco dataset repair"), "{text}");
    fs::remove_file(&running).unwrap();
    let writer = DatasetWriter::open_append(&a).unwrap();
    let error = Edit::in_place(&a, taken(&[0])).unwrap().carry_out().unwrap_err();
    assert!(matches!(error, DatasetError::Locked { .. }), "{error}");
    drop(writer);
    assert_eq!(beside(&a), ["a", "b"]);
}

/// What lerobot's own editors leave: numbers of files with gaps, several episodes a file, one table
/// of all episodes, other orders.
#[test]
fn datasets_of_others_are_edited_and_stay_sound() {
    for layout in [
        Layout::default(),
        Layout { files: [0, 2, 2], ..Layout::default() },
        Layout { tasks: TaskTexts::Unnamed, split_meta: true, extras: true, ..Layout::default() },
        Layout { several_tasks: true, chw: true, row_group_rows: 1, ..Layout::default() },
        Layout { without: vec!["length"], fps: json!(10.0), ..Layout::default() },
    ] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("theirs");
        layout.write(&root);
        let before = seen(&root);
        let task = Some("a new text".to_owned());
        let second = Taken { episode: 2, task, ..Taken::default() };
        Edit::in_place(&root, [taken(&[0]), vec![second]].concat()).unwrap().carry_out().unwrap();
        let after = seen(&root);
        assert_eq!(after[0], before[0]);
        assert_eq!(after[1], Seen { task: "a new text".to_owned(), ..before[2].clone() });
        assert_sound(&root);
        let dataset = Dataset::open(&root).unwrap();
        assert_eq!(dataset.total_frames(), LENGTHS[0] + LENGTHS[2]);
        assert!(!dataset.tasks().iter().any(|task| task == TASKS[2]), "{layout:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pictures = common::foreign::Pictures::Files;
    Layout { pictures, ..Layout::default() }.write(&folder.path().join("theirs"));
    let edit = Edit::in_place(&folder.path().join("theirs"), taken(&[0])).unwrap();
    let text = edit.carry_out().unwrap_err().to_string();
    assert!(text.contains("files of their own"), "{text}");
    assert_eq!(seen(&folder.path().join("theirs")).len(), 3);
}

#[test]
fn lerobot_s_own_datasets_are_edited_with_all_their_columns() {
    for (name, column) in [("lerobot-0.4.4", None), ("lerobot-0.6", Some("language_persistent"))] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("theirs");
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name), &root);
        let before = seen(&root);
        Edit::in_place(&root, taken(&[1])).unwrap().carry_out().unwrap();
        assert_eq!(seen(&root), before[1..]);
        assert_sound(&root);
        let file = fs::File::open(root.join("data/chunk-000/file-000.parquet")).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file);
        let schema = reader.unwrap().schema().clone();
        assert!(column.is_none_or(|column| schema.column_with_name(column).is_some()));
    }
}

#[test]
fn splits_follow_the_episodes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("data");
    made(&root, &[2; 6], 0);
    let path = root.join("meta/info.json");
    let text = fs::read_to_string(&path).unwrap();
    let mut info: serde_json::Value = serde_json::from_str(&text).unwrap();
    info["splits"] = json!({"train": "0:4", "val": "4:6"});
    fs::write(&path, info.to_string()).unwrap();
    Edit::in_place(&root, taken(&[0, 2, 4, 5])).unwrap().carry_out().unwrap();
    let info: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(info["splits"], json!({"train": "0:2", "val": "2:4"}));
}

#[test]
fn pictures_become_videos_and_those_are_edited_as_whole_files() {
    let folder = tempfile::tempdir().unwrap();
    let [a, v, w] = ["a", "v", "w"].map(|name| folder.path().join(name));
    made(&a, &[5, 3, 4], 0);
    let target = |root: &Path, episodes: &[usize]| {
        vec![Target { root: root.to_owned(), episodes: taken(episodes) }]
    };
    let plan = VideoPlan { ffmpeg: "ffmpeg".into(), codec: Codec::H264 };
    let edit = Edit::into_new(vec![a.clone()], target(&v, &[0, 1, 2])).with_videos(plan.clone());
    edit.carry_out().unwrap();
    assert_sound(&v);
    let dataset = Dataset::open(&v).unwrap();
    assert!(dataset.cameras()[0].video);
    Edit::into_new(vec![v.clone()], target(&w, &[0, 2])).carry_out().unwrap();
    assert_sound(&w);
    let (all, part) = (seen(&v), seen(&w));
    assert_eq!(part, [all[0].clone(), all[2].clone()]);
    Edit::in_place(&v, taken(&[2])).unwrap().carry_out().unwrap();
    assert_eq!(seen(&v), [all[2].clone()]);
    assert_sound(&v);
    let statistics = |root: &Path| -> BTreeMap<String, serde_json::Value> {
        serde_json::from_slice(&fs::read(root.join("meta/stats.json")).unwrap()).unwrap()
    };
    // Statistics are of the pictures as they were recorded.
    Edit::in_place(&a, taken(&[2])).unwrap().carry_out().unwrap();
    assert_eq!(statistics(&v)[CAMERA], statistics(&a)[CAMERA]);
    let nowhere = VideoPlan { ffmpeg: "/nowhere/ffmpeg".into(), ..plan };
    let out = folder.path().join("x");
    let edit = Edit::into_new(vec![a.clone()], target(&out, &[0])).with_videos(nowhere);
    let text = edit.carry_out().unwrap_err().to_string();
    assert!(text.contains("apt-get install ffmpeg") && !out.exists(), "{text}");
    assert_eq!(beside(&a), ["a", "v", "w"]);
}
