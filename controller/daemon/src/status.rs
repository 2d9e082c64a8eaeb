//! What the daemon tells of itself on request, and the watch over what nobody else reports.

use crate::Daemon;
use crate::policy::PolicyState;
use jaco_api::{CameraStatus, PadStatus, Status};
use std::time::Duration;

/// How often the cameras' health is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Daemon {
    /// What the daemon is doing.
    pub fn status(&self) -> Status {
        let now_ns = self.clock.now_ns();
        let view = self.arm.view();
        let status = view.status.as_ref();
        let age_ms = |stamp_ns: u64| now_ns.saturating_sub(stamp_ns) as f64 * 1e-6;
        let state = status.map(|status| status.state);
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: self.mode(),
            activity: self.desk.now(),
            stop: self.latch.stop().map(|stop| stop.reason.to_string()),
            faults: self.faults.all(),
            position_m: state.map(|state| state.pose.position_m.into()),
            theta_rad: state.map(|state| state.pose.theta_rad()),
            joints_deg: state.map(|state| state.joints_rad.map(f64::to_degrees)),
            opening: state.map(|state| state.opening()),
            at_rest: status.map(|status| status.at_rest),
            joystick_held: status.and_then(|status| status.joystick_held),
            state_age_ms: state.map(|state| age_ms(state.stamp_ns)),
            ticks: status.map_or(0, |status| status.ticks),
            late_ticks: status.map_or(0, |status| status.late_ticks),
            points_sent: status.map_or(0, |status| status.points_sent),
            servo_restarts: view.processes.saturating_sub(1),
            cameras: self
                .cameras
                .iter()
                .map(|camera| {
                    let health = camera.health();
                    CameraStatus {
                        name: camera.name.to_string(),
                        frame_age_ms: camera.frames.get().map(|frame| age_ms(frame.captured_ns)),
                        frames: health.frames,
                        dropped: health.dropped,
                        kind: health.kind.map(|kind| kind.to_string()),
                        fault_age_ms: health.onset_ns.map(age_ms),
                        rate_hz: health.rate_hz,
                        jitter_ms: health.jitter_ms,
                        brightness: health.brightness,
                        fault: health.fault.unwrap_or_default(),
                    }
                })
                .collect(),
            pad: {
                let health = self.pad.health();
                PadStatus {
                    pads: health.pads,
                    chosen: health.chosen,
                    fault: health.fault.unwrap_or_default(),
                }
            },
            policy: match &*self.policy.borrow() {
                PolicyState::Ready(policy) => Some(policy.facts.clone()),
                PolicyState::Loading | PolicyState::Failed(_) => None,
            },
            sim_socket: self.config.sim.as_ref().map(|sim| sim.socket.clone()),
            flight_folder: self.config.paths.data_dir.join(crate::recorder::FOLDER),
            flight_record: self.recorder.newest(),
        }
    }

    /// Brings the cameras' faults to the board, for as long as the daemon runs.
    pub async fn watch_cameras(&self) {
        let mut timer = tokio::time::interval(LOOK_EVERY);
        loop {
            timer.tick().await;
            for camera in &self.cameras {
                self.faults.mirror(&format!("camera {}", camera.name), camera.health().fault);
            }
        }
    }
}
