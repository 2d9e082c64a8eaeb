//! Bicubic resampling of 8-bit RGB pictures as Pillow does it.
//!
//! Owns the arithmetic to the last bit: a = -0.5, the kernel widened when shrinking
//! (antialiasing), 22-bit fixed-point weights, horizontal pass first, rounding to bytes after
//! each pass. Source: the algorithm of Pillow's `Resample.c`.

use std::borrow::Cow;

const CHANNELS: usize = 3;
const PRECISION_BITS: u32 = 32 - 8 - 2;
/// Half width of the bicubic kernel.
const SUPPORT: f64 = 2.0;

/// Resizes `rgb` (`height * width * 3` bytes, rows from the top) to a square of `size`.
pub(crate) fn to_square(rgb: &[u8], width: usize, height: usize, size: usize) -> Cow<'_, [u8]> {
    let mut picture = Cow::Borrowed(rgb);
    if width != size {
        picture = Cow::Owned(horizontal(&picture, width, height, size));
    }
    if height != size {
        picture = Cow::Owned(vertical(&picture, size, height, size));
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

fn horizontal(rgb: &[u8], width: usize, height: usize, size: usize) -> Vec<u8> {
    let windows = windows(width, size);
    let mut out = Vec::with_capacity(height * size * CHANNELS);
    for row in rgb.chunks_exact(width * CHANNELS) {
        for window in &windows {
            for channel in 0..CHANNELS {
                let pixels = row[window.first * CHANNELS + channel..].iter().step_by(CHANNELS);
                out.push(weighted(pixels, &window.weights));
            }
        }
    }
    out
}

fn vertical(rgb: &[u8], width: usize, height: usize, size: usize) -> Vec<u8> {
    let row = width * CHANNELS;
    let mut out = Vec::with_capacity(size * row);
    for window in windows(height, size) {
        for column in 0..row {
            let pixels = rgb[window.first * row + column..].iter().step_by(row);
            out.push(weighted(pixels, &window.weights));
        }
    }
    out
}

fn weighted<'a>(pixels: impl Iterator<Item = &'a u8>, weights: &[i32]) -> u8 {
    let half = 1 << (PRECISION_BITS - 1);
    let sum: i32 = pixels.zip(weights).map(|(&pixel, weight)| i32::from(pixel) * weight).sum();
    ((sum + half) >> PRECISION_BITS).clamp(0, 255) as u8
}
