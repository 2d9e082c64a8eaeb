//! Datasets that others wrote: trained on by what their numbers mean, or refused by name. Each test
//! names the public thread that the case is from.

use crate::lerobot::LeRobot;
use crate::support::Bench;
use jaco_training::{
    DatasetReport, DatasetSource, Progress, Summary, TrainConfig, TrainError, describe, train_lbc,
};
use serde_json::json;
use std::ops::ControlFlow;
use std::path::PathBuf;
use tempfile::TempDir;

/// `dataset` on disk, and a source that names it.
struct Written {
    _folder: TempDir,
    source: DatasetSource,
}

impl Written {
    fn new(dataset: &LeRobot) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root: PathBuf = folder.path().join("from-others");
        dataset.write(&root);
        Self { source: DatasetSource::new(root), _folder: folder }
    }

    fn describe(&self) -> Result<DatasetReport, TrainError> {
        describe(std::slice::from_ref(&self.source), 1).map(|mut reports| reports.remove(0))
    }

    fn refusal(&self) -> String {
        let error = self.describe().unwrap_err();
        assert_eq!(jaco_training::blames_input(&error), Some(true), "{error}");
        let text = error.to_string();
        assert!(text.contains("from-others"), "the dataset is named: {text}");
        text
    }
}

fn refusal(dataset: &LeRobot) -> String {
    Written::new(dataset).refusal()
}

/// Trains a few steps and hands the summary over with what was told before them.
fn trained(dataset: &LeRobot, change: impl Fn(&mut DatasetSource)) -> (Summary, Vec<String>) {
    let mut bench = Bench::new();
    bench.config = TrainConfig { steps: 3, ..bench.config };
    let mut written = Written::new(dataset);
    change(&mut written.source);
    let mut request = bench.request(bench.fresh(), "out");
    request.datasets = vec![written.source];
    let mut told = Vec::new();
    let summary = train_lbc(&request, &bench.config, &bench.lbc, &mut |progress| {
        if !matches!(progress, Progress::Loading { .. } | Progress::Gate) {
            told.push(progress.to_string());
        }
        ControlFlow::Continue(())
    });
    (summary.unwrap(), told)
}

/// lerobot #2467 and visualizer #61 (index called "task"), #2001 (float fps), #3467 (a column of
/// text), feature_utils (a camera called top): what LeRobot 0.6 writes trains, and it is said how.
#[test]
fn a_dataset_in_lerobots_layout_trains_and_is_told_about_first() {
    let (summary, told) = trained(&LeRobot::default(), |_| {});
    assert_eq!((summary.step, summary.states), (3, 4 * 12));
    for words in [
        "4 episodes, 144 frames at 30 Hz, put together to 48 steps of 100 ms",
        "camera   observation.images.top",
        "action   action: x y z roll pitch yaw gripper; gripper 0..1",
        "\"put the blue cube on the green plate\": 48 states",
        "observation.state (float32",
        "note (string",
    ] {
        assert!(told[0].contains(words), "{words}\n{}", told[0]);
    }
    assert!(told[1].starts_with("pictures: 1 MB in memory"), "{told:?}");
    assert!(
        told[2].starts_with("dz, droll, dpitch") && told[2].contains("never changes"),
        "{told:?}"
    );
    assert!(told[3].starts_with("step 1"), "{told:?}");
    assert_eq!(summary.datasets.len(), 1);
    let largest = &summary.datasets[0].action;
    assert!((largest.longest_m - 3.0 * 0.006f64.hypot(0.003)).abs() < 1e-6, "{largest:?}");
    assert!((largest.largest_rad - 0.003).abs() < 1e-6, "{largest:?}");
}

/// axol #306, any4lerobot #17: other rates train by true time or not at all.
#[test]
fn other_rates_are_put_together_or_refused() {
    let at = |fps: f64| LeRobot { fps: json!(fps), period_s: 1.0 / fps, ..LeRobot::default() };
    let states = |fps: f64| Written::new(&at(fps)).describe().unwrap().states;
    // 36 rows an episode.
    assert_eq!(states(10.0), 4 * 36);
    assert_eq!(states(20.0), 4 * 18);
    assert_eq!(states(29.97), 4 * 13);
    assert_eq!(states(60.0), 4 * 6);
    let error = refusal(&at(5.0));
    assert!(error.contains("5 Hz") && error.contains("10 Hz is the least"), "{error}");
    let error = refusal(&LeRobot { fps: json!(10), ..LeRobot::default() });
    assert!(error.contains("0.0333 s apart") && error.contains("10 rows"), "{error}");
}

/// LIBERO #72, Evo-1 #19: a gripper in -1..1, 0..100, 0..6800 is mapped by an option, else refused.
#[test]
fn gripper_ranges_are_mapped_by_an_option_or_refused() {
    for (range, closed, open) in [
        ("-1..1", -1.0, 1.0),
        ("0..100", 0.0, 100.0),
        ("0..6800", 0.0, 6800.0),
        ("1..-1", 1.0, -1.0),
    ] {
        let dataset = LeRobot::default().map(|row| {
            row.action[6] = if row.action[6] > 0.5 { open } else { closed };
        });
        let mut written = Written::new(&dataset);
        let error = written.refusal();
        let place = error.contains("episode 0, frame ") && error.contains("gripper");
        assert!(place && error.contains("--gripper CLOSED..OPEN"), "{error}");
        written.source.gripper = Some(range.parse().unwrap());
        let action = written.describe().unwrap().action;
        assert_eq!(action.gripper_seen, Some([closed.min(open), closed.max(open)]));
        assert_eq!(action.gripper.to_string(), range);
    }
    // What the numbers of two datasets mean is trained alike.
    let reversed = LeRobot::default().map(|row| row.action[6] = 1.0 - 2.0 * row.action[6]);
    let (plain, _) = trained(&LeRobot::default(), |_| {});
    let (mapped, _) = trained(&reversed, |source| source.gripper = "1..-1".parse().ok());
    assert_eq!(plain.validation, mapped.validation);
}

/// `joint_N.pos` of lerobot's own arms trained as displacements.
#[test]
fn actions_that_are_no_displacements_are_refused_by_name() {
    let named =
        |names: serde_json::Value| LeRobot { action: ("action", names), ..LeRobot::default() };
    let joints: Vec<String> = (1..=7).map(|number| format!("joint_{number}.pos")).collect();
    let error = refusal(&named(json!(joints)));
    assert!(error.contains("joint positions") && error.contains("joint_1.pos"), "{error}");
    let poses = ["ee.x", "ee.y", "ee.z", "ee.wx", "ee.wy", "ee.wz", "ee.gripper_pos"];
    assert!(refusal(&named(json!(poses))).contains("absolute poses"));
    for count in [6, 8, 14] {
        let error = refusal(
            &LeRobot { action: ("action", json!(null)), ..LeRobot::default() }
                .map(|row| row.action.resize(count, 0.0)),
        );
        assert!(error.contains(&format!("has {count} number(s)")), "{error}");
    }
    // lerobot #3786, Isaac-GR00T #291: no names.
    let mut unnamed = Written::new(&named(json!(null)));
    assert!(unnamed.refusal().contains("--displacements"));
    unnamed.source.displacements = true;
    assert_eq!(unnamed.describe().unwrap().states, 48);
}

#[test]
fn an_action_called_otherwise_is_chosen_by_an_option() {
    let names = json!(["x", "y", "z", "roll", "pitch", "yaw", "gripper"]);
    let mut written = Written::new(&LeRobot { action: ("actions", names), ..LeRobot::default() });
    let error = written.refusal();
    assert!(error.contains("--action") && error.contains("actions has 7 numbers"), "{error}");
    written.source.action = Some("actions".into());
    assert_eq!(written.describe().unwrap().action.key, "actions");
}

/// any4lerobot: millimetres and degrees look like numbers too.
#[test]
fn units_that_no_arm_moves_by_are_refused_and_stated_by_an_option() {
    let millimetres = LeRobot::default().map(|row| {
        row.action[..3].iter_mut().for_each(|number| *number *= 1000.0);
    });
    let mut written = Written::new(&millimetres);
    let error = written.refusal();
    assert!(error.contains("moves the tool by 20.1") && error.contains("--unit-m"), "{error}");
    written.source.unit_m = 0.001;
    assert!((written.describe().unwrap().action.longest_m - 0.0201).abs() < 1e-4);

    let degrees = LeRobot::default().map(|row| row.action[5] = 1.5);
    let mut written = Written::new(&degrees);
    assert!(written.refusal().contains("--unit-rad"));
    written.source.unit_rad = 1f64.to_radians();
    assert!((written.describe().unwrap().action.largest_rad - 4.5f64.to_radians()).abs() < 1e-6);
}

#[test]
fn of_several_cameras_one_is_chosen() {
    let mut written =
        Written::new(&LeRobot { cameras: vec!["top", "wrist"], ..LeRobot::default() });
    let error = written.refusal();
    assert!(error.contains("observation.images.top (32x32)"), "{error}");
    assert!(error.contains("--camera"), "{error}");
    written.source.camera = Some("wrist".into());
    assert_eq!(written.describe().unwrap().camera, "observation.images.wrist");
    written.source.camera = Some("observation.images.top".into());
    assert_eq!(written.describe().unwrap().camera, "observation.images.top");
    written.source.camera = Some("side".into());
    assert!(written.refusal().contains("has no camera side"));
}

/// visualizer #62: several tasks in an episode. What follows a change of task answers the new task,
/// so no stream of the old one may run across it.
#[test]
fn every_row_is_trained_on_with_its_own_task() {
    let tasks = vec!["put the blue cube on the green plate", "push the blue cube"];
    let mut dataset = LeRobot { tasks, ..LeRobot::default() };
    // From row 16 on, in the middle of a step.
    dataset.episodes.iter_mut().for_each(|rows| rows[16..].iter_mut().for_each(|row| row.task = 1));
    let report = Written::new(&dataset).describe().unwrap();
    let counts: Vec<usize> = report.tasks.iter().map(|task| task.states).collect();
    // 16 rows are five steps and a rest, 20 rows six and a rest.
    assert_eq!(counts, [4 * 6, 4 * 7]);
    assert_eq!(report.tasks[1].text, "push the blue cube");
    dataset.tasks[1] = " ";
    let error = refusal(&dataset);
    assert!(error.contains("episode 0, frame 16: the task has no text"), "{error}");
}

/// What is no number is no action; too little of it teaches nothing; a short demonstration is one.
#[test]
fn numbers_that_are_none_and_too_few_rows_are_refused() {
    let broken = LeRobot::default().map(|row| {
        if row.corner == 2 {
            row.action[1] = f32::NAN;
        }
    });
    let error = refusal(&broken);
    for words in ["episode", "frame", "action holds NaN, which is not a finite number"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    let train = |dataset: &LeRobot| {
        let bench = Bench::new();
        let mut request = bench.request(bench.fresh(), "out");
        let written = Written::new(dataset);
        request.datasets = vec![written.source.clone()];
        let mut told = Vec::new();
        let done = train_lbc(&request, &bench.config, &bench.lbc, &mut |progress| {
            told.push(progress.to_string());
            ControlFlow::Continue(())
        });
        let begun = bench.path("out").exists();
        done.map(|_| told).map_err(|error| (jaco_training::blames_input(&error), error, begun))
    };
    let cut = |rows: usize, episodes: usize| {
        let mut dataset = LeRobot::default();
        dataset.episodes.truncate(episodes);
        dataset.episodes.iter_mut().for_each(|episode| episode.truncate(rows));
        dataset
    };
    let (blame, error, begun) = train(&cut(3, 1)).unwrap_err();
    assert!(error.to_string().contains("1 state(s) to train on"), "{error}");
    assert_eq!((blame, begun), (Some(true), false));
    // Three rows are one step, of two that are asked for.
    let told = train(&cut(3, 4)).unwrap();
    let short = "4 of 4 demonstrations are shorter than 2 steps";
    assert!(told.iter().any(|line| line.contains(short)), "{told:?}");
    assert!(!train(&cut(9, 4)).unwrap().iter().any(|line| line.contains("shorter")));
}
