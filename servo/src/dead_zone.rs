//! The arm's dead zone: an arm that ignores slow velocities still arrives.
//!
//! While the wanted velocity is within the zone, what is missing to the reference is watched. Once
//! the arm has had time to come to rest, comes no nearer by itself and still lacks more than one
//! burst can overshoot, the missing displacement is sent in one burst just above the zone. Bursts are counted out by what
//! was sent, not by what is read during them, and the next one waits until the arm has settled:
//! so there is no cycle between reading and bursts at rest. Outside the zone nothing is changed.
//!
//! It serves translation and rotation, each with its own zone; it knows no limits.

use jaco_core::TICK_S;
use nalgebra::Vector3;

/// Ticks without effective motion after which the arm counts as settled.
const SETTLE_TICKS: u32 = 15;
/// Speed of a burst, in zones.
const BURST: f64 = 1.1;
/// An arm that comes nearer by this part of the tolerance in that time has no dead zone there.
const NEARER: f64 = 0.25;
/// What is missing is left alone up to this many ticks of the zone's speed.
const TOLERANCE_TICKS: f64 = 2.0;

/// Bursts for one vector: velocity \[m/s\] or \[rad/s\].
#[derive(Clone, Copy, Debug, Default)]
pub struct Bursts {
    /// What the burst under way has yet to send.
    left: Option<Vector3<f64>>,
    settled_ticks: u32,
    /// What was missing when the arm began to settle, the length.
    lacked: f64,
}

impl Bursts {
    /// The velocity to ask for, where `wanted` (of it `forward` is the reference's own) would be
    /// right without a dead `zone`, and the arm is `missing` from the reference.
    pub fn wanted(
        &mut self,
        wanted: Vector3<f64>,
        forward: &Vector3<f64>,
        missing: &Vector3<f64>,
        zone: f64,
    ) -> Vector3<f64> {
        if wanted.norm() >= zone {
            *self = Self::default();
            return wanted;
        }
        let (lacks, tolerance) = (missing.norm(), TOLERANCE_TICKS * zone * TICK_S);
        if self.settled_ticks == 0 || lacks < self.lacked - NEARER * tolerance {
            (self.settled_ticks, self.lacked) = (0, lacks);
        }
        if self.left.is_none() && self.settled_ticks >= SETTLE_TICKS && lacks > tolerance {
            self.left = Some(*missing);
        }
        match &mut self.left {
            Some(left) => {
                *left += forward * TICK_S;
                let length = left.norm();
                if length > 0.0 { *left * (BURST * zone / length) } else { wanted }
            }
            None => wanted,
        }
    }

    /// What was `sent` in the end.
    pub fn sent(&mut self, sent: &Vector3<f64>, zone: f64) {
        let moves = sent.norm() >= zone;
        if let Some(left) = &mut self.left {
            let before = *left;
            if moves {
                *left -= sent * TICK_S;
            }
            // Half a tick more would not bring it nearer.
            let passed = before.dot(left) <= 0.0;
            if passed || left.norm() < BURST * zone * TICK_S / 2.0 {
                self.left = None;
            }
        }
        self.settled_ticks = if moves { 0 } else { self.settled_ticks.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONE_M_S: f64 = 0.03;

    /// An arm at rest that ignores what is in the zone and follows everything else, some ticks
    /// late.
    fn settle(mut missing: Vector3<f64>, late_ticks: usize, ticks: usize) -> (Vector3<f64>, usize) {
        let mut bursts = Bursts::default();
        let mut under_way = std::collections::VecDeque::from(vec![Vector3::zeros(); late_ticks]);
        let mut moving_ticks = 0;
        for _ in 0..ticks {
            let feedback = missing * 2.0;
            let sent = bursts.wanted(feedback, &Vector3::zeros(), &missing, ZONE_M_S);
            bursts.sent(&sent, ZONE_M_S);
            let moves = sent.norm() >= ZONE_M_S;
            moving_ticks += usize::from(moves);
            under_way.push_back(if moves { sent } else { Vector3::zeros() });
            missing -= under_way.pop_front().unwrap_or_default() * TICK_S;
        }
        (missing, moving_ticks)
    }

    proptest! {
        #[test]
        fn an_arm_in_the_dead_zone_arrives_and_then_rests(
            missing in proptest::array::uniform3(-0.008..0.008_f64),
            late_ticks in 0..10_usize,
        ) {
            let missing = Vector3::from(missing);
            let (left, moved) = settle(missing, late_ticks, 200);
            prop_assert!(left.norm() <= TOLERANCE_TICKS * ZONE_M_S * TICK_S, "{left}");
            let (later, moved_later) = settle(missing, late_ticks, 1000);
            prop_assert_eq!((left, moved), (later, moved_later), "it cycles");
        }
    }

    /// Bursts that it does not need would only shake it.
    #[test]
    fn an_arm_without_a_dead_zone_is_left_to_come_nearer_by_itself() {
        let (mut bursts, mut missing) = (Bursts::default(), Vector3::new(0.006, 0.0, 0.0));
        for _ in 0..300 {
            let feedback = missing * 2.0;
            let sent = bursts.wanted(feedback, &Vector3::zeros(), &missing, ZONE_M_S);
            bursts.sent(&sent, ZONE_M_S);
            assert!(sent.norm() < ZONE_M_S);
            missing -= sent * TICK_S;
        }
        assert!(missing.norm() < 1e-3);
    }

    #[test]
    fn without_a_zone_and_outside_it_nothing_is_changed() {
        let mut bursts = Bursts::default();
        for tick in 0..100 {
            let wanted = Vector3::new(0.0003 * f64::from(tick), 0.0, 0.0);
            let missing = Vector3::new(0.002, 0.0, 0.0);
            assert_eq!(bursts.wanted(wanted, &Vector3::zeros(), &missing, 0.0), wanted);
            bursts.sent(&wanted, 0.0);
        }
        let fast = Vector3::new(0.0, 0.05, 0.0);
        assert_eq!(bursts.wanted(fast, &fast, &Vector3::x(), ZONE_M_S), fast);
    }
}
