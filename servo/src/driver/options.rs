//! How an arm is reached and which one it must be, as whoever starts the servo says. Checks nothing.

use super::semaphore::SDK_SEMAPHORE;
use jaco_core::{AngularFrame, Ethernet};
use std::time::Duration;

/// How to reach an arm, and which one it must be.
#[derive(Clone, Debug)]
pub struct DriverOptions {
    /// Serial number, or its beginning; `None` takes the only arm there is.
    pub serial: Option<String>,
    /// Addresses of an arm on a network; `None` for one on USB.
    pub ethernet: Option<Ethernet>,
    /// Frame of angular velocities.
    pub angular_frame: AngularFrame,
    /// Fingers of the hand: 2 or 3.
    pub fingers: usize,
    /// The speeds that it is going to be asked for \[m/s\], \[rad/s\].
    pub linear_speed_m_s: f64,
    /// See above.
    pub angular_speed_rad_s: f64,
    /// Name of the SDK's semaphore.
    pub semaphore: String,
    /// Pause between reads of the control type after a change of it, while connecting.
    pub settle: Duration,
    /// How long another process gets to give the arm back; `None` for what a servo takes to end.
    pub lock_time: Option<Duration>,
}

impl Default for DriverOptions {
    fn default() -> Self {
        Self {
            serial: None,
            ethernet: None,
            angular_frame: AngularFrame::Effector,
            fingers: 3,
            linear_speed_m_s: 0.0,
            angular_speed_rad_s: 0.0,
            semaphore: SDK_SEMAPHORE.to_owned(),
            settle: Duration::from_millis(40),
            lock_time: None,
        }
    }
}
