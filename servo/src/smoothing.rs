//! Smoothing: the mean of a moving pose over a short window of time.
//!
//! The window is one box after another, the second half as long: a velocity that jumps becomes an
//! S, with bounded acceleration and jerk, that never passes either value; a pose that has come to
//! rest is reached exactly when the window has passed, with no overshoot; and the sum of
//! displacements is kept to the last digit. The price is a delay of half the window. Nothing here
//! knows limits or who asked.

use jaco_core::{Pose, TICK_S};
use nalgebra::{UnitQuaternion, Vector3};

/// Longest window \[ticks\].
const MOST_TICKS: usize = 32;

/// Longest window \[ms\].
pub const MOST_MS: u64 = MOST_TICKS as u64 * 10 - 10;

/// The last poses and how much each counts.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The newest first.
    poses: [Pose; MOST_TICKS],
    weights: [f64; MOST_TICKS],
    length: usize,
}

impl Window {
    /// A window over `window_ms` that has seen nothing but `pose`; 0 ms smooths nothing.
    pub fn at(pose: Pose, window_ms: u64) -> Self {
        let ticks = (window_ms.min(MOST_MS) as f64 * 1e-3 / TICK_S).round() as usize;
        let short = ticks.div_ceil(3);
        let long = ticks - short;
        let (short, long) = (short + 1, long + 1);
        let length = short + long - 1;
        let mut weights = [0.0; MOST_TICKS];
        for first in 0..short {
            for second in 0..long {
                weights[first + second] += 1.0 / (short * long) as f64;
            }
        }
        Self { poses: [pose; MOST_TICKS], weights, length }
    }

    /// The next pose.
    pub fn push(&mut self, pose: Pose) {
        self.poses.copy_within(..self.length - 1, 1);
        self.poses[0] = pose;
    }

    /// Changes every pose that is remembered.
    pub fn map(&mut self, change: impl Fn(&Pose) -> Pose) {
        for pose in &mut self.poses[..self.length] {
            *pose = change(pose);
        }
    }

    /// The weighted mean of the window.
    pub fn mean(&self) -> Pose {
        let newest = &self.poses[0];
        let (mut ahead_m, mut ahead_rad) = (Vector3::zeros(), Vector3::zeros());
        for (pose, weight) in self.poses[..self.length].iter().zip(&self.weights) {
            ahead_m += (pose.position_m - newest.position_m) * *weight;
            ahead_rad += newest.rotation_to(&pose.orientation) * *weight;
        }
        let turn = UnitQuaternion::from_scaled_axis(ahead_rad);
        Pose {
            position_m: newest.position_m + ahead_m,
            orientation: UnitQuaternion::new_normalize((turn * newest.orientation).into_inner()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pose(x_m: f64, turn_rad: f64) -> Pose {
        Pose {
            position_m: Vector3::new(x_m, -0.4, 0.2),
            orientation: UnitQuaternion::from_scaled_axis(Vector3::new(0.0, turn_rad, 0.0)),
        }
    }

    #[test]
    fn no_window_is_the_pose_itself() {
        let mut window = Window::at(pose(0.0, 0.0), 0);
        window.push(pose(0.1, 0.4));
        assert_eq!(window.mean(), pose(0.1, 0.4));
    }

    #[test]
    fn half_the_window_is_the_delay_of_steady_motion() {
        for window_ms in [20, 80, 110, MOST_MS] {
            let mut window = Window::at(pose(0.0, 0.0), window_ms);
            for tick in 0..100 {
                window.push(pose(0.001 * f64::from(tick), 0.005 * f64::from(tick)));
            }
            let late_ticks = window_ms as f64 * 1e-3 / TICK_S / 2.0;
            let mean = window.mean();
            let want = pose(0.001 * (99.0 - late_ticks), 0.005 * (99.0 - late_ticks));
            assert!((mean.position_m - want.position_m).norm() < 1e-12);
            assert!(mean.orientation.angle_to(&want.orientation) < 1e-7);
        }
    }

    proptest! {
        #[test]
        fn what_comes_to_rest_is_reached_exactly_and_never_passed(
            steps_m in proptest::collection::vec(0.0..0.002_f64, 1..60),
            window_ms in 0..=MOST_MS,
        ) {
            let mut window = Window::at(pose(0.0, 0.0), window_ms);
            let (mut x_m, mut last_m) = (0.0, 0.0);
            for step_m in steps_m {
                x_m += step_m;
                window.push(pose(x_m, 0.0));
                let mean_m = window.mean().position_m.x;
                prop_assert!(last_m - 1e-12 <= mean_m && mean_m <= x_m + 1e-12);
                last_m = mean_m;
            }
            for _ in 0..MOST_TICKS {
                window.push(pose(x_m, 0.0));
            }
            prop_assert!((window.mean().position_m.x - x_m).abs() < 1e-12);
        }
    }
}
