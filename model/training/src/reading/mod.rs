//! Reading datasets that anybody may have written: what their numbers mean, and at which rate.
//!
//! `source` and `selection` say what was asked for; `camera`, `action`, `gripper` and `rate` each own
//! one question that a dataset must answer; `features` and `survey` ask them, the latter of every row;
//! `flags` heeds what a recorder says of its rows; `report` says the answers. A number whose meaning
//! is not certain is refused by name, with the option that states it. Must never touch a tensor.

mod action;
mod camera;
mod features;
mod flags;
mod gripper;
mod names;
mod rate;
mod report;
mod selection;
mod source;
mod survey;

pub use camera::Camera;
pub use gripper::{GripperRange, GripperRangeError};
pub use report::{ActionReport, DatasetReport, LeftOut, TaskReport};
pub use selection::{CORRECTION_WEIGHTS, Corrections, Selection, Stale, Success};
pub use source::{DatasetSource, Reading};
pub use survey::{Segment, Survey, survey};
