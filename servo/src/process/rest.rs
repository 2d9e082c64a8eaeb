//! Whether the arm is at rest, judged from readings alone. Pure.

use jaco_core::Pose;

/// Readings kept: more than the pose is read within [`SPAN_NS`].
const READINGS: usize = 16;
/// How long the arm must have been seen in one place \[ns\].
const SPAN_NS: u64 = 200_000_000;
/// Readings older than this tell nothing about now \[ns\].
const FRESH_NS: u64 = 60_000_000;
/// Movement within the span that is no movement \[m\], \[rad\]: noise of the readings.
const STILL_M: f64 = 0.002;
const STILL_RAD: f64 = 0.02;

/// The latest readings of the pose.
#[derive(Clone, Debug, Default)]
pub struct RestWatch {
    readings: [Option<(u64, Pose)>; READINGS],
    at: usize,
}

impl RestWatch {
    /// Takes a reading; one with the stamp of the last is the same reading.
    pub fn see(&mut self, stamp_ns: u64, pose: &Pose) {
        let last = self.readings[(self.at + READINGS - 1) % READINGS];
        if last.is_none_or(|(last_ns, _)| last_ns != stamp_ns) {
            self.readings[self.at] = Some((stamp_ns, *pose));
            self.at = (self.at + 1) % READINGS;
        }
    }

    /// Whether fresh readings over 200 ms show the arm in one place. No readings show nothing.
    pub fn is_at_rest(&self, now_ns: u64) -> bool {
        let Some((newest_ns, here)) = self.readings[(self.at + READINGS - 1) % READINGS] else {
            return false;
        };
        let within = |stamp_ns: u64, limit_ns: u64| now_ns.saturating_sub(stamp_ns) <= limit_ns;
        let mut spanned = false;
        for (stamp_ns, pose) in self.readings.iter().flatten() {
            // An older one, from before a gap in the readings, would not cover the span.
            spanned |= !within(*stamp_ns, SPAN_NS) && within(*stamp_ns, SPAN_NS + FRESH_NS);
            let moved = (pose.position_m - here.position_m).norm() > STILL_M
                || pose.orientation.angle_to(&here.orientation) > STILL_RAD;
            if moved && within(*stamp_ns, SPAN_NS) {
                return false;
            }
        }
        spanned && within(newest_ns, FRESH_NS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{UnitQuaternion, Vector3};

    /// Readings every 20 ms, as the driver makes them.
    fn watch(x_m: impl Fn(u64) -> f64, count: u64) -> (RestWatch, u64) {
        let mut watch = RestWatch::default();
        for index in 0..count {
            let position_m = Vector3::new(x_m(index), -0.4, 0.2);
            watch.see(
                index * 20_000_000,
                &Pose { position_m, orientation: UnitQuaternion::identity() },
            );
        }
        (watch, (count - 1) * 20_000_000)
    }

    #[test]
    fn an_arm_that_stays_is_at_rest_after_200_ms() {
        let (short, now_ns) = watch(|_| 0.1, 10);
        assert!(!short.is_at_rest(now_ns));
        let (long, now_ns) = watch(|_| 0.1, 12);
        assert!(long.is_at_rest(now_ns));
    }

    #[test]
    fn an_arm_that_creeps_is_not() {
        let (watch, now_ns) = watch(|index| index as f64 * 0.0005, 30);
        assert!(!watch.is_at_rest(now_ns));
    }

    #[test]
    fn an_arm_that_has_just_stopped_is_at_rest_200_ms_later() {
        let (moving, now_ns) = watch(|index| index.min(20) as f64 * 0.004, 25);
        assert!(!moving.is_at_rest(now_ns));
        let (rested, now_ns) = watch(|index| index.min(20) as f64 * 0.004, 32);
        assert!(rested.is_at_rest(now_ns));
    }

    #[test]
    fn readings_from_before_a_gap_show_nothing() {
        let (mut watch, now_ns) = watch(|_| 0.1, 30);
        let after_ns = now_ns + 3_000_000_000;
        let position_m = Vector3::new(0.1, -0.4, 0.2);
        watch.see(after_ns, &Pose { position_m, orientation: UnitQuaternion::identity() });
        assert!(!watch.is_at_rest(after_ns));
    }

    #[test]
    fn old_readings_show_nothing() {
        let (watch, now_ns) = watch(|_| 0.1, 30);
        assert!(!watch.is_at_rest(now_ns + 100_000_000));
        assert!(!RestWatch::default().is_at_rest(0));
    }
}
