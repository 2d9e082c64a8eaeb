//! What is wrong with an arm that is in control: standing conditions, each with what to do about
//! it. They are judged from readings elsewhere; here they have only their words.

use jaco_core::Word;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that keeps the arm from working as it should, though it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Not homed since its power-up.
    NotHomed,
    /// A finger has not found its zero since power-up.
    FingersNotInitialised,
    /// Somebody else has control.
    NoControl,
    /// Joint control, where Cartesian velocities do nothing.
    JointControl,
    /// The base reports a fault of Cartesian control.
    CartesianFault,
    /// Reactive force control is on.
    ForceControl,
    /// Torque control is on: the arm takes no velocities.
    TorqueControl,
    /// It was commanded to move and did not.
    DoesNotFollow,
    /// It moves though nothing asks it to.
    MovesUnasked,
    /// Readings of the pose are refused: no arm can have moved like that.
    PoseRefused,
    /// The joints cannot be read.
    JointsUnreadable,
    /// The SDK's calls take so long that the arm gets less than 100 points a second.
    SlowCalls,
    /// Its own speed limits are below the configured ones.
    SlowerThanLimits,
}

impl Word for Condition {
    const ALL: &'static [Self] = &[
        Condition::NotHomed,
        Condition::FingersNotInitialised,
        Condition::NoControl,
        Condition::JointControl,
        Condition::CartesianFault,
        Condition::ForceControl,
        Condition::TorqueControl,
        Condition::DoesNotFollow,
        Condition::MovesUnasked,
        Condition::PoseRefused,
        Condition::JointsUnreadable,
        Condition::SlowCalls,
        Condition::SlowerThanLimits,
    ];

    fn name(self) -> &'static str {
        match self {
            Condition::NotHomed => "not-homed",
            Condition::FingersNotInitialised => "fingers-not-initialised",
            Condition::NoControl => "no-control",
            Condition::JointControl => "joint-control",
            Condition::CartesianFault => "cartesian-fault",
            Condition::ForceControl => "force-control",
            Condition::TorqueControl => "torque-control",
            Condition::DoesNotFollow => "does-not-follow",
            Condition::MovesUnasked => "moves-unasked",
            Condition::PoseRefused => "pose-refused",
            Condition::JointsUnreadable => "joints-unreadable",
            Condition::SlowCalls => "slow-calls",
            Condition::SlowerThanLimits => "slower-than-limits",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Condition::NotHomed => "not homed since its power-up: `jaco home`",
            Condition::FingersNotInitialised => {
                "a finger has not found its zero since power-up: `jaco home` opens the hand to it"
            }
            Condition::NoControl => {
                "another program, or the joystick, has control of the arm: every point is dropped; \
                 end the other program, then `jaco take`, or `jaco reset` after a stop"
            }
            Condition::JointControl => {
                "in joint control, where it takes no Cartesian velocities: `jaco take` asks for \
                 Cartesian control; if it is refused the pose is singular: `jaco home`"
            }
            Condition::CartesianFault => {
                "its base reports a fault of Cartesian control: `jaco home`; if that does not \
                 clear it, switch the arm off and on"
            }
            Condition::ForceControl => {
                "reactive force control is on and was not ended by StopForceControl: end it in \
                 Kinova's Development Center"
            }
            Condition::TorqueControl => {
                "in torque control, where it takes no velocities: switch it to position control in \
                 Kinova's Development Center, then restart jacod"
            }
            Condition::DoesNotFollow => {
                "was commanded to move and did not: it is blocked, near a singular pose, or out of \
                 control; `jaco home` brings it back"
            }
            Condition::MovesUnasked => {
                "moves though nothing asks it to; it is told to stop again and again. If it goes \
                 on: the arm's power button"
            }
            Condition::PoseRefused => {
                "its pose readings jump further than an arm can move and are not used"
            }
            Condition::JointsUnreadable => "its joint angles cannot be read",
            Condition::SlowCalls => {
                "calls of the SDK take so long that it gets less than 100 points a second and \
                 moves more slowly than asked: another USB port or cable, no hub"
            }
            Condition::SlowerThanLimits => {
                "its own speed limits (client configuration) are below arm.limits: it will not \
                 reach the speeds asked; lower linear_speed_m_s and angular_speed_rad_s"
            }
        })
    }
}

/// A set of [`Condition`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions(u32);

impl Conditions {
    /// Whether `condition` stands, from now on.
    pub fn set(&mut self, condition: Condition, stands: bool) {
        let bit = 1 << condition as u32;
        self.0 = if stands { self.0 | bit } else { self.0 & !bit };
    }

    /// Whether `condition` stands.
    pub fn holds(self, condition: Condition) -> bool {
        self.0 & (1 << condition as u32) != 0
    }

    /// Those that stand, in order.
    pub fn iter(self) -> impl Iterator<Item = Condition> {
        Condition::ALL.iter().copied().filter(move |condition| self.holds(*condition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_stands_until_it_is_cleared() {
        let mut conditions = Conditions::default();
        conditions.set(Condition::SlowerThanLimits, true);
        conditions.set(Condition::NotHomed, true);
        conditions.set(Condition::NotHomed, false);
        assert_eq!(conditions.iter().collect::<Vec<_>>(), [Condition::SlowerThanLimits]);
        for (index, condition) in Condition::ALL.iter().enumerate() {
            assert_eq!(*condition as usize, index, "each has a place of its own");
        }
    }
}
