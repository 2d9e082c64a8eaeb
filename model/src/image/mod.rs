//! From a camera frame to `pixel_values`: OpenVLA's image processor.
//!
//! Owns the two normalisations, one for each tower. Their constants and the way to the square come
//! from preprocessor_config.json ([`constants`]), the square itself from the [`ResizeStrategy`];
//! [`libero`] holds what benchmarks do to a frame before. Must never augment.

mod bicubic;
mod constants;
mod crop;
mod jpeg;
mod lanczos;
pub mod libero;
mod picture;
mod strategy;

pub use libero::LiberoView;
pub use picture::{FRAME_SIDES, Picture};
pub use strategy::ResizeStrategy;

use crate::error::ModelError;
use jaco_core::Frame;
use std::borrow::Cow;
use tch::{Device, Kind, TchError, Tensor};

/// Mean and standard deviation of the three channels, of values in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Subtracted.
    pub mean: [f64; 3],
    /// Divided by.
    pub std: [f64; 3],
}

/// ImageNet's constants for the DINOv2-like tower, one half for the SigLIP-like one.
const DEFAULT: [Normalization; 2] = [
    Normalization { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    Normalization { mean: [0.5; 3], std: [0.5; 3] },
];

/// Makes the model's input from pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageProcessor {
    size: usize,
    strategy: ResizeStrategy,
    letterbox_fill: [u8; 3],
    normalizations: [Normalization; 2],
}

impl ImageProcessor {
    /// A processor with OpenVLA's constants for pictures of `size` pixels a side.
    pub fn new(size: usize, strategy: ResizeStrategy) -> Self {
        let letterbox_fill = letterbox_fill(DEFAULT.map(|n| n.mean));
        Self { size, strategy, letterbox_fill, normalizations: DEFAULT }
    }

    /// How a picture becomes the square.
    pub fn strategy(&self) -> ResizeStrategy {
        self.strategy
    }

    /// How a picture becomes the square, in words that change with it.
    pub fn geometry(&self) -> String {
        let Self { size, strategy, letterbox_fill, .. } = self;
        format!("{size} {strategy} {letterbox_fill:?}")
    }

    /// The picture resized to `size * size * 3` bytes; one of that size is passed through. Frames
    /// whose sides are outside [`FRAME_SIDES`] or do not fit their bytes are refused.
    pub fn resize<'a>(&self, frame: &'a Frame) -> Result<Cow<'a, [u8]>, ModelError> {
        Ok(self.square(Picture::of(frame)?))
    }

    /// [`resize`](Self::resize) for a picture that came from elsewhere.
    pub fn square<'a>(&self, picture: Picture<'a>) -> Cow<'a, [u8]> {
        self.strategy.apply(picture, self.size, self.letterbox_fill).rgb
    }

    /// `pixel_values` \[B, 6, S, S\] in float32 on `device`.
    pub fn pixel_values(&self, frames: &[&Frame], device: Device) -> Result<Tensor, ModelError> {
        let size = self.size as i64;
        let mut pictures = Vec::with_capacity(frames.len());
        for frame in frames {
            let rgb = Tensor::f_from_slice(&self.resize(frame)?)?.f_to_device(device)?;
            pictures.push(rgb.f_reshape([size, size, 3])?.f_permute([2, 0, 1])?);
        }
        let values = Tensor::f_stack(&pictures, 0)?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?;
        Ok(self.normalize(&values)?)
    }

    /// Both normalisations of `rgb` \[B, 3, S, S\] with values in 0..=1, stacked to
    /// \[B, 6, S, S\].
    pub fn normalize(&self, rgb: &Tensor) -> Result<Tensor, TchError> {
        let options = (rgb.f_kind()?, rgb.device());
        let constant = |values: [f64; 3]| -> Result<Tensor, TchError> {
            Tensor::f_from_slice(&values)?
                .f_to_kind(options.0)?
                .f_to_device(options.1)?
                .f_reshape([1, 3, 1, 1])
        };
        let [first, second] = self.normalizations.map(|n| -> Result<Tensor, TchError> {
            rgb.f_sub(&constant(n.mean)?)?.f_div(&constant(n.std)?)
        });
        Tensor::f_cat(&[first?, second?], 1)
    }
}

/// Colour of a letterbox's bars. OpenVLA's processor sets it anew for each tower, so that the
/// last one's mean remains, and truncates.
fn letterbox_fill(means: [[f64; 3]; 2]) -> [u8; 3] {
    means[1].map(|mean| (mean * 255.0) as u8)
}
