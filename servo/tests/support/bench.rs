//! The process's tick and an arm with faults, on a clock that only the test moves.
// Each test program uses a part of it.
#![allow(dead_code)]

use crate::mock::{MockArm, SharedClock};
use jaco_core::{Clock, Limits, Twist};
use jaco_servo::driver::{Driver, DriverOptions};
use jaco_servo::message::{MAX_COMMAND_LEN, encode_command};
use jaco_servo::process::cycle::{Cycle, Grants, Lost};
use jaco_servo::process::pacer::Pacer;
use jaco_servo::{Command, ServoCore, ServoStatus, StopReason};
use nalgebra::Vector3;
use std::time::Duration;

pub struct Bench {
    pub arm: MockArm,
    pub cycle: Cycle<MockArm, SharedClock>,
    pub pacer: Pacer,
}

impl Bench {
    pub fn new(arm: MockArm) -> Self {
        Self::born(arm, None)
    }

    /// A servo that is stopped from birth, if so told.
    pub fn born(arm: MockArm, stopped: Option<StopReason>) -> Self {
        let options = DriverOptions { settle: Duration::ZERO, ..DriverOptions::default() };
        let driver = Driver::connect(arm.clone(), options, &*arm.clock, &mut |_| {}).unwrap();
        let mut core = ServoCore::new(Limits::default()).unwrap();
        if let Some(reason) = stopped {
            core.stop(reason);
        }
        let clock = SharedClock(arm.clock.clone());
        arm.take_log();
        let cycle = Cycle::new(core, driver, clock, Grants::default());
        Self { arm, cycle, pacer: Pacer::new(0) }
    }

    pub fn command(&mut self, command: &Command) {
        let mut buffer = [0; MAX_COMMAND_LEN];
        let packet = encode_command(command, &mut buffer).unwrap();
        self.cycle.command(self.arm.clock.now_ns(), packet);
    }

    /// Lets time pass until the next tick is due, and makes it.
    pub fn tick(&mut self) -> Result<ServoStatus, Lost> {
        let tick = self.pacer.next(self.arm.clock.now_ns());
        let now_ns = self.arm.clock.now_ns();
        self.arm.clock.advance_ns(tick.due_ns.saturating_sub(now_ns));
        self.command(&Command::Heartbeat);
        self.cycle.tick(self.arm.clock.now_ns(), &tick)
    }

    pub fn ticks(&mut self, count: usize) -> ServoStatus {
        (0..count).map(|_| self.tick().unwrap()).last().unwrap()
    }

    /// Makes ticks until `done`; fails after a minute of the test's time.
    pub fn until(&mut self, done: impl Fn(&Self, &ServoStatus) -> bool) -> ServoStatus {
        for _ in 0..6_000 {
            let status = self.tick().unwrap();
            if done(self, &status) {
                return status;
            }
        }
        panic!("it does not come");
    }

    pub fn jog(&mut self, x_m_s: f64) {
        let twist = Twist { linear_m_s: Vector3::x() * x_m_s, ..Twist::zero() };
        self.command(&Command::Jog { twist, gripper: 1.0 });
    }

    pub fn count(&self, call: &str) -> usize {
        self.arm.count(call)
    }
}
