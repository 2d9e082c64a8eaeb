//! The SDK functions that the driver uses, as a trait, so that tests can put an arm with scripted
//! faults in the SDK's place.

use kinova_sys::{
    API_VERSION_COUNT, AngularPosition, CartesianPosition, ClientConfigurations,
    EthernetCommConfig, ForcesInfo, GeneralInformations, Gripper, JoystickCommand, KinovaDevice,
    MAX_KINOVA_DEVICE, QuickStatus, Sdk, SensorsInfo, SymbolError, TrajectoryFIFO, TrajectoryPoint,
};
use std::ffi::c_int;

/// A return code as the SDK gave it, or the symbol that it lacks.
pub type Called = Result<c_int, SymbolError>;

macro_rules! api {
    ($(fn $name:ident($($arg:ident: $type:ty),*);)*) => {
        /// Functions of the SDK, under the names and with the hazards that [`Sdk`] documents.
        /// One thread at a time may call.
        pub trait Api: Send + 'static {
            $(
                #[doc = concat!("See [`Sdk::", stringify!($name), "`].")]
                fn $name(&self $(, $arg: $type)*) -> Called;
            )*
        }

        impl Api for Sdk {
            $(fn $name(&self $(, $arg: $type)*) -> Called {
                Sdk::$name(self $(, $arg)*)
            })*
        }
    };
}

api! {
    fn init_api();
    fn init_ethernet_api(config: &mut EthernetCommConfig);
    fn close_api();
    fn get_api_version(version: &mut [c_int; API_VERSION_COUNT]);
    fn get_devices(devices: &mut [KinovaDevice; MAX_KINOVA_DEVICE], result: &mut c_int);
    fn set_active_device(device: KinovaDevice);
    fn get_client_configurations(configuration: &mut ClientConfigurations);
    fn get_general_informations(information: &mut GeneralInformations);
    fn get_gripper_status(gripper: &mut Gripper);
    fn get_quick_status(status: &mut QuickStatus);
    fn get_sensors_info(sensors: &mut SensorsInfo);
    fn get_forces_info(forces: &mut ForcesInfo);
    fn start_control_api();
    fn stop_control_api();
    fn set_cartesian_control();
    fn get_control_type(control_type: &mut c_int);
    fn get_trajectory_torque_mode(mode: &mut c_int);
    fn stop_force_control();
    fn get_cartesian_position(position: &mut CartesianPosition);
    fn get_angular_position(position: &mut AngularPosition);
    fn get_angular_current(current: &mut AngularPosition);
    fn get_global_trajectory_info(fifo: &mut TrajectoryFIFO);
    fn get_joystick_value(command: &mut JoystickCommand);
    fn send_joystick_command(command: JoystickCommand);
    fn send_basic_trajectory(point: TrajectoryPoint);
    fn erase_all_trajectories();
}
