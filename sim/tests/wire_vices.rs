//! The vices of `jaco-sim` as its clients meet them: from the start, on request, by a schedule.

#![allow(clippy::unwrap_used)]

#[path = "common/program.rs"]
mod program;

use jaco_sim_link::control::Faults;
use jaco_sim_link::sdk::{Call, CallName};
use jaco_sim_link::{ControlClient, SdkClient};
use kinova_sys::{
    AngularPosition, CartesianPosition, GeneralInformations, HAND_MODE, JoystickCommand,
    KinovaDevice, POSITION_TYPE, QuickStatus, TrajectoryPoint,
};
use program::{Program, command, read};
use std::io::BufRead;

fn velocity(x_m_s: f32) -> Call {
    let mut point = TrajectoryPoint::default();
    point.Position.Type = POSITION_TYPE::CARTESIAN_VELOCITY;
    point.Position.HandMode = HAND_MODE::VELOCITY_MODE;
    point.Position.CartesianPosition.X = x_m_s;
    Call::SendBasicTrajectory(point)
}

fn code(sdk: &mut SdkClient, call: Call) -> i32 {
    sdk.call(&call).unwrap().code
}

/// Sends `count` points; how far the tool came in the time they take.
fn moved_m(sdk: &mut SdkClient, control: &mut ControlClient, count: u64, x_m_s: f32) -> f64 {
    let before = control.status().unwrap().tool_m[0];
    for _ in 0..count {
        assert_eq!(code(sdk, velocity(x_m_s)), 1);
    }
    control.wait(count + 50).unwrap();
    control.status().unwrap().tool_m[0] - before
}

fn serial(sdk: &mut SdkClient) -> String {
    let device: KinovaDevice = read(sdk, Call::GetDevices);
    let text: String = device.SerialNumber.iter().map(|c| *c as u8 as char).collect();
    text.trim_end_matches('\0').to_owned()
}

#[test]
fn vices_hold_from_the_start() {
    let program = Program::start(&["--homed", "--faults", r#"{"dead_zone_m_s":0.03}"#]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    let moved = moved_m(&mut sdk, &mut control, 50, 0.02);
    assert!(moved.abs() < 1e-3, "{moved}");
    control.inject(Faults::default()).unwrap();
    let moved = moved_m(&mut sdk, &mut control, 50, 0.02);
    assert!((moved - 0.01).abs() < 2e-3, "{moved}");
}

#[test]
fn a_wrong_description_of_faults_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for (words, told) in [
        (["--faults", r#"{"dead_zone":0.03}"#], "unknown field `dead_zone`"),
        (["--faults", r#"{"packet_ms":-1}"#], "packet_ms is -1; it must be 0 or more"),
        (["--serial", "an arm of ours"], "1 to 19 printable ASCII characters"),
    ] {
        let output = command(&folder.path().join("sim.sock")).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(told), "{said}");
    }
    let program = Program::start(&["--homed"]);
    let refused = Faults { fingers: Some(4), ..Faults::default() };
    let error = program.control().inject(refused).unwrap_err().to_string();
    assert!(error.contains("fingers is 4"), "{error}");
}

#[test]
fn arms_simulated_at_once_have_serial_numbers_of_their_own() {
    let (one, two) = (Program::start(&["--homed"]), Program::start(&["--homed"]));
    let (first, second) = (serial(&mut one.sdk()), serial(&mut two.sdk()));
    assert_ne!(first, second);
    assert!(first.starts_with("SIM-") && first.len() == 16, "{first}");
    let named = Program::start(&["--homed", "--serial", "PJ00900006102"]);
    assert_eq!(serial(&mut named.sdk()), "PJ00900006102");
}

/// Two connections are two clients of the vendor's library: control is the arm's, not theirs.
#[test]
fn a_client_that_stops_control_takes_it_from_all() {
    let program = Program::start(&["--homed"]);
    let (mut control, mut one, mut other) = (program.control(), program.sdk(), program.sdk());
    assert!(moved_m(&mut one, &mut control, 50, 0.05) > 0.02);
    assert_eq!(code(&mut other, Call::StopControlAPI), 1);
    let before = control.status().unwrap();
    assert!(moved_m(&mut one, &mut control, 50, 0.05) < 1e-3);
    let after = control.status().unwrap();
    assert_eq!(after.points_dropped, before.points_dropped + 50);
    assert_eq!(after.points_taken, before.points_taken);
    assert_eq!(read::<QuickStatus>(&mut one, Call::GetQuickStatus).ControlEnableStatus, 1);

    assert_eq!(code(&mut one, Call::StartControlAPI), 1);
    assert!(moved_m(&mut other, &mut control, 50, 0.05) > 0.02, "the other moves it, too");
}

#[test]
fn control_is_taken_once_or_for_good() {
    let program = Program::start(&["--homed"]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    control.inject(Faults { take_control: true, ..Faults::default() }).unwrap();
    assert!(!control.status().unwrap().has_control);
    assert_eq!(code(&mut sdk, Call::StartControlAPI), 1);
    assert!(control.status().unwrap().has_control, "it happened once");

    control.inject(Faults { control_taken: true, ..Faults::default() }).unwrap();
    assert_eq!(code(&mut sdk, Call::StartControlAPI), 1);
    assert!(!control.status().unwrap().has_control);
}

#[test]
fn a_restart_that_stays_on_the_bus_shows_in_the_uptime() {
    let program = Program::start(&["--homed"]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    control.wait(100).unwrap();
    let uptime_s = |sdk: &mut SdkClient| {
        read::<GeneralInformations>(sdk, Call::GetGeneralInformations).TimeFromStartup
    };
    let before_s = uptime_s(&mut sdk);
    assert!(before_s >= 1.0, "{before_s}");
    control.inject(Faults { power_cycle: true, ..Faults::default() }).unwrap();
    let after_s = uptime_s(&mut sdk);
    assert!(after_s < before_s, "{after_s}");
    let status: QuickStatus = read(&mut sdk, Call::GetQuickStatus);
    assert_eq!((status.RetractType, status.ControlEnableStatus), (6, 1));
    let status = control.status().unwrap();
    assert!(!status.homed && !status.has_control && status.fifo_count == 0, "{status:?}");
}

#[test]
fn a_reply_of_another_command_is_taken_for_ones_own() {
    let program = Program::start(&["--homed"]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    let joints: AngularPosition = read(&mut sdk, Call::GetAngularPosition);
    let faults = Faults {
        wrong_replies: 1,
        wrong_only: vec![CallName::GetCartesianPosition],
        ..Faults::default()
    };
    control.inject(faults).unwrap();
    let _: QuickStatus = read(&mut sdk, Call::GetQuickStatus);
    let pose: CartesianPosition = read(&mut sdk, Call::GetCartesianPosition);
    assert!((pose.Coordinates.X - joints.Actuators.Actuator1).abs() < 0.1, "{pose:?}");
    let pose: CartesianPosition = read(&mut sdk, Call::GetCartesianPosition);
    assert!(pose.Coordinates.X.abs() < 1.0, "{pose:?}");
    control.inject(Faults { wrong_replies: 1, ..Faults::default() }).unwrap();
    let _: GeneralInformations = read(&mut sdk, Call::GetGeneralInformations);
}

/// The joystick that sticks: the button was let go, but nobody heard it.
#[test]
fn a_homing_whose_release_is_lost_goes_on_until_control_is_stopped() {
    let program = Program::start(&[]);
    let (mut control, mut sdk) = (program.control(), program.sdk());
    assert_eq!(code(&mut sdk, Call::StartControlAPI), 1);
    let mut button = JoystickCommand::default();
    button.ButtonValue[2] = 1;
    assert_eq!(code(&mut sdk, Call::SendJoystickCommand(button)), 1);
    control.wait(20).unwrap();
    assert!(control.status().unwrap().homing);
    let faults = Faults {
        lose_commands: 2,
        lose_only: vec![CallName::SendJoystickCommand],
        ..Faults::default()
    };
    control.inject(faults).unwrap();
    for _ in 0..2 {
        assert_eq!(code(&mut sdk, Call::SendJoystickCommand(JoystickCommand::default())), 1);
        assert!(control.status().unwrap().homing, "the release was lost");
    }
    let stick: JoystickCommand = read(&mut sdk, Call::GetJoystickValue);
    assert_eq!(stick.ButtonValue[2], 1);
    assert_eq!(code(&mut sdk, Call::StopControlAPI), 1);
    let status = control.status().unwrap();
    assert!(!status.homing && !status.homed, "{status:?}");
}

#[test]
fn a_schedule_is_played_and_logged_and_ends_with_an_injection() {
    let mut program = Program::start(&["--homed", "--fault-schedule", "4"]);
    let mut control = program.control();
    let mut log = program.log.take().unwrap();
    let mut said = String::new();
    while !said.contains("scheduled faults") {
        said.clear();
        assert_ne!(log.read_line(&mut said).unwrap(), 0, "nothing struck");
    }
    assert!(!said.contains("scheduled faults: none"), "{said}");
    control.inject(Faults::default()).unwrap();
    control.schedule(5).unwrap();
    control.inject(Faults::default()).unwrap();
    control.quit().unwrap();
    let rest: Vec<String> = log.lines().map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.contains("a schedule of faults begins")), "{rest:?}");
}
