//! Camera frames, and what a policy sees at a step.

use crate::state::ArmState;
use std::sync::Arc;

/// One picture of one camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Name of the camera, as in the configuration.
    pub camera: Arc<str>,
    /// When the picture was taken, monotonic \[ns\].
    pub captured_ns: u64,
    /// Width \[pixels\].
    pub width: u32,
    /// Height \[pixels\].
    pub height: u32,
    /// `height * width * 3` bytes: rows from the top, red green blue.
    pub rgb: Arc<[u8]>,
    /// The same picture as the camera compressed it; none where it gave pixels, or where they were
    /// changed since.
    pub jpeg: Option<Arc<[u8]>>,
}

/// The newest picture and the newest arm state at a step boundary.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The step that begins.
    pub step: u64,
    /// The picture.
    pub frame: Frame,
    /// The arm.
    pub state: ArmState,
}
