//! Recording in lockstep, from the outside: datasets that are begun, gone on with, put right and
//! refused.
#![allow(clippy::unwrap_used)]

use indicatif::ProgressBar;
use jaco_cli::record::{LockstepRecording, Source};
use jaco_core::Task;
use jaco_dataset::{Dataset, DatasetWriter, EpisodeNotes, check};
use jaco_lab::record::{Recorded, record_until};
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

fn recording(out: &Path, seed: u64, episodes: u32) -> LockstepRecording {
    LockstepRecording {
        task: Task::PlaceBlock,
        source: Source::Expert,
        episodes,
        seed,
        out: out.to_owned(),
        perturbed: 0.0,
        random_start: 0.0,
        checkpoint: None,
        horizons: vec![4],
        max_steps: 200,
        image_size: 32,
    }
}

fn record(args: &LockstepRecording) -> anyhow::Result<Recorded> {
    record_until(&AtomicBool::new(false), args, 2, &ProgressBar::hidden())
}

/// Recording again with the same seed once appended the same episodes, of which some were then
/// trained on and others held out.
#[test]
fn a_series_is_gone_on_with_and_never_recorded_twice() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    assert_eq!(record(&recording(&out, 3, 1)).unwrap().episodes, 1);
    assert_eq!(record(&recording(&out, 3, 1)).unwrap().episodes, 1);
    // Another series is another one, whatever numbers the first one has.
    record(&recording(&out, 4, 1)).unwrap();
    let again = folder.path().join("at-once");
    record(&recording(&again, 3, 2)).unwrap();

    let (pieces, at_once) = (Dataset::open(&out).unwrap(), Dataset::open(&again).unwrap());
    let number = |dataset: &Dataset, index: usize| -> (u64, u64) {
        let notes = dataset.notes(index).unwrap();
        (notes["series"].as_u64().unwrap(), notes["number"].as_u64().unwrap())
    };
    assert_eq!(number(&pieces, 0), number(&at_once, 0));
    assert_eq!(number(&pieces, 1), number(&at_once, 1));
    assert!(number(&pieces, 1).1 > number(&pieces, 0).1);
    assert_eq!(number(&pieces, 2).0, 4);
    let seeds: Vec<_> = (0..3).map(|i| pieces.notes(i).unwrap()["seed"].clone()).collect();
    assert!(seeds[0] != seeds[1] && seeds[1] != seeds[2], "{seeds:?}");
    let state = |dataset: &Dataset, index: usize| {
        dataset.read_episode(index).unwrap().f32s("observation.state").unwrap().clone()
    };
    for index in 0..2 {
        assert_eq!(state(&pieces, index), state(&at_once, index));
    }
    let errors: Vec<String> = check(&out)
        .iter()
        .filter(|finding| finding.severity == jaco_dataset::Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn what_was_put_right_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    assert_eq!(record(&recording(&out, 3, 1)).unwrap().repairs, [""; 0]);
    fs::remove_file(out.join("meta/episodes/chunk-000/file-000.parquet")).unwrap();
    fs::write(out.join("meta/stats.json.tmp"), "half").unwrap();
    let mut mine = DatasetWriter::open_append(&out).unwrap();
    assert_eq!(mine.repairs().len(), 2, "{:?}", mine.repairs());
    mine.begin("given up", &EpisodeNotes::new()).unwrap();
    drop(mine);
    let recorded = record(&recording(&out, 3, 1)).unwrap();
    assert_eq!(recorded.repairs.len(), 1);
    assert!(recorded.repairs[0].contains("half-written"), "{:?}", recorded.repairs);
    assert!(serde_json::to_string(&recorded).unwrap().contains("half-written"));
}

#[test]
fn a_signal_ends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    let stop = AtomicBool::new(true);
    let args = recording(&out, 3, 50);
    let recorded = record_until(&stop, &args, 1, &ProgressBar::hidden()).unwrap();
    assert!(recorded.interrupted && recorded.episodes == 0);
    assert!(recorded.to_string().contains("ended by a signal"), "{recorded}");
    assert_eq!(Dataset::open(&out).unwrap().episodes().len(), 0);
}

#[test]
fn a_folder_with_other_things_in_it_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("holiday");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("beach.jpg"), "x").unwrap();
    let error = record(&recording(&out, 3, 1)).unwrap_err().to_string();
    assert!(error.contains("--out") && error.contains("beach.jpg"), "{error}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}
