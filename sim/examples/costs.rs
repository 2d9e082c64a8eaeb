//! Measures what lockstep costs: a step of 100 ms, save, restore, clone, one picture.

#[path = "../tests/common/mod.rs"]
mod common;

use anyhow::Result;
use jaco_core::Task;
use jaco_sim::{Expert, ExpertOptions, Renderer, StartPose, World, WorldOptions};
use std::time::Instant;

const ROUNDS: usize = 60;

fn main() -> Result<()> {
    let mut world = World::new(&WorldOptions::default())?;
    let mut renderer = Renderer::new(&world, "front", 128, 128)?;
    for task in Task::ALL {
        world.reset(task, 0, StartPose::Home);
        let mut expert = Expert::new(task, ExpertOptions::with_seed(0));
        let mut costs: [Vec<f64>; 5] = Default::default();
        for _ in 0..ROUNDS {
            let action = expert.act(&world.truth());
            costs[0].push(milliseconds(|| common::execute(&mut world, &action)));
            let mut snapshot = None;
            costs[1].push(milliseconds(|| snapshot = Some(world.save())));
            let mut restored = Ok(());
            if let Some(snapshot) = &snapshot {
                costs[2].push(milliseconds(|| restored = world.restore(snapshot)));
            }
            restored?;
            costs[3].push(milliseconds(|| drop(world.clone())));
            let mut frame = None;
            costs[4].push(milliseconds(|| frame = Some(renderer.render(&world))));
            frame.transpose()?;
        }
        let [step, save, restore, clone, picture] = costs.map(median);
        println!(
            "{task}: step {step:.2} ms, save {save:.4}, restore {restore:.4}, clone {clone:.3}, \
             picture of 128x128 {picture:.2}"
        );
    }
    Ok(())
}

fn milliseconds(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
