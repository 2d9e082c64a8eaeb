//! Lanczos resampling with antialiasing as `tf.image.resize` does it.
//!
//! Owns the arithmetic of TensorFlow's `ScaleAndTranslate`: float32 throughout, the kernel of
//! radius 3 widened when shrinking, vertical pass first, nothing rounded in between. The result
//! is rounded half to even and clipped to bytes, as OpenVLA's evaluation does. Must not be
//! confused with Pillow's filter of the same name, which differs by up to 5 of 255.

use super::picture::{CHANNELS, Picture};
use std::f32::consts::PI;

/// Half width of the kernel at scale 1.
const RADIUS: f32 = 3.0;

/// `picture` stretched or squashed to a square of `size` pixels.
pub(super) fn to_square(picture: &Picture, size: usize) -> Picture<'static> {
    let stride = picture.stride();
    let source: Vec<f32> = picture.rgb.iter().copied().map(f32::from).collect();
    let mut tall = vec![0.0; size * stride];
    for (row, window) in tall.chunks_exact_mut(stride).zip(windows(picture.height, size)) {
        let rows = source[window.first * stride..].chunks_exact(stride);
        for (source, weight) in rows.zip(window.weights) {
            row.iter_mut().zip(source).for_each(|(sum, value)| *sum += value * weight);
        }
    }
    let windows = windows(picture.width, size);
    let mut rgb = Vec::with_capacity(size * size * CHANNELS);
    for row in tall.chunks_exact(stride) {
        for window in &windows {
            for channel in 0..CHANNELS {
                let values = row[window.first * CHANNELS + channel..].iter().step_by(CHANNELS);
                let sum = values.zip(&window.weights).fold(0.0, |sum, (v, w)| sum + v * w);
                rgb.push(sum.round_ties_even() as u8);
            }
        }
    }
    Picture::owned(size, size, rgb)
}

/// The source pixels that one target pixel is made of.
struct Window {
    first: usize,
    weights: Vec<f32>,
}

fn windows(from: usize, to: usize) -> Vec<Window> {
    // Through the reciprocal, as the operation is given the scale and inverts it.
    let inverse_scale = 1.0 / (to as f32 / from as f32);
    let kernel_scale = inverse_scale.max(1.0);
    let reach = RADIUS * kernel_scale;
    let last = (from - 1) as f32;
    (0..to)
        .map(|target| {
            let centre = (target as f32 + 0.5) * inverse_scale;
            let first = (centre - reach - 0.5).ceil().clamp(0.0, last) as usize;
            let end = (centre + reach - 0.5).floor().clamp(0.0, last) as usize + 1;
            let mut weights: Vec<f32> = (first..end)
                .map(|source| lanczos((source as f32 + 0.5 - centre) * (1.0 / kernel_scale)))
                .collect();
            let normaliser = 1.0 / weights.iter().sum::<f32>();
            weights.iter_mut().for_each(|weight| *weight *= normaliser);
            Window { first, weights }
        })
        .collect()
}

fn lanczos(x: f32) -> f32 {
    let x = x.abs();
    if x > RADIUS {
        0.0
    } else if x <= 1e-3 {
        1.0
    } else {
        RADIUS * (PI * x).sin() * (PI * x / RADIUS).sin() / (PI * PI * x * x)
    }
}
