//! The program as it is started: exit codes, JSON, words; a replay against a daemon of the test's
//! own.
#![allow(clippy::unwrap_used)]

use jaco_dataset::{DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value};
use serde_json::{Value as Json, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

const ACTION: [&str; 7] = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];
const ROWS: usize = 12;
const SIDE: u32 = 32;

fn dataset(root: &Path, episodes: usize) {
    let features = Features::new([
        ("observation.images.front", FeatureKind::Image { height: SIDE, width: SIDE }),
        ("observation.state", FeatureKind::float32(["x", "y", "z", "qw", "qx", "qy", "qz"])),
        ("action", FeatureKind::float32(ACTION)),
        ("action.sent", FeatureKind::float32(ACTION)),
    ]);
    let mut writer = DatasetWriter::create(root, 10, "kinova-j2n6s300", features.unwrap()).unwrap();
    for episode in 0..episodes {
        writer.begin(["push", "lift"][episode % 2], &EpisodeNotes::new()).unwrap();
        for row in 0..ROWS {
            let t = row as f32;
            let pixel = |i: u32| (i as usize + 7 * row + 50 * episode) as u8;
            let action = vec![0.01, 0.001 * t, 0.0, 0.0, 0.0, 0.01, 1.0];
            let sent = action.iter().map(|v| v * 0.5).collect();
            let picture: Vec<u8> = (0..SIDE * SIDE * 3).map(pixel).collect();
            let state = vec![0.01 * t, -0.4, 0.2 + 0.001 * episode as f32, 1.0, 0.0, 0.0, 0.0];
            let row = Row::new()
                .with("observation.images.front", Value::Image(picture.into()))
                .with("observation.state", Value::F32(state))
                .with("action", Value::F32(action))
                .with("action.sent", Value::F32(sent));
            writer.push(row).unwrap();
        }
        let notes = json!({"success": episode % 2 == 0});
        writer.keep(notes.as_object().unwrap()).unwrap();
    }
}

fn jaco(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jaco-data"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn json_of(folder: &Path, arguments: &[&str]) -> Json {
    let output = jaco(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {said}"))
}

#[test]
fn the_exit_code_tells_sound_wrong_and_unusable() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    dataset(&here.join("a"), 3);
    let code = |arguments: &[&str]| jaco(here, arguments).status.code();
    assert_eq!(code(&["dataset", "check", "a"]), Some(0));
    assert_eq!(code(&["dataset", "check", "nowhere"]), Some(2));
    assert_eq!(code(&["dataset", "repair", "nowhere", "--dry-run"]), Some(2));
    assert_eq!(code(&["dataset", "delete", "a", "--episodes", "9"]), Some(2));
    assert_eq!(code(&["dataset", "delete", "a", "--episodes", "0-2"]), Some(2));
    assert_eq!(code(&["dataset", "merge", "a", "nowhere", "--out", "b"]), Some(2));
    assert_eq!(code(&["dataset", "split", "a", "--out", "b=0.5", "--out", "c=0.6"]), Some(2));
    assert_eq!(code(&["dataset", "relabel", "a", "--episodes", "0"]), Some(2));
    assert_eq!(code(&["--socket", "nowhere", "replay", "a", "--episode", "0"]), Some(3));
    assert_eq!(code(&["--socket", "nowhere", "replay", "a", "--episode", "7"]), Some(2));
    fs::remove_file(here.join("a/data/chunk-000/file-001.parquet")).unwrap();
    assert_eq!(code(&["dataset", "check", "a"]), Some(1));
    let told = json_of(here, &["dataset", "check", "a", "--json"]);
    assert_eq!((told["sound"].as_bool(), told["errors"].as_u64() > Some(0)), (Some(false), true));
    assert!(told["findings"][0]["place"].as_str().unwrap().contains("file-001"), "{told}");
}

#[test]
fn an_edit_for_trial_changes_nothing_and_the_real_one_does_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    dataset(&here.join("a"), 6);
    for arguments in [
        &["dataset", "delete", "a", "--episodes", "0,4-5"][..],
        &["dataset", "split", "a", "--out", "s=success", "--out", "r=rest"],
        &["dataset", "relabel", "a", "--task", "throw", "--success", "false"],
        &["dataset", "merge", "a", "a", "--out", "m"],
        &["dataset", "to-video", "a", "--out", "v"],
    ] {
        let before = json_of(here, &["dataset", "stats", "a", "--json"]);
        let trial = json_of(here, &[arguments, &["--json", "--dry-run"]].concat());
        assert_eq!(json_of(here, &["dataset", "stats", "a", "--json"]), before);
        let names = fs::read_dir(here).unwrap().count();
        let real = json_of(here, &[arguments, &["--json"]].concat());
        let in_place = !arguments.contains(&"--out");
        assert_eq!(fs::read_dir(here).unwrap().count() > names, !in_place, "{arguments:?}");
        assert_eq!((&trial["datasets"], &trial["dry_run"]), (&real["datasets"], &json!(true)));
        for made in real["datasets"].as_array().unwrap() {
            let dir = made["dir"].as_str().unwrap();
            let stats = json_of(here, &["dataset", "stats", dir, "--json"]);
            assert_eq!(stats["episodes"], made["episodes"]);
            let checked = json_of(here, &["dataset", "check", dir, "--json"]);
            // Merged with itself every episode is there twice, which is said.
            let twice = arguments.contains(&"merge");
            let kinds = checked["findings"].as_array().unwrap().iter().map(|f| f["kind"].clone());
            assert!(kinds.clone().all(|kind| kind == "duplicate"), "{checked}");
            assert_eq!(kinds.count() > 0, twice, "{checked}");
        }
    }
    let stats = json_of(here, &["dataset", "stats", "a", "--json"]);
    assert_eq!((&stats["tasks"], &stats["labels"]["failure"]), (&json!({"throw": 3}), &json!(3)));
}

#[test]
fn a_repair_for_trial_says_what_the_repair_then_does() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    dataset(&here.join("a"), 2);
    fs::write(here.join("a/meta/info.json.tmp"), "half").unwrap();
    fs::remove_file(here.join("a/meta/stats.json")).unwrap();
    let trial = json_of(here, &["dataset", "repair", "a", "--dry-run", "--json"]);
    assert!(here.join("a/meta/info.json.tmp").exists() && !here.join("a/meta/stats.json").exists());
    let real = json_of(here, &["dataset", "repair", "a", "--json"]);
    assert_eq!(trial["repairs"].as_array().unwrap().len(), 2, "{trial}");
    assert_eq!(trial["repairs"], real["repairs"]);
    assert_eq!(json_of(here, &["dataset", "repair", "a", "--json"])["repairs"], json!([]));
    assert_eq!(fs::read_dir(here).unwrap().count(), 1);
}

#[test]
fn an_episode_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    dataset(&folder.path().join("a"), 2);
    let shown =
        json_of(folder.path(), &["dataset", "show", "a", "--episode", "1", "--out", "p", "--json"]);
    let files = shown["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    for file in files {
        let bytes = fs::read(folder.path().join(file.as_str().unwrap())).unwrap();
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5000);
    }
}

/// A daemon for one replay: takes the request and answers these lines.
fn daemon(socket: &Path, lines: Vec<Json>) -> thread::JoinHandle<Json> {
    let listener = UnixListener::bind(socket).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let body = loop {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&request).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.to_lowercase();
                let length = length.split("content-length: ").nth(1).unwrap();
                let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
                if body.len() >= length {
                    break body.to_owned();
                }
            }
        };
        let answer: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(format!("{head}{answer}").as_bytes()).unwrap();
        serde_json::from_str(&body).unwrap()
    })
}

#[test]
fn a_replay_asks_for_the_recorded_actions_and_tells_how_far_the_motion_came() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    dataset(&here.join("a"), 1);
    // Two centimetres beside the recorded motion all along.
    let pose = |row: usize| json!({"position_m": [0.01 * row as f64, -0.38, 0.2], "orientation": [0.0, 0.0, 0.0, 1.0]});
    let step = |step: usize| json!({"event": "step", "step": step, "pose": pose(step + 1), "opening": 1.0});
    let mut lines = vec![json!({"event": "homing"}), json!({"event": "started", "pose": pose(0)})];
    lines.extend((0..ROWS).map(step));
    lines.push(json!({"event": "ended", "complete": true, "detail": "all steps were executed"}));
    let daemon = daemon(&here.join("socket"), lines);
    let arguments = ["--socket", "socket", "replay", "a", "--episode", "0", "--actions", "sent"];
    let report = json_of(here, &[&arguments[..], &["--speed", "0.5", "--json"]].concat());
    let request = daemon.join().unwrap();
    assert_eq!((&request["speed"], &request["home"]), (&json!(0.5), &json!(true)));
    assert_eq!(request["actions"].as_array().unwrap().len(), ROWS);
    let dx = request["actions"][3]["translation_m"][0].as_f64().unwrap();
    assert!((dx - 0.005).abs() < 1e-6, "{request}");
    let comparison = &report["comparison"];
    let number = |of: &str| comparison[of]["position_m"].as_f64().unwrap();
    assert_eq!((&report["complete"], &report["executed"]), (&json!(true), &json!(ROWS)));
    assert!(
        (number("mean") - 0.02).abs() < 1e-6 && (number("max") - 0.02).abs() < 1e-6,
        "{report}"
    );
    assert!(number("moved") < 1e-6, "{report}");
    assert_eq!(comparison["steps"].as_array().unwrap().len(), ROWS - 1);
}

#[test]
fn a_replay_that_does_not_come_to_its_end_fails() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    dataset(&here.join("a"), 1);
    let ended =
        json!({"event": "ended", "complete": false, "detail": "a person took the joystick"});
    let daemon = daemon(&here.join("socket"), vec![ended]);
    let output = jaco(here, &["--socket", "socket", "replay", "a", "--episode", "0", "--no-home"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("took the joystick"));
    assert_eq!(daemon.join().unwrap()["home"], json!(false));
}
