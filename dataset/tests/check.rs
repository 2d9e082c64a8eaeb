//! Every kind of thing that `check` knows, each in a dataset that is otherwise sound: it is named
//! with its episode and frame, and nothing else is.
#![allow(clippy::unwrap_used)]

mod common;

use common::picture;
use jaco_dataset::{
    DatasetWriter, EpisodeNotes, FeatureKind, Features, Finding, Row, Severity, Value, check,
};
use std::fs;
use std::path::Path;

const CAMERA: &str = "observation.images.front";
const ACTION: [&str; 7] = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];
const ROWS: usize = 30;

/// A step of an arm that goes along a curve.
#[derive(Clone, Debug)]
struct Step {
    picture: Vec<u8>,
    position: [f32; 3],
    turned: [f32; 4],
    action: [f32; 7],
    step_time: f64,
    capture_time: f64,
}

fn step(episode: usize, row: usize) -> Step {
    let (e, t) = (episode as f32, row as f32);
    let wave = |k: f32| 0.01 * (0.3 * t + e + k).sin();
    Step {
        picture: picture((100 * episode + row) as u32).to_vec(),
        position: [0.01 * t, -0.4 + wave(0.0), 0.2],
        turned: [1.0, 0.0, 0.0, 0.0],
        action: [
            wave(0.0),
            wave(1.0),
            wave(2.0),
            wave(3.0),
            wave(4.0),
            wave(5.0),
            f32::from(row < 15),
        ],
        step_time: 0.1 * row as f64,
        capture_time: 0.1 * row as f64 - 0.02,
    }
}

/// Episodes of 30 steps each; `spoil` may change any.
fn dataset(root: &Path, lengths: &[usize], spoil: impl Fn(usize, usize, &mut Step)) {
    let features = Features::new([
        (CAMERA, FeatureKind::Image { height: common::HEIGHT, width: common::WIDTH }),
        ("observation.state", FeatureKind::float32(["x", "y", "z", "qw", "qx", "qy", "qz"])),
        ("action", FeatureKind::float32(ACTION)),
        ("observation.step_time", FeatureKind::float64(["s"])),
        ("observation.capture_time", FeatureKind::float64(["front"])),
    ]);
    let mut writer = DatasetWriter::create(root, 10, "kinova-j2n6s300", features.unwrap()).unwrap();
    for (episode, length) in lengths.iter().enumerate() {
        writer.begin("push the red box", &EpisodeNotes::new()).unwrap();
        for row in 0..*length {
            let mut step = step(episode, row);
            spoil(episode, row, &mut step);
            let state = step.position.into_iter().chain(step.turned).collect();
            let row = Row::new()
                .with(CAMERA, Value::Image(step.picture.into()))
                .with("observation.state", Value::F32(state))
                .with("action", Value::F32(step.action.to_vec()))
                .with("observation.step_time", Value::F64(vec![step.step_time]))
                .with("observation.capture_time", Value::F64(vec![step.capture_time]));
            writer.push(row).unwrap();
        }
        writer.keep(&EpisodeNotes::new()).unwrap();
    }
}

fn found(lengths: &[usize], spoil: impl Fn(usize, usize, &mut Step)) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    dataset(folder.path(), lengths, spoil);
    check(folder.path())
}

/// Kind, severity, episode and frame of what is found when step `row` of episode 1 is changed.
fn of(
    spoil: impl Fn(usize, &mut Step),
) -> Vec<(&'static str, Severity, Option<usize>, Option<usize>)> {
    let findings = found(&[ROWS; 4], |episode, row, step| {
        if episode == 1 {
            spoil(row, step);
        }
    });
    findings.into_iter().map(|f| (f.kind, f.severity, f.episode, f.frame)).collect()
}

#[test]
fn a_sound_dataset_has_no_findings() {
    assert_eq!(found(&[ROWS; 4], |_, _, _| {}), []);
}

#[test]
fn each_kind_is_named_with_episode_and_frame() {
    use Severity::{Error, Warning};
    let at = |kind, severity, frame| vec![(kind, severity, Some(1), Some(frame))];
    let jump = of(|row, step| step.position[0] += if row >= 12 { 0.1 } else { 0.0 });
    assert_eq!(jump, at("jump", Error, 12));
    let half = std::f32::consts::FRAC_1_SQRT_2;
    let turn = of(|row, step| {
        if row >= 12 {
            step.turned = [half, half, 0.0, 0.0];
        }
    });
    assert_eq!(turn, at("jump", Error, 12));
    // The other sign is the same orientation.
    assert_eq!(of(|row, step| step.turned[0] = if row % 2 == 0 { 1.0 } else { -1.0 }), []);
    let frozen = of(|row, step| {
        if (8..25).contains(&row) {
            step.picture = picture(7).to_vec();
        }
    });
    assert_eq!(frozen, at("frozen-image", Error, 8));
    let dark = of(|row, step| {
        if (3..5).contains(&row) {
            step.picture.iter_mut().enumerate().for_each(|(i, v)| *v = ((i + row) % 3) as u8);
        }
    });
    assert_eq!(dark, at("dark-image", Warning, 3));
    let gap = of(|row, step| step.step_time += if row >= 10 { 0.055 } else { 0.0 });
    assert_eq!(gap, at("time-gap", Warning, 9));
    let slow = of(|row, step| step.step_time = 0.13 * row as f64);
    assert_eq!(slow, [("uneven-steps", Warning, Some(1), Some(0)), ("rate", Error, Some(1), None)]);
    let back = of(|row, step| step.step_time -= if row == 20 { 0.15 } else { 0.0 });
    assert_eq!(back, at("time", Error, 20));
    let stale = of(|row, step| step.capture_time -= if row == 20 { 0.1 } else { 0.0 });
    assert_eq!(stale, at("stale-image", Warning, 20));
    let idle = of(|row, step| {
        if row < 12 {
            step.action[..6].fill(0.0);
        }
    });
    assert_eq!(idle, at("no-op", Warning, 0));
}

/// A recording begun again with the same seed appends identical episodes, whose times differ.
#[test]
fn episodes_that_are_there_twice_are_named() {
    let findings = found(&[ROWS; 4], |episode, row, new| {
        if episode == 3 {
            *new = Step { step_time: new.step_time + 1e-4, ..step(1, row) };
        }
    });
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].kind, findings[0].episode), ("duplicate", Some(3)));
    assert!(findings[0].problem.contains("episode 1"), "{findings:?}");
}

#[test]
fn lengths_and_dimensions_that_stand_out_are_named() {
    let findings = found(&[30, 31, 29, 30, 6, 30, 32, 30, 125], |_, _, step| {
        step.action[2] = 0.0;
        step.action[0] = step.action[0].clamp(-0.004, 0.004);
    });
    let told: Vec<(&str, Option<usize>)> = findings.iter().map(|f| (f.kind, f.episode)).collect();
    let wanted = [
        ("length", Some(4)),
        ("length", Some(8)),
        ("saturated-dimension", None),
        ("saturated-dimension", None),
        ("dead-dimension", None),
    ];
    assert_eq!(told, wanted, "{findings:?}");
    assert!(findings[2].place.contains("dx") && findings[4].place.contains("dz"));
}

#[test]
fn statistics_that_are_not_those_of_the_rows_and_notes_of_nothing_are_named() {
    let folder = tempfile::tempdir().unwrap();
    dataset(folder.path(), &[ROWS; 2], |_, _, _| {});
    let path = folder.path().join("meta/stats.json");
    let mut stats: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    stats["action"]["max"][1] = serde_json::json!(3.5);
    fs::write(&path, stats.to_string()).unwrap();
    fs::write(folder.path().join("meta/jacod/episode-000007.json"), "{}").unwrap();
    let kinds: Vec<&str> = check(folder.path()).iter().map(|f| f.kind).collect();
    assert_eq!(kinds, ["notes", "stats"]);
}

/// The first thing that was wrong hid all others.
#[test]
fn nothing_that_is_found_hides_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    dataset(root, &[ROWS; 5], |episode, row, step| {
        if episode == 4 && row >= 12 {
            step.position[0] += 0.5;
        }
    });
    let data = |i: usize| root.join(format!("data/chunk-000/file-00{i}.parquet"));
    fs::write(data(0), b"PAR1 and no more").unwrap();
    fs::remove_file(data(2)).unwrap();
    fs::write(root.join("meta/jacod/episode-000003.json"), "[").unwrap();
    let findings = check(root);
    let has = |kind: &str, episode: Option<usize>| {
        findings.iter().any(|f| f.kind == kind && f.episode == episode)
    };
    for (kind, episode) in
        [("schema", None), ("rows", Some(2)), ("notes", Some(3)), ("jump", Some(4))]
    {
        assert!(has(kind, episode), "{kind} {episode:?}: {findings:#?}");
    }
    // Even a dataset that does not open is looked at.
    let path = root.join("meta/info.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"total_frames\": 150", "\"total_frames\": 151")).unwrap();
    let findings = check(root);
    assert!(findings.iter().any(|f| f.kind == "totals"), "{findings:#?}");
    assert!(findings.iter().any(|f| f.problem.contains("file-000")), "{findings:#?}");
}
