//! The real arm's vices, switched on in lockstep, and what an arm says of itself: retract type,
//! fingers, the emulated home button.
#![allow(clippy::unwrap_used)]

use jaco_core::{Task, Twist};
use jaco_sim::firmware::vices::Nan;
use jaco_sim::firmware::{ControlType, DONE, Vices};
use jaco_sim::{StartPose, World, WorldOptions};
use kinova_sys::{HAND_MODE, POSITION_TYPE, TrajectoryPoint};
use nalgebra::Vector3;
use proptest::prelude::*;

const STILL: [f64; 3] = [0.0; 3];

fn world() -> World {
    World::new(&WorldOptions::default()).unwrap()
}

fn with(vices: Vices) -> World {
    let mut world = world();
    world.firmware().set_vices(vices);
    world
}

/// An arm just switched on, under control.
fn switched_on() -> World {
    let mut world = world();
    world.power_up(Task::PlaceBlock, 0);
    world.firmware().start_control();
    world
}

fn twist(linear: [f64; 3], angular: [f64; 3]) -> Twist {
    Twist { linear_m_s: Vector3::from(linear), angular_rad_s: Vector3::from(angular) }
}

fn run(world: &mut World, ticks: usize) {
    for _ in 0..ticks {
        world.tick();
    }
}

/// How far the tool moves \[m\] and turns \[rad\] while `twist` is streamed for half a second.
fn moved_by(world: &mut World, twist: &Twist) -> (f64, f64) {
    let from = world.arm_state().pose;
    for _ in 0..50 {
        world.firmware().push_velocity(twist, STILL);
        world.tick();
    }
    run(world, 20);
    let to = world.arm_state().pose;
    ((to.position_m - from.position_m).norm(), from.rotation_to(&to.orientation).norm())
}

fn retract_type(world: &mut World) -> u8 {
    world.firmware().quick_status().retract_type
}

#[test]
fn in_the_dead_zone_nothing_moves_and_beyond_it_all() {
    let vices = Vices { dead_zone_m_s: 0.03, dead_zone_rad_s: 0.2, ..Vices::default() };
    // The four speeds that a user of a real arm tried: kinova-ros issue 205.
    let (moved_m, _) = moved_by(&mut with(vices), &twist([0.02, 0.0, 0.0], [0.0; 3]));
    assert!(moved_m < 5e-4, "{moved_m}");
    let (moved_m, _) = moved_by(&mut with(vices), &twist([0.03, 0.0, 0.0], [0.0; 3]));
    assert!((moved_m - 0.015).abs() < 0.002, "{moved_m}");
    let (_, turned_rad) = moved_by(&mut with(vices), &twist([0.0; 3], [0.0, 0.0, 0.1]));
    assert!(turned_rad < 2e-3, "{turned_rad}");
    let (_, turned_rad) = moved_by(&mut with(vices), &twist([0.0; 3], [0.0, 0.0, 0.2]));
    assert!((turned_rad - 0.1).abs() < 0.02, "{turned_rad}");
}

#[test]
fn the_dead_zones_of_moving_and_turning_are_apart() {
    let vices = Vices { dead_zone_m_s: 0.03, dead_zone_rad_s: 0.2, ..Vices::default() };
    let (moved_m, turned_rad) =
        moved_by(&mut with(vices), &twist([0.06, 0.0, 0.0], [0.0, 0.0, 0.1]));
    assert!(moved_m > 0.02 && turned_rad < 0.01, "{moved_m} {turned_rad}");
    let (moved_m, turned_rad) =
        moved_by(&mut with(vices), &twist([0.02, 0.0, 0.0], [0.0, 0.0, 0.4]));
    assert!(moved_m < 0.005 && turned_rad > 0.1, "{moved_m} {turned_rad}");
}

#[test]
fn vices_outlive_a_reset_and_a_snapshot_brings_back_its_own() {
    let vices = Vices { dead_zone_m_s: 0.03, ..Vices::default() };
    let mut world = world();
    let healthy = world.save();
    world.firmware().set_vices(vices);
    world.reset(Task::PlaceCarrot, 3, StartPose::Random);
    assert_eq!(*world.firmware().vices(), vices);
    world.power_up(Task::PlaceBlock, 3);
    assert_eq!(*world.firmware().vices(), vices);
    world.restore(&healthy).unwrap();
    assert_eq!(*world.firmware().vices(), Vices::default());
}

#[test]
fn the_retract_type_tells_where_homing_stands() {
    let mut world = switched_on();
    assert_eq!(retract_type(&mut world), 6, "not homed since power-up");
    world.firmware().move_home();
    world.tick();
    assert_eq!(retract_type(&mut world), 0, "homing");
    world.firmware().erase();
    run(&mut world, 20);
    assert_eq!(retract_type(&mut world), 6, "a homing that was ended homes nothing");

    world.firmware().move_home();
    while world.firmware().fifo_info().count > 0 {
        assert_ne!(retract_type(&mut world), 1, "not there yet");
        world.tick();
    }
    assert_eq!(retract_type(&mut world), 1, "at home, and standing there");

    world.firmware().set_cartesian_control();
    moved_by(&mut world, &twist([0.1, 0.0, 0.0], [0.0; 3]));
    assert_eq!(retract_type(&mut world), 5, "homed, and elsewhere");
    world.firmware().move_home();
    world.tick();
    assert_eq!(retract_type(&mut world), 0, "homing once more");

    let vices = Vices { retract_type: Some(168), ..Vices::default() };
    world.firmware().set_vices(vices);
    assert_eq!(retract_type(&mut world), 168, "25000, an error, cut to a byte");
}

/// kinova-ros' former way: the button is sent again and again until the retract type is 1.
#[test]
fn the_held_home_button_homes_an_arm_just_switched_on() {
    let mut world = switched_on();
    let mut ticks = 0;
    while retract_type(&mut world) != 1 {
        assert_eq!(world.firmware().set_home_button(true), DONE);
        assert!(world.firmware().home_button());
        world.tick();
        ticks += 1;
        assert!(ticks < 2000, "homing does not end");
    }
    assert!(world.firmware().is_homed());
    world.firmware().set_home_button(true);
    assert_eq!(world.firmware().fifo_info().count, 0, "it is there: nothing is left to do");
    world.firmware().set_home_button(false);
    assert!(!world.firmware().home_button());
}

#[test]
fn the_home_button_let_go_or_control_given_back_ends_a_homing() {
    for by_stop in [false, true] {
        let mut world = switched_on();
        for _ in 0..50 {
            world.firmware().set_home_button(true);
            world.tick();
        }
        assert_eq!(retract_type(&mut world), 0);
        if by_stop {
            world.firmware().stop_control();
        } else {
            world.firmware().set_home_button(false);
        }
        assert!(!world.firmware().home_button());
        assert_eq!(world.firmware().fifo_info().count, 0);
        run(&mut world, 20);
        let at = world.arm_state().pose.position_m;
        world.firmware().start_control();
        run(&mut world, 50);
        assert!((world.arm_state().pose.position_m - at).norm() < 5e-4, "it homed on");
        assert_eq!(retract_type(&mut world), 6);
        // Held again, it goes on.
        world.firmware().set_home_button(true);
        assert_eq!(retract_type(&mut world), 0);
    }
}

#[test]
fn a_button_held_while_nobody_has_control_homes_once_control_is_taken() {
    let mut world = world();
    world.power_up(Task::PlaceBlock, 0);
    world.firmware().set_home_button(true);
    world.tick();
    assert_eq!(retract_type(&mut world), 6);
    world.firmware().start_control();
    world.firmware().set_home_button(true);
    assert_eq!(retract_type(&mut world), 0);
}

/// As the SDK's own InitFingers does it.
#[test]
fn fingers_driven_open_by_velocity_points_are_initialised_each_by_itself() {
    let mut world = switched_on();
    let mut open = TrajectoryPoint::default();
    open.Position.Type = POSITION_TYPE::ANGULAR_VELOCITY;
    open.Position.HandMode = HAND_MODE::VELOCITY_MODE;
    let mut drive = |world: &mut World, velocities: [f32; 3]| {
        let f = &mut open.Position.Fingers;
        [f.Finger1, f.Finger2, f.Finger3] = velocities;
        for _ in 0..100 {
            assert_eq!(world.firmware().push(&open), DONE);
            world.tick();
        }
        world.firmware().quick_status().finger_initialised
    };
    assert_eq!(drive(&mut world, [0.0; 3]), [0; 3], "standing at the stop is not knowing it");
    assert_eq!(drive(&mut world, [2000.0, 2000.0, 2000.0]), [0; 3], "they close");
    assert_eq!(drive(&mut world, [-1000.0, 0.0, 0.0]), [0; 3], "they are not yet at the stop");
    assert_eq!(drive(&mut world, [-3000.0, 0.0, 0.0]), [1, 0, 0]);
    assert_eq!(drive(&mut world, [0.0, -3000.0, -3000.0]), [1; 3]);
}

#[test]
fn readings_that_are_not_numbers_are_those_of_their_group() {
    let mut world = world();
    world
        .firmware()
        .set_vices(Vices { nan: Nan { pose: true, ..Nan::default() }, ..Vices::default() });
    let state = world.arm_state();
    assert!(state.pose.position_m.iter().all(|value| value.is_nan()));
    assert!(state.joints_rad.iter().chain(&state.closure).all(|value| value.is_finite()));
    run(&mut world, 10);
    world.firmware().set_vices(Vices::default());
    assert!(world.arm_state().pose.position_m.x.is_finite(), "only the reading was wrong");
}

#[test]
fn fingers_read_beyond_closed_and_drift_until_the_vice_goes() {
    let mut world = with(Vices { finger_excess: 0.05, ..Vices::default() });
    for _ in 0..300 {
        world.firmware().push_velocity(&Twist::zero(), [4000.0; 3]);
        world.tick();
    }
    let closed = world.firmware().finger_ticks()[0];
    assert!(closed > 6900.0, "{closed}");
    world.firmware().set_vices(Vices { finger_drift_ticks_s: 20.0, ..Vices::default() });
    let before = world.firmware().finger_ticks()[0];
    run(&mut world, 500);
    let drifted = world.firmware().finger_ticks()[0] - before;
    assert!((drifted - 100.0).abs() < 20.0, "{drifted}");
    world.firmware().set_vices(Vices::default());
    run(&mut world, 1);
    let after = world.firmware().finger_ticks()[0] - before;
    assert!(after.abs() < 20.0, "{after}");
}

/// A hold is built from the command that was read: it must not unwind the turns.
#[test]
fn joint_goals_are_in_the_turns_of_the_readings() {
    let mut world = with(Vices { unbounded_joints: 1, ..Vices::default() });
    let read = world.firmware().commanded_joints_deg();
    let mut hold = TrajectoryPoint::default();
    hold.Position.Type = POSITION_TYPE::ANGULAR_POSITION;
    let a = &mut hold.Position.Actuators;
    [a.Actuator1, a.Actuator2, a.Actuator3, a.Actuator4, a.Actuator5, a.Actuator6] =
        read.map(|angle| angle as f32);
    let at = world.arm_state().pose.position_m;
    world.firmware().push(&hold);
    run(&mut world, 100);
    assert!((world.arm_state().pose.position_m - at).norm() < 1e-3, "it moved");
}

#[test]
fn a_fifo_that_lags_shows_what_was() {
    let mut world = with(Vices { fifo_lag_ms: 200, ..Vices::default() });
    run(&mut world, 30);
    for _ in 0..100 {
        world.firmware().push_velocity(&twist([0.05, 0.0, 0.0], [0.0; 3]), STILL);
    }
    let mut shown = Vec::new();
    for _ in 0..30 {
        shown.push(world.firmware().reported_fifo().count);
        world.tick();
    }
    assert_eq!(shown[..20], [0; 20], "200 ms in which nothing seems to be queued");
    assert_eq!(shown[20..23], [100, 99, 98]);
    assert_eq!(world.firmware().fifo_info().count, 70);
    world.firmware().set_vices(Vices::default());
    assert_eq!(world.firmware().reported_fifo().count, 70);
}

#[test]
fn near_a_singular_pose_motion_creeps_and_cartesian_control_is_refused() {
    let pull = twist([0.1, 0.0, 0.0], [0.0; 3]);
    let (healthy_m, _) = moved_by(&mut world(), &pull);
    let at_home = world().firmware().manipulability();
    assert!((at_home - 0.028).abs() < 1e-3, "docs/simulation.md says 0.028: {at_home}");
    // The home pose is far from singular: a threshold beyond it makes it "near".
    let vices = Vices { singularity_creep: 1.0, ..Vices::default() };
    let mut creeping = with(vices);
    let (crept_m, _) = moved_by(&mut creeping, &pull);
    assert!(crept_m > 1e-4 && crept_m < healthy_m / 4.0, "{crept_m} of {healthy_m}");
    creeping.firmware().set_angular_control();
    assert_eq!(creeping.firmware().set_cartesian_control(), DONE);
    assert_eq!(creeping.firmware().control_type(), ControlType::Angular);
    let mut far = with(Vices { singularity_creep: 1e-4, ..Vices::default() });
    assert_eq!(moved_by(&mut far, &pull).0, healthy_m);
}

#[test]
fn an_arm_that_another_client_took_drops_points_and_counts_them() {
    let mut world = world();
    let pull = twist([0.1, 0.0, 0.0], [0.0; 3]);
    moved_by(&mut world, &pull);
    let counts = world.firmware().counts();
    assert_eq!((counts.taken, counts.dropped, counts.most_fifo), (50, 0, 1));

    world.firmware().set_vices(Vices { control_taken: true, ..Vices::default() });
    world.firmware().start_control();
    let (moved_m, _) = moved_by(&mut world, &pull);
    assert!(moved_m < 1e-3, "{moved_m}");
    assert_eq!(world.firmware().quick_status().control_enable, 1);
    assert_eq!(world.firmware().counts().dropped, 50);

    world.firmware().set_vices(Vices::default());
    assert!(!world.firmware().has_control(), "nobody gave it back");
    world.firmware().start_control();
    assert!(moved_by(&mut world, &pull).0 > 0.03);
}

#[test]
fn a_restart_of_the_base_leaves_nothing_but_the_arm_where_it_is() {
    let mut world = world();
    for _ in 0..100 {
        world.firmware().push_velocity(&twist([0.1, 0.0, 0.0], [0.0; 3]), STILL);
    }
    run(&mut world, 30);
    world.firmware().reboot();
    let status = world.firmware().quick_status();
    assert_eq!((status.retract_type, status.control_enable), (6, 1));
    assert_eq!(status.finger_initialised, [0; 3]);
    assert_eq!(world.firmware().fifo_info().count, 0);
    assert_eq!(world.firmware().control_type(), ControlType::Angular);
    run(&mut world, 20);
    let at = world.arm_state().pose.position_m;
    run(&mut world, 50);
    assert!((world.arm_state().pose.position_m - at).norm() < 5e-4);
    world.firmware().start_control();
    assert!(moved_by(&mut world, &twist([0.1, 0.0, 0.0], [0.0; 3])).0 < 1e-3, "not homed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Vices bend readings and motion; the arm itself stays an arm.
    #[test]
    fn no_vice_gets_the_arm_itself_out_of_hand(
        dead_zone_m_s in 0.0..0.1,
        singularity_creep in 0.0..1.0,
        control_taken: bool,
        nan: [bool; 4],
        finger_excess in -1.0..10.0,
        unbounded_joints: i32,
        fifo_lag_ms in 0u64..1000,
        velocities in prop::collection::vec(-1.0..1.0, 3),
    ) {
        let [pose, joints, fingers, force] = nan;
        let vices = Vices {
            dead_zone_m_s,
            singularity_creep,
            control_taken,
            nan: Nan { pose, joints, fingers, force },
            finger_excess,
            unbounded_joints,
            fifo_lag_ms,
            ..Vices::default()
        };
        let mut world = VICIOUS.with(Clone::clone);
        world.firmware().set_vices(vices);
        let asked = twist([velocities[0], velocities[1], velocities[2]], [0.0; 3]);
        for _ in 0..20 {
            world.firmware().push_velocity(&asked, [1000.0; 3]);
            world.tick();
            let fifo = world.firmware().reported_fifo();
            prop_assert!(fifo.count <= fifo.max);
        }
        world.firmware().set_vices(Vices::default());
        let state = world.arm_state();
        let off = state.pose.position_m - Vector3::new(0.0, -0.4, 0.25);
        prop_assert!(off.norm() < 0.2, "{off:?}");
        prop_assert!(state.joints_rad.iter().all(|angle| angle.abs() < 10.0));
    }
}

thread_local! {
    static VICIOUS: World = world();
}
