//! How a picture of any aspect becomes the model's square: OpenVLA's three resize strategies.
//!
//! Owns their geometry, rounding included: padding as torchvision's `pad`, the longer side
//! truncated as its `resize`, offsets rounded half to even as its `center_crop`. Must never
//! resample by itself (see [`super::bicubic`]).

use super::bicubic;
use super::picture::{CHANNELS, Picture};
use crate::error::ModelError;
use crate::json::Object;
use serde::Serialize;
use std::fmt;

/// `image_resize_strategy` of config.json.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeStrategy {
    /// Squashes the whole picture to the square; the published checkpoint's.
    #[default]
    ResizeNaive,
    /// Pads the shorter side to a square with the mean colour, then shrinks or enlarges it.
    Letterbox,
    /// Brings the shorter side to size and cuts the square out of the middle.
    ResizeCrop,
}

impl fmt::Display for ResizeStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ResizeNaive => "resize-naive",
            Self::Letterbox => "letterbox",
            Self::ResizeCrop => "resize-crop",
        })
    }
}

impl ResizeStrategy {
    const ALL: [Self; 3] = [Self::ResizeNaive, Self::Letterbox, Self::ResizeCrop];

    /// `image_resize_strategy` of a file.
    pub(crate) fn of(object: &Object<'_>) -> Result<Option<Self>, ModelError> {
        object.read(
            "image_resize_strategy",
            "must be resize-naive, letterbox or resize-crop",
            |value| Self::ALL.into_iter().find(|it| value.as_str() == Some(&it.to_string())),
        )
    }

    /// `picture` as a square of `size` pixels; `fill` is the colour of a letterbox's bars.
    pub(super) fn apply(
        self,
        picture: Picture<'_>,
        size: usize,
        fill: [u8; CHANNELS],
    ) -> Picture<'_> {
        match self {
            Self::ResizeNaive => bicubic::resize(picture, size, size),
            Self::Letterbox => {
                let longer = picture.width.max(picture.height);
                // Equal bars: an odd difference leaves the square one pixel short.
                let columns = (longer - picture.width) / 2;
                let rows = (longer - picture.height) / 2;
                middle(shorter_side_to(picture.padded(columns, rows, fill), size), size)
            }
            Self::ResizeCrop => middle(shorter_side_to(picture, size), size),
        }
    }
}

fn shorter_side_to(picture: Picture, size: usize) -> Picture {
    let (width, height) = (picture.width, picture.height);
    if width <= height {
        bicubic::resize(picture, size, size * height / width)
    } else {
        bicubic::resize(picture, size * width / height, size)
    }
}

fn middle(picture: Picture, size: usize) -> Picture {
    let (left, top) = (half_even(picture.width - size), half_even(picture.height - size));
    picture.cut(left, top, size, size)
}

/// Half of `n`, a tie to the even neighbour.
fn half_even(n: usize) -> usize {
    (n + (n / 2) % 2) / 2
}
