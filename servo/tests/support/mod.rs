//! An arm that does exactly what it is told, for the tests of the core.
// Each test program uses a part of it.
#![allow(dead_code)]

use jaco_core::{ActionStream, ActionUnit, ArmState, Chunk, Limits, Pose, TICK_NS, TICK_S};
use jaco_servo::{Command, ServoCore, Setpoint};
use nalgebra::{UnitQuaternion, Vector3};

/// A servo and a perfect arm, ticked together.
pub struct Rig {
    pub servo: ServoCore,
    pub state: ArmState,
    pub now_ns: u64,
}

impl Rig {
    pub fn new(limits: Limits) -> Self {
        let pose = Pose {
            position_m: Vector3::new(0.0, -0.4, 0.25),
            orientation: UnitQuaternion::from_scaled_axis(Vector3::new(3.1, 0.0, 0.2)),
        };
        let state = ArmState::at(0, pose);
        Self { servo: ServoCore::new(limits).unwrap(), state, now_ns: 0 }
    }

    pub fn command(&mut self, command: Command) {
        self.servo.command(self.now_ns, &command).unwrap();
    }

    /// One tick with a sign of life.
    pub fn tick(&mut self) -> Setpoint {
        self.command(Command::Heartbeat);
        self.tick_in_silence()
    }

    /// One tick of servo and arm; the commander says nothing.
    pub fn tick_in_silence(&mut self) -> Setpoint {
        self.state.stamp_ns = self.now_ns;
        let setpoint = self.servo.tick(self.now_ns, &self.state);
        self.state.pose.position_m += setpoint.twist.linear_m_s * TICK_S;
        let turn = UnitQuaternion::from_scaled_axis(setpoint.twist.angular_rad_s * TICK_S);
        self.state.pose.orientation = turn * self.state.pose.orientation;
        for (closure, velocity) in self.state.closure.iter_mut().zip(setpoint.finger_velocity) {
            *closure = (*closure + velocity * TICK_S).clamp(0.0, 1.0);
        }
        self.now_ns += TICK_NS;
        setpoint
    }
}

/// The command for a stream of units.
pub fn units(first_step: u64, units: &[ActionUnit], values: &[[f32; 7]], frame_ns: u64) -> Command {
    let (units, values) = (units.iter().copied().collect(), values.iter().copied().collect());
    let chunk = Chunk::Units { units, values };
    Command::Stream(ActionStream { first_step, chunk, from_frame_ns: frame_ns })
}
