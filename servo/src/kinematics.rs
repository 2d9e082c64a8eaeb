//! The arm's kinematics: where the tool point is at given joint angles, and how it moves when
//! they do.
//!
//! The arm is the Jaco2 with six joints and the curved wrist (j2n6s300, j2n6a300), in the classic
//! Denavit-Hartenberg parameters of the arm's own controller. Everything here is a pure function
//! of the joint angles; nothing may know limits, modes or commands.

use jaco_core::state::JOINTS;
use jaco_core::{Pose, Twist};
use nalgebra::{Matrix3, Matrix6, Rotation3, UnitQuaternion, Vector3, Vector6};
use std::f64::consts::{FRAC_PI_2, FRAC_PI_3, PI};

/// One link: the frame of the next joint in that of this one.
#[derive(Clone, Copy, Debug)]
struct Link {
    a_m: f64,
    alpha_rad: f64,
    d_m: f64,
    /// The angle of the joint is multiplied by this, then `offset_rad` is added.
    sign: f64,
    offset_rad: f64,
}

const fn link(a_m: f64, alpha_rad: f64, d_m: f64, sign: f64, offset_rad: f64) -> Link {
    Link { a_m, alpha_rad, d_m, sign, offset_rad }
}

/// The curved wrist bends twice by 60 degrees, each link of 74.1 mm shared between the frames.
const LINKS: [Link; JOINTS] = [
    link(0.0, FRAC_PI_2, 0.2755, -1.0, 0.0),
    link(0.41, PI, 0.0, 1.0, -FRAC_PI_2),
    link(0.0, FRAC_PI_2, -0.0098, 1.0, FRAC_PI_2),
    link(0.0, FRAC_PI_3, -0.25008, 1.0, 0.0),
    link(0.0, FRAC_PI_3, -0.08556, 1.0, -PI),
    link(0.0, PI, -0.20278, 1.0, FRAC_PI_2),
];

/// How much a change of orientation counts against a change of position \[m/rad\]: about the
/// distance from the wrist to the finger tips.
pub const LEVER_M: f64 = 0.2;

/// Damping of the inverse near singular poses, in the Jacobian's scaled units.
const DAMPING: f64 = 2.5e-5;

/// The tool point and its Jacobian at given joint angles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kinematics {
    /// Pose of the tool point, base frame.
    pub pose: Pose,
    /// Twist of the tool point, linear \[m\] over angular \[rad\], for each radian of each joint.
    pub jacobian: Matrix6<f64>,
}

impl Kinematics {
    /// At the joint angles `joints_rad`.
    pub fn at(joints_rad: &[f64; JOINTS]) -> Self {
        let mut rotation = Matrix3::identity();
        let mut position_m = Vector3::zeros();
        let mut axes = [(Vector3::zeros(), Vector3::zeros()); JOINTS];
        for ((link, angle_rad), axis) in LINKS.iter().zip(joints_rad).zip(&mut axes) {
            *axis = (position_m, rotation.column(2) * link.sign);
            let (sin, cos) = (link.sign * angle_rad + link.offset_rad).sin_cos();
            let (sin_alpha, cos_alpha) = link.alpha_rad.sin_cos();
            position_m += rotation * Vector3::new(link.a_m * cos, link.a_m * sin, link.d_m);
            rotation *= Matrix3::new(
                cos,
                -sin * cos_alpha,
                sin * sin_alpha,
                sin,
                cos * cos_alpha,
                -cos * sin_alpha,
                0.0,
                sin_alpha,
                cos_alpha,
            );
        }
        let mut jacobian = Matrix6::zeros();
        for (joint, (origin_m, axis)) in axes.iter().enumerate() {
            let linear = axis.cross(&(position_m - origin_m));
            jacobian.fixed_view_mut::<3, 1>(0, joint).copy_from(&linear);
            jacobian.fixed_view_mut::<3, 1>(3, joint).copy_from(axis);
        }
        let rotation = Rotation3::from_matrix_unchecked(rotation);
        let orientation = UnitQuaternion::from_rotation_matrix(&rotation);
        Self { pose: Pose { position_m, orientation }, jacobian }
    }

    /// The Jacobian with angular rows in metres of a lever of [`LEVER_M`], so that its singular
    /// values \[m/rad\] compare.
    pub fn scaled_jacobian(&self) -> Matrix6<f64> {
        let mut scaled = self.jacobian;
        for mut row in scaled.row_iter_mut().skip(3) {
            row *= LEVER_M;
        }
        scaled
    }

    /// Joint velocities \[rad/s\] that move the tool point with `twist`, by damped least squares:
    /// near a singular pose they are finite and move it less.
    pub fn joint_velocities(&self, twist: &Twist) -> Vector6<f64> {
        self.inverse() * scaled(twist)
    }

    /// What gives joint velocities for a [`scaled`] twist.
    pub fn inverse(&self) -> Matrix6<f64> {
        let jacobian = self.scaled_jacobian();
        let square = jacobian * jacobian.transpose() + Matrix6::identity() * DAMPING;
        // A sum of a square and something positive has an inverse, unless a joint is not finite.
        square.try_inverse().map_or(Matrix6::zeros(), |inverse| jacobian.transpose() * inverse)
    }
}

/// `twist` with its angular part in metres per second of the lever.
pub fn scaled(twist: &Twist) -> Vector6<f64> {
    let angular_m_s = twist.angular_rad_s * LEVER_M;
    Vector6::from_iterator(twist.linear_m_s.iter().chain(angular_m_s.iter()).copied())
}

/// The twist that [`scaled`] to `scaled`.
pub fn unscaled(scaled: &Vector6<f64>) -> Twist {
    Twist {
        linear_m_s: scaled.fixed_rows::<3>(0).into(),
        angular_rad_s: scaled.fixed_rows::<3>(3) / LEVER_M,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn degrees(joints: [f64; JOINTS]) -> [f64; JOINTS] {
        joints.map(f64::to_radians)
    }

    /// The poses that Kinova's files give for these joint angles.
    #[test]
    fn known_joints_give_the_known_tool_points() {
        let known = [
            ([275.29, 167.58, 57.41, 240.82, 82.84, 75.82], [0.2128, -0.2566, 0.507]),
            ([270.2, 150.05, 26.86, 267.8, 5.18, 99.75], [0.028, -0.169, 0.298]),
            ([180.0; 6], [0.0, 0.260, 0.877]),
        ];
        for (joints, position_m) in known {
            let at = Kinematics::at(&degrees(joints)).pose;
            let off_m = (at.position_m - Vector3::from(position_m)).norm();
            assert!(off_m < 1e-3, "{joints:?}: {}", at.position_m);
        }
        let home = Kinematics::at(&degrees(known[0].0)).pose;
        let theta_rad = [1.653, 1.116, 0.121];
        let known = Pose::from_kinova(home.position_m, theta_rad);
        assert!(home.orientation.angle_to(&known.orientation) < 0.01, "{:?}", home.theta_rad());
    }

    fn joints() -> impl Strategy<Value = [f64; JOINTS]> {
        proptest::array::uniform6(-7.0..7.0_f64)
    }

    proptest! {
        #[test]
        fn the_jacobian_is_how_the_pose_changes(joints in joints()) {
            let at = Kinematics::at(&joints);
            for joint in 0..JOINTS {
                let moved = |by: f64| {
                    let mut joints = joints;
                    joints[joint] += by;
                    Kinematics::at(&joints).pose
                };
                let (low, high) = (moved(-1e-5), moved(1e-5));
                let linear = (high.position_m - low.position_m) / 2e-5;
                let angular = low.rotation_to(&high.orientation) / 2e-5;
                let column = at.jacobian.column(joint);
                prop_assert!((linear - column.fixed_rows::<3>(0)).norm() < 1e-6);
                prop_assert!((angular - column.fixed_rows::<3>(3)).norm() < 1e-6);
            }
        }

        #[test]
        fn joint_velocities_move_the_tool_point_as_asked_where_the_arm_can(
            joints in joints(),
            asked in proptest::array::uniform6(-0.2..0.2_f64),
        ) {
            let at = Kinematics::at(&joints);
            let least = at.scaled_jacobian().singular_values().min();
            prop_assume!(least > 0.05);
            let [x, y, z, a, b, c] = asked;
            let twist =
                Twist { linear_m_s: Vector3::new(x, y, z), angular_rad_s: Vector3::new(a, b, c) };
            let moves = at.scaled_jacobian() * at.joint_velocities(&twist);
            let asked = scaled(&twist);
            prop_assert!((moves - asked).norm() <= 0.01 * asked.norm() + 1e-9);
        }
    }
}
