//! Joint margins: motion towards the end of a joint's range slows down and stops before the end.
//!
//! Two joints of the arm have ends. Only the part of a motion that drives a joint on towards its
//! end is taken away: the rest goes on, and the way back is free.

use crate::kinematics::{Kinematics, scaled, unscaled};
use jaco_core::Twist;
use jaco_core::state::JOINTS;
use std::f64::consts::TAU;

/// A joint with ends: its place in the arm, counted from 0, and its range \[rad\].
const RANGES: [(usize, f64, f64); 2] =
    [(1, 47.0 * TAU / 360.0, 313.0 * TAU / 360.0), (2, 19.0 * TAU / 360.0, 341.0 * TAU / 360.0)];
/// Fastest that these joints turn \[rad/s\].
const SPEED_RAD_S: f64 = 36.0 * TAU / 360.0;
/// Share of the margin that is left when motion towards the end has stopped.
const STOPS_AT: f64 = 0.25;
/// Rounds in which sparing one joint may load the other.
const ROUNDS: usize = 3;

/// `twist` without what would drive a joint at `joints_rad` too fast towards its end, and whether
/// anything was taken away. `kinematics` is that of the same joints.
pub fn limit(
    twist: &Twist,
    kinematics: &Kinematics,
    joints_rad: &[f64; JOINTS],
    margin_rad: f64,
) -> (Twist, bool) {
    let near = RANGES.iter().any(|(joint, low_rad, high_rad)| {
        let angle_rad = joints_rad[*joint].rem_euclid(TAU);
        angle_rad - low_rad < margin_rad || high_rad - angle_rad < margin_rad
    });
    if !near {
        return (*twist, false);
    }
    let inverse = kinematics.inverse();
    let mut motion = scaled(twist);
    let mut cut = false;
    for _ in 0..ROUNDS {
        for (joint, row) in RANGES.map(|(joint, ..)| (joint, inverse.row(joint))) {
            let speed_rad_s = (row * motion)[0];
            let excess = speed_rad_s.abs() - most_rad_s(joint, speed_rad_s, joints_rad, margin_rad);
            if excess > 0.0 {
                motion -= row.transpose() * (speed_rad_s.signum() * excess / row.norm_squared());
                cut = true;
            }
        }
    }
    // Whatever the rounds have left: slower as a whole.
    let mut share = 1.0_f64;
    for (joint, row) in RANGES.map(|(joint, ..)| (joint, inverse.row(joint))) {
        let speed_rad_s = (row * motion)[0];
        let most_rad_s = most_rad_s(joint, speed_rad_s, joints_rad, margin_rad);
        if speed_rad_s.abs() > most_rad_s {
            share = share.min(most_rad_s / speed_rad_s.abs());
        }
    }
    if cut { (unscaled(&(motion * share)), true) } else { (*twist, false) }
}

/// Fastest that `joint` may turn in the direction of `speed_rad_s` \[rad/s\].
fn most_rad_s(joint: usize, speed_rad_s: f64, joints_rad: &[f64; JOINTS], margin_rad: f64) -> f64 {
    let angle_rad = joints_rad[joint].rem_euclid(TAU);
    let ends = RANGES.iter().find(|(with_ends, ..)| *with_ends == joint);
    let left_rad = ends.map_or(f64::INFINITY, |(_, low_rad, high_rad)| {
        if speed_rad_s > 0.0 { high_rad - angle_rad } else { angle_rad - low_rad }
    });
    if left_rad >= margin_rad {
        return f64::INFINITY;
    }
    let stops_rad = STOPS_AT * margin_rad;
    SPEED_RAD_S * ((left_rad - stops_rad) / (margin_rad - stops_rad)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::singularity;
    use jaco_core::Limits;
    use jaco_core::TICK_S;
    use nalgebra::Vector3;
    use proptest::prelude::*;

    const MARGIN_RAD: f64 = 0.2;

    fn twist(values: [f64; 6]) -> Twist {
        let [x, y, z, a, b, c] = values;
        Twist { linear_m_s: Vector3::new(x, y, z), angular_rad_s: Vector3::new(a, b, c) }
    }

    fn joints() -> impl Strategy<Value = [f64; JOINTS]> {
        (
            proptest::array::uniform6(0.0..TAU),
            prop_oneof![0.8..1.2_f64, 5.2..5.5_f64, 0.9..5.4_f64],
            prop_oneof![0.3..0.7_f64, 5.7..6.0_f64, 0.4..5.9_f64],
        )
            .prop_map(|(mut joints, second, third)| {
                (joints[1], joints[2]) = (second, third);
                joints
            })
    }

    #[test]
    fn far_from_the_ends_nothing_is_changed() {
        let joints = [4.8, 2.92, 1.0, 4.2, 1.45, 1.32];
        let asked = twist([0.2, -0.1, 0.1, 1.0, 0.0, 0.0]);
        assert_eq!(limit(&asked, &Kinematics::at(&joints), &joints, MARGIN_RAD), (asked, false));
    }

    proptest! {
        #[test]
        fn no_joint_is_driven_faster_towards_its_end_than_the_margin_allows(
            joints in joints(),
            asked in proptest::array::uniform6(-0.5..0.5_f64),
        ) {
            let kinematics = Kinematics::at(&joints);
            let asked = twist(asked);
            let (limited, _) = limit(&asked, &kinematics, &joints, MARGIN_RAD);
            let speeds = kinematics.joint_velocities(&limited);
            for (joint, ..) in RANGES {
                let most = most_rad_s(joint, speeds[joint], &joints, MARGIN_RAD);
                prop_assert!(speeds[joint].abs() <= most + 1e-9, "{joint}: {} of {most}", speeds[joint]);
            }
            prop_assert!(scaled(&limited).norm() <= scaled(&asked).norm() + 1e-9);
        }

        /// After the limit that acts before this one: in a singular pose a joint would jump over the
        /// whole margin within a tick.
        #[test]
        fn no_sequence_of_twists_takes_a_joint_to_its_end(
            asked in proptest::collection::vec(proptest::array::uniform6(-0.5..0.5_f64), 1..20),
        ) {
            let mut joints = [4.8, 2.92, 1.0, 4.2, 1.45, 1.32];
            for values in asked {
                for _ in 0..50 {
                    let kinematics = Kinematics::at(&joints);
                    let asked = twist(values);
                    let margin_m_rad = Limits::default().singularity_margin_m_rad;
                    let (slowed, _) =
                        singularity::limit(&asked, &kinematics, &joints, margin_m_rad);
                    let (limited, _) = limit(&slowed, &kinematics, &joints, MARGIN_RAD);
                    let speeds = kinematics.joint_velocities(&limited);
                    for (angle, speed) in joints.iter_mut().zip(speeds.iter()) {
                        *angle += speed * TICK_S;
                    }
                    for (joint, low_rad, high_rad) in RANGES {
                        prop_assert!((low_rad..high_rad).contains(&joints[joint]));
                    }
                }
            }
        }
    }
}
