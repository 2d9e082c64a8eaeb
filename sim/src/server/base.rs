//! The base's side of the SDK: answers a call from the world's firmware, in the SDK's structs
//! and units.

use crate::World;
use crate::firmware::fingers::CLOSED_TICKS;
use crate::firmware::kinematics::DEG;
use crate::firmware::{ControlType, DONE, Measured};
use jaco_core::Pose;
use jaco_core::state::{FINGERS, JOINTS};
use jaco_sim_link::control::Faults;
use jaco_sim_link::sdk::{Call, Reply};
use kinova_sys::{
    AngularInfo, AngularPosition, CONTROL_TYPE, CartesianInfo, CartesianPosition,
    ClientConfigurations, Finger, FingersPosition, ForcesInfo, GeneralInformations, Gripper,
    HAND_MODE, JoystickCommand, KinovaDevice, POSITION_TYPE, QuickStatus, SensorsInfo,
    TrajectoryFIFO, UserPosition,
};
use nalgebra::{UnitQuaternion, Vector3, Vector6};
use std::ffi::c_char;

const SERIAL: &str = "PJ00900006SIMULATED";
const MODEL: &str = "j2n6s300";
/// The joystick button that goes home while it is held.
const HOME_BUTTON: usize = 2;
const SUPPLY_V: f32 = 24.0;
const SUPPLY_A: f32 = 1.5;
const TEMPERATURE_C: f32 = 32.0;

/// The base as a device on the bus.
#[derive(Debug, Default)]
pub struct Base {}

impl Base {
    /// Answers `call`. `uptime_s` is the simulated time since the program started.
    pub fn answer(
        &mut self,
        call: &Call,
        world: &mut World,
        faults: &Faults,
        uptime_s: f64,
    ) -> Reply {
        world.firmware().set_vices(faults.into());
        match call {
            Call::GetDevices => Reply::output(&device()),
            Call::GetClientConfigurations => Reply::output(&configuration()),
            Call::GetGeneralInformations => Reply::output(&general(world, uptime_s)),
            Call::GetQuickStatus => Reply::output(&quick_status(world)),
            Call::GetSensorsInfo => Reply::output(&sensors()),
            Call::GetForcesInfo => Reply::output(&forces(world.firmware_ref().measured())),
            Call::GetGripperStatus => Reply::output(&gripper(world)),
            Call::GetControlType => Reply::output(&match world.firmware_ref().control_type() {
                ControlType::Cartesian => CONTROL_TYPE::CARTESIAN.0,
                ControlType::Angular => CONTROL_TYPE::ANGULAR.0,
            }),
            Call::GetGlobalTrajectoryInfo => {
                let fifo = world.firmware_ref().fifo_info();
                Reply::output(&TrajectoryFIFO {
                    TrajectoryCount: fifo.count,
                    UsedPercentage: fifo.used_percent,
                    MaxSize: fifo.max,
                })
            }
            Call::GetJoystickValue => {
                let mut stick = JoystickCommand {
                    InclineLeftRight: faults.joystick_axis,
                    ..JoystickCommand::default()
                };
                stick.ButtonValue[HOME_BUTTON] = world.firmware_ref().home_button().into();
                Reply::output(&stick)
            }
            Call::GetCartesianPosition => Reply::output(&CartesianPosition {
                Coordinates: coordinates(&world.firmware_ref().measured().pose),
                Fingers: finger_positions(world),
            }),
            Call::GetAngularPosition => Reply::output(&AngularPosition {
                Actuators: actuators(world.firmware_ref().joints_deg()),
                Fingers: finger_positions(world),
            }),
            Call::GetCartesianCommand => Reply::output(&CartesianPosition {
                Coordinates: coordinates(&commanded_pose(world)),
                Fingers: commanded_fingers(world),
            }),
            Call::GetAngularCommand => Reply::output(&AngularPosition {
                Actuators: actuators(world.firmware_ref().targets().joints_rad.map(degrees)),
                Fingers: commanded_fingers(world),
            }),
            Call::GetCartesianForce => Reply::output(&CartesianPosition {
                Coordinates: cartesian(world.firmware_ref().measured().tool_wrench),
                ..CartesianPosition::default()
            }),
            // The emulated motors are gravity compensated, so both readings are the same.
            Call::GetAngularForce | Call::GetAngularForceGravityFree => {
                Reply::output(&AngularPosition {
                    Actuators: actuators(world.firmware_ref().measured().joint_torques_nm),
                    ..AngularPosition::default()
                })
            }
            // The real base reports half of the velocity.
            Call::GetAngularVelocity => Reply::output(&AngularPosition {
                Actuators: actuators(
                    world.firmware_ref().measured().joint_velocities_rad_s.map(|v| v * DEG / 2.0),
                ),
                ..AngularPosition::default()
            }),
            Call::InitAPI => Reply::code(DONE),
            Call::StartControlAPI => Reply::code(world.firmware().start_control()),
            Call::StopControlAPI => Reply::code(world.firmware().stop_control()),
            Call::SetCartesianControl if faults.refuse_cartesian => Reply::code(DONE),
            Call::SetCartesianControl => Reply::code(world.firmware().set_cartesian_control()),
            Call::SetAngularControl => Reply::code(world.firmware().set_angular_control()),
            Call::EraseAllTrajectories => Reply::code(world.firmware().erase()),
            Call::MoveHome => Reply::code(world.firmware().move_home()),
            Call::InitFingers => Reply::code(world.firmware().init_fingers()),
            Call::SetActiveDevice(wanted) => {
                Reply::code(if wanted.SerialNumber == device().SerialNumber {
                    DONE
                } else {
                    kinova_sys::NO_DEVICE_FOUND
                })
            }
            Call::SetFrameType(frame) => Reply::code(world.firmware().set_frame_type(*frame != 0)),
            Call::SendBasicTrajectory(point) => {
                let mut point = *point;
                // The basic packet has no room for limits.
                point.LimitationsActive = 0;
                Reply::code(world.firmware().push(&point))
            }
            Call::SendAdvanceTrajectory(point) => Reply::code(world.firmware().push(point)),
            Call::SendJoystickCommand(command) => {
                let held = command.ButtonValue[HOME_BUTTON] != 0;
                Reply::code(world.firmware().set_home_button(held))
            }
        }
    }
}

fn degrees(angle_rad: f64) -> f64 {
    angle_rad * DEG
}

fn cartesian(values: [f64; 6]) -> CartesianInfo {
    let [x, y, z, theta_x, theta_y, theta_z] = values.map(|value| value as f32);
    CartesianInfo { X: x, Y: y, Z: z, ThetaX: theta_x, ThetaY: theta_y, ThetaZ: theta_z }
}

fn coordinates(pose: &Pose) -> CartesianInfo {
    let (position, [x, y, z]) = (pose.position_m, pose.theta_rad());
    cartesian([position.x, position.y, position.z, x, y, z])
}

fn actuators(values: [f64; JOINTS]) -> AngularInfo {
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

fn fingers(ticks: [f64; FINGERS]) -> FingersPosition {
    let [one, two, three] = ticks.map(|ticks| ticks as f32);
    FingersPosition { Finger1: one, Finger2: two, Finger3: three }
}

fn finger_positions(world: &World) -> FingersPosition {
    fingers(world.firmware_ref().finger_ticks())
}

fn commanded_fingers(world: &World) -> FingersPosition {
    fingers(world.firmware_ref().targets().fingers_rad.map(crate::firmware::fingers::ticks))
}

/// Pose of the tool at the joint targets, to first order: they are never far from the joints.
fn commanded_pose(world: &World) -> Pose {
    let firmware = world.firmware_ref();
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

fn device() -> KinovaDevice {
    KinovaDevice {
        SerialNumber: text(SERIAL),
        Model: text(MODEL),
        VersionMajor: 6,
        VersionMinor: 2,
        VersionRelease: 8,
        DeviceType: kinova_sys::ROBOT_TYPE::JACOV2_6DOF_SERVICE.0,
        DeviceID: 0,
    }
}

fn configuration() -> ClientConfigurations {
    ClientConfigurations {
        Serial: text(SERIAL),
        Model: text(MODEL),
        MaxTranslationVelocity: 0.20,
        MaxOrientationVelocity: 1.07,
        MaxTranslationAcceleration: 0.64,
        MaxOrientationAcceleration: 2.75,
        ..ClientConfigurations::default()
    }
}

fn general(world: &World, uptime_s: f64) -> GeneralInformations {
    let firmware = world.firmware_ref();
    let measured = firmware.measured();
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
        ConnectedActuatorCount: JOINTS as u16,
        Position: user(
            coordinates(&measured.pose),
            actuators(firmware.joints_deg()),
            finger_positions(world),
        ),
        Command: user(
            coordinates(&commanded_pose(world)),
            actuators(firmware.targets().joints_rad.map(degrees)),
            commanded_fingers(world),
        ),
        Force: user(
            cartesian(measured.tool_wrench),
            actuators(measured.joint_torques_nm),
            FingersPosition::default(),
        ),
        ActuatorsTemperatures: [TEMPERATURE_C; 7],
        FingersTemperatures: [TEMPERATURE_C; 3],
        ControlTimeAbsolute: uptime_s,
        ControlTimeFromStartup: uptime_s,
        ..GeneralInformations::default()
    }
}

fn quick_status(world: &World) -> QuickStatus {
    let status = world.firmware_ref().quick_status();
    let [finger_1, finger_2, finger_3] = status.finger_initialised;
    QuickStatus {
        Finger1Status: finger_1,
        Finger2Status: finger_2,
        Finger3Status: finger_3,
        RetractType: status.retract_type,
        ControlEnableStatus: status.control_enable,
        ControlActiveModule: status.active_module,
        ControlFrameType: status.frame_type,
        // 1 = off, for both.
        ForceControlStatus: 1,
        CurrentLimitationStatus: 1,
        RobotType: status.robot_type,
        ..QuickStatus::default()
    }
}

fn sensors() -> SensorsInfo {
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

fn forces(measured: &Measured) -> ForcesInfo {
    let joints = actuators(measured.joint_torques_nm);
    let tool = cartesian(measured.tool_wrench);
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

fn gripper(world: &World) -> Gripper {
    let firmware = world.firmware_ref();
    let positions = firmware.finger_ticks();
    let commands = firmware.targets().fingers_rad.map(crate::firmware::fingers::ticks);
    let initialised = firmware.quick_status().finger_initialised;
    Gripper {
        Model: text("KG-3"),
        Fingers: std::array::from_fn(|i| Finger {
            ActualPosition: positions[i] as f32,
            ActualCommand: commands[i] as f32,
            ActualTemperature: TEMPERATURE_C,
            MaxAngle: CLOSED_TICKS as f32,
            IsFingerInit: u16::from(initialised[i]),
            Index: i as u16,
            IsFingerConnected: 1,
            ..Finger::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::WorldOptions;
    use jaco_core::Task;
    use jaco_sim_link::Plain;
    use kinova_sys::TrajectoryPoint;

    struct Bench {
        world: World,
        base: Base,
        faults: Faults,
    }

    impl Bench {
        fn new() -> Self {
            let world = World::new(&WorldOptions::default()).unwrap();
            Self { world, base: Base::default(), faults: Faults::default() }
        }

        fn code(&mut self, call: Call) -> i32 {
            self.base.answer(&call, &mut self.world, &self.faults, 0.0).code
        }

        fn read<T: Plain>(&mut self, call: Call) -> T {
            let reply = self.base.answer(&call, &mut self.world, &self.faults, 0.0);
            assert_eq!(reply.code, 1);
            T::from_bytes(&reply.output).unwrap()
        }
    }

    fn velocity(x_m_s: f32) -> TrajectoryPoint {
        let mut point = TrajectoryPoint::default();
        point.Position.Type = POSITION_TYPE::CARTESIAN_VELOCITY;
        point.Position.HandMode = HAND_MODE::VELOCITY_MODE;
        point.Position.CartesianPosition.X = x_m_s;
        point
    }

    #[test]
    fn readings_agree_with_the_world() {
        let mut bench = Bench::new();
        let state = bench.world.arm_state();
        let position: CartesianPosition = bench.read(Call::GetCartesianPosition);
        let theta = state.pose.theta_rad();
        assert!((f64::from(position.Coordinates.X) - state.pose.position_m.x).abs() < 1e-6);
        assert!((f64::from(position.Coordinates.ThetaZ) - theta[2]).abs() < 1e-6);
        let closure = f64::from(position.Fingers.Finger2) / 6800.0;
        assert!((closure - state.closure[1]).abs() < 1e-3);
        let angles: AngularPosition = bench.read(Call::GetAngularPosition);
        let joint = f64::from(angles.Actuators.Actuator6).to_radians();
        assert!((joint - state.joints_rad[5]).abs() < 1e-5);
    }

    #[test]
    fn joint_velocities_are_halved_as_by_the_real_base() {
        let mut bench = Bench::new();
        for _ in 0..20 {
            assert_eq!(bench.code(Call::SendBasicTrajectory(velocity(0.1))), 1);
            bench.world.tick();
        }
        let before = bench.world.arm_state().joints_rad[0];
        let half: AngularPosition = bench.read(Call::GetAngularVelocity);
        bench.code(Call::SendBasicTrajectory(velocity(0.1)));
        bench.world.tick();
        let true_deg_s = (bench.world.arm_state().joints_rad[0] - before).to_degrees() / 0.01;
        let ratio = f64::from(half.Actuators.Actuator1) / true_deg_s;
        assert!((ratio - 0.5).abs() < 0.05, "{ratio}");
    }

    #[test]
    fn the_command_is_ahead_of_a_moving_arm_and_with_a_resting_one() {
        let mut bench = Bench::new();
        let ahead = |bench: &mut Bench| {
            let command: CartesianPosition = bench.read(Call::GetCartesianCommand);
            let position: CartesianPosition = bench.read(Call::GetCartesianPosition);
            command.Coordinates.X - position.Coordinates.X
        };
        assert!(ahead(&mut bench).abs() < 1e-3);
        for _ in 0..20 {
            bench.code(Call::SendBasicTrajectory(velocity(0.1)));
            bench.world.tick();
        }
        assert!(ahead(&mut bench) > 1e-3, "{}", ahead(&mut bench));
    }

    #[test]
    fn holding_the_home_button_homes_an_arm_and_releasing_it_stops() {
        let mut bench = Bench::new();
        bench.world.power_up(Task::PlaceBlock, 0);
        bench.code(Call::StartControlAPI);
        let mut button = JoystickCommand::default();
        let count = |bench: &mut Bench| {
            bench.read::<TrajectoryFIFO>(Call::GetGlobalTrajectoryInfo).TrajectoryCount
        };
        button.ButtonValue[HOME_BUTTON] = 1;
        bench.code(Call::SendJoystickCommand(button));
        assert_eq!(count(&mut bench), 1);
        bench.code(Call::SendJoystickCommand(JoystickCommand::default()));
        assert_eq!(count(&mut bench), 0);
        assert_eq!(bench.read::<QuickStatus>(Call::GetQuickStatus).RetractType, 6);

        bench.code(Call::SendJoystickCommand(button));
        for _ in 0..2000 {
            bench.code(Call::SendJoystickCommand(button));
            bench.world.tick();
        }
        assert_eq!(bench.read::<QuickStatus>(Call::GetQuickStatus).RetractType, 1);
    }

    #[test]
    fn a_refused_cartesian_control_claims_success() {
        let mut bench = Bench::new();
        bench.code(Call::SetAngularControl);
        bench.faults.refuse_cartesian = true;
        assert_eq!(bench.code(Call::SetCartesianControl), 1);
        assert_eq!(bench.read::<i32>(Call::GetControlType), CONTROL_TYPE::ANGULAR.0);
        bench.faults.refuse_cartesian = false;
        assert_eq!(bench.code(Call::SetCartesianControl), 1);
        assert_eq!(bench.read::<i32>(Call::GetControlType), CONTROL_TYPE::CARTESIAN.0);
    }

    #[test]
    fn only_the_arm_that_is_there_can_be_selected() {
        let mut bench = Bench::new();
        let mut device: KinovaDevice = bench.read(Call::GetDevices);
        assert_eq!(bench.code(Call::SetActiveDevice(device)), 1);
        device.SerialNumber[0] = 0;
        assert_eq!(bench.code(Call::SetActiveDevice(device)), 1015);
    }
}
