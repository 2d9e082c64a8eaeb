//! The leash: how far the reference may run ahead of the arm.

use super::speed::clip_norm;
use jaco_core::Pose;
use nalgebra::UnitQuaternion;

/// `reference` pulled back to within `leash_m` and `leash_rad` of `measured`, and whether it
/// had to be.
pub fn pull_back(reference: &Pose, measured: &Pose, leash_m: f64, leash_rad: f64) -> (Pose, bool) {
    let ahead_m = reference.position_m - measured.position_m;
    let ahead_rad = measured.rotation_to(&reference.orientation);
    let mut pulled = *reference;
    if ahead_m.norm() > leash_m {
        pulled.position_m = measured.position_m + clip_norm(&ahead_m, leash_m);
    }
    if ahead_rad.norm() > leash_rad {
        let turn = UnitQuaternion::from_scaled_axis(clip_norm(&ahead_rad, leash_rad));
        pulled.orientation = turn * measured.orientation;
    }
    (pulled, ahead_m.norm() > leash_m || ahead_rad.norm() > leash_rad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Vector3;

    fn pose(x_m: f64, turn_rad: f64) -> Pose {
        Pose {
            position_m: Vector3::new(x_m, -0.4, 0.2),
            orientation: UnitQuaternion::from_scaled_axis(Vector3::new(0.0, 0.0, turn_rad)),
        }
    }

    #[test]
    fn a_reference_on_the_leash_is_left_alone() {
        let reference = pose(0.03, 0.2);
        assert_eq!(pull_back(&reference, &pose(0.0, 0.0), 0.04, 0.3), (reference, false));
    }

    #[test]
    fn position_and_orientation_are_pulled_back_each_on_its_own() {
        let (pulled, cut) = pull_back(&pose(0.1, 1.0), &pose(0.0, 0.0), 0.04, 0.3);
        assert!(cut);
        assert!((pulled.position_m.x - 0.04).abs() < 1e-12);
        assert!((pulled.orientation.angle() - 0.3).abs() < 1e-12);
    }
}
