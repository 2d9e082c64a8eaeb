//! The exact state of the scene, for the expert and for training labels; never for a policy.

use crate::firmware::fingers;
use jaco_core::state::FINGERS;
use jaco_core::{Pose, Task};
use nalgebra::Vector3;
use std::f64::consts::FRAC_PI_2;

/// Height of the tool point above the middle of an object well in the grasp \[m\].
const GRASP_ABOVE_M: f64 = 0.04;

/// What is where, and what touches what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SceneTruth {
    /// The task in play.
    pub task: Task,
    /// Pose of the tool point.
    pub hand: Pose,
    /// Finger joint angles \[rad\]: 0.1 open, 1.35 closed.
    pub fingers_rad: [f64; FINGERS],
    /// Pose of the task's object.
    pub object: Pose,
    /// Linear speed of the object \[m/s\].
    pub object_speed_m_s: f64,
    /// Pose of the goal: plate, pan or marked region.
    pub goal: Pose,
    /// Which fingers touch the object.
    pub touching: [bool; FINGERS],
    /// Whether the palm touches the object.
    pub palm_touching: bool,
}

/// Names of [`SceneTruth::labels`], in order.
pub const LABEL_NAMES: [&str; 18] = [
    "hand_x_m",
    "hand_y_m",
    "hand_z_m",
    "object_x_m",
    "object_y_m",
    "object_z_m",
    "goal_x_m",
    "goal_y_m",
    "sin_hand_yaw",
    "cos_4_object_yaw",
    "sin_4_object_yaw",
    "opening",
    "holding",
    "near_object_x",
    "near_object_y",
    "near_object_z",
    "near_goal_x",
    "near_goal_y",
];

impl SceneTruth {
    /// Angle \[rad\] of the tool's x axis, along which the fingers close, in the table's plane.
    pub fn hand_yaw_rad(&self) -> f64 {
        yaw(&self.hand)
    }

    /// Angle \[rad\] of the object's x axis in the table's plane.
    pub fn object_yaw_rad(&self) -> f64 {
        yaw(&self.object)
    }

    /// Mean finger joint angle \[rad\].
    pub fn mean_finger_rad(&self) -> f64 {
        self.fingers_rad.iter().sum::<f64>() / FINGERS as f64
    }

    /// Joint angle of the finger that is closed most \[rad\].
    pub fn max_finger_rad(&self) -> f64 {
        self.fingers_rad.into_iter().fold(f64::MIN, f64::max)
    }

    /// Gripper opening: 1 open, 0 closed.
    pub fn opening(&self) -> f64 {
        1.0 - self.fingers_rad.iter().map(|&angle| fingers::closure(angle)).sum::<f64>()
            / FINGERS as f64
    }

    /// Whether the object is between the fingers: the thumb and an opposing finger touch it.
    pub fn holding(&self) -> bool {
        self.touching[0] && (self.touching[1] || self.touching[2])
    }

    /// Whether any part of the hand touches the object.
    pub fn hand_touching(&self) -> bool {
        self.palm_touching || self.touching.contains(&true)
    }

    /// From the object to the goal in the table's plane \[m\].
    pub fn to_goal_m(&self) -> Vector3<f64> {
        let way = self.goal.position_m - self.object.position_m;
        Vector3::new(way.x, way.y, 0.0)
    }

    /// From the place of the object in a good grasp to where it is \[m\].
    pub fn grasp_error_m(&self) -> Vector3<f64> {
        self.object.position_m - self.hand.position_m + Vector3::new(0.0, 0.0, GRASP_ABOVE_M)
    }

    /// Regression targets for the pretraining of vision, named by [`LABEL_NAMES`]; the `near_`
    /// ones are tanh of the way from hand to object (scale 40 mm) and from object to goal
    /// (50 mm), which resolve small distances.
    pub fn labels(&self) -> Vec<f32> {
        let (hand, object, goal) =
            (self.hand.position_m, self.object.position_m, self.goal.position_m);
        let to_object = self.grasp_error_m().map(|way| (way / 0.04).tanh());
        let to_goal = self.to_goal_m().map(|way| (way / 0.05).tanh());
        let yaw_4 = 4.0 * self.object_yaw_rad();
        [
            hand.x,
            hand.y,
            hand.z,
            object.x,
            object.y,
            object.z,
            goal.x,
            goal.y,
            (self.hand_yaw_rad() - FRAC_PI_2).sin(),
            yaw_4.cos(),
            yaw_4.sin(),
            self.opening(),
            f64::from(u8::from(self.holding())),
            to_object.x,
            to_object.y,
            to_object.z,
            to_goal.x,
            to_goal.y,
        ]
        .map(|label| label as f32)
        .to_vec()
    }

    /// Names of [`SceneTruth::labels`], in order.
    pub fn label_names() -> &'static [&'static str] {
        &LABEL_NAMES
    }
}

fn yaw(pose: &Pose) -> f64 {
    let x = pose.orientation * Vector3::x();
    x.y.atan2(x.x)
}
