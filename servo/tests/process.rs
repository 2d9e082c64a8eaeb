//! The process as its daemon sees it: over a socket, on the machine's clock.
#![allow(clippy::unwrap_used)]

#[path = "support/mock.rs"]
mod mock;

use jaco_core::{Limits, MonotonicClock, Twist};
use jaco_servo::driver::{Driver, DriverOptions};
use jaco_servo::process::cycle::{Cycle, Grants, Lost};
use jaco_servo::process::socket::PacketSocket;
use jaco_servo::process::{ENDING, run};
use jaco_servo::spawn::{END_TIME, LinkError, ServoLink, SpawnOptions, spawn};
use jaco_servo::{Command, FromServo, Mode, ServoCore, ServoStatus};
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
        let driver = Driver::connect(arm, options, &MonotonicClock, &mut |_| {}).unwrap();
        let core = ServoCore::new(Limits::default()).unwrap();
        let mut cycle = Cycle::new(core, driver, MonotonicClock, Grants::default());
        run(&mut cycle, &theirs, &MonotonicClock)
    });
    (ServoLink::new(ours), servo)
}

/// The next status; anything else is a failure.
fn status(link: &ServoLink) -> ServoStatus {
    match link.recv_timeout(PATIENCE).unwrap() {
        Some(FromServo::Status(status)) => status,
        other => panic!("no status: {other:?}"),
    }
}

/// A shell script in the servo's place.
fn stand_in(name: &str) -> SpawnOptions {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    SpawnOptions::new(folder.join(name), PathBuf::from("/nonexistent.so"))
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
        let status = status(&link);
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
    status(&link);
    arm.inside().read_codes = vec![1015; 100_000].into();
    assert!(matches!(servo.join().unwrap(), Err(Lost::Unreadable { .. })));
    let last = std::iter::from_fn(|| link.recv_timeout(PATIENCE).ok().flatten()).last();
    match last {
        Some(FromServo::LastWords(words)) => assert!(words.as_str().contains("1015"), "{words}"),
        other => panic!("it ended without a word: {other:?}"),
    }
    assert_eq!(arm.inside().log.last(), Some(&"CloseAPI"));
}

#[test]
fn statuses_follow_one_another_and_show_what_commands_did() {
    let arm = MockArm::new();
    let (link, servo) = start(&arm);
    let first = status(&link);
    link.send(&Command::StartMotion).unwrap();
    let mut last = first;
    while last.report.mode != Mode::Motion {
        let status = status(&link);
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
    let servo = spawn(&SpawnOptions::new(program(), sdk)).unwrap();
    // Left unread, as while the SDK starts: its last words must come through all the same.
    servo.link().send(&Command::Heartbeat).unwrap();
    let mut said = Vec::new();
    let end = loop {
        match servo.link().recv_timeout(PATIENCE) {
            Ok(Some(message)) => said.push(message),
            other => break other,
        }
    };
    assert!(matches!(end, Err(LinkError::Closed)), "{end:?}");
    let [FromServo::Starting(doing), FromServo::LastWords(why)] = said[..] else {
        panic!("{said:?}")
    };
    assert_eq!(doing.as_str(), "loading the SDK");
    assert!(why.as_str().contains("/nonexistent/USBCommandLayerUbuntu.so"), "{why}");
    let ended = servo.end();
    assert_eq!((ended.status.unwrap().code(), ended.killed), (Some(1), false));
    assert_eq!(ended.to_string(), "exit status: 1");
}

#[test]
fn a_servo_with_bad_limits_is_not_started() {
    let limits = Limits { linear_speed_m_s: 0.0, ..Limits::default() };
    let refused = spawn(&SpawnOptions { limits, ..stand_in("endless") }).unwrap_err();
    assert!(refused.to_string().contains("linear_speed_m_s is 0"), "{refused}");
}

/// The servo may take all of [`ENDING`] to give the arm back. It was killed in that very moment.
#[test]
fn a_servo_that_takes_its_time_to_give_the_arm_back_is_not_killed() {
    assert!(END_TIME > ENDING);
    let seconds = ENDING.as_secs_f64() + 0.2;
    let mut options = stand_in("slow");
    options.environment.push(("ENDING_S".into(), seconds.to_string().into()));
    let ended = spawn(&options).unwrap().end();
    assert_eq!((ended.status.unwrap().code(), ended.killed), (Some(7), false), "{ended}");
}

#[test]
fn a_servo_that_does_not_end_is_killed_when_its_time_is_over() {
    let ended = spawn(&stand_in("endless")).unwrap().end();
    assert_eq!((ended.status.unwrap().code(), ended.killed), (None, true));
    assert!(ended.to_string().starts_with("it was killed"), "{ended}");
}

#[test]
fn a_silent_servo_is_killed_at_once_and_leaves_nothing_in_the_process_table() {
    let servo = spawn(&stand_in("endless")).unwrap();
    let entry = PathBuf::from(format!("/proc/{}", servo.pid()));
    assert!(entry.exists());
    assert!(servo.kill().killed);
    assert!(!entry.exists());
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
