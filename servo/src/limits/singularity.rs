//! Singular poses: where the arm cannot move in some direction, motion that needs it slows down.
//!
//! The measure is the smallest singular value of the Jacobian, angular motion counted by a lever
//! ([`crate::kinematics::LEVER_M`]). Only the part of a motion along the directions that get lost
//! is slowed, so that it asks for no faster joints than at the margin. Where the motion leads
//! nearer to the singular pose, nothing is left of that part in the end; out of it some always is,
//! so that no arm is trapped.

use crate::kinematics::{Kinematics, scaled, unscaled};
use jaco_core::Twist;
use jaco_core::state::JOINTS;
use nalgebra::{Matrix6, SymmetricEigen, Vector6};

/// Share of the margin at which nothing is left of the motion.
const STOPS_AT: f64 = 0.25;
/// Least share of the motion that is left on the way out.
const WAY_OUT: f64 = 0.1;
/// How far the joints are turned to see where a motion leads \[rad\].
const LOOK_RAD: f64 = 0.005;

/// `twist` with what is getting lost slowed down, and whether anything was. `kinematics` is that
/// of `joints_rad`.
pub fn limit(
    twist: &Twist,
    kinematics: &Kinematics,
    joints_rad: &[f64; JOINTS],
    margin_m_rad: f64,
) -> (Twist, bool) {
    let jacobian = kinematics.scaled_jacobian();
    let eigen = SymmetricEigen::new(jacobian * jacobian.transpose());
    let least_m_rad = least(&eigen);
    if least_m_rad >= margin_m_rad {
        return (*twist, false);
    }
    let nearer = leads_nearer(twist, kinematics, joints_rad, least_m_rad);
    let mut motion = scaled(twist);
    let stops = STOPS_AT * margin_m_rad;
    for (value, direction) in eigen.eigenvalues.iter().zip(eigen.eigenvectors.column_iter()) {
        let singular_value = value.max(0.0).sqrt();
        let share = if nearer {
            ((singular_value - stops) / (margin_m_rad - stops)).clamp(0.0, 1.0)
        } else {
            (singular_value / margin_m_rad).clamp(WAY_OUT, 1.0)
        };
        motion -= direction * (direction.dot(&motion) * (1.0 - share));
    }
    (unscaled(&motion), true)
}

fn leads_nearer(
    twist: &Twist,
    kinematics: &Kinematics,
    joints_rad: &[f64; JOINTS],
    least_m_rad: f64,
) -> bool {
    let velocities: Vector6<f64> = kinematics.joint_velocities(twist);
    let speed = velocities.norm();
    if speed == 0.0 {
        return false;
    }
    let turned = std::array::from_fn(|i| joints_rad[i] + velocities[i] * (LOOK_RAD / speed));
    let jacobian = Kinematics::at(&turned).scaled_jacobian();
    least(&SymmetricEigen::new(jacobian * jacobian.transpose())) < least_m_rad
}

/// The smallest singular value \[m/rad\].
fn least(eigen: &SymmetricEigen<f64, nalgebra::Const<6>>) -> f64 {
    let squares: &nalgebra::Vector6<f64> = &eigen.eigenvalues;
    squares.min().max(0.0).sqrt()
}

/// The smallest singular value at `kinematics` \[m/rad\]: how far the arm is from a singular pose.
pub fn smallest_singular_value(kinematics: &Kinematics) -> f64 {
    let jacobian: Matrix6<f64> = kinematics.scaled_jacobian();
    least(&SymmetricEigen::new(jacobian * jacobian.transpose()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Vector3;
    use proptest::prelude::*;

    const MARGIN_M_RAD: f64 = 0.04;

    fn twist(values: [f64; 6]) -> Twist {
        let [x, y, z, a, b, c] = values;
        Twist { linear_m_s: Vector3::new(x, y, z), angular_rad_s: Vector3::new(a, b, c) }
    }

    /// Joints near the pose in which the arm is stretched.
    fn near_singular() -> impl Strategy<Value = [f64; JOINTS]> {
        (proptest::array::uniform6(0.0..6.3_f64), -0.2..0.2_f64).prop_map(|(mut joints, off)| {
            joints[2] = std::f64::consts::PI + off;
            joints
        })
    }

    #[test]
    fn at_home_nothing_is_changed() {
        let joints = [275.29, 167.58, 57.41, 240.82, 82.84, 75.82].map(f64::to_radians);
        let asked = twist([0.2, -0.1, 0.1, 1.0, 0.0, 0.0]);
        assert_eq!(limit(&asked, &Kinematics::at(&joints), &joints, MARGIN_M_RAD), (asked, false));
    }

    proptest! {
        #[test]
        fn no_joint_is_asked_to_be_faster_than_at_the_margin(
            joints in near_singular(),
            asked in proptest::array::uniform6(-0.5..0.5_f64),
        ) {
            let kinematics = Kinematics::at(&joints);
            let asked = twist(asked);
            let (limited, cut) = limit(&asked, &kinematics, &joints, MARGIN_M_RAD);
            prop_assert!(scaled(&limited).norm() <= scaled(&asked).norm() + 1e-9);
            prop_assert!(cut || limited == asked);
            if smallest_singular_value(&kinematics) > WAY_OUT * MARGIN_M_RAD {
                let exact = kinematics.scaled_jacobian().try_inverse();
                let speeds = exact.map_or(Vector6::zeros(), |inverse| inverse * scaled(&limited));
                let most = scaled(&asked).norm() / MARGIN_M_RAD;
                prop_assert!(speeds.norm() <= most * 1.001, "{} of {most}", speeds.norm());
            }
        }

        #[test]
        fn one_of_the_two_ways_along_any_motion_leads_out(
            joints in near_singular(),
            asked in proptest::array::uniform6(-0.5..0.5_f64),
        ) {
            let kinematics = Kinematics::at(&joints);
            prop_assume!(smallest_singular_value(&kinematics) < MARGIN_M_RAD);
            let (there, back) = (twist(asked), twist(asked.map(|value| -value)));
            let left = |way: &Twist| {
                let (limited, _) = limit(way, &kinematics, &joints, MARGIN_M_RAD);
                scaled(&limited).dot(&scaled(way)) / scaled(way).norm_squared()
            };
            let most = left(&there).max(left(&back));
            prop_assert!(most >= WAY_OUT - 1e-9 || is_ridge(&kinematics, &joints, &there));
        }
    }

    /// Whether the measure falls to both sides along this motion: then neither is the way out.
    fn is_ridge(kinematics: &Kinematics, joints: &[f64; JOINTS], way: &Twist) -> bool {
        let velocities = kinematics.joint_velocities(way);
        let at = |sign: f64| {
            let by = velocities * (sign * LOOK_RAD / velocities.norm());
            smallest_singular_value(&Kinematics::at(&std::array::from_fn(|i| joints[i] + by[i])))
        };
        let here = smallest_singular_value(kinematics);
        at(1.0) < here && at(-1.0) < here
    }
}
