//! `jaco record --sim` through the real program: datasets that are begun, gone on with, put right
//! and refused; workers, signals and disks that fail.
#![allow(clippy::unwrap_used)]

mod lab;

use jaco_dataset::{Dataset, DatasetWriter, EpisodeNotes, Severity, check};
use lab::{children, lab, printed, runs, signal, start, told, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Small pictures: what is looked at here is who makes them, not what they show.
fn recording(out: &Path, words: &str) -> Command {
    let words = format!("record --sim --task place-block --image-size 32 {words} --out");
    lab(&words, &[out.as_os_str()])
}

fn record(out: &Path, words: &str) -> Value {
    printed(&recording(out, words).output().unwrap())
}

fn episodes(out: &Path) -> usize {
    Dataset::open(out).map_or(0, |dataset| dataset.episodes().len())
}

/// All files of a dataset.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(bytes(&path)),
            false => drop(all.insert(path.clone(), fs::read(path).unwrap())),
        }
    }
    all
}

/// The same, named from the dataset's folder.
fn files(out: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let inside = |path: PathBuf| path.strip_prefix(out).unwrap().to_owned();
    bytes(out).into_iter().map(|(path, bytes)| (inside(path), bytes)).collect()
}

fn is_whole(out: &Path) {
    let errors: Vec<String> = check(out)
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(ToString::to_string)
        .collect();
    assert_eq!(errors, [""; 0]);
}

/// Who made an episode, and when, is not in it: of an expert's and of a policy's.
#[test]
fn jobs_change_no_byte() {
    let mini = jaco_cli::shipped::mini_policy().unwrap();
    let policy = format!(
        "--source policy --checkpoint {} --horizons 1,4 --max-steps 10 --episodes 3 --seed 5",
        mini.display()
    );
    let expert = "--perturbed 0.75 --random-start 0.3 --episodes 3 --seed 7";
    let folder = tempfile::tempdir().unwrap();
    for (source, words) in [("expert", expert), ("policy", &policy)] {
        let [one, two] = [1, 2].map(|jobs| {
            let out = folder.path().join(format!("{source}-{jobs}"));
            record(&out, &format!("{words} --jobs {jobs}"));
            files(&out)
        });
        assert!(one.len() > 3 && one.keys().eq(two.keys()), "{:?} {:?}", one.keys(), two.keys());
        let differ: Vec<_> = one.iter().filter(|(name, bytes)| two[*name] != **bytes).collect();
        assert!(differ.is_empty(), "{source}: {:?}", differ[0].0);
    }
}

/// Recording again with the same seed once appended the same episodes, of which some were then
/// trained on and others held out.
#[test]
fn a_series_is_gone_on_with_and_never_recorded_twice() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    assert_eq!(record(&out, "--seed 3 --episodes 1")["episodes"], 1);
    assert_eq!(record(&out, "--seed 3 --episodes 1")["episodes"], 1);
    // Another series is another one, whatever numbers the first one has.
    record(&out, "--seed 4 --episodes 1");
    let again = folder.path().join("at-once");
    record(&again, "--seed 3 --episodes 2");

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
    is_whole(&out);
}

#[test]
fn what_was_put_right_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    assert_eq!(record(&out, "--episodes 1")["repairs"], Value::Array(Vec::new()));
    fs::remove_file(out.join("meta/episodes/chunk-000/file-000.parquet")).unwrap();
    fs::write(out.join("meta/stats.json.tmp"), "half").unwrap();
    let mut mine = DatasetWriter::open_append(&out).unwrap();
    assert_eq!(mine.repairs().len(), 2, "{:?}", mine.repairs());
    mine.begin("given up", &EpisodeNotes::new()).unwrap();
    drop(mine);
    let repairs = record(&out, "--episodes 1")["repairs"].clone();
    assert_eq!(repairs.as_array().unwrap().len(), 1);
    assert!(repairs[0].as_str().unwrap().contains("half-written"), "{repairs}");
}

/// Ctrl-C is for all processes of the terminal; `kill` is for the one that was meant.
#[test]
fn a_signal_ends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for (name, to_all) in [("INT", true), ("TERM", false)] {
        let out = folder.path().join(name);
        let mut command = recording(&out, "--episodes 100000 --jobs 2");
        command.process_group(0);
        let running = start(command);
        wait_until(|| episodes(&out) > 0);
        let workers = children(running.id());
        assert_eq!(workers.len(), 2, "{workers:?}");
        signal(name, &format!("{}{}", if to_all { "-" } else { "" }, running.id()));
        let recorded = printed(&running.wait_with_output().unwrap());
        assert_eq!(recorded["interrupted"], true);
        assert!(!workers.into_iter().any(runs));
        assert_eq!(recorded["episodes"], episodes(&out));
        is_whole(&out);
    }
}

#[test]
fn a_killed_worker_ends_it_and_what_is_recorded_by_then_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    let running = start(recording(&out, "--episodes 100000 --jobs 2"));
    wait_until(|| episodes(&out) > 0);
    signal("KILL", &children(running.id())[0].to_string());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = told(&output);
    for part in ["a worker process ended (signal: 9", "place-block, episode ", "of series 0"] {
        assert!(told.contains(part), "{told}");
    }
    is_whole(&out);
    let kept = episodes(&out);
    record(&out, "--episodes 1 --jobs 2");
    assert_eq!(episodes(&out), kept + 1);
}

#[test]
fn workers_do_not_outlive_who_gave_them_orders() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    let mut running = start(recording(&out, "--episodes 100000 --jobs 2"));
    wait_until(|| episodes(&out) > 0);
    let workers = children(running.id());
    assert!(workers.len() == 2 && workers.iter().all(|worker| runs(*worker)), "{workers:?}");
    running.kill().unwrap();
    running.wait().unwrap();
    wait_until(|| !workers.iter().any(|worker| runs(*worker)));
    record(&out, "--episodes 1 --jobs 2");
    is_whole(&out);
}

/// A limit on the size of files is the disk that fills up here.
#[test]
fn a_disk_that_takes_no_more_leaves_what_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("data");
    record(&out, "--episodes 1 --jobs 1");
    let before = files(&out);
    let lab = recording(&out, "--episodes 2 --jobs 2");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 20; exec \"$0\" \"$@\""]);
    shell.arg(lab.get_program()).args(lab.get_args());
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("File too large"), "{}", told(&output));
    assert_eq!(episodes(&out), 1);
    record(&out, "--episodes 1 --jobs 1");
    is_whole(&out);
    let after = files(&out);
    let kept = Path::new("data/chunk-000/file-000.parquet");
    assert_eq!((episodes(&out), &before[kept]), (2, &after[kept]));
}

#[test]
fn what_cannot_be_recorded_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("holiday");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("beach.jpg"), "x").unwrap();
    let new = folder.path().join("new");
    for (out, words, reason) in [
        (&out, "", "beach.jpg"),
        (&out.join("beach.jpg"), "", "--out"),
        (&new, "--source policy --checkpoint /nonexistent", "/nonexistent/config.json"),
        (&new, "--source pad", "--source expert"),
    ] {
        let output = recording(out, &format!("{words} --episodes 1")).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words}: {}", told(&output));
        assert!(told(&output).contains(reason), "{words}: {}", told(&output));
    }
    assert_eq!(fs::read_dir(&out).unwrap().count(), 1);
}
