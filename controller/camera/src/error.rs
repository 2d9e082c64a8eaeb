//! What can go wrong with a camera, in words for whoever reads the status. Texts carry limits, not
//! ages: they are the same each time, so that a fault that stays is told once.

use crate::fault::FaultKind;
use jaco_sim_link::LinkError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there can be no such camera.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A simulated camera without a simulator.
    #[error("the camera {camera} is simulated but there is no [sim] socket")]
    NoSimulator {
        /// Its name.
        camera: String,
    },
    /// The system gives no thread.
    #[error("no thread for the camera {camera}: {source}")]
    Thread {
        /// Its name.
        camera: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a camera gives no pictures: it cannot be opened, or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CameraError {
    #[error("there is no {}; {cameras}", .path.display())]
    Missing { path: PathBuf, cameras: String },
    #[error("there is no camera {device}; {cameras}")]
    NotFound { device: String, cameras: String },
    #[error(
        "more than one camera is {device} ({paths}): give the serial number or the path of one"
    )]
    Ambiguous { device: String, paths: String },
    #[error("{} {refusal}", .path.display())]
    Control { path: PathBuf, refusal: ControlRefusal },
    #[error("{} may not be opened by this user: is it in the device's group (video)?", .path.display())]
    Denied { path: PathBuf },
    #[error("{} cannot be opened: {source}", .path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error(
        "{} is no capture device (a camera's second node gives only metadata: try its other \
         number, or its path that ends in index0)", .path.display()
    )]
    NoCapture { path: PathBuf },
    #[error("{} is used by another program, or by another [[camera]]", .path.display())]
    Busy { path: PathBuf },
    #[error("{} is gone: was it unplugged?", .path.display())]
    Gone { path: PathBuf },
    #[error("{} {refusal}", .path.display())]
    Refused { path: PathBuf, refusal: Refusal },
    #[error("{} was set to {wanted} but says that it gives {got}", .path.display())]
    NotSet { path: PathBuf, wanted: String, got: String },
    #[error("{} fails to {what}: {source}", .path.display())]
    Call { path: PathBuf, what: &'static str, source: io::Error },
    #[error("{} gives no picture: nothing came for {} ms", .path.display(), .silence.as_millis())]
    Silent { path: PathBuf, silence: Duration },
    #[error("gives no whole picture for {} ms, only buffers that are dropped: {last}", .silence.as_millis())]
    OnlyBad { silence: Duration, last: BadBuffer },
    #[error("its picture is frozen: the same for {} ms", .lasted.as_millis())]
    Frozen { lasted: Duration },
    #[error("its thread panicked: {0}")]
    Panicked(String),
    #[error(transparent)]
    Simulator(#[from] LinkError),
}

impl CameraError {
    /// Whether there is no fault but that it is the wrong node.
    pub(crate) fn is_no_capture(&self) -> bool {
        matches!(self, Self::NoCapture { .. })
    }

    /// Of which kind it is.
    pub(crate) fn kind(&self) -> FaultKind {
        match self {
            Self::Missing { .. }
            | Self::NotFound { .. }
            | Self::Gone { .. }
            | Self::Simulator(_) => FaultKind::Gone,
            Self::Ambiguous { .. }
            | Self::Control { .. }
            | Self::Denied { .. }
            | Self::Open { .. }
            | Self::NoCapture { .. }
            | Self::Busy { .. }
            | Self::Refused { .. }
            | Self::NotSet { .. } => FaultKind::Unusable,
            Self::Silent { .. } => FaultKind::Stalled,
            Self::OnlyBad { .. } => FaultKind::Torn,
            Self::Frozen { .. } => FaultKind::Frozen,
            Self::Call { .. } | Self::Panicked(_) => FaultKind::Failed,
        }
    }
}

/// Why a buffer holds no picture.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum BadBuffer {
    #[error("the driver marks it as corrupt")]
    Marked,
    #[error("it is empty")]
    Empty,
    #[error("it is short of the {wanted} bytes of a picture")]
    Short { wanted: usize, got: usize },
    #[error("it does not begin as a JPEG does")]
    NoJpeg,
    #[error("its JPEG is cut: there is no end mark within its bytes")]
    CutJpeg,
    #[error("its JPEG has no readable size")]
    NoSize,
    #[error("its picture is {} x {} instead of {} x {}", .got.0, .got.1, .wanted.0, .wanted.1)]
    OtherSize { wanted: (u32, u32), got: (u32, u32) },
    #[error("it cannot be decoded: {0}")]
    Undecodable(String),
}

/// Why nothing of what a camera offers is chosen.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("offers no {wanted}; {offers}")]
    NoFormat { wanted: &'static str, offers: String },
    #[error("offers no {width} x {height} pictures, and sizes are not changed here; {offers}")]
    NoSize { width: u32, height: u32, offers: String },
}

/// Why a camera is not set as configured.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ControlRefusal {
    #[error("has no control for {key}; it has {has}")]
    Absent { key: &'static str, has: String },
    #[error("does not take {key} = {wanted}: its {control} is {range}")]
    OutOfRange { key: &'static str, control: String, wanted: i32, range: String },
    #[error("was set to {control} = {wanted} but says that it has {got}")]
    NotTaken { control: String, wanted: i32, got: i32 },
    #[error("does not take {control} = {wanted}: {reason}")]
    Failed { control: String, wanted: i32, reason: String },
}
