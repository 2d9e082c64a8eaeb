//! The SDK that hangs, fails and lies; the arm that is not there; the person at the joystick; the
//! simulator itself.

use crate::{failed, heal, inject, is_shown, now_ns, shown};
use jaco_api::{Activity, Mode};
use jaco_config::Config;
use jaco_sim_link::ControlClient;
use jaco_sim_link::control::Faults;
use jaco_tests::faults::Row;
use jaco_tests::{Rig, Setup, poll};
use rustix::process::Signal;

#[test]
fn sdk_hangs_stop() {
    let (row, rig) = (Row::of("sdk-hangs-stop"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    let since_ns = inject(&mut sim, Faults { hang: true, ..Faults::default() });
    let stopped = rig.jaco(&["stop"]).unwrap();
    assert_eq!(stopped.status.code(), Some(1));
    row.is_told(&String::from_utf8(stopped.stdout).unwrap());
    assert_eq!(rig.status().unwrap().mode, Mode::Stopped);
    row.judge_arm(&mut sim, since_ns).unwrap();
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn sdk_hangs_run() {
    let (row, rig) = (Row::of("sdk-hangs-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = inject(&mut sim, Faults { hang: true, ..Faults::default() });
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn sdk_slow() {
    let (row, rig) = (Row::of("sdk-slow"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("60").unwrap();
    let late_before = rig.status().unwrap().late_ticks;
    inject(&mut sim, Faults { slow_calls_ms: 30, ..Faults::default() });
    row.is_told(&failed(run));
    assert!(rig.status().unwrap().late_ticks >= late_before);
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn reads_fail_briefly() {
    let (row, rig) = (Row::of("reads-fail-briefly"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("60").unwrap();
    inject(&mut sim, Faults { fail_next_reads: 3, ..Faults::default() });
    row.is_told(&failed(run));
    row.bring_back(&rig).unwrap();
    assert_eq!(rig.status().unwrap().servo_restarts, 0);
}

#[test]
fn reads_fail() {
    let (row, rig) = (Row::of("reads-fail"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = inject(&mut sim, Faults { fail_next_reads: u32::MAX, ..Faults::default() });
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn arm_unplugged() {
    let (row, rig) = (Row::of("arm-unplugged"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = inject(&mut sim, Faults { arm_absent: true, ..Faults::default() });
    row.judge_arm(&mut sim, since_ns).unwrap();
    let said = failed(run);
    let status =
        rig.until("the reason", |status| status.faults.concat().contains("InitAPI")).unwrap();
    row.is_told(&(said + &status.faults.concat()));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// The reason reached only the log; status said "the servo has ended".
#[test]
fn arm_absent_at_start() {
    let (row, mut rig) = (Row::of("arm-absent-at-start"), Rig::homed().unwrap());
    rig.end_daemon(Signal::TERM).unwrap();
    let mut sim = rig.control().unwrap();
    let since_ns = inject(&mut sim, Faults { arm_absent: true, ..Faults::default() });
    rig.start_daemon().unwrap();
    is_shown(&rig, &row);
    assert_eq!(rig.status().unwrap().mode, Mode::NoArm);
    row.judge_arm(&mut sim, since_ns).unwrap();
    let restarts = rig.status().unwrap().servo_restarts;
    rig.until("further tries", |status| status.servo_restarts > restarts + 2).unwrap();
    let told = rig.log().matches("InitAPI returned 1015").count();
    assert_eq!(told, 1, "the same failure was logged each second for ever: {}", rig.log());
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn wrong_serial() {
    let row = Row::of("wrong-serial");
    let configure =
        Some((|config: &mut Config| config.arm.serial = Some("XX".to_owned())) as fn(&mut Config));
    let rig = Rig::start_as(Setup { homed: true, configure, ..Setup::default() }).unwrap();
    is_shown(&rig, &row);
    let mut sim = rig.control().unwrap();
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
}

#[test]
fn sdk_missing() {
    let row = Row::of("sdk-missing");
    let configure =
        Some((|config: &mut Config| config.arm.sdk = "/nonexistent.so".into()) as fn(&mut Config));
    let rig = Rig::start_as(Setup { homed: true, configure, ..Setup::default() }).unwrap();
    is_shown(&rig, &row);
    let mut sim = rig.control().unwrap();
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
}

/// StartPolicy was refused, no event came, and the run stayed for ever.
#[test]
fn cartesian_refused() {
    let (row, rig) = (Row::of("cartesian-refused"), Rig::start().unwrap());
    let mut sim = rig.control().unwrap();
    inject(&mut sim, Faults { refuse_cartesian: true, ..Faults::default() });
    let said = failed(rig.start_jaco(&["home"]).unwrap());
    let ran = failed(rig.start_jaco(&["run", "put the blue cube on the green plate"]).unwrap());
    row.is_told(&(said + &ran));
    assert_eq!(rig.status().unwrap().activity, Activity::Nobody);
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// A run of 120 steps went on to its end with the stick at 0.8.
#[test]
fn joystick_run() {
    let (row, rig) = (Row::of("joystick-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("120").unwrap();
    let since_ns = inject(&mut sim, Faults { joystick_axis: 0.8, ..Faults::default() });
    let (said, _) = run.end().unwrap();
    row.is_told(&said);
    is_the_persons(&rig);
    row.judge_arm(&mut sim, since_ns).unwrap();
    let_go(&rig, &mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn joystick_idle() {
    let (row, rig) = (Row::of("joystick-idle"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    let since_ns = inject(&mut sim, Faults { joystick_axis: -0.5, ..Faults::default() });
    is_shown(&rig, &row);
    is_the_persons(&rig);
    let refused = rig.jaco(&["run", "put the blue cube on the green plate"]).unwrap();
    assert_eq!(refused.status.code(), Some(4));
    row.judge_arm(&mut sim, since_ns).unwrap();
    let held = rig.jaco(&["reset"]).unwrap();
    assert_eq!(held.status.code(), Some(1), "a hand is still there");
    let_go(&rig, &mut sim);
    row.bring_back(&rig).unwrap();
}

fn let_go(rig: &Rig, sim: &mut ControlClient) {
    heal(sim);
    rig.until("a joystick let go", |status| status.joystick_held == Some(false)).unwrap();
}

/// The arm follows the stick: control was really handed over.
fn is_the_persons(rig: &Rig) {
    rig.until("the hand-over", |status| status.mode == Mode::HandedOver).unwrap();
    let mut sim = rig.control().unwrap();
    poll("an arm that follows the stick", || {
        let status = sim.status()?;
        Ok((!status.has_control && status.arm_speed_m_s > 0.005).then_some(()))
    })
    .unwrap();
}

#[test]
fn simulator_frozen() {
    let (row, rig) = (Row::of("simulator-frozen"), Rig::homed().unwrap());
    rig.sim.signal(Signal::STOP).unwrap();
    is_shown(&rig, &row);
    rig.sim.signal(Signal::CONT).unwrap();
    let mut sim = rig.control().unwrap();
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
}

#[test]
fn simulator_killed() {
    let (row, mut rig) = (Row::of("simulator-killed"), Rig::homed().unwrap());
    rig.sim.signal(Signal::KILL).unwrap();
    is_shown(&rig, &row);
    rig.sim.replace().unwrap();
    let mut sim = rig.control().unwrap();
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.bring_back(&rig).unwrap();
    assert!(!shown(&rig).contains("\"faults\":[\"servo"));
}
