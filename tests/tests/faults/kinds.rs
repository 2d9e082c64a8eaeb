//! The arm that answers is not the arm that was meant, or not in the state that it should be in.

use crate::{heal, inject, is_shown, now_ns};
use jaco_api::Mode;
use jaco_sim_link::control::Faults;
use jaco_tests::Rig;
use jaco_tests::faults::Row;
use rustix::process::Signal;

/// A daemon that is started on an arm with `faults`; the row's promises about it.
fn at_start(row: &Row, faults: Faults) -> Rig {
    let mut rig = Rig::homed().unwrap();
    rig.end_daemon(Signal::TERM).unwrap();
    let mut sim = rig.control().unwrap();
    let since_ns = inject(&mut sim, faults);
    rig.start_daemon().unwrap();
    is_shown(&rig, row);
    row.judge_arm(&mut sim, since_ns).unwrap();
    rig
}

/// A seven-joint arm was homed and driven, its last joint ignored.
#[test]
fn seven_joints() {
    let row = Row::of("seven-joints");
    let rig = at_start(&row, Faults { robot_type: Some(8), ..Faults::default() });
    assert_eq!(rig.status().unwrap().mode, Mode::NoArm);
    assert!(!rig.control().unwrap().status().unwrap().has_control);
}

#[test]
fn mico() {
    let row = Row::of("mico");
    at_start(&row, Faults { robot_type: Some(2), ..Faults::default() });
}

#[test]
fn joints_missing() {
    let row = Row::of("joints-missing");
    at_start(&row, Faults { actuators: Some(4), ..Faults::default() });
}

#[test]
fn two_fingers() {
    let row = Row::of("two-fingers");
    at_start(&row, Faults { fingers: Some(2), ..Faults::default() });
}

/// It was "idle".
#[test]
fn cartesian_fault() {
    let row = Row::of("cartesian-fault");
    let rig = at_start(&row, Faults { cartesian_fault: 1, ..Faults::default() });
    let run = rig.jaco(&["run", jaco_tests::TASK]).unwrap();
    assert!(!run.status.success(), "nothing moves with a fault");
    heal(&mut rig.control().unwrap());
    row.bring_back(&rig).unwrap();
}

#[test]
fn force_control_on() {
    let row = Row::of("force-control-on");
    let rig = at_start(&row, Faults { force_control_on: true, ..Faults::default() });
    assert!(rig.status().unwrap().faults.is_empty());
    row.bring_back(&rig).unwrap();
}

#[test]
fn torque_mode() {
    let row = Row::of("torque-mode");
    let rig = at_start(&row, Faults { torque_mode: true, ..Faults::default() });
    let run = rig.jaco(&["run", jaco_tests::TASK]).unwrap();
    assert!(!run.status.success(), "an arm in torque control takes no velocities");
}

/// "The arm is home" with a finger that had never found its zero.
#[test]
fn fingers_not_initialised() {
    let (row, rig) = (Row::of("fingers-not-initialised"), Rig::start().unwrap());
    let mut sim = rig.control().unwrap();
    rig.jaco_json(&["home"]).unwrap();
    let since_ns = now_ns(&mut sim);
    is_shown(&rig, &row);
    assert!(rig.status().unwrap().faults.is_empty(), "its fingers have found their zeros");
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}
