//! The program or the machine dies after any single change of the disk: nothing that was saved
//! is lost, readers go on working, and the next opening puts the rest right.
#![allow(clippy::unwrap_used)]

mod common;

use common::{features, fill, picture};
use jaco_dataset::{
    Dataset, DatasetWriter, EpisodeNotes, FileSystem, Repair, Severity, Storage, check, repair,
};
use serde_json::json;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const TASKS: [&str; 2] = ["push the red box", "put the cup on the plate"];

/// Does the first `left` operations and then none; the one at the end is half done if it writes.
struct Crashing {
    left: usize,
}

impl Crashing {
    fn step(&mut self) -> io::Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(io::Error::other("the machine is off"));
        };
        self.left = left;
        Ok(())
    }
}

impl Storage for Crashing {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let last = self.left == 0;
        if last {
            // The half file is on the disk only if this operation was reached alive.
            let _ = fs::write(path, &bytes[..bytes.len() / 2]);
        }
        self.step()?;
        FileSystem.write(path, bytes)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        FileSystem.rename(from, to)
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        FileSystem.create_folder(path)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        FileSystem.remove(path)
    }
}

fn notes(seed: u64) -> EpisodeNotes {
    json!({"seed": seed}).as_object().cloned().unwrap()
}

fn save(writer: &mut DatasetWriter, index: usize) -> Result<(), jaco_dataset::DatasetError> {
    let mut episode = writer.begin_episode(TASKS[index % 2]);
    let seed = index as u32 * 10;
    fill(&mut episode, seed..seed + 4);
    writer.save(&episode, &notes(index as u64)).map(|_| ())
}

/// Asserts that the dataset holds `count` whole episodes as `save` writes them.
fn assert_whole(root: &Path, count: usize) {
    let dataset = Dataset::open(root).unwrap();
    assert_eq!(dataset.episodes().len(), count);
    for index in 0..count {
        let episode = dataset.read_episode(index).unwrap();
        assert_eq!((episode.task.as_str(), episode.length), (TASKS[index % 2], 4));
        let images = episode.images("observation.images.front").unwrap();
        assert_eq!(images.frames[3], picture(index as u32 * 10 + 3));
        assert_eq!(dataset.notes(index).unwrap(), notes(index as u64));
    }
}

fn copy(from: &Path, to: &Path) {
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

/// A dataset of `count` episodes.
fn dataset_of(root: &Path, count: usize) {
    let mut writer = DatasetWriter::create(root, 10, "kinova", features()).unwrap();
    (0..count).for_each(|index| save(&mut writer, index).unwrap());
}

#[test]
fn a_crash_at_any_operation_of_a_save_loses_no_saved_episode() {
    for before in [0, 1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let start = folder.path().join("start");
        dataset_of(&start, before);
        let (mut kept, mut adopted) = (Vec::new(), 0);
        for operations in 0.. {
            let root = folder.path().join(format!("crash-{operations}"));
            copy(&start, &root);
            let crashing = Box::new(Crashing { left: operations });
            let mut writer = DatasetWriter::open_append_on(&root, crashing).unwrap();
            let saved = save(&mut writer, before).is_ok();
            drop(writer);
            if saved {
                assert_whole(&root, before + 1);
                break;
            }

            // A reader works straight after the crash and sees whole episodes only.
            let published = Dataset::open(&root).unwrap().episodes().len();
            assert_whole(&root, published);

            let mut writer = DatasetWriter::open_append(&root).unwrap();
            let count = writer.total_episodes();
            assert!(count == before || count == before + 1);
            adopted +=
                writer.repairs().iter().filter(|r| matches!(r, Repair::AdoptedEpisode(_))).count();
            assert_whole(&root, count);
            assert_eq!(repair_is_done(&root, &mut writer, count), Vec::<String>::new());
            kept.push(count - before);
        }
        // Once the rows are on the disk the episode stays: first never kept, then always.
        assert!(kept.is_sorted() && kept.contains(&0) && kept.contains(&1), "{kept:?}");
        assert!(adopted > 0);
    }
}

/// Goes on recording on a repaired dataset and lists what is still wrong with it.
fn repair_is_done(root: &Path, writer: &mut DatasetWriter, count: usize) -> Vec<String> {
    save(writer, count).unwrap();
    assert_whole(root, count + 1);
    check(root).iter().map(ToString::to_string).collect()
}

#[test]
fn a_crash_at_any_operation_of_a_repair_is_repaired_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 2);
    fs::remove_file(start.join("meta/episodes/chunk-000/file-001.parquet")).unwrap();
    fs::remove_file(start.join("meta/stats.json")).unwrap();
    fs::write(start.join("data/chunk-000/file-002.parquet.tmp"), b"half").unwrap();
    for operations in 0.. {
        let root = folder.path().join(format!("crash-{operations}"));
        copy(&start, &root);
        let opened = DatasetWriter::open_append_on(&root, Box::new(Crashing { left: operations }));
        if opened.is_ok() {
            assert!(operations > 3);
            break;
        }
        repair(&root).unwrap();
        assert_whole(&root, 2);
        assert_eq!(check(&root), []);
        assert_eq!(repair(&root).unwrap(), []);
    }
}

#[test]
fn a_failed_save_can_be_tried_again_or_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 1);
    for operations in 0..12 {
        for give_up in [false, true] {
            let root = folder.path().join(format!("fail-{operations}-{give_up}"));
            copy(&start, &root);
            // `Flaky` recovers after its failure, as a disk does that was full.
            let flaky = Box::new(Flaky(Crashing { left: operations }));
            let mut writer = DatasetWriter::open_append_on(&root, flaky).unwrap();
            let mut first = writer.begin_episode(if give_up { "another task" } else { TASKS[1] });
            fill(&mut first, 10..14);
            assert!(writer.save(&first, &notes(1)).is_err());
            assert_eq!(writer.total_episodes(), 1);
            if give_up {
                save(&mut writer, 1).unwrap();
            } else {
                writer.save(&first, &notes(1)).unwrap();
            }
            assert_whole(&root, 2);
            drop(writer);
            assert_eq!(check(&root), []);
            assert_eq!(repair(&root).unwrap(), []);
        }
    }
}

/// Fails once, then works.
struct Flaky(Crashing);

impl Flaky {
    fn recover<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.0.left = usize::MAX;
        }
        result
    }
}

impl Storage for Flaky {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let result = self.0.write(path, bytes);
        self.recover(result)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let result = self.0.rename(from, to);
        self.recover(result)
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        let result = self.0.create_folder(path);
        self.recover(result)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let result = self.0.remove(path);
        self.recover(result)
    }
}

/// A save fails, another episode of the same length is saved instead, and the machine dies while
/// it is: the statistics that are found then are never those of the first.
#[test]
fn statistics_of_a_failed_save_are_not_taken_for_those_of_the_next() {
    for before in [0, 1] {
        let folder = tempfile::tempdir().unwrap();
        let start = folder.path().join("start");
        dataset_of(&start, before);
        for fails in 0..12 {
            for dies in 0.. {
                let root = folder.path().join(format!("{fails}-{dies}"));
                copy(&start, &root);
                let storage = Box::new(FailsThenDies { fails, then: Crashing { left: dies } });
                let mut writer = DatasetWriter::open_append_on(&root, storage).unwrap();
                let mut first = writer.begin_episode(TASKS[before % 2]);
                fill(&mut first, 900..904);
                assert!(writer.save(&first, &EpisodeNotes::new()).is_err());
                let saved = save(&mut writer, before).is_ok();
                drop(writer);
                drop(DatasetWriter::open_append(&root).unwrap());
                assert_statistics_are_of_the_rows(&root);
                fs::remove_dir_all(&root).unwrap();
                if saved {
                    break;
                }
            }
        }
    }
}

fn assert_statistics_are_of_the_rows(root: &Path) {
    let dataset = Dataset::open(root).unwrap();
    let mut first_numbers = Vec::new();
    for episode in dataset.episodes() {
        let rows = dataset.read_columns(episode.index, &["action"]).unwrap();
        first_numbers.extend(rows.numbers("action").unwrap().rows().map(|row| row[0]));
    }
    if let Some(largest) = first_numbers.into_iter().max_by(f64::total_cmp) {
        let stats = fs::read(root.join("meta/stats.json")).unwrap();
        let stats: serde_json::Value = serde_json::from_slice(&stats).unwrap();
        assert_eq!(stats["action"]["max"][0], json!(largest));
    }
}

/// Fails once after some operations, and is at its end after some more.
struct FailsThenDies {
    fails: usize,
    then: Crashing,
}

impl FailsThenDies {
    /// The storage that decides about the next operation; an error if this one fails.
    fn next(&mut self) -> io::Result<Option<&mut Crashing>> {
        match self.fails {
            usize::MAX => Ok(Some(&mut self.then)),
            0 => {
                self.fails = usize::MAX;
                Err(io::Error::other("a fault that goes away"))
            }
            _ => {
                self.fails -= 1;
                Ok(None)
            }
        }
    }
}

impl Storage for FailsThenDies {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self.next()? {
            Some(then) => then.write(path, bytes),
            None => FileSystem.write(path, bytes),
        }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        match self.next()? {
            Some(then) => then.rename(from, to),
            None => FileSystem.rename(from, to),
        }
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        match self.next()? {
            Some(then) => then.create_folder(path),
            None => FileSystem.create_folder(path),
        }
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        match self.next()? {
            Some(then) => then.remove(path),
            None => FileSystem.remove(path),
        }
    }
}

#[test]
fn an_episode_that_was_never_saved_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    dataset_of(folder.path(), 1);
    let writer = DatasetWriter::open_append(folder.path()).unwrap();
    let mut episode = writer.begin_episode(TASKS[0]);
    fill(&mut episode, 0..20);
    // The process is killed here: neither value's destructor may be needed.
    std::mem::forget(episode);
    drop(writer);
    assert_whole(folder.path(), 1);
    assert_eq!(check(folder.path()), []);
    assert_eq!(repair(folder.path()).unwrap(), []);
}

#[test]
fn a_broken_last_file_is_set_aside_and_a_broken_earlier_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = |root: &Path, i: usize| -> PathBuf {
        root.join(format!("data/chunk-000/file-00{i}.parquet"))
    };
    let last = folder.path().join("last");
    dataset_of(&last, 2);
    fs::write(data(&last, 2), b"PAR1 and then nothing").unwrap();
    let repairs = repair(&last).unwrap();
    assert!(
        matches!(&repairs[..], [Repair::RejectedFile { path, .. }] if path.exists()),
        "{repairs:?}"
    );
    assert_whole(&last, 2);

    let missing = folder.path().join("missing");
    dataset_of(&missing, 2);
    fs::remove_file(data(&missing, 0)).unwrap();
    let error = repair(&missing).unwrap_err().to_string();
    assert!(error.contains("file-000.parquet") && error.contains("episode 0"), "{error}");
    let findings = check(&missing);
    assert!(findings.iter().any(|f| f.severity == Severity::Error && f.place.contains("file-000")));
}

#[test]
fn check_finds_what_is_wrong_with_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let swapped = folder.path().join("swapped");
    dataset_of(&swapped, 2);
    let file = |i: usize| swapped.join(format!("data/chunk-000/file-00{i}.parquet"));
    fs::copy(file(0), file(1)).unwrap();
    let findings: Vec<String> = check(&swapped).iter().map(ToString::to_string).collect();
    for column in ["episode_index", "\"index\""] {
        assert!(
            findings.iter().any(|f| f.contains("episode 1") && f.contains(column)),
            "{findings:?}"
        );
    }

    let frozen = folder.path().join("frozen");
    let mut writer = DatasetWriter::create(&frozen, 10, "kinova", features()).unwrap();
    let mut episode = writer.begin_episode(TASKS[0]);
    fill(&mut episode, 0..5);
    fill(&mut episode, [5; 11]);
    writer.save(&episode, &EpisodeNotes::new()).unwrap();
    let findings = check(&frozen);
    assert!(
        matches!(&findings[..], [f] if f.severity == Severity::Warning && f.problem.contains("11 rows")),
        "{findings:?}"
    );
}
