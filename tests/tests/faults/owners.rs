//! Who has the arm: another program, another daemon, a person, and the arm's own restart.

use crate::{failed, heal, inject, is_shown, now_ns, shown};
use jaco_api::Mode;
use jaco_sim_link::SdkClient;
use jaco_sim_link::control::Faults;
use jaco_sim_link::sdk::Call;
use jaco_tests::faults::Row;
use jaco_tests::{Rig, Setup, poll};

/// A second jacod streamed too, its stop stopped nothing, and its end took control from the first,
/// which stayed idle without a fault while every point was dropped.
#[test]
fn second_daemon() {
    let (row, rig) = (Row::of("second-daemon"), Rig::homed().unwrap());
    let second = rig.second_daemon().unwrap();
    let mut sim = rig.control().unwrap();
    poll("the second daemon's fault", || {
        let faults = second.status().map(|status| status.faults.concat()).unwrap_or_default();
        Ok(row.told().all(|text| faults.contains(text)).then_some(()))
    })
    .unwrap();
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    assert!(second.end().unwrap().success());
    let status = rig.status().unwrap();
    assert_eq!((status.mode, status.servo_restarts), (Mode::Idle, 0));
    assert!(sim.status().unwrap().has_control);
    row.bring_back(&rig).unwrap();
}

/// The servo of a daemon that was killed streamed beside its successor's.
#[test]
fn servo_orphaned() {
    let (row, mut rig) = (Row::of("servo-orphaned"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = now_ns(&mut sim);
    rig.end_daemon(rustix::process::Signal::KILL).unwrap();
    rig.start_daemon().unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    row.bring_back(&rig).unwrap();
    assert!(sim.status().unwrap().has_control);
}

/// Runs "went on" for 51 steps with every point dropped.
#[test]
fn control_taken_run() {
    let (row, rig) = (Row::of("control-taken-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = inject(&mut sim, Faults { take_control: true, ..Faults::default() });
    row.judge_arm(&mut sim, since_ns).unwrap();
    let (said, status) = run.end().unwrap();
    assert!(!status.success(), "{said}");
    rig.until("the hand-over", |status| status.mode == Mode::HandedOver).unwrap();
    row.is_told(&(said + &shown(&rig)));
    row.bring_back(&rig).unwrap();
}

#[test]
fn control_taken_idle() {
    let (row, rig) = (Row::of("control-taken-idle"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    let since_ns = inject(&mut sim, Faults { take_control: true, ..Faults::default() });
    is_shown(&rig, &row);
    row.judge_arm(&mut sim, since_ns).unwrap();
    assert!(!sim.status().unwrap().has_control, "it is not fought over");
    row.bring_back(&rig).unwrap();
}

#[test]
fn power_cycle_run() {
    let (row, rig) = (Row::of("power-cycle-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = inject(&mut sim, Faults { power_cycle: true, ..Faults::default() });
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    row.bring_back(&rig).unwrap();
}

#[test]
fn power_cycle_idle() {
    let (row, rig) = (Row::of("power-cycle-idle"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    let since_ns = inject(&mut sim, Faults { power_cycle: true, ..Faults::default() });
    is_shown(&rig, &row);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}

/// SetCartesianControl went out every half second, against whoever had taken joint control.
#[test]
fn joint_control_idle() {
    let (row, rig) = (Row::of("joint-control-idle"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    let mut person = SdkClient::connect(&rig.sim_socket()).unwrap();
    assert_eq!(person.call(&Call::SetAngularControl).unwrap().code, 1);
    let since_ns = now_ns(&mut sim);
    is_shown(&rig, &row);
    row.judge_arm(&mut sim, since_ns).unwrap();
    sim.wait(100).unwrap();
    let control = person.call(&Call::GetControlType).unwrap();
    assert_eq!(control.output[0], 1, "still joint control");
    row.bring_back(&rig).unwrap();
}

#[test]
fn released_run() {
    let (row, rig) = (Row::of("released-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = now_ns(&mut sim);
    rig.jaco_json(&["release"]).unwrap();
    row.is_told(&run.end().unwrap().0);
    assert!(!sim.status().unwrap().has_control);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
    assert!(sim.status().unwrap().has_control);
}

/// Nobody looked at the joystick while the arm homed.
#[test]
fn joystick_homing() {
    let (row, rig) = (Row::of("joystick-homing"), Rig::start().unwrap());
    let (home, mut sim) = rig.begin_homing().unwrap();
    let since_ns = inject(&mut sim, Faults { joystick_axis: 0.6, ..Faults::default() });
    row.is_told(&failed(home));
    rig.until("the hand-over", |status| status.mode == Mode::HandedOver).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    heal(&mut sim);
    rig.until("a joystick let go", |status| status.joystick_held == Some(false)).unwrap();
    row.bring_back(&rig).unwrap();
}

/// It was read and never used.
#[test]
fn home_on_start() {
    let (row, rig) = (
        Row::of("home-on-start"),
        Rig::start_as(Setup {
            configure: Some(|config| config.arm.home_on_start = true),
            ..Setup::default()
        })
        .unwrap(),
    );
    let mut sim = rig.control().unwrap();
    poll("an arm at home", || Ok(sim.status()?.homed.then_some(()))).unwrap();
    rig.until("idle", |status| status.mode == Mode::Idle).unwrap();
    row.is_told(&rig.log());
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}
