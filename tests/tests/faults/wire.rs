//! The wire between servo and arm: replies that lie, orders that are lost, calls that take their
//! time, the semaphore that failed reads empty.

use crate::{failed, heal, inject, now_ns};
use jaco_api::Mode;
use jaco_config::Config;
use jaco_sim_link::control::{Faults, Group};
use jaco_sim_link::sdk::CallName;
use jaco_tests::faults::Row;
use jaco_tests::{Rig, Setup};

/// A stand-in for the SDK that loses its semaphore to failed reads, one for each rig.
fn leaky(homed: bool) -> Rig {
    fn configure(config: &mut Config) {
        let sim = config.sim.as_mut().unwrap();
        let folder = sim.socket.parent().unwrap().file_name().unwrap();
        let name = folder.to_string_lossy().replace('.', "");
        sim.semaphore = Some(format!("/jaco-{name}"));
    }
    Rig::start_as(Setup { homed, configure: Some(configure), ..Setup::default() }).unwrap()
}

/// MoveHome's own polls emptied the semaphore, the cancel waited for it for ever, and the arm homed
/// on for 7.2 s after `jaco stop` had said "stopped".
#[test]
fn reads_fail_homing_stop() {
    let (row, rig) = (Row::of("reads-fail-homing-stop"), leaky(false));
    let (home, mut sim) = rig.begin_homing().unwrap();
    inject(&mut sim, Faults { fail_next_reads: 5, ..Faults::default() });
    let since_ns = now_ns(&mut sim);
    let stop = rig.start_jaco(&["stop"]).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    let (said, status) = stop.end().unwrap();
    assert!(status.success(), "{said}");
    row.is_told(&(said + &failed(home)));
    row.bring_back(&rig).unwrap();
}

#[test]
fn reads_fail_in_bursts() {
    let (row, rig) = (Row::of("reads-fail-in-bursts"), leaky(true));
    let (run, mut sim) = rig.drive("60").unwrap();
    let bursts = Faults { burst_failing_reads: 3, burst_good_reads: 5, ..Faults::default() };
    inject(&mut sim, bursts);
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
    assert_eq!(rig.status().unwrap().servo_restarts, 0);
}

/// A cancel that the wire lost was never sent again: the arm homed on for 7.3 s, mode "stopped".
#[test]
fn stop_lost_homing() {
    let (row, rig) = (Row::of("stop-lost-homing"), Rig::start().unwrap());
    let (home, mut sim) = rig.begin_homing().unwrap();
    let since_ns = inject(&mut sim, Faults { lose_commands: 60, ..Faults::default() });
    let stop = rig.start_jaco(&["stop"]).unwrap();
    row.judge_arm(&mut sim, since_ns).unwrap();
    let (said, status) = stop.end().unwrap();
    assert!(status.success(), "{said}");
    row.is_told(&(said + &failed(home)));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// One such reading at rest made the arm creep by 39 mm.
#[test]
fn wrong_reply_idle() {
    let (row, rig) = (Row::of("wrong-reply-idle"), Rig::homed().unwrap());
    let mut sim = rig.control().unwrap();
    let wrong = Faults {
        wrong_replies: 1,
        wrong_only: vec![CallName::GetCartesianPosition],
        ..Faults::default()
    };
    let since_ns = inject(&mut sim, wrong);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&crate::shown(&rig));
    row.bring_back(&rig).unwrap();
}

#[test]
fn wrong_replies_run() {
    let (row, rig) = (Row::of("wrong-replies-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("60").unwrap();
    inject(&mut sim, Faults { wrong_reply_every: 7, ..Faults::default() });
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// A pose that was off by metres: the motion went on, and the workspace meant nothing.
#[test]
fn pose_jumps_run() {
    let (row, rig) = (Row::of("pose-jumps-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = inject(&mut sim, Faults { pose_jump_m: 3.0, ..Faults::default() });
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// "Homing finished" after 0.1 s while the arm homed.
#[test]
fn fifo_lags_homing() {
    let (row, rig) = (Row::of("fifo-lags-homing"), Rig::start().unwrap());
    let mut sim = rig.control().unwrap();
    inject(&mut sim, Faults { fifo_lag_ms: 500, ..Faults::default() });
    let (said, status) = rig.start_jaco(&["home"]).unwrap().end().unwrap();
    assert!(status.success(), "{said}");
    row.is_told(&said);
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    assert!(sim.status().unwrap().homed);
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// Any RetractType but 6 counted as home, 168 too.
#[test]
fn retract_type_168() {
    let (row, rig) = (Row::of("retract-type-168"), Rig::start().unwrap());
    let mut sim = rig.control().unwrap();
    inject(&mut sim, Faults { retract_type: Some(168), ..Faults::default() });
    row.is_told(&failed(rig.start_jaco(&["home"]).unwrap()));
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// Other readings renewed the age: 39 mm blind, then idle for ever without a fault.
#[test]
fn pose_unreadable_run() {
    let (row, rig) = (Row::of("pose-unreadable-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = inject(&mut sim, Faults { nan: vec![Group::Pose], ..Faults::default() });
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    rig.until("a servo given up", |status| status.mode == Mode::NoArm).unwrap();
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// The joints of before stayed in place, with a note only.
#[test]
fn joints_unreadable_run() {
    let (row, rig) = (Row::of("joints-unreadable-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    inject(&mut sim, Faults { nan: vec![Group::Joints], ..Faults::default() });
    let said = failed(run);
    let since_ns = now_ns(&mut sim);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&(said + &rig.status().unwrap().faults.concat()));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn fingers_beyond_run() {
    let (row, rig) = (Row::of("fingers-beyond-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("60").unwrap();
    let beyond = Faults { finger_excess: 0.05, unbounded_joints: 1, ..Faults::default() };
    inject(&mut sim, beyond);
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

/// 5.5, 7 and 12 ms a packet gave 88, 69 and 41 points a second.
#[test]
fn slow_packets_run() {
    let (row, rig) = (Row::of("slow-packets-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("60").unwrap();
    inject(&mut sim, Faults { packet_ms: 5.5, ..Faults::default() });
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn slower_packets_run() {
    let (row, rig) = (Row::of("slower-packets-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("60").unwrap();
    inject(&mut sim, Faults { packet_ms: 12.0, ..Faults::default() });
    let shown = rig.until("the fault", |status| !status.faults.is_empty()).unwrap();
    row.is_told(&(failed(run) + &shown.faults.concat()));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn call_blocks_run() {
    let (row, rig) = (Row::of("call-blocks-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let since_ns = inject(&mut sim, Faults { block_once_ms: 6_000, ..Faults::default() });
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    row.bring_back(&rig).unwrap();
}

#[test]
fn points_lost_run() {
    let (row, rig) = (Row::of("points-lost-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("300").unwrap();
    let lost = Faults {
        lose_commands: u32::MAX,
        lose_only: vec![CallName::SendBasicTrajectory],
        ..Faults::default()
    };
    let since_ns = inject(&mut sim, lost);
    row.judge_arm(&mut sim, since_ns).unwrap();
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn always_one_run() {
    let (row, rig) = (Row::of("always-one-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("60").unwrap();
    inject(&mut sim, Faults { always_one: true, ..Faults::default() });
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}

#[test]
fn dead_zone_run() {
    let (row, rig) = (Row::of("dead-zone-run"), Rig::homed().unwrap());
    let (run, mut sim) = rig.drive("60").unwrap();
    let zone = Faults { dead_zone_m_s: 0.03, dead_zone_rad_s: 0.2, ..Faults::default() };
    inject(&mut sim, zone);
    row.is_told(&failed(run));
    heal(&mut sim);
    row.bring_back(&rig).unwrap();
}
