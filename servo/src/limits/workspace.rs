//! The box that the reference of the tool point stays in.

use jaco_core::Limits;
use nalgebra::Vector3;

/// Whether the workspace holds `position_m`.
pub fn contains(limits: &Limits, position_m: &Vector3<f64>) -> bool {
    (0..3).all(|axis| {
        (limits.workspace_min_m[axis]..=limits.workspace_max_m[axis]).contains(&position_m[axis])
    })
}

/// Where a move from `from_m` to `to_m` may end. From inside the box that is in the box. From
/// outside, each axis may come nearer to the box but not go further away: an arm that starts
/// outside is led in by whoever moves it, not by the limit.
pub fn clip_m(limits: &Limits, from_m: &Vector3<f64>, to_m: &Vector3<f64>) -> Vector3<f64> {
    Vector3::from_fn(|axis, _| {
        let (low, high) = (limits.workspace_min_m[axis], limits.workspace_max_m[axis]);
        to_m[axis].clamp(low.min(from_m[axis]), high.max(from_m[axis]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_to_the_faces_from_inside() {
        let limits = Limits::default();
        let from = Vector3::new(0.0, -0.4, 0.1);
        let clipped = clip_m(&limits, &from, &Vector3::new(9.0, -0.5, -9.0));
        assert_eq!(clipped, Vector3::new(0.45, -0.5, 0.03));
        assert!(contains(&limits, &clipped));
        assert!(!contains(&limits, &Vector3::new(0.0, -0.5, 0.02)));
    }

    #[test]
    fn from_outside_it_only_goes_nearer() {
        let limits = Limits::default();
        let from = Vector3::new(0.0, -0.17, 0.3);
        let away = clip_m(&limits, &from, &Vector3::new(0.0, -0.1, 0.3));
        let nearer = clip_m(&limits, &from, &Vector3::new(0.0, -0.18, 0.3));
        assert_eq!(away, from);
        assert_eq!(nearer.y, -0.18);
    }
}
