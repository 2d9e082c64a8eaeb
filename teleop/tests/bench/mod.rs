//! A pad and a person's hands on it, in a time of their own.
#![allow(dead_code)]

use jaco_core::Twist;
use jaco_teleop::pad::PadState;
use jaco_teleop::settings::{PadAxis, PadButton};
use jaco_teleop::steering::SETTLE_NS;
use jaco_teleop::{Press, Steer, Steering, TeleopSettings};

pub const MS: u64 = 1_000_000;
const START_NS: u64 = 7_000_000_000;
pub const DEAD_MAN: PadButton = PadButton::RightTrigger;

/// A pad and who steers with it, in a time of their own.
pub struct Bench {
    pub steering: Steering,
    pub pad: PadState,
    pub now_ns: u64,
    pub opening: f64,
}

impl Bench {
    pub fn new(settings: &TeleopSettings) -> Self {
        let pad = PadState::connected(1, START_NS);
        let mut bench =
            Self { steering: Steering::new(settings), pad, now_ns: START_NS, opening: 0.7 };
        bench.step();
        bench.pass(SETTLE_NS);
        bench
    }

    pub fn with(change: impl FnOnce(&mut TeleopSettings)) -> Self {
        let mut settings = TeleopSettings::default();
        change(&mut settings);
        Self::new(&settings)
    }

    /// An engaged one, past its ramp.
    pub fn engaged(change: impl FnOnce(&mut TeleopSettings)) -> Self {
        let mut bench = Self::with(change);
        bench.button(DEAD_MAN, 1.0);
        assert!(bench.step().engaged);
        bench.pass(2500 * MS);
        bench
    }

    pub fn step(&mut self) -> Steer {
        self.steering.step(self.now_ns, &self.pad, self.opening)
    }

    /// A step after `ns`, with a thread that lives and nothing said by the pad.
    pub fn after(&mut self, ns: u64) -> Steer {
        self.now_ns += ns;
        self.pad.heartbeat_ns = self.now_ns;
        self.step()
    }

    /// Many steps, with a pad that is heard.
    pub fn pass(&mut self, ns: u64) -> Steer {
        let end_ns = self.now_ns + ns;
        while self.now_ns < end_ns {
            self.pad.heard_ns = self.now_ns;
            self.after(10 * MS);
        }
        self.step()
    }

    pub fn axis(&mut self, axis: PadAxis, value: f64) {
        self.pad.heard_ns = self.now_ns;
        self.pad.set_axis(axis, value);
    }

    pub fn button(&mut self, button: PadButton, value: f64) {
        self.pad.heard_ns = self.now_ns;
        self.pad.set_button(button, value);
    }

    /// Presses and releases a button between two steps.
    pub fn tap(&mut self, button: PadButton) -> Vec<Press> {
        self.button(button, 1.0);
        self.button(button, 0.0);
        self.after(10 * MS).pressed
    }
}

pub fn is_zero(steer: &Steer) -> bool {
    steer.twist == Twist::zero()
}

pub fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}
