//! The stand-in library in place of the Kinova SDK: the arm of a real `jaco-sim`, moved through
//! the C ABI. Judged by readings and simulated time.

#![allow(clippy::unwrap_used)]

use jaco_sim_link::control::Faults;
use jaco_sim_link::{CRASH_VARIABLE, ControlClient, SEMAPHORE_VARIABLE, SOCKET_VARIABLE};
use jaco_tests::built;
use kinova_sys::{
    AngularPosition, CODE_VERSION_COUNT, CONTROL_TYPE, CartesianPosition, ClientConfigurations,
    EthernetCommConfig, HAND_MODE, KinovaDevice, MAX_INVENTORY, MAX_KINOVA_DEVICE, POSITION_TYPE,
    PeripheralInfo, QuickStatus, RETRACT_TYPE, Sdk, TrajectoryFIFO, TrajectoryPoint, Transport,
};
use std::ffi::{CString, c_char, c_int, c_void};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

/// The library has one session a process, and finds its socket by a variable of the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The signal's number.
const SIGSEGV: i32 = 11;

/// A running `jaco-sim`.
struct Sim {
    child: Child,
    folder: TempDir,
}

impl Sim {
    fn start(arguments: &[&str]) -> Sim {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(built("jaco-sim").unwrap())
            .arg("--socket")
            .arg(folder.path().join("sim.sock"))
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("ready") {
            assert_ne!(log.read_line(&mut said).unwrap(), 0, "not ready; it said: {said}");
        }
        Sim { child, folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sim.sock")
    }

    fn control(&self) -> ControlClient {
        ControlClient::connect(&self.socket()).unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The library, told of a socket, with its session closed before and after.
struct Arm {
    sdk: Sdk,
    _turn: MutexGuard<'static, ()>,
}

impl Arm {
    fn of(sim: &Sim) -> Arm {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the tests that read or write this variable take turns.
        unsafe { std::env::set_var(SOCKET_VARIABLE, sim.socket()) };
        Arm { sdk: load(), _turn: turn }
    }

    /// As [`Arm::of`], and connected.
    fn connected(sim: &Sim) -> Arm {
        let arm = Arm::of(sim);
        assert_eq!(arm.sdk.init_api(), Ok(1));
        arm
    }

    fn position(&self) -> CartesianPosition {
        let mut position = CartesianPosition::default();
        assert_eq!(self.sdk.get_cartesian_position(&mut position), Ok(1));
        position
    }

    fn status(&self) -> QuickStatus {
        let mut status = QuickStatus::default();
        assert_eq!(self.sdk.get_quick_status(&mut status), Ok(1));
        status
    }

    fn control_type(&self) -> CONTROL_TYPE {
        let mut control_type = 0;
        assert_eq!(self.sdk.get_control_type(&mut control_type), Ok(1));
        CONTROL_TYPE(control_type)
    }

    fn devices(&self) -> (i32, i32, KinovaDevice) {
        let mut devices = [KinovaDevice::default(); MAX_KINOVA_DEVICE];
        let mut code = 0;
        let count = self.sdk.get_devices(&mut devices, &mut code).unwrap();
        (count, code, devices[0])
    }

    fn push_velocity(&self, x_m_s: f32) {
        assert_eq!(self.sdk.send_basic_trajectory(velocity(x_m_s)), Ok(1));
    }
}

impl Drop for Arm {
    fn drop(&mut self) {
        let _ = self.sdk.close_api();
    }
}

fn load() -> Sdk {
    load_for(Transport::Usb)
}

fn load_for(transport: Transport) -> Sdk {
    Sdk::load(&built("libjaco_sim_sdk.so").unwrap(), transport).unwrap()
}

fn velocity(x_m_s: f32) -> TrajectoryPoint {
    let mut point = TrajectoryPoint::default();
    point.Position.Type = POSITION_TYPE::CARTESIAN_VELOCITY;
    point.Position.HandMode = HAND_MODE::VELOCITY_MODE;
    point.Position.CartesianPosition.X = x_m_s;
    point
}

fn distance_m(a: &CartesianPosition, b: &CartesianPosition) -> f32 {
    let (a, b) = (a.Coordinates, b.Coordinates);
    ((a.X - b.X).powi(2) + (a.Y - b.Y).powi(2) + (a.Z - b.Z).powi(2)).sqrt()
}

#[test]
fn the_library_exports_what_the_sdks_layers_export() {
    let path = built("libjaco_sim_sdk.so").unwrap();
    // SAFETY: the library's initialisers are those of a Rust cdylib.
    let library = unsafe { libloading::Library::new(&path) }.unwrap();
    let usb: Vec<&str> = include_str!("fixtures/kinova-symbols-usb.txt").lines().collect();
    let ethernet = include_str!("fixtures/kinova-symbols-ethernet.txt");
    let ethernet: Vec<&str> = ethernet.lines().collect();
    assert_eq!((usb.len(), ethernet.len()), (135, 137));
    for name in usb.into_iter().chain(ethernet) {
        // SAFETY: the symbol is only looked up.
        let found = unsafe { library.get::<unsafe extern "C" fn()>(name.as_bytes()) };
        assert!(found.is_ok(), "{name} is not exported");
    }
    // The one function that we call and that only the Ethernet layer has.
    assert_eq!(load().missing(), ["InitEthernetAPI"]);
    assert_eq!(load_for(Transport::Ethernet).missing(), [""; 0]);
}

#[test]
fn an_arm_is_homed_and_jogged() {
    let sim = Sim::start(&[]);
    let mut control = sim.control();
    let arm = Arm::connected(&sim);
    let (count, code, device) = arm.devices();
    assert_eq!((count, code), (1, 1));
    assert_eq!(arm.sdk.set_active_device(device), Ok(1));

    assert_eq!(arm.status().RetractType, RETRACT_TYPE::NOT_INITIALIZED.0 as u8);
    assert_eq!(arm.sdk.start_control_api(), Ok(1));
    assert_eq!(arm.sdk.set_cartesian_control(), Ok(1));
    assert_eq!(arm.control_type(), CONTROL_TYPE::ANGULAR, "refused in silence before homing");

    assert_eq!(arm.sdk.move_home(), Ok(1));
    assert_eq!(arm.status().RetractType, RETRACT_TYPE::READY_STANDBY.0 as u8);
    assert_eq!(arm.control_type(), CONTROL_TYPE::CARTESIAN);
    assert_eq!(arm.sdk.init_fingers(), Ok(1));
    assert_eq!(arm.status().Finger3Status, 1);
    assert_eq!(arm.control_type(), CONTROL_TYPE::ANGULAR);
    assert_eq!(arm.sdk.set_cartesian_control(), Ok(1));

    let before = arm.position();
    for _ in 0..100 {
        arm.push_velocity(0.05);
        control.wait(1).unwrap();
    }
    control.wait(50).unwrap();
    let after = arm.position();
    let along_m = after.Coordinates.X - before.Coordinates.X;
    assert!((along_m - 0.05).abs() < 0.003, "{along_m} m along x");
    assert!((distance_m(&before, &after) - along_m).abs() < 0.002, "it strayed");
}

#[test]
fn erasing_stops_the_arm() {
    let sim = Sim::start(&["--homed"]);
    let mut control = sim.control();
    let arm = Arm::connected(&sim);
    for _ in 0..500 {
        arm.push_velocity(0.05);
    }
    control.wait(20).unwrap();
    assert!(control.status().unwrap().arm_speed_m_s > 0.03, "{:?}", control.status());
    assert_eq!(arm.sdk.erase_all_trajectories(), Ok(1));
    let mut fifo = TrajectoryFIFO::default();
    assert_eq!(arm.sdk.get_global_trajectory_info(&mut fifo), Ok(1));
    assert_eq!((fifo.TrajectoryCount, fifo.MaxSize), (0, 2000));
    control.wait(30).unwrap();
    let stopped = arm.position();
    control.wait(50).unwrap();
    assert!(distance_m(&stopped, &arm.position()) < 1e-3);
}

#[test]
fn an_arm_whose_client_is_killed_stops() {
    let sim = Sim::start(&["--homed"]);
    let mut control = sim.control();
    let mut client = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "client_that_streams_until_killed", "--ignored"])
        .env(SOCKET_VARIABLE, sim.socket())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while control.status().unwrap().arm_speed_m_s < 0.03 {
        assert!(client.try_wait().unwrap().is_none(), "the client ended by itself");
        control.wait(1).unwrap();
    }
    client.kill().unwrap();
    client.wait().unwrap();

    control.wait(30).unwrap();
    let status = control.status().unwrap();
    assert_eq!(status.fifo_count, 0, "{status:?}");
    assert!(status.arm_speed_m_s < 1e-3, "{status:?}");
}

/// The other half of the test above, in a process of its own.
#[test]
#[ignore = "a client that the test of killed clients starts"]
fn client_that_streams_until_killed() {
    let socket = std::env::var_os(SOCKET_VARIABLE).expect("only the other test starts this");
    let mut control = ControlClient::connect(Path::new(&socket)).unwrap();
    let sdk = load();
    assert_eq!(sdk.init_api(), Ok(1));
    loop {
        assert_eq!(sdk.send_basic_trajectory(velocity(0.05)), Ok(1));
        control.wait(1).unwrap();
    }
}

#[test]
fn a_dead_arm_is_told_by_reads_and_by_nothing_else() {
    let mut sim = Sim::start(&["--homed"]);
    let arm = Arm::of(&sim);
    let mut version = [0; 3];
    assert_eq!(arm.sdk.get_api_version(&mut version), Ok(1));
    assert_eq!(version, [5, 2, 0]);
    assert_eq!(arm.devices().1, 2101);
    assert_eq!(arm.sdk.init_api(), Ok(1));

    sim.kill();
    let mut position = CartesianPosition::default();
    position.Coordinates.X = 7.0;
    for _ in 0..5 {
        assert_eq!(arm.sdk.get_cartesian_position(&mut position), Ok(1015));
    }
    assert_eq!(position.Coordinates.X, 7.0);
    arm.push_velocity(0.05);
    assert_eq!(arm.sdk.start_control_api(), Ok(1));
    assert_eq!(arm.sdk.erase_all_trajectories(), Ok(1));
    assert_eq!(arm.sdk.move_home(), Ok(1015));
    let (count, code, _) = arm.devices();
    assert_eq!((count, code), (0, 1010));

    assert_eq!(arm.sdk.close_api(), Ok(1));
    assert_eq!(arm.sdk.init_api(), Ok(1015));
    assert_eq!(arm.sdk.init_api(), Ok(1), "the second attempt claims success");
    assert_eq!(arm.sdk.get_cartesian_position(&mut position), Ok(1015));
}

#[test]
fn an_arm_that_is_plugged_in_later_is_found_after_closing() {
    let sim = Sim::start(&["--homed"]);
    let mut control = sim.control();
    control.inject(Faults { arm_absent: true, ..Faults::default() }).unwrap();
    let arm = Arm::of(&sim);
    assert_eq!(arm.sdk.init_api(), Ok(1015));
    control.inject(Faults::default()).unwrap();
    assert_eq!(arm.sdk.close_api(), Ok(1));
    assert_eq!(arm.sdk.init_api(), Ok(1));
    assert_eq!(arm.devices().0, 1);
}

#[test]
fn functions_that_are_not_emulated_say_so() {
    let sim = Sim::start(&["--homed"]);
    let arm = Arm::connected(&sim);
    assert_eq!(arm.sdk.set_torque_safety_factor(1.0), Ok(1013));
    assert_eq!(arm.sdk.erase_all_protection_zones(), Ok(1013));
}

#[test]
fn what_a_driver_asks_at_the_start_is_answered() {
    let sim = Sim::start(&["--homed", "--faults", r#"{"force_control_on":true}"#]);
    let arm = Arm::connected(&sim);
    let mut versions = [-1; CODE_VERSION_COUNT];
    assert_eq!(arm.sdk.get_code_version(&mut versions), Ok(1));
    assert_eq!(versions[0], 0x06_02_08);
    let mut current = AngularPosition::default();
    assert_eq!(arm.sdk.get_angular_current(&mut current), Ok(1));
    assert!((0.1..5.0).contains(&current.Actuators.Actuator2), "{current:?}");
    let mut mode = -1;
    assert_eq!(arm.sdk.get_trajectory_torque_mode(&mut mode), Ok(1));
    assert_eq!(mode, 0);
    let mut inventory = [PeripheralInfo::default(); MAX_INVENTORY];
    assert_eq!(arm.sdk.get_peripheral_inventory(&mut inventory), Ok(1));
    assert_eq!(inventory.iter().filter(|device| device.Type != 0).count(), 9);
    let mut limits = ClientConfigurations::default();
    assert_eq!(arm.sdk.get_client_configurations(&mut limits), Ok(1));
    assert_eq!((limits.MaxTranslationVelocity, limits.MaxOrientationVelocity), (0.20, 1.07));
    assert_eq!((limits.RetractedPositionCount, limits.FrameType), (1, 0));

    assert_eq!(arm.status().ForceControlStatus, 0, "0 = on");
    assert_eq!(arm.sdk.stop_force_control(), Ok(1));
    assert_eq!(arm.status().ForceControlStatus, 1);
}

#[test]
fn an_arm_on_ethernet_is_moved_like_one_on_usb() {
    let sim = Sim::start(&["--homed"]);
    let mut control = sim.control();
    let usb = Arm::of(&sim);
    let arm = load_for(Transport::Ethernet);
    let mut config = EthernetCommConfig::default();
    let mut position = CartesianPosition::default();
    assert_eq!(arm.get_cartesian_position(&mut position), Ok(2101));
    assert_eq!(arm.init_ethernet_api(&mut config), Ok(1));
    let (mut devices, mut code) = ([KinovaDevice::default(); MAX_KINOVA_DEVICE], 0);
    assert_eq!(arm.get_devices(&mut devices, &mut code), Ok(1));
    assert_eq!(arm.set_active_device(devices[0]), Ok(1));
    assert_eq!(usb.devices().1, 2101, "the layers have a session each");

    let before = control.status().unwrap().tool_m[0];
    for _ in 0..50 {
        assert_eq!(arm.send_basic_trajectory(velocity(0.05)), Ok(1));
    }
    control.wait(100).unwrap();
    let moved_m = control.status().unwrap().tool_m[0] - before;
    assert!((moved_m - 0.025).abs() < 0.003, "{moved_m}");
    assert_eq!(arm.get_cartesian_position(&mut position), Ok(1));
    assert_eq!(arm.close_api(), Ok(1));
}

#[test]
fn ethernet_claims_success_though_nobody_answers_and_counts_no_arm() {
    let mut sim = Sim::start(&["--homed"]);
    let _turn = Arm::of(&sim);
    sim.kill();
    let arm = load_for(Transport::Ethernet);
    assert_eq!(arm.init_ethernet_api(&mut EthernetCommConfig::default()), Ok(1));
    let (mut devices, mut code) = ([KinovaDevice::default(); MAX_KINOVA_DEVICE], 0);
    assert_eq!(arm.get_devices(&mut devices, &mut code), Ok(0));
    assert_eq!(code, 1);
    let mut position = CartesianPosition::default();
    assert_eq!(arm.get_cartesian_position(&mut position), Ok(1015));
    assert_eq!(arm.send_basic_trajectory(velocity(0.05)), Ok(1));
    assert_eq!(arm.close_api(), Ok(1));
}

#[test]
fn a_point_before_the_start_ends_the_process_where_that_is_asked_for() {
    let client = |crash: &str| {
        let mut client = Command::new(std::env::current_exe().unwrap());
        client.args(["--exact", "client_that_sends_before_the_start", "--ignored"]);
        client.env(CRASH_VARIABLE, crash).stdout(Stdio::null()).stderr(Stdio::null());
        client.status().unwrap()
    };
    assert!(client("").success());
    assert_eq!(client("1").signal(), Some(SIGSEGV));
}

#[test]
#[ignore = "a client that the test of the crash starts"]
fn client_that_sends_before_the_start() {
    assert_eq!(load().send_basic_trajectory(velocity(0.05)), Ok(2101));
}

/// The named semaphore as another program sees it.
struct Semaphore {
    name: CString,
    libc: libloading::os::unix::Library,
}

impl Semaphore {
    fn called(name: &str) -> Semaphore {
        let libc = libloading::os::unix::Library::this();
        Semaphore { name: CString::new(name).unwrap(), libc }
    }

    fn value(&self) -> i32 {
        type Open = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
        type Value = unsafe extern "C" fn(*mut c_void, *mut c_int) -> c_int;
        let mut value = -1;
        // SAFETY: the functions are libc's, with these arguments where nothing is made.
        unsafe {
            let open = self.libc.get::<Open>(b"sem_open").unwrap();
            let get = self.libc.get::<Value>(b"sem_getvalue").unwrap();
            let semaphore = open(self.name.as_ptr(), 0);
            assert!(!semaphore.is_null(), "there is no semaphore {:?}", self.name);
            assert_eq!(get(semaphore, &raw mut value), 0);
        }
        value
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        type Unlink = unsafe extern "C" fn(*const c_char) -> c_int;
        // SAFETY: the function is libc's; the variable is read by tests that take turns.
        unsafe {
            std::env::remove_var(SEMAPHORE_VARIABLE);
            if let Ok(unlink) = self.libc.get::<Unlink>(b"sem_unlink") {
                unlink(self.name.as_ptr());
            }
        }
    }
}

/// As measured on the vendor's library: 2 after the first start, one less for each failed read,
/// one more for each further start. What is at 0 blocks the next call.
#[test]
fn a_failed_read_keeps_a_count_of_the_named_semaphore() {
    let sim = Sim::start(&["--homed"]);
    let mut control = sim.control();
    let arm = Arm::of(&sim);
    let name = format!("/jaco-sim-test-{}", std::process::id());
    let semaphore = Semaphore::called(&name);
    // SAFETY: the tests that read or write this variable take turns.
    unsafe { std::env::set_var(SEMAPHORE_VARIABLE, &name) };
    assert_eq!(arm.sdk.init_api(), Ok(1));
    assert_eq!(semaphore.value(), 2);
    arm.position();
    arm.push_velocity(0.0);
    assert_eq!(semaphore.value(), 2);

    control.inject(Faults { fail_next_reads: 1, ..Faults::default() }).unwrap();
    assert_eq!(arm.sdk.get_quick_status(&mut QuickStatus::default()), Ok(1015));
    assert_eq!(semaphore.value(), 1);
    arm.position();
    assert_eq!(arm.sdk.close_api(), Ok(1));
    assert_eq!(arm.sdk.init_api(), Ok(1));
    assert_eq!(semaphore.value(), 2, "what was kept is not given back by a new start");
}
