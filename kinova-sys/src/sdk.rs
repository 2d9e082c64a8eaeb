//! Loading the SDK's command layer, and one method per function.
//!
//! It owns the signatures: each is written once below, and the compiler compares it with the
//! header's prototype. It must never interpret a return code.

use crate::types::*;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::cell::Cell;
use std::ffi::{c_int, c_uint};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

/// Which command layer a library is; it decides the names of its symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// USB: `GetCartesianPosition`.
    Usb,
    /// Ethernet: `Ethernet_GetCartesianPosition`.
    Ethernet,
}

/// The command layer could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot load the Kinova SDK's command layer {path}: {source} (give the x86-64 \
     *CommandLayerUbuntu.so; what it needs, libstdc++ and libusb-1.0, must be installed)"
)]
pub struct LoadError {
    /// The library asked for.
    pub path: PathBuf,
    /// What the loader said.
    pub source: libloading::Error,
}

/// The command layer does not export a function. This is normal: builds differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not exported by {}", library.display())]
pub struct SymbolError {
    /// The symbol as looked up, `Ethernet_` included.
    pub name: &'static str,
    /// The library that lacks it.
    pub library: PathBuf,
}

/// How a Rust argument crosses the C ABI: C++ references and arrays are plain pointers.
trait Abi {
    type Raw;
    fn raw(self) -> Self::Raw;
}

impl<T> Abi for &mut T {
    type Raw = *mut T;
    fn raw(self) -> *mut T {
        self
    }
}

macro_rules! passed_by_value {
    ($($type:ty),*) => {
        $(impl Abi for $type {
            type Raw = $type;
            fn raw(self) -> $type {
                self
            }
        })*
    };
}

passed_by_value!(
    c_int,
    c_uint,
    f32,
    TrajectoryPoint,
    KinovaDevice,
    JoystickCommand,
    ClientConfigurations,
    ZoneList,
    CartesianInfo,
    AngularInfo,
    GENERALCONTROL_TYPE,
    TORQUECONTROL_TYPE,
    GRAVITY_TYPE,
    ROBOT_TYPE
);

macro_rules! sdk {
    ($($(#[$doc:meta])* fn $method:ident = $symbol:ident($($arg:ident: $type:ty),*);)*) => {
        /// A loaded command layer.
        ///
        /// The SDK is not thread safe (its lock does not exclude), so this is `Send` but not
        /// `Sync`: one owner at a time. Most calls block, some for ten seconds on a wedged arm,
        /// [`Sdk::move_home`] without limit: call them from a process that may be killed.
        ///
        /// Every method gives the SDK's return code as it is, or a [`SymbolError`] when the
        /// library does not export the function. A failed `get_…` leaves its output untouched.
        #[derive(Debug)]
        pub struct Sdk {
            // Never unloaded: InitAPI leaves a thread behind that runs the library's code.
            library: ManuallyDrop<Library>,
            path: PathBuf,
            transport: Transport,
            symbols: Symbols,
        }

        /// The functions resolved so far.
        #[derive(Debug, Default)]
        struct Symbols {
            $($method: Cell<Option<unsafe extern "C" fn($(<$type as Abi>::Raw),*) -> c_int>>,)*
        }

        /// The symbol of each function, plain and with `Ethernet_`.
        const NAMES: &[(&str, &str)] =
            &[$((stringify!($symbol), concat!("Ethernet_", stringify!($symbol)))),*];

        impl Sdk {
            $($(#[$doc])*
            #[doc = concat!("\n\nSDK: `", stringify!($symbol), "`.")]
            pub fn $method(&self $(, $arg: $type)*) -> Result<c_int, SymbolError> {
                let names = (stringify!($symbol), concat!("Ethernet_", stringify!($symbol)));
                let function = self.resolve(&self.symbols.$method, names)?;
                // SAFETY: `function` is the command layer's function of this name, whose
                // signature the header declares; pointers come from exclusive references.
                Ok(unsafe { function($($arg.raw()),*) })
            })*
        }

        /// Compile-time comparison of the signatures above with the header's prototypes.
        mod prototypes {
            #![allow(dead_code, missing_docs, non_snake_case)]
            include!(concat!(env!("OUT_DIR"), "/prototypes.rs"));
            use super::Abi;
            use std::ffi::{c_int, c_uint};
            $(const _: unsafe extern "C" fn($(<$type as Abi>::Raw),*) -> c_int = $symbol;)*
        }
    };
}

impl Sdk {
    /// Loads the command layer at `path`, its symbols visible to itself only. Runs the library's
    /// initialisers: give only a path that the operator chose.
    ///
    /// Fails if there is no such library or what it needs is missing; a library that is not a
    /// command layer loads, and then lacks every symbol (see [`Sdk::missing`]).
    pub fn load(path: &Path, transport: Transport) -> Result<Self, LoadError> {
        // SAFETY: the vendor's initialisers only construct globals; the caller chose the library.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
            .map_err(|source| LoadError { path: path.to_owned(), source })?;
        let library = ManuallyDrop::new(library);
        Ok(Self { library, path: path.to_owned(), transport, symbols: Symbols::default() })
    }

    /// The library's path as given to [`Sdk::load`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The functions that this library does not export, by symbol. Some always are missing: the
    /// USB layer has no `InitEthernetAPI`.
    pub fn missing(&self) -> Vec<&'static str> {
        let names = NAMES.iter().map(|&names| self.name(names));
        names.filter(|name| self.lookup::<unsafe extern "C" fn()>(name).is_none()).collect()
    }

    fn name(&self, (usb, ethernet): (&'static str, &'static str)) -> &'static str {
        match self.transport {
            Transport::Usb => usb,
            Transport::Ethernet => ethernet,
        }
    }

    fn resolve<F: Copy>(
        &self,
        cache: &Cell<Option<F>>,
        names: (&'static str, &'static str),
    ) -> Result<F, SymbolError> {
        if let Some(function) = cache.get() {
            return Ok(function);
        }
        let name = self.name(names);
        let function =
            self.lookup(name).ok_or_else(|| SymbolError { name, library: self.path.clone() })?;
        cache.set(Some(function));
        Ok(function)
    }

    fn lookup<F: Copy>(&self, name: &str) -> Option<F> {
        // SAFETY: `F` is a function pointer of the header's signature for this name, and the
        // library stays loaded for the life of the process.
        unsafe { self.library.get::<F>(name.as_bytes()) }.ok().map(|symbol| *symbol)
    }
}

sdk! {
    // Lifecycle and discovery.

    /// Opens the SDK over USB, or over Ethernet with built-in addresses.
    ///
    /// 1 ok, 1015 no arm, 2002 the communication layer is not in `LD_LIBRARY_PATH`. Hazards of
    /// the USB layer: after a failure the next call gives 1 though nothing is there, so call
    /// [`Sdk::close_api`] between attempts and count [`Sdk::get_devices`] after a success; a
    /// process of another user *crashes* here when root made `/dev/shm/sem.KinovaMutex` first.
    fn init_api = InitAPI();
    /// Opens the SDK over Ethernet. Binds sockets only: gives 1 though no arm answers.
    /// Only the Ethernet layer has it.
    fn init_ethernet_api = InitEthernetAPI(config: &mut EthernetCommConfig);
    /// Closes the SDK; 1 even when it was not open.
    fn close_api = CloseAPI();
    /// Version of the API; works before [`Sdk::init_api`]. 5, 2, 0 is the ABI declared here.
    fn get_api_version = GetAPIVersion(version: &mut [c_int; API_VERSION_COUNT]);
    /// Firmware versions of all boards.
    fn get_code_version = GetCodeVersion(version: &mut [c_int; CODE_VERSION_COUNT]);
    /// Lists the arms. Returns *how many*; the return code goes to `result`.
    fn get_devices = GetDevices(
        devices: &mut [KinovaDevice; MAX_KINOVA_DEVICE],
        result: &mut c_int
    );
    /// Scans the bus again. CRASHES before a successful [`Sdk::init_api`].
    fn refres_devices_list = RefresDevicesList();
    /// Selects the arm with this serial number for every later call.
    fn set_active_device = SetActiveDevice(device: KinovaDevice);
    /// Reads the arm's configuration.
    fn get_client_configurations =
        GetClientConfigurations(configuration: &mut ClientConfigurations);
    /// Writes the arm's configuration: 55 packets, into flash. Never in a loop.
    fn set_client_configurations = SetClientConfigurations(configuration: ClientConfigurations);
    /// Reads everything at once: some 17 packets, at most once a second.
    fn get_general_informations = GetGeneralInformations(information: &mut GeneralInformations);
    /// Reads the state flags: one packet.
    fn get_quick_status = GetQuickStatus(status: &mut QuickStatus);
    /// Reads supply and temperatures.
    fn get_sensors_info = GetSensorsInfo(sensors: &mut SensorsInfo);
    /// Reads torques and the force at the tool.
    fn get_forces_info = GetForcesInfo(forces: &mut ForcesInfo);
    /// Reads the state of the hand: some 7 packets.
    fn get_gripper_status = GetGripperStatus(gripper: &mut Gripper);
    /// Lists the devices inside the arm.
    fn get_peripheral_inventory =
        GetPeripheralInventory(inventory: &mut [PeripheralInfo; MAX_INVENTORY]);
    /// Counts the errors logged in flash.
    fn get_system_error_count = GetSystemErrorCount(count: &mut c_uint);
    /// Reads one logged error.
    fn get_system_error = GetSystemError(index: c_uint, error: &mut SystemError);
    /// Clears the error log.
    fn clear_error_log = ClearErrorLog();

    // Control authority and modes.

    /// Takes control from the joystick. Gives 1 though no arm is there.
    fn start_control_api = StartControlAPI();
    /// Gives control back to the joystick.
    fn stop_control_api = StopControlAPI();
    /// Asks for Cartesian control. Gives 1 though the arm may silently refuse (not homed,
    /// singular pose): check with [`Sdk::get_control_type`].
    fn set_cartesian_control = SetCartesianControl();
    /// Asks for joint control.
    fn set_angular_control = SetAngularControl();
    /// Reads a [`CONTROL_TYPE`].
    fn get_control_type = GetControlType(control_type: &mut c_int);
    /// Frame of motion: 0 fixed, 1 rotating.
    fn set_frame_type = SetFrameType(frame: c_int);
    /// Reads a [`GENERALCONTROL_TYPE`].
    fn get_trajectory_torque_mode = GetTrajectoryTorqueMode(mode: &mut c_int);
    /// Changes between positions and torques.
    fn switch_trajectory_torque = SwitchTrajectoryTorque(mode: GENERALCONTROL_TYPE);
    /// Starts reactive force control; said to do nothing on newer firmware.
    fn start_force_control = StartForceControl();
    /// Stops reactive force control.
    fn stop_force_control = StopForceControl();
    /// Starts limiting currents.
    fn start_current_limitation = StartCurrentLimitation();
    /// Stops limiting currents.
    fn stop_current_limitation = StopCurrentLimitation();
    /// Sets the spasm filter.
    fn set_spasm_filter_values = SetSpasmFilterValues(values: &mut [f32; 1], active: c_int);
    /// Reads the spasm filter.
    fn get_spasm_filter_values = GetSpasmFilterValues(values: &mut [f32; 1], active: &mut c_int);
    /// Protects against pinching at the wrist.
    fn activate_extra_protection_pinching_wrist =
        ActivateExtraProtectionPinchingWrist(active: c_int);
    /// Avoids self-collision; not for a six-joint Jaco.
    fn activate_collision_automatic_avoidance = ActivateCollisionAutomaticAvoidance(active: c_int);
    /// Avoids singularities; not for a six-joint Jaco.
    fn activate_singularity_automatic_avoidance =
        ActivateSingularityAutomaticAvoidance(active: c_int);

    // Motion.

    /// Queues a point: one packet, the cheap way to stream velocities. Limits and synchronisation
    /// are not sent. A 1 is no evidence that it arrived. CRASHES before a successful
    /// [`Sdk::init_api`].
    fn send_basic_trajectory = SendBasicTrajectory(point: TrajectoryPoint);
    /// Queues a point with its limits: three packets. As [`Sdk::send_basic_trajectory`] otherwise.
    fn send_advance_trajectory = SendAdvanceTrajectory(point: TrajectoryPoint);
    /// Empties the FIFO and stops the arm. ALWAYS gives 1, whatever happened: judge by reads.
    fn erase_all_trajectories = EraseAllTrajectories();
    /// Reads how full the FIFO is.
    fn get_global_trajectory_info = GetGlobalTrajectoryInfo(fifo: &mut TrajectoryFIFO);
    /// Reads the point being executed.
    fn get_actual_trajectory_info = GetActualTrajectoryInfo(point: &mut TrajectoryPoint);
    /// Goes home and BLOCKS until the FIFO is empty, for ever if the arm is lost.
    fn move_home = MoveHome();
    /// Opens and initialises the fingers: blocks for seconds, empties the FIFO, leaves the arm in
    /// joint control.
    fn init_fingers = InitFingers();
    /// Plays the joystick.
    fn send_joystick_command = SendJoystickCommand(command: JoystickCommand);
    /// Reads the joystick: tells whether somebody took it.
    fn get_joystick_value = GetJoystickValue(command: &mut JoystickCommand);

    // State. Each is one request. The third read that fails on USB blocks for ever: each failure
    // keeps a count of the SDK's semaphore.

    /// Pose of the tool \[m, rad\] and fingers \[ticks\].
    fn get_cartesian_position = GetCartesianPosition(position: &mut CartesianPosition);
    /// Joint angles \[deg\], unbounded, and fingers \[ticks\].
    fn get_angular_position = GetAngularPosition(position: &mut AngularPosition);
    /// Commanded pose: what to build a hold from, else the arm sags.
    fn get_cartesian_command = GetCartesianCommand(command: &mut CartesianPosition);
    /// Commanded joint angles.
    fn get_angular_command = GetAngularCommand(command: &mut AngularPosition);
    /// Force \[N\] and torque \[N m\] at the tool, base frame.
    fn get_cartesian_force = GetCartesianForce(force: &mut CartesianPosition);
    /// Joint torques \[N m\].
    fn get_angular_force = GetAngularForce(force: &mut AngularPosition);
    /// Joint torques without gravity's share \[N m\].
    fn get_angular_force_gravity_free = GetAngularForceGravityFree(force: &mut AngularPosition);
    /// Joint currents \[A\].
    fn get_angular_current = GetAngularCurrent(current: &mut AngularPosition);
    /// Motor currents \[A\].
    fn get_angular_current_motor = GetAngularCurrentMotor(current: &mut AngularPosition);
    /// HALF of the true joint velocities \[deg/s\]; some firmware gives 360 - v for negative ones.
    fn get_angular_velocity = GetAngularVelocity(velocity: &mut AngularPosition);
    /// Commanded velocities, of the tool and of the joints.
    fn get_command_velocity = GetCommandVelocity(
        cartesian: &mut [f32; CARTESIAN_SIZE],
        angular: &mut [f32; MAX_ACTUATORS]
    );
    /// Accelerations at the joints \[g\].
    fn get_actuator_acceleration = GetActuatorAcceleration(acceleration: &mut AngularAcceleration);
    /// Positions and currents of the actuators.
    fn get_position_current_actuators =
        GetPositionCurrentActuators(values: &mut [f32; POSITION_CURRENT_COUNT]);
    /// Nearness to a singularity; not in use by the vendor's word.
    fn get_singularity_vector = GetSingularityVector(singularity: &mut SingularityVector);

    // Limits, tool, force and torque.

    /// Writes the protection zones: 79 packets.
    fn set_protection_zone = SetProtectionZone(zones: ZoneList);
    /// Reads the protection zones.
    fn get_protection_zone = GetProtectionZone(zones: &mut ZoneList);
    /// Removes the protection zones.
    fn erase_all_protection_zones = EraseAllProtectionZones();
    /// Moves the tool point \[m\].
    fn set_end_effector_offset = SetEndEffectorOffset(status: c_uint, x: f32, y: f32, z: f32);
    /// Reads where the tool point is \[m\].
    fn get_end_effector_offset = GetEndEffectorOffset(
        status: &mut c_uint,
        x: &mut f32,
        y: &mut f32,
        z: &mut f32
    );
    /// Forces \[N\] and torques \[N m\] between which force control acts.
    fn set_cartesian_force_min_max = SetCartesianForceMinMax(min: CartesianInfo, max: CartesianInfo);
    /// Inertia \[kg, kg m2\] and damping \[N s/m\] of force control.
    fn set_cartesian_inertia_damping =
        SetCartesianInertiaDamping(inertia: CartesianInfo, damping: CartesianInfo);
    /// Torques \[N m\] between which joint force control acts.
    fn set_angular_torque_min_max = SetAngularTorqueMinMax(min: AngularInfo, max: AngularInfo);
    /// Inertia and damping of joint force control.
    fn set_angular_inertia_damping =
        SetAngularInertiaDamping(inertia: AngularInfo, damping: AngularInfo);
    /// Commands joint torques \[N m\]. After 250 ms without a command the torque is zero.
    fn send_angular_torque_command = SendAngularTorqueCommand(command: &mut [f32; COMMAND_SIZE]);
    /// Commands force \[N\] and torque \[N m\] of the tool.
    fn send_cartesian_force_command = SendCartesianForceCommand(command: &mut [f32; COMMAND_SIZE]);
    /// Safety factor of torque control, 0 to 1.
    fn set_torque_safety_factor = SetTorqueSafetyFactor(factor: f32);
    /// Kind of torque control.
    fn set_torque_control_type = SetTorqueControlType(kind: TORQUECONTROL_TYPE);
    /// Kind of gravity compensation.
    fn set_gravity_type = SetGravityType(kind: GRAVITY_TYPE);
    /// Direction of gravity.
    fn set_gravity_vector = SetGravityVector(vector: &mut [f32; GRAVITY_VECTOR_SIZE]);
    /// Mass \[kg\] and centre \[m\] of what the hand carries.
    fn set_gravity_payload = SetGravityPayload(payload: &mut [f32; GRAVITY_PAYLOAD_SIZE]);
    /// Optimal gravity parameters. Gives 2005 though applied.
    fn set_gravity_optimal_z_param =
        SetGravityOptimalZParam(parameters: &mut [f32; GRAVITY_PARAM_SIZE]);
    /// Manual gravity parameters. Gives 2005 though applied.
    fn set_gravity_manual_input_param =
        SetGravityManualInputParam(parameters: &mut [f32; GRAVITY_PARAM_SIZE]);
    /// Damps vibrations in torque control.
    fn set_torque_vibration_controller = SetTorqueVibrationController(value: f32);
    /// Level of protection in torque control.
    fn set_torque_robot_protection = SetTorqueRobotProtection(level: c_int);
    /// Estimates gravity parameters: MOVES the arm for more than ten minutes.
    fn run_gravity_z_estimation_sequence = RunGravityZEstimationSequence(
        kind: ROBOT_TYPE,
        parameters: &mut [f64; OPTIMAL_Z_PARAM_SIZE]
    );
}
