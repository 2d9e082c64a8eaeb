//! `jaco cameras` with the real programs: with a daemon that has two cameras, and without one.

#![allow(clippy::unwrap_used)]

use jaco_tests::camera::{FakeCamera, configure};
use jaco_tests::{Rig, Setup, built};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

/// `jaco` where the fake camera is, and no daemon.
fn jaco(camera: &FakeCamera, arguments: &[&str]) -> Output {
    let mut command = Command::new(built("jaco").unwrap());
    command.args(["--socket", "/nowhere/jacod.sock"]).args(arguments);
    command.envs(camera.environment()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn a_picture_comes_from_the_daemon_that_has_the_camera_open() {
    let camera = FakeCamera::new().unwrap();
    let (wrapper, configure) = (camera.wrapper(), Some(configure as fn(&mut _)));
    let rig = Rig::start_as(Setup { wrapper, configure, ..Setup::default() }).unwrap();
    rig.until("two cameras", |status| status.cameras.iter().all(|c| c.frames > 0)).unwrap();
    for (name, ending, start) in [
        ("wrist", "png", &b"\x89PNG"[..]),
        ("wrist", "jpg", b"\xff\xd8"),
        ("front", "png", b"\x89PNG"),
        ("front", "jpg", b"\xff\xd8"),
    ] {
        let file = rig.path(&format!("{name}.{ending}"));
        let path = file.to_str().unwrap();
        let told = rig.jaco_json(&["cameras", "snap", name, "--out", path]).unwrap();
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.starts_with(start), "{told}");
        assert_eq!(told["bytes"], bytes.len());
        assert_eq!(told["from"], "the daemon");
        assert!(told["age_ms"].as_f64().unwrap() >= 0.0 && told["captured_ns"].as_u64() > Some(0));
        assert!(told["brightness"].as_f64().unwrap() > 8.0, "{told}");
        if name == "wrist" {
            assert_eq!((&told["width"], &told["height"]), (&640.into(), &480.into()));
        }
    }
    let config = rig.path("jacod.toml");
    let list = ["cameras", "list", "--config", config.to_str().unwrap()];
    let list = rig.jaco_json(&list).unwrap();
    assert_eq!(list["daemon"].as_array().unwrap().len(), 2, "{list}");
    assert_eq!(list["configured"][0]["device"], "sim");
    assert_eq!(list["configured"][1]["device"], "serial:8A3B1D2F");
    let refused = rig.jaco(&["cameras", "snap", "side", "--out", "/tmp/never.png"]).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("the daemon has no camera \"side\"; it has front, wrist"));
    camera.misbehave("dark").unwrap();
    let dark = |camera: &jaco_api::CameraStatus| camera.kind.as_deref() == Some("dark");
    rig.until("a dark camera", |status| status.cameras.iter().any(dark)).unwrap();
    let file = rig.path("dark.png");
    let told =
        rig.jaco_json(&["cameras", "snap", "wrist", "--out", file.to_str().unwrap()]).unwrap();
    assert!(told["fault"].as_str().unwrap().contains("are dark"), "{told}");
    let socket = rig.path("jacod.sock");
    let mut watch = Command::new(built("jaco").unwrap())
        .args(["--json", "--socket", socket.to_str().unwrap(), "cameras", "watch", "wrist"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines().take(2);
    let lines: Vec<Value> =
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(
        lines.iter().all(|line| line["name"] == "wrist" && line["kind"] == "dark"),
        "{lines:?}"
    );
    assert!(lines[1]["came_hz"].as_f64().unwrap() > 0.0);
}

#[test]
fn without_a_daemon_the_device_itself_is_asked() {
    let camera = FakeCamera::new().unwrap();
    let list = jaco(&camera, &["--json", "cameras", "list"]);
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    let found = &list["cameras"][0];
    assert_eq!((&found["path"], &found["name"]), (&"/dev/video0".into(), &"Fake camera".into()));
    assert_eq!(found["serial"], "8A3B1D2F");
    assert_eq!(found["modes"][0]["format"], "YUYV");
    assert_eq!(found["modes"][0]["size"], "640x480");
    let gain = found["controls"].as_array().unwrap().iter().find(|c| c["name"] == "gain").unwrap();
    assert_eq!((&gain["min"], &gain["max"], &gain["value"]), (&0.into(), &255.into(), &0.into()));
    assert_eq!((&list["configured"], &list["daemon"]), (&Value::Null, &Value::Null));
    let words = said(&jaco(&camera, &["cameras", "list"]));
    assert!(words.contains("device = \"serial:8A3B1D2F\""), "{words}");
    assert!(words.contains("auto_exposure: 3 (1 = Manual Mode, 3 = Aperture"), "{words}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jpg");
    let out = file.to_str().unwrap();
    let snap = jaco(&camera, &["cameras", "snap", "/dev/video0", "--out", out]);
    assert!(snap.status.success(), "{}", said(&snap));
    assert!(said(&snap).contains("a.jpg: 640 x 480, jpeg, "), "{}", said(&snap));
    assert!(std::fs::read(&file).unwrap().starts_with(b"\xff\xd8"));
    for (arguments, code, words) in [
        (&["snap", "/dev/video0", "--out", "a.gif"][..], 2, "must end in .png, .jpg or .jpeg"),
        (&["snap", "/dev/video0", "--out", out, "--size", "640"], 2, "must be such as 640x480"),
        (&["snap", "/dev/video0", "--out", out, "--size", "320x240"], 1, "offers no 320 x 240"),
        (
            &["snap", "/dev/video5", "--out", out],
            1,
            "there is no /dev/video5; there is /dev/video0",
        ),
        (&["snap", "front", "--out", out], 2, "no daemon answers: start jacod, name its cameras"),
        (&["snap", "/dev/video0", "--out", "/nowhere/a.png"], 2, "cannot write /nowhere/a.png"),
        (&["watch"], 2, "no daemon answers: start jacod, or name"),
        (&["list", "--config", "/nowhere.toml"], 2, "/nowhere.toml"),
    ] {
        let output = jaco(&camera, &[&["cameras"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(words), "{arguments:?}: {}", said(&output));
    }
}
