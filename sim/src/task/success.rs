//! When a task is done, as a function of the scene at one moment.

use crate::truth::SceneTruth;
use jaco_core::Task;
use nalgebra::{Vector2, Vector3};

/// Half the side of the marked region, its frame included \[m\].
pub const REGION_HALF_M: f64 = 0.088;
/// Half the sides of the box's footprint \[m\].
pub const BOX_HALF_M: [f64; 2] = [0.03, 0.02];

/// Speed below which an object counts as lying still \[m/s\].
const STILL_M_S: f64 = 0.02;
/// Opening above which the hand counts as open.
const OPEN: f64 = 0.68;
/// Height of the tool point above the object below which the hand is still around it \[m\].
const CLEAR_M: f64 = 0.03;

/// One look at the scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// From the object's middle to the goal's, in the table's plane \[m\].
    pub distance_m: f64,
    /// What is missing; nothing = the goal holds.
    pub missing: Option<&'static str>,
}

/// Whether the goal of the task holds in `truth`.
pub fn judge(truth: &SceneTruth) -> Verdict {
    let distance_m = truth.to_goal_m().norm();
    let missing = match truth.task {
        // The plate's radius is 85 mm; the cube's footprint reaches 32 mm from its middle.
        Task::PlaceBlock => placed(truth, distance_m, 0.055, 0.01..0.05, false),
        // Within the pan's wall (95 mm), and down on its bottom rather than across the wall.
        Task::PlaceCarrot => placed(truth, distance_m, 0.075, 0.01..0.05, false),
        // The cup's radius is 32 mm.
        Task::RelocateCup => placed(truth, distance_m, 0.053, 0.03..0.06, true),
        Task::CleanTable => {
            if !out_of_region(truth) {
                Some("the box is not wholly out of the marked region")
            } else if truth.object_speed_m_s > STILL_M_S {
                Some("the box is moving")
            } else {
                None
            }
        }
    };
    Verdict { distance_m, missing }
}

fn placed(
    truth: &SceneTruth,
    distance_m: f64,
    within_m: f64,
    height_m: std::ops::Range<f64>,
    upright: bool,
) -> Option<&'static str> {
    let object = truth.object.position_m;
    let up = (truth.object.orientation * Vector3::z()).z;
    if distance_m >= within_m {
        Some("the object is not within the goal")
    } else if !height_m.contains(&object.z) {
        Some("the object does not rest on the goal")
    } else if upright && up < 0.97 {
        Some("the object does not stand upright")
    } else if truth.opening() < OPEN {
        Some("the hand is not open")
    } else if truth.hand_touching() || truth.hand.position_m.z - object.z < CLEAR_M {
        Some("the hand is still at the object")
    } else if truth.object_speed_m_s > STILL_M_S {
        Some("the object is moving")
    } else {
        None
    }
}

/// Whether the box's footprint and the marked square do not overlap (separating axes).
fn out_of_region(truth: &SceneTruth) -> bool {
    let offset = -truth.to_goal_m().xy();
    let (sin, cos) = truth.object_yaw_rad().sin_cos();
    let sides = [Vector2::new(cos, sin), Vector2::new(-sin, cos)];
    let reach = |axis: &Vector2<f64>| {
        let of_box =
            BOX_HALF_M[0] * axis.dot(&sides[0]).abs() + BOX_HALF_M[1] * axis.dot(&sides[1]).abs();
        of_box + REGION_HALF_M * (axis.x.abs() + axis.y.abs())
    };
    [Vector2::x(), Vector2::y(), sides[0], sides[1]]
        .iter()
        .any(|axis| axis.dot(&offset).abs() > reach(axis))
}
