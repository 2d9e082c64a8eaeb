//! Poses and twists. Orientation is a unit quaternion everywhere but at the SDK's edge.

use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector3};
use serde::{Deserialize, Serialize};

/// Where the tool point is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pose {
    /// Position in the base frame \[m\].
    pub position_m: Vector3<f64>,
    /// Orientation in the base frame.
    pub orientation: UnitQuaternion<f64>,
}

impl Pose {
    /// The pose at `position_m` whose Kinova Euler angles are `[ThetaX, ThetaY, ThetaZ]`
    /// \[rad\]: R = Rx(ThetaX) Ry(ThetaY) Rz(ThetaZ) (intrinsic XYZ).
    pub fn from_kinova(position_m: Vector3<f64>, theta_rad: [f64; 3]) -> Self {
        let [x, y, z] = theta_rad;
        let rotation = Rotation3::from_axis_angle(&Vector3::x_axis(), x)
            * Rotation3::from_axis_angle(&Vector3::y_axis(), y)
            * Rotation3::from_axis_angle(&Vector3::z_axis(), z);
        Self { position_m, orientation: UnitQuaternion::from_rotation_matrix(&rotation) }
    }

    /// The Kinova Euler angles `[ThetaX, ThetaY, ThetaZ]` \[rad\] of the orientation.
    pub fn theta_rad(&self) -> [f64; 3] {
        let r: Matrix3<f64> = self.orientation.to_rotation_matrix().into_inner();
        [
            (-r[(1, 2)]).atan2(r[(2, 2)]),
            r[(0, 2)].clamp(-1.0, 1.0).asin(),
            (-r[(0, 1)]).atan2(r[(0, 0)]),
        ]
    }

    /// The rotation vector \[rad\], base frame, that turns `self` into `target`.
    pub fn rotation_to(&self, target: &UnitQuaternion<f64>) -> Vector3<f64> {
        (target * self.orientation.inverse()).scaled_axis()
    }
}

/// How the tool point moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Twist {
    /// Linear velocity in the base frame \[m/s\].
    pub linear_m_s: Vector3<f64>,
    /// Angular velocity in the base frame \[rad/s\].
    pub angular_rad_s: Vector3<f64>,
}

impl Twist {
    /// The twist that moves nothing.
    pub fn zero() -> Self {
        Self::default()
    }

    /// Whether all six numbers are finite.
    pub fn is_finite(&self) -> bool {
        self.linear_m_s.iter().chain(self.angular_rad_s.iter()).all(|value| value.is_finite())
    }
}
