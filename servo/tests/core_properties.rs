//! What holds whatever is commanded and however the arm behaves.
#![allow(clippy::unwrap_used)]

mod support;

use jaco_core::{
    Action, ActionStatistics, ActionStream, ActionUnit, Chunk, Limits, TICK_NS, TICK_S,
    TICKS_PER_STEP, Twist,
};
use jaco_servo::limits::workspace;
use jaco_servo::{Command, Mode, Setpoint, StopReason};
use nalgebra::{UnitQuaternion, Vector3};
use proptest::prelude::*;
use support::{Rig, units as stream_of};

/// Floating-point slack of a limit: far below what any arm resolves.
const SLACK: f64 = 1e-9;

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -1.0..1.0_f64,
        2 => -1e4..1e4_f64,
        1 => Just(1e300),
        1 => Just(f64::MIN_POSITIVE),
        1 => Just(f64::NAN),
        1 => Just(f64::NEG_INFINITY),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    proptest::array::uniform7(number()).prop_map(Action::from_array)
}

fn unit() -> impl Strategy<Value = ActionUnit> {
    proptest::array::uniform7(1..=256_u16).prop_map(ActionUnit)
}

/// Refined values; about one row in ten must be refused.
fn values() -> impl Strategy<Value = [f32; 7]> {
    let value = prop_oneof![70 => -1.0..=1.0_f32, 1 => Just(f32::NAN), 1 => Just(1.5_f32)];
    proptest::array::uniform7(value)
}

/// Units without refined values.
fn stream(first_step: u64, units: Vec<ActionUnit>) -> Command {
    stream_of(first_step, &units, &[], 0)
}

fn statistics() -> ActionStatistics {
    ActionStatistics {
        q01: [-0.2, -0.2, -0.2, -1.0, -1.0, -1.0, 0.0],
        q99: [0.2, 0.2, 0.2, 1.0, 1.0, 1.0, 1.0],
        mask: [true, true, true, true, true, true, false],
    }
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        3 => Just(Command::Heartbeat),
        1 => Just(Command::Hold),
        2 => any::<bool>().prop_map(|pause_when_empty| Command::StartPolicy {
            statistics: Some(statistics()),
            pause_when_empty,
        }),
        2 => Just(Command::StartMotion),
        4 => (0..30_u64, proptest::collection::vec((unit(), values()), 0..12), any::<bool>())
            .prop_map(|(first_step, rows, refined)| {
                let (units, mut values): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
                values.truncate(if refined { units.len() } else { 0 });
                stream_of(first_step, &units, &values, 0)
            }),
        2 => (0..30_u64, proptest::collection::vec(action(), 0..12)).prop_map(
            |(first_step, actions)| Command::Stream(ActionStream {
                first_step,
                chunk: Chunk::Actions(actions.into_iter().collect()),
                from_frame_ns: 0,
            })
        ),
        6 => (0..30_u64, action()).prop_map(|(step, action)| Command::Motion { step, action }),
        3 => action().prop_map(|a| Command::Jog {
            twist: Twist {
                linear_m_s: Vector3::from(a.translation_m),
                angular_rad_s: Vector3::from(a.rotation_rad),
            },
            gripper: a.gripper,
        }),
        1 => Just(Command::Stop { reason: StopReason::Operator }),
        2 => Just(Command::Reset),
        1 => Just(Command::Home),
    ]
}

/// A command or none, how many ticks pass, how the arm is pushed before them, and whether a person
/// holds the joystick.
fn moment() -> impl Strategy<Value = (Option<Command>, u8, [f64; 3], bool)> {
    let push_m = proptest::array::uniform3(-0.05..0.05_f64);
    (proptest::option::of(command()), 1..15_u8, push_m, proptest::bool::weighted(0.05))
}

fn assert_within_limits(before: &Setpoint, after: &Setpoint, limits: &Limits, mode: Mode) {
    let (linear, angular) = (after.twist.linear_m_s, after.twist.angular_rad_s);
    assert!(after.twist.is_finite() && after.finger_velocity.iter().all(|v| v.is_finite()));
    assert!(linear.norm() <= limits.linear_speed_m_s + SLACK, "{linear}");
    assert!(angular.norm() <= limits.angular_speed_rad_s + SLACK, "{angular}");
    let (linear_m_s2, angular_rad_s2) = match mode {
        Mode::Idle | Mode::Homing | Mode::HandedOver | Mode::Stopped => {
            (limits.linear_braking_m_s2, limits.angular_braking_rad_s2)
        }
        _ => (limits.linear_acceleration_m_s2, limits.angular_acceleration_rad_s2),
    };
    let change = (linear - before.twist.linear_m_s).norm();
    assert!(change <= linear_m_s2 * TICK_S + SLACK, "{change} in {mode}");
    let change = (angular - before.twist.angular_rad_s).norm();
    assert!(change <= angular_rad_s2 * TICK_S + SLACK, "{change} in {mode}");
    for velocity in after.finger_velocity {
        assert!(velocity.abs() <= limits.finger_speed_per_s + SLACK, "{velocity}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn limits_hold_whatever_is_commanded(moments in proptest::collection::vec(moment(), 1..60)) {
        let limits = Limits::default();
        let mut rig = Rig::new(limits);
        let mut before = Setpoint::default();
        for (command, ticks, push_m, hand) in moments {
            rig.servo.set_hand(hand);
            if let Some(command) = command {
                let _ = rig.servo.command(rig.now_ns, &command);
            }
            // An arm that is inside when a mode is entered: from outside, it is let in slowly.
            let pushed_m = rig.state.pose.position_m + Vector3::from(push_m);
            let inside_m = Vector3::new(0.0, -0.4, 0.25);
            rig.state.pose.position_m = workspace::clip_m(&limits, &inside_m, &pushed_m);
            let push = UnitQuaternion::from_scaled_axis(Vector3::from(push_m) * 10.0);
            rig.state.pose.orientation = push * rig.state.pose.orientation;
            for _ in 0..ticks {
                let setpoint = rig.tick_in_silence();
                assert_within_limits(&before, &setpoint, &limits, rig.servo.report().mode);
                let reference = rig.servo.report().reference;
                if let Some(reference) = reference {
                    prop_assert!(workspace::contains(&limits, &reference.position_m));
                    // Within the tick, the reference and the arm may have moved apart.
                    let ahead_m = (reference.position_m - rig.state.pose.position_m).norm();
                    let tick_m = 2.0 * limits.linear_speed_m_s * TICK_S;
                    prop_assert!(ahead_m <= limits.reference_leash_m + tick_m + SLACK, "{}", ahead_m);
                    let ahead_rad = rig.state.pose.orientation.angle_to(&reference.orientation);
                    let tick_rad = 2.0 * limits.angular_speed_rad_s * TICK_S;
                    prop_assert!(ahead_rad <= limits.reference_leash_rad + tick_rad + 1e-6, "{}", ahead_rad);
                }
                before = setpoint;
            }
        }
    }

    #[test]
    fn every_step_is_executed_or_starved(
        moments in proptest::collection::vec((0..4_u64, 0..6_u64, 1..25_u8), 1..40),
        pause_when_empty in any::<bool>(),
    ) {
        let mut rig = Rig::new(Limits::default());
        rig.command(Command::StartPolicy { statistics: Some(statistics()), pause_when_empty });
        let (mut begun, mut sent) = (0, 0);
        for (ahead, count, ticks) in moments {
            let next = rig.servo.report().next_needed_step;
            let first_step = (next + ahead).saturating_sub(2);
            if count > 0 {
                let units = vec![ActionUnit([128; 7]); count as usize];
                rig.command(stream(first_step, units));
                sent += count;
            }
            for _ in 0..ticks {
                if let Some(step) = rig.tick().step_started {
                    prop_assert_eq!(step, begun);
                    begun += 1;
                }
            }
        }
        let report = rig.servo.report();
        let counters = report.counters;
        prop_assert_eq!(counters.executed + counters.starved, begun);
        let accounted = counters.executed
            + counters.late_units
            + counters.replaced_units
            + report.queued as u64;
        prop_assert_eq!(accounted, sent);
        prop_assert!(!pause_when_empty || counters.starved == 0);
        prop_assert!(pause_when_empty || counters.paused_ticks == 0);
    }

    #[test]
    fn streams_for_different_steps_may_arrive_in_any_order(
        units in proptest::collection::vec(unit(), 12),
        order in Just([0_usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let run = |order: &[usize]| {
            let mut rig = Rig::new(Limits::default());
            rig.command(Command::StartPolicy { statistics: Some(statistics()), pause_when_empty: false });
            for part in order {
                let units = units[part * 3..part * 3 + 3].to_vec();
                rig.command(stream(*part as u64 * 3, units));
            }
            (0..12 * TICKS_PER_STEP).map(|_| rig.tick()).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(&order), run(&[0, 1, 2, 3]));
    }

    #[test]
    fn a_stop_comes_to_rest_within_its_ramp_and_stays(
        actions in proptest::collection::vec(action(), 1..8),
        after in proptest::collection::vec(command(), 0..10),
        ticks in 1..60_u8,
    ) {
        let limits = Limits::default();
        let mut rig = Rig::new(limits);
        rig.command(Command::StartMotion);
        for (step, action) in (0..).zip(actions) {
            let _ = rig.servo.command(0, &Command::Motion { step, action });
        }
        for _ in 0..ticks {
            rig.tick();
        }
        rig.command(Command::Stop { reason: StopReason::Operator });
        let ramp_s = (limits.linear_speed_m_s / limits.linear_braking_m_s2)
            .max(limits.angular_speed_rad_s / limits.angular_braking_rad_s2);
        // One more tick for what rounding may leave of the ramp.
        for _ in 0..=(ramp_s / TICK_S).ceil() as u64 {
            rig.tick();
        }
        for command in after.iter().filter(|command| **command != Command::Reset) {
            let _ = rig.servo.command(rig.now_ns, command);
            let setpoint = rig.tick();
            prop_assert_eq!(setpoint, Setpoint::default());
            prop_assert_eq!(rig.servo.report().mode, Mode::Stopped);
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_never_taken(
        mut values in proptest::array::uniform7(-1.0..1.0_f64),
        at in 0..7_usize,
        bad in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ) {
        values[at] = bad;
        let mut rig = Rig::new(Limits::default());
        rig.command(Command::StartMotion);
        let command = Command::Motion { step: 0, action: Action::from_array(values) };
        prop_assert!(rig.servo.command(TICK_NS, &command).is_err());
        prop_assert_eq!(rig.servo.report().queued, 0);
    }
}
