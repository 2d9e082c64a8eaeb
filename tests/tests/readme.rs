//! The commands of README.md, as they stand there, in a folder laid out like a checkout: whoever
//! follows it gets where it says.

#![allow(clippy::unwrap_used)]

use jaco_tests::{Running, built, poll};
use rustix::process::Signal;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../README.md");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Runs of which one must succeed. In real time on a busy machine about one in six gives up after
/// its 300 steps (the policy picks beside the cube and tries again); three in a row do not.
const ATTEMPTS: usize = 3;

/// The indented lines behind the paragraph that holds `before`.
fn commands_after(before: &str) -> Vec<&'static str> {
    let (_, rest) = README.split_once(before).unwrap();
    let lines = rest.lines().skip_while(|line| !line.starts_with("    "));
    lines.take_while(|line| line.starts_with("    ")).map(str::trim).collect()
}

/// `jacod --config config/sim.toml` and `jaco run` as written ended in "No such file".
#[test]
fn the_steps_on_the_simulated_arm_lead_to_a_cube_on_a_plate() {
    let checkout = tempfile::tempdir().unwrap();
    let at = |name: &str| checkout.path().join(name);
    let programs = built("jaco").unwrap().parent().unwrap().to_owned();
    std::fs::create_dir(at("target")).unwrap();
    symlink(programs, at("target/debug")).unwrap();
    for name in ["config", "model"] {
        symlink(Path::new(ROOT).join(name), at(name)).unwrap();
    }
    let steps = commands_after("On the simulated arm, step by step");
    assert!(steps.iter().any(|step| step.contains("jaco run")), "{steps:?}");
    let shell = |step: &str| {
        let mut command = Command::new("bash");
        command.args(["-c", step]).current_dir(checkout.path()).env_remove("JACO_SOCKET");
        command
    };
    let mut programs = Vec::new();
    let mut exported = String::new();
    for step in steps {
        if step.starts_with("export ") {
            exported += &format!("{step}; ");
        } else if let Some(program) = step.strip_suffix('&') {
            programs.push(Running::start(&mut shell(&format!("exec {program}"))).unwrap());
            let socket =
                at(if step.contains("jacod") { "data/jacod.sock" } else { "data/sim.sock" });
            poll("its socket", || Ok(socket.exists().then_some(()))).unwrap();
        } else if step.ends_with("jaco home") {
            // A person types slower than the arm's process starts.
            let command = format!("{exported}{step}");
            poll("an arm that can be homed", || {
                Ok(shell(&command).output()?.status.success().then_some(()))
            })
            .unwrap();
        } else if step.contains("jaco run") {
            let mut said = String::new();
            let succeeded = (0..ATTEMPTS).any(|attempt| {
                if attempt > 0 {
                    said += "once more, from home\n";
                    let home = format!("{exported}target/debug/jaco home");
                    assert!(shell(&home).output().unwrap().status.success(), "{said}");
                }
                let output = shell(&format!("{exported}{step}")).output().unwrap();
                said += &String::from_utf8_lossy(&output.stdout);
                said += &String::from_utf8_lossy(&output.stderr);
                let exit = output.status.code();
                assert!(exit == Some(0) || exit == Some(1), "{step}: {exit:?}\n{said}");
                exit == Some(0)
            });
            assert!(succeeded, "{step}:\n{said}");
        } else {
            let output = shell(&format!("{exported}{step}")).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{step}: {said}");
        }
    }
    // The daemon first, so that it can give the arm back.
    for program in programs.into_iter().rev() {
        program.signal(Signal::TERM).unwrap();
        let (said, status) = program.end().unwrap();
        assert!(status.success(), "{said}");
    }
}
