//! Writes a small dataset of three episodes and two tasks, for validators and for a look around:
//! `cargo run -p jaco-dataset --example sample -- DIR`.

use jaco_dataset::{DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value};
use std::error::Error;
use std::path::PathBuf;

const SIDE: u32 = 128;

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: sample DIR")?;
    let state = ["x", "y", "z", "qw", "qx", "qy", "qz", "j1", "j2", "j3", "j4", "j5", "j6"];
    let action = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];
    let features = Features::new([
        ("observation.images.front", FeatureKind::Image { height: SIDE, width: SIDE }),
        ("observation.state", FeatureKind::float32(state.into_iter().chain(["opening"]))),
        ("action", FeatureKind::float32(action)),
        ("action.sent", FeatureKind::float32(action)),
        ("label.valid", FeatureKind::Bool),
        ("observation.capture_time", FeatureKind::float64(["capture_time"])),
    ])?;
    let mut writer = DatasetWriter::create(&root, 10, "kinova-j2n6s300", features)?;
    for (number, task) in
        ["put the carrot in the pan", "push the red box", "put the carrot in the pan"]
            .into_iter()
            .enumerate()
    {
        writer.begin(task, &EpisodeNotes::new())?;
        let frames = 70 + 5 * number;
        for i in 0..frames {
            writer.push(row(i as f32 / frames as f32, number as f32, i)?)?;
        }
        let summary = writer.keep(&EpisodeNotes::new())?;
        println!("episode {}: {} rows, {} bytes", summary.index, summary.frames, summary.bytes);
    }
    Ok(writer.publish()?)
}

/// A reach along a curve that ends in closing the gripper, seen as a moving disc.
fn row(progress: f32, number: f32, i: usize) -> Result<Row, Box<dyn Error>> {
    let angle = progress * 2.0 + number;
    let opening = if progress < 0.7 { 1.0 } else { 0.0 };
    let mut state = vec![0.2 * angle.sin(), -0.45 + 0.1 * angle.cos(), 0.3 - 0.2 * progress];
    state.extend([1.0, 0.0, 0.0, 0.0].map(|q: f32| q + 0.01 * angle.sin()));
    state.extend((0..6).map(|joint| (angle + joint as f32).cos()));
    state.push(opening);
    let action = vec![
        0.01 * angle.cos(),
        -0.005 * angle.sin(),
        -0.004 + 0.002 * angle.cos(),
        0.01 * (2.0 * angle).sin(),
        0.01 * (3.0 * angle).cos(),
        0.02 * angle.sin(),
        opening,
    ];
    let centre = [64.0 + 40.0 * angle.sin(), 64.0 + 30.0 * angle.cos()];
    let pixel = |x: u32, y: u32| {
        let distance = (x as f32 - centre[0]).hypot(y as f32 - centre[1]);
        if distance < 12.0 { [30, 60, 200] } else { [90 + (x / 4) as u8, 110 + (y / 4) as u8, 100] }
    };
    let rgb: Vec<u8> = (0..SIDE * SIDE).flat_map(|p| pixel(p % SIDE, p / SIDE)).collect();
    Ok(Row::new()
        .with("observation.images.front", Value::Image(rgb.into()))
        .with("observation.state", Value::F32(state))
        .with("action", Value::F32(action.clone()))
        .with("action.sent", Value::F32(action))
        .with("label.valid", Value::Bool(i % 20 != 7))
        .with("observation.capture_time", Value::F64(vec![i as f64 * 0.1])))
}
