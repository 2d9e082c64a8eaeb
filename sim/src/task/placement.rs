//! Where hand and objects are at the start of an episode: random, but always feasible.

use super::Goal;
use crate::firmware::fingers;
use crate::random::uniform;
use crate::scene::Object;
use jaco_core::{Pose, Task};
use nalgebra::{Matrix3, Rotation3, UnitQuaternion, Vector2, Vector3};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::FRAC_PI_2;

/// Where object and goal may lie in the table's plane \[m\].
pub const WORK_X_M: [f64; 2] = [-0.18, 0.18];
pub const WORK_Y_M: [f64; 2] = [-0.53, -0.35];

/// The home position of the tool point: above the middle of the work area, pointing down.
pub const HOME_M: [f64; 3] = [0.0, -0.4, 0.25];

/// The start of an episode.
pub struct Placement {
    pub hand: Pose,
    pub fingers_rad: f64,
    /// Objects in play with the position of their origin and their yaw.
    pub objects: Vec<(Object, Vector3<f64>, f64)>,
    pub region_m: Option<Vector3<f64>>,
}

/// The tool's orientation when it points straight down and closes along the angle `yaw_rad`.
pub fn down(yaw_rad: f64) -> UnitQuaternion<f64> {
    let (sin, cos) = yaw_rad.sin_cos();
    let x = Vector3::new(cos, sin, 0.0);
    let z = -Vector3::z();
    let axes = Matrix3::from_columns(&[x, z.cross(&x), z]);
    UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes))
}

/// The pose at the home position, without any randomness.
pub fn home() -> Pose {
    Pose { position_m: Vector3::from(HOME_M), orientation: down(FRAC_PI_2) }
}

/// Where the hand is when an episode begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartPose {
    /// At home, give or take 15 mm and 0.05 rad, fingers open.
    Home,
    /// Anywhere over the work area, a little tilted, fingers perhaps part closed.
    Random,
}

/// Draws a start for `task`.
pub fn draw(task: Task, start: StartPose, rng: &mut ChaCha8Rng) -> Placement {
    loop {
        let (hand, fingers_rad) = draw_hand(start, rng);
        let placement = draw_objects(task, hand, fingers_rad, rng);
        if clear_of_hand(&placement) {
            return placement;
        }
    }
}

fn draw_hand(start: StartPose, rng: &mut ChaCha8Rng) -> (Pose, f64) {
    let home = home();
    match start {
        StartPose::Home => {
            let shift = Vector3::from_fn(|_, _| uniform(rng, -0.015, 0.015));
            let yaw = FRAC_PI_2 + uniform(rng, -0.05, 0.05);
            let hand = Pose { position_m: home.position_m + shift, orientation: down(yaw) };
            (hand, fingers::OPEN_RAD)
        }
        StartPose::Random => {
            let position_m = Vector3::new(
                uniform(rng, -0.22, 0.22),
                uniform(rng, -0.55, -0.33),
                uniform(rng, 0.09, 0.26),
            );
            let yaw = FRAC_PI_2 + uniform(rng, -0.6, 0.6);
            let part_closed = uniform(rng, fingers::OPEN_RAD, 1.0);
            let fingers_rad = if rng.random() { part_closed } else { fingers::OPEN_RAD };
            // As far as a hand gets that has pushed against something.
            let tilt_rad = Vector3::new(uniform(rng, -0.12, 0.12), uniform(rng, -0.12, 0.12), 0.0);
            let orientation = UnitQuaternion::from_scaled_axis(tilt_rad) * down(yaw);
            (Pose { position_m, orientation }, fingers_rad)
        }
    }
}

fn draw_objects(task: Task, hand: Pose, fingers_rad: f64, rng: &mut ChaCha8Rng) -> Placement {
    let mut placement = Placement { hand, fingers_rad, objects: Vec::new(), region_m: None };
    let (object, goal) = super::cast(task);
    match goal {
        Goal::OutOfRegion => {
            let region = Vector2::new(uniform(rng, -0.06, 0.06), uniform(rng, -0.46, -0.40));
            // Off the middle, so that one way out is the shorter one.
            let side = if rng.random() { 1.0 } else { -1.0 };
            let offset = Vector2::new(side * uniform(rng, 0.015, 0.045), uniform(rng, -0.04, 0.04));
            let at = region + offset;
            placement.region_m = Some(Vector3::new(region.x, region.y, 0.0));
            placement.objects.push((
                object,
                Vector3::new(at.x, at.y, rest_z_m(object)),
                uniform(rng, -0.3, 0.3),
            ));
        }
        Goal::On(vessel) => {
            let apart_m = match vessel {
                Object::Pan => 0.23,
                _ => 0.15,
            };
            let (at, to) = loop {
                let (at, to) = (draw_point(rng), draw_point(rng));
                if (at - to).norm() >= apart_m {
                    break (at, to);
                }
            };
            let yaw_range = match object {
                Object::Cube => 20f64.to_radians(),
                _ => 0.4,
            };
            let vessel_yaw = match vessel {
                // The handle points away from object and hand.
                Object::Pan => {
                    let away = to - at;
                    away.y.atan2(away.x) + uniform(rng, -0.4, 0.4)
                }
                _ => 0.0,
            };
            let yaw = uniform(rng, -yaw_range, yaw_range);
            placement.objects.push((object, Vector3::new(at.x, at.y, rest_z_m(object)), yaw));
            placement.objects.push((
                vessel,
                Vector3::new(to.x, to.y, rest_z_m(vessel)),
                vessel_yaw,
            ));
        }
    }
    placement
}

fn draw_point(rng: &mut ChaCha8Rng) -> Vector2<f64> {
    Vector2::new(uniform(rng, WORK_X_M[0], WORK_X_M[1]), uniform(rng, WORK_Y_M[0], WORK_Y_M[1]))
}

/// Whether a low hand starts apart from everything that stands up from the table.
fn clear_of_hand(placement: &Placement) -> bool {
    let hand = placement.hand.position_m;
    hand.z >= 0.19
        || placement.objects.iter().all(|(object, at, _)| {
            let clearance_m = match object {
                Object::Plate => 0.0,
                Object::Pan => 0.17,
                Object::Carrot => 0.16,
                _ => 0.13,
            };
            (at.xy() - hand.xy()).norm() > clearance_m
        })
}

/// Height of an object's origin when it rests on the table, and half a millimetre of air \[m\].
fn rest_z_m(object: Object) -> f64 {
    0.0005
        + match object {
            Object::Cube => 0.0225,
            Object::Plate => 0.004,
            Object::Carrot => 0.017,
            Object::Pan => 0.004,
            Object::Cup => 0.035,
            Object::Box => 0.03,
        }
}
