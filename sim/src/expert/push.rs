//! Push an object out of the marked region with the closed hand.

use super::{GAIN, MAX_XY_M, Phase, RETREAT_Z_M, action, climb, limited, turn};
use crate::task::success::{BOX_HALF_M, REGION_HALF_M};
use crate::truth::SceneTruth;
use jaco_core::Action;
use nalgebra::{Vector2, Vector3};
use std::f64::consts::FRAC_PI_2;

/// Height of the tool point for pushing \[m\].
pub const PUSH_Z_M: f64 = 0.058;
/// From the box's middle to the tool point when the hand comes down behind the box \[m\].
const BEHIND_M: f64 = 0.085;
/// Pushing displacement a step \[m\].
const PUSH_STEP_M: f64 = 0.012;
/// Air to leave between region and box \[m\].
const MARGIN_M: f64 = 0.012;

#[derive(Clone, Debug)]
pub struct Push {
    pub phase: Phase,
}

impl Default for Push {
    fn default() -> Self {
        Self { phase: Phase::Reach }
    }
}

/// The scene along the way out: `along` grows towards the nearer edge of the region.
struct Lane {
    direction: f64,
    /// Hand relative to the box: along the way and to the side \[m\].
    along_m: f64,
    aside_m: f64,
    out: bool,
}

impl Lane {
    fn of(truth: &SceneTruth) -> Self {
        let from_region = -truth.to_goal_m();
        let direction = if from_region.x < 0.0 { -1.0 } else { 1.0 };
        let to_hand = truth.hand.position_m - truth.object.position_m;
        let (sin, cos) = truth.object_yaw_rad().sin_cos();
        let half = BOX_HALF_M[0] * cos.abs() + BOX_HALF_M[1] * sin.abs();
        Self {
            direction,
            along_m: direction * to_hand.x,
            aside_m: to_hand.y,
            out: from_region.x.abs() - half > REGION_HALF_M + MARGIN_M,
        }
    }
}

impl Push {
    pub fn take_over(&mut self, truth: &SceneTruth) {
        self.choose(&Lane::of(truth), truth);
    }

    fn choose(&mut self, lane: &Lane, truth: &SceneTruth) {
        let low = truth.hand.position_m.z < PUSH_Z_M + 0.010;
        let closed = truth.opening() < 0.35;
        let behind = lane.along_m < -0.03 && lane.aside_m.abs() < 0.03;
        let lined_up = lane.along_m < -0.06 && lane.aside_m.abs() < 0.010;
        self.phase = match self.phase {
            _ if lane.out => Phase::Retreat,
            Phase::Push if behind && low => Phase::Push,
            _ if low && closed && (lined_up || (behind && lane.along_m > -0.075)) => Phase::Push,
            _ => Phase::Reach,
        };
    }

    pub fn act(&mut self, truth: &SceneTruth) -> Action {
        let lane = Lane::of(truth);
        self.choose(&lane, truth);
        let hand = truth.hand.position_m;
        let upright = turn(truth, FRAC_PI_2);
        match self.phase {
            Phase::Push => {
                // The hand stays behind the box's middle, else the box turns away.
                let across = Vector2::new(lane.direction * PUSH_STEP_M, -GAIN * lane.aside_m);
                let up = climb(hand.z, PUSH_Z_M);
                action(Vector3::new(across.x, across.y, up), upright, 0.0)
            }
            Phase::Retreat => {
                let up = climb(hand.z, RETREAT_Z_M);
                action(Vector3::new(0.0, 0.0, up), upright, 0.0)
            }
            _ => {
                let behind = Vector2::new(-lane.direction * BEHIND_M, 0.0);
                let way = truth.object.position_m.xy() + behind - hand.xy();
                let off = way.norm();
                let target_z = PUSH_Z_M + (3.5 * (off - 0.015)).clamp(0.0, 0.10);
                let low = off > 0.02 && hand.z < target_z - 0.03;
                let across = limited(way * GAIN, if low { 0.006 } else { MAX_XY_M });
                let up = climb(hand.z, target_z);
                action(Vector3::new(across.x, across.y, up), upright, 0.0)
            }
        }
    }
}
