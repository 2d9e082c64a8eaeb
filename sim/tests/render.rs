//! Pictures: right sizes, the same for the same state, and of the task's objects only.
#![allow(clippy::unwrap_used)]

mod common;

use jaco_core::{Action, Frame, STEP_NS, Task};
use jaco_sim::{RenderOptions, Renderer, SimError, StartPose, World, WorldOptions};

fn world(task: Task, seed: u64) -> World {
    let mut world = World::new(&WorldOptions::default()).unwrap();
    world.reset(task, seed, StartPose::Home);
    world
}

/// Pixels in which channel `strong` stands out from both others.
fn coloured(frame: &Frame, strong: usize) -> usize {
    let stands_out = |pixel: &&[u8]| {
        let others = (0..3).filter(|&channel| channel != strong).map(|c| pixel[c]).max();
        i32::from(pixel[strong]) - i32::from(others.unwrap()) > 60
    };
    frame.rgb.chunks_exact(3).filter(stands_out).count()
}

#[test]
fn a_frame_has_the_size_name_and_time_asked_for() {
    let mut world = world(Task::PlaceBlock, 1);
    common::execute(&mut world, &Action::still(1.0));
    for (camera, width, height) in [("front", 128, 128), ("overview", 320, 240)] {
        let frame = Renderer::new(&world, camera, width, height).unwrap().render(&world).unwrap();
        assert_eq!((frame.width, frame.height), (width, height));
        assert_eq!(frame.rgb.len(), (3 * width * height) as usize);
        assert_eq!((&*frame.camera, frame.captured_ns), (camera, STEP_NS));
    }
}

#[test]
fn the_same_state_gives_the_same_picture() {
    let mut world = world(Task::RelocateCup, 3);
    let mut renderer = Renderer::new(&world, "front", 128, 128).unwrap();
    let snapshot = world.save();
    let first = renderer.render(&world).unwrap();
    for _ in 0..5 {
        common::execute(&mut world, &Action::from_array([0.0, 0.0, -0.01, 0.0, 0.0, 0.0, 0.0]));
    }
    assert_ne!(first.rgb, renderer.render(&world).unwrap().rgb);
    assert_eq!(first, renderer.render_snapshot(&snapshot).unwrap());
    world.restore(&snapshot).unwrap();
    assert_eq!(first, renderer.render(&world).unwrap());
}

#[test]
fn only_the_objects_of_the_task_are_in_the_picture() {
    let mut world = world(Task::PlaceBlock, 1);
    let mut renderer = Renderer::new(&world, "front", 128, 128).unwrap();
    for (task, red, green, blue) in [
        (Task::PlaceBlock, false, true, true),
        (Task::PlaceCarrot, false, false, true),
        (Task::RelocateCup, false, true, false),
        (Task::CleanTable, true, false, false),
    ] {
        world.reset(task, 1, StartPose::Home);
        let frame = renderer.render(&world).unwrap();
        for (colour, channel, wanted) in [("green", 1, green), ("blue", 2, blue)] {
            let pixels = coloured(&frame, channel);
            assert_eq!(pixels > 40, wanted, "{task}: {pixels} {colour} pixels");
        }
        // Carrot and cup are orange, which stands out in red too.
        let orange = matches!(task, Task::PlaceCarrot | Task::RelocateCup);
        let pixels = coloured(&frame, 0);
        assert_eq!(pixels > 40, red || orange, "{task}: {pixels} red pixels");
    }
}

#[test]
fn options_change_the_picture() {
    let world = world(Task::PlaceBlock, 1);
    let picture = |options: RenderOptions| {
        let mut renderer = Renderer::with_options(&world, "front", 96, 96, &options).unwrap();
        renderer.render(&world).unwrap().rgb
    };
    let plain = picture(RenderOptions::default());
    assert_ne!(plain, picture(RenderOptions { shadows: true, ..RenderOptions::default() }));
    assert_ne!(plain, picture(RenderOptions { samples: 0, ..RenderOptions::default() }));
}

#[test]
fn an_unknown_camera_and_an_impossible_size_are_refused() {
    let world = world(Task::PlaceBlock, 1);
    let error = Renderer::new(&world, "rear", 64, 64).map(|_| ()).unwrap_err();
    assert!(matches!(error, SimError::Missing { kind: "camera", .. }), "{error}");
    assert!(error.to_string().contains("rear"), "{error}");
    for (width, height) in [(0, 64), (64, 0), (5000, 64)] {
        let error = Renderer::new(&world, "front", width, height).map(|_| ()).unwrap_err();
        assert!(matches!(error, SimError::Render { .. }), "{error}");
    }
}
