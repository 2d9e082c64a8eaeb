//! The shipped policy, through the operator's tool: lockstep evaluation and recording.

#![allow(clippy::unwrap_used)]

use jaco_tests::built;
use serde_json::Value;
use std::process::Command;

fn jaco(arguments: &[&str]) -> Value {
    let output =
        Command::new(built("jaco").unwrap()).arg("--json").args(arguments).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "jaco {arguments:?}: {words}");
    serde_json::from_slice(&output.stdout).expect("one JSON object on stdout")
}

/// docs/mini-policy.md has the measured rate over many more placements; this guards the path
/// from checkpoint to success, not the rate.
#[test]
fn the_shipped_policy_places_the_cube_more_often_than_not() {
    let result = jaco(&[
        "eval",
        "--sim",
        "--task",
        "place-block",
        "--trials",
        "10",
        "--seed",
        "5",
        "--horizon",
        "4",
    ]);
    assert_eq!(result["trials"], 10);
    assert!(result["successes"].as_u64().unwrap() >= 6, "{result}");
}

/// docs/results.md has the measured rates; this guards that each task and both policies are there.
#[test]
fn the_shipped_policies_do_all_four_tasks() {
    for policy in ["mini", "mini-saa"] {
        let folder = format!("{}/../model/{policy}", env!("CARGO_MANIFEST_DIR"));
        let sweep =
            ["eval", "--sim", "--task", "all", "--trials", "4", "--seed", "5", "--horizon", "2"];
        let result = jaco(&[&sweep[..], &["--expectation", "--checkpoint", &folder]].concat());
        let cells = result["cells"].as_array().unwrap();
        assert_eq!(cells.len(), 4);
        let done = |cell: &Value| cell["successes"].as_u64().unwrap();
        assert!(cells.iter().all(|cell| done(cell) >= 2), "{policy}: {result}");
        assert!(cells.iter().map(done).sum::<u64>() >= 12, "{policy}: {result}");
    }
}

#[test]
fn the_result_names_how_streams_were_decoded_and_draws_repeat() {
    let arguments = [
        "eval",
        "--sim",
        "--task",
        "place-block",
        "--trials",
        "2",
        "--seed",
        "5",
        "--max-steps",
        "8",
        "--horizon",
        "4",
        "--decode",
        "top-k:5:0.7",
        "--expectation",
        "--max-entropy",
        "0",
    ];
    let result = jaco(&arguments);
    assert_eq!(result["decode"], "top-k:5:0.7");
    assert_eq!(result["expectation"], true);
    assert_eq!(result["max_entropy"], 0.0);
    assert_eq!(result["units_per_inference"], 1.0, "all but the first are cut off");
    assert!(result["statistics"].is_string() && result["adapter"].is_null(), "{result}");
    assert_eq!(jaco(&arguments), result);
}

#[test]
fn what_the_expert_demonstrates_can_be_recorded_and_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (demonstrations, checkpoint) = (path("demonstrations"), path("checkpoint"));
    let recorded = jaco(&[
        "record",
        "--sim",
        "--task",
        "place-block",
        "--episodes",
        "3",
        "--seed",
        "1",
        "--jobs",
        "2",
        "--out",
        &demonstrations,
    ]);
    assert_eq!(recorded["episodes"], 3);
    let trained = jaco(&[
        "train",
        "lbc",
        "--dataset",
        &demonstrations,
        "--out",
        &checkpoint,
        "--horizon",
        "2",
        "--steps",
        "2",
    ]);
    assert_eq!(trained["step"], 2);
    let result = jaco(&[
        "eval",
        "--sim",
        "--task",
        "place-block",
        "--trials",
        "1",
        "--max-steps",
        "4",
        "--horizon",
        "2",
        "--checkpoint",
        &checkpoint,
    ]);
    assert_eq!(result["successes"], 0, "a policy of two steps knows nothing");
}

#[test]
fn unusable_input_has_the_exit_code_of_a_wrong_command_line() {
    let arguments = ["eval", "--sim", "--task", "place-block", "--trials", "1"];
    for (option, value, words) in [
        ("--checkpoint", "/nonexistent", "/nonexistent/config.json"),
        ("--statistics", "taco", "no statistics under \"taco\""),
        ("--horizon", "28", "the policy decodes 1 to 10 action units"),
        ("--decode", "nucleus:0.9", "must be \"greedy\", \"top-k:K\""),
        ("--max-entropy", "-1", "a number of nats from 0 on"),
    ] {
        let mut command = Command::new(built("jaco").unwrap());
        let output = command.args(arguments).arg(format!("{option}={value}")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(words), "{option} {value}: {said}");
        assert_eq!(output.status.code(), Some(2), "{option} {value}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trials() {
    let arguments =
        ["eval", "--sim", "--task", "clean-table", "--trials", "3", "--seed", "9", "--expert"];
    assert_eq!(jaco(&arguments)["steps"], jaco(&arguments)["steps"]);
}
