//! Steering from the outside: what a pad does, and what the arm is asked for.
#![allow(clippy::unwrap_used)]

mod bench;

use bench::{Bench, DEAD_MAN, MS, is_zero, near};
use jaco_teleop::pad::PadState;
use jaco_teleop::settings::{PadAxis, PadButton};
use jaco_teleop::steering::{HEARTBEAT_AGE_NS, SETTLE_NS};
use jaco_teleop::{Press, Speed, Still, TeleopSettings};

#[test]
fn sticks_move_the_hand_as_one_sees_it_from_behind_the_panel() {
    let flat = |s: &mut TeleopSettings| s.curve = 1.0;
    for (axis, linear, angular) in [
        (PadAxis::LeftStickX, [-0.1, 0.0, 0.0], [0.0; 3]),
        (PadAxis::LeftStickY, [0.0, -0.1, 0.0], [0.0; 3]),
        (PadAxis::RightStickY, [0.0, 0.0, 0.1], [0.0; 3]),
        (PadAxis::RightStickX, [0.0; 3], [0.0, 0.0, -0.5]),
        (PadAxis::DPadX, [0.0; 3], [0.0, -0.5, 0.0]),
        (PadAxis::DPadY, [0.0; 3], [-0.5, 0.0, 0.0]),
    ] {
        let mut bench = Bench::engaged(flat);
        bench.axis(axis, 1.0);
        let twist = bench.after(10 * MS).twist;
        for i in 0..3 {
            assert!(near(twist.linear_m_s[i], linear[i]), "{axis}: {twist:?}");
            assert!(near(twist.angular_rad_s[i], angular[i]), "{axis}: {twist:?}");
        }
    }
    // A person who looks along +x: away is +x, right is -y.
    let mut bench = Bench::engaged(|s| s.operator_yaw_deg = 90.0);
    bench.axis(PadAxis::LeftStickY, 1.0);
    assert!(near(bench.after(10 * MS).twist.linear_m_s.x, 0.1));
    bench.axis(PadAxis::LeftStickY, 0.0);
    bench.axis(PadAxis::LeftStickX, 1.0);
    assert!(near(bench.after(10 * MS).twist.linear_m_s.y, -0.1));
}

#[test]
fn a_stick_deflected_when_the_dead_man_is_pressed_moves_nothing_until_it_is_let_go() {
    let mut bench = Bench::with(|_| ());
    bench.axis(PadAxis::LeftStickX, 0.9);
    bench.button(DEAD_MAN, 1.0);
    for _ in 0..20 {
        let steer = bench.after(10 * MS);
        assert_eq!((is_zero(&steer), steer.still), (true, Some(Still::SticksNotNeutral)));
    }
    bench.axis(PadAxis::LeftStickX, 0.05);
    assert!(bench.after(10 * MS).engaged);
    bench.axis(PadAxis::LeftStickX, 0.9);
    assert!(!is_zero(&bench.after(10 * MS)));
    // The other controls that move something count, too.
    for (axis, button) in [
        (Some(PadAxis::RightStickY), None),
        (Some(PadAxis::DPadX), None),
        (None, Some(PadButton::LeftTrigger2)),
    ] {
        let mut bench = Bench::with(|_| ());
        axis.into_iter().for_each(|axis| bench.axis(axis, 1.0));
        button.into_iter().for_each(|button| bench.button(button, 1.0));
        bench.button(DEAD_MAN, 1.0);
        assert_eq!(bench.after(10 * MS).still, Some(Still::SticksNotNeutral));
    }
}

#[test]
fn speed_rises_from_nothing_over_the_ramp() {
    let mut bench = Bench::with(|s| s.engage_ramp_ms = 200);
    bench.button(DEAD_MAN, 1.0);
    assert!(bench.after(10 * MS).engaged);
    bench.axis(PadAxis::RightStickY, 1.0);
    for tick in 1..=30 {
        let speed = bench.after(10 * MS).twist.linear_m_s.z;
        let share = (f64::from(tick) / 20.0).min(1.0);
        assert!(near(speed, 0.1 * share), "tick {tick}: {speed}");
    }
}

#[test]
fn the_gripper_begins_where_it_is_and_goes_as_fast_as_the_trigger_is_pressed() {
    let mut bench = Bench::with(|s| (s.engage_ramp_ms, s.dead_zone) = (0, 0.1));
    assert_eq!(bench.step().gripper, 0.7);
    bench.opening = 0.4;
    bench.button(DEAD_MAN, 1.0);
    assert_eq!(bench.after(10 * MS).gripper, 0.4);
    // What is measured meanwhile changes nothing.
    bench.opening = 0.9;
    assert_eq!(bench.after(10 * MS).gripper, 0.4);
    bench.button(PadButton::LeftTrigger2, 0.55);
    assert!(near(bench.after(10 * MS).gripper, 0.405));
    bench.button(PadButton::LeftTrigger2, 0.0);
    bench.button(PadButton::RightTrigger2, 1.0);
    assert!(near(bench.after(20 * MS).gripper, 0.385));
    // A step that comes late makes no jump.
    assert!(near(bench.after(2_000 * MS).gripper, 0.335));
    assert_eq!(bench.pass(2_000 * MS).gripper, 0.0);
    bench.button(DEAD_MAN, 0.0);
    assert_eq!(bench.after(10 * MS).gripper, 0.9);
}

#[test]
fn the_dead_zone_is_round_and_the_response_begins_at_zero_beyond_it() {
    let mut bench = Bench::engaged(|s| (s.dead_zone, s.curve) = (0.2, 2.0));
    // On each axis alone this would be within, or beyond.
    for (x, y, speed) in [
        (0.19, 0.0, 0.0),
        (0.14, 0.14, 0.0),
        (0.15, 0.15, ((0.045_f64.sqrt() - 0.2) / 0.8).powi(2) * 0.1),
        (0.6, 0.0, 0.025),
        (0.0, 1.0, 0.1),
        (1.0, 1.0, 0.1),
    ] {
        bench.axis(PadAxis::LeftStickX, x);
        bench.axis(PadAxis::LeftStickY, y);
        let found = bench.after(10 * MS).twist.linear_m_s.norm();
        assert!(near(found, speed), "({x}, {y}): {found}, not {speed}");
    }
}

#[test]
fn three_speeds_end_to_end() {
    let mut bench = Bench::engaged(|_| ());
    bench.axis(PadAxis::RightStickY, 1.0);
    let mut speeds = Vec::new();
    for button in ["faster", "faster", "slower", "slower", "slower"] {
        let button = if button == "faster" { PadButton::South } else { PadButton::LeftTrigger };
        bench.tap(button);
        let steer = bench.after(10 * MS);
        speeds.push((steer.speed, steer.twist.linear_m_s.z));
    }
    assert_eq!(
        speeds,
        [
            (Speed::Fast, 0.18),
            (Speed::Fast, 0.18),
            (Speed::Normal, 0.1),
            (Speed::Slow, 0.04),
            (Speed::Slow, 0.04)
        ]
    );
}

#[test]
fn each_press_is_told_once_with_the_dead_man_held_or_not() {
    for held in [false, true] {
        let mut bench = Bench::with(|_| ());
        bench.button(DEAD_MAN, f64::from(u8::from(held)));
        bench.after(10 * MS);
        for (button, press) in [
            (PadButton::Start, Press::StartKeep),
            (PadButton::Select, Press::Discard),
            (PadButton::West, Press::ReRecord),
            (PadButton::North, Press::Success),
            (PadButton::East, Press::Failure),
            (PadButton::South, Press::SpeedUp),
            (PadButton::LeftTrigger, Press::SpeedDown),
            (PadButton::Mode, Press::Stop),
        ] {
            assert_eq!(bench.tap(button), [press]);
            assert_eq!(bench.after(10 * MS).pressed, []);
        }
    }
}

#[test]
fn a_stop_ends_motion_at_once_whatever_is_held() {
    for buttons in [&[PadButton::Mode][..], &[PadButton::LeftThumb, PadButton::RightThumb]] {
        let mut bench = Bench::engaged(|_| ());
        bench.axis(PadAxis::LeftStickX, 1.0);
        assert!(!is_zero(&bench.after(10 * MS)));
        buttons.iter().for_each(|&button| bench.button(button, 1.0));
        let steer = bench.after(10 * MS);
        assert_eq!(steer.pressed, [Press::Stop]);
        assert_eq!((is_zero(&steer), steer.still), (true, Some(Still::Stopped)));
        // Held, it is no second stop; motion needs the dead-man pressed anew.
        bench.axis(PadAxis::LeftStickX, 0.0);
        let steer = bench.after(10 * MS);
        assert_eq!((steer.pressed, steer.still), (vec![], Some(Still::PressAnew)));
    }
    // One stick pressed is none.
    let mut bench = Bench::engaged(|_| ());
    bench.button(PadButton::LeftThumb, 1.0);
    assert_eq!(bench.after(10 * MS).pressed, []);
}

#[test]
fn a_dead_man_let_go_for_less_than_a_step_begins_anew() {
    let mut bench = Bench::engaged(|_| ());
    bench.axis(PadAxis::LeftStickX, 1.0);
    assert!(!is_zero(&bench.after(10 * MS)));
    bench.button(DEAD_MAN, 0.0);
    bench.button(DEAD_MAN, 1.0);
    let steer = bench.after(10 * MS);
    assert_eq!((is_zero(&steer), steer.still), (true, Some(Still::SticksNotNeutral)));
    bench.axis(PadAxis::LeftStickX, 0.0);
    assert!(bench.after(10 * MS).engaged);
}

/// What a person must do after anything was wrong.
fn needs_arming(bench: &mut Bench) {
    // As it was: held, sticks deflected.
    let steer = bench.after(10 * MS);
    assert_eq!((is_zero(&steer), steer.still), (true, Some(Still::PressAnew)));
    bench.button(DEAD_MAN, 0.0);
    assert_eq!(bench.after(10 * MS).still, Some(Still::DeadManUp));
    bench.button(DEAD_MAN, 1.0);
    assert_eq!(bench.after(10 * MS).still, Some(Still::SticksNotNeutral));
    bench.axis(PadAxis::LeftStickX, 0.0);
    assert!(bench.after(10 * MS).engaged);
}

#[test]
fn an_unplugged_pad_is_still_at_the_next_step_and_must_be_armed() {
    let mut bench = Bench::engaged(|_| ());
    bench.axis(PadAxis::LeftStickX, 1.0);
    assert!(!is_zero(&bench.after(10 * MS)));
    let plugged = std::mem::replace(&mut bench.pad, PadState::absent(bench.now_ns));
    let steer = bench.step();
    assert_eq!((is_zero(&steer), steer.still), (true, Some(Still::Unplugged)));
    assert_eq!(bench.after(10 * MS).still, Some(Still::Unplugged));
    bench.pad = plugged;
    bench.pad.connection = Some(2);
    for _ in 0..60 {
        assert_eq!(bench.after(10 * MS).still, Some(Still::PressAnew));
    }
    needs_arming(&mut bench);
}

#[test]
fn a_pad_plugged_in_anew_between_two_steps_must_be_armed() {
    let mut bench = Bench::engaged(|_| ());
    bench.axis(PadAxis::LeftStickX, 1.0);
    assert!(!is_zero(&bench.after(10 * MS)));
    bench.pad.connection = Some(2);
    assert!(is_zero(&bench.after(10 * MS)));
    bench.pass(SETTLE_NS);
    needs_arming(&mut bench);
}

/// xpad reports what is held right after the plugging-in, which looks like a press.
#[test]
fn what_is_held_at_the_plugging_in_is_no_press() {
    let mut bench = Bench::with(|_| ());
    bench.pad = PadState::connected(2, bench.now_ns);
    assert_eq!(bench.after(10 * MS).still, Some(Still::DeadManUp));
    bench.button(DEAD_MAN, 1.0);
    bench.button(PadButton::Start, 1.0);
    let steer = bench.after(10 * MS);
    assert_eq!((steer.still, steer.pressed), (Some(Still::PressAnew), vec![]));
    assert_eq!(bench.pass(SETTLE_NS).still, Some(Still::PressAnew));
    bench.button(DEAD_MAN, 0.0);
    bench.after(10 * MS);
    bench.button(DEAD_MAN, 1.0);
    assert!(bench.after(10 * MS).engaged);
}

#[test]
fn a_hung_thread_is_still_at_once_and_must_be_armed() {
    let mut bench = Bench::engaged(|_| ());
    bench.axis(PadAxis::LeftStickX, 1.0);
    assert!(!is_zero(&bench.after(10 * MS)));
    let beat_ns = bench.now_ns;
    bench.now_ns = beat_ns + HEARTBEAT_AGE_NS;
    assert!(bench.step().engaged);
    bench.now_ns += 1;
    let steer = bench.step();
    assert_eq!((is_zero(&steer), steer.still), (true, Some(Still::ThreadSilent)));
    needs_arming(&mut bench);
}

#[test]
fn a_pad_that_steers_and_says_nothing_is_still_and_must_be_armed() {
    let mut bench = Bench::engaged(|s| s.silent_after_ms = 500);
    bench.axis(PadAxis::LeftStickX, 1.0);
    assert!(!is_zero(&bench.after(10 * MS)));
    for _ in 0..49 {
        assert!(bench.after(10 * MS).engaged);
    }
    let steer = bench.after(10 * MS);
    assert_eq!((is_zero(&steer), steer.still), (true, Some(Still::Silent)));
    // It stays so for as long as nothing is heard.
    assert_eq!(bench.after(10_000 * MS).still, Some(Still::Silent));
    bench.axis(PadAxis::LeftStickX, 0.9);
    needs_arming(&mut bench);
}

/// Found by `nothing_moves_without_leave`: what was no number released the dead-man, and its next
/// value pressed it.
#[test]
fn values_that_are_no_numbers_release_no_dead_man() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut bench = Bench::engaged(|_| ());
        bench.axis(PadAxis::LeftStickX, 1.0);
        assert!(!is_zero(&bench.after(10 * MS)));
        bench.button(DEAD_MAN, value);
        let steer = bench.after(10 * MS);
        assert_eq!((is_zero(&steer), steer.still), (true, Some(Still::Garbled)));
        bench.button(DEAD_MAN, 1.0);
        needs_arming(&mut bench);
    }
}

#[test]
fn a_pad_at_rest_may_say_nothing() {
    let mut bench = Bench::engaged(|s| s.silent_after_ms = 500);
    assert!(bench.after(600_000 * MS).engaged);
    bench.axis(PadAxis::LeftStickX, 1.0);
    assert!(!is_zero(&bench.after(10 * MS)));
}

#[test]
fn every_reason_says_what_to_do() {
    for still in [
        Still::NoPad,
        Still::Unplugged,
        Still::Silent,
        Still::ThreadSilent,
        Still::Garbled,
        Still::Stopped,
        Still::DeadManUp,
        Still::PressAnew,
        Still::SticksNotNeutral,
    ] {
        assert!(still.to_string().contains([':', '?']), "{still}");
    }
}
