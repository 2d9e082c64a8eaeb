//! The base's side of the SDK: answers a call from the world's firmware, in the SDK's structs
//! and units.

mod structs;

use crate::World;
use crate::firmware::kinematics::DEG;
use crate::firmware::{ControlType, DONE};
use jaco_core::state::JOINTS;
use jaco_sim_link::control::Faults;
use jaco_sim_link::sdk::{Call, Reply};
use kinova_sys::{
    AngularPosition, CONTROL_TYPE, CartesianPosition, JoystickCommand, TrajectoryFIFO,
};
use structs::{actuators, cartesian, coordinates};

/// The serial number of an arm that was given none.
const SERIAL: &str = "SIM-000000000000";
/// The joystick button that goes home while it is held.
const HOME_BUTTON: usize = 2;

/// The base as a device on the bus.
#[derive(Debug)]
pub struct Base {
    serial: String,
}

impl Default for Base {
    fn default() -> Self {
        Self::new(SERIAL)
    }
}

impl Base {
    /// An arm of this serial number.
    pub fn new(serial: &str) -> Self {
        Self { serial: serial.to_owned() }
    }

    /// Answers `call`. `uptime_s` is the simulated time since the arm was switched on.
    pub fn answer(
        &mut self,
        call: &Call,
        world: &mut World,
        faults: &Faults,
        uptime_s: f64,
    ) -> Reply {
        world.firmware().set_vices(faults.into());
        let mut reply = self.reply(call, world, faults, uptime_s);
        if faults.always_one && !call.is_read() {
            reply.code = DONE;
        }
        reply
    }

    fn reply(&self, call: &Call, world: &mut World, faults: &Faults, uptime_s: f64) -> Reply {
        let firmware = world.firmware_ref();
        match call {
            Call::GetDevices => Reply::output(&structs::device(&self.serial, faults)),
            Call::GetClientConfigurations => {
                Reply::output(&structs::configuration(&self.serial, firmware))
            }
            Call::GetGeneralInformations => {
                Reply::output(&structs::general(world, faults, uptime_s))
            }
            Call::GetQuickStatus => Reply::output(&structs::quick_status(firmware, faults)),
            Call::GetSensorsInfo => Reply::output(&structs::sensors()),
            Call::GetForcesInfo => Reply::output(&structs::forces(&firmware.reading())),
            Call::GetGripperStatus => Reply::output(&structs::gripper(firmware, faults)),
            Call::GetCodeVersion => Reply::output(&structs::code_version()),
            Call::GetPeripheralInventory => Reply::output(&structs::inventory(faults)),
            Call::GetTrajectoryTorqueMode => Reply::output(&i32::from(faults.torque_mode)),
            Call::GetControlType => Reply::output(&match firmware.control_type() {
                ControlType::Cartesian => CONTROL_TYPE::CARTESIAN.0,
                ControlType::Angular => CONTROL_TYPE::ANGULAR.0,
            }),
            Call::GetGlobalTrajectoryInfo => {
                let fifo = firmware.reported_fifo();
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
                stick.ButtonValue[HOME_BUTTON] = firmware.home_button().into();
                Reply::output(&stick)
            }
            Call::GetCartesianPosition => Reply::output(&CartesianPosition {
                Coordinates: coordinates(&firmware.reading().pose),
                Fingers: structs::finger_positions(firmware, faults),
            }),
            Call::GetAngularPosition => Reply::output(&AngularPosition {
                Actuators: actuators(firmware.joints_deg()),
                Fingers: structs::finger_positions(firmware, faults),
            }),
            Call::GetCartesianCommand => Reply::output(&CartesianPosition {
                Coordinates: coordinates(&structs::commanded_pose(world)),
                Fingers: structs::commanded_fingers(firmware),
            }),
            Call::GetAngularCommand => Reply::output(&AngularPosition {
                Actuators: actuators(firmware.commanded_joints_deg()),
                Fingers: structs::commanded_fingers(firmware),
            }),
            Call::GetCartesianForce => Reply::output(&CartesianPosition {
                Coordinates: cartesian(firmware.reading().tool_wrench),
                ..CartesianPosition::default()
            }),
            // The emulated motors are gravity compensated, so both readings are the same.
            Call::GetAngularForce | Call::GetAngularForceGravityFree => {
                joints_only(firmware.reading().joint_torques_nm)
            }
            Call::GetAngularCurrent => {
                joints_only(firmware.measured().joint_torques_nm.map(structs::current_a))
            }
            // The real base reports half of the velocity.
            Call::GetAngularVelocity => {
                joints_only(firmware.reading().joint_velocities_rad_s.map(|v| v * DEG / 2.0))
            }
            // The board of faults has done what there is to do about force control.
            Call::InitAPI | Call::StopForceControl => Reply::code(DONE),
            Call::StartControlAPI => Reply::code(world.firmware().start_control()),
            Call::StopControlAPI => Reply::code(world.firmware().stop_control()),
            Call::SetCartesianControl => Reply::code(world.firmware().set_cartesian_control()),
            Call::SetAngularControl => Reply::code(world.firmware().set_angular_control()),
            Call::EraseAllTrajectories => Reply::code(world.firmware().erase()),
            Call::MoveHome => Reply::code(world.firmware().move_home()),
            Call::InitFingers => Reply::code(world.firmware().init_fingers()),
            Call::SetActiveDevice(wanted) => {
                let device = structs::device(&self.serial, faults);
                let known = wanted.SerialNumber == device.SerialNumber;
                Reply::code(if known { DONE } else { kinova_sys::NO_DEVICE_FOUND })
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

/// The reply to a read of one number for each joint.
fn joints_only(values: [f64; JOINTS]) -> Reply {
    let reading = AngularPosition { Actuators: actuators(values), ..AngularPosition::default() };
    Reply::output(&reading)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::WorldOptions;
    use jaco_core::Task;
    use jaco_sim_link::Plain;
    use jaco_sim_link::control::Group;
    use kinova_sys::{
        ClientConfigurations, GeneralInformations, Gripper, HAND_MODE, KinovaDevice, MAX_INVENTORY,
        POSITION_TYPE, PeripheralInfo, QuickStatus, TrajectoryPoint,
    };

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
    #[test]
    fn an_arm_has_the_serial_number_it_was_given_everywhere() {
        let mut bench = Bench::new();
        bench.base = Base::new("SIM-0123456789ab");
        let device: KinovaDevice = bench.read(Call::GetDevices);
        let configuration: ClientConfigurations = bench.read(Call::GetClientConfigurations);
        assert_eq!(device.SerialNumber, configuration.Serial);
        let text = device.SerialNumber.map(|c| c as u8 as char).into_iter().collect::<String>();
        assert_eq!(text.trim_end_matches('\0'), "SIM-0123456789ab");
    }

    #[test]
    fn another_arm_is_another_arm_in_every_reading() {
        let mut bench = Bench::new();
        bench.faults = Faults {
            robot_type: Some(8),
            actuators: Some(7),
            fingers: Some(2),
            cartesian_fault: 1,
            force_control_on: true,
            torque_mode: true,
            ..Faults::default()
        };
        let status: QuickStatus = bench.read(Call::GetQuickStatus);
        assert_eq!((status.RobotType, status.CartesianFaultState), (8, 1));
        assert_eq!((status.Finger2Status, status.Finger3Status), (1, 0));
        assert_eq!(status.ForceControlStatus, 0, "0 = on");
        assert_eq!(bench.read::<KinovaDevice>(Call::GetDevices).DeviceType, 8);
        let general: GeneralInformations = bench.read(Call::GetGeneralInformations);
        assert_eq!(general.ConnectedActuatorCount, 7);
        let gripper: Gripper = bench.read(Call::GetGripperStatus);
        assert_eq!(gripper.Fingers.map(|finger| finger.IsFingerConnected), [1, 1, 0]);
        assert_eq!(bench.read::<i32>(Call::GetTrajectoryTorqueMode), 1);
        let inventory: [PeripheralInfo; MAX_INVENTORY] = bench.read(Call::GetPeripheralInventory);
        let kinds = inventory.map(|device| device.Type);
        assert_eq!(kinds[..10], [100, 100, 100, 100, 100, 100, 100, 200, 200, 0]);
    }

    #[test]
    fn readings_go_wrong_as_the_vices_say() {
        let mut bench = Bench::new();
        let healthy: AngularPosition = bench.read(Call::GetAngularPosition);
        let at: CartesianPosition = bench.read(Call::GetCartesianPosition);
        bench.faults = Faults {
            pose_jump_m: 1.5,
            unbounded_joints: 1,
            force_bias_n: [0.0, 0.0, -8.0],
            nan: vec![Group::Fingers],
            ..Faults::default()
        };
        let jumped: CartesianPosition = bench.read(Call::GetCartesianPosition);
        assert!((jumped.Coordinates.X - at.Coordinates.X - 1.5).abs() < 1e-5);
        assert!(jumped.Fingers.Finger1.is_nan() && !jumped.Coordinates.ThetaX.is_nan());
        for call in [Call::GetAngularPosition, Call::GetAngularCommand] {
            let turned: AngularPosition = bench.read(call);
            let more = |now: f32, then: f32| (now - then).round();
            let (now, then) = (turned.Actuators, healthy.Actuators);
            assert_eq!(more(now.Actuator1, then.Actuator1), 360.0);
            assert_eq!(more(now.Actuator2, then.Actuator2), 0.0);
            assert_eq!(more(now.Actuator6, then.Actuator6), 360.0);
        }
        let force: CartesianPosition = bench.read(Call::GetCartesianForce);
        assert!((force.Coordinates.Z + 8.0).abs() < 2.0, "{}", force.Coordinates.Z);
    }

    #[test]
    fn what_is_no_number_is_none_as_command_either() {
        let mut bench = Bench::new();
        bench.faults.nan = vec![Group::Pose, Group::Joints, Group::Fingers, Group::Force];
        let pose: CartesianPosition = bench.read(Call::GetCartesianCommand);
        assert!(pose.Coordinates.X.is_nan() && pose.Fingers.Finger1.is_nan());
        for call in [
            Call::GetAngularCommand,
            Call::GetAngularPosition,
            Call::GetAngularVelocity,
            Call::GetAngularForce,
        ] {
            let joints: AngularPosition = bench.read(call);
            assert!(joints.Actuators.Actuator6.is_nan(), "{call:?}");
        }
    }

    #[test]
    fn a_point_that_the_arm_rejects_can_claim_success() {
        let mut bench = Bench::new();
        assert_eq!(bench.code(Call::SendBasicTrajectory(velocity(f32::NAN))), 2003);
        bench.faults.always_one = true;
        assert_eq!(bench.code(Call::SendBasicTrajectory(velocity(f32::NAN))), 1);
    }

    #[test]
    fn currents_are_those_of_a_resting_arm() {
        let mut bench = Bench::new();
        let current: AngularPosition = bench.read(Call::GetAngularCurrent);
        assert!((0.1..3.0).contains(&current.Actuators.Actuator2), "{current:?}");
    }
}
