//! What a run leaves on the disk whatever happens to it, and that it can be held.

use crate::support::Bench;
use jaco_training::{
    Progress, SavedPoint, Stage, Start, TrainConfig, TrainError, saved_point, train_lbc,
};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use tch::Tensor;

fn weights(dir: &Path) -> HashMap<String, Tensor> {
    Tensor::read_safetensors(dir.join("model.safetensors")).unwrap().into_iter().collect()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The lines of a run's metrics of one kind.
fn lines(out: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(out.join("training/metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

#[test]
fn the_last_checkpoints_and_the_best_are_kept() {
    let mut bench = Bench::new();
    let config = bench.config.clone();
    bench.config = TrainConfig {
        steps: 12,
        learning_rate: 0.05,
        ema_decay: 0.0,
        validate_every: 1,
        save_every: 4,
        keep_last: 2,
        ..config
    };
    let mut best = Vec::new();
    let mut saved = Vec::new();
    let (out, mut best_weights) = (bench.path("out"), HashMap::new());
    let mut progress = |progress: &Progress| {
        if let Progress::Saved { step, best: is_best } = progress {
            saved.push(*step);
            if *is_best {
                best.push(*step);
                best_weights = weights(&out);
            }
        }
        ControlFlow::Continue(())
    };
    let (request, lbc) = (bench.request(bench.fresh(), "out"), bench.lbc.clone());
    train_lbc(&request, &bench.config, &lbc, &mut progress).unwrap();
    let losses: Vec<f64> =
        lines(&out, "validation").iter().map(|line| line["token_loss"].as_f64().unwrap()).collect();
    let mut wanted = Vec::new();
    for (index, loss) in losses.iter().enumerate() {
        if losses[..index].iter().all(|before| loss < before) {
            wanted.push(index as u64 + 1);
        }
    }
    assert_eq!(best, wanted, "{losses:?}");
    for step in [4, 8, 12] {
        assert!(saved.contains(&step), "{saved:?}");
    }
    let last: Vec<String> =
        saved[saved.len() - 2..].iter().map(|step| format!("step-{step:06}")).collect();
    assert_eq!(names(&out.join("checkpoints")), last);
    let newest = weights(&out);
    assert_eq!(newest, weights(&out.join("checkpoints/step-000012")));
    assert_eq!(best_weights, weights(&out.join("best")));
    assert_eq!(names(&out.join("best")), names(&out.join("checkpoints/step-000012")));
}

#[test]
fn a_run_that_was_held_says_so_and_is_not_slower_for_it() {
    let bench = Bench::new();
    let mut gates = 0;
    let mut progress = |progress: &Progress| {
        match progress {
            // A step takes a second, and the third waits for a minute.
            Progress::Gate => {
                gates += 1;
                bench.clock.advance_ns(if gates == 3 { 60_000_000_000 } else { 0 });
            }
            Progress::Step { .. } => bench.clock.advance_ns(1_000_000_000),
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let request = bench.request(bench.fresh(), "out");
    train_lbc(&request, &bench.config, &bench.lbc, &mut progress).unwrap();
    assert_eq!(gates, 6);
    for (index, line) in lines(&bench.path("out"), "train").iter().enumerate() {
        assert_eq!(line["states_per_s"], 8.0, "{line}");
        let held = if index == 2 { Value::from(60.0) } else { Value::Null };
        assert_eq!(line["paused_s"], held, "{line}");
    }
}

/// A step that was begun and dropped leaves no trace: the run goes on as if it had never been.
#[test]
fn a_run_can_be_ended_before_any_micro_batch() {
    let mut bench = Bench::new();
    bench.config.accumulation = 2;
    bench.lbc(bench.fresh(), "straight").unwrap();
    for gate in [1, 2, 6] {
        let out = format!("ended{gate}");
        let mut left = gate;
        let mut progress = |progress: &Progress| {
            left -= u32::from(*progress == Progress::Gate);
            match left {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        let request = bench.request(bench.fresh(), &out);
        let ended = train_lbc(&request, &bench.config, &bench.lbc, &mut progress).unwrap();
        assert_eq!((ended.step, ended.stopped), (u64::from(gate - 1) / 2, true));
        bench.lbc(Start::Resume, &out).unwrap();
        assert_eq!(weights(&bench.path("straight")), weights(&bench.path(&out)));
    }
}

#[test]
fn a_loss_that_is_no_number_names_its_states_and_leaves_the_last_checkpoint() {
    let mut bench = Bench::new();
    let config = bench.config.clone();
    bench.config = TrainConfig { learning_rate: 1e30, steps: 50, save_every: 1, ..config };
    let error = bench.lbc(bench.fresh(), "out").unwrap_err();
    let TrainError::Diverged { step, batch, .. } = &error else { panic!("{error}") };
    let states: usize = batch.0.iter().map(|(_, _, frames)| frames.len()).sum();
    assert_eq!(states, 8, "{batch:?}");
    assert!(batch.0.iter().all(|(root, episode, frames)| {
        *root == bench.path("data") && *episode < 4 && frames.iter().all(|frame| *frame < 8)
    }));
    assert!(error.to_string().contains("/data, episode "), "{error}");
    let checkpoint = bench.path("out").join(format!("checkpoints/step-{step:06}"));
    assert_eq!(weights(&bench.path("out")), weights(&checkpoint));
}

#[test]
fn a_folder_that_was_removed_does_not_come_back() {
    for renamed in [false, true] {
        let mut bench = Bench::new();
        bench.config.save_every = 1;
        let (out, elsewhere) = (bench.path("out"), bench.path("elsewhere"));
        let mut progress = |progress: &Progress| {
            if matches!(progress, Progress::Step { step: 3, .. }) {
                match renamed {
                    true => fs::rename(&out, &elsewhere).unwrap(),
                    false => fs::remove_dir_all(&out).unwrap(),
                }
            }
            ControlFlow::Continue(())
        };
        let request = bench.request(bench.fresh(), "out");
        let error = train_lbc(&request, &bench.config, &bench.lbc, &mut progress).unwrap_err();
        assert!(matches!(error, TrainError::Removed { .. }), "{error}");
        assert!(!bench.path("out").exists());
    }
}

/// Whoever asks from outside is told what `--resume` would find.
#[test]
fn a_state_says_of_itself_which_step_it_holds_unless_it_is_damaged() {
    let bench = Bench::new();
    let out = bench.path("out");
    assert_eq!(saved_point(&out).unwrap(), None);
    bench.lbc_until(4, bench.fresh(), "out");
    let point = SavedPoint { stage: Stage::Lbc, step: 4, steps: 6 };
    assert_eq!(saved_point(&out).unwrap(), Some(point));
    let path = out.join("training/state.safetensors");
    let whole = fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() - 1], &whole[..200], &whole[..4], &[][..], &[0xff; 64]] {
        fs::write(&path, damaged).unwrap();
        let error = saved_point(&out).unwrap_err();
        assert!(error.to_string().contains("not a usable training state"), "{error}");
    }
    // What would be resumed is refused as well.
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(bench.lbc(Start::Resume, "out").is_err());
}
