//! The driver's sequences of SDK calls, with an arm that fails on request in the SDK's place.
#![allow(clippy::unwrap_used)]

#[path = "support/mock.rs"]
mod mock;

use jaco_core::TICK_NS;
use jaco_servo::Condition;
use jaco_servo::driver::{CallError, ConnectError, Control, Driver, DriverOptions, News, look};
use mock::{Joystick, MockArm};
use std::time::Duration;

fn options(serial: Option<&str>) -> DriverOptions {
    let (serial, lock_time) = (serial.map(str::to_owned), Some(Duration::ZERO));
    DriverOptions { serial, lock_time, settle: Duration::ZERO, ..DriverOptions::default() }
}

fn connect(arm: &MockArm) -> Result<Driver<MockArm>, ConnectError> {
    {
        arm.clock.advance_ns(5);
        Driver::connect(arm.clone(), options(None), &*arm.clock, &mut |_| {})
    }
}

/// As many readings as ticks, each with all the time there is.
fn reads(driver: &mut Driver<MockArm>, count: u64) -> Vec<Result<Option<News>, CallError>> {
    let from_ns = driver.state().stamp_ns;
    (1..=count)
        .map(|index| {
            let now_ns = from_ns + index * TICK_NS;
            driver.read(now_ns, now_ns + TICK_NS)
        })
        .collect()
}

#[test]
fn connecting_looks_before_it_takes_control_in_the_order_that_the_arm_needs() {
    let arm = MockArm::new();
    let driver = connect(&arm).unwrap();
    assert_eq!(
        arm.take_log(),
        [
            "InitAPI",
            "GetDevices",
            "SetActiveDevice",
            "GetQuickStatus",
            "GetGeneralInformations",
            "GetGripperStatus",
            "GetTrajectoryTorqueMode",
            "GetClientConfigurations",
            "SendJoystickCommand",
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
    assert!(driver.is_ready() && driver.is_homed());
    assert_eq!(driver.state().stamp_ns, 5);
    assert_eq!(driver.identity().uptime_s, 12.5);
    assert!((driver.state().pose.position_m.y + 0.4).abs() < 1e-6);
    assert_eq!(driver.conditions().iter().count(), 0);
}

#[test]
fn dropping_the_driver_gives_control_back_once() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.take_log();
    driver.release();
    drop(driver);
    let given_back = ["SendJoystickCommand", "EraseAllTrajectories", "StopControlAPI", "CloseAPI"];
    assert_eq!(arm.take_log(), given_back);
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
fn an_sdk_that_is_too_old_is_not_opened() {
    let arm = MockArm::new();
    arm.inside().api_version = [5, 1, 9];
    let error = connect(&arm).unwrap_err();
    assert!(error.to_string().contains("5.1.9"), "{error}");
    assert!(!arm.take_log().contains(&"InitAPI"));
}

/// The beginning that two arms share chose neither, though one was named in full.
#[test]
fn the_arm_is_chosen_by_its_serial_number_or_the_beginning_of_it() {
    let arm = MockArm::new();
    let first = arm.inside().serials[0].clone();
    let longer = format!("{first}-r1");
    arm.inside().serials.push(longer.clone());
    let with = |serial: Option<&str>| {
        Driver::connect(arm.clone(), options(serial), &*arm.clock, &mut |_| {})
            .map(|driver| driver.identity().serial.clone())
    };
    assert_eq!(with(Some(&first)).unwrap(), first);
    assert_eq!(with(Some(&longer[..longer.len() - 1])).unwrap(), longer);
    let error = with(Some("XX")).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("no arm has a serial number that begins with \"XX\"; there is {first}, {longer}")
    );
    assert!(matches!(error, ConnectError::NoSuchSerial { found, .. } if found.len() == 2));
    let error = with(None).unwrap_err();
    assert!(matches!(error, ConnectError::Ambiguous { found } if found.len() == 2));
}

/// Two streams joined in the arm's queue, and the end of one took control from the other.
#[test]
fn an_arm_has_one_owner_and_the_second_touches_nothing() {
    let arm = MockArm::new();
    let driver = connect(&arm).unwrap();
    arm.take_log();
    let error = connect(&arm).unwrap_err();
    let pid = std::process::id();
    assert!(error.to_string().contains(&format!("another process ({pid})")), "{error}");
    assert_eq!(arm.take_log(), ["InitAPI", "GetDevices", "CloseAPI"]);
    drop(driver);
    connect(&arm).unwrap();
}

/// A seven-joint arm was homed and driven, its last joint ignored.
#[test]
fn an_arm_of_another_kind_is_named_and_left_alone() {
    let refused = |change: fn(&mut mock::Inside)| {
        let arm = MockArm::new();
        change(&mut arm.inside());
        let error = connect(&arm).unwrap_err();
        let log = arm.take_log();
        // An order would go to whatever arm the SDK has active: one that is in use, maybe.
        for order in ["StartControlAPI", "StopControlAPI", "EraseAllTrajectories"] {
            assert!(!log.contains(&order), "{log:?}");
        }
        error.to_string()
    };
    assert!(refused(|arm| arm.robot_type = 8).contains("seven joints"));
    assert!(refused(|arm| arm.robot_type = 2).contains("Mico with four joints"));
    assert!(refused(|arm| arm.robot_type = 7).contains("spherical wrist"));
    assert!(refused(|arm| arm.actuators = 7).contains("7 joint(s)"));
    let said = refused(|arm| arm.fingers = 2);
    assert!(said.contains("2 finger(s)") && said.contains("arm.fingers is 3"), "{said}");
}

#[test]
fn a_hand_with_two_fingers_is_driven_where_it_is_configured() {
    let arm = MockArm::new();
    arm.inside().fingers = 2;
    let two = DriverOptions { fingers: 2, ..options(None) };
    Driver::connect(arm.clone(), two, &*arm.clock, &mut |_| {}).unwrap();
}

#[test]
fn what_is_not_as_it_should_be_stands_as_a_condition() {
    let conditions = |change: fn(&mut mock::Inside)| {
        let arm = MockArm::new();
        change(&mut arm.inside());
        let fast = DriverOptions { linear_speed_m_s: 0.2, ..options(None) };
        let driver = Driver::connect(arm.clone(), fast, &*arm.clock, &mut |_| {}).unwrap();
        (driver.is_ready(), driver.conditions().iter().collect::<Vec<_>>())
    };
    assert_eq!(conditions(|_| {}), (true, vec![]));
    assert_eq!(conditions(|arm| arm.retract_type = 6), (false, vec![Condition::NotHomed]));
    assert_eq!(conditions(|arm| arm.retract_type = 168), (false, vec![Condition::NotHomed]));
    let fingers = (true, vec![Condition::FingersNotInitialised]);
    assert_eq!(conditions(|arm| arm.fingers_initialised = false), fingers);
    assert_eq!(conditions(|arm| arm.cartesian_fault = 3), (false, vec![Condition::CartesianFault]));
    let joint_control = (false, vec![Condition::JointControl]);
    assert_eq!(conditions(|arm| arm.accepts_cartesian = false), joint_control);
    assert_eq!(conditions(|arm| arm.torque_mode = 1), (false, vec![Condition::TorqueControl]));
    assert_eq!(conditions(|arm| arm.force_control = true), (true, vec![]));
    let stubborn = |arm: &mut mock::Inside| {
        (arm.force_control, arm.force_control_ends) = (true, false);
    };
    assert_eq!(conditions(stubborn), (false, vec![Condition::ForceControl]));
    let slower = (true, vec![Condition::SlowerThanLimits]);
    assert_eq!(conditions(|arm| arm.own_speed = (0.15, 1.07)), slower);
}

#[test]
fn an_arm_that_is_not_homed_is_not_asked_for_cartesian_control() {
    let arm = MockArm::new();
    arm.inside().retract_type = 6;
    let driver = connect(&arm).unwrap();
    assert!(!driver.is_homed());
    assert!(!arm.take_log().contains(&"SetCartesianControl"));
}

#[test]
fn an_arm_that_cannot_be_read_is_given_back() {
    let arm = MockArm::new();
    arm.inside().read_codes = [1, 1, 1, 1, 1, 1015].into();
    let error = connect(&arm).unwrap_err();
    assert!(matches!(error, ConnectError::Call(CallError::Code { code: 1015, .. })), "{error}");
    let log = arm.take_log();
    assert_eq!(log[log.len() - 2..], ["StopControlAPI", "CloseAPI"]);
}

#[test]
fn a_look_at_the_arm_survives_readings_that_fail() {
    let arm = MockArm::new();
    arm.inside().read_codes = [1015, 1015, 1, 1015].into();
    connect(&arm).unwrap();
}

#[test]
fn every_read_is_one_call_and_all_have_their_turn() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.take_log();
    assert!(reads(&mut driver, 80).into_iter().all(|read| read.is_ok()));
    assert_eq!(arm.inside().log.len(), 80);
    for (call, count) in [
        ("GetCartesianPosition", 40),
        ("GetAngularPosition", 8),
        ("GetForcesInfo", 8),
        ("GetGlobalTrajectoryInfo", 8),
        ("GetJoystickValue", 8),
        ("GetQuickStatus", 4),
        ("GetControlType", 2),
        ("GetSensorsInfo", 1),
        ("GetAngularCurrent", 1),
    ] {
        assert_eq!(arm.count(call), count, "{call}");
    }
    assert_eq!(driver.telemetry().supply_v, 24.0);
    assert_eq!(driver.telemetry().joint_currents_a[1], 0.7);
}

#[test]
fn a_failed_read_and_an_empty_reply_leave_the_state_as_it_was() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    let before = *driver.state();
    arm.inside().read_codes = [1015].into();
    assert!(matches!(driver.read(10, TICK_NS), Err(CallError::Code { code: 1015, .. })));
    driver.read(20, TICK_NS).unwrap();
    arm.inside().false_poses = [Default::default()].into();
    assert!(matches!(driver.read(30, TICK_NS), Err(CallError::EmptyReply { .. })));
    assert_eq!(driver.state().pose, before.pose);
    assert_eq!(driver.state().stamp_ns, before.stamp_ns);
}

/// A reply that held the joints' degrees moved the arm by 39 mm.
#[test]
fn the_reply_of_another_command_is_no_pose() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    let before = driver.state().pose;
    let mut degrees = arm.inside().position;
    (degrees.Coordinates.X, degrees.Coordinates.Y) = (275.3, 167.6);
    arm.inside().false_poses = [degrees].into();
    let error = driver.read(20_000_000, 30_000_000).unwrap_err();
    assert!(matches!(error, CallError::Jump { .. }), "{error}");
    assert_eq!(driver.state().pose, before);
}

#[test]
fn joints_that_jump_are_refused() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    let before = driver.state().joints_rad;
    arm.inside().joints_deg = [-0.4, 0.25, 3.1, 0.1, 0.1, 0.1];
    let failed = reads(&mut driver, 10).into_iter().filter(Result::is_err).count();
    assert_eq!((failed, driver.state().joints_rad), (1, before));
}

#[test]
fn whoever_waits_is_told_what_is_being_done() {
    let arm = MockArm::new();
    let mut told = Vec::new();
    let mut tell = |doing: &str| told.push(doing.to_owned());
    drop(Driver::connect(arm.clone(), options(None), &*arm.clock, &mut tell).unwrap());
    assert_eq!(told[..3], ["opening the SDK", "looking for the arm", "looking at the arm"]);
}

#[test]
fn a_joystick_that_cannot_be_read_is_no_failure_and_its_turn_is_used() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.inside().joystick = Joystick::Fails(1015);
    let failing = reads(&mut driver, 10);
    assert!(failing.contains(&Ok(Some(News::Joystick(None)))), "{failing:?}");
    arm.inside().joystick = Joystick::Missing;
    assert!(reads(&mut driver, 10).iter().all(Result::is_ok));
    arm.take_log();
    assert!(reads(&mut driver, 10).iter().all(Result::is_ok));
    assert_eq!((arm.count("GetJoystickValue"), arm.count("GetAngularPosition")), (0, 2));
}

#[test]
fn an_arm_that_was_left_is_not_disturbed_by_the_end_and_can_be_taken_back() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.take_log();
    driver.leave(500_000_000);
    assert!(!driver.is_ready());
    let left = ["SendJoystickCommand", "EraseAllTrajectories", "StopControlAPI"];
    assert_eq!(arm.take_log(), left);
    driver.take_back(1_000_000_000).unwrap();
    assert_eq!(driver.control(), Control::Ours);
    assert_eq!(arm.take_log()[0], "StartControlAPI");
    reads(&mut driver, 4);
    assert!(driver.is_ready());
    driver.leave(500_000_000);
    arm.take_log();
    drop(driver);
    assert_eq!(arm.take_log(), ["CloseAPI"]);
}

/// One reply may be another command's; runs went on for 59 steps with every point dropped.
#[test]
fn control_that_is_lost_is_noticed_and_one_reading_is_not_believed() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    reads(&mut driver, 60);
    arm.inside().control = false;
    arm.take_log();
    let news = reads(&mut driver, 30);
    assert!(news.contains(&Ok(Some(News::ControlTaken))), "{news:?}");
    assert_eq!(driver.control(), Control::Taken);
    assert!(driver.conditions().holds(Condition::NoControl) && !driver.is_ready());
}

#[test]
fn an_arm_that_was_switched_off_and_on_must_be_homed_again() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    reads(&mut driver, 60);
    (arm.inside().control, arm.inside().retract_type) = (false, 6);
    let news = reads(&mut driver, 30);
    assert!(news.contains(&Ok(Some(News::Restarted))), "{news:?}");
    assert!(!driver.is_homed() && driver.conditions().holds(Condition::NotHomed));
}

#[test]
fn an_arm_can_be_looked_at_without_being_commanded() {
    let arm = MockArm::new();
    arm.inside().retract_type = 6;
    let seen = look(arm.clone(), &options(None)).unwrap();
    assert!(!seen.homed && seen.conditions.holds(Condition::NotHomed));
    assert_eq!(seen.identity.api_version, [5, 2, 0]);
    let log = arm.take_log();
    for commands in ["StartControlAPI", "StopControlAPI", "EraseAllTrajectories"] {
        assert!(!log.contains(&commands), "{log:?}");
    }
    assert_eq!(log.last(), Some(&"CloseAPI"));
    let _owner = connect(&arm).unwrap();
    let error = look(arm, &options(None)).unwrap_err();
    assert!(matches!(error, ConnectError::Held { .. }), "{error}");
}

/// Flags that are all zero say, among other things, that force control is on.
#[test]
fn flags_of_another_kind_of_arm_are_no_flags() {
    let arm = MockArm::new();
    let mut driver = connect(&arm).unwrap();
    arm.inside().robot_type = 0;
    let news = reads(&mut driver, 40);
    let implausible = |read: &&Result<_, CallError>| {
        matches!(read, Err(CallError::Implausible { call: "GetQuickStatus" }))
    };
    assert_eq!(news.iter().filter(implausible).count(), 2, "{news:?}");
    assert!(driver.is_ready());
}
