//! A training that is killed again and again takes the same steps as one that is not.

use crate::support::Place;
use rustix::process::Signal;
use serde_json::Value as Json;
use std::fs;

const STEPS: &str = "30";

/// Step, loss and norm of the gradient of each step.
fn losses(place: &Place) -> Vec<[String; 3]> {
    let text = fs::read_to_string(place.path("out/training/metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let reports = lines.filter(|line| line["kind"] == "train");
    reports.map(|line| ["step", "loss", "gradient_norm"].map(|k| line[k].to_string())).collect()
}

/// Numbers from a seed (SplitMix64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// Lines are heard of steps, validations and saves, so that it dies in any of them.
#[test]
fn the_losses_after_kills_are_those_of_an_unbroken_run() {
    let place = Place::with_tiny_model();
    let recipe = fs::read_to_string(place.path("recipe.toml")).unwrap();
    let recipe = recipe.replace("_every = 10", "_every = 3");
    place.write("recipe.toml", &format!("keep_last = 2\n{recipe}"));
    assert!(place.train_tiny(&["--steps", STEPS]).status.success());
    let unbroken = losses(&place);
    assert_eq!(unbroken.len(), 30);
    let arguments = || match place.path("out/training/state.safetensors").exists() {
        true => vec!["--steps", STEPS, "--resume"],
        false => vec!["--steps", STEPS],
    };
    for seed in 0..2 {
        let mut random = Seeded(seed);
        fs::remove_dir_all(place.path("out")).unwrap();
        for _ in 0..3 {
            let mut training = place.begin_tiny(&arguments());
            training.hear("step");
            let lines = random.below(14);
            for _ in 0..lines {
                // One that was quicker has ended.
                training.hear_any();
            }
            training.signal(Signal::KILL);
            training.end();
        }
        let last = place.train_tiny(&arguments());
        assert!(last.status.success(), "seed {seed}: {}", String::from_utf8_lossy(&last.stderr));
        assert_eq!(losses(&place), unbroken, "seed {seed}");
        let names = fs::read_dir(place.path("out/checkpoints")).unwrap();
        assert_eq!(names.count(), 2, "seed {seed}: what was left half-written is gone");
    }
}
