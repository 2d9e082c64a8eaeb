//! The process's tick against an arm with faults, on a clock that only the test moves.
#![allow(clippy::unwrap_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/mock.rs"]
mod mock;

use bench::Bench;
use jaco_core::{Clock, TICK_NS, Twist};
use jaco_servo::process::cycle::Lost;
use jaco_servo::{Command, HoldReason, Mode, StopReason};
use mock::MockArm;

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
    // One of the ten is the joystick's, which is no failure of the arm.
    bench.arm.inside().read_codes = vec![1015; 10].into();
    let status = bench.ticks(15);
    assert_eq!((status.report.mode, status.read_failures), (Mode::Motion, 9));
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

/// Whoever sends what is no command cannot stop the arm either.
#[test]
fn packets_that_are_no_commands_are_no_sign_of_life() {
    let mut bench = Bench::new(MockArm::new());
    bench.command(&Command::StartMotion);
    let silent = |bench: &mut Bench, packet: &[u8]| {
        let tick = bench.pacer.next(bench.arm.clock.now_ns());
        bench.arm.clock.advance_ns(TICK_NS);
        bench.cycle.command(bench.arm.clock.now_ns(), packet);
        bench.cycle.tick(bench.arm.clock.now_ns(), &tick).unwrap()
    };
    // Another version's heartbeat, an unknown kind, a heartbeat run long.
    for packet in [&[2, 0][..], &[3, 99], &[3, 0, 0]].into_iter().cycle().take(15) {
        silent(&mut bench, packet);
    }
    let report = silent(&mut bench, &[]).report;
    assert_eq!((report.mode, report.hold_reason), (Mode::Idle, HoldReason::CommanderSilent));
}
