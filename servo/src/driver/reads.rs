//! Single readings of the arm, judged: an empty reply, or another command's, is no reading.

use super::api::Api;
use super::convert;
use super::error::CallError;
use super::line::Line;
use super::plausible::PoseJudge;
use crate::telemetry::Telemetry;
use jaco_core::state::JOINTS;
use jaco_core::{ArmState, Wrench};
use kinova_sys::{AngularPosition, CartesianPosition, ForcesInfo, SensorsInfo, TrajectoryFIFO};
use std::ffi::c_int;

/// Reads pose and fingers, at `now_ns`, of an arm whose hand has so many `fingers`, into `state`,
/// which a failure leaves as it is.
pub fn pose<A: Api>(
    line: &Line<A>,
    fingers: usize,
    judge: &mut PoseJudge,
    state: &mut ArmState,
    now_ns: u64,
) -> Result<(), CallError> {
    const CALL: &str = "GetCartesianPosition";
    let mut reading = CartesianPosition::default();
    line.call(CALL, |api| api.get_cartesian_position(&mut reading))?;
    let (pose, closure) =
        convert::pose_and_closure(&reading).ok_or(CallError::EmptyReply { call: CALL })?;
    judge.judge(now_ns, &pose).map_err(|jump| CallError::Jump { call: CALL, jump })?;
    let closure = convert::of_hand(closure, fingers);
    *state = ArmState { stamp_ns: now_ns, pose, closure, ..*state };
    Ok(())
}

/// Joint angles \[rad\].
pub fn joints<A: Api>(line: &Line<A>) -> Result<[f64; JOINTS], CallError> {
    let mut reading = AngularPosition::default();
    line.call("GetAngularPosition", |api| api.get_angular_position(&mut reading))?;
    convert::joints_rad(&reading).ok_or(CallError::EmptyReply { call: "GetAngularPosition" })
}

/// The wrench at the tool, read at `now_ns`, and the joints' torques \[N m\].
pub fn forces<A: Api>(line: &Line<A>, now_ns: u64) -> Result<(Wrench, [f32; JOINTS]), CallError> {
    let mut reading = ForcesInfo::default();
    line.call("GetForcesInfo", |api| api.get_forces_info(&mut reading))?;
    convert::wrench_and_torques(&reading, now_ns)
        .ok_or(CallError::Implausible { call: "GetForcesInfo" })
}

/// Points waiting in the arm's queue.
pub fn queue<A: Api>(line: &Line<A>) -> Result<u32, CallError> {
    let mut fifo = TrajectoryFIFO::default();
    line.call("GetGlobalTrajectoryInfo", |api| api.get_global_trajectory_info(&mut fifo))?;
    Ok(fifo.TrajectoryCount)
}

/// The control type.
pub fn control_type<A: Api>(line: &Line<A>) -> Result<c_int, CallError> {
    let mut control_type = -1;
    line.call("GetControlType", |api| api.get_control_type(&mut control_type))?;
    match control_type {
        0 | 1 => Ok(control_type),
        _ => Err(CallError::Implausible { call: "GetControlType" }),
    }
}

/// Supply, acceleration and temperatures, read at `now_ns`, into `telemetry`.
pub fn sensors<A: Api>(
    line: &Line<A>,
    telemetry: &mut Telemetry,
    now_ns: u64,
) -> Result<(), CallError> {
    let mut reading = SensorsInfo::default();
    line.call("GetSensorsInfo", |api| api.get_sensors_info(&mut reading))?;
    convert::put_sensors(&reading, telemetry, now_ns);
    Ok(())
}

/// The joints' currents \[A\].
pub fn currents<A: Api>(line: &Line<A>) -> Result<[f32; JOINTS], CallError> {
    let mut reading = AngularPosition::default();
    line.call("GetAngularCurrent", |api| api.get_angular_current(&mut reading))?;
    Ok(convert::joints(&reading.Actuators))
}
