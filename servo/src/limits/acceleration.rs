//! Acceleration: how much the commanded twist may change in one tick.

use super::speed::clip_norm;
use jaco_core::{TICK_S, Twist};

/// The twist nearest to `wanted` that one tick of 10 ms can reach from `previous`. Between two
/// twists within the speed limits it is within them too (the limits are balls, hence convex).
pub fn limit_change(
    previous: &Twist,
    wanted: &Twist,
    linear_m_s2: f64,
    angular_rad_s2: f64,
) -> Twist {
    let linear = wanted.linear_m_s - previous.linear_m_s;
    let angular = wanted.angular_rad_s - previous.angular_rad_s;
    Twist {
        linear_m_s: previous.linear_m_s + clip_norm(&linear, linear_m_s2 * TICK_S),
        angular_rad_s: previous.angular_rad_s + clip_norm(&angular, angular_rad_s2 * TICK_S),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Vector3;

    #[test]
    fn ramps_to_zero_in_the_ticks_that_the_limit_gives() {
        let mut twist = Twist { linear_m_s: Vector3::new(0.24, 0.0, 0.0), ..Twist::zero() };
        let mut ticks = 0;
        while twist != Twist::zero() {
            twist = limit_change(&twist, &Twist::zero(), 2.5, 12.0);
            ticks += 1;
        }
        assert_eq!(ticks, 10);
    }
}
