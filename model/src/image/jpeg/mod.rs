//! What a JPEG of quality 95 leaves of a picture, without writing one.
//!
//! Entropy coding loses nothing, so encoding and decoding together are a function of the pixels:
//! colour conversion, halved chroma (4:2:0), the [`dct`] with quantisation, and all of it back.
//! Owns planes and colours in the integer arithmetic of libjpeg-turbo as TensorFlow sets it up:
//! accurate forward transform, fast inverse transform, triangle-filtered chroma. Source: ITU
//! T.81 and JFIF, and libjpeg's documented choices where these leave one. Must never see a file.

mod dct;

use super::picture::{CHANNELS, Picture};
use dct::{BLOCK, SIDE, Transform};

/// `picture` after encoding and decoding.
pub(super) fn round_trip(picture: &Picture) -> Picture<'static> {
    let [luma, blue, red] = Plane::of(picture);
    let chroma = Transform::chroma();
    let coded = |plane: Plane| plane.halved().coded(&chroma).doubled(picture.width, picture.height);
    let (blue, red) = (coded(blue), coded(red));
    let luma = luma.coded(&Transform::luma());
    let samples = luma.samples.iter().zip(&blue.samples).zip(&red.samples);
    let rgb = samples.flat_map(|((&y, &cb), &cr)| to_rgb(y, cb, cr)).collect();
    Picture::owned(picture.width, picture.height, rgb)
}

/// Samples of one component, rows from the top.
struct Plane {
    width: usize,
    height: usize,
    samples: Vec<u8>,
}

impl Plane {
    /// Luma, blue and red difference of `picture`.
    fn of(picture: &Picture) -> [Self; 3] {
        let pixels = picture.rgb.as_chunks::<CHANNELS>().0;
        [0, 1, 2].map(|component| Self {
            width: picture.width,
            height: picture.height,
            samples: pixels.iter().map(|&pixel| to_ycc(pixel)[component]).collect(),
        })
    }

    /// The sample at (`x`, `y`), that of the nearest edge beyond the plane.
    fn at(&self, x: usize, y: usize) -> i32 {
        let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
        i32::from(self.samples[y * self.width + x])
    }

    /// Means of 2 x 2 samples. Columns reach to the end of the last block, as the encoder pads
    /// the full-sized rows on the right, but the halved plane at the bottom.
    fn halved(&self) -> Self {
        let width = self.width.div_ceil(2 * SIDE) * SIDE;
        let height = self.height.div_ceil(2);
        let mean = |x: usize, y: usize| {
            let row = |y: usize| self.at(2 * x, y) + self.at(2 * x + 1, y);
            // Ties are rounded down and up in turns, against a drift of the mean.
            let bias = 1 + (x % 2) as i32;
            ((row(2 * y) + row(2 * y + 1) + bias) / 4) as u8
        };
        let samples = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        Self { width, height, samples: samples.map(|(x, y)| mean(x, y)).collect() }
    }

    /// After `transform`, quantisation and back, block by block.
    fn coded(&self, transform: &Transform) -> Self {
        let mut samples = vec![0; self.samples.len()];
        for top in (0..self.height).step_by(SIDE) {
            for left in (0..self.width).step_by(SIDE) {
                let block: [i32; BLOCK] =
                    std::array::from_fn(|i| self.at(left + i % SIDE, top + i / SIDE));
                let columns = SIDE.min(self.width - left);
                let rows = transform.coded(block);
                for (y, row) in (top..self.height).zip(rows.as_chunks::<SIDE>().0) {
                    let start = y * self.width + left;
                    samples[start..start + columns].copy_from_slice(&row[..columns]);
                }
            }
        }
        Self { samples, ..*self }
    }

    /// The first half of a `width * height` plane enlarged to it: each sample is 9/16 of the
    /// nearest, 3/16 of the two next and 1/16 of the diagonal neighbour.
    fn doubled(&self, width: usize, height: usize) -> Self {
        let (last_column, last_row) = (width.div_ceil(2) - 1, height.div_ceil(2) - 1);
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            let (near_row, far_row) = (y / 2, neighbour(y, last_row));
            let column = |x: usize| 3 * self.at(x, near_row) + self.at(x, far_row);
            for x in 0..width {
                // Left and right halves round towards one another, again against a drift.
                let bias = if x % 2 == 0 { 8 } else { 7 };
                let sum = 3 * column(x / 2) + column(neighbour(x, last_column));
                samples.push(((sum + bias) / 16) as u8);
            }
        }
        Self { width, height, samples }
    }
}

/// Of the halved positions around `position`, the second nearest; never beyond `last`.
fn neighbour(position: usize, last: usize) -> usize {
    let half = position / 2;
    match position % 2 {
        0 => half.saturating_sub(1),
        _ => (half + 1).min(last),
    }
}

/// Bits after the point of the colour constants.
const COLOUR_BITS: u32 = 16;
const ONE_HALF: i32 = 1 << (COLOUR_BITS - 1);
/// Zero of the two differences.
const CENTRE: i32 = 128;

const fn fixed(value: f64) -> i32 {
    (value * (1 << COLOUR_BITS) as f64 + 0.5) as i32
}

fn to_ycc(rgb: [u8; CHANNELS]) -> [u8; 3] {
    let [r, g, b] = rgb.map(i32::from);
    // A hair less than half, so that the largest difference stays at 255.
    let centre = (CENTRE << COLOUR_BITS) + ONE_HALF - 1;
    let y = fixed(0.29900) * r + fixed(0.58700) * g + fixed(0.11400) * b + ONE_HALF;
    let cb = fixed(0.50000) * b - fixed(0.16874) * r - fixed(0.33126) * g + centre;
    let cr = fixed(0.50000) * r - fixed(0.41869) * g - fixed(0.08131) * b + centre;
    [y, cb, cr].map(|value| (value >> COLOUR_BITS) as u8)
}

fn to_rgb(y: u8, cb: u8, cr: u8) -> [u8; CHANNELS] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - CENTRE, i32::from(cr) - CENTRE);
    let red = (fixed(1.40200) * cr + ONE_HALF) >> COLOUR_BITS;
    let green = (ONE_HALF - fixed(0.34414) * cb - fixed(0.71414) * cr) >> COLOUR_BITS;
    let blue = (fixed(1.77200) * cb + ONE_HALF) >> COLOUR_BITS;
    [y + red, y + green, y + blue].map(|value| value.clamp(0, 255) as u8)
}
