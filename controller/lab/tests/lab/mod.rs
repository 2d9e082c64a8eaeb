//! The real program, and what can be done to its processes.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// `jaco-lab --json` with these words, and the options that `rest` are.
pub fn lab(words: &str, rest: &[&OsStr]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jaco-lab"));
    command.arg("--json").args(words.split_whitespace()).args(rest);
    command
}

/// What it said on standard error.
pub fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What it printed, once it has succeeded.
pub fn printed(output: &Output) -> Value {
    assert!(output.status.success(), "{}", told(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Starts it.
pub fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The processes that `parent` has started.
pub fn children(parent: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).unwrap();
    let of_thread = |thread: std::fs::DirEntry| {
        std::fs::read_to_string(thread.path().join("children")).unwrap_or_default()
    };
    let all: Vec<String> = threads.map(|thread| of_thread(thread.unwrap())).collect();
    let numbers = all.iter().flat_map(|line| line.split_whitespace());
    numbers.map(|number| number.parse().unwrap()).collect()
}

/// Whether a process still runs. One that has ended and that nobody has asked for does not.
pub fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Sends the signal called `name` to what `kill` knows as `whom`.
pub fn signal(name: &str, whom: &str) {
    let sent = Command::new("kill").args(["-s", name, "--", whom]).status();
    assert!(sent.unwrap().success());
}

/// Looks until something has happened, without taking the cores from those that do it.
pub fn wait_until(happened: impl Fn() -> bool) {
    while !happened() {
        std::thread::sleep(Duration::from_millis(10));
    }
}
