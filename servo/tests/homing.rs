//! Homing tick by tick, against an arm that lies, loses orders and does not arrive.
#![allow(clippy::unwrap_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/mock.rs"]
mod mock;

use bench::Bench;
use jaco_servo::{Command, HoldReason, Mode, ServoStatus, StopReason};
use mock::{Joystick, MockArm};

#[test]
fn an_arm_that_is_not_homed_is_homed_and_then_moves() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (6, 50);
    arm.inside().fingers_initialised = false;
    let mut bench = Bench::new(arm);
    bench.jog(0.1);
    let status = bench.tick().unwrap();
    assert_eq!((status.report.mode, status.homed), (Mode::Idle, false));
    assert_eq!(bench.count("SendBasicTrajectory"), 0);
    bench.command(&Command::Home);
    let status = bench.until(|_, status| status.report.mode != Mode::Homing);
    assert_eq!(status.report.hold_reason, HoldReason::Homed, "{}", status.note);
    assert!(status.report.ready && status.homed && status.conditions.iter().count() == 0);
    assert!(!bench.arm.inside().button_held);
    let log = bench.arm.take_log();
    let at = |call| log.iter().position(|made| *made == call).unwrap();
    assert!(at("SendJoystickCommand") < at("SendBasicTrajectory"));
    assert!(at("SendBasicTrajectory") < at("SetCartesianControl"));
    bench.jog(0.1);
    let status = bench.tick().unwrap();
    assert_eq!(status.report.mode, Mode::Jog, "held because {}", status.report.hold_reason);
}

#[test]
fn a_tick_of_homing_sends_one_packet_and_reads_once() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (6, 1_000);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.ticks(3);
    for _ in 0..100 {
        bench.arm.take_log();
        bench.tick().unwrap();
        let log = bench.arm.take_log();
        assert_eq!((log.len(), log[0]), (2, "SendJoystickCommand"), "{log:?}");
    }
}

/// MoveHome returned when the queue read empty: "homing finished" after 0.1 s while the arm
/// homed, and a jog was accepted.
#[test]
fn an_arm_that_says_it_is_home_and_moves_is_not_home() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (6, 3);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.ticks(3);
    bench.arm.inside().drift_m = 0.001;
    assert_eq!(bench.ticks(200).report.mode, Mode::Homing);
    bench.arm.inside().drift_m = 0.0;
    let status = bench.until(|_, status| status.report.mode != Mode::Homing);
    assert_eq!(status.report.hold_reason, HoldReason::Homed, "{}", status.note);
}

/// Any value but 6 counted as home, 168 too.
#[test]
fn an_arm_that_rests_and_does_not_say_that_it_is_home_is_not() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_retract_type) = (6, 168);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    let status = bench.until(|_, status| status.report.mode != Mode::Homing);
    assert_eq!(status.report.hold_reason, HoldReason::HomingFailed);
    assert!(status.note.as_str().contains("does not go home"), "{}", status.note);
    assert!(!status.homed && !status.report.ready);
    assert!(!bench.arm.inside().button_held, "the button is let go");
}

/// A cancel that the wire lost was never sent again: the arm homed on to the end.
#[test]
fn a_stop_ends_homing_though_the_wire_loses_the_first_orders() {
    let arm = MockArm::new();
    {
        let mut inside = arm.inside();
        (inside.retract_type, inside.home_reads, inside.home_m) = (6, 10_000, 0.002);
    }
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.ticks(50);
    assert!(bench.arm.inside().button_held);
    bench.arm.inside().lost_sets = 40;
    bench.command(&Command::Stop { reason: StopReason::Operator });
    let status = bench.ticks(30);
    assert_eq!(status.report.mode, Mode::Stopped);
    assert!(!status.at_rest, "the orders are lost");
    let status = bench.until(|_, status| status.at_rest);
    assert!(!bench.arm.inside().button_held);
    assert_eq!(status.report.mode, Mode::Stopped);
    bench.ticks(50);
    bench.command(&Command::Reset);
    let status = bench.ticks(10);
    assert_eq!((status.report.mode, status.in_control), (Mode::Idle, true));
}

/// MoveHome's own polls emptied the semaphore, and the cancel waited for ever.
#[test]
fn a_stop_ends_homing_though_all_reads_fail() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (6, 10_000);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.ticks(50);
    bench.arm.inside().read_codes = vec![1015; 40].into();
    bench.command(&Command::Stop { reason: StopReason::Operator });
    bench.ticks(2);
    assert!(!bench.arm.inside().button_held);
}

#[test]
fn a_pose_that_cannot_be_read_ends_homing() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (6, 10_000);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.ticks(50);
    bench.arm.inside().read_codes = vec![1015; 60].into();
    let status = bench.ticks(40);
    assert_eq!((status.report.mode, status.report.hold_reason), (Mode::Idle, HoldReason::StateOld));
    assert!(!bench.arm.inside().button_held);
}

#[test]
fn homing_that_does_not_end_is_broken_off_and_the_process_lives() {
    let arm = MockArm::new();
    {
        let mut inside = arm.inside();
        (inside.retract_type, inside.home_reads) = (6, 1_000_000);
    }
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    // To and fro, so that it never rests and stays where it is.
    let mut status = None::<ServoStatus>;
    for tick in 0..6_100 {
        bench.arm.inside().home_m = if tick / 20 % 2 == 0 { 0.002 } else { -0.002 };
        status = Some(bench.tick().unwrap());
        if status.is_some_and(|status| status.report.mode != Mode::Homing) {
            break;
        }
    }
    let status = status.unwrap();
    assert_eq!(status.report.hold_reason, HoldReason::HomingFailed);
    assert!(status.note.as_str().contains("60 s"), "{}", status.note);
}

/// A hand was not looked for while the arm homed.
#[test]
fn a_hand_on_the_joystick_ends_homing_and_gets_the_arm() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (6, 10_000);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    let status = bench.ticks(50);
    assert_eq!((status.report.mode, status.joystick_held), (Mode::Homing, Some(false)));
    bench.arm.inside().joystick = Joystick::At(0.6);
    let status = bench.ticks(100);
    assert_eq!(status.report.mode, Mode::HandedOver);
    assert!(!status.in_control && !bench.arm.inside().button_held);
}

/// The button was held on flags of any age, and takes an arm that has arrived further.
#[test]
fn the_button_is_not_held_on_old_flags() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (6, 10_000);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.ticks(20);
    assert!(bench.arm.inside().button_held);
    // All flags are another arm's from now on.
    bench.arm.inside().robot_type = 0;
    bench.ticks(60);
    assert!(!bench.arm.inside().button_held);
}
