//! The flight recorder on the real programs: what went wrong is on the disk, and `jaco log` shows
//! it.

#![allow(clippy::unwrap_used)]

use jaco_tests::{Rig, poll};
use rustix::process::Signal;
use std::process::Command;

/// A servo killed in the middle of a run leaves a record whose last states show the run.
#[test]
fn a_servo_killed_in_a_run_leaves_a_record_of_it() {
    let rig = Rig::homed().unwrap();
    assert_eq!(rig.status().unwrap().flight_record, None);
    let (run, _sim) = rig.drive("300").unwrap();
    rig.signal_servo(Signal::KILL).unwrap();
    let (said, _) = run.end().unwrap();
    assert!(said.contains("lost"), "{said}");
    let status = rig.until("a record", |status| status.flight_record.is_some()).unwrap();
    let file = status.flight_record.unwrap();
    assert!(file.starts_with(rig.path("data")) && file.starts_with(&status.flight_folder));

    let name = file.to_str().unwrap();
    let plot = rig.path("plot.png");
    let shown = rig.jaco_json(&["log", "show", name, "--plot", plot.to_str().unwrap()]).unwrap();
    assert_eq!((&shown["kind"], &shown["damage"]), (&"servo-lost".into(), &().into()));
    // The next servo may have answered before the record was written.
    let modes = shown["modes"].as_array().unwrap();
    assert!(modes.iter().any(|span| span["mode"] == "policy"), "{shown}");
    assert!(shown["run"]["policy"].as_str().unwrap().ends_with("model/mini"), "{shown}");
    assert!(shown["points_sent"].as_u64().unwrap() > 0 && shown["rate_hz"].as_f64().is_some());
    assert!(std::fs::read(plot).unwrap().starts_with(b"\x89PNG"));

    let listed = rig.jaco_json(&["log", "list"]).unwrap();
    assert!(listed["records"].as_array().unwrap().iter().any(|entry| entry["file"] == name));
}

#[test]
fn a_record_that_is_asked_for_is_written_and_can_be_taken_along() {
    let rig = Rig::homed().unwrap();
    let copy = rig.path("copy.mcap");
    let saved = rig.jaco_json(&["log", "save", "--out", copy.to_str().unwrap()]).unwrap();
    assert_eq!(saved["file"], copy.to_str().unwrap());
    let shown = rig.jaco_json(&["log", "show", copy.to_str().unwrap()]).unwrap();
    assert_eq!((&shown["kind"], &shown["last"]["mode"]), (&"asked".into(), &"idle".into()));
    let again = rig.jaco(&["log", "save", "--out", copy.to_str().unwrap()]).unwrap();
    assert_eq!(again.status.code(), Some(2), "what is there is not written over");
    poll("the record in the status", || Ok(rig.status()?.flight_record)).unwrap();
}

/// What is no record is refused with its name, as any unusable input.
#[test]
fn what_is_no_record_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let jaco = jaco_tests::built("jaco").unwrap();
    let show = |name: &str, bytes: Option<&[u8]>| {
        let file = folder.path().join(name);
        if let Some(bytes) = bytes {
            std::fs::write(&file, bytes).unwrap();
        }
        let output = Command::new(&jaco).args(["log", "show"]).arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(name) && output.stdout.is_empty(), "{said}");
        said
    };
    assert!(show("empty.mcap", Some(b"")).contains("is empty"));
    assert!(show("notes.mcap", Some(b"some notes")).contains("is no MCAP file"));
    assert!(show("cut.mcap", Some(b"\x89MCAP0\r\n\x01\x20")).contains("breaks off after"));
    assert!(show("absent.mcap", None).contains("cannot read"));
}

/// The figures are there, whatever they are on this machine.
#[test]
fn the_servo_is_measured_beside_a_bare_loop() {
    let jaco = jaco_tests::built("jaco").unwrap();
    let output =
        Command::new(jaco).args(["bench", "servo", "--seconds", "2", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for who in ["servo", "bare"] {
        for figure in ["p50_us", "p99_us", "p99_9_us", "max_us", "missed_ticks"] {
            assert!(report[who][figure].is_u64(), "{who}.{figure}: {report}");
        }
        assert!(report[who]["realtime"].is_boolean(), "{report}");
    }
    for ratio in ["ratio_p99", "ratio_p999"] {
        assert!(report[ratio].as_f64().is_some_and(|ratio| ratio > 0.0), "{report}");
    }
    assert!(report["points_per_s"].as_f64().is_some_and(|points| points > 0.0), "{report}");
    assert!(report["bare"]["count"].as_u64().is_some_and(|count| count > 0), "{report}");
}
