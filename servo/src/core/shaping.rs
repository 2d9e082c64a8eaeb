//! What becomes of a wanted twist: every limit of the twist, in the order of
//! [`Limit`](crate::limits::acted::Limit).
//!
//! First the speeds, then what force and joints forbid, then how the twist may change. It holds
//! the twist that was sent last, and knows no reference and no mode.

use crate::kinematics::Kinematics;
use crate::limits::acted::{Acted, Limit};
use crate::limits::force::ToolForce;
use crate::limits::ramp::{Bounds, Ramp};
use crate::limits::speed::{limit_twist, scale_within};
use crate::limits::{joint_margin, singularity};
use jaco_core::{ArmState, Limits, Twist};

/// How far the pose that the joints give may be from the measured one \[m\], \[rad\]: they are read
/// one after the other. Beyond, the arm is not the one that [`crate::kinematics`] knows.
const SAME_POSE_M: f64 = 0.1;
const SAME_POSE_RAD: f64 = 0.3;

/// A shaped twist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shaped {
    pub twist: Twist,
    /// What was taken away for good, because of force or joints.
    pub removed: Twist,
    pub acted: Acted,
}

/// The twist as it is sent, tick by tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shaper {
    linear: Ramp,
    angular: Ramp,
    force: ToolForce,
}

impl Shaper {
    /// The twist for this tick; `moves` tells motion from braking to a hold.
    pub fn shape(
        &mut self,
        now_ns: u64,
        wanted: &Twist,
        moves: bool,
        state: &ArmState,
        limits: &Limits,
    ) -> Shaped {
        self.force.see(&state.wrench);
        let mut acted = Acted::default();
        let slow = limit_twist(wanted, limits.linear_speed_m_s, limits.angular_speed_rad_s);
        acted.note(Limit::LinearSpeed, slow.linear_m_s != wanted.linear_m_s);
        acted.note(Limit::AngularSpeed, slow.angular_rad_s != wanted.angular_rad_s);

        let mut allowed = slow;
        if slow != Twist::zero() {
            let pressed = self.force.limit(&slow.linear_m_s, now_ns, limits.force_limit_n);
            acted.note(Limit::Force, pressed != slow.linear_m_s);
            allowed.linear_m_s = pressed;
            if let Some(kinematics) = kinematics(now_ns, state, limits) {
                let joints_rad = &state.joints_rad;
                let margin_m_rad = limits.singularity_margin_m_rad;
                let (free, slowed) =
                    singularity::limit(&allowed, &kinematics, joints_rad, margin_m_rad);
                acted.note(Limit::Singularity, slowed);
                let margin_rad = limits.joint_margin_rad;
                let (free, cut) = joint_margin::limit(&free, &kinematics, joints_rad, margin_rad);
                acted.note(Limit::JointMargin, cut);
                // What is taken away in one direction must not add speed in another.
                allowed = if slowed || cut {
                    scale_within(&free, limits.linear_speed_m_s, limits.angular_speed_rad_s)
                } else {
                    free
                };
            }
        }
        let removed = Twist {
            linear_m_s: slow.linear_m_s - allowed.linear_m_s,
            angular_rad_s: slow.angular_rad_s - allowed.angular_rad_s,
        };

        let [linear, angular] = bounds(moves, limits);
        let cuts = [
            self.linear.advance(&allowed.linear_m_s, &linear),
            self.angular.advance(&allowed.angular_rad_s, &angular),
        ];
        acted.note(Limit::Acceleration, cuts.iter().any(|cut| cut.acceleration));
        acted.note(Limit::Jerk, cuts.iter().any(|cut| cut.jerk));
        let twist =
            Twist { linear_m_s: self.linear.velocity(), angular_rad_s: self.angular.velocity() };
        Shaped { twist, removed, acted }
    }
}

/// The bounds of the linear and of the angular velocity.
fn bounds(moves: bool, limits: &Limits) -> [Bounds; 2] {
    let (linear_speed, angular_speed) = (limits.linear_speed_m_s, limits.angular_speed_rad_s);
    if moves {
        [
            Bounds {
                speed: linear_speed,
                acceleration: limits.linear_acceleration_m_s2,
                jerk: limits.linear_jerk_m_s3,
            },
            Bounds {
                speed: angular_speed,
                acceleration: limits.angular_acceleration_rad_s2,
                jerk: limits.angular_jerk_rad_s3,
            },
        ]
    } else {
        [
            Bounds {
                speed: linear_speed,
                acceleration: limits.linear_braking_m_s2,
                jerk: limits.linear_braking_jerk_m_s3,
            },
            Bounds {
                speed: angular_speed,
                acceleration: limits.angular_braking_rad_s2,
                jerk: limits.angular_braking_jerk_rad_s3,
            },
        ]
    }
}

/// The arm's kinematics, if the joints are known and are those of the arm that was measured.
fn kinematics(now_ns: u64, state: &ArmState, limits: &Limits) -> Option<Kinematics> {
    let age_ms = now_ns.saturating_sub(state.joints_ns) / 1_000_000;
    if state.joints_ns == 0 && state.stamp_ns != 0 || age_ms > limits.state_age_ms {
        return None;
    }
    let kinematics = Kinematics::at(&state.joints_rad);
    let off_m = (kinematics.pose.position_m - state.pose.position_m).norm();
    let off_rad = kinematics.pose.orientation.angle_to(&state.pose.orientation);
    (off_m < SAME_POSE_M && off_rad < SAME_POSE_RAD).then_some(kinematics)
}
