//! The servo's law through its public door, with an arm that does exactly what it is told.
#![allow(clippy::unwrap_used)]

mod support;

use jaco_core::{
    Action, ActionCodec, ActionStatistics, ActionUnit, Limits, LimitsError, TICK_NS,
    TICKS_PER_STEP, Twist,
};
use jaco_servo::executor::QUEUE_STEPS;
use jaco_servo::{Command, HoldReason, Mode, Refusal, ServoCore, StopReason};
use nalgebra::Vector3;
use support::{Rig, units};

fn statistics() -> ActionStatistics {
    ActionStatistics {
        q01: [-0.02, -0.02, -0.015, -0.05, -0.05, -0.1, 0.0],
        q99: [0.02, 0.02, 0.015, 0.05, 0.05, 0.1, 1.0],
        mask: [true; 7],
    }
}

fn start_policy(pause_when_empty: bool) -> Command {
    Command::StartPolicy { statistics: Some(statistics()), pause_when_empty }
}

fn stream(first_step: u64, actions: &[Action]) -> Command {
    let codec = ActionCodec::new(statistics()).unwrap();
    let encoded: Vec<_> = actions.iter().map(|action| codec.encode(action)).collect();
    units(first_step, &encoded, &[], 7_000 + first_step)
}

fn along_x(dx_m: f64) -> Action {
    Action { translation_m: [dx_m, 0.0, 0.0], ..Action::still(1.0) }
}

fn jog(x_m_s: f64) -> Command {
    let twist = Twist { linear_m_s: Vector3::new(x_m_s, 0.0, 0.0), ..Twist::zero() };
    Command::Jog { twist, gripper: 1.0 }
}

fn stop() -> Command {
    Command::Stop { reason: StopReason::Operator }
}

#[test]
fn nothing_moves_before_something_is_asked() {
    let mut rig = Rig::new(Limits::default());
    for _ in 0..30 {
        let setpoint = rig.tick_in_silence();
        assert_eq!((setpoint.twist, setpoint.finger_velocity), (Twist::zero(), [0.0; 3]));
    }
    let report = rig.servo.report();
    assert_eq!((report.mode, report.hold_reason), (Mode::Idle, HoldReason::Started));
}

#[test]
fn steps_of_20_mm_arrive_at_their_sum() {
    let mut rig = Rig::new(Limits::default());
    let from_m = rig.state.pose.position_m;
    rig.command(Command::StartMotion);
    for step in 0..5 {
        rig.command(Command::Motion { step, action: along_x(0.02) });
    }
    for _ in 0..100 {
        rig.tick();
    }
    let moved_m = rig.state.pose.position_m - from_m;
    assert!((moved_m - Vector3::new(0.1, 0.0, 0.0)).norm() < 0.002, "moved {moved_m}");
    let counters = rig.servo.report().counters;
    assert_eq!((counters.executed, counters.starved, counters.clipped), (5, 5, 0));
}

#[test]
fn in_lockstep_every_step_asks_once_at_its_boundary_and_reports_asked_and_sent() {
    let mut rig = Rig::new(Limits::default());
    rig.command(Command::StartMotion);
    let mut boundaries = Vec::new();
    for tick in 0..40_u64 {
        if let Some(step) = rig.servo.needs_action() {
            boundaries.push((tick, step));
            rig.command(Command::Motion { step, action: along_x(0.01) });
        }
        let before_m = rig.state.pose.position_m;
        let setpoint = rig.tick();
        assert_eq!(setpoint.step_started, (tick % 10 == 0).then_some(tick / 10));
        assert!((rig.state.pose.position_m - before_m).norm() < 0.003);
    }
    assert_eq!(boundaries, [(0, 0), (10, 1), (20, 2), (30, 3)]);
    let report = rig.servo.report();
    let done = report.completed.unwrap();
    assert_eq!((done.step, done.starved, done.asked), (3, false, along_x(0.01)));
    assert!((done.sent.translation_m[0] - 0.01).abs() < 1e-3, "{done:?}");
    assert_eq!(report.counters.executed, 4);
}

#[test]
fn what_is_sent_is_what_the_arm_moved() {
    let mut rig = Rig::new(Limits::default());
    rig.command(Command::StartMotion);
    let action = Action {
        translation_m: [0.02, -0.01, 0.005],
        rotation_rad: [0.02, 0.0, 0.08],
        gripper: 0.0,
    };
    rig.command(Command::Motion { step: 0, action });
    let from = rig.state.pose;
    for _ in 0..TICKS_PER_STEP {
        rig.tick();
    }
    let sent = rig.servo.report().completed.unwrap().sent;
    let moved_m = rig.state.pose.position_m - from.position_m;
    let turned_rad = from.rotation_to(&rig.state.pose.orientation);
    assert!((Vector3::from(sent.translation_m) - moved_m).norm() < 1e-12);
    assert!((Vector3::from(sent.rotation_rad) - turned_rad).norm() < 1e-9);
    assert_eq!(sent.gripper, 0.0);
}

#[test]
fn units_are_decoded_merged_by_step_and_late_ones_dropped() {
    let mut rig = Rig::new(Limits::default());
    rig.command(start_policy(false));
    rig.command(stream(0, &[along_x(0.01); 4]));
    for _ in 0..15 {
        rig.tick();
    }
    // Step 1 runs: a stream for steps 0..4 is late for two steps and replaces two.
    rig.command(stream(0, &[along_x(-0.01); 4]));
    let report = rig.servo.report();
    assert_eq!((report.counters.late_units, report.counters.replaced_units), (2, 2));
    assert_eq!((report.step, report.next_needed_step, report.queued_until), (Some(1), 4, 4));
    for _ in 15..30 {
        rig.tick();
    }
    let done = rig.servo.report().completed.unwrap();
    assert_eq!(done.step, 2);
    assert!((done.asked.translation_m[0] + 0.01).abs() < 2e-4, "{done:?}");
}

#[test]
fn the_frame_that_an_action_comes_from_is_reported_while_it_runs() {
    let mut rig = Rig::new(Limits::default());
    rig.command(start_policy(false));
    rig.command(stream(0, &[along_x(0.0)]));
    rig.tick();
    assert_eq!(rig.servo.report().from_frame_ns, Some(7_000));
    for _ in 0..TICKS_PER_STEP {
        rig.tick();
    }
    assert_eq!(rig.servo.report().from_frame_ns, None);
}

#[test]
fn a_starved_step_holds_still_and_keeps_the_gripper() {
    let mut rig = Rig::new(Limits::default());
    rig.command(Command::StartMotion);
    rig.command(Command::Motion { step: 0, action: Action::still(0.0) });
    for _ in 0..30 {
        rig.tick();
    }
    let report = rig.servo.report();
    assert_eq!((report.counters.executed, report.counters.starved), (1, 2));
    assert_eq!(report.gripper, 0.0);
    assert!(report.completed.unwrap().starved);
    assert!(report.setpoint.finger_velocity.iter().all(|velocity| *velocity > 0.0));
    assert!(report.setpoint.twist.linear_m_s.norm() < 1e-9);
}

#[test]
fn synchronous_execution_pauses_the_clock_instead_of_starving() {
    let mut rig = Rig::new(Limits::default());
    rig.command(start_policy(true));
    rig.command(stream(0, &[along_x(0.01); 2]));
    for _ in 0..27 {
        rig.tick();
    }
    let report = rig.servo.report();
    assert_eq!((report.counters.paused_ticks, report.counters.starved), (7, 0));
    assert_eq!((report.step, rig.servo.needs_action()), (None, Some(2)));
    rig.command(stream(2, &[along_x(0.01)]));
    assert_eq!(rig.tick().step_started, Some(2));
}

#[test]
fn entering_a_mode_never_jumps_to_an_older_reference() {
    let mut rig = Rig::new(Limits::default());
    rig.command(Command::StartMotion);
    rig.command(Command::Motion { step: 0, action: along_x(0.02) });
    for _ in 0..10 {
        rig.tick();
    }
    rig.command(Command::Hold);
    // Somebody moves the arm by hand while it is idle.
    rig.state.pose.position_m.y -= 0.2;
    for _ in 0..20 {
        rig.tick();
    }
    rig.command(Command::StartMotion);
    for _ in 0..20 {
        assert!(rig.tick().twist.linear_m_s.norm() < 1e-9);
    }
}

#[test]
fn the_gripper_goes_on_closing_on_an_object() {
    let mut rig = Rig::new(Limits::default());
    rig.command(Command::StartMotion);
    rig.command(Command::Motion { step: 0, action: Action::still(0.0) });
    for _ in 0..200 {
        rig.state.closure = rig.state.closure.map(|closure| closure.min(0.55));
        rig.tick();
    }
    let velocity = rig.servo.report().setpoint.finger_velocity;
    assert_eq!(velocity, [Limits::default().finger_speed_per_s; 3]);
}

#[test]
fn a_silent_commander_makes_the_arm_hold_in_every_moving_mode() {
    for start in [start_policy(false), Command::StartMotion, jog(0.1)] {
        let mut rig = Rig::new(Limits::default());
        rig.command(start);
        for _ in 0..=10 {
            rig.tick_in_silence();
        }
        assert_ne!(rig.servo.report().mode, Mode::Idle, "100 ms are not yet too long");
        rig.tick_in_silence();
        let report = rig.servo.report();
        assert_eq!((report.mode, report.hold_reason), (Mode::Idle, HoldReason::CommanderSilent));
        for _ in 0..10 {
            rig.tick_in_silence();
        }
        assert_eq!(rig.servo.report().setpoint.twist, Twist::zero());
    }
}

#[test]
fn a_dead_gamepad_stops_the_arm_though_heartbeats_go_on() {
    let mut rig = Rig::new(Limits::default());
    rig.command(jog(0.1));
    for _ in 0..=10 {
        rig.tick();
    }
    assert!(rig.servo.report().setpoint.twist.linear_m_s.x > 0.09);
    for _ in 0..20 {
        rig.tick();
    }
    let report = rig.servo.report();
    assert!(report.setpoint.twist.linear_m_s.norm() < 1e-3);
    assert_eq!((report.mode, report.counters.stale_jog_ticks), (Mode::Jog, 20));
}

#[test]
fn an_old_state_makes_the_arm_hold() {
    let mut rig = Rig::new(Limits::default());
    rig.command(jog(0.1));
    rig.tick();
    let state = rig.state;
    for tick in 1..=21_u64 {
        let now_ns = tick * TICK_NS;
        rig.servo.command(now_ns, &Command::Heartbeat).unwrap();
        rig.servo.tick(now_ns, &state);
    }
    let report = rig.servo.report();
    assert_eq!((report.mode, report.hold_reason), (Mode::Idle, HoldReason::StateOld));
}

#[test]
fn a_state_that_is_not_finite_stops_the_arm() {
    let mut rig = Rig::new(Limits::default());
    rig.command(jog(0.1));
    rig.tick();
    rig.state.pose.position_m.z = f64::NAN;
    let setpoint = rig.tick();
    assert!(setpoint.twist.is_finite());
    assert_eq!(rig.servo.report().stop_reason, Some(StopReason::StateNotFinite));
}

#[test]
fn a_stop_latches_until_reset_and_keeps_its_first_reason() {
    let mut rig = Rig::new(Limits::default());
    rig.command(Command::StartMotion);
    for step in 0..5 {
        rig.command(Command::Motion { step, action: along_x(0.02) });
    }
    for _ in 0..20 {
        rig.tick();
    }
    rig.command(stop());
    rig.command(Command::Stop { reason: StopReason::Supervisor });
    for refused in
        [Command::Hold, Command::StartMotion, start_policy(true), jog(0.1), Command::Home]
    {
        let answer = rig.servo.command(rig.now_ns, &refused);
        assert!(
            matches!(answer, Err(Refusal::WrongMode { mode: Mode::Stopped, .. })),
            "{refused:?}"
        );
    }
    for _ in 0..10 {
        rig.tick();
    }
    let report = rig.servo.report();
    assert_eq!(report.setpoint.twist, Twist::zero());
    assert_eq!((report.mode, report.queued), (Mode::Stopped, 0));
    assert_eq!(report.stop_reason, Some(StopReason::Operator));
    assert_eq!(report.counters.refused, 5);
    rig.command(Command::Reset);
    assert_eq!(rig.servo.report().mode, Mode::Idle);
    rig.command(Command::StartMotion);
    assert_eq!(rig.servo.report().queued, 0);
}

#[test]
fn homing_waits_for_standstill_and_ends_idle() {
    let mut rig = Rig::new(Limits::default());
    rig.command(jog(0.2));
    for _ in 0..10 {
        rig.tick();
    }
    rig.command(Command::Home);
    assert!(!rig.servo.wants_homing());
    for _ in 0..10 {
        rig.tick();
    }
    assert!(rig.servo.wants_homing());
    rig.servo.homing_ended(true);
    let report = rig.servo.report();
    assert_eq!((report.mode, report.hold_reason), (Mode::Idle, HoldReason::Homed));
}

#[test]
fn an_arm_that_is_not_ready_can_only_be_homed() {
    let mut rig = Rig::new(Limits::default());
    rig.servo.set_ready(false);
    for refused in [Command::StartMotion, start_policy(true), jog(0.1)] {
        let answer = rig.servo.command(rig.now_ns, &refused);
        assert_eq!(answer, Err(Refusal::NotReady { command: refused.name() }));
    }
    rig.command(Command::Home);
    rig.servo.set_ready(true);
    rig.servo.homing_ended(true);
    rig.command(Command::StartMotion);
}

#[test]
fn an_arm_that_stops_being_ready_while_it_moves_is_stopped() {
    let mut rig = Rig::new(Limits::default());
    rig.command(jog(0.1));
    rig.tick();
    rig.servo.set_ready(false);
    let report = rig.servo.report();
    assert_eq!((report.mode, report.ready), (Mode::Stopped, false));
    assert_eq!(report.stop_reason, Some(StopReason::CartesianControlLost));
}

#[test]
fn the_end_of_a_homing_that_was_stopped_does_not_release_the_stop() {
    let mut rig = Rig::new(Limits::default());
    rig.command(Command::Home);
    rig.command(stop());
    rig.servo.homing_ended(true);
    assert_eq!(rig.servo.report().mode, Mode::Stopped);
}

#[test]
fn bad_commands_are_refused_with_their_numbers_and_change_nothing() {
    let mut rig = Rig::new(Limits::default());
    rig.command(start_policy(false));
    let before = rig.servo.report();
    let unit = |bin| ActionUnit([128, 128, 128, 128, 128, 128, bin]);
    let units = |first_step, of: &[ActionUnit]| units(first_step, of, &[], 0);
    let refused = [
        (units(5, &[]), Refusal::EmptyStream { first_step: 5 }),
        (
            units(1, &[unit(128); QUEUE_STEPS]),
            Refusal::BeyondQueue { first_step: 1, count: 64, next_step: 0, capacity: 64 },
        ),
        (
            units(u64::MAX, &[unit(128); 2]),
            Refusal::BeyondQueue { first_step: u64::MAX, count: 2, next_step: 0, capacity: 64 },
        ),
        (
            units(3, &[unit(128), unit(257)]),
            Refusal::UnknownBin { step: 4, dimension: 6, bin: 257 },
        ),
        (units(0, &[unit(0)]), Refusal::UnknownBin { step: 0, dimension: 6, bin: 0 }),
        (
            Command::Motion { step: 0, action: Action::default() },
            Refusal::WrongMode { command: "Motion", mode: Mode::Policy },
        ),
    ];
    for (command, refusal) in &refused {
        assert_eq!(rig.servo.command(0, command), Err(*refusal));
    }
    let mut after = rig.servo.report();
    assert_eq!(after.counters.refused, refused.len() as u64);
    after.counters.refused = 0;
    assert_eq!(after, before);
}

#[test]
fn an_action_that_is_not_finite_is_refused_with_the_numbers() {
    let mut rig = Rig::new(Limits::default());
    rig.command(Command::StartMotion);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let command = Command::Motion { step: 0, action: along_x(bad) };
        let refusal = rig.servo.command(0, &command).unwrap_err();
        let Refusal::NotFinite { command: "Motion", values } = refusal else { panic!("{refusal}") };
        assert_eq!(values[0].to_bits(), bad.to_bits());
    }
    assert_eq!(rig.servo.report().queued, 0);
    rig.command(Command::Hold);
    let twist = Twist { angular_rad_s: Vector3::new(0.0, f64::NAN, 0.0), ..Twist::zero() };
    assert!(rig.servo.command(0, &Command::Jog { twist, gripper: 1.0 }).is_err());
    assert_eq!(rig.servo.report().mode, Mode::Idle);
}

#[test]
fn statistics_that_cannot_decode_keep_the_servo_idle() {
    let mut rig = Rig::new(Limits::default());
    let mut bad = statistics();
    bad.q99[2] = bad.q01[2] - 1.0;
    let command = Command::StartPolicy { statistics: Some(bad), pause_when_empty: false };
    assert!(matches!(rig.servo.command(0, &command), Err(Refusal::Statistics(_))));
    assert_eq!(rig.servo.report().mode, Mode::Idle);
}

#[test]
fn bad_limits_make_no_servo() {
    let limits = Limits { linear_speed_m_s: -1.0, ..Limits::default() };
    let error = ServoCore::new(limits).unwrap_err();
    assert_eq!(error, LimitsError::NotPositive { name: "linear_speed_m_s", value: -1.0 });
}
