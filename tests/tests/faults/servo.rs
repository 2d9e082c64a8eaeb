//! The servo process killed and frozen.

use crate::{failed, is_shown, now_ns};
use jaco_api::Mode;
use jaco_tests::Rig;
use jaco_tests::faults::Row;
use rustix::process::Signal;

#[test]
fn servo_killed_idle() {
    let (row, rig) = (Row::of("servo-killed-idle"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    rig.signal_servo(Signal::KILL).unwrap();
    is_shown(&rig, &row);
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}

/// The latch died with the servo: idle a second later.
#[test]
fn servo_killed_stopped() {
    let (row, rig) = (Row::of("servo-killed-stopped"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    rig.jaco_json(&["stop"]).unwrap();
    rig.signal_servo(Signal::KILL).unwrap();
    let mut modes = Vec::new();
    rig.until("another servo", |status| {
        modes.push(status.mode);
        status.servo_restarts > 0 && status.position_m.is_some()
    })
    .unwrap();
    assert!(modes.iter().all(|mode| *mode == Mode::Stopped), "{modes:?}");
    is_shown(&rig, &row);
    let refused = rig.jaco(&["home"]).unwrap();
    assert_eq!(refused.status.code(), Some(4));
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn servo_killed_run() {
    let (row, rig) = (Row::of("servo-killed-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    rig.signal_servo(Signal::KILL).unwrap();
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    row.bring_back(&rig).unwrap();
}

/// The arm's own firmware goes on homing; the next servo ends that before anything else.
#[test]
fn servo_killed_homing() {
    let (row, rig) = (Row::of("servo-killed-homing"), Rig::start().unwrap());
    let (home, mut sim) = rig.begin_homing().unwrap();
    rig.signal_servo(Signal::KILL).unwrap();
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(home));
    row.bring_back(&rig).unwrap();
}

#[test]
fn servo_frozen_run() {
    let (row, rig) = (Row::of("servo-frozen-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    rig.signal_servo(Signal::STOP).unwrap();
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    row.bring_back(&rig).unwrap();
    assert!(rig.status().unwrap().servo_restarts > 0, "it was replaced");
}

/// `jaco stop` said "stopped" although nobody had heard it.
#[test]
fn servo_frozen_stop() {
    let (row, rig) = (Row::of("servo-frozen-stop"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    rig.signal_servo(Signal::STOP).unwrap();
    let stopped = rig.jaco_json(&["stop"]).unwrap();
    row.is_told(stopped["detail"].as_str().unwrap());
    let status = rig.status().unwrap();
    assert_eq!((status.mode, status.servo_restarts), (Mode::Stopped, 1), "told by another servo");
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}
