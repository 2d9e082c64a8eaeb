//! When a task counts as done, and that every start is feasible.
#![allow(clippy::unwrap_used)]

mod common;

use jaco_core::{Action, Pose, Task};
use jaco_sim::task::success::judge;
use jaco_sim::{Expert, ExpertOptions, SceneTruth, StartPose, World, WorldOptions};
use nalgebra::{UnitQuaternion, Vector3};

/// A scene in which `task` has been done.
fn done(task: Task) -> SceneTruth {
    let goal = Vector3::new(0.1, -0.45, if task == Task::CleanTable { 0.0 } else { 0.004 });
    let offset = match task {
        Task::PlaceBlock => Vector3::new(0.02, 0.01, 0.027),
        Task::PlaceCarrot => Vector3::new(0.02, -0.01, 0.022),
        Task::RelocateCup => Vector3::new(-0.01, 0.01, 0.039),
        Task::CleanTable => Vector3::new(-0.13, 0.0, 0.03),
    };
    let at = |position_m| Pose { position_m, orientation: UnitQuaternion::identity() };
    SceneTruth {
        task,
        hand: at(goal + Vector3::new(0.0, 0.0, 0.2)),
        fingers_rad: [0.12; 3],
        object: at(goal + offset),
        object_speed_m_s: 0.0,
        goal: at(goal),
        touching: [false; 3],
        palm_touching: false,
    }
}

fn holds(truth: &SceneTruth) -> bool {
    judge(truth).missing.is_none()
}

#[test]
fn done_scenes_are_done() {
    for task in Task::ALL {
        assert_eq!(judge(&done(task)).missing, None, "{task}");
    }
}

#[test]
fn a_placed_object_must_lie_still_within_the_goal_with_the_hand_off_it() {
    for task in [Task::PlaceBlock, Task::PlaceCarrot, Task::RelocateCup] {
        let good = done(task);
        let mut beside = good;
        beside.object.position_m.x += 0.07;
        let mut held_up = good;
        held_up.object.position_m.z += 0.06;
        let mut on_the_table = good;
        on_the_table.object.position_m.z -= 0.05;
        let closed = SceneTruth { fingers_rad: [0.8; 3], ..good };
        let touched = SceneTruth { touching: [false, true, false], ..good };
        let under_the_palm = SceneTruth { palm_touching: true, ..good };
        let rolling = SceneTruth { object_speed_m_s: 0.1, ..good };
        let mut around = good;
        around.hand.position_m.z = good.object.position_m.z + 0.02;
        for (what, truth) in [
            ("beside the goal", beside),
            ("in the air", held_up),
            ("too low", on_the_table),
            ("in a closed hand", closed),
            ("touched by a finger", touched),
            ("touched by the palm", under_the_palm),
            ("moving", rolling),
            ("between the open fingers", around),
        ] {
            assert!(!holds(&truth), "{task} counts as done with the object {what}");
        }
    }
}

#[test]
fn a_tipped_cup_does_not_count_but_a_tipped_cube_may() {
    let tip = UnitQuaternion::from_axis_angle(&Vector3::x_axis(), 1.57);
    let mut cup = done(Task::RelocateCup);
    cup.object.orientation = tip;
    assert!(!holds(&cup));
    let mut cube = done(Task::PlaceBlock);
    cube.object.orientation = tip;
    assert!(holds(&cube));
}

#[test]
fn the_box_must_be_wholly_out_of_the_region() {
    let good = done(Task::CleanTable);
    // Region half 88 mm; the box reaches 30 mm along x, and 36 mm from its middle at most.
    for (x, y, yaw_rad, out) in [
        (0.0, 0.0, 0.0, false),
        (0.117, 0.0, 0.0, false),
        (0.119, 0.0, 0.0, true),
        (-0.119, 0.0, 0.0, true),
        (0.109, 0.0, std::f64::consts::FRAC_PI_2, true),
        (0.119, 0.0, 0.5, false),
        (0.0, 0.109, 0.0, true),
        (0.0, -0.107, 0.0, false),
        // Past a corner, where neither x nor y alone is out.
        (0.112, 0.112, std::f64::consts::FRAC_PI_4 * 3.0, true),
    ] {
        let mut truth = good;
        truth.object.position_m = truth.goal.position_m + Vector3::new(x, y, 0.03);
        truth.object.orientation = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), yaw_rad);
        assert_eq!(holds(&truth), out, "box at {x} {y} turned by {yaw_rad}");
    }
    let moving = SceneTruth { object_speed_m_s: 0.05, ..good };
    assert!(!holds(&moving));
}

#[test]
fn success_needs_one_second_and_a_break_starts_the_count_anew() {
    let mut world = World::new(&WorldOptions::default()).unwrap();
    world.reset(Task::PlaceBlock, 2, StartPose::Home);
    let mut expert = Expert::new(Task::PlaceBlock, ExpertOptions::with_seed(2));
    let mut steps = 0;
    while world.outcome().stable_ns < 500_000_000 {
        let action = expert.act(&world.truth());
        common::execute(&mut world, &action);
        steps += 1;
        assert!(steps < 150, "the expert does not get there");
    }
    assert!(!world.outcome().success);
    // A closing hand ends the goal, an opening one brings it back.
    common::execute(&mut world, &Action::still(0.0));
    for _ in 0..4 {
        common::execute(&mut world, &Action::still(0.0));
    }
    assert_eq!(world.outcome().stable_ns, 0);
    for _ in 0..20 {
        common::execute(&mut world, &Action::still(1.0));
    }
    assert!(world.outcome().success, "{:?}", world.outcome());
    assert!(world.outcome().stable_ns >= 1_000_000_000);
}

#[test]
fn starts_are_within_the_work_area_and_apart() {
    let mut world = World::new(&WorldOptions::default()).unwrap();
    for task in Task::ALL {
        for seed in 0..40 {
            let start = if seed % 2 == 0 { StartPose::Home } else { StartPose::Random };
            world.reset(task, seed, start);
            let truth = world.truth();
            for place in [truth.object.position_m, truth.goal.position_m] {
                let inside = place.x.abs() < 0.19 && (-0.54..-0.34).contains(&place.y);
                assert!(inside, "{task} {seed}: {place:?}");
            }
            let apart = truth.to_goal_m().norm();
            match task {
                Task::CleanTable => assert!(apart < 0.07, "{task} {seed}: {apart}"),
                Task::PlaceCarrot => assert!(apart > 0.22, "{task} {seed}: {apart}"),
                _ => assert!(apart > 0.145, "{task} {seed}: {apart}"),
            }
            assert!(!truth.hand_touching(), "{task} {seed}: the hand starts at the object");
            assert!(!holds(&truth), "{task} {seed} starts done");
            if task == Task::PlaceBlock {
                let yaw = truth.object_yaw_rad().to_degrees();
                assert!(yaw.abs() < 20.5, "{seed}: the cube is turned by {yaw} degrees");
            }
        }
    }
}

#[test]
fn labels_have_a_name_each_and_say_what_is_where() {
    let truth = done(Task::PlaceBlock);
    let labels = truth.labels();
    let names = SceneTruth::label_names();
    assert_eq!(labels.len(), names.len());
    let label = |name: &str| labels[names.iter().position(|&n| n == name).unwrap()];
    assert_eq!(label("object_x_m"), 0.12);
    assert_eq!(label("goal_y_m"), -0.45);
    assert_eq!(label("holding"), 0.0);
    assert!((label("near_goal_x") - (-0.02f32 / 0.05).tanh()).abs() < 1e-6);
    assert!(label("opening") > 0.95);
    let held = SceneTruth { touching: [true, false, true], ..truth };
    assert!(held.holding());
    let pushed = SceneTruth { touching: [false, true, true], ..truth };
    assert!(!pushed.holding(), "two fingers on one side hold nothing");
}
