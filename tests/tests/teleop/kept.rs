//! What is recorded stays, whoever goes away: the daemon killed or told to end, the client killed.

use crate::operator::{Told, dataset};
use jaco_api::{Mode, SessionEvent};
use jaco_dataset::Dataset;
use jaco_tests::{Rig, Running};
use rustix::process::Signal;

/// Steps that an episode has when it is cut off.
const STEPS: u64 = 25;
/// Steps that may be missing of it: one second.
const LOST: u64 = 10;

/// Starts to record the expert, and returns when an episode has [`STEPS`] steps.
fn under_way(rig: &Rig) -> Running {
    let told = Told::by(rig);
    let record = rig.start_jaco(&record_one()).unwrap();
    told.until(|event| matches!(event, SessionEvent::Recording { .. }).then_some(()));
    rig.control().unwrap().wait(STEPS * 10).unwrap();
    record
}

fn record_one() -> [&'static str; 9] {
    let task = ["record", "--task", "place-block", "--source", "expert"];
    let [a, b, c, d, e] = task;
    [a, b, c, d, e, "--episodes", "1", "--dataset", "blocks"]
}

fn steps(data: &Dataset, episode: usize) -> u64 {
    data.read_episode(episode).unwrap().f32s("action").unwrap().rows().len() as u64
}

#[test]
fn a_killed_daemon_loses_nothing_kept_and_a_second_of_the_running_episode() {
    let mut rig = Rig::homed().unwrap();
    rig.jaco_json(&record_one()).unwrap();
    let root = dataset(&rig, "blocks");
    let before = std::fs::read(root.join("data/chunk-000/file-000.parquet")).unwrap();
    let record = under_way(&rig);
    rig.end_daemon(Signal::KILL).unwrap();
    let (said, status) = record.end().unwrap();
    assert!(!status.success(), "{said}");
    rig.start_daemon().unwrap();
    let again = rig.jaco_json(&record_one()).unwrap();
    let repairs = again["repairs"].to_string();
    assert!(repairs.contains("salvaged"), "{again}");
    let data = Dataset::open(&root).unwrap();
    assert_eq!(data.episodes().len(), 3);
    assert_eq!(std::fs::read(root.join("data/chunk-000/file-000.parquet")).unwrap(), before);
    assert_eq!(data.notes(1).unwrap()["salvaged"], true);
    let salvaged = steps(&data, 1);
    assert!(salvaged + LOST >= STEPS, "{salvaged} steps of {STEPS}");
}

#[test]
fn a_daemon_that_is_told_to_end_keeps_the_running_episode() {
    let mut rig = Rig::homed().unwrap();
    let record = under_way(&rig);
    assert!(rig.end_daemon(Signal::TERM).unwrap().success());
    record.end().unwrap();
    let data = Dataset::open(&dataset(&rig, "blocks")).unwrap();
    assert_eq!(data.episodes().len(), 1);
    assert!(data.notes(0).unwrap()["interrupted"].to_string().contains("the daemon ends"));
    assert!(steps(&data, 0) + 2 >= STEPS);
}

#[test]
fn a_client_that_is_killed_leaves_an_episode_and_a_free_arm() {
    let rig = Rig::homed().unwrap();
    let record = under_way(&rig);
    record.signal(Signal::KILL).unwrap();
    rig.until("an arm that holds", |status| status.mode == Mode::Idle).unwrap();
    rig.jaco_json(&record_one()).unwrap();
    let data = Dataset::open(&dataset(&rig, "blocks")).unwrap();
    assert_eq!(data.episodes().len(), 2);
    let interrupted = data.notes(0).unwrap()["interrupted"].to_string();
    assert!(interrupted.contains("the client of the session went away"), "{interrupted}");
}

/// `jaco replay` of what was just recorded goes the same way again.
#[test]
fn a_replay_goes_the_recorded_way() {
    let rig = Rig::homed().unwrap();
    rig.jaco_json(&record_one()).unwrap();
    let root = dataset(&rig, "blocks");
    let root = root.to_str().unwrap();
    let replayed = rig.jaco_json(&["replay", root, "--episode", "0"]).unwrap();
    let text = replayed.to_string();
    assert_eq!(replayed["complete"], true, "{text}");
    let apart_m = replayed["comparison"]["mean"]["position_m"].as_f64().unwrap();
    assert!(apart_m < 0.05, "{text}");
}
