//! The demonstrator does all four tasks, also when disturbed or put into the middle of one.
#![allow(clippy::unwrap_used)]

mod common;

use jaco_core::Task;
use jaco_sim::{
    Expert, ExpertOptions, Perturbation, PerturbationOptions, Phase, StartPose, World, WorldOptions,
};

const MAX_STEPS: usize = 200;

fn world(task: Task, seed: u64, start: StartPose) -> World {
    let mut world = World::new(&WorldOptions::default()).unwrap();
    world.reset(task, seed, start);
    world
}

#[test]
fn the_expert_does_each_task_from_home() {
    for task in Task::ALL {
        for seed in 0..3 {
            let mut world = world(task, seed, StartPose::Home);
            let mut expert = Expert::new(task, ExpertOptions::with_seed(seed));
            let mut steps = 0;
            while !world.outcome().success && steps < MAX_STEPS {
                let action = expert.act(&world.truth());
                assert!(action.is_finite());
                common::execute(&mut world, &action);
                steps += 1;
            }
            assert!(world.outcome().success, "{task} {seed}: {:?}", world.outcome());
            assert_eq!(expert.phase(), Phase::Retreat, "{task} {seed}");
        }
    }
}

/// Labels along a policy's own path come from experts that know only the present.
#[test]
fn an_expert_replaced_at_every_step_still_does_each_task() {
    for task in Task::ALL {
        let mut world = world(task, 11, StartPose::Random);
        let (mut gripper, mut finger_rad) = (1.0, world.truth().mean_finger_rad());
        let mut steps = 0;
        while !world.outcome().success && steps < MAX_STEPS {
            let truth = world.truth();
            let motion = truth.mean_finger_rad() - finger_rad;
            let options = ExpertOptions::with_seed(steps as u64);
            let mut expert = Expert::from_truth(options, &truth, gripper, motion);
            let action = expert.act(&truth);
            (gripper, finger_rad) = (action.gripper, truth.mean_finger_rad());
            common::execute(&mut world, &action);
            steps += 1;
        }
        assert!(world.outcome().success, "{task}: {:?}", world.outcome());
    }
}

#[test]
fn the_expert_recovers_from_disturbances() {
    for task in Task::ALL {
        let mut world = world(task, 4, StartPose::Home);
        let mut expert = Expert::new(task, ExpertOptions::with_seed(4));
        let mut perturbation = Perturbation::new(PerturbationOptions {
            burst_chance: 0.1,
            ..PerturbationOptions::with_seed(4)
        });
        let (mut steps, mut disturbed) = (0, 0);
        while !world.outcome().success && steps < MAX_STEPS {
            let truth = world.truth();
            let clean = expert.act(&truth);
            let (executed, differs) = perturbation.apply(&clean, &truth, expert.phase());
            assert_eq!(differs, executed != clean);
            disturbed += usize::from(differs);
            common::execute(&mut world, &executed);
            steps += 1;
        }
        assert!(disturbed > 0, "{task}: no burst in {steps} steps");
        assert!(world.outcome().success, "{task}: {:?}", world.outcome());
    }
}

#[test]
fn noise_repeats_with_its_seed_and_stays_off_the_table() {
    let truth = {
        let mut truth = world(Task::PlaceBlock, 0, StartPose::Home).truth();
        truth.hand.position_m.z = 0.06;
        truth
    };
    let still = jaco_core::Action::still(1.0);
    let always =
        |seed| PerturbationOptions { burst_chance: 1.0, ..PerturbationOptions::with_seed(seed) };
    let run = |seed| {
        let mut perturbation = Perturbation::new(always(seed));
        (0..200).map(|_| perturbation.apply(&still, &truth, Phase::Reach)).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert!(
        run(3).iter().all(|(executed, differs)| { *differs && executed.translation_m[2] >= 0.0 })
    );
    let flipped = run(3).iter().filter(|(executed, _)| executed.gripper == 0.0).count();
    assert!((5..100).contains(&flipped), "{flipped} of 200 steps flip the gripper");

    let mut perturbation = Perturbation::new(always(1));
    let closing = perturbation.apply(&still, &truth, Phase::Close);
    assert_eq!(closing, (still, false), "a burst began while the fingers close");
}

#[test]
fn jitter_is_part_of_the_command_and_can_be_switched_off() {
    let truth = world(Task::PlaceBlock, 0, StartPose::Home).truth();
    let act = |options| Expert::new(Task::PlaceBlock, options).act(&truth);
    let exact = ExpertOptions { jitter_m: 0.0, jitter_rad: 0.0, seed: 1 };
    assert_eq!(act(exact), act(ExpertOptions { seed: 2, ..exact }));
    let noisy = ExpertOptions::with_seed(1);
    assert_eq!(act(noisy), act(noisy));
    assert_ne!(act(noisy), act(ExpertOptions::with_seed(2)));
    for (a, b) in act(noisy).to_array().into_iter().zip(act(exact).to_array()) {
        assert!((a - b).abs() < 0.02, "{a} against {b}");
    }
}
