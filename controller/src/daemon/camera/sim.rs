//! A camera of the simulated table, through jaco-sim's camera channel.

use super::Source;
use jaco_config::Camera as CameraConfig;
use jaco_core::Frame;
use jaco_sim_link::CameraClient;
use jaco_sim_link::camera::CameraRequest;
use std::path::Path;
use std::time::Duration;

/// Silence after which the simulation counts as gone.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) struct SimCamera(CameraClient);

impl SimCamera {
    pub(super) fn open(socket: &Path, config: &CameraConfig) -> anyhow::Result<Self> {
        let request = CameraRequest {
            camera: config.name.clone(),
            width: config.width,
            height: config.height,
            rate_hz: f64::from(config.rate_hz),
        };
        Ok(Self(CameraClient::connect(socket, &request)?))
    }
}

impl Source for SimCamera {
    fn next_frame(&mut self) -> anyhow::Result<Frame> {
        Ok(self.0.next_frame(SILENCE)?)
    }
}
