//! Writes PNG pictures of an episode of each task: `pictures <folder> [camera] [width] [height]
//! [steps between pictures] [seed]`.

#[path = "../tests/common/mod.rs"]
mod common;

use anyhow::{Context, Result};
use jaco_core::{Frame, Task};
use jaco_sim::{Expert, ExpertOptions, Renderer, StartPose, World, WorldOptions};
use std::fs::File;
use std::path::{Path, PathBuf};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("usage: pictures <folder> [camera] ...")?);
    let camera = arguments.next().unwrap_or_else(|| "front".to_owned());
    let width = arguments.next().map_or(Ok(224), |text| text.parse())?;
    let height = arguments.next().map_or(Ok(width), |text| text.parse())?;
    let every: u64 = arguments.next().map_or(Ok(12), |text| text.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    std::fs::create_dir_all(&folder)?;

    let mut world = World::new(&WorldOptions::default())?;
    let mut renderer = Renderer::new(&world, &camera, width, height)?;
    let (mut seconds, mut frames) = (0.0, 0);
    for task in Task::ALL {
        world.reset(task, seed, StartPose::Home);
        let mut expert = Expert::new(task, ExpertOptions::with_seed(seed));
        let mut step = 0;
        while !world.outcome().success && step < 200 {
            let begun = std::time::Instant::now();
            let frame = renderer.render(&world)?;
            seconds += begun.elapsed().as_secs_f64();
            frames += 1;
            if step % every == 0 {
                save(&frame, &folder.join(format!("{task}-{seed}-{step:03}.png")))?;
            }
            let action = expert.act(&world.truth());
            common::execute(&mut world, &action);
            step += 1;
        }
    }
    println!("{frames} frames, {:.2} ms each", 1e3 * seconds / f64::from(frames));
    Ok(())
}

fn save(frame: &Frame, path: &Path) -> Result<()> {
    let mut encoder = png::Encoder::new(File::create(path)?, frame.width, frame.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&frame.rgb)?;
    Ok(())
}
