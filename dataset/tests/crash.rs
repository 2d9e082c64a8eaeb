//! The program or the machine dies after any single change of the disk: nothing that was kept is
//! lost, the running episode is there up to its last row group, readers go on working, and the next
//! opening puts the rest right.
#![allow(clippy::unwrap_used)]

mod common;

use common::series::{
    GROUP_ROWS, ROWS, TASKS, assert_rows, assert_statistics_are_of_the_rows, assert_whole, begin,
    copy, dataset_of, push, save, success,
};
use common::storages::{Crashing, FailsThenDies};
use common::{features, fill, row};
use jaco_dataset::{
    Dataset, DatasetError, DatasetWriter, EpisodeNotes, Repair, Severity, check, repair,
};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

/// How far the recording of an episode came.
#[derive(Clone, Copy, Default)]
struct Reached {
    /// Rows that are on the disk by what was said.
    rows: usize,
    kept: bool,
    published: bool,
}

fn record_until_it_dies(writer: &mut DatasetWriter, index: usize) -> Reached {
    let mut reached = Reached::default();
    let mut record = || -> Result<(), DatasetError> {
        begin(writer, index)?;
        for at in 0..ROWS {
            push(writer, index, at)?;
            reached.rows = (at + 1) / GROUP_ROWS * GROUP_ROWS;
        }
        writer.keep(&success())?;
        reached.kept = true;
        writer.publish()?;
        reached.published = true;
        Ok(())
    };
    let _ = record();
    reached
}

#[test]
fn a_crash_at_any_operation_loses_no_kept_episode_and_no_written_row_group() {
    for before in [0, 1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let start = folder.path().join("start");
        dataset_of(&start, before);
        let (mut lengths, mut adopted) = (Vec::new(), 0);
        for operations in 0.. {
            let root = folder.path().join(format!("crash-{operations}"));
            copy(&start, &root);
            let crashing = Box::new(Crashing { left: operations });
            let mut writer = DatasetWriter::open_append_on(&root, crashing).unwrap();
            let reached = record_until_it_dies(&mut writer, before);
            drop(writer);
            if reached.published {
                assert_whole(&root, before + 1);
                break;
            }

            // A reader works straight after the crash and sees whole episodes only.
            assert_whole(&root, Dataset::open(&root).unwrap().episodes().len());

            let mut writer = DatasetWriter::open_append(&root).unwrap();
            let count = writer.total_episodes();
            let dataset = Dataset::open(&root).unwrap();
            assert_eq!(dataset.episodes().len(), count);
            assert_whole(&root, before);
            let salvaged = writer.repairs().iter().find_map(|repair| match repair {
                Repair::SalvagedEpisode { index, rows } => Some((*index, *rows)),
                _ => None,
            });
            let length = if let Some((index, rows)) = salvaged {
                assert_eq!((index, count), (before, before + 1));
                assert!(!reached.kept && rows < ROWS);
                assert_rows(&dataset, index, rows);
                let notes = dataset.notes(index).unwrap();
                assert_eq!(json!(notes), json!({"seed": before, "salvaged": true}));
                rows
            } else {
                assert_whole(&root, count);
                (count - before) * ROWS
            };
            assert!(length >= reached.rows && (length == ROWS || !reached.kept));
            adopted +=
                writer.repairs().iter().filter(|r| matches!(r, Repair::AdoptedEpisode(_))).count();
            lengths.push(length);

            // And recording goes on.
            assert_statistics_are_of_the_rows(&root);
            save(&mut writer, count).unwrap();
            assert_rows(&Dataset::open(&root).unwrap(), count, ROWS);
            drop(writer);
            assert_eq!(check(&root), []);
            assert_eq!(repair(&root).unwrap(), []);
        }
        // Nothing at first, then more and more of the running episode, then all of it.
        assert!(lengths.is_sorted(), "{lengths:?}");
        lengths.dedup();
        assert_eq!(lengths, [0, 2, 4, 5]);
        assert!(adopted > 0);
    }
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
fn a_crash_at_any_operation_of_a_salvage_is_salvaged_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 1);
    let mut writer = DatasetWriter::open_append(&start).unwrap();
    begin(&mut writer, 1).unwrap();
    (0..ROWS).for_each(|at| push(&mut writer, 1, at).unwrap());
    drop(writer);
    for operations in 0.. {
        let root = folder.path().join(format!("crash-{operations}"));
        copy(&start, &root);
        let opened = DatasetWriter::open_append_on(&root, Box::new(Crashing { left: operations }));
        let done = opened.is_ok();
        drop(opened);
        let repairs = repair(&root).unwrap();
        assert_eq!(repairs.is_empty(), done, "{repairs:?}");
        assert_whole(&root, 1);
        let dataset = Dataset::open(&root).unwrap();
        assert_rows(&dataset, 1, 4);
        assert_eq!(json!(dataset.notes(1).unwrap()), json!({"seed": 1, "salvaged": true}));
        assert_eq!(check(&root), []);
        if done {
            assert!(operations > 5);
            break;
        }
    }
}

/// The two files of the running episode are damaged in every way that a cable or a cat can think
/// of: what comes back are rows that were written, or none, and the kept episode is untouched.
#[test]
fn damaged_files_of_a_running_episode_give_their_sound_beginning_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 1);
    let mut writer = DatasetWriter::open_append(&start).unwrap();
    begin(&mut writer, 1).unwrap();
    (0..ROWS).for_each(|at| push(&mut writer, 1, at).unwrap());
    drop(writer);
    let mut seen = Vec::new();
    for name in ["file-001.parquet.running", "file-001.parquet.journal"] {
        let name = Path::new("data/chunk-000").join(name);
        let sound = fs::read(start.join(&name)).unwrap();
        let middle = sound.len() / 2;
        let damages: [fn(&mut Vec<u8>, usize); 3] = [
            |bytes, at| bytes[at] ^= 0x40,
            |bytes, at| bytes.truncate(at),
            |bytes, at| bytes[at..].fill(0),
        ];
        for (damage, at) in damages.iter().flat_map(|damage| {
            [0, 3, 10, middle / 3, middle, middle + middle / 2, sound.len() - 1]
                .map(|at| (damage, at))
        }) {
            let root = folder.path().join("damaged");
            copy(&start, &root);
            let mut bytes = sound.clone();
            damage(&mut bytes, at);
            fs::write(root.join(&name), bytes).unwrap();
            let repairs = repair(&root).unwrap();
            assert!(!repairs.is_empty());
            assert_whole(&root, 1);
            let dataset = Dataset::open(&root).unwrap();
            let rows = dataset.episodes().get(1).map_or(0, |episode| episode.length);
            if rows > 0 {
                assert_rows(&dataset, 1, rows);
            }
            seen.push(rows);
            assert_eq!(repair(&root).unwrap(), []);
            fs::remove_dir_all(&root).unwrap();
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [0, 2, 4]);
}

/// "Never comes back" is meant: whatever fails or dies on the way.
#[test]
fn an_episode_that_was_discarded_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let start = folder.path().join("start");
    dataset_of(&start, 1);
    let mut discarded = 0;
    for operations in 0.. {
        let root = folder.path().join(format!("crash-{operations}"));
        copy(&start, &root);
        let crashing = Box::new(Crashing { left: operations });
        let mut writer = DatasetWriter::open_append_on(&root, crashing).unwrap();
        let mut record = || -> Result<(), DatasetError> {
            begin(&mut writer, 1)?;
            (0..ROWS).try_for_each(|at| push(&mut writer, 1, at))
        };
        let recorded = record();
        let gone = writer.discard().is_ok();
        discarded += usize::from(gone);
        drop(writer);
        let journal = root.join("data/chunk-000/file-001.parquet.journal").exists();
        let repairs = repair(&root).unwrap();
        assert_whole(&root, 1);
        if gone {
            assert_eq!(Dataset::open(&root).unwrap().episodes().len(), 1, "{repairs:?}");
            assert_eq!(check(&root), []);
        }
        if recorded.is_ok() && gone && !journal {
            break;
        }
    }
    assert_eq!(discarded, 2);
}

/// A keep fails, another episode of the same length is kept instead, and the machine dies while
/// it is: the statistics that are found then are never those of the first.
#[test]
fn statistics_of_a_failed_keep_are_not_taken_for_those_of_the_next() {
    for before in [0, 1] {
        let folder = tempfile::tempdir().unwrap();
        let start = folder.path().join("start");
        dataset_of(&start, before);
        for fails in 0.. {
            let mut failed = false;
            for dies in 0.. {
                let root = folder.path().join(format!("{fails}-{dies}"));
                copy(&start, &root);
                let storage = Box::new(FailsThenDies { fails, then: Crashing { left: dies } });
                let mut writer = DatasetWriter::open_append_on(&root, storage).unwrap();
                let mut first = || -> Result<(), DatasetError> {
                    writer.begin(TASKS[before % 2], &EpisodeNotes::new())?;
                    (900..900 + ROWS as u32).try_for_each(|seed| writer.push(row(seed)))?;
                    writer.keep(&EpisodeNotes::new()).map(|_| ())
                };
                failed = first().is_err();
                if failed {
                    let _ = writer.discard();
                }
                let index = writer.total_episodes();
                let saved = save(&mut writer, index).is_ok();
                drop(writer);
                drop(DatasetWriter::open_append(&root).unwrap());
                assert_statistics_are_of_the_rows(&root);
                fs::remove_dir_all(&root).unwrap();
                if saved || !failed {
                    break;
                }
            }
            if !failed {
                assert!(fails > 5);
                break;
            }
        }
    }
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
    writer.begin(TASKS[0], &EpisodeNotes::new()).unwrap();
    fill(&mut writer, 0..5);
    fill(&mut writer, [5; 11]);
    writer.keep(&EpisodeNotes::new()).unwrap();
    writer.publish().unwrap();
    let findings = check(&frozen);
    assert!(
        matches!(&findings[..], [f] if f.severity == Severity::Warning && f.problem.contains("11 rows")),
        "{findings:?}"
    );
}
