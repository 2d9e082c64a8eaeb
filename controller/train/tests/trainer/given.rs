//! `jaco-train` as a user starts it: what it says before it begins, and its exit codes.

use crate::support::{Place, TASK, dataset, json};
use std::fs;

/// tensorboard #1220 (colons), Evo-1 #19 (gripper ranges), axol #306 (rates), in one recipe.
#[test]
fn datasets_with_options_of_their_own_train_and_are_told_about_first() {
    let place = Place::new();
    dataset(&place.path("2026-11-25T10:30"), 10, "front", [0.0, 1.0]);
    dataset(&place.path("from-others"), 30, "top", [100.0, 0.0]);
    place.write(
        "recipe.toml",
        "batch_size = 2\nsteps = 2\nhorizon = 2\nvalidation_states = 4\n[[dataset]]\n\
         path = \"2026-11-25T10:30\"\nrepeat = 2\n[[dataset]]\npath = \"from-others\"\n\
         camera = \"top\"\ngripper = \"100..0\"\n",
    );
    let output = place.train(&["--recipe", "recipe.toml", "--out", "out"]);
    let result = json(&output);
    assert_eq!((&result["step"], &result["states"]), (&2.into(), &(2 * 12 + 2 * 4).into()));
    assert_eq!(result["datasets"][0]["resampled"], false);
    assert_eq!(result["datasets"][1]["resampled"], true);
    assert_eq!(result["datasets"][1]["action"]["gripper"], "100..0");
    let said = String::from_utf8(output.stderr).unwrap();
    let place_of = |words: &str| said.find(words).unwrap_or_else(|| panic!("{words}\n{said}"));
    assert!(place_of("dataset 2026-11-25T10:30: 2 episodes") < place_of("dataset from-others"));
    assert!(place_of("put together to 8 steps") < place_of("step 2 "));

    let refused = place.refusal(&["--recipe", "recipe.toml", "--out", "out"]);
    assert!(refused.contains("add --resume"), "{refused}");
    let resumed = place.train(&["--recipe", "recipe.toml", "--out", "out", "--resume"]);
    assert_eq!(json(&resumed)["step"], 2);
    let refused =
        place.refusal(&["--recipe", "recipe.toml", "--out", "out", "--resume", "--lr", "0.5"]);
    assert!(refused.contains("learning_rate = 0.001, now 0.5"), "{refused}");
}

#[test]
fn a_dry_run_tells_and_writes_nothing() {
    let place = Place::new();
    dataset(&place.path("demos"), 20, "front", [1.0, -1.0]);
    let refused = place.refusal(&["--dry-run", "--dataset", "demos"]);
    assert!(refused.contains("the gripper in action is -1, outside 0..1"), "{refused}");
    let given = ["--dry-run", "--dataset", "demos:3", "--gripper", "1..-1", "--out", "out"];
    let told = json(&place.train(&given));
    assert_eq!(told["datasets"][0]["states"], 12);
    assert_eq!(told["datasets"][0]["repeat"], 3);
    assert_eq!(told["datasets"][0]["tasks"][0]["text"], TASK);
    assert!(!place.path("out").exists());
}

#[test]
fn what_was_given_wrong_is_named_with_exit_code_2() {
    let place = Place::new();
    dataset(&place.path("demos"), 10, "front", [0.0, 1.0]);
    place.write("misspelt.toml", "batch_size = 2\nlearningrate = 0.1\n");
    place.write("both.toml", "[[dataset]]\npath = \"demos\"\n");
    place.write("adapters.toml", "lora_rank = 4\n");
    place.write("file", "");
    fs::create_dir(place.path("empty")).unwrap();
    for (arguments, words) in [
        (&["--dataset", "demo"][..], "demo: there is no such folder"),
        (&["--dataset", "demos:0"], "no number of times"),
        (&["--dataset", "file"], "is a file"),
        (&["--dataset", "empty"], "empty"),
        (&[], "no dataset"),
        (&["--dataset", "demos", "--recipe", "misspelt.toml"], "misspelt.toml:2: learningrate"),
        (&["--dataset", "demos", "--recipe", "not-there.toml"], "cannot read the recipe"),
        (&["--dataset", "demos", "--recipe", "both.toml"], "name them in one place"),
        (&["--dataset", "demos", "--gripper", "open"], "no gripper range"),
        (&["--dataset", "demos", "--unit-m", "0"], "--unit-m 0: must be a number above 0"),
        (&["--dataset", "demos", "--camera", "top"], "has no camera top"),
        (&["--dataset", "demos", "--action", "actions"], "feature actions is not there"),
        (&["--dataset", "demos", "--device", "tpu"], "no device \"tpu\""),
        (&["--dataset", "demos", "--device", "cuda:4096"], "device \"cuda:4096\": libtorch finds"),
        (&["--dataset", "demos", "--recipe", "adapters.toml"], "adapters.toml:1: lora_rank: only"),
        (&["--dataset", "demos", "--lr", "nan"], "learning_rate"),
        (&["--dataset", "demos", "--init", "not-there"], "not-there"),
        (&["--dataset", "demos", "--resume"], "without --resume"),
    ] {
        let said = place.refusal(&[arguments, &["--out", "out"]].concat());
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(place.refusal(&["--dataset", "demos"]).contains("--out"), "clap names what is missing");
    let said = place.refusal(&["--dataset", "demos", "--out", "file"]);
    assert!(said.contains("is no folder"), "{said}");
    let said = place.refusal(&["--dataset", "demos", "--out", "file/out"]);
    assert!(said.contains("file is no folder"), "{said}");
    assert!(!place.path("out").exists());
}

#[test]
fn alignment_without_a_policy_is_refused() {
    let place = Place::new();
    dataset(&place.path("demos"), 10, "front", [0.0, 1.0]);
    let given = ["train", "saa", "--dataset", "demos", "--out", "out"];
    let output = place.command(&given).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("no policy to align") && said.contains("--init"), "{said}");
    assert!(!place.path("out").exists());
}

/// A run and its control share a recipe; what the control has no use for is said.
#[test]
fn a_control_takes_the_recipe_of_its_run_and_says_what_it_does_not_read() {
    let place = Place::with_tiny_model();
    assert!(place.train_tiny(&["--steps", "2"]).status.success());
    place.write(
        "saa.toml",
        "steps = 1\nhorizon = 2\nthreads = 1\nbatch_size = 4\nvalidation_fraction = 0.5\n\
         explore_units = 2\ndeviation = \"margin\"\nmargin_m = 0.001\nbeta = 0.2\n",
    );
    let given = ["train", "saa", "--recipe", "saa.toml", "--init", "out", "--dataset", "demos"];
    let said = |more: &[&str]| {
        let output = place.command(&[&given, more].concat()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    };
    let words = "saa.toml: beta, explore_units, deviation, margin_m are not read, with control = \
                 \"short-sft\"";
    assert!(said(&["--out", "short", "--control", "short"]).contains(words));
    assert!(said(&["--out", "dry", "--control", "short", "--dry-run"]).contains(words));
    let aligned = said(&["--out", "aligned"]);
    assert!(!aligned.contains("not read"), "{aligned}");
}
