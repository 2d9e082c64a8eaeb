//! What a camera is to the thread that reads it: something that is opened, and then gives
//! pictures, or buffers that hold none, until it fails.

use crate::error::{BadBuffer, CameraError};
use jaco_core::Frame;
use std::time::Duration;

/// Opens the camera; called again after each failure.
pub(crate) type Opener = Box<dyn FnMut() -> Result<Box<dyn Source>, CameraError> + Send>;

/// An opened camera.
pub(crate) trait Source {
    /// The next buffer. Must return, if only with an error, when the camera is silent.
    fn next(&mut self) -> Result<Next, CameraError>;

    /// Silence that is a fault, whoever is to blame for it. Longer than the silence at which
    /// [`Source::next`] fails where that is short, so that the more exact text is told first.
    fn patience(&self) -> Duration;
}

/// A buffer of a camera.
pub(crate) enum Next {
    /// A whole picture, and the [`signature`](crate::judge::signature) of the bytes that it came
    /// in, where a camera never gives the same ones twice.
    Picture(Frame, Option<u64>),
    /// No picture, or not all of one.
    Dropped(BadBuffer),
}
