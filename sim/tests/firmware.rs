//! The emulated base: FIFO, velocity points, frames, fingers, modes and homing.
#![allow(clippy::unwrap_used)]

use jaco_core::AngularFrame;
use jaco_core::{Task, Twist};
use jaco_sim::firmware::abi::REJECTED;
use jaco_sim::firmware::fifo::FIFO_DEPTH;
use jaco_sim::firmware::{ControlType, DONE};
use jaco_sim::{StartPose, World, WorldOptions};
use kinova_sys::{HAND_MODE, POSITION_TYPE, TrajectoryPoint};
use nalgebra::Vector3;
use proptest::prelude::*;

const STILL: [f64; 3] = [0.0; 3];

fn world() -> World {
    World::new(&WorldOptions::default()).unwrap()
}

fn twist(linear: [f64; 3], angular: [f64; 3]) -> Twist {
    Twist { linear_m_s: Vector3::from(linear), angular_rad_s: Vector3::from(angular) }
}

fn point(kind: POSITION_TYPE, hand: HAND_MODE) -> TrajectoryPoint {
    let mut point = TrajectoryPoint::default();
    point.Position.Type = kind;
    point.Position.HandMode = hand;
    point
}

fn run(world: &mut World, ticks: usize) {
    for _ in 0..ticks {
        world.tick();
    }
}

fn stream(world: &mut World, twist: &Twist, fingers: [f64; 3], ticks: usize) {
    for _ in 0..ticks {
        world.firmware().push_velocity(twist, fingers);
        world.tick();
    }
}

fn hand(world: &World) -> Vector3<f64> {
    world.arm_state().pose.position_m
}

#[test]
fn a_stream_of_velocities_moves_the_tool_at_that_velocity() {
    let mut world = world();
    stream(&mut world, &twist([0.1, 0.0, -0.05], [0.0; 3]), STILL, 50);
    let from = hand(&world);
    stream(&mut world, &twist([0.1, 0.0, -0.05], [0.0; 3]), STILL, 50);
    let moved = hand(&world) - from;
    assert!((moved - Vector3::new(0.05, 0.0, -0.025)).norm() < 0.002, "{moved:?}");
}

#[test]
fn a_velocity_point_lives_one_tick_and_the_end_of_the_stream_stops_the_arm() {
    let mut world = world();
    world.firmware().push_velocity(&twist([0.1, 0.0, 0.0], [0.0; 3]), STILL);
    assert_eq!(world.firmware().fifo_info().count, 1);
    let from = hand(&world);
    world.tick();
    assert_eq!(world.firmware().fifo_info().count, 0);
    run(&mut world, 50);
    assert!(((hand(&world) - from).x - 0.001).abs() < 5e-4, "{:?}", hand(&world) - from);

    stream(&mut world, &twist([0.1, 0.0, 0.0], [0.0; 3]), STILL, 50);
    run(&mut world, 20);
    let stopped = hand(&world);
    run(&mut world, 50);
    assert!((hand(&world) - stopped).norm() < 2e-4);
}

#[test]
fn points_sent_faster_than_ticks_pile_up_and_play_on() {
    let mut world = world();
    for _ in 0..50 {
        world.firmware().push_velocity(&twist([0.1, 0.0, 0.0], [0.0; 3]), STILL);
        world.firmware().push_velocity(&twist([0.1, 0.0, 0.0], [0.0; 3]), STILL);
        world.tick();
    }
    assert_eq!(world.firmware().fifo_info().count, 50);
    let from = hand(&world);
    run(&mut world, 50);
    assert!((hand(&world) - from).x > 0.04, "stale points no longer move the arm");

    for _ in 0..50 {
        world.firmware().push_velocity(&twist([-0.1, 0.0, 0.0], [0.0; 3]), STILL);
    }
    assert_eq!(world.firmware().erase(), DONE);
    assert_eq!(world.firmware().fifo_info().count, 0);
    run(&mut world, 20);
    let from = hand(&world);
    run(&mut world, 50);
    assert!((hand(&world) - from).norm() < 2e-4, "erased points moved the arm");
}

#[test]
fn a_full_fifo_loses_points_without_a_word() {
    let mut world = world();
    for _ in 0..FIFO_DEPTH + 10 {
        assert_eq!(world.firmware().push_velocity(&Twist::zero(), STILL), DONE);
    }
    let info = world.firmware().fifo_info();
    assert_eq!((info.count, info.max), (FIFO_DEPTH as u32, FIFO_DEPTH as u32));
    assert!((info.used_percent - 100.0).abs() < 1e-3);
}

/// In the mixed frame the linear part is in the base's frame, the angular part in the tool's.
#[test]
fn angular_velocity_is_in_the_tool_frame_and_can_be_switched() {
    for frame in [AngularFrame::Effector, AngularFrame::Base] {
        let options = WorldOptions { angular_frame: frame, ..WorldOptions::default() };
        let mut world = World::new(&options).unwrap();
        let mut turn = point(POSITION_TYPE::CARTESIAN_VELOCITY, HAND_MODE::VELOCITY_MODE);
        turn.Position.CartesianPosition.X = 0.05;
        turn.Position.CartesianPosition.ThetaZ = 0.4;
        let from = world.arm_state().pose;
        for _ in 0..50 {
            assert_eq!(world.firmware().push(&turn), DONE);
            world.tick();
        }
        let to = world.arm_state().pose;
        assert!((to.position_m - from.position_m).x > 0.02, "{frame:?}");
        // The tool points down: its z axis is the base's, reversed.
        let turned = from.rotation_to(&to.orientation).z;
        let sign = if frame == AngularFrame::Effector { -1.0 } else { 1.0 };
        assert!((turned - sign * 0.2).abs() < 0.03, "{frame:?}: {turned}");
    }
}

#[test]
fn a_twist_in_the_base_frame_turns_the_tool_alike_in_both_frames() {
    for frame in [AngularFrame::Effector, AngularFrame::Base] {
        let options = WorldOptions { angular_frame: frame, ..WorldOptions::default() };
        let mut world = World::new(&options).unwrap();
        let from = world.arm_state().pose;
        stream(&mut world, &twist([0.0; 3], [0.1, -0.2, 0.3]), STILL, 50);
        run(&mut world, 20);
        let turned = from.rotation_to(&world.arm_state().pose.orientation);
        let wanted = Vector3::new(0.05, -0.1, 0.15);
        assert!((turned - wanted).norm() < 0.015, "{frame:?}: {turned:?}");
    }
}

#[test]
fn joints_keep_their_speed_limits() {
    let mut world = world();
    let fastest = [36.0, 36.0, 36.0, 48.0, 48.0, 48.0];
    let mut last = world.firmware().joints_deg();
    for _ in 0..80 {
        world.firmware().push_velocity(&twist([2.0, 0.0, 0.0], [0.0, 0.0, 5.0]), STILL);
        world.tick();
        let now = world.firmware().joints_deg();
        for joint in 0..6 {
            let speed = (now[joint] - last[joint]).abs() / 0.01;
            assert!(speed < fastest[joint] * 1.1, "joint {joint} at {speed} deg/s");
        }
        last = now;
    }
}

#[test]
fn fingers_count_ticks_from_open_to_closed() {
    let mut world = world();
    assert!(world.firmware().finger_ticks().iter().all(|ticks| ticks.abs() < 100.0));
    // 3400 ticks at 3400 ticks/s take one second.
    stream(&mut world, &Twist::zero(), [3400.0; 3], 100);
    run(&mut world, 30);
    for ticks in world.firmware().finger_ticks() {
        assert!((ticks - 3400.0).abs() < 300.0, "{ticks} ticks");
    }
    let closure = world.arm_state().closure;
    assert!(closure.iter().all(|closure| (closure - 0.5).abs() < 0.05), "{closure:?}");

    let mut open = point(POSITION_TYPE::NOMOVEMENT_POSITION, HAND_MODE::POSITION_MODE);
    open.Position.Fingers.Finger2 = 3400.0;
    world.firmware().push(&open);
    run(&mut world, 150);
    let [first, second, third] = world.firmware().finger_ticks();
    assert!(first.abs() < 200.0 && third.abs() < 200.0, "{first} {third}");
    assert!((second - 3400.0).abs() < 300.0, "{second}");
}

#[test]
fn hand_mode_no_movement_leaves_the_fingers() {
    let mut world = world();
    let mut still = point(POSITION_TYPE::CARTESIAN_VELOCITY, HAND_MODE::HAND_NOMOVEMENT);
    still.Position.Fingers.Finger1 = 5000.0;
    for _ in 0..50 {
        world.firmware().push(&still);
        world.tick();
    }
    assert!(world.firmware().finger_ticks()[0] < 100.0);
}

#[test]
fn angular_velocity_points_turn_single_joints_and_leave_cartesian_mode() {
    let mut world = world();
    let from = world.firmware().joints_deg();
    let mut turn = point(POSITION_TYPE::ANGULAR_VELOCITY, HAND_MODE::VELOCITY_MODE);
    turn.Position.Actuators.Actuator6 = 20.0;
    for _ in 0..50 {
        world.firmware().push(&turn);
        world.tick();
    }
    run(&mut world, 20);
    let to = world.firmware().joints_deg();
    assert!((to[5] - from[5] - 10.0).abs() < 0.5, "{}", to[5] - from[5]);
    assert!((to[0] - from[0]).abs() < 0.2);
    assert_eq!(world.firmware().control_type(), ControlType::Angular);

    // Cartesian points are now ignored until the mode is changed.
    let at = hand(&world);
    stream(&mut world, &twist([0.1, 0.0, 0.0], [0.0; 3]), STILL, 50);
    assert!((hand(&world) - at).norm() < 5e-4);
    world.firmware().set_cartesian_control();
    stream(&mut world, &twist([0.1, 0.0, 0.0], [0.0; 3]), STILL, 50);
    assert!((hand(&world) - at).x > 0.03);
}

#[test]
fn a_cartesian_position_point_runs_to_its_end_without_a_stream() {
    let mut world = world();
    let pose = world.arm_state().pose;
    let goal = pose.position_m + Vector3::new(0.05, -0.05, -0.05);
    let [tx, ty, tz] = pose.theta_rad();
    let mut to = point(POSITION_TYPE::CARTESIAN_POSITION, HAND_MODE::HAND_NOMOVEMENT);
    let c = &mut to.Position.CartesianPosition;
    (c.X, c.Y, c.Z) = (goal.x as f32, goal.y as f32, goal.z as f32);
    (c.ThetaX, c.ThetaY, c.ThetaZ) = (tx as f32, ty as f32, tz as f32);
    world.firmware().push(&to);
    run(&mut world, 400);
    assert!((hand(&world) - goal).norm() < 0.002, "{:?}", hand(&world) - goal);
    assert_eq!(world.firmware().fifo_info().count, 0);
}

#[test]
fn an_arm_just_switched_on_refuses_cartesian_commands_in_silence_until_homed() {
    let mut world = world();
    world.power_up(Task::PlaceBlock, 0);
    assert_eq!(world.firmware().quick_status().retract_type, 6);
    assert!(!world.firmware().has_control());

    // Nobody has control: points vanish.
    assert_eq!(world.firmware().push_velocity(&twist([0.1, 0.0, 0.0], [0.0; 3]), STILL), DONE);
    assert_eq!(world.firmware().fifo_info().count, 0);

    world.firmware().start_control();
    assert_eq!(world.firmware().set_cartesian_control(), DONE);
    assert_eq!(world.firmware().control_type(), ControlType::Angular);
    let from = hand(&world);
    stream(&mut world, &twist([0.1, 0.0, 0.0], [0.0; 3]), STILL, 50);
    assert!((hand(&world) - from).norm() < 5e-4, "moved before homing");

    assert_eq!(world.firmware().move_home(), DONE);
    let mut lowest = f64::MAX;
    let mut ticks = 0;
    while world.firmware().fifo_info().count > 0 {
        world.tick();
        ticks += 1;
        lowest = lowest.min(hand(&world).z);
        assert!(ticks < 1500, "homing does not end");
    }
    assert!(lowest > 0.2, "homing passes {lowest} m over the table");
    assert!(world.firmware().is_homed());
    assert_eq!(world.firmware().quick_status().retract_type, 1);
    let off = hand(&world) - Vector3::new(0.0, -0.4, 0.25);
    assert!(off.norm() < 0.005, "{off:?}");

    world.firmware().set_cartesian_control();
    assert_eq!(world.firmware().control_type(), ControlType::Cartesian);
    let from = hand(&world);
    stream(&mut world, &twist([0.1, 0.0, 0.0], [0.0; 3]), STILL, 50);
    assert!((hand(&world) - from).x > 0.03);
}

#[test]
fn giving_control_back_holds_the_arm() {
    let mut world = world();
    for _ in 0..100 {
        world.firmware().push_velocity(&twist([0.1, 0.0, 0.0], [0.0; 3]), STILL);
    }
    run(&mut world, 20);
    world.firmware().stop_control();
    assert_eq!(world.firmware().quick_status().control_enable, 1);
    run(&mut world, 20);
    let from = hand(&world);
    run(&mut world, 50);
    assert!((hand(&world) - from).norm() < 2e-4);
}

#[test]
fn the_joystick_moves_the_arm_only_while_the_api_has_no_control() {
    let mut world = world();
    world.firmware().set_joystick(0.5);
    let from = hand(&world);
    run(&mut world, 100);
    assert!((hand(&world) - from).norm() < 5e-4, "the API has control");

    world.firmware().stop_control();
    let joint = world.firmware().joints_deg()[0];
    run(&mut world, 100);
    // Half of 0.2 rad/s for a second.
    let turned = world.firmware().joints_deg()[0] - joint;
    assert!((turned - 5.73).abs() < 0.3, "{turned} deg");
    assert!((hand(&world) - from).norm() > 0.02, "{:?}", hand(&world) - from);

    world.firmware().start_control();
    run(&mut world, 20);
    let from = hand(&world);
    run(&mut world, 100);
    assert!((hand(&world) - from).norm() < 5e-4, "control was taken back");

    world.firmware().stop_control();
    world.firmware().set_joystick(0.0);
    run(&mut world, 100);
    assert!((hand(&world) - from).norm() < 5e-4, "the stick is in the middle");
}

#[test]
fn initialising_the_fingers_opens_them_and_leaves_cartesian_mode() {
    let mut world = world();
    world.power_up(Task::PlaceBlock, 0);
    assert_eq!(world.firmware().quick_status().finger_initialised, [0; 3]);
    world.firmware().start_control();
    world.firmware().init_fingers();
    run(&mut world, 200);
    assert_eq!(world.firmware().quick_status().finger_initialised, [1; 3]);
    assert_eq!(world.firmware().control_type(), ControlType::Angular);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No point, however wild, gets a number that is not finite into the arm.
    #[test]
    fn wild_points_are_rejected_or_harmless(
        numbers in proptest::array::uniform12(proptest::num::f32::ANY),
        velocity in any::<bool>(),
    ) {
        let mut world = WILD.with(Clone::clone);
        let kind = if velocity {
            POSITION_TYPE::CARTESIAN_VELOCITY
        } else {
            POSITION_TYPE::ANGULAR_VELOCITY
        };
        let mut wild = point(kind, HAND_MODE::VELOCITY_MODE);
        let [x, y, z, tx, ty, tz, a1, a2, a3, f1, f2, f3] = numbers;
        let c = &mut wild.Position.CartesianPosition;
        (c.X, c.Y, c.Z, c.ThetaX, c.ThetaY, c.ThetaZ) = (x, y, z, tx, ty, tz);
        let a = &mut wild.Position.Actuators;
        (a.Actuator1, a.Actuator2, a.Actuator3) = (a1, a2, a3);
        let f = &mut wild.Position.Fingers;
        (f.Finger1, f.Finger2, f.Finger3) = (f1, f2, f3);
        let code = world.firmware().push(&wild);
        let finite = numbers.iter().all(|number| number.is_finite());
        prop_assert_eq!(code, if finite { DONE } else { REJECTED });
        run(&mut world, 3);
        let state = world.arm_state();
        prop_assert!(state.pose.position_m.iter().all(|value| value.is_finite()));
        prop_assert!((state.pose.position_m - Vector3::new(0.0, -0.4, 0.25)).norm() < 0.1);
    }
}

thread_local! {
    static WILD: World = {
        let mut world = world();
        world.reset(Task::PlaceBlock, 0, StartPose::Home);
        world
    };
}
