//! Whether the arm is at rest, judged from readings alone. Pure.

use jaco_core::Pose;
use std::ops::RangeInclusive;

/// Readings kept: more than the pose is read within [`SPAN_NS`].
const READINGS: usize = 16;
/// How long the arm must have been seen in one place \[ns\].
const SPAN_NS: u64 = 200_000_000;
/// Readings older than this tell nothing about now \[ns\]: slow calls leave only so many.
const FRESH_NS: u64 = 130_000_000;
/// Movement within the span that is no movement \[m\], \[rad\]: noise of the readings.
const STILL_M: f64 = 0.002;
const STILL_RAD: f64 = 0.02;

/// Age, against the newest reading, of those that speed is judged by \[ns\]: at 50 Hz at least one
/// is there though a read failed. Where slow calls leave none, older ones are taken.
const SPEED_SPAN_NS: RangeInclusive<u64> = 40_000_000..=80_000_000;
const LONG_SPAN_NS: RangeInclusive<u64> = 80_000_001..=200_000_000;
/// A tool slower than this stands still \[m/s\], \[rad/s\].
const STILL_M_S: f64 = 0.005;
const STILL_RAD_S: f64 = 0.05;

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

    /// Whether the newest readings, of the last 40 to 80 ms, show a tool slower than 5 mm/s and
    /// 0.05 rad/s. No readings show nothing.
    pub fn is_still(&self, now_ns: u64) -> bool {
        self.stillness(now_ns) == Some(true)
    }

    /// Whether the same readings show a tool that is faster. No readings show nothing.
    pub fn is_seen_moving(&self, now_ns: u64) -> bool {
        self.stillness(now_ns) == Some(false)
    }

    /// `None` if the readings do not tell.
    fn stillness(&self, now_ns: u64) -> Option<bool> {
        let fresh = |newest_ns: u64| now_ns.saturating_sub(newest_ns) <= FRESH_NS;
        let (newest_ns, here) = self.readings[(self.at + READINGS - 1) % READINGS]?;
        let still_since = |spans_ns: RangeInclusive<u64>| {
            let spans = self.readings.iter().flatten().filter_map(|(stamp_ns, pose)| {
                let span_ns = newest_ns.saturating_sub(*stamp_ns);
                spans_ns.contains(&span_ns).then_some((span_ns as f64 * 1e-9, pose))
            });
            spans
                .map(|(span_s, pose)| {
                    let moved_m = (here.position_m - pose.position_m).norm();
                    let turned_rad = pose.orientation.angle_to(&here.orientation);
                    moved_m < STILL_M_S * span_s && turned_rad < STILL_RAD_S * span_s
                })
                .reduce(|all, still| all && still)
        };
        let still = still_since(SPEED_SPAN_NS).or_else(|| still_since(LONG_SPAN_NS));
        still.filter(|_| fresh(newest_ns))
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
        assert!(!watch.is_at_rest(now_ns + 200_000_000));
        assert!(!RestWatch::default().is_at_rest(0));
    }

    #[test]
    fn an_arm_that_has_just_stopped_is_still_after_the_span_and_long_before_it_is_at_rest() {
        let stops_at = |count| watch(|index| index.min(20) as f64 * 0.004, count);
        let (moving, now_ns) = stops_at(21);
        assert!(!moving.is_still(now_ns));
        let (still, now_ns) = stops_at(26);
        assert!(still.is_still(now_ns) && !still.is_at_rest(now_ns));
    }

    #[test]
    fn stillness_is_a_matter_of_speed() {
        for (mm_s, still) in [(4.0, true), (6.0, false)] {
            let (watch, now_ns) = watch(|index| index as f64 * 0.02 * mm_s * 1e-3, 6);
            assert_eq!(watch.is_still(now_ns), still, "{mm_s} mm/s");
        }
        let mut turning = RestWatch::default();
        for index in 0..6_u64 {
            let turn = Vector3::z() * (index as f64 * 0.02 * 0.06);
            let orientation = UnitQuaternion::from_scaled_axis(turn);
            turning.see(index * 20_000_000, &Pose { position_m: Vector3::zeros(), orientation });
        }
        assert!(!turning.is_still(100_000_000) && turning.is_seen_moving(100_000_000));
    }

    #[test]
    fn too_few_and_old_readings_show_no_stillness() {
        let (short, now_ns) = watch(|_| 0.1, 2);
        assert!(!short.is_still(now_ns));
        let (long, now_ns) = watch(|_| 0.1, 6);
        assert!(long.is_still(now_ns) && !long.is_still(now_ns + 200_000_000));
        assert!(!long.is_seen_moving(now_ns + 200_000_000));
        assert!(!RestWatch::default().is_still(0) && !RestWatch::default().is_seen_moving(0));
    }
}
