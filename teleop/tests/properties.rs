//! Steering under anything that a pad may do.
#![allow(clippy::unwrap_used)]

mod bench;

use bench::{Bench, DEAD_MAN, MS, is_zero};
use jaco_core::Word;
use jaco_teleop::pad::PadState;
use jaco_teleop::settings::{PadAxis, PadButton};
use jaco_teleop::steering::HEARTBEAT_AGE_NS;
use jaco_teleop::{Press, Speed, Still, TeleopSettings};
use proptest::prelude::*;

/// What may happen to a pad between two steps.
#[derive(Clone, Debug)]
enum Doing {
    Axis(PadAxis, f64),
    Button(PadButton, f64),
    Unplug,
    Plug,
    Hang(u64),
    Wait(u64),
}

fn doing() -> impl Strategy<Value = Doing> {
    let value = prop_oneof![
        9 => -1.0..=1.0_f64,
        2 => prop::sample::select(vec![0.0, 1.0, -1.0]),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -7.0]),
    ];
    let axis = prop::sample::select(PadAxis::ALL.to_vec());
    let button = prop::sample::select(PadButton::ALL.to_vec());
    prop_oneof![
        8 => (axis, value.clone()).prop_map(|(axis, value)| Doing::Axis(axis, value)),
        3 => (button, value).prop_map(|(button, value)| Doing::Button(button, value)),
        4 => prop::sample::select(vec![0.0, 1.0, 1.0]).prop_map(|v| Doing::Button(DEAD_MAN, v)),
        4 => Just(Doing::Axis(PadAxis::LeftStickX, 0.0)),
        1 => Just(Doing::Unplug),
        2 => Just(Doing::Plug),
        1 => (0..300 * MS).prop_map(Doing::Hang),
        9 => prop_oneof![0..40 * MS, 0..5_000 * MS].prop_map(Doing::Wait),
    ]
}

proptest! {
    /// Whatever a pad does: no motion without a dead-man held on a pad that is there and heard, none
    /// after a fault before it was let go, and never more than the speed of the mode.
    #[test]
    fn nothing_moves_without_leave(
        doings in prop::collection::vec(doing(), 1..120),
        (dead_zone, curve) in (0.0..=0.5, 1.0..=4.0),
        (operator_yaw_deg, engage_ramp_ms) in (-180.0..=180.0, 0..=2000_u64),
        openings in prop::sample::select(vec![0.0, 0.3, 1.0, f64::NAN, -4.0, f64::INFINITY]),
    ) {
        let settings = TeleopSettings {
            dead_zone, curve, operator_yaw_deg, engage_ramp_ms, silent_after_ms: 1000,
            ..TeleopSettings::default()
        };
        let mut bench = Bench::new(&settings);
        bench.opening = openings;
        let mut connection = 1;
        // Whether the dead-man was up since the last fault.
        let (mut armed, mut was_well, mut presses) = (true, true, 0);
        for doing in doings {
            match doing {
                Doing::Axis(axis, value) => bench.axis(axis, value),
                Doing::Button(button, value) => bench.button(button, value),
                Doing::Unplug => bench.pad = PadState::absent(bench.now_ns),
                Doing::Plug => {
                    connection += 1;
                    bench.pad = PadState::connected(connection, bench.now_ns);
                }
                Doing::Hang(ns) => bench.now_ns += ns,
                Doing::Wait(ns) => {
                    bench.now_ns += ns;
                    bench.pad.heartbeat_ns = bench.now_ns;
                }
            }
            let (pad, now_ns) = (bench.pad.clone(), bench.now_ns);
            let steer = bench.step();
            let numbers = PadAxis::ALL.iter().map(|&a| pad.axis(a))
                .chain(PadButton::ALL.iter().map(|&b| pad.value(b)));
            let fault = pad.connection.is_none()
                || now_ns - pad.heartbeat_ns > HEARTBEAT_AGE_NS
                || numbers.into_iter().any(|value| !value.is_finite())
                || steer.pressed.contains(&Press::Stop);
            if fault || matches!(steer.still, Some(Still::Silent)) {
                armed = false;
            } else {
                armed |= !pad.is_pressed(DEAD_MAN) || (was_well && pad.presses(DEAD_MAN) != presses);
            }
            was_well = !fault && steer.still != Some(Still::Silent);
            presses = pad.presses(DEAD_MAN);
            let may_move = !fault && armed && pad.is_pressed(DEAD_MAN);
            prop_assert!(may_move || (is_zero(&steer) && !steer.engaged), "{steer:?}");
            prop_assert!(steer.twist.is_finite());
            prop_assert!((0.0..=1.0).contains(&steer.gripper), "{}", steer.gripper);
            prop_assert_eq!(steer.engaged, steer.still.is_none());
            let (linear, angular) = match steer.speed {
                Speed::Slow => (0.04, 0.25),
                Speed::Normal => (0.1, 0.5),
                Speed::Fast => (0.18, 1.0),
            };
            prop_assert!(steer.twist.linear_m_s.norm() <= linear + 1e-12);
            prop_assert!(steer.twist.angular_rad_s.norm() <= angular + 1e-12);
            if !is_zero(&steer) {
                prop_assert!(now_ns - pad.heard_ns <= 1000 * MS);
            }
        }
    }

    /// A little more stick is a little more speed, at the edge of the dead zone as anywhere.
    #[test]
    fn the_response_has_no_step(
        (share, on_edge, angle) in (0.0..=1.4_f64, any::<bool>(), 0.0..6.3_f64),
        (dx, dy) in (-1e-4..=1e-4_f64, -1e-4..=1e-4_f64),
        (dead_zone, curve) in (0.0..=0.5, 1.0..=4.0),
    ) {
        let radius = if on_edge { dead_zone } else { share };
        let (x, y) = (radius * angle.cos(), radius * angle.sin());
        let mut bench = Bench::engaged(|s| (s.dead_zone, s.curve) = (dead_zone, curve));
        let mut speed_at = |x: f64, y: f64| {
            bench.axis(PadAxis::LeftStickX, x);
            bench.axis(PadAxis::LeftStickY, y);
            bench.after(MS).twist.linear_m_s
        };
        let change = (speed_at(x + dx, y + dy) - speed_at(x, y)).norm();
        // At most the slope of the steepest curve and of the direction near the middle.
        let most = 0.1 * dx.hypot(dy) * (4.0 / 0.5 + 1.0);
        prop_assert!(change <= most + 1e-12, "{change} > {most}");
    }
}
