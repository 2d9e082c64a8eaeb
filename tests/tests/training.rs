//! A training in the background beside a daemon that drives the arm: the arm goes first.

#![allow(clippy::unwrap_used)]

use jaco_api::Activity;
use jaco_tests::{Rig, poll};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// More steps than any test takes.
const ENDLESS: &str = "1000000";
/// Room for a second episode, without which there is none to validate on.
const EPISODES: &str = "2";

/// Trains the shipped policy in the rig's folder `out`, in the background.
struct Training<'a>(&'a Rig);

impl Training<'_> {
    fn begin(&self) -> std::process::Output {
        let (recipe, data, out) = (self.path("recipe.toml"), self.path("demos"), self.path("out"));
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/mini");
        let policy = policy.to_str().unwrap();
        let what = ["train", "lbc", "--detach", "--steps", ENDLESS, "--recipe", &recipe];
        let words = [&what[..], &["--dataset", &data, "--init", policy, "--out", &out]];
        self.0.jaco(&words.concat()).unwrap()
    }

    /// Looks at it now and then until `wanted` holds.
    fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let status = ["train", "status", "--out", &self.path("out")];
            let seen = self.0.jaco_json(&status).unwrap();
            if wanted(&seen) {
                return seen;
            }
            // It has the lowest priority: who looks all the time would hold it up.
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn path(&self, name: &str) -> String {
        self.0.path(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Training<'_> {
    fn drop(&mut self) {
        let _ = self.0.jaco(&["train", "stop", "--out", &self.path("out")]);
    }
}

fn step(seen: &Value) -> u64 {
    seen["step"].as_u64().unwrap()
}

#[test]
fn the_arm_goes_before_a_training_in_the_background() {
    let rig = Rig::homed().unwrap();
    let training = Training(&rig);
    let data = training.path("demos");
    let record = ["record", "--sim", "--task", "place-block", "--episodes", EPISODES];
    rig.jaco_json(&[&record[..], &["--out", &data]].concat()).unwrap();
    let recipe = "batch_size = 1\nthreads = 1\nreport_every = 1\nvalidate_every = 1000000\n";
    std::fs::write(rig.path("recipe.toml"), recipe).unwrap();

    // None is begun while the policy drives.
    let (run, _) = rig.drive("300").unwrap();
    let refused = training.begin();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("refused: the arm moves (a run)"), "{said}");
    assert!(!rig.path("out").exists());
    rig.jaco_json(&["stop"]).unwrap();
    run.end().unwrap();
    rig.jaco_json(&["reset"]).unwrap();
    rig.until("an arm at rest", |status| status.activity == Activity::Nobody).unwrap();

    // One that goes on waits for the next run, and takes no step as long as that goes on.
    let begun = training.begin();
    assert!(begun.status.success(), "{}", String::from_utf8_lossy(&begun.stderr));
    training.until(|seen| seen["state"] == "training" && step(seen) >= 2);
    let (run, mut sim) = rig.drive("300").unwrap();
    let held = training.until(|seen| seen["state"] == "paused");
    assert!(held["why"].as_str().unwrap().contains("moves the arm"), "{held}");
    let end_ns = sim.status().unwrap().simulated_ns + 1_000_000_000;
    let passed = || Ok((sim.status()?.simulated_ns > end_ns).then_some(()));
    poll("a second of the run", passed).unwrap();
    assert_eq!(rig.status().unwrap().activity, Activity::Run, "the run still goes on");
    let still = training.until(|seen| seen["state"] == "paused");
    assert_eq!(step(&still), step(&held));
    rig.jaco_json(&["stop"]).unwrap();
    run.end().unwrap();
    training.until(|seen| seen["state"] == "training" && step(seen) > step(&held));

    // A daemon that dies in the middle of a run holds it no longer.
    rig.jaco_json(&["reset"]).unwrap();
    let (run, _) = rig.drive("300").unwrap();
    let held = training.until(|seen| seen["state"] == "paused");
    rig.signal_daemon(Signal::KILL).unwrap();
    run.end().unwrap();
    training.until(|seen| seen["state"] == "training" && step(seen) > step(&held));
    let ended = rig.jaco_json(&["train", "stop", "--out", &training.path("out")]).unwrap();
    assert_eq!((&ended["state"], &ended["step"]), (&"stopped".into(), &ended["saved_step"]));
}
