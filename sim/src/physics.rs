//! A thin layer over MuJoCo: names instead of array offsets. The only file besides `scene` and
//! `render` that knows MuJoCo. It must never know of tasks or commands.

use crate::error::SimError;
use crate::scene::{BodyRole, Object, Scene};
use jaco_core::Pose;
use jaco_core::state::{FINGERS, JOINTS};
use mujoco_rs::prelude::*;
use nalgebra::{Matrix3, Matrix6, Quaternion, Rotation3, UnitQuaternion, Vector3, Vector6};
use std::sync::Arc;

/// Everything that the future of the physics depends on.
const STATE: u32 = MjtState::mjSTATE_INTEGRATION as u32;

/// Parked objects float under the table, apart from each other, where no camera sees them.
const PARKING_Z_M: f64 = -0.55;

/// Which parts of the hand touch an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touch {
    pub fingers: [bool; FINGERS],
    pub palm: bool,
}

#[derive(Clone, Debug)]
pub struct Physics {
    pub data: MjData<Arc<MjModel>>,
    scene: Arc<Scene>,
}

impl Physics {
    pub fn new(scene: Arc<Scene>) -> Self {
        Self { data: MjData::new(scene.model.clone()), scene }
    }

    pub fn model(&self) -> &Arc<MjModel> {
        &self.scene.model
    }

    /// Back to the scene file's state, all objects parked.
    pub fn reset(&mut self) {
        self.data.reset();
        for object in Object::ALL {
            self.park(object);
        }
        self.place_region(Vector3::new(0.0, 0.0, PARKING_Z_M));
    }

    pub fn step(&mut self, steps: usize) {
        for _ in 0..steps {
            self.data.step();
        }
    }

    /// Brings poses and Jacobians up to the joint positions. Changes nothing that later steps
    /// depend on, so a restored state goes on exactly as the saved one did.
    pub fn refresh(&mut self) {
        self.data.kinematics();
        self.data.com_pos();
    }

    pub fn joints_rad(&self) -> [f64; JOINTS] {
        std::array::from_fn(|i| self.data.qpos()[i])
    }

    pub fn joint_velocities_rad_s(&self) -> [f64; JOINTS] {
        std::array::from_fn(|i| self.data.qvel()[i])
    }

    pub fn joint_torques_nm(&self) -> [f64; JOINTS] {
        std::array::from_fn(|i| self.data.actuator_force()[i])
    }

    pub fn fingers_rad(&self) -> [f64; FINGERS] {
        std::array::from_fn(|i| self.data.qpos()[JOINTS + i])
    }

    /// Puts arm and fingers at rest at the given angles, the targets with them.
    pub fn set_arm(&mut self, joints_rad: [f64; JOINTS], fingers_rad: [f64; FINGERS]) {
        for (i, angle) in joints_rad.into_iter().chain(fingers_rad).enumerate() {
            self.data.qpos_mut()[i] = angle;
            self.data.qvel_mut()[i] = 0.0;
            self.data.ctrl_mut()[i] = angle;
        }
    }

    pub fn set_targets(&mut self, joints_rad: &[f64; JOINTS], fingers_rad: &[f64; FINGERS]) {
        let control = self.data.ctrl_mut();
        control[..JOINTS].copy_from_slice(joints_rad);
        control[JOINTS..JOINTS + FINGERS].copy_from_slice(fingers_rad);
    }

    /// Pose of the tool point in the base frame.
    pub fn tool_pose(&self) -> Pose {
        let rotation = Matrix3::from_row_slice(&self.data.site_xmat()[self.scene.tool_site]);
        Pose {
            position_m: Vector3::from(self.data.site_xpos()[self.scene.tool_site]),
            orientation: UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(
                rotation,
            )),
        }
    }

    /// Jacobian of the tool point with respect to the arm's joints: linear rows, then angular.
    pub fn tool_jacobian(&self) -> Matrix6<f64> {
        let (linear, angular) = self.data.jac_site(true, true, self.scene.tool_site);
        let columns = linear.len() / 3;
        Matrix6::from_fn(|row, column| {
            if row < 3 {
                linear[row * columns + column]
            } else {
                angular[(row - 3) * columns + column]
            }
        })
    }

    pub fn object_pose(&self, object: Object) -> Pose {
        let at = self.scene.address(object).qpos;
        let q = &self.data.qpos()[at..at + 7];
        Pose {
            position_m: Vector3::new(q[0], q[1], q[2]),
            orientation: UnitQuaternion::new_normalize(Quaternion::new(q[3], q[4], q[5], q[6])),
        }
    }

    /// Linear speed \[m/s\] of `object`.
    pub fn object_speed_m_s(&self, object: Object) -> f64 {
        let at = self.scene.address(object).dof;
        Vector3::from_row_slice(&self.data.qvel()[at..at + 3]).norm()
    }

    /// Puts `object` at rest at `position_m`, turned by `yaw_rad` about the vertical.
    pub fn place(&mut self, object: Object, position_m: Vector3<f64>, yaw_rad: f64) {
        let address = *self.scene.address(object);
        let (sin, cos) = (yaw_rad / 2.0).sin_cos();
        let q = [position_m.x, position_m.y, position_m.z, cos, 0.0, 0.0, sin];
        self.data.qpos_mut()[address.qpos..address.qpos + 7].copy_from_slice(&q);
        self.data.qvel_mut()[address.dof..address.dof + 6].fill(0.0);
        self.data.xfrc_applied_mut()[address.body] = [0.0; 6];
    }

    /// Takes `object` out of the scene: it floats, its weight cancelled, and costs no contact.
    fn park(&mut self, object: Object) {
        let x = -0.45 + 0.18 * object as usize as f64;
        let y = if (object as usize).is_multiple_of(2) { -0.25 } else { -0.05 };
        self.place(object, Vector3::new(x, y, PARKING_Z_M), 0.0);
        let address = *self.scene.address(object);
        self.data.xfrc_applied_mut()[address.body] = [0.0, 0.0, address.weight_n, 0.0, 0.0, 0.0];
    }

    pub fn place_region(&mut self, centre_m: Vector3<f64>) {
        self.data.mocap_pos_mut()[self.scene.region_mocap] = centre_m.into();
    }

    pub fn region_m(&self) -> Vector3<f64> {
        Vector3::from(self.data.mocap_pos()[self.scene.region_mocap])
    }

    /// Which parts of the hand touch `object`, as of the last physics step.
    pub fn touch(&self, object: Object) -> Touch {
        let mut touch = Touch::default();
        for contact in self.data.contact() {
            let [a, b] = contact.geom.map(|geom| self.scene.geom_roles[geom as usize]);
            let other = if a == BodyRole::Object(object) {
                b
            } else if b == BodyRole::Object(object) {
                a
            } else {
                continue;
            };
            match other {
                BodyRole::Palm => touch.palm = true,
                BodyRole::Finger(i) => touch.fingers[i] = true,
                BodyRole::Object(_) | BodyRole::Other => {}
            }
        }
        touch
    }

    /// Joint angles that bring the tool point to `pose`, searched from `start_rad` by damped
    /// least squares; the nearest found if the pose is out of reach. Leaves the arm there.
    pub fn solve_pose(&mut self, pose: &Pose, start_rad: [f64; JOINTS]) -> [f64; JOINTS] {
        let fingers_rad = self.fingers_rad();
        let mut joints_rad = start_rad;
        for _ in 0..300 {
            self.set_arm(joints_rad, fingers_rad);
            self.refresh();
            let tool = self.tool_pose();
            let linear = pose.position_m - tool.position_m;
            let angular = tool.rotation_to(&pose.orientation);
            let error = Vector6::from_iterator(linear.iter().chain(angular.iter()).copied());
            if error.norm() < 1e-6 {
                break;
            }
            let jacobian = self.tool_jacobian();
            let damped = jacobian * jacobian.transpose() + Matrix6::identity() * 1e-3;
            let solved = damped.cholesky().expect("J J^T + 1e-3 I is positive definite");
            let change = jacobian.transpose() * solved.solve(&error);
            for (angle, change) in joints_rad.iter_mut().zip(change.iter()) {
                *angle += change.clamp(-0.1, 0.1);
            }
        }
        joints_rad
    }

    pub fn state(&self) -> Box<[f64]> {
        self.data.state(STATE)
    }

    pub fn set_state(&mut self, state: &[f64]) -> Result<(), SimError> {
        let needed = self.scene.model.state_size(STATE);
        let wrong = SimError::Snapshot { got: state.len(), needed };
        if state.len() != needed || self.data.set_state(state, STATE).is_err() {
            return Err(wrong);
        }
        self.refresh();
        Ok(())
    }
}
