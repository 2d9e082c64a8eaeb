//! Force: an arm that presses is not pressed on.
//!
//! The part of a velocity along the force that the tool exerts is slowed as the force nears its
//! limit; motion across it and away from it stays free. The arm's estimate of the force is read
//! at some 10 Hz, so an old one says nothing about now.

use jaco_core::Wrench;
use nalgebra::Vector3;

/// Share of the limit from which pressing is slowed.
const SLOWS_FROM: f64 = 0.6;
/// Age from which an estimate is ignored \[ns\].
const STALE_NS: u64 = 400_000_000;

/// `velocity_m_s` without what would press harder than `limit_n`. At the limit nothing is left of
/// the part along the force.
pub fn limit(
    velocity_m_s: &Vector3<f64>,
    wrench: &Wrench,
    now_ns: u64,
    limit_n: f64,
) -> Vector3<f64> {
    let force_n = wrench.force_n.norm();
    let known = wrench.stamp_ns > 0 && now_ns.saturating_sub(wrench.stamp_ns) <= STALE_NS;
    if !known || !force_n.is_finite() || force_n <= SLOWS_FROM * limit_n {
        return *velocity_m_s;
    }
    let direction = wrench.force_n / force_n;
    let pressing_m_s = velocity_m_s.dot(&direction).max(0.0);
    let share = ((limit_n - force_n) / ((1.0 - SLOWS_FROM) * limit_n)).clamp(0.0, 1.0);
    velocity_m_s - direction * (pressing_m_s * (1.0 - share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wrench(force_n: Vector3<f64>) -> Wrench {
        Wrench { stamp_ns: 1_000_000_000, force_n, ..Wrench::default() }
    }

    #[test]
    fn pressing_ends_at_the_limit_and_leaving_stays_free() {
        let down = wrench(Vector3::new(0.0, 0.0, -40.0));
        let now_ns = 1_100_000_000;
        let pressing = Vector3::new(0.05, 0.0, -0.1);
        assert_eq!(limit(&pressing, &down, now_ns, 40.0), Vector3::new(0.05, 0.0, 0.0));
        let leaving = Vector3::new(0.05, 0.0, 0.1);
        assert_eq!(limit(&leaving, &down, now_ns, 40.0), leaving);
    }

    #[test]
    fn an_old_estimate_and_none_at_all_are_ignored() {
        let pressing = Vector3::new(0.0, 0.0, -0.1);
        let down = wrench(Vector3::new(0.0, 0.0, -90.0));
        assert_eq!(limit(&pressing, &down, 2_000_000_000, 40.0), pressing);
        let never = Wrench { stamp_ns: 0, ..down };
        assert_eq!(limit(&pressing, &never, 0, 40.0), pressing);
    }

    proptest! {
        #[test]
        fn nothing_presses_beyond_the_limit_and_nothing_grows(
            velocity in proptest::array::uniform3(-1.0..1.0_f64),
            force in proptest::array::uniform3(-100.0..100.0_f64),
        ) {
            let (velocity, force) = (Vector3::from(velocity), Vector3::from(force));
            let limited = limit(&velocity, &wrench(force), 1_000_000_000, 40.0);
            prop_assert!(limited.norm() <= velocity.norm() + 1e-12);
            let (before, after) = (velocity.dot(&force), limited.dot(&force));
            if force.norm() >= 40.0 {
                prop_assert!(after <= 1e-9);
            }
            if before <= 0.0 {
                prop_assert_eq!(limited, velocity);
            }
        }
    }
}
