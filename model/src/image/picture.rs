//! An 8-bit RGB picture on its way from the camera to the model.
//!
//! Owns the check of a frame at the door and moves of whole pixels: cutting, padding, turning.
//! Must never change a pixel's value.

use crate::error::ModelError;
use jaco_core::Frame;
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Bytes of one pixel.
pub(super) const CHANNELS: usize = 3;

/// Sides that a frame may have \[pixels\]. Below, there is nothing to see (OpenVLA's patches are
/// 14 pixels wide); above, padding a long strip to a square would ask for gigabytes.
pub const FRAME_SIDES: RangeInclusive<u32> = 8..=8192;

/// `height * width * 3` bytes: rows from the top, red green blue.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture<'a> {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The pixels.
    pub rgb: Cow<'a, [u8]>,
}

impl<'a> Picture<'a> {
    /// The picture in `frame`, if its sides are in [`FRAME_SIDES`] and its bytes fit them.
    pub fn of(frame: &'a Frame) -> Result<Self, ModelError> {
        let Frame { width, height, .. } = *frame;
        if !FRAME_SIDES.contains(&width) || !FRAME_SIDES.contains(&height) {
            let (least, most) = (*FRAME_SIDES.start(), *FRAME_SIDES.end());
            let camera = frame.camera.to_string();
            return Err(ModelError::FrameSides { camera, width, height, least, most });
        }
        let (columns, rows) = (width as usize, height as usize);
        if frame.rgb.len() != columns * rows * CHANNELS {
            let (camera, bytes) = (frame.camera.to_string(), frame.rgb.len());
            return Err(ModelError::Frame { camera, bytes, width, height });
        }
        Ok(Self { width: columns, height: rows, rgb: Cow::Borrowed(&frame.rgb) })
    }

    /// A picture of these pixels, whose number must fit the sides.
    pub fn owned(width: usize, height: usize, rgb: Vec<u8>) -> Self {
        Self { width, height, rgb: Cow::Owned(rgb) }
    }

    /// Bytes of one row.
    pub fn stride(&self) -> usize {
        self.width * CHANNELS
    }

    /// The `width * height` pixels whose first is at (`left`, `top`).
    pub fn cut(self, left: usize, top: usize, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) {
            return self;
        }
        let columns = left * CHANNELS..(left + width) * CHANNELS;
        let rows = self.rgb.chunks_exact(self.stride()).skip(top).take(height);
        Self::owned(width, height, rows.flat_map(|row| &row[columns.clone()]).copied().collect())
    }

    /// With `columns` of `colour` added on the left and on the right, `rows` above and below.
    pub fn padded(self, columns: usize, rows: usize, colour: [u8; CHANNELS]) -> Self {
        if (columns, rows) == (0, 0) {
            return self;
        }
        let (width, height) = (self.width + 2 * columns, self.height + 2 * rows);
        let (band, edge) = (colour.repeat(width * rows), colour.repeat(columns));
        let mut rgb = Vec::with_capacity(width * height * CHANNELS);
        rgb.extend_from_slice(&band);
        for row in self.rgb.chunks_exact(self.stride()) {
            rgb.extend_from_slice(&edge);
            rgb.extend_from_slice(row);
            rgb.extend_from_slice(&edge);
        }
        rgb.extend_from_slice(&band);
        Self::owned(width, height, rgb)
    }

    /// Turned by 180 degrees: both axes reversed.
    pub fn upside_down(self) -> Self {
        let pixels = self.rgb.as_chunks::<CHANNELS>().0;
        Self::owned(self.width, self.height, pixels.iter().rev().flatten().copied().collect())
    }
}
