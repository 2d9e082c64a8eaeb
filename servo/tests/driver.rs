//! The driver's sequences of SDK calls, with an arm that fails on request in the SDK's place.
#![allow(clippy::unwrap_used)]

#[path = "support/mock.rs"]
mod mock;

use jaco_servo::driver::{CallError, ConnectError, Driver, DriverOptions, News, Readiness};
use mock::{Joystick, MockArm};
use std::time::Duration;

fn options(serial: Option<&str>) -> DriverOptions {
    let serial = serial.map(str::to_owned);
    DriverOptions { serial, settle: Duration::ZERO, ..DriverOptions::default() }
}

fn connect(arm: &MockArm) -> Result<Driver<MockArm>, ConnectError> {
    Driver::connect(arm.clone(), arm.clone(), options(None), 5, &mut |_| {})
}

#[test]
fn connecting_takes_control_in_the_order_that_the_arm_needs() {
    let arm = MockArm::new();
    let driver = connect(&arm).unwrap();
    assert_eq!(
        arm.take_log(),
        [
            "InitAPI",
            "GetDevices",
            "SetActiveDevice",
            "EraseAllTrajectories",
            "StartControlAPI",
            "StopControlAPI",
            "StartControlAPI",
            "GetQuickStatus",
            "SetCartesianControl",
            "GetControlType",
            "GetAngularPosition",
            "GetCartesianPosition",
        ]
    );
    assert_eq!(driver.readiness(), Readiness { homed: true, cartesian: true });
    assert_eq!((driver.state().stamp_ns, driver.serial()), (5, "PJ00900001"));
    assert!((driver.state().pose.position_m.y + 0.4).abs() < 1e-6);
}

#[test]
fn dropping_the_driver_gives_control_back_once() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.take_log();
    driver.release();
    drop(driver);
    assert_eq!(arm.take_log(), ["EraseAllTrajectories", "StopControlAPI", "CloseAPI"]);
}

#[test]
fn without_an_arm_the_sdk_is_closed_and_nothing_else_called() {
    let arm = MockArm::new();
    arm.inside().init_code = 1015;
    let error = connect(&arm).unwrap_err();
    assert!(matches!(error, ConnectError::Init(CallError::Code { code: 1015, .. })), "{error}");
    assert_eq!(arm.take_log(), ["InitAPI", "CloseAPI"]);
}

#[test]
fn an_sdk_that_claims_success_without_an_arm_is_not_believed() {
    let arm = MockArm::new();
    arm.inside().serials.clear();
    let error = connect(&arm).unwrap_err();
    assert!(matches!(error, ConnectError::NoDevice { count: 0, result: 1 }), "{error}");
    assert_eq!(arm.take_log().last(), Some(&"CloseAPI"));
}

#[test]
fn the_arm_is_chosen_by_the_start_of_its_serial_number() {
    let arm = MockArm::new();
    arm.inside().serials = vec!["PJ00900001", "PJ00900002-r1"];
    let with = |serial| Driver::connect(arm.clone(), arm.clone(), options(serial), 0, &mut |_| {});
    assert_eq!(with(Some("PJ00900002")).unwrap().serial(), "PJ00900002-r1");
    let error = with(Some("XX")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no arm has a serial number that begins with \"XX\"; there is PJ00900001, PJ00900002-r1"
    );
    assert!(matches!(error, ConnectError::NoSuchSerial { found, .. } if found.len() == 2));
    let error = with(None).unwrap_err();
    assert!(matches!(error, ConnectError::Ambiguous { found } if found.len() == 2));
}

#[test]
fn an_arm_that_is_not_homed_is_not_asked_for_cartesian_control() {
    let arm = MockArm::new();
    arm.inside().homed = false;
    let driver = connect(&arm).unwrap();
    assert_eq!(driver.readiness(), Readiness { homed: false, cartesian: false });
    assert!(!arm.take_log().contains(&"SetCartesianControl"));
}

#[test]
fn a_silent_refusal_of_cartesian_control_is_found_by_reading() {
    let arm = MockArm::new();
    arm.inside().accepts_cartesian = false;
    let driver = connect(&arm).unwrap();
    assert_eq!(driver.readiness(), Readiness { homed: true, cartesian: false });
}

#[test]
fn an_arm_that_cannot_be_read_is_given_back() {
    let arm = MockArm::new();
    arm.inside().read_codes = [1, 1, 1015].into();
    let error = connect(&arm).unwrap_err();
    assert!(matches!(error, ConnectError::Call(CallError::Code { code: 1015, .. })), "{error}");
    let log = arm.take_log();
    assert_eq!(log[log.len() - 2..], ["StopControlAPI", "CloseAPI"]);
}

#[test]
fn every_read_is_one_call_and_all_have_their_turn() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.take_log();
    for now_ns in 0..20 {
        driver.read(now_ns).unwrap();
    }
    let log = arm.take_log();
    let count = |call| log.iter().filter(|made| **made == call).count();
    assert_eq!(log.len(), 20);
    assert_eq!(count("GetCartesianPosition"), 10);
    assert_eq!(count("GetAngularPosition"), 4);
    assert_eq!(count("GetGlobalTrajectoryInfo"), 2);
    assert_eq!(count("GetControlType"), 2);
    assert_eq!(count("GetJoystickValue"), 2);
}

#[test]
fn a_failed_read_and_an_empty_reply_leave_the_state_as_it_was() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    let before = *driver.state();
    arm.inside().position.Coordinates.X = 0.1;
    arm.inside().read_codes = [1015].into();
    assert!(matches!(driver.read(10), Err(CallError::Code { code: 1015, .. })));
    driver.read(20).unwrap();
    arm.inside().position = Default::default();
    assert!(matches!(driver.read(30), Err(CallError::EmptyReply { .. })));
    assert_eq!(driver.state().pose, before.pose);
    assert_eq!(driver.state().stamp_ns, before.stamp_ns);
}

#[test]
fn whoever_waits_is_told_what_is_being_done() {
    let arm = MockArm::new();
    let mut told = Vec::new();
    let mut tell = |doing| told.push(doing);
    drop(Driver::connect(arm.clone(), arm, options(None), 0, &mut tell).unwrap());
    assert_eq!(told[..2], ["opening the SDK", "looking for the arm"]);
}

#[test]
fn a_joystick_that_cannot_be_read_is_no_failure_and_its_turn_is_used() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.inside().joystick = Joystick::Fails(1015);
    let failing: Vec<_> = (0..10).map(|now_ns| driver.read(now_ns).unwrap()).collect();
    assert!(failing.contains(&News::Joystick(None)));
    arm.inside().joystick = Joystick::Missing;
    assert!((0..10).all(|now_ns| driver.read(now_ns).is_ok()));
    arm.take_log();
    assert!((0..10).all(|now_ns| driver.read(now_ns).is_ok()));
    let log = arm.take_log();
    let count = |call| log.iter().filter(|made| **made == call).count();
    assert_eq!((count("GetJoystickValue"), count("GetAngularPosition")), (0, 3));
}

#[test]
fn an_arm_that_was_left_is_not_disturbed_by_the_end_and_can_be_taken_back() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.take_log();
    driver.leave();
    assert!(!driver.is_ready());
    assert_eq!(arm.take_log(), ["EraseAllTrajectories", "StopControlAPI"]);
    driver.take_back().unwrap();
    assert!(driver.is_ready());
    assert_eq!(arm.take_log()[0], "StartControlAPI");
    driver.leave();
    arm.take_log();
    drop(driver);
    assert_eq!(arm.take_log(), ["CloseAPI"]);
}
