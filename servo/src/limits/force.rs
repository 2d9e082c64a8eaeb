//! Force: an arm that presses is not pressed on.
//!
//! The part of a velocity along the force that the tool exerts is slowed as the force nears its
//! limit; motion across it and away from it stays free. The arm estimates the force from its
//! joints, at some 10 Hz and with what it takes to speed up and brake in it. That passes; contact
//! stays: so a mean over a short memory counts, and an old reading says nothing about now.

use jaco_core::Wrench;
use nalgebra::Vector3;

/// Share of the limit from which pressing is slowed.
const SLOWS_FROM: f64 = 0.75;
/// Age from which an estimate is ignored \[ns\].
const STALE_NS: u64 = 400_000_000;
/// Memory of the mean \[s\].
const MEMORY_S: f64 = 0.4;

/// The force that the tool exerts, as a mean over a short memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ToolForce {
    stamp_ns: u64,
    mean_n: Vector3<f64>,
}

impl ToolForce {
    /// Takes a reading; one that was seen already, and one that is no number, changes nothing.
    pub fn see(&mut self, wrench: &Wrench) {
        let since_ns = wrench.stamp_ns.saturating_sub(self.stamp_ns);
        if since_ns == 0 || !wrench.force_n.iter().all(|value| value.is_finite()) {
            return;
        }
        // After a gap the memory is of another time.
        let since_s = if since_ns > STALE_NS { 0.0 } else { since_ns as f64 * 1e-9 };
        let share = 1.0 - (-since_s / MEMORY_S).exp();
        self.mean_n = if since_s == 0.0 {
            Vector3::zeros()
        } else {
            self.mean_n + (wrench.force_n - self.mean_n) * share
        };
        self.stamp_ns = wrench.stamp_ns;
    }

    /// The mean force \[N\], base frame.
    pub fn mean_n(&self) -> Vector3<f64> {
        self.mean_n
    }

    /// `velocity_m_s` without what would press harder than `limit_n`. At the limit nothing is left
    /// of the part along the force.
    pub fn limit(&self, velocity_m_s: &Vector3<f64>, now_ns: u64, limit_n: f64) -> Vector3<f64> {
        let force_n = self.mean_n.norm();
        let known = now_ns.saturating_sub(self.stamp_ns) <= STALE_NS;
        if !known || force_n <= SLOWS_FROM * limit_n {
            return *velocity_m_s;
        }
        let direction = self.mean_n / force_n;
        let pressing_m_s = velocity_m_s.dot(&direction).max(0.0);
        let share = ((limit_n - force_n) / ((1.0 - SLOWS_FROM) * limit_n)).clamp(0.0, 1.0);
        velocity_m_s - direction * (pressing_m_s * (1.0 - share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const READ_EVERY_NS: u64 = 100_000_000;

    /// Readings of `force_n` for a second, at 10 Hz; the last was made at the time returned.
    fn pressing(force_n: Vector3<f64>) -> (ToolForce, u64) {
        let mut force = ToolForce::default();
        for stamp_ns in (1..=10).map(|reading| reading * READ_EVERY_NS) {
            force.see(&Wrench { stamp_ns, force_n, ..Wrench::default() });
        }
        (force, 10 * READ_EVERY_NS)
    }

    #[test]
    fn pressing_ends_at_the_limit_and_leaving_stays_free() {
        let (force, now_ns) = pressing(Vector3::new(0.0, 0.0, -60.0));
        let limited = force.limit(&Vector3::new(0.05, 0.0, -0.1), now_ns, 40.0);
        assert!((limited - Vector3::x() * 0.05).norm() < 1e-12);
        let leaving = Vector3::new(0.05, 0.0, 0.1);
        assert_eq!(force.limit(&leaving, now_ns, 40.0), leaving);
    }

    #[test]
    fn an_old_estimate_and_none_at_all_are_ignored() {
        let down = Vector3::new(0.0, 0.0, -0.1);
        let (force, last_ns) = pressing(down * 900.0);
        assert_eq!(force.limit(&down, last_ns + STALE_NS + 1, 40.0), down);
        assert_eq!(ToolForce::default().limit(&down, 0, 40.0), down);
    }

    /// In the simulator, starting to move looked like 60 N for some ticks, to and fro.
    #[test]
    fn what_passes_is_not_contact() {
        let (mut force, mut now_ns) = pressing(Vector3::zeros());
        for force_n in [60.0, -40.0, 50.0, -50.0] {
            now_ns += 40_000_000;
            let force_n = Vector3::z() * force_n;
            force.see(&Wrench { stamp_ns: now_ns, force_n, ..Wrench::default() });
            for velocity in [Vector3::z(), -Vector3::z()] {
                assert_eq!(force.limit(&velocity, now_ns, 40.0), velocity);
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_presses_beyond_the_limit_and_nothing_grows(
            velocity in proptest::array::uniform3(-1.0..1.0_f64),
            force in proptest::array::uniform3(-100.0..100.0_f64),
        ) {
            let velocity = Vector3::from(velocity);
            let (force, now_ns) = pressing(Vector3::from(force));
            let limited = force.limit(&velocity, now_ns, 40.0);
            prop_assert!(limited.norm() <= velocity.norm() + 1e-12);
            if force.mean_n().norm() >= 40.0 {
                prop_assert!(limited.dot(&force.mean_n()) <= 1e-9);
            }
            if velocity.dot(&force.mean_n()) <= 0.0 {
                prop_assert_eq!(limited, velocity);
            }
        }
    }
}
