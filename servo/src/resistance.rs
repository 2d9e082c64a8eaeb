//! Resistance: whether something holds the arm back.
//!
//! What was sent a while ago is compared with what the arm does now, so that the arm's own delay
//! and slow acceleration do not look like contact. Only motion in the direction in
//! which the reference is ahead counts. Nothing here moves anything.

use jaco_core::{Limits, Pose, TICK_S, Twist};
use nalgebra::Vector3;

/// Memory of what was sent, twice over \[s\]: above the arm's delay, below what a person would
/// call waiting.
const SENT_MEMORY_S: f64 = 0.15;
/// Memory of what the arm did \[s\]: above the time between readings.
const MOVED_MEMORY_S: f64 = 0.05;
/// The arm is held back when it does less than this share of what it was told.
const LEAST_SHARE: f64 = 0.1;
/// Mean speeds sent up to which nothing is told: so much may be under way to the arm.
const LEAST_M_S: f64 = 0.025;
const LEAST_RAD_S: f64 = 0.15;

/// What was sent and what became of it, for one vector.
#[derive(Clone, Copy, Debug, Default)]
struct Response {
    /// What was sent, through one memory and, to allow for the arm's delay, through two.
    early: Vector3<f64>,
    late: Vector3<f64>,
    moved: Vector3<f64>,
}

impl Response {
    fn see(&mut self, sent: &Vector3<f64>, moved: &Vector3<f64>) {
        let share = |memory_s: f64| TICK_S / (memory_s + TICK_S);
        self.early += (sent - self.early) * share(SENT_MEMORY_S);
        self.late += (self.early - self.late) * share(SENT_MEMORY_S);
        self.moved += (moved - self.moved) * share(MOVED_MEMORY_S);
    }

    fn lacks(&self, towards: &Vector3<f64>, least: f64) -> bool {
        let length = towards.norm();
        if length == 0.0 {
            return false;
        }
        let direction = towards / length;
        let told = self.late.dot(&direction);
        told > least && self.moved.dot(&direction) < LEAST_SHARE * told
    }
}

/// The arm's answer to what it was told.
#[derive(Clone, Copy, Debug)]
pub struct Resistance {
    last: Pose,
    linear: Response,
    angular: Response,
}

impl Resistance {
    /// An arm at rest at `pose`.
    pub fn at(pose: Pose) -> Self {
        Self { last: pose, linear: Response::default(), angular: Response::default() }
    }

    /// One tick: `sent` was the last twist, `measured` is the newest pose.
    pub fn see(&mut self, sent: &Twist, measured: &Pose, limits: &Limits) {
        // Nobody expects an arm to follow what lies in its dead zone.
        let effective = |velocity: &Vector3<f64>, zone: f64| {
            if velocity.norm() < zone { Vector3::zeros() } else { *velocity }
        };
        let moved_m = measured.position_m - self.last.position_m;
        let turned_rad = self.last.rotation_to(&measured.orientation);
        self.linear.see(&effective(&sent.linear_m_s, limits.dead_zone_m_s), &(moved_m / TICK_S));
        self.angular
            .see(&effective(&sent.angular_rad_s, limits.dead_zone_rad_s), &(turned_rad / TICK_S));
        self.last = *measured;
    }

    /// Whether the arm hardly moves along `towards_m` although it was told to.
    pub fn holds_back(&self, towards_m: &Vector3<f64>) -> bool {
        self.linear.lacks(towards_m, LEAST_M_S)
    }

    /// Whether the arm hardly turns along `towards_rad` although it was told to.
    pub fn holds_back_turning(&self, towards_rad: &Vector3<f64>) -> bool {
        self.angular.lacks(towards_rad, LEAST_RAD_S)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::UnitQuaternion;

    fn pose(x_m: f64) -> Pose {
        let position_m = Vector3::new(x_m, -0.4, 0.2);
        Pose { position_m, orientation: UnitQuaternion::identity() }
    }

    fn along_x(x_m_s: f64) -> Twist {
        Twist { linear_m_s: Vector3::x() * x_m_s, ..Twist::zero() }
    }

    /// Ticks after which `moves_m_s` of an arm that is told 0.2 m/s looks like contact.
    fn found(moves_m_s: impl Fn(u32) -> f64) -> Option<u32> {
        let limits = Limits::default();
        let (mut resistance, mut x_m) = (Resistance::at(pose(0.0)), 0.0);
        (0..200).find(|tick| {
            x_m += moves_m_s(*tick) * TICK_S;
            resistance.see(&along_x(0.2), &pose(x_m), &limits);
            resistance.holds_back(&Vector3::x())
        })
    }

    /// 0.64 m/s^2 are the most that the arm's own controller gives.
    #[test]
    fn an_arm_that_starts_late_and_slowly_is_not_held_back() {
        let slow = |tick: u32| (0.64 * (f64::from(tick) * TICK_S - 0.05)).clamp(0.0, 0.2);
        assert_eq!(found(slow), None);
    }

    #[test]
    fn an_arm_that_stands_although_told_to_move_is_held_back() {
        let ticks = found(|tick| if tick < 50 { 0.2 } else { 0.0 });
        assert!((50..80).contains(&ticks.unwrap_or(0)), "{ticks:?}");
        assert!(found(|_| 0.0).is_some_and(|ticks| ticks < 15));
    }

    #[test]
    fn what_lies_in_the_dead_zone_is_no_order_to_move() {
        let limits = Limits::default();
        let mut resistance = Resistance::at(pose(0.0));
        for _ in 0..200 {
            resistance.see(&along_x(0.02), &pose(0.0), &limits);
            assert!(!resistance.holds_back(&Vector3::x()));
        }
    }
}
