//! What the base's reads show: the arm as measured, unless a vice is in force.

use super::fifo::FIFO_DEPTH;
use super::kinematics::DEG;
use super::{Firmware, Measured, Vices, fingers};
use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{ArmState, Pose, TICK_NS, Wrench};
use nalgebra::{Quaternion, UnitQuaternion, Vector3};
use std::f64::consts::TAU;

/// The joints without a stop, which may be any number of turns from where their pose begins.
const CONTINUOUS: [bool; JOINTS] = [true, false, false, true, true, true];

/// How full the trajectory buffer is (GetGlobalTrajectoryInfo).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FifoInfo {
    /// Points waiting.
    pub count: u32,
    /// Share in use \[%\].
    pub used_percent: f32,
    /// Points that fit.
    pub max: u32,
}

impl From<u32> for FifoInfo {
    fn from(count: u32) -> Self {
        let used_percent = 100.0 * count as f32 / FIFO_DEPTH as f32;
        Self { count, used_percent, max: FIFO_DEPTH as u32 }
    }
}

impl Firmware {
    /// The arm as the reads show it; [`Firmware::measured`] is how it is.
    pub fn reading(&self) -> Measured {
        let (mut seen, vices) = (self.measured, &self.vices);
        if *vices == Vices::default() {
            return seen;
        }
        seen.pose.position_m.x += vices.pose_jump_m;
        seen.joints_rad = self.with_turns(seen.joints_rad, 1.0);
        seen.fingers_rad = seen.fingers_rad.map(|angle| {
            let ticks = fingers::ticks(angle) * (1.0 + vices.finger_excess);
            fingers::rad(ticks + self.finger_drift_ticks)
        });
        for (force_n, bias_n) in seen.tool_wrench.iter_mut().zip(vices.force_bias_n) {
            *force_n += bias_n;
        }
        if vices.nan.pose {
            let nowhere = Vector3::from_element(f64::NAN);
            let orientation = Quaternion::new(f64::NAN, f64::NAN, f64::NAN, f64::NAN);
            let orientation = UnitQuaternion::new_unchecked(orientation);
            seen.pose = Pose { position_m: nowhere, orientation };
        }
        if vices.nan.joints {
            seen.joints_rad = [f64::NAN; JOINTS];
            seen.joint_velocities_rad_s = [f64::NAN; JOINTS];
        }
        if vices.nan.fingers {
            seen.fingers_rad = [f64::NAN; FINGERS];
        }
        if vices.nan.force {
            seen.tool_wrench = [f64::NAN; 6];
            seen.joint_torques_nm = [f64::NAN; JOINTS];
        }
        seen
    }

    /// The reading that the SDK gives at `stamp_ns`.
    pub fn arm_state(&self, stamp_ns: u64) -> ArmState {
        let seen = self.reading();
        let [x, y, z, rx, ry, rz] = seen.tool_wrench;
        ArmState {
            stamp_ns,
            pose: seen.pose,
            closure: seen.fingers_rad.map(fingers::closure),
            joints_ns: stamp_ns,
            joints_rad: seen.joints_rad,
            wrench: Wrench {
                stamp_ns,
                force_n: Vector3::new(x, y, z),
                torque_nm: Vector3::new(rx, ry, rz),
            },
        }
    }

    /// Joint angles \[deg\], unbounded (GetAngularPosition).
    pub fn joints_deg(&self) -> [f64; JOINTS] {
        self.reading().joints_rad.map(|angle| angle * DEG)
    }

    /// Joint targets \[deg\], unbounded (GetAngularCommand).
    pub fn commanded_joints_deg(&self) -> [f64; JOINTS] {
        if self.vices.nan.joints {
            return [f64::NAN; JOINTS];
        }
        self.with_turns(self.targets.joints_rad, 1.0).map(|angle| angle * DEG)
    }

    /// Finger targets \[ticks\].
    pub fn commanded_finger_ticks(&self) -> [f64; FINGERS] {
        if self.vices.nan.fingers {
            return [f64::NAN; FINGERS];
        }
        self.targets.fingers_rad.map(fingers::ticks)
    }

    /// Finger positions \[ticks\].
    pub fn finger_ticks(&self) -> [f64; FINGERS] {
        self.reading().fingers_rad.map(fingers::ticks)
    }

    /// How full the FIFO is.
    pub fn fifo_info(&self) -> FifoInfo {
        FifoInfo::from(self.fifo.len() as u32)
    }

    /// How full the FIFO is said to be (GetGlobalTrajectoryInfo).
    pub fn reported_fifo(&self) -> FifoInfo {
        let lag = self.lag_ticks();
        let then = self.fifo_history.len().saturating_sub(lag);
        match self.fifo_history.get(then) {
            Some(&count) if lag > 0 => FifoInfo::from(count),
            _ => self.fifo_info(),
        }
    }

    /// Notes what the readings of a tick later depend on.
    pub(super) fn remember(&mut self, tick_s: f64) {
        let rate = self.vices.finger_drift_ticks_s;
        self.finger_drift_ticks =
            if rate == 0.0 { 0.0 } else { self.finger_drift_ticks + rate * tick_s };
        let lag = self.lag_ticks();
        if lag > 0 {
            self.fifo_history.push_back(self.fifo.len() as u32);
        }
        let stale = self.fifo_history.len().saturating_sub(lag);
        self.fifo_history.drain(..stale);
    }

    /// `joints_rad` with the turns that the readings have too many, `sign` times.
    pub(super) fn with_turns(&self, joints_rad: [f64; JOINTS], sign: f64) -> [f64; JOINTS] {
        let turns = f64::from(self.vices.unbounded_joints) * sign;
        std::array::from_fn(|i| joints_rad[i] + if CONTINUOUS[i] { turns * TAU } else { 0.0 })
    }

    fn lag_ticks(&self) -> usize {
        self.vices.fifo_lag_ms.div_ceil(TICK_NS / 1_000_000) as usize
    }
}
