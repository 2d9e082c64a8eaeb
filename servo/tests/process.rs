//! The process as its daemon sees it: over a socket, on the machine's clock.
#![allow(clippy::unwrap_used)]

#[path = "support/mock.rs"]
mod mock;

use jaco_core::{Clock, MonotonicClock, Twist};
use jaco_servo::driver::{Driver, DriverOptions};
use jaco_servo::process::cycle::{Cycle, Grants, Lost};
use jaco_servo::process::run;
use jaco_servo::process::socket::PacketSocket;
use jaco_servo::spawn::{LinkError, ServoLink, SpawnOptions, spawn};
use jaco_servo::{Command, Limits, Mode, ServoCore};
use mock::MockArm;
use nalgebra::Vector3;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command as Program, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// Long enough for any machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

fn start(arm: &MockArm) -> (ServoLink, JoinHandle<Result<(), Lost>>) {
    let (ours, theirs) = PacketSocket::pair().unwrap();
    let arm = arm.clone();
    let servo = std::thread::spawn(move || {
        let options = DriverOptions::default();
        let now_ns = MonotonicClock.now_ns();
        let driver = Driver::connect(arm.clone(), arm, options, now_ns).unwrap();
        let core = ServoCore::new(Limits::default()).unwrap();
        let mut cycle = Cycle::new(core, driver, MonotonicClock, Grants::default());
        run(&mut cycle, &theirs, &MonotonicClock)
    });
    (ServoLink::new(ours), servo)
}

fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_jaco-servo").into()
}

#[test]
fn the_end_of_the_socket_slows_the_arm_and_gives_it_back() {
    let arm = MockArm::new();
    let (link, servo) = start(&arm);
    let twist = Twist { linear_m_s: Vector3::x() * 0.2, ..Twist::zero() };
    loop {
        let status = link.recv_timeout(PATIENCE).unwrap().unwrap();
        if status.report.setpoint.twist.linear_m_s.x > 0.1 {
            break;
        }
        link.send(&Command::Jog { twist, gripper: 1.0 }).unwrap();
    }
    drop(link);
    servo.join().unwrap().unwrap();
    let inside = arm.inside();
    assert_eq!(inside.points.last().unwrap().Position.CartesianPosition.X, 0.0);
    let ends = &inside.log[inside.log.len() - 3..];
    assert_eq!(ends, ["EraseAllTrajectories", "StopControlAPI", "CloseAPI"]);
}

#[test]
fn an_arm_that_is_lost_is_given_back_too() {
    let arm = MockArm::new();
    let (link, servo) = start(&arm);
    link.recv_timeout(PATIENCE).unwrap().unwrap();
    arm.inside().read_codes = vec![1015; 100_000].into();
    assert!(matches!(servo.join().unwrap(), Err(Lost::Unreadable { .. })));
    assert_eq!(arm.inside().log.last(), Some(&"CloseAPI"));
}

#[test]
fn statuses_follow_one_another_and_show_what_commands_did() {
    let arm = MockArm::new();
    let (link, servo) = start(&arm);
    let first = link.recv_timeout(PATIENCE).unwrap().unwrap();
    link.send(&Command::StartMotion).unwrap();
    let mut last = first;
    while last.report.mode != Mode::Motion {
        let status = link.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(status.ticks, last.ticks + 1);
        assert!(status.state.stamp_ns >= last.state.stamp_ns);
        last = status;
    }
    drop(link);
    servo.join().unwrap().unwrap();
}

#[test]
fn a_servo_without_its_sdk_says_so_and_ends() {
    let sdk = PathBuf::from("/nonexistent/USBCommandLayerUbuntu.so");
    let (mut child, link) = spawn(&SpawnOptions::new(program(), sdk)).unwrap();
    assert!(matches!(link.recv_timeout(PATIENCE), Err(LinkError::Closed)));
    assert!(!child.wait().unwrap().success());
}

#[test]
fn without_jacod_the_program_explains_itself() {
    let mut child = Program::new(program())
        .args(["--socket-fd=0", "--sdk=/nonexistent.so"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(said.contains("jacod starts this program"), "{said}");
}
