//! Modes and who may leave them: the transition table, the hand on the joystick, the record of
//! homings, policies that answer in numbers.
#![allow(clippy::unwrap_used)]

mod support;

use jaco_core::{Action, ActionStream, ActionUnit, Chunk, Limits, TICKS_PER_STEP, Twist};
use jaco_servo::{Command, HoldReason, HomingRecord, Mode, Refusal, StopReason};
use nalgebra::Vector3;
use support::{Rig, units};

fn policy() -> Command {
    Command::StartPolicy { statistics: None, pause_when_empty: false }
}

fn jog(x_m_s: f64) -> Command {
    let twist = Twist { linear_m_s: Vector3::x() * x_m_s, ..Twist::zero() };
    Command::Jog { twist, gripper: 1.0 }
}

fn stop() -> Command {
    Command::Stop { reason: StopReason::Operator }
}

fn actions(first_step: u64, actions: &[Action]) -> Command {
    let chunk = Chunk::Actions(actions.iter().copied().collect());
    Command::Stream(ActionStream { first_step, chunk, from_frame_ns: 9 })
}

/// A servo in `mode`.
fn in_mode(mode: Mode) -> Rig {
    let mut rig = Rig::new(Limits::default());
    match mode {
        Mode::Idle => {}
        Mode::Policy => rig.command(policy()),
        Mode::Motion => rig.command(Command::StartMotion),
        Mode::Jog => rig.command(jog(0.1)),
        Mode::Homing => rig.command(Command::Home),
        Mode::Stopped => rig.command(stop()),
        Mode::HandedOver => {
            rig.servo.set_hand(true);
            rig.tick();
            rig.servo.set_hand(false);
        }
    }
    assert_eq!(rig.servo.mode(), mode);
    rig
}

/// The rows of the table at the head of `mode.rs`; `-` is a refusal.
#[test]
fn the_transition_table_is_what_happens() {
    use Mode::{HandedOver, Homing, Idle, Jog, Motion, Policy, Stopped};
    let commands = [
        Command::Hold,
        policy(),
        Command::StartMotion,
        jog(0.1),
        Command::Home,
        stop(),
        Command::Reset,
        Command::Release,
        Command::Take,
    ];
    let table = [
        (
            Idle,
            [
                Some(Idle),
                Some(Policy),
                Some(Motion),
                Some(Jog),
                Some(Homing),
                Some(Stopped),
                Some(Idle),
                Some(HandedOver),
                Some(Idle),
            ],
        ),
        (
            Policy,
            [
                Some(Idle),
                Some(Policy),
                Some(Motion),
                Some(Jog),
                None,
                Some(Stopped),
                Some(Policy),
                Some(HandedOver),
                None,
            ],
        ),
        (
            Motion,
            [
                Some(Idle),
                Some(Policy),
                Some(Motion),
                None,
                None,
                Some(Stopped),
                Some(Motion),
                Some(HandedOver),
                None,
            ],
        ),
        (
            Jog,
            [
                Some(Idle),
                Some(Policy),
                Some(Motion),
                Some(Jog),
                Some(Homing),
                Some(Stopped),
                Some(Jog),
                Some(HandedOver),
                None,
            ],
        ),
        (
            Homing,
            [
                Some(Idle),
                None,
                None,
                None,
                None,
                Some(Stopped),
                Some(Homing),
                Some(HandedOver),
                None,
            ],
        ),
        (
            HandedOver,
            [None, None, None, None, None, Some(Stopped), Some(Idle), Some(HandedOver), Some(Idle)],
        ),
        (Stopped, [None, None, None, None, None, Some(Stopped), Some(Idle), None, None]),
    ];
    for (from, row) in table {
        for (command, to) in commands.iter().zip(row) {
            let mut rig = in_mode(from);
            let done = rig.servo.command(rig.now_ns, command);
            let name = command.name();
            assert_eq!(done.is_ok(), to.is_some(), "{name} in {from}: {done:?}");
            assert_eq!(rig.servo.mode(), to.unwrap_or(from), "{name} in {from}");
        }
    }
}

#[test]
fn streams_and_motions_are_taken_in_their_own_mode_only() {
    let step = Command::Motion { step: 0, action: Action::still(1.0) };
    for mode in [Mode::Idle, Mode::Policy, Mode::Motion, Mode::Jog, Mode::Homing, Mode::Stopped] {
        let mut rig = in_mode(mode);
        let stream = rig.servo.command(0, &actions(0, &[Action::still(1.0)]));
        assert_eq!(stream.is_ok(), mode == Mode::Policy, "{mode}");
        assert_eq!(rig.servo.command(0, &step).is_ok(), mode == Mode::Motion, "{mode}");
    }
}

#[test]
fn a_hand_on_the_joystick_brakes_to_a_hold_and_then_gets_the_arm() {
    for mode in [Mode::Idle, Mode::Policy, Mode::Motion, Mode::Jog] {
        let mut rig = in_mode(mode);
        let step = actions(0, &[Action { translation_m: [0.02, 0.0, 0.0], ..Action::still(1.0) }]);
        let _ = rig.servo.command(rig.now_ns, &step);
        for _ in 0..5 {
            rig.tick();
        }
        rig.servo.set_hand(true);
        rig.tick();
        let report = rig.servo.report();
        assert_eq!(
            (report.mode, report.hold_reason),
            (Mode::HandedOver, HoldReason::JoystickTaken)
        );
        let moving = report.setpoint.twist != Twist::zero();
        assert_eq!(rig.servo.wants_hand_over(), !moving, "{mode}: control goes when the arm holds");
        for _ in 0..10 {
            rig.tick();
        }
        assert!(rig.servo.wants_hand_over());
    }
}

#[test]
fn an_arm_handed_over_is_taken_back_by_a_reset_when_the_hand_is_gone_and_by_nothing_else() {
    let mut rig = in_mode(Mode::HandedOver);
    for refused in [Command::Hold, policy(), Command::StartMotion, jog(0.1), Command::Home] {
        let answer = rig.servo.command(rig.now_ns, &refused).unwrap_err();
        assert_eq!(answer, Refusal::HandedOver { command: refused.name() });
        assert!(answer.to_string().contains("`jaco take`"), "{answer}");
    }
    rig.servo.set_hand(true);
    let answer = rig.servo.command(rig.now_ns, &Command::Reset);
    assert_eq!(answer, Err(Refusal::JoystickHeld));
    rig.tick();
    rig.servo.set_hand(false);
    for _ in 0..50 {
        rig.tick_in_silence();
    }
    assert_eq!(rig.servo.mode(), Mode::HandedOver, "it waits for a person, not for time");
    rig.command(Command::Reset);
    rig.tick();
    assert_eq!((rig.servo.mode(), rig.servo.wants_hand_over()), (Mode::Idle, false));
}

#[test]
fn a_stop_outranks_the_hand_which_gets_the_arm_after_the_reset() {
    let mut rig = in_mode(Mode::HandedOver);
    rig.servo.set_hand(true);
    rig.command(stop());
    for _ in 0..20 {
        rig.tick();
    }
    assert_eq!((rig.servo.mode(), rig.servo.wants_hand_over()), (Mode::Stopped, false));
    rig.command(Command::Reset);
    rig.tick();
    assert_eq!(rig.servo.mode(), Mode::HandedOver);
}

#[test]
fn homing_is_broken_off_by_a_hand_which_gets_the_arm() {
    let mut rig = in_mode(Mode::Homing);
    rig.servo.set_hand(true);
    rig.tick();
    assert_eq!(rig.servo.mode(), Mode::HandedOver);
    let record = HomingRecord { begun: 1, ended: 1, home: false };
    assert_eq!(rig.servo.report().homing, record);
}

#[test]
fn what_became_of_a_homing_can_be_told_from_the_counts_however_it_ended() {
    let record = |begun, ended, home| HomingRecord { begun, ended, home };
    let mut rig = in_mode(Mode::Homing);
    assert_eq!(rig.servo.report().homing, record(1, 0, false));
    rig.servo.homing_ended(true);
    assert_eq!(rig.servo.report().homing, record(1, 1, true));
    rig.command(Command::Home);
    assert_eq!(rig.servo.report().homing, record(2, 1, true));
    rig.command(stop());
    assert_eq!(rig.servo.report().homing, record(2, 2, false));
    // The arm's own end comes later, and counts for nothing.
    rig.servo.homing_ended(true);
    rig.command(Command::Reset);
    rig.command(Command::Home);
    rig.servo.homing_ended(false);
    assert_eq!(rig.servo.report().homing, record(3, 3, false));
    rig.servo.command(rig.now_ns, &policy()).unwrap();
    assert!(rig.servo.command(rig.now_ns, &Command::Home).is_err());
    assert_eq!(rig.servo.report().homing.begun, 3);
}

#[test]
fn a_policy_that_answers_in_numbers_needs_no_statistics() {
    let mut rig = in_mode(Mode::Policy);
    let asked = Action { translation_m: [0.01, 0.0, -0.002], ..Action::still(0.5) };
    rig.command(actions(0, &[asked; 2]));
    for _ in 0..TICKS_PER_STEP {
        rig.tick();
    }
    let report = rig.servo.report();
    assert_eq!(report.completed.unwrap().asked, asked);
    assert_eq!((report.from_frame_ns, report.queued), (Some(9), 1));
}

#[test]
fn units_without_statistics_and_numbers_that_are_not_finite_are_refused_whole() {
    let mut rig = in_mode(Mode::Policy);
    let refused = rig.servo.command(0, &units(4, &[ActionUnit([128; 7])], &[], 0));
    assert_eq!(refused, Err(Refusal::NoStatistics { first_step: 4 }));
    let bad = Action { rotation_rad: [0.0, f64::NAN, 0.0], ..Action::still(1.0) };
    let refused = rig.servo.command(0, &actions(0, &[Action::still(1.0), bad]));
    assert!(matches!(refused, Err(Refusal::NotFinite { command: "Stream", .. })));
    let refused = rig.servo.command(0, &actions(2, &[]));
    assert_eq!(refused, Err(Refusal::EmptyStream { first_step: 2 }));
    assert_eq!(rig.servo.report().queued, 0);
}
