//! The world repeats itself: from a seed, and from a snapshot.
#![allow(clippy::unwrap_used)]

mod common;

use jaco_core::AngularFrame;
use jaco_core::{STEP_NS, Task, Twist};
use jaco_sim::firmware::ControlType;
use jaco_sim::{Expert, ExpertOptions, SimError, StartPose, World, WorldOptions};
use nalgebra::Vector3;

fn world() -> World {
    World::new(&WorldOptions::default()).unwrap()
}

/// Runs `expert` for `steps`, and everything that can be seen after each.
fn trace(world: &mut World, expert: &mut Expert, steps: usize) -> Vec<String> {
    (0..steps)
        .map(|_| {
            let action = expert.act(&world.truth());
            common::execute(world, &action);
            // The debug form of a float is exact.
            format!("{action:?} {:?} {:?} {:?}", world.arm_state(), world.truth(), world.outcome())
        })
        .collect()
}

#[test]
fn the_linked_library_is_the_one_that_was_bound() {
    assert_eq!(jaco_sim::mujoco_version(), "3.17.0");
}

#[test]
fn the_same_seed_gives_the_same_episode_bit_for_bit() {
    for task in Task::ALL {
        let episode = |world: &mut World, seed: u64| {
            world.reset(task, seed, StartPose::Random);
            trace(world, &mut Expert::new(task, ExpertOptions::with_seed(seed)), 30)
        };
        let (mut one, mut other) = (world(), world());
        let first = episode(&mut one, 7);
        // The other world has a past; it must not matter.
        let different = episode(&mut other, 8);
        assert_eq!(first, episode(&mut other, 7), "{task}");
        assert_ne!(first, different, "{task}");
    }
}

#[test]
fn a_restored_snapshot_goes_on_as_the_original_did() {
    let mut world = world();
    world.reset(Task::PlaceBlock, 3, StartPose::Home);
    let mut expert = Expert::new(Task::PlaceBlock, ExpertOptions::with_seed(3));
    // Into the grasp, where contacts matter most.
    trace(&mut world, &mut expert, 27);
    for _ in 0..7 {
        world.firmware().push_velocity(&Twist::zero(), [100.0; 3]);
    }
    let (snapshot, fork) = (world.save(), expert.clone());
    let original = trace(&mut world, &mut expert, 25);

    world.reset(Task::CleanTable, 1, StartPose::Home);
    world.restore(&snapshot).unwrap();
    assert_eq!(original, trace(&mut world, &mut fork.clone(), 25));

    let mut other = self::world();
    other.restore(&snapshot).unwrap();
    assert_eq!(original, trace(&mut other, &mut fork.clone(), 25));
}

#[test]
fn a_clone_is_independent() {
    let mut world = world();
    let mut clone = world.clone();
    let before = format!("{:?}", world.truth());
    let mut expert = Expert::new(Task::PlaceBlock, ExpertOptions::with_seed(0));
    let moved = trace(&mut clone, &mut expert, 10);
    assert_eq!(before, format!("{:?}", world.truth()));
    let mut expert = Expert::new(Task::PlaceBlock, ExpertOptions::with_seed(0));
    assert_eq!(moved, trace(&mut world, &mut expert, 10));
}

#[test]
fn time_is_simulated_and_starts_at_each_reset() {
    let mut world = world();
    assert_eq!(world.now_ns(), 0);
    common::execute(&mut world, &jaco_core::Action::still(1.0));
    assert_eq!(world.now_ns(), STEP_NS);
    assert_eq!(world.arm_state().stamp_ns, STEP_NS);
    world.reset(Task::PlaceCarrot, 1, StartPose::Home);
    assert_eq!(world.now_ns(), 0);
}

#[test]
fn a_reset_world_is_ready_and_at_home() {
    let mut world = world();
    for (seed, task) in (0..).zip(Task::ALL) {
        world.reset(task, seed, StartPose::Home);
        let state = world.arm_state();
        let off = state.pose.position_m - Vector3::new(0.0, -0.4, 0.25);
        assert!(off.amax() < 0.02, "{task}: {off:?}");
        let down = state.pose.orientation * Vector3::z();
        assert!(down.z < -0.999, "{task}: the tool points along {down:?}");
        assert!(state.opening() > 0.98, "{task}: opening {}", state.opening());
        assert!(world.firmware().is_homed() && world.firmware().has_control());
        assert_eq!(world.firmware().control_type(), ControlType::Cartesian);
    }
}

#[test]
fn nothing_moves_while_nothing_is_asked() {
    let mut world = world();
    for task in Task::ALL {
        world.reset(task, 5, StartPose::Home);
        let before = world.truth();
        for _ in 0..200 {
            world.tick();
        }
        let after = world.truth();
        for (name, from, to) in [
            ("hand", before.hand, after.hand),
            ("object", before.object, after.object),
            ("goal", before.goal, after.goal),
        ] {
            let moved = (to.position_m - from.position_m).norm();
            assert!(moved < 5e-4, "{task}: the {name} moved {moved} m");
        }
        assert!(!world.outcome().success, "{task} is done before it has begun");
    }
}

#[test]
fn a_timestep_that_does_not_divide_the_tick_is_refused() {
    for timestep_s in [0.003, 0.02, 0.0, -0.005, f64::NAN] {
        let options = WorldOptions { timestep_s, angular_frame: AngularFrame::Base };
        let error = World::new(&options).map(|_| ()).unwrap_err();
        assert!(matches!(error, SimError::Timestep { .. }), "{timestep_s}: {error}");
    }
    let fine = WorldOptions { timestep_s: 0.002, ..WorldOptions::default() };
    assert!(World::new(&fine).is_ok());
}
