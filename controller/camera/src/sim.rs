//! A camera of the simulated table, through jaco-sim's camera channel.

use crate::error::CameraError;
use crate::source::{Next, Source};
use jaco_config::Camera;
use jaco_sim_link::CameraClient;
use jaco_sim_link::camera::CameraRequest;
use std::path::Path;
use std::time::Duration;

/// Silence after which the simulation counts as gone. It renders on the processor, so it may be
/// late without being broken.
const SILENCE: Duration = Duration::from_secs(5);

pub(crate) struct SimCamera {
    client: CameraClient,
    patience: Duration,
}

impl SimCamera {
    pub(crate) fn open(socket: &Path, config: &Camera) -> Result<Self, CameraError> {
        let request = CameraRequest {
            camera: config.name.clone(),
            width: config.width,
            height: config.height,
            rate_hz: f64::from(config.rate_hz),
        };
        // No device that could stall: what counts is when its pictures are too old to act upon.
        let patience = Duration::from_millis(config.stale_after_ms);
        Ok(Self { client: CameraClient::connect(socket, &request)?, patience })
    }
}

impl Source for SimCamera {
    fn next(&mut self) -> Result<Next, CameraError> {
        Ok(Next::Picture(self.client.next_frame(SILENCE)?, None))
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}
