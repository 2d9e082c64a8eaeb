//! The settings of steering by hand, and the names of a pad's controls: the configuration's, by
//! the names that this package's users know them by.

pub use jaco_config::Teleop as TeleopSettings;
pub use jaco_config::teleop::{AxisBinding, Bindings, Chord, PadAxis, PadButton, Part};
