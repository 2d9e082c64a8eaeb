//! Grasp an object from above, carry it to the goal, let go: three of the four tasks.

use super::{GAIN, MAX_XY_M, Phase, RETREAT_Z_M, action, climb, limited, nearest_yaw, turn};
use crate::truth::SceneTruth;
use jaco_core::{Action, Task};
use nalgebra::Vector3;
use std::f64::consts::{FRAC_PI_2, PI};

/// Mean finger angle below which the hand counts as open \[rad\].
const OPEN_RAD: f64 = 0.35;
/// Finger motion over a step below which closing fingers have met the object \[rad\].
const STALLED_RAD: f64 = 0.015;

/// What differs between the objects.
#[derive(Clone, Copy, Debug)]
struct Grip {
    /// Height of the tool point for grasping, and for letting go over the goal \[m\].
    grasp_z_m: f64,
    place_z_m: f64,
    /// The object looks the same to the fingers after a turn by this angle \[rad\].
    yaw_period_rad: f64,
    /// Angle from the object's x axis to the direction in which the fingers close \[rad\].
    across_rad: f64,
    /// From the goal's middle, within which the object counts as delivered \[m\].
    delivered_m: f64,
    /// Height of the object's middle below which it counts as put down \[m\].
    down_z_m: f64,
}

#[derive(Clone, Debug)]
pub struct PickPlace {
    pub phase: Phase,
    grip: Grip,
    /// Steps spent closing, and the mean finger angle one step ago.
    closing_steps: u32,
    last_finger_rad: f64,
}

impl PickPlace {
    pub fn new(task: Task) -> Self {
        let grip = match task {
            Task::PlaceCarrot => Grip {
                grasp_z_m: 0.052,
                place_z_m: 0.085,
                yaw_period_rad: PI,
                across_rad: FRAC_PI_2,
                delivered_m: 0.065,
                down_z_m: 0.05,
            },
            // Round the body, across the handle.
            Task::RelocateCup => Grip {
                grasp_z_m: 0.075,
                place_z_m: 0.088,
                yaw_period_rad: PI,
                across_rad: FRAC_PI_2,
                delivered_m: 0.048,
                down_z_m: 0.06,
            },
            Task::PlaceBlock | Task::CleanTable => Grip {
                grasp_z_m: 0.062,
                place_z_m: 0.076,
                yaw_period_rad: FRAC_PI_2,
                across_rad: 0.0,
                delivered_m: 0.05,
                down_z_m: 0.05,
            },
        };
        Self { phase: Phase::Reach, grip, closing_steps: 0, last_finger_rad: 0.0 }
    }

    pub fn grasp_z_m(&self) -> f64 {
        self.grip.grasp_z_m
    }

    pub fn take_over(&mut self, truth: &SceneTruth, last_gripper: f64, finger_motion_rad: f64) {
        let near = truth.grasp_error_m().norm() < 0.045;
        let z = truth.hand.position_m.z;
        let moving = finger_motion_rad.abs() >= 0.02;
        self.closing_steps = 2;
        self.last_finger_rad = truth.mean_finger_rad() - finger_motion_rad.abs();
        self.phase = if last_gripper < 0.5 {
            if near && truth.holding() {
                if moving { Phase::Close } else { Phase::Carry }
            } else if moving && near && z < self.grip.grasp_z_m + 0.018 {
                Phase::Close
            } else {
                Phase::Reach
            }
        } else if self.is_delivered(truth) {
            if truth.max_finger_rad() >= 0.42 && near { Phase::Release } else { Phase::Retreat }
        } else {
            Phase::Reach
        };
        if self.phase == Phase::Carry && self.is_lowered(truth) {
            self.phase = Phase::Release;
        }
    }

    pub fn act(&mut self, truth: &SceneTruth) -> Action {
        let delivered = self.is_delivered(truth);
        if self.phase == Phase::Carry && truth.grasp_error_m().norm() > 0.05 {
            self.phase = Phase::Reach;
        }
        if self.phase == Phase::Reach && delivered && truth.mean_finger_rad() < OPEN_RAD {
            self.phase = Phase::Retreat;
        }
        if self.phase == Phase::Retreat && !delivered {
            self.phase = Phase::Reach;
        }
        let mut command = Action::still(1.0);
        if self.phase == Phase::Reach {
            command = self.reach(truth);
        }
        if self.phase == Phase::Close {
            command = self.close(truth);
        }
        if self.phase == Phase::Carry {
            command = self.carry(truth);
        }
        if self.phase == Phase::Release {
            command = Action::still(1.0);
            if truth.max_finger_rad() < 0.42 {
                self.phase = Phase::Retreat;
            }
        }
        if self.phase == Phase::Retreat {
            let up = climb(truth.hand.position_m.z, RETREAT_Z_M);
            command = action(Vector3::new(0.0, 0.0, up), Vector3::zeros(), 1.0);
        }
        command
    }

    fn is_delivered(&self, truth: &SceneTruth) -> bool {
        truth.to_goal_m().norm() < self.grip.delivered_m
            && truth.object.position_m.z < self.grip.down_z_m
    }

    fn is_lowered(&self, truth: &SceneTruth) -> bool {
        truth.to_goal_m().norm() < 0.015 && truth.hand.position_m.z < self.grip.place_z_m + 0.008
    }

    /// A funnel: the farther off to the side, the higher.
    fn reach(&mut self, truth: &SceneTruth) -> Action {
        let hand = truth.hand.position_m;
        let way = (truth.object.position_m - hand).xy();
        let off = way.norm();
        let mut target_z = self.grip.grasp_z_m + (3.5 * (off - 0.012)).clamp(0.0, 0.10);
        let low = off > 0.02 && hand.z < target_z - 0.03;
        let mut across = limited(way * GAIN, if low { 0.006 } else { MAX_XY_M });
        if truth.mean_finger_rad() > OPEN_RAD && hand.z < 0.12 {
            // Closed fingers would sweep the object away.
            across.fill(0.0);
            target_z = target_z.max(hand.z);
        }
        let yaw = truth.hand_yaw_rad();
        let wanted = truth.object_yaw_rad() + self.grip.across_rad;
        let target_yaw = nearest_yaw(yaw, wanted, self.grip.yaw_period_rad);
        if off < 0.008
            && (hand.z - self.grip.grasp_z_m).abs() < 0.008
            && (target_yaw - yaw).abs() < 0.12
            && truth.mean_finger_rad() < 0.3
        {
            self.phase = Phase::Close;
            self.closing_steps = 0;
            self.last_finger_rad = truth.mean_finger_rad();
        }
        let up = climb(hand.z, target_z);
        action(Vector3::new(across.x, across.y, up), turn(truth, target_yaw), 1.0)
    }

    fn close(&mut self, truth: &SceneTruth) -> Action {
        let finger = truth.mean_finger_rad();
        self.closing_steps += 1;
        if self.closing_steps > 3 && finger - self.last_finger_rad < STALLED_RAD {
            self.phase = Phase::Carry;
        }
        self.last_finger_rad = finger;
        Action::still(0.0)
    }

    /// Up first, then over; down as the goal comes near.
    fn carry(&mut self, truth: &SceneTruth) -> Action {
        let hand = truth.hand.position_m;
        let way = truth.to_goal_m().xy();
        let off = way.norm();
        let target_z = self.grip.place_z_m + (2.2 * (off - 0.015)).clamp(0.0, 0.085);
        let lifted = ((hand.z - self.grip.grasp_z_m - 0.008) / 0.03).clamp(0.0, 1.0);
        let across = if off > 0.03 { limited(way * GAIN, MAX_XY_M) * lifted } else { way * GAIN };
        if self.is_lowered(truth) {
            self.phase = Phase::Release;
        }
        let up = climb(hand.z, target_z);
        // Held as it was grasped, but upright.
        let level = turn(truth, truth.hand_yaw_rad());
        action(Vector3::new(across.x, across.y, up), level, 0.0)
    }
}
