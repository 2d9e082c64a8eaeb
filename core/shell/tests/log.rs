//! A log of JSON from the outside: this test starts itself as the program that logs.

#![allow(clippy::unwrap_used)]

use jaco_core::{Level, LogFormat};
use std::process::Command;

/// Set in the child, which then is the program.
const PROGRAM: &str = "JACO_SHELL_TEST_IS_THE_PROGRAM";

#[test]
fn program() {
    if std::env::var_os(PROGRAM).is_none() {
        return;
    }
    let log = jaco_shell::log::start(Level::Info, LogFormat::Json).unwrap();
    tracing::info!("a line\nand another");
    for output in [1, 2] {
        for text in ["a library\n", "unfinished"] {
            // SAFETY: the bytes are there for the call; it is what a library in C does.
            let written = unsafe { libc::write(output, text.as_ptr().cast(), text.len()) };
            assert_eq!(written, text.len() as isize);
        }
    }
    let died = std::thread::spawn(|| panic!("out of cheese")).join();
    assert!(died.is_err());
    drop(log);
    std::process::exit(7);
}

/// go-algorand #4857: panics and what libraries print made the log of JSON none.
#[test]
fn panics_and_prints_are_objects_of_the_log() {
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new(this);
    child.args(["--exact", "program", "--nocapture", "--quiet"]).env(PROGRAM, "1");
    let output = child.env_remove("RUST_LOG").output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let log = String::from_utf8(output.stderr).unwrap();
    let message = |line: &str| {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        object["fields"]["message"].as_str().unwrap().to_owned()
    };
    let messages: Vec<String> = log.lines().map(message).collect();
    let said = |text: &str| messages.iter().any(|message| message.contains(text));
    assert!(said("a line\nand another"), "{log}");
    assert!(said("a library prints: a library"), "{log}");
    assert!(said("a library prints: unfinished"), "{log}");
    assert!(said("out of cheese"), "{log}");
}
