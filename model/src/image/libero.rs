//! What OpenVLA's evaluations do to a camera frame before its image processor sees it.
//!
//! Owns the order of the steps of the LIBERO and Bridge evaluations. A policy trained on such
//! pictures wants them at run time too: the JPEG step stands for the compression of the training
//! data, the crop for its random crops. Must never normalise.

use super::picture::Picture;
use super::{crop, jpeg, lanczos};
use crate::error::ModelError;
use jaco_core::Frame;

/// Which of the steps are taken; resizing with `lanczos3` always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiberoView {
    /// Turns the picture by 180 degrees, as LIBERO renders upside down.
    pub rotate: bool,
    /// Sends it through a JPEG of quality 95.
    pub jpeg: bool,
    /// Keeps the middle nine tenths of the area; for checkpoints trained with `image_aug`.
    pub center_crop: bool,
}

impl LiberoView {
    /// LIBERO's `agentview_image`, for a checkpoint trained with augmentation.
    pub const LIBERO: Self = Self { rotate: true, jpeg: true, center_crop: true };
    /// The camera of a Bridge (WidowX) set-up.
    pub const BRIDGE: Self = Self { rotate: false, jpeg: true, center_crop: false };

    /// The picture that goes to the image processor, a square of `size` pixels. Refuses the
    /// frames that [`ImageProcessor::resize`](super::ImageProcessor::resize) refuses.
    pub fn apply(&self, frame: &Frame, size: usize) -> Result<Frame, ModelError> {
        let mut picture = lanczos::to_square(&self.turned_and_coded(frame)?, size);
        if self.center_crop {
            picture = crop::centre(&picture);
        }
        Ok(like(frame, picture))
    }

    /// The picture of the camera's size, before resizing and cropping.
    pub fn full_size(&self, frame: &Frame) -> Result<Frame, ModelError> {
        Ok(like(frame, self.turned_and_coded(frame)?))
    }

    fn turned_and_coded<'a>(&self, frame: &'a Frame) -> Result<Picture<'a>, ModelError> {
        let mut picture = Picture::of(frame)?;
        if self.rotate {
            picture = picture.upside_down();
        }
        if self.jpeg {
            picture = jpeg::round_trip(&picture);
        }
        Ok(picture)
    }
}

fn like(frame: &Frame, picture: Picture) -> Frame {
    Frame {
        jpeg: None,
        camera: frame.camera.clone(),
        captured_ns: frame.captured_ns,
        width: picture.width as u32,
        height: picture.height as u32,
        rgb: picture.rgb.into(),
    }
}
