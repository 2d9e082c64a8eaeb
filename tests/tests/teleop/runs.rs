//! A person corrects a policy that drives.

use crate::operator::{Operator, dataset, rig_among_pads};
use crate::rig::code::{RB, RIGHT_Y};
use jaco_dataset::Dataset;
use jaco_tests::TASK;

/// Up, a third of what the stick can.
const UP: i32 = -18_000;

#[test]
fn a_run_is_corrected_and_recorded_with_who_drove_each_step() {
    let (rig, pads) = rig_among_pads();
    let mut operator = Operator::with(pads, &rig);
    let run = rig.start_jaco(&["run", TASK, "--record", "corrections", "--max-steps", "60"]);
    let run = run.unwrap();
    rig.until("a run", |status| status.activity == jaco_api::Activity::Run).unwrap();
    operator.wait(150);
    operator.engage();
    operator.pads.say(&[(RIGHT_Y, UP)]);
    operator.wait(150);
    operator.pads.say(&[(RIGHT_Y, 0), (RB, 0)]);
    // It gave up after its 60 steps, which is no success.
    let (said, _) = run.end().unwrap();
    assert!(said.contains("a person drives") && said.contains("the policy drives again"), "{said}");
    let data = Dataset::open(&dataset(&rig, "corrections")).unwrap();
    let episode = data.read_episode(0).unwrap();
    let corrected: Vec<bool> = episode.bools("flag.correction").unwrap().to_vec();
    let count = corrected.iter().filter(|by_person| **by_person).count();
    assert!((8..=25).contains(&count), "{count} corrected steps: {corrected:?}");
    assert!(!corrected[0] && !corrected[corrected.len() - 1], "{corrected:?}");
    let asked = episode.f32s("action").unwrap();
    let proposed = episode.f32s("action.proposed").unwrap();
    let rose = (0..corrected.len()).filter(|row| corrected[*row] && asked.row(*row)[2] > 1e-3);
    assert!(rose.count() >= 5);
    for row in (0..corrected.len()).filter(|row| !corrected[*row]) {
        assert_eq!(asked.row(row), proposed.row(row), "the policy's own step is its proposal");
    }
    let differs = |row: &usize| corrected[*row] && asked.row(*row) != proposed.row(*row);
    assert!((0..corrected.len()).any(|row| differs(&row)), "the policy was asked meanwhile");
}
