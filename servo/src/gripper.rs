//! From a gripper opening commanded to finger velocities.
//!
//! The command persists while an object blocks the fingers: the velocity stays closing, and that
//! is what holds the object. A finger that is read beyond its range is at the end of it: its
//! ticks differ from hand to hand, and "close" must never open one. Nothing here may look at what
//! is being held.

use jaco_core::state::FINGERS;

/// Whether the gain alone would drive a finger faster than `speed_per_s`.
pub fn is_cut(velocity: &[f64; FINGERS], speed_per_s: f64) -> bool {
    velocity.iter().any(|velocity| velocity.abs() >= speed_per_s)
}

/// Velocity of each finger \[closure/s\], closing positive: proportional to what is missing to
/// the commanded `opening` (1 open, 0 closed), at most `speed_per_s`.
pub fn finger_velocity(
    opening: f64,
    measured_closure: &[f64; FINGERS],
    gain_per_s: f64,
    speed_per_s: f64,
) -> [f64; FINGERS] {
    let closure = 1.0 - opening.clamp(0.0, 1.0);
    measured_closure.map(|measured| {
        let missing = closure - measured.clamp(0.0, 1.0);
        (gain_per_s * missing).clamp(-speed_per_s, speed_per_s)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_at_full_speed_and_slows_at_the_end() {
        assert_eq!(finger_velocity(0.0, &[0.0; 3], 8.0, 1.04), [1.04; 3]);
        let [near, ..] = finger_velocity(0.0, &[0.95; 3], 8.0, 1.04);
        assert!((near - 0.4).abs() < 1e-12);
    }

    #[test]
    fn a_blocked_finger_is_still_told_to_close() {
        assert_eq!(finger_velocity(0.0, &[0.6, 0.6, 1.0], 8.0, 1.0), [1.0, 1.0, 0.0]);
    }

    /// A closed finger was read at 1.05, and "close" opened it.
    #[test]
    fn a_finger_read_beyond_its_range_is_never_driven_the_other_way() {
        assert_eq!(finger_velocity(0.0, &[1.05, 1.0, 3.0], 8.0, 1.0), [0.0; 3]);
        assert_eq!(finger_velocity(1.0, &[-0.05, 0.0, -3.0], 8.0, 1.0), [0.0; 3]);
        assert_eq!(finger_velocity(0.0, &[-0.05; 3], 8.0, 1.0), [1.0; 3]);
    }

    #[test]
    fn openings_beyond_the_range_are_the_ends_of_the_range() {
        assert_eq!(finger_velocity(7.0, &[0.0; 3], 8.0, 1.0), [0.0; 3]);
        assert_eq!(finger_velocity(-7.0, &[1.0; 3], 8.0, 1.0), [0.0; 3]);
    }
}
