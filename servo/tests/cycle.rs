//! The process's tick against an arm with faults, on a clock that only the test moves.
#![allow(clippy::unwrap_used)]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/mock.rs"]
mod mock;

use bench::Bench;
use jaco_core::{Clock, TICK_NS, Twist};
use jaco_servo::process::cycle::Lost;
use jaco_servo::{Command, Condition, HoldReason, Mode, StopReason};
use mock::{Joystick, MockArm};

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
    let Lost::Unreadable { silent_ms, .. } = lost;
    assert!((1000..=1030).contains(&silent_ms), "{silent_ms}");
}

/// The other readings renewed the age: 39 mm blind at run speed, then idle for ever.
#[test]
fn a_pose_that_cannot_be_read_holds_the_arm_and_is_given_up_though_all_else_can() {
    let mut bench = Bench::new(MockArm::new());
    bench.jog(0.1);
    bench.ticks(20);
    bench.arm.inside().false_poses = vec![Default::default(); 100].into();
    let held = (0..30).position(|_| {
        bench.jog(0.1);
        bench.tick().unwrap().report.mode == Mode::Idle
    });
    assert!(held.unwrap() <= 22, "{held:?}");
    assert!((0..150).any(|_| matches!(bench.tick(), Err(Lost::Unreadable { .. }))));
}

/// One such reading at rest made the arm creep by 39 mm.
#[test]
fn a_pose_of_another_command_moves_nothing_and_poses_that_go_on_jumping_stop_the_arm() {
    let mut bench = Bench::new(MockArm::new());
    bench.command(&Command::StartMotion);
    bench.ticks(20);
    let mut degrees = bench.arm.inside().position;
    (degrees.Coordinates.X, degrees.Coordinates.Y) = (275.3, 167.6);
    bench.arm.inside().false_poses = vec![degrees; 3].into();
    let status = bench.ticks(20);
    assert_eq!((status.report.mode, status.state.pose.position_m.x), (Mode::Motion, 0.0));
    assert!(status.note.as_str().contains("no arm is that fast"), "{}", status.note);
    bench.arm.inside().false_poses = vec![degrees; 10].into();
    let status = bench.ticks(20);
    assert_eq!(status.report.stop_reason, Some(StopReason::PoseJumped));
    assert!(status.conditions.holds(Condition::PoseRefused));
    assert!(!bench.ticks(10).conditions.holds(Condition::PoseRefused));
}

/// The simulated arm is put home at once; a stop was latched for it.
#[test]
fn an_idle_arm_that_was_moved_by_hand_is_believed_after_a_while_and_not_commanded_before() {
    let mut bench = Bench::new(MockArm::new());
    bench.ticks(30);
    bench.arm.inside().position.Coordinates.X = 0.3;
    let status = bench.ticks(20);
    assert_eq!((status.report.mode, status.report.ready), (Mode::Idle, false));
    assert!(status.conditions.holds(Condition::PoseRefused));
    let status = bench.ticks(60);
    assert!((status.state.pose.position_m.x - 0.3).abs() < 1e-6 && status.report.ready);
    assert!(!status.conditions.holds(Condition::PoseRefused));
}

/// NaN joints left the old ones in place with a note only.
#[test]
fn joints_that_cannot_be_read_end_motion_and_are_told() {
    let mut bench = Bench::new(MockArm::new());
    bench.command(&Command::StartMotion);
    bench.ticks(5);
    bench.arm.inside().joints_deg = [f32::NAN; 6];
    let status = bench.ticks(150);
    assert_eq!(status.report.mode, Mode::Motion);
    let status = bench.ticks(100);
    assert_eq!((status.report.mode, status.report.hold_reason), (Mode::Idle, HoldReason::StateOld));
    assert!(status.conditions.holds(Condition::JointsUnreadable));
}

#[test]
fn a_read_that_takes_long_costs_ticks_and_is_never_followed_by_a_burst() {
    let mut bench = Bench::new(MockArm::new());
    bench.ticks(2);
    bench.arm.take_log();
    bench.arm.inside().read_takes_ns = 4 * TICK_NS + 3_000_000;
    let before = bench.tick().unwrap();
    bench.arm.inside().read_takes_ns = 0;
    let status = bench.ticks(10);
    assert_eq!(bench.count("SendBasicTrajectory"), 11);
    assert_eq!(status.missed_ticks, 3);
    assert_eq!(before.read_ns, 4 * TICK_NS + 3_000_000);
    assert_eq!(status.late_ticks, 1, "{status:?}");
}

/// 5.5 and 7 ms a packet gave 88 and 69 points a second.
#[test]
fn slow_packets_cost_readings_and_no_points() {
    for packet_ms in [5.5, 7.0] {
        let mut bench = Bench::new(MockArm::new());
        bench.arm.inside().packet_ns = (packet_ms * 1e6) as u64;
        bench.ticks(100);
        let (before_ns, before) = (bench.arm.clock.now_ns(), bench.tick().unwrap().points_sent);
        let status = bench.ticks(500);
        let seconds = (bench.arm.clock.now_ns() - before_ns) as f64 * 1e-9;
        let rate = (status.points_sent - before) as f64 / seconds;
        assert!(rate > 99.0, "{rate} points a second at {packet_ms} ms");
        assert!(status.at_rest && !status.conditions.holds(Condition::SlowCalls));
    }
    let mut bench = Bench::new(MockArm::new());
    bench.arm.inside().packet_ns = 12_000_000;
    let status = bench.ticks(300);
    assert!(status.conditions.holds(Condition::SlowCalls));
    assert!(status.sent_ns - status.state.stamp_ns < 200_000_000);
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

/// SetCartesianControl went out every half second, against whoever had taken joint control.
#[test]
fn losing_cartesian_control_stops_motion_and_is_not_fought_over() {
    let mut bench = Bench::new(MockArm::new());
    bench.command(&Command::StartMotion);
    bench.tick().unwrap();
    bench.arm.inside().cartesian = false;
    let status = bench.ticks(60);
    assert_eq!(status.report.stop_reason, Some(StopReason::CartesianControlLost));
    assert!(!status.report.ready && status.conditions.holds(Condition::JointControl));
    bench.arm.take_log();
    bench.ticks(500);
    assert_eq!(bench.count("SetCartesianControl"), 0);
    bench.command(&Command::Reset);
    let status = bench.ticks(5);
    assert_eq!((status.report.mode, status.report.ready), (Mode::Idle, true));
    assert_eq!(bench.count("SetCartesianControl"), 1);
}

/// Runs "went on" for 51 steps while every point was dropped.
#[test]
fn control_that_another_program_takes_is_left_to_it_until_it_is_taken_back() {
    for moving in [true, false] {
        let mut bench = Bench::new(MockArm::new());
        bench.ticks(60);
        if moving {
            bench.command(&Command::StartMotion);
        }
        bench.ticks(2);
        bench.arm.inside().control = false;
        let status = bench.ticks(60);
        assert_eq!(status.report.mode, Mode::HandedOver);
        assert_eq!(status.report.hold_reason, HoldReason::ControlTaken);
        assert!(!status.in_control && status.conditions.holds(Condition::NoControl));
        bench.arm.take_log();
        bench.ticks(300);
        for call in ["StartControlAPI", "EraseAllTrajectories", "SendBasicTrajectory"] {
            assert_eq!(bench.count(call), 0, "{call}");
        }
        bench.command(&Command::Take);
        let status = bench.ticks(6);
        assert_eq!((status.report.mode, status.report.ready), (Mode::Idle, true));
        assert!(status.in_control && !status.conditions.holds(Condition::NoControl));
    }
}

#[test]
fn a_restart_of_the_arm_in_motion_stops_it_and_homing_is_asked_for() {
    let mut bench = Bench::new(MockArm::new());
    bench.ticks(60);
    bench.command(&Command::StartMotion);
    bench.ticks(2);
    (bench.arm.inside().control, bench.arm.inside().retract_type) = (false, 6);
    let status = bench.ticks(60);
    assert_eq!(status.report.stop_reason, Some(StopReason::Restarted));
    assert!(!status.homed && !status.report.ready);
    // Stopped or not, it is back in control, for a stop must be able to reach it.
    assert!(bench.ticks(60).in_control);
}

#[test]
fn a_restart_of_an_idle_arm_asks_for_homing() {
    let mut bench = Bench::new(MockArm::new());
    bench.ticks(60);
    (bench.arm.inside().control, bench.arm.inside().retract_type) = (false, 6);
    let status = bench.ticks(120);
    assert_eq!((status.report.mode, status.homed), (Mode::Idle, false));
    assert!(status.in_control && status.conditions.holds(Condition::NotHomed));
}

#[test]
fn a_commanded_arm_that_does_not_move_ends_the_motion() {
    let mut bench = Bench::new(MockArm::new());
    bench.arm.inside().lost_sets = u32::MAX;
    let blocked = (0..400).find_map(|_| {
        bench.jog(0.1);
        Some(bench.tick().unwrap()).filter(|status| status.report.mode == Mode::Idle)
    });
    let status = blocked.unwrap();
    assert_eq!(status.report.hold_reason, HoldReason::DoesNotFollow);
    assert!(status.conditions.holds(Condition::DoesNotFollow));
    bench.arm.inside().lost_sets = 0;
    for _ in 0..100 {
        bench.jog(0.1);
        bench.tick().unwrap();
    }
    assert!(!bench.tick().unwrap().conditions.holds(Condition::DoesNotFollow));
}

#[test]
fn a_released_arm_is_the_persons_until_it_is_taken() {
    let mut bench = Bench::new(MockArm::new());
    bench.jog(0.1);
    bench.ticks(20);
    bench.arm.take_log();
    bench.command(&Command::Release);
    let status = bench.ticks(30);
    assert_eq!(status.report.mode, Mode::HandedOver);
    assert_eq!(status.report.hold_reason, HoldReason::Released);
    assert!(!status.in_control && !status.conditions.holds(Condition::NoControl));
    assert_eq!(bench.count("StopControlAPI"), 1);
    // A person at the joystick, in joint control.
    bench.arm.inside().cartesian = false;
    bench.arm.inside().joystick = Joystick::At(0.5);
    bench.arm.take_log();
    bench.ticks(200);
    assert_eq!(bench.count("SetCartesianControl") + bench.count("EraseAllTrajectories"), 0);
    bench.command(&Command::Take);
    let status = bench.ticks(2);
    assert_eq!(status.report.mode, Mode::HandedOver);
    assert!(status.note.as_str().contains("still held"), "{}", status.note);
    bench.arm.inside().joystick = Joystick::At(0.0);
    bench.ticks(30);
    bench.command(&Command::Take);
    let status = bench.ticks(6);
    assert_eq!((status.report.mode, status.report.ready), (Mode::Idle, true));
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
fn an_arm_that_moves_though_nothing_moves_it_is_told_to_rest_again_and_again() {
    for stopped in [true, false] {
        let mut bench = Bench::new(MockArm::new());
        if stopped {
            bench.command(&Command::Stop { reason: StopReason::Operator });
        }
        bench.ticks(60);
        bench.arm.take_log();
        bench.arm.inside().drift_m = 0.001;
        let status = bench.ticks(200);
        assert!(!status.at_rest && status.conditions.holds(Condition::MovesUnasked));
        let told = bench.count("EraseAllTrajectories");
        assert!((30..=40).contains(&told), "{told}");
        bench.arm.inside().drift_m = 0.0;
        let status = bench.ticks(40);
        assert!(status.at_rest && !status.conditions.holds(Condition::MovesUnasked));
        bench.arm.take_log();
        bench.ticks(100);
        assert_eq!(bench.count("EraseAllTrajectories"), 0);
    }
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
    for packet in [&[2, 0][..], &[4, 99], &[4, 0, 0]].into_iter().cycle().take(15) {
        silent(&mut bench, packet);
    }
    let report = silent(&mut bench, &[]).report;
    assert_eq!((report.mode, report.hold_reason), (Mode::Idle, HoldReason::CommanderSilent));
}

/// One false pose before the cable came off kept an arm that could not be read from being given up.
#[test]
fn an_arm_that_cannot_be_read_after_a_pose_that_cannot_be_is_given_up() {
    let mut bench = Bench::new(MockArm::new());
    bench.ticks(20);
    let mut degrees = bench.arm.inside().position;
    degrees.Coordinates.X = 275.3;
    bench.arm.inside().false_poses = vec![degrees].into();
    bench.ticks(2);
    bench.arm.inside().read_codes = vec![1015; 400].into();
    assert!((0..250).any(|_| matches!(bench.tick(), Err(Lost::Unreadable { .. }))));
}
