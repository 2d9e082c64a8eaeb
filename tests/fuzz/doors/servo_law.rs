//! Door: the servo's law under any commands and any readings. Whatever is asked and read, what is
//! sent stays finite and within the limits, changes no faster than they allow, and comes to rest
//! under a latched stop.
//!
//! Input: a script of operations, each a letter and its operands; what is no operation is skipped.
//! `T n`: n ticks. `C len_lo len_hi packet`: a command as it comes over the socket. `S field f64`:
//! a field of the reading. `A byte`: the reading ages by so many ticks. `H`, `R` byte: a hand on the
//! joystick; ready. `E byte`: homing has ended. `J ms_lo ms_hi`: the clock jumps.

use super::promise;
use jaco_core::{ArmState, Limits, Pose, TICK_NS, TICK_S, Twist};
use jaco_servo::message::decode_command;
use jaco_servo::{Mode, ServoCore, Setpoint};
use nalgebra::Vector3;

/// Most ticks of one script: what comes after them is not played.
const MOST_TICKS: u64 = 2000;
/// Floating-point slack of a limit: far below what any arm resolves.
const SLACK: f64 = 1e-9;

pub fn open(data: &[u8]) {
    let mut bench = Bench::new();
    let mut script = Script(data);
    while let Some(operation) = script.byte() {
        if bench.carry_out(operation, &mut script).is_none() {
            break;
        }
    }
    bench.must_come_to_rest();
}

struct Bench {
    servo: ServoCore,
    now_ns: u64,
    ticks: u64,
    age_ns: u64,
    state: ArmState,
    /// Kinova Euler angles of the reading \[rad\].
    theta_rad: [f64; 3],
    last: Setpoint,
}

impl Bench {
    fn new() -> Self {
        let pose = Pose::from_kinova(Vector3::new(0.1, -0.4, 0.3), [1.6, 1.1, 0.1]);
        let state = ArmState {
            joints_rad: [1.0, -2.0, 3.5, 0.0, 7.0, -0.1],
            closure: [0.1, 0.2, 0.3],
            ..ArmState::at(0, pose)
        };
        Self {
            servo: ServoCore::new(Limits::default()).expect("the defaults are valid"),
            now_ns: 1_000_000_000,
            ticks: 0,
            age_ns: 0,
            state,
            theta_rad: [1.6, 1.1, 0.1],
            last: Setpoint::default(),
        }
    }

    /// None at the end of the script, or when it has ticked enough.
    fn carry_out(&mut self, operation: u8, script: &mut Script<'_>) -> Option<()> {
        match operation {
            b'T' => {
                for _ in 0..script.byte()? {
                    self.tick();
                }
            }
            b'C' => {
                let len = usize::from(script.number()?);
                let packet = script.take(len);
                if let Ok(command) = decode_command(packet) {
                    let before = self.servo.report();
                    if let Err(refusal) = self.servo.command(self.now_ns, &command) {
                        promise::is_for_people(&refusal.to_string(), packet);
                        let after = self.servo.report();
                        assert_eq!(after.mode, before.mode, "{refusal}");
                        assert_eq!(after.queued, before.queued, "{refusal}");
                    }
                }
            }
            b'S' => {
                let field = usize::from(script.byte()?);
                let value = f64::from_le_bytes(script.take(8).try_into().ok()?);
                self.read_as(field, value);
            }
            b'A' => self.age_ns = u64::from(script.byte()?) * TICK_NS,
            b'H' => self.servo.set_hand(script.byte()? & 1 == 1),
            b'R' => self.servo.set_ready(script.byte()? & 1 == 1),
            b'E' => {
                let home = script.byte()? & 1 == 1;
                if self.servo.wants_homing() {
                    self.servo.homing_ended(home);
                }
            }
            b'J' => self.now_ns += u64::from(script.number()?) * 1_000_000,
            _ => {}
        }
        (self.ticks < MOST_TICKS).then_some(())
    }

    fn read_as(&mut self, field: usize, value: f64) {
        match field % 15 {
            at @ 0..3 => self.state.pose.position_m[at] = value,
            at @ 3..6 => {
                self.theta_rad[at - 3] = value;
                let position_m = self.state.pose.position_m;
                // As the driver makes it of what the SDK reads.
                self.state.pose = Pose::from_kinova(position_m, self.theta_rad);
            }
            at @ 6..12 => self.state.joints_rad[at - 6] = value,
            at => self.state.closure[at - 12] = value,
        }
    }

    fn tick(&mut self) {
        self.state.stamp_ns = self.now_ns.saturating_sub(self.age_ns);
        let setpoint = self.servo.tick(self.now_ns, &self.state);
        self.judge(&setpoint);
        self.now_ns += TICK_NS;
        self.ticks += 1;
        self.last = setpoint;
    }

    fn judge(&self, setpoint: &Setpoint) {
        let limits = self.servo.limits();
        let report = self.servo.report();
        let Twist { linear_m_s, angular_rad_s } = &setpoint.twist;
        assert!(setpoint.twist.is_finite(), "{report:?}");
        assert!(linear_m_s.norm() <= limits.linear_speed_m_s + SLACK, "{report:?}");
        assert!(angular_rad_s.norm() <= limits.angular_speed_rad_s + SLACK, "{report:?}");
        for velocity in setpoint.finger_velocity {
            assert!(velocity.abs() <= limits.finger_speed_per_s + SLACK, "{report:?}");
        }
        let most_m_s = limits.linear_braking_m_s2.max(limits.linear_acceleration_m_s2) * TICK_S;
        let most_rad_s =
            limits.angular_braking_rad_s2.max(limits.angular_acceleration_rad_s2) * TICK_S;
        let before = &self.last.twist;
        assert!((linear_m_s - before.linear_m_s).norm() <= most_m_s + SLACK, "{report:?}");
        assert!((angular_rad_s - before.angular_rad_s).norm() <= most_rad_s + SLACK, "{report:?}");
        assert!((0.0..=1.0).contains(&report.gripper), "{report:?}");
        let reference_is_sound = report.reference.is_none_or(|pose| {
            pose.position_m.iter().chain(pose.orientation.coords.iter()).all(|v| v.is_finite())
        });
        assert!(reference_is_sound, "{report:?}");
    }

    fn must_come_to_rest(&mut self) {
        self.servo.stop(jaco_servo::StopReason::Operator);
        for _ in 0..20 {
            self.tick();
        }
        assert_eq!(self.servo.mode(), Mode::Stopped);
        assert_eq!(self.last.twist, Twist::zero());
        assert_eq!(self.last.finger_velocity, [0.0; 3]);
    }
}

/// What is left of the input.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// The next `len` bytes, or as many as there are.
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
