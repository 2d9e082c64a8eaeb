//! The `jaco-sim` program as its clients meet it: started for real, judged by simulated time.

#![allow(clippy::unwrap_used)]

#[path = "common/program.rs"]
mod program;

use jaco_core::Task;
use jaco_sim_link::LinkError;
use jaco_sim_link::control::Faults;
use jaco_sim_link::sdk::{Call, Reply};
use kinova_sys::{
    CartesianPosition, HAND_MODE, JoystickCommand, POSITION_TYPE, QuickStatus, TrajectoryPoint,
};
use program::{PATIENCE, Program, command, read};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

fn velocity(x_m_s: f32) -> Call {
    let mut point = TrajectoryPoint::default();
    point.Position.Type = POSITION_TYPE::CARTESIAN_VELOCITY;
    point.Position.HandMode = HAND_MODE::VELOCITY_MODE;
    point.Position.CartesianPosition.X = x_m_s;
    Call::SendBasicTrajectory(point)
}

#[test]
fn signals_and_quit_end_it_cleanly() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut program = Program::start(&[]);
        program.signal(signal);
        let (status, said) = program.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(!program.socket().exists());
    }
    let mut program = Program::start(&[]);
    program.control().quit().unwrap();
    assert_eq!(program.end().0.code(), Some(0));
    assert!(!program.socket().exists());
}

#[test]
fn a_killed_ones_socket_is_taken_over_and_a_living_ones_is_not() {
    let mut program = Program::start(&[]);
    let second = command(&program.socket()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("served by another program"), "{said}");
    program.control().status().unwrap();

    program.signal(libc::SIGKILL);
    program.end();
    assert!(program.socket().exists());
    let mut child = command(&program.socket()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    while !said.contains("ready") {
        assert_ne!(log.read_line(&mut said).unwrap(), 0, "not ready; it said: {said}");
    }
    program.control().quit().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_wrong_command_line_and_a_wrong_timestep_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = command(&folder.path().join("sim.sock")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run(&["--task", "make-coffee"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("place-block"), "{said}");
    let (code, said) = run(&["--timestep-ms", "3"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("0.003 s does not divide a tick"), "{said}");
    assert!(!folder.path().join("sim.sock").exists());
}

#[test]
fn it_starts_with_an_arm_that_wants_homing_unless_told_otherwise() {
    let program = Program::start(&[]);
    assert!(!program.control().status().unwrap().homed);
    let status: QuickStatus = read(&mut program.sdk(), Call::GetQuickStatus);
    assert_eq!(status.RetractType, 6);

    let program = Program::start(&["--homed", "--task", "relocate-cup", "--seed", "9"]);
    let status = program.control().status().unwrap();
    assert!(status.homed);
    assert_eq!((status.task, status.seed), (Task::RelocateCup, 9));
}

#[test]
fn queued_velocity_points_are_consumed_one_a_tick() {
    let program = Program::start(&["--homed"]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    let before: CartesianPosition = read(&mut sdk, Call::GetCartesianPosition);
    for _ in 0..100 {
        assert_eq!(sdk.call(&velocity(0.05)).unwrap(), Reply::code(1));
    }
    control.wait(100).unwrap();
    let status = control.status().unwrap();
    assert_eq!(status.fifo_count, 0);
    assert!((1..=100).contains(&status.points_per_s), "{status:?}");
    assert_eq!(status.sdk_clients, 1);
    control.wait(50).unwrap();
    assert!(control.status().unwrap().arm_speed_m_s < 1e-3);
    let after: CartesianPosition = read(&mut sdk, Call::GetCartesianPosition);
    let moved_m = after.Coordinates.X - before.Coordinates.X;
    assert!((moved_m - 0.05).abs() < 0.003, "{moved_m}");
}

#[test]
fn a_reset_lays_the_table_by_its_seed_and_homes_the_arm() {
    let program = Program::start(&[]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    let mut lay = |task, seed| {
        control.reset(task, seed).unwrap();
        let outcome = control.outcome().unwrap();
        assert!(!outcome.success);
        outcome.distance_m
    };
    let one = lay(Task::PlaceBlock, 1);
    let two = lay(Task::PlaceBlock, 2);
    assert!((one - two).abs() > 1e-3, "{one} {two}");
    assert!((lay(Task::PlaceBlock, 1) - one).abs() < 1e-4);

    sdk.call(&velocity(0.1)).unwrap();
    control.reset(Task::CleanTable, 3).unwrap();
    let status = control.status().unwrap();
    assert!(status.homed);
    assert_eq!((status.task, status.seed), (Task::CleanTable, 3));
    assert_eq!(status.fifo_count, 0);
}

#[test]
fn frames_come_with_the_stamp_of_their_tick() {
    let program = Program::start(&["--homed"]);
    let mut camera = program.camera("front");
    let first = camera.next_frame(PATIENCE).unwrap();
    assert_eq!((&*first.camera, first.width, first.height), ("front", 64, 48));
    assert_eq!(first.rgb.len(), 64 * 48 * 3);
    assert!(first.rgb.iter().any(|&byte| byte != first.rgb[0]), "the picture is blank");
    let second = camera.next_frame(PATIENCE).unwrap();
    assert!(second.captured_ns > first.captured_ns);
    let now_ns = jaco_core::Clock::now_ns(&jaco_core::MonotonicClock);
    assert!(second.captured_ns < now_ns);
}

#[test]
fn a_camera_that_is_not_there_is_refused_with_the_reason() {
    let program = Program::start(&["--homed"]);
    let error = program.camera("back").next_frame(PATIENCE).unwrap_err();
    assert!(matches!(&error, LinkError::Refused(reason) if reason.contains("\"back\"")), "{error}");
    program.camera("front").next_frame(PATIENCE).unwrap();
}

#[test]
fn without_opengl_the_packages_are_named_and_the_arm_works() {
    let program = Program::start_with(|command| {
        command.arg("--homed").env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent.json")
    });
    let error = program.camera("front").next_frame(PATIENCE).unwrap_err();
    assert!(matches!(&error, LinkError::Refused(reason) if reason.contains("libegl1")), "{error}");
    let _: QuickStatus = read(&mut program.sdk(), Call::GetQuickStatus);
}

#[test]
fn a_frozen_camera_sends_nothing_and_thaws() {
    let program = Program::start(&["--homed"]);
    let mut control = program.control();
    let mut camera = program.camera("front");
    camera.next_frame(PATIENCE).unwrap();
    control.inject(Faults { freeze_camera: true, ..Faults::default() }).unwrap();
    // What was on its way before the fault may still arrive: far fewer frames than these.
    let silence = Duration::from_millis(500);
    let silent = (0..20).any(|_| matches!(camera.next_frame(silence), Err(LinkError::Timeout(_))));
    assert!(silent, "frames go on coming");
    control.inject(Faults::default()).unwrap();
    camera.next_frame(PATIENCE).unwrap();
}

#[test]
fn faults_strike_the_sdk_and_heal() {
    let program = Program::start(&["--homed"]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    let mut code = |call: Call| sdk.call(&call).unwrap().code;

    control.inject(Faults { fail_next_reads: 2, ..Faults::default() }).unwrap();
    assert_eq!(code(Call::GetQuickStatus), 1015);
    assert_eq!(code(Call::StartControlAPI), 1);
    assert_eq!(code(Call::GetQuickStatus), 1015);
    assert_eq!(code(Call::GetQuickStatus), 1);

    control.inject(Faults { arm_absent: true, ..Faults::default() }).unwrap();
    assert_eq!(code(Call::GetDevices), 1015);
    control.inject(Faults::default()).unwrap();
    assert_eq!(code(Call::GetDevices), 1);

    control.inject(Faults { hang: true, ..Faults::default() }).unwrap();
    let mut hung = program.sdk();
    let call = std::thread::spawn(move || hung.call(&Call::GetQuickStatus).unwrap().code);
    // The rest of the simulation goes on meanwhile.
    control.wait(20).unwrap();
    assert!(!call.is_finished());
    control.inject(Faults::default()).unwrap();
    assert_eq!(call.join().unwrap(), 1);
}

#[test]
fn a_held_joystick_is_read_and_moves_the_arm_once_control_is_given_back() {
    let program = Program::start(&["--homed"]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    control.inject(Faults { joystick_axis: 0.8, ..Faults::default() }).unwrap();
    let stick: JoystickCommand = read(&mut sdk, Call::GetJoystickValue);
    assert_eq!(stick.InclineLeftRight, 0.8);
    control.wait(50).unwrap();
    let status = control.status().unwrap();
    assert!(status.has_control && status.arm_speed_m_s < 1e-3, "{status:?}");
    assert_eq!(sdk.call(&Call::StopControlAPI).unwrap().code, 1);
    control.wait(50).unwrap();
    let status = control.status().unwrap();
    assert!(!status.has_control && status.arm_speed_m_s > 0.01, "{status:?}");
}

#[test]
fn it_goes_on_when_nobody_reads_its_log() {
    let mut program = Program::start(&["--homed"]);
    drop(program.log.take());
    let mut control = program.control();
    control.inject(Faults { refuse_cartesian: true, ..Faults::default() }).unwrap();
    control.reset(Task::PlaceCarrot, 1).unwrap();
    control.quit().unwrap();
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
}

#[test]
fn nonsense_ends_its_own_connection_only() {
    let program = Program::start(&["--homed"]);
    let mut control = program.control();
    let answer = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(program.socket()).unwrap();
        let mut answer = Vec::new();
        // A connection closed with something unread ends in a reset, or a write that finds nobody:
        // these are ends, too.
        let _ = stream.write_all(bytes).and_then(|()| stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert_eq!(answer(b"GET / HTTP/1.1\r\n\r\n"), "");
    assert_eq!(answer(&[b'x'; 100_000]), "");
    assert_eq!(answer(b"jaco-sim 1 sdk\n\xff\xff\xff\xff\xff\xff\xff\xff"), "");
    assert_eq!(answer(b"jaco-sim 1 sdk\n\x63\0\0\0\0\0\0\0"), "");
    let told = answer(b"jaco-sim 1 control\n{\"reset\":{\"task\":\"juggle\",\"seed\":1}}\n");
    assert!(told.contains("error") && told.contains("juggle"), "{told}");
    let told = answer(
        b"jaco-sim 1 camera\n{\"camera\":\"front\",\"width\":0,\"height\":1,\"rate_hz\":1}\n",
    );
    assert!(told.contains("0 x 1 pixels"), "{told}");
    control.status().unwrap();
}
