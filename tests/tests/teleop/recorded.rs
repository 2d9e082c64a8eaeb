//! What the operator demonstrates is recorded, whole and true, and trains.

use crate::operator::{Operator, Told, as_fast_as_the_expert, dataset, rig_with};
use jaco_api::SessionEvent;
use jaco_dataset::Dataset;
use jaco_tests::{Running, built};
use std::process::Command;

/// Steps after which an attempt has failed; the expert needs a third.
const MAX_STEPS: u64 = 250;

/// Attempts of the operator at placing the block; how many succeeded, and how many were kept.
fn attempts(trials: u32) -> (u32, usize) {
    let (rig, pads) = rig_with(as_fast_as_the_expert);
    let mut operator = Operator::with(pads, &rig);
    let told = Told::by(&rig);
    let episodes = trials.to_string();
    let record = rig
        .start_jaco(&[
            "record",
            "--task",
            "place-block",
            "--episodes",
            &episodes,
            "--dataset",
            "blocks",
            "--max-s",
            "60",
        ])
        .unwrap();
    let mut successes = 0;
    for _ in 0..trials {
        operator.start(&told);
        operator.engage();
        let done = operator.demonstrate(MAX_STEPS);
        operator.let_go();
        successes += u32::from(done);
        if !done {
            operator.press(crate::rig::code::B);
        }
        told.until(|event| matches!(event, SessionEvent::Ended { .. }).then_some(()));
    }
    let (said, status) = record.end().unwrap();
    assert!(status.success(), "{said}\n{}", rig.log());
    let root = dataset(&rig, "blocks");
    let data = Dataset::open(&root).unwrap();
    let episodes = data.episodes().len();
    for episode in 0..episodes {
        true_to_the_arm(&data, episode);
    }
    let trained = Running::start(
        Command::new(built("jaco").unwrap())
            .args(["train", "lbc", "--steps", "2", "--dataset"])
            .arg(&root)
            .arg("--init")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../model/mini"))
            .arg("--out")
            .arg(rig.path("trained")),
    );
    let (said, status) = trained.unwrap().end().unwrap();
    assert!(status.success(), "{said}");
    (successes, episodes)
}

/// The actions of an episode add up to the way that the arm went, and its times are true.
fn true_to_the_arm(data: &Dataset, index: usize) {
    let episode = data.read_episode(index).unwrap();
    let state = episode.f32s("observation.state").unwrap();
    let sent = episode.f32s("action.sent").unwrap();
    let rows = state.rows().len();
    assert!(rows > 30, "{rows} steps");
    for axis in 0..3 {
        let way: f64 = (0..rows - 1).map(|row| f64::from(sent.row(row)[axis])).sum();
        let went = f64::from(state.row(rows - 1)[axis] - state.row(0)[axis]);
        assert!((way - went).abs() < 0.03, "axis {axis}: sent {way:.3} m, went {went:.3} m");
    }
    let began = episode.f64s("observation.step_time").unwrap();
    let captured = episode.f64s("observation.capture_time").unwrap();
    assert_eq!(began.row(0)[0], 0.0);
    for row in 0..rows {
        let age_s = began.row(row)[0] - captured.row(row)[0];
        assert!((-0.05..1.0).contains(&age_s), "row {row}: a picture {age_s:.3} s old");
        assert!(row == 0 || began.row(row)[0] > began.row(row - 1)[0]);
    }
}

#[test]
fn the_operator_demonstrates_with_a_pad_and_what_is_recorded_trains() {
    let (successes, episodes) = attempts(2);
    assert!(successes >= 1, "of 2 placements {successes} succeeded");
    assert_eq!(episodes, 2);
}

/// Four minutes: `cargo test -p jaco-tests --test teleop -- --ignored`.
#[test]
#[ignore = "takes four minutes"]
fn the_operator_succeeds_in_eight_of_ten_placements() {
    let (successes, _) = attempts(10);
    assert!(successes >= 8, "of 10 placements {successes} succeeded");
}
