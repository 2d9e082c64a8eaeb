//! The box that the reference of the tool point stays in.

use super::LimitsError;
use nalgebra::Vector3;
use serde::{Deserialize, Serialize};

/// A box in the base frame, `[low, high]` on each axis \[m\].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// Along x \[m\].
    pub x_m: [f64; 2],
    /// Along y \[m\]; the table is at negative y.
    pub y_m: [f64; 2],
    /// Along z \[m\]; the table top is at 0, the tool point of a hand that grasps from above is
    /// about 0.06 above it.
    pub z_m: [f64; 2],
}

impl Default for Workspace {
    /// Above a table in front of the arm, clear of the base and of full reach.
    fn default() -> Self {
        Self { x_m: [-0.45, 0.45], y_m: [-0.75, -0.20], z_m: [0.03, 0.60] }
    }
}

impl Workspace {
    pub(super) fn validate(&self) -> Result<(), LimitsError> {
        for (axis, [low_m, high_m]) in [("x_m", self.x_m), ("y_m", self.y_m), ("z_m", self.z_m)] {
            if !(low_m.is_finite() && high_m.is_finite() && low_m < high_m) {
                return Err(LimitsError::EmptyWorkspace { axis, low_m, high_m });
            }
        }
        Ok(())
    }

    /// Whether the box holds `position_m`.
    pub fn contains(&self, position_m: &Vector3<f64>) -> bool {
        [self.x_m, self.y_m, self.z_m]
            .iter()
            .zip(position_m.iter())
            .all(|([low, high], value)| (low..=high).contains(&value))
    }

    /// Where a move from `from_m` to `to_m` may end. From inside the box that is in the box.
    /// From outside, each axis may come nearer to the box but not go further away: an arm that
    /// starts outside is led in by whoever moves it, not by the limit.
    pub fn clip_m(&self, from_m: &Vector3<f64>, to_m: &Vector3<f64>) -> Vector3<f64> {
        let sides = [self.x_m, self.y_m, self.z_m];
        Vector3::from_fn(|axis, _| {
            let [low, high] = sides[axis];
            to_m[axis].clamp(low.min(from_m[axis]), high.max(from_m[axis]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_to_the_faces_from_inside() {
        let workspace = Workspace::default();
        let from = Vector3::new(0.0, -0.4, 0.1);
        let clipped = workspace.clip_m(&from, &Vector3::new(9.0, -0.5, -9.0));
        assert_eq!(clipped, Vector3::new(0.45, -0.5, 0.03));
        assert!(workspace.contains(&clipped));
    }

    #[test]
    fn from_outside_it_only_goes_nearer() {
        let workspace = Workspace::default();
        let from = Vector3::new(0.0, -0.17, 0.3);
        let away = workspace.clip_m(&from, &Vector3::new(0.0, -0.1, 0.3));
        let nearer = workspace.clip_m(&from, &Vector3::new(0.0, -0.18, 0.3));
        assert_eq!(away, from);
        assert_eq!(nearer.y, -0.18);
    }
}
