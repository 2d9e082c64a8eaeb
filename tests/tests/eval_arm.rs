//! `jaco eval --arm` on the simulated arm in real time: killed and gone on with, and with a person
//! who judges.

#![allow(clippy::unwrap_used)]

use jaco_api::Activity;
use jaco_tests::{Rig, built};
use rustix::process::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// The whole lines of a folder's tries.
fn tries(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("trials.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(str::to_owned).collect()
}

#[test]
fn an_evaluation_at_the_arm_that_was_killed_goes_on() {
    let rig = Rig::homed().unwrap();
    let out = rig.path("tries");
    let words = [
        "eval",
        "--arm",
        "--task",
        "place-block",
        "--trials",
        "2",
        "--max-steps",
        "12",
        "--horizon",
        "4",
        "--out",
        out.to_str().unwrap(),
    ];
    let running = rig.start_jaco(&words).unwrap();
    rig.until("a try", |_| !tries(&out).is_empty()).unwrap();
    running.signal(Signal::KILL).unwrap();
    running.end().unwrap();
    let before = tries(&out);
    rig.until("an arm that is free again", |status| status.activity == Activity::Nobody).unwrap();

    let result = rig.jaco_json(&words).unwrap();
    assert_eq!((&result["trials"], &result["horizon"]), (&2.into(), &4.into()), "{result}");
    let all = tries(&out);
    assert_eq!(all.len(), 2);
    assert!(all.starts_with(&before), "tries that were there are left as they are");
    let first: Value = serde_json::from_str(&all[0]).unwrap();
    assert_eq!((&first["ended"], &first["ran_steps"]), (&"time".into(), &12.into()), "{first}");
    assert!(first["inferences"].as_u64().unwrap() >= 3, "{first}");
    assert!(first["path_m"].as_array().unwrap().len() > 6, "{first}");
    let asked = std::fs::read_to_string(out.join("evaluation.json")).unwrap();
    assert!(asked.contains("\"arm\": \"simulated\""), "{asked}");

    let far = [&words[..8], &["--horizon", "28", "--out", "elsewhere"]].concat();
    let refused = rig.jaco(&far).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("horizon 28: the policy decodes 1 to 10"), "{said}");
}

#[test]
fn a_person_sets_the_table_and_judges() {
    let rig = Rig::homed().unwrap();
    let out = rig.path("tries");
    let mut running = Command::new(built("jaco").unwrap())
        .arg("--socket")
        .arg(rig.path("jacod.sock"))
        .args(["--json", "eval", "--arm", "--instruction", "lift the cube", "--trials", "2"])
        .args(["--max-steps", "20", "--horizon", "4", "--label", "L-BC", "--out"])
        .arg(&out)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut hand = running.stdin.take().unwrap();
    let mut said = BufReader::new(running.stderr.take().unwrap()).lines();
    // The first try is done before its time; the second one is stopped, so nobody asks how it was, and
    // offered again once the stop is released; then it ends by itself, is to be made again, and is
    // left for another day.
    for (prompt, key) in [
        ("space = go", " "),
        ("y = it is done", "y"),
        ("space = go", " "),
        ("y = it is done", "stop"),
        ("space = go", " "),
        ("space = go", "reset"),
        ("y = it is done", ""),
        ("was it done?", "a"),
        ("space = go", "q"),
    ] {
        let prompted = said.by_ref().any(|line| {
            let line = line.unwrap();
            assert!(!line.contains("was it done?") || prompt == "was it done?", "{line}");
            line.contains(prompt)
        });
        assert!(prompted, "it never said {prompt:?}:\n{}", rig.log());
        match key {
            "stop" => assert!(rig.jaco(&["stop"]).unwrap().status.success()),
            // The stop was refused to the person who pressed space: released, they press it again.
            "reset" => {
                assert!(rig.jaco(&["reset"]).unwrap().status.success());
                hand.write_all(b" ").unwrap();
            }
            keys => hand.write_all(keys.as_bytes()).unwrap(),
        }
    }
    assert!(said.any(|line| line.unwrap().contains("goes on from here")));
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&result["trials"], &result["successes"]), (&1.into(), &1.into()), "{result}");
    assert_eq!((&result["task"], &result["policy"]), (&"lift the cube".into(), &"L-BC".into()));
    let all = tries(&out);
    assert_eq!(all.len(), 1);
    let only: Value = serde_json::from_str(&all[0]).unwrap();
    assert!(only["steps"].as_u64().unwrap() < 20, "{only}");
}
