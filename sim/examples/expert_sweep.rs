//! Runs the scripted expert over many seeds: successes and mean steps.
//!
//! `expert_sweep <task> <first seed> <end seed> [noise] [random] [restart]`: `noise` disturbs the
//! executed actions, `random` starts the hand anywhere, `restart` takes a new expert, which knows
//! only the present, at every step.

#[path = "../tests/common/mod.rs"]
mod common;

use anyhow::{Context, Result};
use jaco_core::Task;
use jaco_sim::{
    Expert, ExpertOptions, Perturbation, PerturbationOptions, StartPose, World, WorldOptions,
};

const MAX_STEPS: u64 = 250;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: expert_sweep <task> <first seed> <end seed> [noise] [random] [restart]";
    let [task, first, end, flags @ ..] = arguments.as_slice() else {
        anyhow::bail!(usage);
    };
    let task: Task = task.parse()?;
    let seeds = first.parse::<u64>().context(usage)?..end.parse().context(usage)?;
    let flag = |name: &str| flags.iter().any(|flag| flag == name);
    let start = if flag("random") { StartPose::Random } else { StartPose::Home };

    let mut world = World::new(&WorldOptions::default())?;
    let (mut successes, mut steps_of_successes, episodes) = (0, 0, seeds.clone().count());
    let begun = std::time::Instant::now();
    for seed in seeds {
        world.reset(task, seed, start);
        let mut expert = Expert::new(task, ExpertOptions::with_seed(seed));
        let mut perturbation = Perturbation::new(PerturbationOptions::with_seed(seed));
        let mut steps = 0;
        let (mut gripper, mut finger_rad) = (1.0, world.truth().mean_finger_rad());
        while steps < MAX_STEPS && !world.outcome().success {
            let truth = world.truth();
            if flag("restart") {
                let motion_rad = truth.mean_finger_rad() - finger_rad;
                let options = ExpertOptions::with_seed(1000 * seed + steps);
                expert = Expert::from_truth(options, &truth, gripper, motion_rad);
            }
            let mut action = expert.act(&truth);
            if flag("noise") {
                (action, _) = perturbation.apply(&action, &truth, expert.phase());
            }
            (gripper, finger_rad) = (action.gripper, truth.mean_finger_rad());
            common::execute(&mut world, &action);
            steps += 1;
        }
        let outcome = world.outcome();
        if outcome.success {
            successes += 1;
            steps_of_successes += steps;
        } else {
            let object = world.truth().object.position_m;
            println!(
                "seed {seed}: {} ({:.3} m off, object at {:.3} {:.3} {:.3}, {:?})",
                outcome.detail,
                outcome.distance_m,
                object.x,
                object.y,
                object.z,
                expert.phase()
            );
        }
    }
    println!(
        "{task}: {successes}/{episodes}, mean {:.1} steps, {:.1} s",
        steps_of_successes as f64 / successes.max(1) as f64,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}
