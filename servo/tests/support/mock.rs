//! An arm in the SDK's place: it moves as told, keeps a log of calls, and fails on request.
// Each test program uses a part of it.
#![allow(dead_code)]

use jaco_core::{Clock, ManualClock};
use jaco_servo::driver::{Api, Called};
use kinova_sys::{
    API_VERSION_COUNT, AngularPosition, CartesianPosition, ClientConfigurations,
    EthernetCommConfig, ForcesInfo, GeneralInformations, Gripper, JoystickCommand, KinovaDevice,
    MAX_KINOVA_DEVICE, POSITION_TYPE, QuickStatus, SensorsInfo, SymbolError, TrajectoryFIFO,
    TrajectoryPoint,
};
use std::collections::VecDeque;
use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the joystick says.
#[derive(Clone, Copy, Debug)]
pub enum Joystick {
    /// Its first axis.
    At(f32),
    /// Nothing: this return code.
    Fails(c_int),
    /// Nothing: the SDK has no such function.
    Missing,
}

/// The arm's inside, for a test to set and to look at.
#[derive(Debug)]
pub struct Inside {
    pub log: Vec<&'static str>,
    /// Whether calls and points are written down.
    pub logs: bool,
    pub points: Vec<TrajectoryPoint>,
    pub position: CartesianPosition,
    pub serials: Vec<String>,
    /// RetractType: 6 before it is homed.
    pub retract_type: u8,
    /// RetractType that homing leads to.
    pub home_retract_type: u8,
    /// Readings of the flags, with the button held, that homing takes.
    pub home_reads: u32,
    pub button_held: bool,
    /// Metres along x that the arm moves at each read while the button is held.
    pub home_m: f32,
    /// Set calls that are lost though they return 1.
    pub lost_sets: u32,
    pub control: bool,
    pub cartesian_fault: u8,
    pub force_control: bool,
    pub force_control_ends: bool,
    pub torque_mode: c_int,
    pub robot_type: u8,
    pub actuators: u16,
    pub fingers: usize,
    pub api_version: [c_int; 3],
    pub own_speed: (f32, f32),
    /// Joint degrees, the first six.
    pub joints_deg: [f32; 6],
    pub forces: ForcesInfo,
    pub joystick: Joystick,
    pub fingers_initialised: bool,
    pub cartesian: bool,
    pub accepts_cartesian: bool,
    pub init_code: c_int,
    pub start_control_code: c_int,
    pub send_code: c_int,
    pub queue: u32,
    /// Return codes of the coming reads; good ones when empty.
    pub read_codes: VecDeque<c_int>,
    /// Metres along x that the arm moves at each read, whatever it is told.
    pub drift_m: f32,
    /// What each packet takes \[ns\] on the manual clock.
    pub packet_ns: u64,
    /// What each read takes \[ns\] on top.
    pub read_takes_ns: u64,
    /// Answers that the coming reads of the pose give instead of the truth.
    pub false_poses: VecDeque<CartesianPosition>,
}

impl Inside {
    fn note(&mut self, call: &'static str) {
        if self.logs {
            self.log.push(call);
        }
    }
}

/// A handle on the arm; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct MockArm {
    inside: Arc<Mutex<Inside>>,
    pub clock: Arc<ManualClock>,
}

/// The manual clock of a test, shared.
#[derive(Clone, Debug)]
pub struct SharedClock(pub Arc<ManualClock>);

impl Clock for SharedClock {
    fn now_ns(&self) -> u64 {
        self.0.now_ns()
    }
}

/// A serial number that no other arm of this machine has: each has one owner.
fn serial() -> String {
    static ARMS: AtomicU32 = AtomicU32::new(0);
    format!("PJ{}-{}", std::process::id(), ARMS.fetch_add(1, Ordering::Relaxed))
}

impl MockArm {
    /// A homed arm above the table.
    pub fn new() -> Self {
        let mut position = CartesianPosition::default();
        position.Coordinates.Y = -0.4;
        position.Coordinates.Z = 0.25;
        position.Coordinates.ThetaX = 3.1;
        let inside = Inside {
            log: Vec::new(),
            logs: true,
            points: Vec::new(),
            position,
            serials: vec![serial()],
            retract_type: 1,
            home_retract_type: 1,
            home_reads: 2,
            button_held: false,
            home_m: 0.0,
            lost_sets: 0,
            control: false,
            cartesian_fault: 0,
            force_control: false,
            force_control_ends: true,
            torque_mode: 0,
            robot_type: 6,
            actuators: 6,
            fingers: 3,
            api_version: [5, 2, 0],
            own_speed: (0.2, 1.07),
            joints_deg: [90.0, 180.0, 180.0, 0.0, 0.0, 0.0],
            forces: ForcesInfo::default(),
            joystick: Joystick::At(0.0),
            fingers_initialised: true,
            cartesian: false,
            accepts_cartesian: true,
            init_code: 1,
            start_control_code: 1,
            send_code: 1,
            queue: 1,
            read_codes: VecDeque::new(),
            drift_m: 0.0,
            packet_ns: 0,
            read_takes_ns: 0,
            false_poses: VecDeque::new(),
        };
        Self { inside: Arc::new(Mutex::new(inside)), clock: Arc::default() }
    }

    pub fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls since the last time, in order.
    pub fn take_log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.inside().log)
    }

    /// The number of `call`s since the log was last taken.
    pub fn count(&self, call: &str) -> usize {
        self.inside().log.iter().filter(|made| **made == call).count()
    }

    /// A call that sets something; what it does is lost if the wire loses it.
    fn set(&self, call: &'static str, does: impl FnOnce(&mut Inside)) -> Called {
        let mut inside = self.inside();
        inside.note(call);
        self.clock.advance_ns(inside.packet_ns);
        if inside.lost_sets > 0 {
            inside.lost_sets -= 1;
        } else {
            does(&mut inside);
        }
        Ok(1)
    }

    fn read(&self, call: &'static str, answer: impl FnOnce(&mut Inside)) -> Called {
        let mut inside = self.inside();
        inside.note(call);
        self.clock.advance_ns(inside.packet_ns + inside.read_takes_ns);
        let home_m = if inside.button_held { inside.home_m } else { 0.0 };
        inside.position.Coordinates.X += inside.drift_m + home_m;
        let code = inside.read_codes.pop_front().unwrap_or(1);
        if code == 1 {
            answer(&mut inside);
        }
        Ok(code)
    }
}

impl Api for MockArm {
    fn init_api(&self) -> Called {
        let code = self.inside().init_code;
        self.set("InitAPI", |_| {}).map(|_| code)
    }

    fn init_ethernet_api(&self, _: &mut EthernetCommConfig) -> Called {
        self.set("InitEthernetAPI", |_| {})
    }

    fn close_api(&self) -> Called {
        self.set("CloseAPI", |_| {})
    }

    fn get_api_version(&self, version: &mut [c_int; API_VERSION_COUNT]) -> Called {
        *version = self.inside().api_version;
        Ok(1)
    }

    fn get_devices(
        &self,
        devices: &mut [KinovaDevice; MAX_KINOVA_DEVICE],
        result: &mut c_int,
    ) -> Called {
        let mut inside = self.inside();
        inside.log.push("GetDevices");
        for (device, serial) in devices.iter_mut().zip(&inside.serials) {
            for (char, byte) in device.SerialNumber.iter_mut().zip(serial.bytes()) {
                *char = byte as c_char;
            }
        }
        *result = 1;
        Ok(inside.serials.len() as c_int)
    }

    fn set_active_device(&self, _: KinovaDevice) -> Called {
        self.set("SetActiveDevice", |_| {})
    }

    fn get_client_configurations(&self, configuration: &mut ClientConfigurations) -> Called {
        self.read("GetClientConfigurations", |inside| {
            (configuration.MaxTranslationVelocity, configuration.MaxOrientationVelocity) =
                inside.own_speed;
        })
    }

    fn get_general_informations(&self, information: &mut GeneralInformations) -> Called {
        self.read("GetGeneralInformations", |inside| {
            information.ConnectedActuatorCount = inside.actuators;
            information.TimeFromStartup = 12.5;
        })
    }

    fn get_gripper_status(&self, gripper: &mut Gripper) -> Called {
        self.read("GetGripperStatus", |inside| {
            for finger in gripper.Fingers.iter_mut().take(inside.fingers) {
                finger.IsFingerConnected = 1;
            }
        })
    }

    fn get_quick_status(&self, status: &mut QuickStatus) -> Called {
        self.read("GetQuickStatus", |inside| {
            if inside.button_held && inside.control {
                inside.home_reads = inside.home_reads.saturating_sub(1);
                if inside.home_reads == 0 {
                    inside.retract_type = inside.home_retract_type;
                    inside.home_m = 0.0;
                }
            }
            let initialised = u8::from(inside.fingers_initialised);
            *status = QuickStatus {
                RetractType: inside.retract_type,
                Finger1Status: initialised,
                Finger2Status: initialised,
                Finger3Status: initialised,
                ControlEnableStatus: u8::from(!inside.control),
                CartesianFaultState: inside.cartesian_fault,
                ForceControlStatus: u8::from(!inside.force_control),
                CurrentLimitationStatus: 1,
                RobotType: inside.robot_type,
                ..QuickStatus::default()
            };
        })
    }

    fn get_sensors_info(&self, sensors: &mut SensorsInfo) -> Called {
        self.read("GetSensorsInfo", |_| (sensors.Voltage, sensors.ActuatorTemp6) = (24.0, 31.0))
    }

    fn get_forces_info(&self, forces: &mut ForcesInfo) -> Called {
        self.read("GetForcesInfo", |inside| *forces = inside.forces)
    }

    fn start_control_api(&self) -> Called {
        let code = self.inside().start_control_code;
        self.set("StartControlAPI", |inside| inside.control = true).map(|_| code)
    }

    fn stop_control_api(&self) -> Called {
        self.set("StopControlAPI", |inside| {
            inside.control = false;
            inside.button_held = false;
        })
    }

    fn set_cartesian_control(&self) -> Called {
        self.set("SetCartesianControl", |inside| inside.cartesian |= inside.accepts_cartesian)
    }

    fn get_control_type(&self, control_type: &mut c_int) -> Called {
        self.read("GetControlType", |inside| *control_type = c_int::from(!inside.cartesian))
    }

    fn get_trajectory_torque_mode(&self, mode: &mut c_int) -> Called {
        self.read("GetTrajectoryTorqueMode", |inside| *mode = inside.torque_mode)
    }

    fn stop_force_control(&self) -> Called {
        self.set("StopForceControl", |inside| inside.force_control &= !inside.force_control_ends)
    }

    fn get_cartesian_position(&self, position: &mut CartesianPosition) -> Called {
        self.read("GetCartesianPosition", |inside| {
            *position = inside.false_poses.pop_front().unwrap_or(inside.position);
        })
    }

    fn get_angular_position(&self, position: &mut AngularPosition) -> Called {
        self.read("GetAngularPosition", |inside| {
            let joints = &mut position.Actuators;
            [
                joints.Actuator1,
                joints.Actuator2,
                joints.Actuator3,
                joints.Actuator4,
                joints.Actuator5,
                joints.Actuator6,
            ] = inside.joints_deg;
        })
    }

    fn get_angular_current(&self, current: &mut AngularPosition) -> Called {
        self.read("GetAngularCurrent", |_| current.Actuators.Actuator2 = 0.7)
    }

    fn get_global_trajectory_info(&self, fifo: &mut TrajectoryFIFO) -> Called {
        self.read("GetGlobalTrajectoryInfo", |inside| fifo.TrajectoryCount = inside.queue)
    }

    fn get_joystick_value(&self, command: &mut JoystickCommand) -> Called {
        let joystick = self.inside().joystick;
        match joystick {
            Joystick::At(axis) => self.read("GetJoystickValue", |inside| {
                *command = JoystickCommand { InclineLeftRight: axis, ..Default::default() };
                command.ButtonValue[2] = i16::from(inside.button_held);
            }),
            Joystick::Fails(code) => self.set("GetJoystickValue", |_| {}).map(|_| code),
            Joystick::Missing => {
                self.set("GetJoystickValue", |_| {})?;
                Err(SymbolError { name: "GetJoystickValue", library: "layer.so".into() })
            }
        }
    }

    fn send_joystick_command(&self, command: JoystickCommand) -> Called {
        self.set("SendJoystickCommand", |inside| {
            inside.button_held = command.ButtonValue[2] != 0;
        })
    }

    fn send_basic_trajectory(&self, point: TrajectoryPoint) -> Called {
        let code = self.inside().send_code;
        self.set("SendBasicTrajectory", |inside| {
            if !inside.control {
                return;
            }
            inside.position.Coordinates.X += point.Position.CartesianPosition.X * 0.01;
            if point.Position.Type == POSITION_TYPE::ANGULAR_VELOCITY {
                inside.cartesian = false;
                inside.fingers_initialised |= point.Position.Fingers.Finger1 < 0.0;
            }
            if inside.logs {
                inside.points.push(point);
            }
        })
        .map(|_| code)
    }

    fn erase_all_trajectories(&self) -> Called {
        self.set("EraseAllTrajectories", |_| {})
    }
}
