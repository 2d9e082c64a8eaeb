//! The daemon on the simulated arm, through the real programs, processes and C ABI.

#![allow(clippy::unwrap_used)]

use jaco_api::client::{Client, ClientError};
use jaco_api::{Activity, Event, RunEvent};
use jaco_core::Decode;
use jaco_tests::Rig;
use rustix::process::Signal;
use serde_json::Value;

fn mode(rig: &Rig) -> String {
    rig.jaco_json(&["status"]).unwrap()["mode"].as_str().unwrap().to_owned()
}

/// Lets the policy drive for `steps` steps, too few for the task; the report of it.
fn report_of(rig: &Rig, execution: &str, steps: &str) -> (Value, std::path::PathBuf) {
    let instruction = "put the blue cube on the green plate";
    let output =
        rig.jaco(&["run", instruction, "--max-steps", steps, "--execution", execution]).unwrap();
    assert_eq!(output.status.code(), Some(1), "{steps} steps are too few for the task");
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["success"], false);
    let folder = std::path::PathBuf::from(outcome["folder"].as_str().unwrap());
    let report = std::fs::read(folder.join("report.json")).unwrap();
    (serde_json::from_slice(&report).unwrap(), folder)
}

/// What `jaco` refuses, in words, and its exit code.
fn refused(rig: &Rig, arguments: &[&str]) -> (String, i32) {
    let output = rig.jaco(arguments).unwrap();
    assert!(output.stdout.is_empty(), "nothing but a result goes to stdout");
    (String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
}

#[test]
fn an_operator_homes_stops_and_resets_the_arm_and_the_daemon_ends_cleanly() {
    let mut rig = Rig::start().unwrap();
    assert_eq!(mode(&rig), "needs-home");
    let (words, code) = refused(&rig, &["run", "put the blue cube on the green plate"]);
    assert!(words.contains("`jaco home` first"), "{words}");
    assert_eq!(code, 4);

    rig.jaco_json(&["home"]).unwrap();
    assert_eq!(mode(&rig), "idle");
    rig.jaco_json(&["stop"]).unwrap();
    assert_eq!(mode(&rig), "stopped");
    let (words, code) = refused(&rig, &["home"]);
    assert!(words.contains("jaco reset"), "{words}");
    assert_eq!(code, 4);
    rig.jaco_json(&["reset"]).unwrap();
    assert_eq!(mode(&rig), "idle");

    assert!(rig.end_daemon(Signal::TERM).unwrap().success());
    let (words, code) = refused(&rig, &["status"]);
    assert!(words.contains("no daemon answers"), "{words}");
    assert_eq!(code, 3);
}

#[tokio::test]
async fn what_happens_is_told_to_all_who_listen() {
    let rig = Rig::homed().unwrap();
    let client = Client::new(&rig.path("jacod.sock"));
    // Whoever has the answer's head listens.
    let mut listeners = Vec::new();
    for _ in 0..2 {
        listeners.push(client.get_lines("/v1/events").await.unwrap());
    }
    let run = ["run", "put the blue cube on the green plate", "--max-steps", "5"];
    let run = rig.start_jaco(&run).unwrap();
    for mut events in listeners {
        let mut activities = Vec::new();
        loop {
            match events.next::<Event>().await.unwrap().unwrap() {
                Event::Activity { now, .. } => activities.push(now),
                Event::Run { run: RunEvent::Ended { verdict, .. } } => {
                    assert_eq!(verdict.detail, "gave up after 5 steps");
                    break;
                }
                _ => {}
            }
        }
        assert_eq!(activities, [Activity::Run, Activity::Nobody]);
    }
    assert!(!run.end().unwrap().1.success());
}

/// Anything that speaks HTTP may ask anything: it is refused in the one form, and nothing moves.
#[tokio::test]
async fn requests_that_are_none_are_refused_in_words() {
    let rig = Rig::homed().unwrap();
    let client = Client::new(&rig.path("jacod.sock"));
    let instruction = "x".repeat(100_000);
    for (path, body, reason) in [
        ("/v1/run", serde_json::json!([1, 2]), "the body "),
        ("/v1/run", serde_json::json!({"instruction": 3}), "the body "),
        ("/v1/run", serde_json::json!({"instruction": instruction}), "the body "),
        ("/v1/run", serde_json::json!({"instruction": "put\u{7}it"}), "without control characters"),
        ("/v1/run/finish", serde_json::json!(null), "the body "),
        ("/v1/fly", serde_json::json!({}), "there is no request"),
    ] {
        let answer = client.post::<_, Value>(path, &body).await.unwrap_err();
        assert!(matches!(answer, ClientError::Refused(_)), "{path}: {answer}");
        assert!(answer.to_string().contains(reason), "{path}: {answer}");
    }
    assert_eq!(mode(&rig), "idle");
}

#[test]
fn a_run_leaves_a_report_in_which_every_step_is_accounted_for() {
    let rig = Rig::start().unwrap();
    rig.jaco_json(&["home"]).unwrap();
    for execution in ["sync", "async"] {
        let (report, folder) = report_of(&rig, execution, "30");
        assert_eq!(report["decode"]["method"], "greedy");
        let attempt = &report["attempts"][0];
        let count = |key: &str| attempt[key].as_u64().unwrap();
        assert_eq!(count("steps_executed") + count("starved_steps"), 30, "{attempt}");
        if execution == "sync" {
            assert_eq!(count("starved_steps"), 0, "sync execution pauses instead");
        }
        for picture in ["contact-sheet-1.png", "path-1.png"] {
            let png = std::fs::read(folder.join(picture)).unwrap();
            assert!(png.starts_with(b"\x89PNG"), "{picture}");
        }
    }
}

/// With every unit but the first cut off, streams are shorter than what was asked for.
#[test]
fn a_run_is_decoded_as_configured_and_copes_with_short_streams() {
    let rig = Rig::start_with(|config| {
        config.policy.decode = Decode::TopK { k: 3, temperature: 0.5 };
        config.policy.seed = 7;
        config.policy.expectation = true;
        config.policy.max_entropy = Some(0.0);
    })
    .unwrap();
    rig.jaco_json(&["home"]).unwrap();
    let policy = &rig.jaco_json(&["status"]).unwrap()["policy"];
    assert_eq!(policy["decode"], "top-k:3:0.5 from seed 7, means, cut off above 0 nats");
    assert_eq!((&policy["device"], &policy["dtype"]), (&"cpu".into(), &"f32".into()));
    for execution in ["sync", "async"] {
        let (report, _) = report_of(&rig, execution, "20");
        assert_eq!(report["decode"]["seed"], 7);
        assert_eq!(report["checkpoint"]["statistics"], policy["statistics"]);
        let attempt = &report["attempts"][0];
        let count = |key: &str| attempt[key].as_u64().unwrap();
        assert_eq!(count("steps_executed") + count("starved_steps"), 20, "{attempt}");
        if execution == "sync" {
            assert_eq!(count("starved_steps"), 0, "{attempt}");
            let inferences = &attempt["inference"]["total"]["count"];
            assert!(inferences.as_u64() >= Some(20), "one for each step: {attempt}");
        }
    }
}

#[test]
fn statistics_that_the_checkpoint_lacks_are_told_with_the_setting_that_chooses_them() {
    let rig = Rig::start_with(|config| config.policy.statistics = Some("taco".to_owned())).unwrap();
    let faults = rig.jaco_json(&["status"]).unwrap()["faults"].to_string();
    let advice = "set `statistics` in [policy] of the configuration";
    assert!(faults.contains("no statistics under") && faults.contains(advice), "{faults}");
}

#[test]
fn a_horizon_that_the_policy_was_not_trained_for_is_refused() {
    let rig = Rig::start().unwrap();
    rig.jaco_json(&["home"]).unwrap();
    let (words, code) =
        refused(&rig, &["run", "put the blue cube on the green plate", "--horizon", "20"]);
    assert!(words.contains("horizon 20 is outside 1..="), "{words}");
    assert_eq!(code, 4);
    let (words, code) = refused(&rig, &["run", "fly to the moon"]);
    assert!(words.contains("does not know"), "{words}");
    assert_eq!(code, 4);
}
