//! A small dataset to test with.
#![allow(dead_code, clippy::unwrap_used)]

pub mod foreign;
pub mod series;
pub mod storages;

use jaco_dataset::{DatasetWriter, FeatureKind, Features, Row, Value};
use std::sync::Arc;

pub const HEIGHT: u32 = 12;
pub const WIDTH: u32 = 16;

pub fn features() -> Features {
    let action = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];
    Features::new([
        ("observation.images.front", FeatureKind::Image { height: HEIGHT, width: WIDTH }),
        ("observation.state", FeatureKind::float32(["x", "y", "z"])),
        ("action", FeatureKind::float32(action)),
        ("observation.capture_time", FeatureKind::float64(["s"])),
        ("label.valid", FeatureKind::Bool),
        ("label.phase", FeatureKind::Int64),
    ])
    .unwrap()
}

/// A picture in which every pixel depends on `seed`.
pub fn picture(seed: u32) -> Arc<[u8]> {
    let bytes = HEIGHT * WIDTH * 3;
    (0..bytes).map(|i| (i.wrapping_mul(seed + 3) >> 3) as u8).collect()
}

pub fn row(seed: u32) -> Row {
    let x = seed as f32 * 0.01;
    Row::new()
        .with("observation.images.front", Value::Image(picture(seed)))
        .with("observation.state", Value::F32(vec![x, -x, 0.5]))
        .with("action", Value::F32(vec![x, 0.1, -x, 0.0, x * x, 0.2 - x, 1.0]))
        .with("observation.capture_time", Value::F64(vec![1e6 + f64::from(seed) * 0.1]))
        .with("label.valid", Value::Bool(!seed.is_multiple_of(3)))
        .with("label.phase", Value::I64(i64::from(seed / 4)))
}

pub fn fill(writer: &mut DatasetWriter, seeds: impl IntoIterator<Item = u32>) {
    for seed in seeds {
        writer.push(row(seed)).unwrap();
    }
}
