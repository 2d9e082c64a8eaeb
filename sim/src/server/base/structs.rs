//! The SDK's structs, filled from the world in the SDK's units.

use crate::World;
use crate::firmware::fingers::CLOSED_TICKS;
use crate::firmware::{Firmware, Measured};
use jaco_core::Pose;
use jaco_core::state::{FINGERS, JOINTS};
use jaco_sim_link::control::Faults;
use kinova_sys::{
    AngularInfo, CODE_VERSION_COUNT, CartesianInfo, ClientConfigurations, Finger, FingersPosition,
    ForcesInfo, GeneralInformations, Gripper, HAND_MODE, KinovaDevice, MAX_INVENTORY,
    POSITION_TYPE, PeripheralInfo, QuickStatus, SensorsInfo, UserPosition,
};
use nalgebra::{UnitQuaternion, Vector3, Vector6};
use std::ffi::c_char;

const MODEL: &str = "j2n6s300";
/// Versions of the base's and of the actuators' firmware.
const VERSION: [i32; 3] = [6, 2, 8];
const ACTUATOR_VERSION: [i32; 3] = [2, 2, 1];
/// Kinova's factory retract position \[deg\].
const RETRACTED_DEG: [f64; JOINTS] = [270.2, 150.05, 26.86, 267.8, 5.18, 99.75];
/// PERIPHERAL_TYPE of a joint's and of a finger's actuator.
const ROTARY_ACTUATOR: u32 = 100;
const LINEAR_ACTUATOR: u32 = 200;
/// Current of a joint without load \[A\], and what a torque adds to it \[A/(N m)\].
const IDLE_A: f64 = 0.15;
const A_PER_NM: f64 = 0.08;
const SUPPLY_V: f32 = 24.0;
const SUPPLY_A: f32 = 1.5;
const TEMPERATURE_C: f32 = 32.0;

pub fn cartesian(values: [f64; 6]) -> CartesianInfo {
    let [x, y, z, theta_x, theta_y, theta_z] = values.map(|value| value as f32);
    CartesianInfo { X: x, Y: y, Z: z, ThetaX: theta_x, ThetaY: theta_y, ThetaZ: theta_z }
}

pub fn coordinates(pose: &Pose) -> CartesianInfo {
    let (position, [x, y, z]) = (pose.position_m, pose.theta_rad());
    cartesian([position.x, position.y, position.z, x, y, z])
}

pub fn actuators(values: [f64; JOINTS]) -> AngularInfo {
    let [a1, a2, a3, a4, a5, a6] = values.map(|value| value as f32);
    AngularInfo {
        Actuator1: a1,
        Actuator2: a2,
        Actuator3: a3,
        Actuator4: a4,
        Actuator5: a5,
        Actuator6: a6,
        Actuator7: 0.0,
    }
}

fn finger_ticks(ticks: [f64; FINGERS]) -> FingersPosition {
    let [one, two, three] = ticks.map(|ticks| ticks as f32);
    FingersPosition { Finger1: one, Finger2: two, Finger3: three }
}

/// The fingers' positions; a finger that is not there reads 0.
pub fn finger_positions(firmware: &Firmware, faults: &Faults) -> FingersPosition {
    let ticks = firmware.finger_ticks();
    let count = finger_count(faults);
    finger_ticks(std::array::from_fn(|i| if i < count { ticks[i] } else { 0.0 }))
}

pub fn commanded_fingers(firmware: &Firmware) -> FingersPosition {
    finger_ticks(firmware.commanded_finger_ticks())
}

/// How many fingers the hand has.
fn finger_count(faults: &Faults) -> usize {
    faults.fingers.map_or(FINGERS, usize::from)
}

/// Current \[A\] of a joint that bears `torque_nm`: plausible, not measured.
pub fn current_a(torque_nm: f64) -> f64 {
    IDLE_A + torque_nm.abs() * A_PER_NM
}

/// Pose of the tool at the joint targets, to first order: they are never far from the joints.
pub fn commanded_pose(world: &World) -> Pose {
    let firmware = world.firmware_ref();
    if firmware.vices().nan.pose {
        return firmware.reading().pose;
    }
    let (measured, targets) = (firmware.measured(), firmware.targets());
    let ahead =
        std::array::from_fn::<f64, JOINTS, _>(|i| targets.joints_rad[i] - measured.joints_rad[i]);
    let moved = world.physics.tool_jacobian() * Vector6::from(ahead);
    let turned = Vector3::new(moved[3], moved[4], moved[5]);
    Pose {
        position_m: measured.pose.position_m + Vector3::new(moved[0], moved[1], moved[2]),
        orientation: UnitQuaternion::from_scaled_axis(turned) * measured.pose.orientation,
    }
}

fn text<const N: usize>(text: &str) -> [c_char; N] {
    let mut field = [0; N];
    // The last byte stays 0: C ends its strings with it.
    for (to, from) in field[..N - 1].iter_mut().zip(text.bytes()) {
        *to = from as c_char;
    }
    field
}

pub fn device(serial: &str, faults: &Faults) -> KinovaDevice {
    let service = kinova_sys::ROBOT_TYPE::JACOV2_6DOF_SERVICE.0;
    let [major, minor, release] = VERSION;
    KinovaDevice {
        SerialNumber: text(serial),
        Model: text(MODEL),
        VersionMajor: major,
        VersionMinor: minor,
        VersionRelease: release,
        DeviceType: faults.robot_type.map_or(service, i32::from),
        DeviceID: 0,
    }
}

pub fn configuration(serial: &str, firmware: &Firmware) -> ClientConfigurations {
    let mut configuration = ClientConfigurations {
        ClientID: text("simulated"),
        ClientName: text("simulated"),
        Organization: text("jacod"),
        Serial: text(serial),
        Model: text(MODEL),
        MaxTranslationVelocity: 0.20,
        MaxOrientationVelocity: 1.07,
        MaxTranslationAcceleration: 0.64,
        MaxOrientationAcceleration: 2.75,
        RetractedPositionCount: 1,
        EnableFlashErrorLog: 1,
        EnableFlashPositionLog: 0,
        TorqueSensorsEnable: 1,
        FrameType: firmware.quick_status().frame_type.into(),
        ..ClientConfigurations::default()
    };
    configuration.RetractPositions[0] = UserPosition {
        Type: POSITION_TYPE::ANGULAR_POSITION,
        Actuators: actuators(RETRACTED_DEG),
        HandMode: HAND_MODE::HAND_NOMOVEMENT,
        ..UserPosition::default()
    };
    configuration
}

pub fn general(world: &World, faults: &Faults, uptime_s: f64) -> GeneralInformations {
    let firmware = world.firmware_ref();
    let seen = firmware.reading();
    let user = |tool: CartesianInfo, joints: AngularInfo, fingers: FingersPosition| UserPosition {
        Type: POSITION_TYPE::CARTESIAN_POSITION,
        CartesianPosition: tool,
        Actuators: joints,
        HandMode: HAND_MODE::POSITION_MODE,
        Fingers: fingers,
        ..UserPosition::default()
    };
    GeneralInformations {
        TimeAbsolute: uptime_s,
        TimeFromStartup: uptime_s,
        SupplyVoltage: SUPPLY_V,
        TotalCurrent: SUPPLY_A,
        Power: SUPPLY_V * SUPPLY_A,
        AveragePower: SUPPLY_V * SUPPLY_A,
        AccelerationZ: 1.0,
        // 2 = the API, 6 = nobody.
        Controller: if firmware.has_control() { 2 } else { 6 },
        ConnectedActuatorCount: actuator_count(faults) as u16,
        Position: user(
            coordinates(&seen.pose),
            actuators(firmware.joints_deg()),
            finger_positions(firmware, faults),
        ),
        Command: user(
            coordinates(&commanded_pose(world)),
            actuators(firmware.commanded_joints_deg()),
            commanded_fingers(firmware),
        ),
        Force: user(
            cartesian(seen.tool_wrench),
            actuators(seen.joint_torques_nm),
            FingersPosition::default(),
        ),
        ActuatorsTemperatures: [TEMPERATURE_C; 7],
        FingersTemperatures: [TEMPERATURE_C; 3],
        ControlTimeAbsolute: uptime_s,
        ControlTimeFromStartup: uptime_s,
        ..GeneralInformations::default()
    }
}

fn actuator_count(faults: &Faults) -> usize {
    faults.actuators.map_or(JOINTS, usize::from)
}

pub fn quick_status(firmware: &Firmware, faults: &Faults) -> QuickStatus {
    let status = firmware.quick_status();
    let mut initialised = status.finger_initialised;
    initialised[finger_count(faults).min(FINGERS)..].fill(0);
    let [finger_1, finger_2, finger_3] = initialised;
    QuickStatus {
        Finger1Status: finger_1,
        Finger2Status: finger_2,
        Finger3Status: finger_3,
        RetractType: status.retract_type,
        ControlEnableStatus: status.control_enable,
        ControlActiveModule: status.active_module,
        ControlFrameType: status.frame_type,
        CartesianFaultState: faults.cartesian_fault,
        // 1 = off, for both.
        ForceControlStatus: u8::from(!faults.force_control_on),
        CurrentLimitationStatus: 1,
        RobotType: faults.robot_type.unwrap_or(status.robot_type),
        ..QuickStatus::default()
    }
}

pub fn sensors() -> SensorsInfo {
    SensorsInfo {
        Voltage: SUPPLY_V,
        Current: SUPPLY_A,
        AccelerationZ: 1.0,
        ActuatorTemp1: TEMPERATURE_C,
        ActuatorTemp2: TEMPERATURE_C,
        ActuatorTemp3: TEMPERATURE_C,
        ActuatorTemp4: TEMPERATURE_C,
        ActuatorTemp5: TEMPERATURE_C,
        ActuatorTemp6: TEMPERATURE_C,
        FingerTemp1: TEMPERATURE_C,
        FingerTemp2: TEMPERATURE_C,
        FingerTemp3: TEMPERATURE_C,
        ..SensorsInfo::default()
    }
}

pub fn forces(seen: &Measured) -> ForcesInfo {
    let joints = actuators(seen.joint_torques_nm);
    let tool = cartesian(seen.tool_wrench);
    ForcesInfo {
        Actuator1: joints.Actuator1,
        Actuator2: joints.Actuator2,
        Actuator3: joints.Actuator3,
        Actuator4: joints.Actuator4,
        Actuator5: joints.Actuator5,
        Actuator6: joints.Actuator6,
        Actuator7: 0.0,
        X: tool.X,
        Y: tool.Y,
        Z: tool.Z,
        ThetaX: tool.ThetaX,
        ThetaY: tool.ThetaY,
        ThetaZ: tool.ThetaZ,
    }
}

pub fn gripper(firmware: &Firmware, faults: &Faults) -> Gripper {
    let positions = firmware.finger_ticks();
    let commands = firmware.commanded_finger_ticks();
    let initialised = firmware.quick_status().finger_initialised;
    let count = finger_count(faults);
    Gripper {
        Model: text(&format!("KG-{count}")),
        Fingers: std::array::from_fn(|i| {
            let there = Finger {
                ActualPosition: positions[i] as f32,
                ActualCommand: commands[i] as f32,
                ActualTemperature: TEMPERATURE_C,
                MaxAngle: CLOSED_TICKS as f32,
                IsFingerInit: u16::from(initialised[i]),
                Index: i as u16,
                IsFingerConnected: 1,
                ..Finger::default()
            };
            if i < count { there } else { Finger::default() }
        }),
    }
}

/// Versions of the boards, the base's first, then the actuators': a digit a byte, as in 6.2.8.
pub fn code_version() -> [i32; CODE_VERSION_COUNT] {
    let coded = |[major, minor, release]: [i32; 3]| (major << 16) | (minor << 8) | release;
    std::array::from_fn(|i| match i {
        0 => coded(VERSION),
        1..=JOINTS => coded(ACTUATOR_VERSION),
        _ => 0,
    })
}

/// The devices inside the arm: actuators, then fingers.
pub fn inventory(faults: &Faults) -> [PeripheralInfo; MAX_INVENTORY] {
    let mut inventory = [PeripheralInfo::default(); MAX_INVENTORY];
    let actuators = (0..actuator_count(faults)).map(|i| (ROTARY_ACTUATOR, i));
    let fingers = (0..finger_count(faults)).map(|i| (LINEAR_ACTUATOR, i));
    for ((slot, (kind, address)), handle) in
        inventory.iter_mut().zip(actuators.chain(fingers)).zip(1..)
    {
        let address = address as u32 + 16;
        *slot = PeripheralInfo { Handle: handle, Type: kind, Address: address, ..*slot };
    }
    inventory
}
