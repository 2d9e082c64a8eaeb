//! The centre crop of OpenVLA's evaluation, for checkpoints trained with random crops.
//!
//! Owns the arithmetic of TensorFlow's `crop_and_resize` (float32, bilinear, corners aligned)
//! and of the conversions around it. Must never know the model's size.

use super::picture::{CHANNELS, Picture};

/// Share of the picture's area that is kept.
const AREA: f32 = 0.9;

/// The middle of `picture`, enlarged to the size of the whole.
pub(super) fn centre(picture: &Picture) -> Picture<'static> {
    let columns = samples(picture.width);
    let stride = picture.stride();
    let mut rgb = Vec::with_capacity(picture.rgb.len());
    for row in samples(picture.height) {
        for column in &columns {
            for channel in 0..CHANNELS {
                let value = |y: usize, x: usize| {
                    f32::from(picture.rgb[y * stride + x * CHANNELS + channel]) * (1.0 / 255.0)
                };
                let along = |y: usize| {
                    mix(value(y, column.before), value(y, column.after), column.fraction)
                };
                let mixed = mix(along(row.before), along(row.after), row.fraction);
                // The cast truncates and saturates, hence the half.
                rgb.push((mixed.clamp(0.0, 1.0) * 255.5) as u8);
            }
        }
    }
    Picture::owned(picture.width, picture.height, rgb)
}

/// Where one target pixel is read.
struct Sample {
    before: usize,
    after: usize,
    fraction: f32,
}

fn samples(length: usize) -> Vec<Sample> {
    let side = AREA.sqrt();
    let start = (1.0 - side) / 2.0;
    let end = start + side;
    let last = length.saturating_sub(1) as f32;
    let step = (end - start) * last / last.max(1.0);
    (0..length)
        .map(|target| {
            let position = start * last + target as f32 * step;
            let before = position.floor();
            Sample {
                before: before as usize,
                after: position.ceil() as usize,
                fraction: position - before,
            }
        })
        .collect()
}

fn mix(before: f32, after: f32, fraction: f32) -> f32 {
    before + (after - before) * fraction
}
