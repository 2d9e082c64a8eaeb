//! `jaco demo`, ended before it is done.

#![allow(clippy::unwrap_used)]

use jaco_tests::built;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Far beyond what a killed process takes to go.
const GONE: Duration = Duration::from_secs(20);

/// Command lines of all processes that name `text`.
fn processes_that_name(text: &str) -> Vec<String> {
    let commands = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let command = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&command).replace('\0', " "))
    });
    commands.filter(|command| command.contains(text)).collect()
}

/// It left daemon and simulator running.
#[test]
fn a_demo_that_is_terminated_takes_its_programs_along() {
    let out = tempfile::tempdir().unwrap();
    let mut demo = Command::new(built("jaco").unwrap())
        .args(["demo", "--seed", "1", "--out"])
        .arg(out.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = std::env::temp_dir().join(format!("jacod-demo-{}", demo.id()));
    let name = folder.to_str().unwrap().to_owned();
    let mut lines = BufReader::new(demo.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("attempt 1")), "it never began");
    assert!(processes_that_name(&name).len() >= 2, "daemon and simulator run");
    kill_process(Pid::from_child(&demo), Signal::TERM).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(1));
    let deadline = Instant::now() + GONE;
    while !processes_that_name(&name).is_empty() {
        assert!(Instant::now() < deadline, "still there: {:?}", processes_that_name(&name));
        std::thread::yield_now();
    }
    assert!(!folder.exists());
    // What its daemon keeps for itself, as a stop that is latched, is not left beside the reports.
    let left = std::fs::read_dir(out.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["runs"]);
    assert!(out.path().join("runs/jacod.log").is_file());
}
