//! `jaco eval --sim` through the real program: worker processes, folders that are gone on with,
//! what is refused.
#![allow(clippy::unwrap_used)]

mod lab;

use jaco_trials::{PICTURES_FOLDER, TrialStore};
use lab::{children, lab, printed, runs, signal, start, told, wait_until};
use serde_json::Value;
use std::path::Path;

fn eval(words: &str) -> Value {
    printed(&lab(&format!("eval --sim {words}"), &[]).output().unwrap())
}

fn stored(folder: &Path) -> usize {
    TrialStore::read(folder).map_or(0, |(_, tries)| tries.len())
}

/// Two placements are tried, then four, then none; and it is all one.
#[test]
fn processes_and_pauses_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("e");
    let expert = "--task clean-table,place-block --expert --seed 9 --max-steps 120";
    let kept = format!("{expert} --out {}", out.display());
    eval(&format!("{kept} --trials 2 --jobs 2"));
    let half = std::fs::read(out.join("trials.jsonl")).unwrap();
    let paused = eval(&format!("{kept} --trials 4 --jobs 3"));
    let whole = std::fs::read(out.join("trials.jsonl")).unwrap();
    assert!(whole.starts_with(&half) && whole.len() > half.len());
    let at_once = eval(&format!("{expert} --trials 4 --jobs 1"));
    assert_eq!(paused, at_once);
    assert_eq!(paused["cells"][1]["task"], "place-block");
    assert_eq!(eval(&format!("{kept} --trials 4 --jobs 1")), at_once);
    assert_eq!(std::fs::read(out.join("trials.jsonl")).unwrap(), whole);

    let (_, tries) = TrialStore::read(&out).unwrap();
    for made in &tries {
        assert_eq!(made.path_m.len(), made.ran_steps as usize + 1);
        let sheet = out.join(PICTURES_FOLDER).join(made.sheet_name());
        assert_eq!(sheet.is_file(), made.sheet.is_some());
    }
    let of_successes = tries.iter().filter(|made| made.success && made.sheet.is_some()).count();
    let done = tries.iter().filter(|made| made.success).count();
    assert!(of_successes >= done.min(2) && of_successes <= 4, "{of_successes} of {done}");
}

#[test]
fn a_killed_worker_costs_its_own_try_and_a_killed_evaluation_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let words = |trials: u32| {
        let out = folder.path().display();
        format!("--task clean-table --expert --trials {trials} --jobs 2 --out {out}")
    };
    let begin = || start(lab(&format!("eval --sim {}", words(100_000)), &[]));
    let wait_for = |tries: usize| wait_until(|| stored(folder.path()) >= tries);
    let running = begin();
    wait_for(1);
    let workers = children(running.id());
    assert_eq!(workers.len(), 2, "{workers:?}");
    signal("KILL", &workers[0].to_string());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("a worker process ended (signal: 9"), "{}", told(&output));
    let left = stored(folder.path());
    assert!(left >= 2, "the other worker's try was lost: {left}");

    let mut running = begin();
    wait_for(left + 1);
    let workers = children(running.id());
    running.kill().unwrap();
    running.wait().unwrap();
    wait_until(|| !workers.iter().any(|worker| runs(*worker)));
    let more = stored(folder.path()) as u32 + 1;
    let result = eval(&words(more));
    assert_eq!((&result["trials"], &result["tries"]), (&more.into(), &more.into()));
}

#[test]
fn tries_are_counted_by_policy_and_draws_differ() {
    let mini = jaco_cli::shipped::mini_policy().unwrap();
    let mini = mini.display();
    let result = eval(&format!(
        "--task place-block --trials 2 --pass 2 --max-steps 4 --horizon 2 --jobs 2 \
         --decode greedy,top-k:200:5 --policy a={mini} --policy b={mini}"
    ));
    let tries: Vec<_> = result["cells"].as_array().unwrap().iter().map(|c| &c["tries"]).collect();
    assert_eq!(tries, [2, 4, 2, 4]);
    let passes = |cell: usize| result["cells"][cell]["pass_at"].as_array().unwrap().len();
    assert_eq!((passes(0), passes(1)), (2, 2));
    assert_eq!(result["cells"][0]["repeats"], true);
    let pairs = result["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 2);
    assert_eq!((&pairs[0]["first"], &pairs[0]["second"]), (&"b".into(), &"a".into()));
    assert_eq!(pairs[0]["neither"], 2);
}

#[test]
fn each_try_draws_anew_and_the_same_again() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let paths = folders.each_ref().map(|folder| {
        eval(&format!(
            "--task place-block --trials 1 --pass 2 --max-steps 6 --horizon 2 --jobs 1 \
             --decode top-k:200:5 --out {}",
            folder.path().display()
        ));
        let (_, tries) = TrialStore::read(folder.path()).unwrap();
        tries.into_iter().map(|made| made.path_m).collect::<Vec<_>>()
    });
    assert_eq!(paths[0], paths[1]);
    assert_ne!(paths[0][0], paths[0][1]);
}

#[test]
fn what_does_not_fit_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display();
    let file = folder.path().join("file");
    std::fs::write(&file, "text").unwrap();
    let file = file.display();
    let quick = "--task clean-table --expert --trials 1 --max-steps 2";
    eval(&format!("{quick} --out {out}"));
    for (words, reason) in [
        (format!("{quick} --out {out} --seed 3"), "an evaluation with seed 0, not 3"),
        (format!("--task clean-table --expert --max-steps 3 --out {out}"), "steps of 2, not 3"),
        (format!("{quick} --out {file}"), "file"),
        ("--task block --expert".to_owned(), "unknown task"),
        ("--task all --policy a=/x --policy a=/y".to_owned(), "used twice"),
        ("--task all --policy a=/nonexistent".to_owned(), "/nonexistent/config.json"),
        ("--task all --horizon 4,28".to_owned(), "horizon 28: the policy decodes 1 to"),
    ] {
        let output = lab(&format!("eval --sim {words}"), &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words}: {}", told(&output));
        assert!(told(&output).contains(reason), "{words}: {}", told(&output));
    }
}
