//! Stops, and the ends of the daemon: told, killed, frozen.

use crate::{failed, now_ns};
use jaco_api::Mode;
use jaco_tests::Rig;
use jaco_tests::faults::Row;
use rustix::process::Signal;

/// `jaco home` said "the arm is home" though it was stopped half way.
#[test]
fn stop_homing() {
    let (row, rig) = (Row::of("stop-homing"), Rig::start().unwrap());
    let (home, mut sim) = rig.begin_homing().unwrap();
    let since_ns = now_ns(&mut sim);
    let stop = rig.start_jaco(&["stop"]).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    assert!(stop.end().unwrap().1.success());
    row.is_told(&failed(home));
    row.bring_back(&rig).unwrap();
}

#[test]
fn stop_run() {
    let (row, rig) = (Row::of("stop-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = now_ns(&mut sim);
    let stop = rig.start_jaco(&["stop"]).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    assert!(stop.end().unwrap().1.success());
    row.is_told(&run.end().unwrap().0);
    row.bring_back(&rig).unwrap();
}

#[test]
fn stop_outlives_daemon() {
    let (row, mut rig) = (Row::of("stop-outlives-daemon"), Rig::homed().unwrap());
    rig.jaco_json(&["stop"]).unwrap();
    rig.end_daemon(Signal::KILL).unwrap();
    let mut sim = rig.control().unwrap();
    let since_ns = now_ns(&mut sim);
    rig.start_daemon().unwrap();
    let status = rig.until("an arm", |status| status.position_m.is_some()).unwrap();
    assert_eq!(status.mode, Mode::Stopped);
    row.is_told(&status.stop.unwrap());
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn daemon_killed_run() {
    let (row, mut rig) = (Row::of("daemon-killed-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = now_ns(&mut sim);
    rig.end_daemon(Signal::KILL).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    rig.start_daemon().unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn daemon_killed_homing() {
    let (row, mut rig) = (Row::of("daemon-killed-homing"), Rig::start().unwrap());
    let (home, mut sim) = rig.begin_homing().unwrap();
    let since_ns = now_ns(&mut sim);
    rig.end_daemon(Signal::KILL).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(home));
    rig.start_daemon().unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn daemon_frozen_run() {
    let (row, rig) = (Row::of("daemon-frozen-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = now_ns(&mut sim);
    rig.signal_daemon(Signal::STOP).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    rig.signal_daemon(Signal::CONT).unwrap();
    row.is_told(&failed(run));
    row.bring_back(&rig).unwrap();
}

#[test]
fn daemon_frozen_homing() {
    let (row, rig) = (Row::of("daemon-frozen-homing"), Rig::start().unwrap());
    let (home, mut sim) = rig.begin_homing().unwrap();
    let since_ns = now_ns(&mut sim);
    rig.signal_daemon(Signal::STOP).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    rig.signal_daemon(Signal::CONT).unwrap();
    row.is_told(&failed(home));
    row.bring_back(&rig).unwrap();
}

/// The arm still moved a second after the log said that it holds: the end waited for the homing.
#[test]
fn sigterm_homing() {
    let (row, mut rig) = (Row::of("sigterm-homing"), Rig::start().unwrap());
    let (home, mut sim) = rig.begin_homing().unwrap();
    let since_ns = now_ns(&mut sim);
    rig.signal_daemon(Signal::TERM).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(home));
    assert!(rig.wait_daemon().unwrap().success());
    assert!(rig.log().contains("the arm rests"), "{}", rig.log());
    rig.start_daemon().unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn sigterm_run() {
    let (row, mut rig) = (Row::of("sigterm-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = now_ns(&mut sim);
    rig.signal_daemon(Signal::TERM).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&run.end().unwrap().0);
    assert!(rig.wait_daemon().unwrap().success());
    rig.start_daemon().unwrap();
    row.bring_back(&rig).unwrap();
}
