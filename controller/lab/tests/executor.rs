//! The servo's law and the simulated arm together: exact displacements in spite of the dead zone,
//! contact, and our kinematics against the simulator's.
#![allow(clippy::unwrap_used)]

use jaco_core::{Action, ActionStream, ArmState, Chunk, Limits, TICKS_PER_STEP, Task, Twist};
use jaco_servo::kinematics::Kinematics;
use jaco_servo::limits::acted::Limit;
use jaco_servo::{Command, ServoCore};
use jaco_sim::firmware::Vices;
use jaco_sim::{StartPose, World, WorldOptions};
use nalgebra::Vector3;

/// An arm that does not move below 0.03 m/s or 0.2 rad/s.
fn dead_zone() -> Vices {
    Vices { dead_zone_m_s: 0.03, dead_zone_rad_s: 0.2, ..Vices::default() }
}

struct Rig {
    world: World,
    servo: ServoCore,
    state: ArmState,
    ticks: u64,
}

impl Rig {
    fn new(limits: Limits, vices: Vices) -> Self {
        let mut world = World::new(&WorldOptions::default()).unwrap();
        world.reset(Task::PlaceBlock, 7, StartPose::Home);
        world.firmware().set_vices(vices);
        let state = world.arm_state();
        Self { world, servo: ServoCore::new(limits).unwrap(), state, ticks: 0 }
    }

    fn command(&mut self, command: &Command) {
        self.servo.command(self.world.now_ns(), command).unwrap();
    }

    fn start(&mut self, pause_when_empty: bool) {
        self.command(&Command::StartPolicy { statistics: None, pause_when_empty });
    }

    fn queue(&mut self, first_step: u64, actions: &[Action]) {
        let chunk = Chunk::Actions(actions.iter().copied().collect());
        self.command(&Command::Stream(ActionStream { first_step, chunk, from_frame_ns: 0 }));
    }

    /// A tick; the pose is read at every other one, as on the arm.
    fn tick(&mut self) -> Twist {
        self.command(&Command::Heartbeat);
        if self.ticks.is_multiple_of(2) {
            self.state = self.world.arm_state();
        }
        self.ticks += 1;
        let setpoint = self.servo.tick(self.world.now_ns(), &self.state);
        let ticks_s = setpoint.finger_velocity.map(|velocity| velocity * 6800.0);
        self.world.firmware().push_velocity(&setpoint.twist, ticks_s);
        self.world.tick();
        setpoint.twist
    }

    fn run(&mut self, ticks: u64) -> Vec<Twist> {
        (0..ticks).map(|_| self.tick()).collect()
    }

    fn at_m(&self) -> Vector3<f64> {
        self.world.arm_state().pose.position_m
    }

    /// How far the reference is ahead of the arm.
    fn ahead_m(&self) -> Vector3<f64> {
        self.servo.report().reference.unwrap().position_m - self.at_m()
    }
}

fn shift(way_m: Vector3<f64>) -> Action {
    Action { translation_m: way_m.into(), ..Action::still(1.0) }
}

fn ways() -> [Vector3<f64>; 5] {
    [Vector3::x(), -Vector3::x(), Vector3::z(), -Vector3::y(), Vector3::new(0.6, -0.64, 0.48)]
}

fn assert_at(rig: &Rig, want_m: &Vector3<f64>, what: &str) {
    let off_m = (rig.at_m() - want_m).norm();
    assert!(off_m < 1e-3, "{what}: {:.2} mm off", off_m * 1e3);
}

#[test]
fn ten_units_of_5_mm_are_50_mm_although_the_arm_has_a_dead_zone() {
    for vices in [dead_zone(), Vices::default()] {
        for way in ways() {
            let mut rig = Rig::new(Limits::default(), vices);
            rig.run(50);
            let from_m = rig.at_m();
            rig.start(false);
            rig.queue(0, &[shift(way * 0.005); 10]);
            rig.run(10 * TICKS_PER_STEP + 100);
            assert_at(&rig, &(from_m + way * 0.05), &format!("{way:?} {vices:?}"));
        }
    }
}

/// Two units at a time and a wait in between, as in synchronous execution.
#[test]
fn pauses_do_not_change_what_the_units_add_up_to() {
    for way in ways() {
        let mut rig = Rig::new(Limits::default(), dead_zone());
        rig.run(50);
        let from_m = rig.at_m();
        rig.start(true);
        for first_step in [0, 2, 4, 6, 8] {
            rig.queue(first_step, &[shift(way * 0.005); 2]);
            rig.run(2 * TICKS_PER_STEP + 25);
        }
        rig.run(100);
        assert_at(&rig, &(from_m + way * 0.05), &format!("{way:?}"));
    }
}

/// 2 mm a step is 0.02 m/s, in the middle of the dead zone.
#[test]
fn motion_slower_than_the_dead_zone_arrives_too() {
    let mut rig = Rig::new(Limits::default(), dead_zone());
    rig.run(50);
    let from_m = rig.at_m();
    rig.start(false);
    rig.queue(0, &[shift(Vector3::x() * 0.002); 25]);
    rig.run(25 * TICKS_PER_STEP + 100);
    assert_at(&rig, &(from_m + Vector3::x() * 0.05), "2 mm a step");
}

#[test]
fn an_arm_with_a_dead_zone_turns_as_far_as_asked() {
    let mut rig = Rig::new(Limits::default(), dead_zone());
    rig.run(50);
    let from = rig.world.arm_state().pose;
    rig.start(false);
    let turn = Action { rotation_rad: [0.0, 0.0, 0.02], ..Action::still(1.0) };
    rig.queue(0, &[turn; 10]);
    rig.run(10 * TICKS_PER_STEP + 100);
    let turned_rad = from.rotation_to(&rig.world.arm_state().pose.orientation);
    let off_rad = (turned_rad - Vector3::z() * 0.2).norm();
    assert!(off_rad < 0.006, "{off_rad:.4} rad off");
}

#[test]
fn at_rest_the_bursts_end() {
    let mut rig = Rig::new(Limits::default(), dead_zone());
    rig.start(false);
    rig.queue(0, &[shift(Vector3::new(0.004, -0.003, 0.002)); 6]);
    rig.run(6 * TICKS_PER_STEP + 150);
    let from_m = rig.at_m();
    let moving = |twist: &Twist| twist.linear_m_s.norm() >= 0.03;
    let bursts = rig.run(1000).iter().filter(|twist| moving(twist)).count();
    assert_eq!(bursts, 0);
    assert!((rig.at_m() - from_m).norm() < 2e-4);
}

/// An arm that stands on the table, and limits that let it press on.
fn standing() -> Rig {
    let limits =
        Limits { workspace_min_m: [-0.45, -0.75, -0.3], force_limit_n: 200.0, ..Limits::default() };
    let mut rig = Rig::new(limits, Vices::default());
    rig.start(false);
    let mut step = 0;
    while rig.servo.report().counters.executed < 45 {
        rig.queue(step, &[shift(-Vector3::z() * 0.01)]);
        rig.run(TICKS_PER_STEP);
        step += 1;
    }
    rig
}

/// A run failed after three seconds in which the hand stood on the cube and the reference waited
/// 4 cm below it, as far as the leash let it.
#[test]
fn contact_does_not_wind_the_reference_up_and_the_way_back_begins_at_once() {
    let mut rig = standing();
    let stands_m = rig.at_m();
    let ahead_m = rig.ahead_m();
    assert!(ahead_m.norm() < 0.02, "the reference waits {ahead_m:?} ahead");
    rig.queue(45, &[shift(Vector3::z() * 0.01); 4]);
    let twists = rig.run(TICKS_PER_STEP);
    let rises = twists.iter().position(|twist| twist.linear_m_s.z > 0.0);
    assert!(rises.is_some_and(|ticks| ticks < 6), "{rises:?}");
    // The simulated base has wound its joint targets up and takes some ticks to come back itself.
    rig.run(2 * TICKS_PER_STEP);
    assert!(rig.at_m().z > stands_m.z + 0.006, "{} to {}", stands_m.z, rig.at_m().z);
}

#[test]
fn an_arm_that_presses_stops_pressing_at_the_force_limit() {
    let press = |force_limit_n: f64| {
        let limits =
            Limits { force_limit_n, workspace_min_m: [-0.45, -0.75, -0.3], ..Limits::default() };
        let mut rig = Rig::new(limits, Vices::default());
        rig.start(false);
        let (mut sum_n, mut acted) = (0.0_f64, false);
        for step in 0..60 {
            rig.queue(step, &[shift(-Vector3::z() * 0.01)]);
            for _ in 0..TICKS_PER_STEP {
                rig.tick();
                acted |= rig.servo.report().acted.holds(Limit::Force);
            }
            if step >= 50 {
                sum_n += rig.state.wrench.force_n.norm();
            }
        }
        (sum_n / 10.0, acted)
    };
    let ((free_n, _), (limited_n, acted)) = (press(200.0), press(30.0));
    // The simulated base keeps up what its joint targets press with when they are moved no further.
    assert!(acted && limited_n < 0.7 * free_n, "{free_n} N, {limited_n} N");
}

#[test]
fn our_kinematics_is_the_simulators() {
    let mut world = World::new(&WorldOptions::default()).unwrap();
    for seed in 0..200 {
        world.reset(Task::ALL[seed as usize % 4], seed, StartPose::Random);
        let state = world.arm_state();
        let ours = Kinematics::at(&state.joints_rad).pose;
        let off_m = (ours.position_m - state.pose.position_m).norm();
        let off_rad = ours.orientation.angle_to(&state.pose.orientation);
        assert!(off_m < 1e-3 && off_rad < 0.01, "seed {seed}: {off_m} m, {off_rad} rad");
    }
}
