//! What the programs write on their outputs, whoever reads them: a reader that goes away, a disk
//! that is full, a log that another program parses.

#![allow(clippy::unwrap_used)]

use jaco_config::Config;
use jaco_core::LogFormat;
use jaco_tests::{Rig, Running, Setup, built, poll};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const MINI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../model/mini");

/// The simulated arm's configuration with paths below `folder`, changed by `change`.
fn configuration(folder: &Path, change: impl FnOnce(&mut Config)) -> PathBuf {
    let mut config = Config::parse(include_str!("../../config/sim.toml"), "sim.toml").unwrap();
    config.paths.data_dir = folder.join("data");
    config.api.socket = folder.join("jacod.sock");
    config.arm.sdk = built("libjaco_sim_sdk.so").unwrap();
    config.policy.checkpoint = MINI.into();
    config.sim = Some(jaco_config::Sim { socket: folder.join("sim.sock"), semaphore: None });
    change(&mut config);
    let path = folder.join("jacod.toml");
    std::fs::write(&path, toml::to_string(&config).unwrap()).unwrap();
    path
}

/// Every program and kind of verb that prints a result without a daemon.
fn printers(folder: &Path) -> Vec<Command> {
    let config = configuration(folder, |_| {});
    let config = config.to_str().unwrap();
    let eval = ["eval", "--sim", "--task", "place-block", "--expert", "--trials", "1"];
    let lines: Vec<Vec<&str>> = vec![
        vec!["jaco", "--help"],
        vec!["jaco", "--version"],
        vec!["jaco", "help", "run"],
        vec!["jacod", "--help"],
        vec!["jacod", "--check", "--config", config],
        vec!["jaco-sim", "--help"],
        vec!["jaco-servo", "--help"],
        vec!["jaco-lab", "--version"],
        vec!["jaco-train", "--help"],
        vec!["jaco-policy", "--help"],
        vec!["jaco", "policy", "inspect", MINI],
        vec!["jaco", "--json", "policy", "inspect", MINI],
        [&["jaco"][..], &eval].concat(),
        [&["jaco", "--json"][..], &eval].concat(),
    ];
    let command = |words: Vec<&str>| {
        let mut command = Command::new(built(words[0]).unwrap());
        command.args(&words[1..]).stdin(Stdio::null());
        command
    };
    lines.into_iter().map(command).collect()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A writing end that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// rustic #1915, fd #24: `... | true` ended in a panic and exit code 101.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    for mut command in printers(folder.path()) {
        let output = command.stdout(closed_pipe()).stderr(Stdio::piped()).output().unwrap();
        let said = words(&output);
        assert_eq!(output.status.code(), Some(0), "{command:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("pipe"), "{command:?}: {said}");
    }
}

/// rustic #1915: nor may a result that is on no disk pass for one.
#[test]
fn a_full_disk_is_said_and_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for mut command in printers(folder.path()) {
        let output = command.stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let said = words(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("cannot write to standard output: No space left"), "{said}");
    }
    // With no place for words either, the exit code still tells.
    for mut command in printers(folder.path()) {
        let status = command.stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(1), "{command:?}");
    }
}

/// fd #24, for words: what is refused keeps its code though nobody takes the reason.
#[test]
fn words_that_nobody_takes_change_no_exit_code() {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for stderr in [full, closed_pipe] {
        for (words, code) in [
            (&["jaco", "--socket", "/nonexistent/s", "status"][..], 3),
            (&["jaco", "--no-such-option"], 2),
            (&["jaco", "policy", "inspect", "/nonexistent"], 2),
            (&["jacod", "--config", "/nonexistent"], 2),
            (&["jaco-sim", "--socket", "/dev/null"], 2),
            (&["jaco-servo"], 2),
        ] {
            let mut command = Command::new(built(words[0]).unwrap());
            let status = command.args(&words[1..]).stderr(stderr()).status().unwrap();
            assert_eq!(status.code(), Some(code), "{words:?}");
        }
    }
}

#[test]
fn verbs_of_a_daemon_survive_their_reader_and_a_full_disk() {
    let rig = Rig::homed().unwrap();
    let socket = rig.path("jacod.sock");
    for words in [&["status"][..], &["--json", "status"], &["reset"], &["stop"], &["reset"]] {
        let mut command = Command::new(built("jaco").unwrap());
        command.arg("--socket").arg(&socket).args(words);
        let output = command.stdout(closed_pipe()).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", self::words(&output));
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", self::words(&output));
    }
    // Ends at the first event that nobody reads.
    let mut events = Command::new(built("jaco").unwrap());
    events.arg("--socket").arg(&socket).arg("events").stdout(closed_pipe()).stderr(Stdio::piped());
    let mut events = events.spawn().unwrap();
    let ended = poll("the end of `jaco events`", || {
        rig.jaco_json(&["stop"])?;
        rig.jaco_json(&["reset"])?;
        Ok(events.try_wait()?)
    });
    assert_eq!(ended.unwrap().code(), Some(0));
}

/// The objects of a log, each line of it one.
fn objects(log: &str) -> Vec<Value> {
    let parse = |line: &str| {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(object["timestamp"].is_string() && object["level"].is_string(), "{line}");
        object
    };
    log.lines().map(parse).collect()
}

fn message(object: &Value) -> &str {
    object["fields"]["message"].as_str().unwrap()
}

/// What the daemon in `folder` says of itself; null while none answers.
fn status(folder: &Path) -> Value {
    let mut status = Command::new(built("jaco").unwrap());
    status.arg("--socket").arg(folder.join("jacod.sock")).args(["--json", "status"]);
    serde_json::from_slice(&status.output().unwrap().stdout).unwrap_or_default()
}

/// moonfire-nvr #158, go-algorand #4857: 60 % of the JSON log was not JSON, and the same failures
/// came eight times a second for ever.
#[test]
fn without_arm_and_cameras_the_log_is_json_and_tells_each_thing_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = configuration(folder.path(), |config| {
        config.log.format = LogFormat::Json;
        let missing = jaco_config::VideoDevice::Path("/dev/v4l/by-id/no-such-camera".into());
        let source = jaco_config::Source::V4l { device: missing };
        let second = jaco_config::Camera { name: "b".into(), source, ..config.cameras[0].clone() };
        config.cameras.push(second);
    });
    let mut command = Command::new(built("jacod").unwrap());
    let daemon = Running::start(command.arg("--config").arg(config)).unwrap();
    let restarts = || status(folder.path())["servo_restarts"].as_u64();
    poll("a sixth servo", || Ok((restarts() >= Some(5)).then_some(()))).unwrap();
    daemon.signal(Signal::TERM).unwrap();
    let (log, status) = daemon.end().unwrap();
    assert!(status.success(), "{log}");
    let mut counts = BTreeMap::<&str, usize>::new();
    let objects = objects(&log);
    objects.iter().for_each(|object| *counts.entry(message(object)).or_default() += 1);
    let printed = |text: &&&str| text.starts_with("the arm's SDK prints: SDK stand-in");
    assert!(counts.keys().any(|text| printed(&text)), "what the SDK prints is in the log: {log}");
    for (text, count) in &counts {
        // Printed at least six times: told the first, second and fourth.
        let most = if printed(&text) { 3 } else { 1 };
        assert!(*count <= most, "{count} times: {text}\n{log}");
    }
    for once in ["camera fault: jaco-sim does not answer", "camera fault: there is no /dev/v4l"] {
        assert!(counts.keys().any(|text| text.starts_with(once)), "{once}\n{log}");
    }
}

#[test]
fn the_log_of_a_working_daemon_is_json_too() {
    let json = |config: &mut Config| {
        config.log = jaco_config::Log { level: jaco_core::Level::Debug, format: LogFormat::Json };
    };
    let setup = Setup { homed: true, configure: Some(json), ..Setup::default() };
    let mut rig = Rig::start_as(setup).unwrap();
    rig.jaco(&["run", jaco_tests::TASK, "--max-steps", "5"]).unwrap();
    rig.jaco_json(&["stop"]).unwrap();
    rig.signal_servo(Signal::KILL).unwrap();
    rig.until("the next servo", |status| status.servo_restarts == 1 && status.ticks > 0).unwrap();
    assert!(rig.end_daemon(Signal::TERM).unwrap().success());
    let log = rig.log();
    let objects = objects(&log);
    for said in ["policy loaded", "stop: the arm stands", "arm in control", "arm given back"] {
        let found = objects.iter().any(|object| message(object).contains(said));
        assert!(found, "{said}\n{log}");
    }
}

/// What is wrong after the configuration was read is said in the log's form.
#[test]
fn a_start_that_fails_is_told_as_the_log_is() {
    let folder = TempDir::new().unwrap();
    let config = configuration(folder.path(), |config| {
        config.log.format = LogFormat::Json;
        std::fs::write(&config.api.socket, "no socket").unwrap();
    });
    let output =
        Command::new(built("jacod").unwrap()).arg("--config").arg(config).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let log = words(&output);
    let objects = objects(&log);
    assert!(message(objects.last().unwrap()).ends_with("is not a socket: move it away"), "{log}");
}

/// An empty RUST_LOG silenced all but errors; one that is no filter was dropped in silence.
#[test]
fn the_level_of_the_log_is_as_configured_unless_a_variable_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for (variable, ready, complaint) in
        [("", true, false), ("warn", false, false), ("jaco=loud", true, true)]
    {
        let config = configuration(folder.path(), |_| {});
        let mut command = Command::new(built("jacod").unwrap());
        command.arg("--config").arg(config).env("RUST_LOG", variable);
        // Set to nothing: no service manager, and no word about it.
        command.env("NOTIFY_SOCKET", "");
        let daemon = Running::start(&mut command).unwrap();
        let policy = || Ok(status(folder.path())["policy"].is_object().then_some(()));
        poll("a daemon with a policy", policy).unwrap();
        daemon.signal(Signal::TERM).unwrap();
        let (log, _) = daemon.end().unwrap();
        assert_eq!(log.contains("serving"), ready, "{variable:?}: {log}");
        assert_eq!(log.contains("RUST_LOG is jaco=loud, no filter"), complaint, "{log}");
        assert!(!log.contains("service manager"), "{log}");
    }
}
