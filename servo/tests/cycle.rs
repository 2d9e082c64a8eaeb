//! The process's tick against an arm with faults, on a clock that only the test moves.
#![allow(clippy::unwrap_used)]

#[path = "support/mock.rs"]
mod mock;

use jaco_core::{Clock, TICK_NS, Twist};
use jaco_servo::driver::{Driver, DriverOptions};
use jaco_servo::message::{MAX_COMMAND_LEN, encode_command};
use jaco_servo::process::cycle::{Cycle, Grants, Lost};
use jaco_servo::process::pacer::{Pacer, Tick};
use jaco_servo::{Command, HoldReason, Limits, Mode, ServoCore, ServoStatus, StopReason};
use mock::{MockArm, SharedClock};
use nalgebra::Vector3;
use std::time::Duration;

struct Bench {
    arm: MockArm,
    cycle: Cycle<MockArm, SharedClock>,
    pacer: Pacer,
}

impl Bench {
    fn new(arm: MockArm) -> Self {
        let options = DriverOptions { settle: Duration::ZERO, ..DriverOptions::default() };
        let driver = Driver::connect(arm.clone(), arm.clone(), options, 0).unwrap();
        let core = ServoCore::new(Limits::default()).unwrap();
        let clock = SharedClock(arm.clock.clone());
        arm.take_log();
        let cycle = Cycle::new(core, driver, clock, Grants::default());
        Self { arm, cycle, pacer: Pacer::new(0) }
    }

    fn command(&mut self, command: &Command) {
        let mut buffer = [0; MAX_COMMAND_LEN];
        let packet = encode_command(command, &mut buffer).unwrap();
        self.cycle.command(self.arm.clock.now_ns(), packet);
    }

    /// Lets time pass until the next tick is due, and makes it.
    fn tick(&mut self) -> Result<ServoStatus, Lost> {
        let tick = self.pacer.next(self.arm.clock.now_ns());
        let now_ns = self.arm.clock.now_ns();
        self.arm.clock.advance_ns(tick.due_ns.saturating_sub(now_ns));
        self.command(&Command::Heartbeat);
        self.cycle.tick(self.arm.clock.now_ns(), &tick)
    }

    fn ticks(&mut self, count: usize) -> ServoStatus {
        (0..count).map(|_| self.tick().unwrap()).last().unwrap()
    }

    /// Makes ticks while time stands, for the homing thread to get there, until `done`.
    fn wait(&mut self, done: impl Fn(&Self, &ServoStatus) -> bool) -> ServoStatus {
        loop {
            let now_ns = self.arm.clock.now_ns();
            self.command(&Command::Heartbeat);
            let status = self.cycle.tick(now_ns, &Tick { due_ns: now_ns, missed: 0 }).unwrap();
            if done(self, &status) {
                return status;
            }
            std::thread::yield_now();
        }
    }

    fn jog(&mut self, x_m_s: f64) {
        let twist = Twist { linear_m_s: Vector3::x() * x_m_s, ..Twist::zero() };
        self.command(&Command::Jog { twist, gripper: 1.0 });
    }

    fn count(&self, call: &str) -> usize {
        self.arm.inside().log.iter().filter(|made| **made == call).count()
    }
}

#[test]
fn a_tick_sends_one_point_and_then_reads_once() {
    let mut bench = Bench::new(MockArm::new());
    for _ in 0..20 {
        bench.tick().unwrap();
        let log = bench.arm.take_log();
        assert_eq!(log.len(), 2, "{log:?}");
        assert_eq!(log[0], "SendBasicTrajectory");
        assert!(log[1].starts_with("Get"));
    }
}

#[test]
fn motion_reaches_the_arm_and_the_arm_the_status() {
    let mut bench = Bench::new(MockArm::new());
    for _ in 0..50 {
        bench.jog(0.1);
        bench.tick().unwrap();
    }
    let status = bench.ticks(60);
    let moved_m = status.state.pose.position_m.x;
    assert!((moved_m - 0.05).abs() < 0.01, "{moved_m}");
    assert!(status.at_rest);
    assert_eq!(status.report.mode, Mode::Jog);
}

#[test]
fn a_short_burst_of_failed_reads_is_survived_and_a_longer_one_holds_the_arm() {
    let mut bench = Bench::new(MockArm::new());
    bench.command(&Command::StartMotion);
    bench.tick().unwrap();
    bench.arm.inside().read_codes = vec![1015; 10].into();
    let status = bench.ticks(15);
    assert_eq!((status.report.mode, status.read_failures), (Mode::Motion, 10));
    bench.arm.inside().read_codes = vec![1015; 30].into();
    let status = bench.ticks(35);
    assert_eq!(status.report.mode, Mode::Idle);
    assert_eq!(status.report.hold_reason, HoldReason::StateOld);
    assert!(status.note.as_str().contains("1015"), "{}", status.note);
}

#[test]
fn an_arm_that_cannot_be_read_for_a_second_is_given_up() {
    let mut bench = Bench::new(MockArm::new());
    bench.ticks(10);
    bench.arm.inside().read_codes = vec![1015; 200].into();
    let lost = (0..150).find_map(|_| bench.tick().err()).unwrap();
    assert!(matches!(lost, Lost::Unreadable { silent_ms: 1000..=1020, .. }), "{lost}");
}

#[test]
fn slow_reads_cost_ticks_but_are_never_followed_by_a_burst() {
    let mut bench = Bench::new(MockArm::new());
    bench.arm.inside().read_takes_ns = 4 * TICK_NS + 3_000_000;
    let status = bench.ticks(10);
    let elapsed_ns = bench.arm.clock.now_ns();
    assert_eq!(bench.count("SendBasicTrajectory"), 10);
    assert_eq!(status.missed_ticks + status.ticks, (elapsed_ns - status.read_ns) / TICK_NS + 1);
    assert!(status.late_ticks >= 8, "{status:?}");
}

#[test]
fn a_queue_that_grows_is_emptied_and_stops_the_arm_when_it_grows_again() {
    let mut bench = Bench::new(MockArm::new());
    bench.jog(0.1);
    bench.arm.inside().queue = 6;
    let status = bench.ticks(10);
    assert_eq!((status.queue_erasures, status.arm_queue), (1, 6));
    assert_eq!(status.report.mode, Mode::Jog);
    let status = bench.ticks(10);
    assert_eq!(status.report.stop_reason, Some(StopReason::QueueGrew));
    assert!(bench.count("EraseAllTrajectories") >= 2);
}

#[test]
fn losing_cartesian_control_stops_motion_and_control_is_asked_for_again() {
    let mut bench = Bench::new(MockArm::new());
    bench.command(&Command::StartMotion);
    bench.tick().unwrap();
    bench.arm.inside().cartesian = false;
    let status = bench.ticks(10);
    assert_eq!(status.report.stop_reason, Some(StopReason::CartesianControlLost));
    assert!(!status.report.ready);
    let status = bench.ticks(100);
    assert!(status.report.ready);
    assert_eq!(status.report.mode, Mode::Stopped);
}

#[test]
fn when_motion_has_ended_what_the_arm_may_have_queued_is_dropped_once() {
    let mut bench = Bench::new(MockArm::new());
    bench.jog(0.1);
    bench.ticks(5);
    bench.command(&Command::Stop { reason: StopReason::Operator });
    let status = bench.ticks(40);
    assert_eq!(status.report.setpoint.twist, Twist::zero());
    assert!(status.at_rest);
    bench.ticks(200);
    assert_eq!(bench.count("EraseAllTrajectories"), 1);
}

#[test]
fn a_stop_is_judged_from_readings_and_repeated_while_the_arm_moves() {
    let mut bench = Bench::new(MockArm::new());
    bench.command(&Command::Stop { reason: StopReason::Operator });
    bench.arm.inside().drift_m = 0.001;
    let status = bench.ticks(200);
    assert!(!status.at_rest);
    assert_eq!(bench.count("EraseAllTrajectories"), 4);
    bench.arm.inside().drift_m = 0.0;
    assert!(bench.ticks(30).at_rest);
}

#[test]
fn a_refused_command_is_told_in_words() {
    let mut bench = Bench::new(MockArm::new());
    bench.command(&Command::Stop { reason: StopReason::Operator });
    bench.command(&Command::StartMotion);
    let status = bench.tick().unwrap();
    assert!(status.note.as_str().starts_with("StartMotion is not allowed in mode stopped"));
    bench.cycle.command(bench.arm.clock.now_ns(), &[9, 9, 9, 9]);
    assert!(bench.tick().unwrap().note.as_str().contains("version 9"));
}

#[test]
fn an_arm_that_is_not_homed_is_homed_and_then_moves() {
    let arm = MockArm::new();
    arm.inside().homed = false;
    arm.inside().fingers_initialised = false;
    arm.inside().home_takes_ns = 3_000_000_000;
    let mut bench = Bench::new(arm);
    bench.jog(0.1);
    let status = bench.tick().unwrap();
    assert_eq!((status.report.mode, status.homed), (Mode::Idle, false));
    assert_eq!(bench.count("SendBasicTrajectory"), 0);
    bench.command(&Command::Home);
    let status = bench.wait(|_, status| status.report.mode != Mode::Homing);
    assert_eq!(status.report.hold_reason, HoldReason::Homed);
    assert!(status.report.ready && status.homed);
    let log = bench.arm.take_log();
    let at = |call| log.iter().position(|made| *made == call).unwrap();
    assert!(at("MoveHome") < at("InitFingers") && at("InitFingers") < at("SetCartesianControl"));
    bench.jog(0.1);
    let status = bench.tick().unwrap();
    assert_eq!(status.report.mode, Mode::Jog, "held because {}", status.report.hold_reason);
}

#[test]
fn a_stop_cancels_homing_though_move_home_blocks() {
    let arm = MockArm::new();
    arm.inside().home_blocks = true;
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.wait(|bench, _| bench.count("MoveHome") == 1);
    assert_eq!(bench.ticks(3).report.mode, Mode::Homing);
    bench.arm.take_log();
    bench.command(&Command::Stop { reason: StopReason::Operator });
    bench.tick().unwrap();
    // The homing thread, released by the first, may call between the two.
    assert_eq!((bench.count("EraseAllTrajectories"), bench.count("StopControlAPI")), (1, 1));
    bench.command(&Command::Reset);
    bench.wait(|bench, _| bench.count("SendBasicTrajectory") > 0);
    assert!(bench.count("StartControlAPI") == 1);
    let status = bench.tick().unwrap();
    assert_eq!((status.report.mode, status.report.ready), (Mode::Idle, true));
}

#[test]
fn homing_that_hangs_ends_the_process() {
    let arm = MockArm::new();
    arm.inside().home_blocks = true;
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.wait(|bench, _| bench.count("MoveHome") == 1);
    let lost = (0..7_000).find_map(|_| bench.tick().err()).unwrap();
    assert!(matches!(lost, Lost::HomingHangs), "{lost}");
}
