//! A disk that fails or is full at any instant: what was kept is intact, and the running episode can
//! be kept when there is room again, given up, or is salvaged.
#![allow(clippy::unwrap_used)]

mod common;

use common::series::{
    ROWS, assert_rows, assert_statistics_are_of_the_rows, assert_whole, begin, copy, dataset_of,
    push, save, success,
};
use common::storages::{FailsThenDies, Full};
use jaco_dataset::{Dataset, DatasetError, DatasetWriter, check, repair};
use std::fs;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;

/// Records episode 1, trying everything again that fails. Gives how often that was.
fn record_stubbornly(writer: &mut DatasetWriter, mut after_failure: impl FnMut()) -> usize {
    let mut failures = 0;
    let mut again = |error: DatasetError| {
        assert!(matches!(error, DatasetError::Io { .. }), "{error}");
        failures += 1;
        after_failure();
    };
    while let Err(error) = begin(writer, 1) {
        assert_eq!(writer.running(), None);
        again(error);
    }
    while writer.running() < Some(ROWS) {
        let at = writer.running().unwrap();
        if let Err(error) = push(writer, 1, at) {
            again(error);
        }
    }
    while let Err(error) = writer.keep(&success()) {
        assert_eq!((writer.running(), writer.total_episodes()), (Some(ROWS), 1));
        again(error);
    }
    assert_eq!((writer.running(), writer.total_episodes()), (None, 2));
    while let Err(error) = writer.publish() {
        again(error);
    }
    failures
}

#[test]
fn whatever_fails_once_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 1);
    for operations in 0.. {
        let root = folder.path().join(format!("fail-{operations}"));
        copy(&start, &root);
        let storage = Box::new(FailsThenDies::once(operations));
        let mut writer = DatasetWriter::open_append_on(&root, storage).unwrap();
        let failures = record_stubbornly(&mut writer, || {});
        drop(writer);
        assert_whole(&root, 2);
        assert_statistics_are_of_the_rows(&root);
        assert_eq!(check(&root), []);
        assert_eq!(repair(&root).unwrap(), []);
        if failures == 0 {
            assert_eq!(operations, 19);
            break;
        }
    }
}

/// An episode whose save failed and that was then discarded once came back at the next opening.
#[test]
fn an_episode_that_could_not_be_kept_and_was_discarded_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 1);
    let mut given_up = 0;
    for operations in 0.. {
        let root = folder.path().join(format!("fail-{operations}"));
        copy(&start, &root);
        let storage = Box::new(FailsThenDies::once(operations));
        let mut writer = DatasetWriter::open_append_on(&root, storage).unwrap();
        let mut record = || -> Result<(), DatasetError> {
            writer.begin("another task", &success())?;
            (0..ROWS).try_for_each(|at| push(&mut writer, 7, at))?;
            writer.keep(&success()).map(|_| ())
        };
        if record().is_ok() {
            break;
        }
        if writer.running().is_some() {
            writer.discard().unwrap();
        }
        given_up += 1;
        if operations % 2 == 0 {
            drop(writer);
            assert_eq!(repair(&root).unwrap(), []);
            assert_eq!(Dataset::open(&root).unwrap().episodes().len(), 1);
            writer = DatasetWriter::open_append(&root).unwrap();
        }
        save(&mut writer, 1).unwrap();
        drop(writer);
        assert_whole(&root, 2);
        assert_eq!(Dataset::open(&root).unwrap().episodes().len(), 2);
        assert_statistics_are_of_the_rows(&root);
        assert_eq!(check(&root), []);
        assert_eq!(repair(&root).unwrap(), []);
    }
    assert_eq!(given_up, 8);
}

#[test]
fn a_disk_that_is_full_at_any_byte_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 1);
    let mut lengths = Vec::new();
    for room in (0..).step_by(701) {
        let root = folder.path().join("dataset");
        copy(&start, &root);
        let disk = Full::with_room(room);
        let mut writer = DatasetWriter::open_append_on(&root, Box::new(disk.clone())).unwrap();
        let mut record = || -> Result<(), DatasetError> {
            begin(&mut writer, 1)?;
            (0..ROWS).try_for_each(|at| push(&mut writer, 1, at))?;
            writer.keep(&success())?;
            writer.publish()
        };
        let Err(error) = record() else { break };
        let full = |source: &std::io::Error| source.kind() == ErrorKind::StorageFull;
        assert!(matches!(&error, DatasetError::Io { source, .. } if full(source)), "{error}");
        assert_whole(&root, 1);

        // The program ends here, and somebody makes room.
        let later = folder.path().join("later");
        copy(&root, &later);
        repair(&later).unwrap();
        assert_whole(&later, 1);
        let dataset = Dataset::open(&later).unwrap();
        let rows = dataset.episodes().get(1).map_or(0, |episode| episode.length);
        if rows > 0 {
            assert_rows(&dataset, 1, rows);
        }
        lengths.push(rows);
        assert_eq!(check(&later), []);

        // Or it waits for that.
        disk.left.store(u64::MAX, Ordering::Relaxed);
        if writer.total_episodes() == 1 {
            if writer.running().is_some() {
                writer.discard().unwrap();
            }
            record_stubbornly(&mut writer, || {});
        }
        drop(writer);
        assert_whole(&root, 2);
        assert_eq!(check(&root), []);
        for root in [root, later] {
            fs::remove_dir_all(root).unwrap();
        }
    }
    assert!(lengths.is_sorted(), "{lengths:?}");
    lengths.dedup();
    assert_eq!(lengths, [0, 2, 4, 5]);
}

/// Made room while recording, without beginning again.
#[test]
fn an_episode_goes_on_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 1);
    for room in (0..6000).step_by(977) {
        let root = folder.path().join(format!("room-{room}"));
        copy(&start, &root);
        let disk = Full::with_room(room);
        let mut writer = DatasetWriter::open_append_on(&root, Box::new(disk.clone())).unwrap();
        let room = || disk.left.store(1 << 20, Ordering::Relaxed);
        assert!(record_stubbornly(&mut writer, room) <= 2);
        drop(writer);
        assert_whole(&root, 2);
        assert_eq!(check(&root), []);
    }
}
