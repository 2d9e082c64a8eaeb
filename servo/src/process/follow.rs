//! Whether the arm goes where it is sent, judged from readings alone. Pure.
//!
//! What is asked and what is seen are each summed up over the last seconds. An arm that was
//! asked to go some way and has gone next to none of it does not follow: it is blocked, its base
//! refuses the motion near a singular pose without a word, or somebody else has control.

use jaco_core::{Pose, TICK_S, Twist};

/// Time over which ways are summed up \[s\]: older ones fade.
const MEMORY_S: f64 = 1.5;
/// Slower than this the arm may not move at all \[m/s\], \[rad/s\].
const DEAD_ZONE_M_S: f64 = 0.03;
const DEAD_ZONE_RAD_S: f64 = 0.2;
/// Ways from which it is told that an arm has not gone them \[m\], \[rad\].
const WAY_M: f64 = 0.03;
const WAY_RAD: f64 = 0.2;
/// Share of the way that an arm which follows has gone at least.
const SHARE: f64 = 0.15;
/// Ticks for which it must have been so.
const TICKS: u32 = 80;

/// Ways asked and gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct FollowWatch {
    asked_m: f64,
    asked_rad: f64,
    gone_m: f64,
    gone_rad: f64,
    last: Option<(u64, Pose)>,
    blocked_ticks: u32,
}

impl FollowWatch {
    /// One tick in which `twist` was sent, with the newest reading and its stamp.
    pub fn tick(&mut self, twist: &Twist, stamp_ns: u64, pose: &Pose) {
        let fade = 1.0 - TICK_S / MEMORY_S;
        for way in [&mut self.asked_m, &mut self.asked_rad, &mut self.gone_m, &mut self.gone_rad] {
            *way *= fade;
        }
        let above = |speed: f64, dead: f64| if speed > dead { speed * TICK_S } else { 0.0 };
        self.asked_m += above(twist.linear_m_s.norm(), DEAD_ZONE_M_S);
        self.asked_rad += above(twist.angular_rad_s.norm(), DEAD_ZONE_RAD_S);
        if let Some((_, before)) = self.last.filter(|(before_ns, _)| *before_ns != stamp_ns) {
            self.gone_m += (pose.position_m - before.position_m).norm();
            self.gone_rad += pose.orientation.angle_to(&before.orientation);
        }
        self.last = Some((stamp_ns, *pose));
        let short = |asked: f64, gone: f64, way: f64| asked > way && gone < asked * SHARE;
        // Either motion shows that the arm is not stuck.
        let linear = short(self.asked_m, self.gone_m, WAY_M);
        let angular = short(self.asked_rad, self.gone_rad, WAY_RAD);
        let blocked = match (self.asked_m > WAY_M, self.asked_rad > WAY_RAD) {
            (true, true) => linear && angular,
            _ => linear || angular,
        };
        self.blocked_ticks = if blocked { self.blocked_ticks.saturating_add(1) } else { 0 };
    }

    /// Whether the arm has not followed for a while.
    pub fn is_blocked(&self) -> bool {
        self.blocked_ticks >= TICKS
    }

    /// Whether the arm is seen going a way that it was asked to go.
    pub fn is_following(&self) -> bool {
        self.blocked_ticks == 0 && (self.gone_m > WAY_M || self.gone_rad > WAY_RAD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{UnitQuaternion, Vector3};

    /// Whether a watch finds an arm blocked within `ticks`, that is asked for `asked_m_s` and goes at
    /// `share` of it, 50 ms later.
    fn blocked_at(asked_m_s: f64, share: f64, ticks: u64) -> Option<u64> {
        let mut watch = FollowWatch::default();
        let twist = Twist { linear_m_s: Vector3::x() * asked_m_s, ..Twist::zero() };
        (0..ticks).find(|tick| {
            let read = tick / 2 * 2;
            let x_m = asked_m_s * share * read.saturating_sub(5) as f64 * TICK_S;
            let position_m = Vector3::new(x_m, -0.4, 0.2);
            let pose = Pose { position_m, orientation: UnitQuaternion::identity() };
            watch.tick(&twist, read * 10_000_000, &pose);
            watch.is_blocked()
        })
    }

    #[test]
    fn an_arm_that_lags_or_is_slow_follows_and_one_that_stands_does_not() {
        assert_eq!(blocked_at(0.2, 1.0, 1000), None);
        assert_eq!(blocked_at(0.05, 0.3, 1000), None);
        assert!(blocked_at(0.2, 0.0, 200).is_some());
        assert!(blocked_at(0.04, 0.05, 400).is_some());
    }

    #[test]
    fn what_an_arm_may_not_move_at_is_not_asked() {
        assert_eq!(blocked_at(0.025, 0.0, 2000), None);
    }
}
