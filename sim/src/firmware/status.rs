//! What the base says of itself: QuickStatus, and whether it is at home.

use super::Firmware;
use super::kinematics::DEG;
use super::point::ArmMotion;
use jaco_core::state::{FINGERS, JOINTS};

/// How near its home position the arm counts as being there \[rad\].
pub(super) const AT_HOME_RAD: f64 = 1.0 / DEG;
/// Joint speed below which the arm counts as standing \[rad/s\]: what is left of it when a homing
/// has reached its end.
const STANDING_RAD_S: f64 = 5.0 / DEG;

/// RetractType: a homing is under way.
pub const TO_READY: u8 = 0;
/// RetractType: at the home position, and standing there.
pub const READY_STANDBY: u8 = 1;
/// RetractType: homed, and elsewhere.
pub const NORMAL_STANDBY: u8 = 5;
/// RetractType: not homed since power-up.
pub const NOT_INITIALISED: u8 = 6;

/// The fields of the SDK's QuickStatus that the emulation fills, in the SDK's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuickStatus {
    /// 1 = initialised, for each finger.
    pub finger_initialised: [u8; FINGERS],
    /// [`TO_READY`], [`READY_STANDBY`], [`NORMAL_STANDBY`] or [`NOT_INITIALISED`].
    pub retract_type: u8,
    /// 0 = control on, 1 = off.
    pub control_enable: u8,
    /// Running control module: 0 none, 1 angular velocity, 2 angular position, 3 Cartesian
    /// velocity, 4 Cartesian position.
    pub active_module: u8,
    /// 0 = fixed, 1 = rotating.
    pub frame_type: u8,
    /// 6 = Jaco v2 with six joints, assistive.
    pub robot_type: u8,
}

impl Firmware {
    /// GetQuickStatus.
    pub fn quick_status(&self) -> QuickStatus {
        let active_module = match self.fifo.front().map(|point| point.arm) {
            _ if !self.control_started => 0,
            None | Some(ArmMotion::Hold) => 0,
            Some(ArmMotion::AngularVelocity(_)) => 1,
            Some(ArmMotion::AngularPosition(_) | ArmMotion::Home) => 2,
            Some(ArmMotion::CartesianVelocity { .. }) => 3,
            Some(ArmMotion::CartesianPosition { .. }) => 4,
        };
        QuickStatus {
            finger_initialised: self.fingers_initialised.map(u8::from),
            retract_type: self.vices.retract_type.unwrap_or_else(|| self.retract_type()),
            control_enable: u8::from(!self.control_started),
            active_module,
            frame_type: u8::from(self.rotating_frame),
            robot_type: 6,
        }
    }

    fn retract_type(&self) -> u8 {
        match () {
            () if self.is_homing() => TO_READY,
            () if !self.homed => NOT_INITIALISED,
            () if self.stands_at_home() => READY_STANDBY,
            () => NORMAL_STANDBY,
        }
    }

    /// Whether the arm is on its way home.
    pub fn is_homing(&self) -> bool {
        let front = self.fifo.front().map(|point| point.arm);
        self.control_started && front == Some(ArmMotion::Home)
    }

    /// Whether the arm is homed, at its home position and at rest there.
    pub(super) fn stands_at_home(&self) -> bool {
        let speeds = self.measured.joint_velocities_rad_s;
        self.homed
            && self.is_near(&self.home_rad, AT_HOME_RAD)
            && speeds.iter().all(|speed| speed.abs() < STANDING_RAD_S)
    }

    /// Whether every joint is within `tolerance_rad` of `joints_rad`.
    pub(super) fn is_near(&self, joints_rad: &[f64; JOINTS], tolerance_rad: f64) -> bool {
        let pairs = self.measured.joints_rad.iter().zip(joints_rad);
        pairs.into_iter().all(|(at, to)| (at - to).abs() < tolerance_rad)
    }
}
