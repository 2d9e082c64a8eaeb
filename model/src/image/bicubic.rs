//! Bicubic resampling of 8-bit RGB pictures as Pillow does it.
//!
//! Owns the arithmetic to the last bit: a = -0.5, the kernel widened when shrinking
//! (antialiasing), 22-bit fixed-point weights, rounding to bytes after each pass, and which pass
//! comes first. Source: the algorithm of Pillow's `Resample.c`, version 13; earlier versions
//! always take the horizontal pass first, which differs for pictures that lose mostly height.

use super::picture::{CHANNELS, Picture};

const PRECISION_BITS: u32 = 32 - 8 - 2;
/// Half width of the bicubic kernel.
const SUPPORT: f64 = 2.0;

/// `picture` stretched or squashed to `width * height` pixels; one of that size is passed through.
pub(super) fn resize(mut picture: Picture, width: usize, height: usize) -> Picture {
    // Pillow's guess at the cheaper order.
    let lost_rows = picture.height.saturating_sub(height);
    if lost_rows > 2 * picture.width.saturating_sub(width) {
        picture = vertical(&picture, height);
    }
    if picture.width != width {
        picture = horizontal(&picture, width);
    }
    if picture.height != height {
        picture = vertical(&picture, height);
    }
    picture
}

/// The source pixels that one target pixel is made of.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let filter_scale = scale.max(1.0);
    let support = SUPPORT * filter_scale;
    (0..to)
        .map(|target| {
            let centre = (target as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            let weights: Vec<f64> = (first..end)
                .map(|source| bicubic((source as f64 - centre + 0.5) / filter_scale))
                .collect();
            let sum: f64 = weights.iter().sum();
            let fixed =
                |weight: f64| (weight / sum * f64::from(1 << PRECISION_BITS)).round() as i32;
            Window { first, weights: weights.into_iter().map(fixed).collect() }
        })
        .collect()
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn horizontal(picture: &Picture, width: usize) -> Picture<'static> {
    let windows = windows(picture.width, width);
    let mut rgb = Vec::with_capacity(picture.height * width * CHANNELS);
    for row in picture.rgb.chunks_exact(picture.stride()) {
        for window in &windows {
            for channel in 0..CHANNELS {
                let pixels = row[window.first * CHANNELS + channel..].iter().step_by(CHANNELS);
                rgb.push(weighted(pixels, &window.weights));
            }
        }
    }
    Picture::owned(width, picture.height, rgb)
}

fn vertical(picture: &Picture, height: usize) -> Picture<'static> {
    let stride = picture.stride();
    let mut rgb = Vec::with_capacity(height * stride);
    for window in windows(picture.height, height) {
        for column in 0..stride {
            let pixels = picture.rgb[window.first * stride + column..].iter().step_by(stride);
            rgb.push(weighted(pixels, &window.weights));
        }
    }
    Picture::owned(picture.width, height, rgb)
}

fn weighted<'a>(pixels: impl Iterator<Item = &'a u8>, weights: &[i32]) -> u8 {
    let half = 1 << (PRECISION_BITS - 1);
    let sum: i32 = pixels.zip(weights).map(|(&pixel, weight)| i32::from(pixel) * weight).sum();
    ((sum + half) >> PRECISION_BITS).clamp(0, 255) as u8
}
