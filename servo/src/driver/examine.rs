//! Whether the arm that answers is the one that is meant: its kind, its joints and fingers, its
//! own limits. Read once, before it is taken into control; nothing here commands it.

use super::DriverOptions;
use super::api::Api;
use super::connect::text;
use super::error::{CallError, ConnectError};
use super::line::Line;
use super::status::{Status, read_status};
use crate::condition::{Condition, Conditions};
use jaco_core::state::JOINTS;
use kinova_sys::{ClientConfigurations, GeneralInformations, Gripper};
use serde::{Deserialize, Serialize};
use std::ffi::c_int;

/// Readings of an arm that has just been found may fail; each is tried so often.
const TRIES: u32 = 4;
/// ROBOT_TYPE of the arms whose kinematics this program knows: Jaco2 with six joints, service and
/// assistive.
const JACO2_SIX_JOINTS: [u8; 2] = [3, 6];
/// GetTrajectoryTorqueMode: torques.
const TORQUE: c_int = 1;
/// A difference of speeds that is none.
const TOLERANCE: f64 = 1e-3;

/// What the arm is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Serial number.
    pub serial: String,
    /// Model, in the arm's words.
    pub model: String,
    /// ROBOT_TYPE.
    pub robot_type: u8,
    /// Seconds since it was switched on, at the connection.
    pub uptime_s: f64,
    /// Version of the SDK's API; zero if it does not tell.
    pub api_version: [c_int; 3],
    /// The speed that it allows itself \[m/s\], \[rad/s\]; 0 if it does not tell.
    pub own_speed: (f64, f64),
}

/// Looks at the arm; refuses another kind than configured. Returns what it is, its flags, and what
/// is not as it should be.
pub(super) fn examine<A: Api>(
    line: &Line<A>,
    options: &DriverOptions,
    mut identity: Identity,
) -> Result<(Identity, Status, Conditions), ConnectError> {
    let mut conditions = Conditions::default();
    let status = again(|| read_status(line))?;
    if !JACO2_SIX_JOINTS.contains(&status.robot_type) {
        return Err(ConnectError::WrongArm { found: robot(status.robot_type).to_owned() });
    }
    identity.robot_type = status.robot_type;
    let mut general = GeneralInformations::default();
    again(|| {
        line.call("GetGeneralInformations", |api| api.get_general_informations(&mut general))
    })?;
    identity.uptime_s = general.TimeFromStartup;
    let joints = usize::from(general.ConnectedActuatorCount);
    if joints != JOINTS {
        return Err(ConnectError::WrongJoints { found: joints });
    }
    if let Some(found) = connected_fingers(line)?
        && found != options.fingers
    {
        return Err(ConnectError::WrongFingers { found, configured: options.fingers });
    }
    let mut mode: c_int = 0;
    let torque = optional(again(|| {
        line.call("GetTrajectoryTorqueMode", |api| api.get_trajectory_torque_mode(&mut mode))
    }))?;
    conditions.set(Condition::TorqueControl, torque && mode == TORQUE);
    let mut own = ClientConfigurations::default();
    if optional(again(|| {
        line.call("GetClientConfigurations", |api| api.get_client_configurations(&mut own))
    }))? {
        identity.model = text(&own.Model);
        identity.own_speed =
            (f64::from(own.MaxTranslationVelocity), f64::from(own.MaxOrientationVelocity));
        let below = |own: f64, ours: f64| own > 0.0 && own + TOLERANCE < ours;
        let slower = below(identity.own_speed.0, options.linear_speed_m_s)
            || below(identity.own_speed.1, options.angular_speed_rad_s);
        conditions.set(Condition::SlowerThanLimits, slower);
    }
    Ok((identity, status, conditions))
}

/// How many fingers the hand says are connected; `None` if it says nothing of any.
fn connected_fingers<A: Api>(line: &Line<A>) -> Result<Option<usize>, ConnectError> {
    let mut gripper = Gripper::default();
    let told = optional(again(|| {
        line.call("GetGripperStatus", |api| api.get_gripper_status(&mut gripper))
    }))?;
    let fingers = gripper.Fingers.iter().filter(|finger| finger.IsFingerConnected != 0).count();
    Ok((told && fingers > 0).then_some(fingers))
}

/// Makes a call that may fail now and then.
fn again<T>(mut call: impl FnMut() -> Result<T, CallError>) -> Result<T, CallError> {
    let mut result = call();
    for _ in 1..TRIES {
        match &result {
            Ok(_) | Err(CallError::Symbol(_)) => break,
            Err(_) => result = call(),
        }
    }
    result
}

/// Whether the SDK has the function and it worked; a function that a build lacks, or says it does not
/// support, is no fault of the arm.
fn optional(result: Result<(), CallError>) -> Result<bool, CallError> {
    match result {
        Ok(()) => Ok(true),
        Err(CallError::Symbol(_)) => Ok(false),
        Err(CallError::Code { code: kinova_sys::LIBUSB_NOT_SUPPORTED, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn robot(robot_type: u8) -> &'static str {
    match robot_type {
        0 => "a Jaco of the first version",
        1 | 5 => "a Mico with six joints",
        2 => "a Mico with four joints",
        3 | 6 => "a Jaco2 with six joints",
        4 => "a Jaco2 with four joints",
        7 => "a Jaco2 with six joints and a spherical wrist",
        8 => "an arm with seven joints",
        _ => "an arm of an unknown kind",
    }
}
