//! Who has the arm: the process's tick against an arm whose joystick is taken, and homing that
//! ends in every way.
#![allow(clippy::unwrap_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/mock.rs"]
mod mock;

use bench::Bench;
use jaco_core::Twist;
use jaco_servo::{Command, HoldReason, HomingRecord, Mode, StopReason};
use mock::{Joystick, MockArm};

fn stop() -> Command {
    Command::Stop { reason: StopReason::Operator }
}

#[test]
fn a_person_who_takes_the_joystick_gets_the_arm_after_it_holds() {
    let mut bench = Bench::new(MockArm::new());
    for _ in 0..20 {
        bench.jog(0.2);
        bench.tick().unwrap();
    }
    bench.arm.take_log();
    bench.arm.inside().joystick = Joystick::At(-0.4);
    let status = bench.ticks(30);
    assert_eq!(status.report.mode, Mode::HandedOver);
    assert_eq!(status.report.hold_reason.to_string(), "a person took the joystick");
    assert_eq!(
        (status.joystick_held, status.in_control, status.report.ready),
        (Some(true), false, false)
    );
    let inside = bench.arm.inside();
    let given = inside.log.iter().position(|call| *call == "StopControlAPI").unwrap();
    assert_eq!(inside.log[given - 1], "EraseAllTrajectories");
    assert!(!inside.log[given..].contains(&"SendBasicTrajectory"), "points go to nobody");
    assert_eq!(inside.points.last().unwrap().Position.CartesianPosition.X, 0.0);
}

#[test]
fn control_is_not_asked_for_while_a_person_has_it_and_taken_back_by_a_reset() {
    let mut bench = Bench::new(MockArm::new());
    bench.arm.inside().joystick = Joystick::At(1.0);
    bench.ticks(20);
    bench.arm.take_log();
    bench.arm.inside().cartesian = false;
    bench.command(&Command::Reset);
    let status = bench.ticks(200);
    assert_eq!(status.report.mode, Mode::HandedOver);
    assert!(status.note.as_str().contains("still held"), "{}", status.note);
    assert_eq!(bench.count("SetCartesianControl") + bench.count("StartControlAPI"), 0);
    bench.arm.inside().joystick = Joystick::At(0.0);
    bench.ticks(10);
    bench.command(&Command::Reset);
    let status = bench.ticks(10);
    assert_eq!((status.report.mode, status.report.ready), (Mode::Idle, true));
    // Twice: the first one does not take on a cold boot.
    assert_eq!(bench.count("StartControlAPI"), 2);
    bench.jog(0.1);
    assert_eq!(bench.tick().unwrap().report.mode, Mode::Jog);
}

#[test]
fn a_stop_takes_the_arm_back_from_the_joystick() {
    let mut bench = Bench::new(MockArm::new());
    bench.arm.inside().joystick = Joystick::At(1.0);
    bench.ticks(20);
    bench.command(&stop());
    let status = bench.ticks(20);
    assert_eq!((status.report.mode, status.in_control), (Mode::Stopped, true));
    assert_eq!(bench.count("StartControlAPI"), 2);
}

#[test]
fn an_arm_that_cannot_be_taken_back_is_tried_again_and_never_reported_ready() {
    let mut bench = Bench::new(MockArm::new());
    bench.arm.inside().joystick = Joystick::At(1.0);
    bench.ticks(20);
    bench.arm.inside().joystick = Joystick::At(0.0);
    bench.ticks(10);
    bench.arm.inside().start_control_code = 2005;
    bench.command(&Command::Reset);
    let status = bench.ticks(100);
    assert_eq!((status.report.mode, status.report.ready), (Mode::Idle, false));
    assert!(status.note.as_str().contains("StartControlAPI returned 2005"), "{}", status.note);
    assert!(bench.count("StartControlAPI") <= 3, "not at every tick");
    bench.arm.inside().start_control_code = 1;
    assert!(bench.ticks(60).report.ready);
}

#[test]
fn a_joystick_that_cannot_be_read_disturbs_nothing() {
    for joystick in [Joystick::Fails(1015), Joystick::Missing, Joystick::At(f32::NAN)] {
        let mut bench = Bench::new(MockArm::new());
        bench.arm.inside().joystick = joystick;
        for _ in 0..300 {
            bench.jog(0.02);
            bench.tick().unwrap();
        }
        let status = bench.tick().unwrap();
        assert_eq!((status.report.mode, status.joystick_held), (Mode::Jog, None), "{joystick:?}");
        assert_eq!((status.read_failures, status.note.as_str()), (0, ""), "{joystick:?}");
    }
}

#[test]
fn points_are_counted_that_were_sent_and_not_ticks() {
    let mut bench = Bench::new(MockArm::new());
    bench.ticks(10);
    bench.arm.inside().send_code = 2005;
    let status = bench.ticks(5);
    assert_eq!((status.ticks, status.points_sent, status.send_failures), (15, 10, 5));
}

#[test]
fn a_servo_that_is_stopped_from_birth_never_says_anything_else() {
    let mut bench = Bench::born(MockArm::new(), Some(StopReason::Supervisor));
    bench.command(&Command::StartMotion);
    let status = bench.tick().unwrap();
    assert_eq!(status.report.mode, Mode::Stopped);
    assert_eq!(status.report.stop_reason, Some(StopReason::Supervisor));
}

/// Other values than 1 and 6 exist.
#[test]
fn home_is_where_the_arm_says_it_is_at_home() {
    for (retract_type, home) in [(1, true), (0, false), (3, false), (168, false)] {
        let arm = MockArm::new();
        (arm.inside().retract_type, arm.inside().home_retract_type) = (6, retract_type);
        let mut bench = Bench::new(arm);
        bench.command(&Command::Home);
        let status = bench.until(|_, status| status.report.mode != Mode::Homing);
        let reason = if home { HoldReason::Homed } else { HoldReason::HomingFailed };
        assert_eq!(status.report.hold_reason, reason, "RetractType {retract_type}");
        assert_eq!(status.report.homing, HomingRecord { begun: 1, ended: 1, home });
    }
}

#[test]
fn homing_without_cartesian_control_is_not_home() {
    let mut bench = Bench::new(MockArm::new());
    bench.arm.inside().accepts_cartesian = false;
    bench.arm.inside().cartesian = false;
    bench.command(&Command::Home);
    let status = bench.until(|_, status| status.report.mode != Mode::Homing);
    assert_eq!(status.report.hold_reason, HoldReason::HomingFailed);
}

/// The end of the first one, which was broken off, used to pass for the end of the second.
#[test]
fn a_homing_asked_for_while_another_is_being_broken_off_is_made() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (6, 10_000);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.until(|bench, _| bench.arm.inside().button_held);
    bench.arm.inside().home_reads = 40;
    bench.command(&Command::Hold);
    bench.tick().unwrap();
    bench.command(&Command::Home);
    let status = bench.until(|_, status| status.report.mode != Mode::Homing);
    assert_eq!(status.report.homing, HomingRecord { begun: 2, ended: 2, home: true });
    assert_eq!(status.report.setpoint.twist, Twist::zero());
}

/// "The arm is left to the joystick" was said while the base had heard nothing of it.
#[test]
fn an_arm_that_has_not_heard_that_it_is_left_is_told_again() {
    let mut bench = Bench::new(MockArm::new());
    bench.ticks(60);
    // Button, queue and control: the whole of the first leaving is lost.
    bench.command(&Command::Release);
    bench.arm.inside().lost_sets = 4;
    let status = bench.ticks(2);
    assert_eq!((status.report.mode, status.in_control), (Mode::HandedOver, true));
    let status = bench.ticks(60);
    assert!(!status.in_control && !bench.arm.inside().control);
    // What another program does with it later is its own affair.
    bench.ticks(300);
    bench.arm.take_log();
    bench.arm.inside().control = true;
    assert!(!bench.ticks(300).in_control);
    assert_eq!(bench.count("StopControlAPI"), 0);
}

#[test]
fn nothing_moves_the_arm_while_a_homing_is_being_broken_off() {
    let arm = MockArm::new();
    (arm.inside().retract_type, arm.inside().home_reads) = (5, 10_000);
    let mut bench = Bench::new(arm);
    bench.command(&Command::Home);
    bench.until(|bench, _| bench.arm.inside().button_held);
    bench.command(&Command::Hold);
    bench.tick().unwrap();
    bench.jog(0.2);
    let status = bench.tick().unwrap();
    assert_eq!((status.report.mode, status.report.ready), (Mode::Idle, false));
    assert!(bench.until(|_, status| status.report.ready).at_rest);
}
