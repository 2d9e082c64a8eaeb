//! A real recorder in a process of its own is killed at any instant: every episode that it said it
//! kept is there, the running one is there but for less than a second, and nothing else.
#![allow(clippy::unwrap_used)]

use jaco_dataset::{Dataset, DatasetWriter, Repair, check};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// Rows of an episode, and of a row group at the 10 rows a second that the dataset is of.
const ROWS: usize = 12;
const GROUP_ROWS: usize = 5;
const KILLS: u64 = 200;

/// The program as cargo builds it beside the tests.
fn killable() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap().join("examples/killable");
    assert!(
        program.is_file(),
        "{} is missing: cargo build -p jaco-dataset --examples",
        program.display()
    );
    program
}

/// Starts the recorder and kills it after `life`; what it said that it did.
fn record_and_kill(root: &Path, life: Duration) -> (Option<usize>, usize) {
    let mut child = Command::new(killable())
        .args([root.as_os_str(), "400".as_ref(), ROWS.to_string().as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(life);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let (mut kept, mut pushed) = (None, 0);
    // A last line without an end may be half of a longer one.
    for line in said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        match line.split_once(' ').unwrap() {
            ("kept", index) => (kept, pushed) = (Some(index.parse().unwrap()), 0),
            (_, rows) => pushed = rows.parse().unwrap(),
        }
    }
    (kept, pushed)
}

/// Asserts that the rows of episode `index` are the first ones of what the recorder writes.
fn assert_rows(dataset: &Dataset, index: usize, dims: usize) -> usize {
    let episode = dataset.read_episode(index).unwrap();
    let images = episode.images("observation.images.front").unwrap();
    for row in 0..episode.length {
        let action = episode.f32s("action").unwrap();
        assert_eq!((action.dims, action.row(row)), (dims, &[index as f32, row as f32][..]));
        let number = (index * 1000 + row) as u32;
        let pixel = |i: u32| ((i * (number + 3)) >> 4) as u8;
        let picture = &images.frames[row];
        assert!((0..64 * 64 * 3).all(|i| picture[i as usize] == pixel(i)));
    }
    episode.length
}

#[test]
fn two_hundred_kills_lose_no_kept_episode_and_less_than_a_second_of_the_running_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("dataset");
    // Instants by a fixed seed; what is being done at them is the machine's affair.
    let mut seed = 0x6a61_636f_u64;
    let (mut salvaged, mut adopted, mut whole) = (0, 0, Vec::new());
    for kill in 0..KILLS {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(kill | 1);
        let life = Duration::from_micros(3_000 + (seed >> 33) % 120_000);
        let (kept, pushed) = record_and_kill(&root, life);
        if !root.join("meta/info.json").exists() {
            continue;
        }
        let writer = DatasetWriter::open_append(&root).unwrap();
        let repairs = writer.repairs().to_vec();
        let count = writer.total_episodes();
        drop(writer);
        let dataset = Dataset::open(&root).unwrap();
        assert_eq!(dataset.episodes().len(), count);
        assert!(kept.is_none_or(|kept| kept < count), "kill {kill}: {kept:?} of {count}");
        for index in whole.len()..count {
            whole.push(assert_rows(&dataset, index, 2));
        }
        let running = repairs.iter().find_map(|repair| match repair {
            Repair::SalvagedEpisode { rows, .. } => Some(*rows),
            _ => None,
        });
        adopted += usize::from(repairs.iter().any(|r| matches!(r, Repair::AdoptedEpisode(_))));
        salvaged += usize::from(running.is_some());
        // What the recorder was at when it died: an episode that it had not kept yet.
        let there = running.unwrap_or_else(|| {
            let next = kept.map_or(0, |kept| kept + 1);
            whole.get(next).copied().unwrap_or(0)
        });
        if kept.is_some() || running.is_some() {
            assert!(there + GROUP_ROWS > pushed, "kill {kill}: {there} of {pushed}: {repairs:?}");
        }
    }
    // Every one that ever was there still is, unchanged, and nothing else is.
    let dataset = Dataset::open(&root).unwrap();
    let lengths: Vec<usize> = (0..whole.len()).map(|i| assert_rows(&dataset, i, 2)).collect();
    assert_eq!((lengths, dataset.episodes().len()), (whole.clone(), whole.len()));
    assert_eq!(check(&root).iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    assert!(salvaged > 20, "{salvaged} salvaged, {adopted} adopted of {}", whole.len());
    eprintln!("{KILLS} kills: {} episodes, {salvaged} salvaged, {adopted} adopted", whole.len());
}
