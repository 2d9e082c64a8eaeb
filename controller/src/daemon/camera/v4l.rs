//! A camera of the Video4Linux kind, by nokhwa.

use super::Source;
use anyhow::Context;
use jaco_config::Camera as CameraConfig;
use jaco_core::{Clock, Frame};
use nokhwa::Camera;
use nokhwa::pixel_format::RgbFormat;
use nokhwa::utils::{
    CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};
use std::sync::Arc;

pub(super) struct V4lCamera {
    camera: Camera,
    name: Arc<str>,
    clock: Arc<dyn Clock>,
}

impl V4lCamera {
    /// Opens `/dev/video<device>` at the size and rate nearest to the configured ones.
    pub(super) fn open(
        config: &CameraConfig,
        device: u32,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let wanted = CameraFormat::new(
            Resolution::new(config.width, config.height),
            FrameFormat::MJPEG,
            config.rate_hz,
        );
        let format = RequestedFormat::new::<RgbFormat>(RequestedFormatType::Closest(wanted));
        let path = format!("/dev/video{device}");
        let mut camera = Camera::new(CameraIndex::Index(device), format)
            .with_context(|| format!("cannot open {path}: is it there, and may we read it?"))?;
        camera.open_stream().with_context(|| format!("{path} gives no stream"))?;
        Ok(Self { camera, name: config.name.as_str().into(), clock })
    }
}

impl Source for V4lCamera {
    fn next_frame(&mut self) -> anyhow::Result<Frame> {
        let buffer = self.camera.frame()?;
        // The driver's own stamp is not passed on by nokhwa: this is the time of dequeuing.
        let captured_ns = self.clock.now_ns();
        let image = buffer.decode_image::<RgbFormat>()?;
        Ok(Frame {
            camera: Arc::clone(&self.name),
            captured_ns,
            width: image.width(),
            height: image.height(),
            rgb: image.into_raw().into(),
        })
    }
}
