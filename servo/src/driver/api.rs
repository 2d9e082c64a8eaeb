//! The SDK functions that the driver uses, as a trait, so that tests can put an arm with scripted
//! faults in the SDK's place.

use kinova_sys::{
    AngularPosition, CartesianPosition, JoystickCommand, KinovaDevice, MAX_KINOVA_DEVICE,
    QuickStatus, Sdk, SymbolError, TrajectoryFIFO, TrajectoryPoint,
};
use std::ffi::c_int;

/// A return code as the SDK gave it, or the symbol that it lacks.
pub type Called = Result<c_int, SymbolError>;

macro_rules! api {
    ($(fn $name:ident($($arg:ident: $type:ty),*);)*) => {
        /// Functions of the SDK, under the names and with the hazards that [`Sdk`] documents.
        /// One thread at a time may call; the driver says where it has to break this rule.
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
    fn close_api();
    fn get_devices(devices: &mut [KinovaDevice; MAX_KINOVA_DEVICE], result: &mut c_int);
    fn set_active_device(device: KinovaDevice);
    fn start_control_api();
    fn stop_control_api();
    fn set_cartesian_control();
    fn get_control_type(control_type: &mut c_int);
    fn get_quick_status(status: &mut QuickStatus);
    fn get_cartesian_position(position: &mut CartesianPosition);
    fn get_angular_position(position: &mut AngularPosition);
    fn get_global_trajectory_info(fifo: &mut TrajectoryFIFO);
    fn get_joystick_value(command: &mut JoystickCommand);
    fn send_basic_trajectory(point: TrajectoryPoint);
    fn erase_all_trajectories();
    fn move_home();
    fn init_fingers();
}
