//! The plainest driver of actions: what an executor does, without limits or feedback.

use jaco_core::{Action, STEP_S, TICKS_PER_STEP, Twist};
use jaco_sim::World;
use jaco_sim::firmware::fingers::CLOSED_TICKS;
use nalgebra::Vector3;

/// Closing speed of the hand \[closure/s\].
const CLOSURE_PER_S: f64 = 1.04;

/// Executes `action` over one step of ten ticks.
pub fn execute(world: &mut World, action: &Action) {
    let twist = Twist {
        linear_m_s: Vector3::from(action.translation_m) / STEP_S,
        angular_rad_s: Vector3::from(action.rotation_rad) / STEP_S,
    };
    let closing = if action.gripper < 0.5 { 1.0 } else { -1.0 };
    let fingers = [closing * CLOSURE_PER_S * CLOSED_TICKS; 3];
    for _ in 0..TICKS_PER_STEP {
        world.firmware().push_velocity(&twist, fingers);
        world.tick();
    }
}
