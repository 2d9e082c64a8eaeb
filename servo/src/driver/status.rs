//! QuickStatus as the driver understands it: the flags of the arm's base, and which bytes cannot
//! be one. It must never judge what the flags mean for motion.

use super::api::Api;
use super::error::CallError;
use super::line::Line;
use crate::condition::{Condition, Conditions};
use jaco_core::state::FINGERS;
use kinova_sys::QuickStatus;

/// RETRACT_TYPE: the arm stands at its home position.
const AT_HOME: u8 = 1;
/// RETRACT_TYPE: the last of those of an arm that was homed since power-up.
const NORMAL_STANDBY: u8 = 5;
/// RETRACT_TYPE: not homed since power-up.
const NOT_INITIALISED: u8 = 6;

/// The flags of the arm's base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether each finger has found its zero since power-up.
    pub fingers_initialised: [bool; FINGERS],
    /// RETRACT_TYPE. Values beyond 6 exist (25000, cut to a byte): an error of the base.
    pub retract_type: u8,
    /// Whether the API has control of the arm.
    pub control: bool,
    /// Whether the base reports a fault of Cartesian control.
    pub cartesian_fault: bool,
    /// Whether reactive force control is on.
    pub force_control: bool,
    /// ROBOT_TYPE.
    pub robot_type: u8,
}

impl Status {
    /// The flags in a reply; `None` if no base has such: another call's reply, read as if it
    /// fitted.
    pub fn of(reply: &QuickStatus) -> Option<Self> {
        let fingers = [reply.Finger1Status, reply.Finger2Status, reply.Finger3Status];
        let flags = [
            reply.ControlEnableStatus,
            reply.ControlFrameType,
            reply.ForceControlStatus,
            reply.CurrentLimitationStatus,
        ];
        let plausible = fingers.iter().chain(&flags).all(|flag| *flag <= 1)
            && reply.ControlActiveModule <= 8
            && matches!(reply.RobotType, 0..=8 | 254 | 255);
        plausible.then(|| Self {
            fingers_initialised: fingers.map(|finger| finger == 1),
            retract_type: reply.RetractType,
            // 0 is on, for both.
            control: reply.ControlEnableStatus == 0,
            cartesian_fault: reply.CartesianFaultState != 0,
            force_control: reply.ForceControlStatus == 0,
            robot_type: reply.RobotType,
        })
    }

    /// Whether the arm was homed since power-up.
    pub fn is_homed(&self) -> bool {
        self.retract_type <= NORMAL_STANDBY
    }

    /// Whether nothing in them keeps the arm from taking Cartesian velocities.
    pub fn is_fit(&self) -> bool {
        self.is_homed() && !self.cartesian_fault && !self.force_control
    }

    /// Whether the base says that it has not been homed since it was switched on.
    pub fn is_fresh(&self) -> bool {
        self.retract_type == NOT_INITIALISED
    }

    /// Whether the base says that the arm stands at its home position.
    pub fn is_at_home(&self) -> bool {
        self.retract_type == AT_HOME
    }

    /// Puts what these flags say is wrong, for a hand with so many fingers, into `conditions`.
    pub fn note(&self, fingers: usize, conditions: &mut Conditions) {
        let homed = self.is_homed();
        conditions.set(Condition::NotHomed, !homed);
        conditions.set(Condition::FingersNotInitialised, homed && !self.has_fingers(fingers));
        conditions.set(Condition::CartesianFault, self.cartesian_fault);
        conditions.set(Condition::ForceControl, self.force_control);
    }

    /// Whether the first `fingers` fingers have found their zero.
    pub fn has_fingers(&self, fingers: usize) -> bool {
        self.fingers_initialised.iter().take(fingers).all(|found| *found)
    }
}

/// As [`read_status`], of an arm of a known kind: flags of another kind are another command's reply,
/// such as one that is all zero.
pub(super) fn read_status_of<A: Api>(line: &Line<A>, robot_type: u8) -> Result<Status, CallError> {
    let status = read_status(line)?;
    match status.robot_type == robot_type {
        true => Ok(status),
        false => Err(CallError::Implausible { call: "GetQuickStatus" }),
    }
}

pub(super) fn read_status<A: Api>(line: &Line<A>) -> Result<Status, CallError> {
    // What an arm cannot answer: an empty reply must not look like one.
    let mut reply = QuickStatus { RobotType: 200, ..QuickStatus::default() };
    line.call("GetQuickStatus", |api| api.get_quick_status(&mut reply))?;
    Status::of(&reply).ok_or(CallError::Implausible { call: "GetQuickStatus" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn reply(retract_type: u8) -> QuickStatus {
        QuickStatus { RetractType: retract_type, RobotType: 6, ..QuickStatus::default() }
    }

    /// Any value but 6 counted as homed, 168 (25000 cut to a byte) too.
    #[test]
    fn only_the_values_of_a_homed_arm_are_homed() {
        for retract_type in 0..=u8::MAX {
            let status = Status::of(&reply(retract_type)).unwrap();
            assert_eq!(status.is_homed(), retract_type <= 5, "{retract_type}");
            assert_eq!(status.is_at_home(), retract_type == 1, "{retract_type}");
        }
    }

    #[test]
    fn on_is_zero_for_control_and_for_force_control() {
        let status = Status::of(&QuickStatus {
            ControlEnableStatus: 1,
            ForceControlStatus: 0,
            Finger1Status: 1,
            Finger2Status: 1,
            ..reply(1)
        })
        .unwrap();
        assert!(!status.control && status.force_control);
        assert!(status.has_fingers(2) && !status.has_fingers(3));
    }

    proptest! {
        /// Joint angles and poses as a status: the bytes of floats.
        #[test]
        fn the_bytes_of_numbers_are_mostly_no_status(angle in 10.0_f32..350.0) {
            let [a, b, c, d] = angle.to_le_bytes();
            let reply = QuickStatus {
                Finger1Status: a, Finger2Status: b, Finger3Status: c, RetractType: d, ..reply(1)
            };
            if [a, b, c].iter().any(|byte| *byte > 1) {
                prop_assert_eq!(Status::of(&reply), None);
            }
        }
    }
}
