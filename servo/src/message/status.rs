//! The status, servo to daemon, once a tick.

use super::MessageError;
use super::command::{stop_code, stop_reason};
use super::note::{NOTE_BYTES, Note};
use super::packet::{HEADER_LEN, Reader, Writer};
use crate::mode::{HoldReason, Mode};
use crate::report::{CompletedStep, Counters, Report, Setpoint};
use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{Action, ArmState, Pose, Twist};
use nalgebra::{UnitQuaternion, Vector3};

const STATUS: u8 = 64;

const POSE_LEN: usize = 8 * 7;
const ACTION_LEN: usize = 8 * 7;
const STATE_LEN: usize = 8 + POSE_LEN + 8 * (JOINTS + FINGERS);
const SETPOINT_LEN: usize = 8 * (6 + FINGERS) + 9;
const COMPLETED_LEN: usize = 1 + 8 + 1 + 2 * ACTION_LEN;
const COUNTERS_LEN: usize = 8 * 9;
const REPORT_LEN: usize = 1
    + 1
    + 2
    + 1
    + 9
    + 3 * 8
    + 9
    + (1 + POSE_LEN)
    + 8
    + SETPOINT_LEN
    + COMPLETED_LEN
    + COUNTERS_LEN;
const PROCESS_LEN: usize = 12 * 8 + 4;
const NOTE_LEN: usize = 1 + NOTE_BYTES;

/// Bytes of a status packet.
pub const STATUS_LEN: usize = HEADER_LEN + STATE_LEN + REPORT_LEN + PROCESS_LEN + NOTE_LEN;

/// The arm, the law and the process after a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServoStatus {
    /// When the tick was due to end and the status was made, monotonic \[ns\].
    pub sent_ns: u64,
    /// The newest reading of the arm.
    pub state: ArmState,
    /// The law's own report.
    pub report: Report,
    /// Ticks since the start.
    pub ticks: u64,
    /// Ticks that began more than 1 ms late.
    pub late_ticks: u64,
    /// Ticks left out because the one before took too long; they are never made up for.
    pub missed_ticks: u64,
    /// How late this tick began \[ns\].
    pub lateness_ns: u64,
    /// How late the latest tick began \[ns\].
    pub worst_lateness_ns: u64,
    /// Time of this tick's SendBasicTrajectory \[ns\].
    pub send_ns: u64,
    /// Time of this tick's read \[ns\].
    pub read_ns: u64,
    /// Reads that failed.
    pub read_failures: u64,
    /// Points that the arm refused.
    pub send_failures: u64,
    /// Points waiting in the arm's queue when last read.
    pub arm_queue: u64,
    /// Times the arm's queue was emptied because it grew.
    pub queue_erasures: u64,
    /// Whether the process runs under SCHED_FIFO.
    pub realtime: bool,
    /// Whether the process's memory is locked.
    pub memory_locked: bool,
    /// Whether the arm is homed.
    pub homed: bool,
    /// Whether the readings of the last 200 ms show an arm at rest. This, not any return code,
    /// is what says that a stop has worked.
    pub at_rest: bool,
    /// The newest refusal or fault, in words; empty if there was none yet.
    pub note: Note,
}

/// Writes `status` into `buffer`.
pub fn encode_status(status: &ServoStatus, buffer: &mut [u8; STATUS_LEN]) {
    let mut writer = Writer::new(buffer, STATUS);
    put_state(&mut writer, &status.state);
    put_report(&mut writer, &status.report);
    for value in [
        status.sent_ns,
        status.ticks,
        status.late_ticks,
        status.missed_ticks,
        status.lateness_ns,
        status.worst_lateness_ns,
        status.send_ns,
        status.read_ns,
        status.read_failures,
        status.send_failures,
        status.arm_queue,
        status.queue_erasures,
    ] {
        writer.put_u64(value);
    }
    for flag in [status.realtime, status.memory_locked, status.homed, status.at_rest] {
        writer.put_bool(flag);
    }
    let text = status.note.as_str().as_bytes();
    let mut note = [0; NOTE_BYTES];
    note[..text.len()].copy_from_slice(text);
    writer.put_u8(text.len() as u8);
    writer.put(&note);
}

/// The status in `packet`.
pub fn decode_status(packet: &[u8]) -> Result<ServoStatus, MessageError> {
    let (kind, mut reader) = Reader::open(packet)?;
    if kind != STATUS {
        return Err(MessageError::Kind { found: kind });
    }
    reader.check_len(STATUS_LEN - HEADER_LEN)?;
    let reader = &mut reader;
    let (state, report) = (state(reader)?, report(reader)?);
    Ok(ServoStatus {
        state,
        report,
        sent_ns: reader.u64()?,
        ticks: reader.u64()?,
        late_ticks: reader.u64()?,
        missed_ticks: reader.u64()?,
        lateness_ns: reader.u64()?,
        worst_lateness_ns: reader.u64()?,
        send_ns: reader.u64()?,
        read_ns: reader.u64()?,
        read_failures: reader.u64()?,
        send_failures: reader.u64()?,
        arm_queue: reader.u64()?,
        queue_erasures: reader.u64()?,
        realtime: reader.bool("realtime")?,
        memory_locked: reader.bool("memory_locked")?,
        homed: reader.bool("homed")?,
        at_rest: reader.bool("at_rest")?,
        note: note(reader)?,
    })
}

fn note(reader: &mut Reader<'_>) -> Result<Note, MessageError> {
    let len = reader.u8()?;
    let bytes = reader.take::<NOTE_BYTES>()?;
    bytes
        .get(..usize::from(len))
        .and_then(Note::from_bytes)
        .ok_or(MessageError::Value { field: "note", value: u64::from(len) })
}

fn put_state(writer: &mut Writer<'_>, state: &ArmState) {
    writer.put_u64(state.stamp_ns);
    writer.put_pose(&state.pose);
    writer.put_f64s(&state.joints_rad);
    writer.put_f64s(&state.closure);
}

fn state(reader: &mut Reader<'_>) -> Result<ArmState, MessageError> {
    Ok(ArmState {
        stamp_ns: reader.u64()?,
        pose: reader.pose()?,
        joints_rad: reader.f64s()?,
        closure: reader.f64s()?,
    })
}

fn put_report(writer: &mut Writer<'_>, report: &Report) {
    let origin = Pose { position_m: Vector3::zeros(), orientation: UnitQuaternion::identity() };
    writer.put_u8(mode_code(report.mode));
    writer.put_u8(hold_code(report.hold_reason));
    writer.put_option(report.stop_reason.map(stop_code), 0, Writer::put_u8);
    writer.put_bool(report.ready);
    writer.put_option(report.step, 0, Writer::put_u64);
    writer.put_u64(report.next_needed_step);
    writer.put_u64(report.queued_until);
    writer.put_u64(report.queued as u64);
    writer.put_option(report.from_frame_ns, 0, Writer::put_u64);
    writer.put_option(report.reference, origin, |writer, pose| writer.put_pose(&pose));
    writer.put_f64(report.gripper);
    put_setpoint(writer, &report.setpoint);
    let nothing = CompletedStep {
        step: 0,
        starved: false,
        asked: Action::default(),
        sent: Action::default(),
    };
    writer.put_option(report.completed, nothing, |writer, completed| {
        writer.put_u64(completed.step);
        writer.put_bool(completed.starved);
        writer.put_action(&completed.asked);
        writer.put_action(&completed.sent);
    });
    put_counters(writer, &report.counters);
}

fn report(reader: &mut Reader<'_>) -> Result<Report, MessageError> {
    Ok(Report {
        mode: mode(reader.u8()?)?,
        hold_reason: hold_reason(reader.u8()?)?,
        stop_reason: reader.option("stop_reason", Reader::u8)?.map(stop_reason).transpose()?,
        ready: reader.bool("ready")?,
        step: reader.option("step", Reader::u64)?,
        next_needed_step: reader.u64()?,
        queued_until: reader.u64()?,
        queued: queued(reader.u64()?)?,
        from_frame_ns: reader.option("from_frame_ns", Reader::u64)?,
        reference: reader.option("reference", Reader::pose)?,
        gripper: reader.f64()?,
        setpoint: setpoint(reader)?,
        completed: reader.option("completed", completed)?,
        counters: counters(reader)?,
    })
}

fn queued(value: u64) -> Result<usize, MessageError> {
    usize::try_from(value).map_err(|_| MessageError::Value { field: "queued", value })
}

fn completed(reader: &mut Reader<'_>) -> Result<CompletedStep, MessageError> {
    Ok(CompletedStep {
        step: reader.u64()?,
        starved: reader.bool("starved")?,
        asked: reader.action()?,
        sent: reader.action()?,
    })
}

fn put_setpoint(writer: &mut Writer<'_>, setpoint: &Setpoint) {
    writer.put_twist(&setpoint.twist);
    writer.put_f64s(&setpoint.finger_velocity);
    writer.put_option(setpoint.step_started, 0, Writer::put_u64);
}

fn setpoint(reader: &mut Reader<'_>) -> Result<Setpoint, MessageError> {
    let twist: Twist = reader.twist()?;
    Ok(Setpoint {
        twist,
        finger_velocity: reader.f64s()?,
        step_started: reader.option("step_started", Reader::u64)?,
    })
}

fn put_counters(writer: &mut Writer<'_>, counters: &Counters) {
    for value in [
        counters.executed,
        counters.starved,
        counters.paused_ticks,
        counters.late_units,
        counters.replaced_units,
        counters.clipped,
        counters.leashed_ticks,
        counters.stale_jog_ticks,
        counters.refused,
    ] {
        writer.put_u64(value);
    }
}

fn counters(reader: &mut Reader<'_>) -> Result<Counters, MessageError> {
    Ok(Counters {
        executed: reader.u64()?,
        starved: reader.u64()?,
        paused_ticks: reader.u64()?,
        late_units: reader.u64()?,
        replaced_units: reader.u64()?,
        clipped: reader.u64()?,
        leashed_ticks: reader.u64()?,
        stale_jog_ticks: reader.u64()?,
        refused: reader.u64()?,
    })
}

fn mode_code(mode: Mode) -> u8 {
    match mode {
        Mode::Idle => 1,
        Mode::Policy => 2,
        Mode::Motion => 3,
        Mode::Jog => 4,
        Mode::Homing => 5,
        Mode::Stopped => 6,
    }
}

fn mode(code: u8) -> Result<Mode, MessageError> {
    match code {
        1 => Ok(Mode::Idle),
        2 => Ok(Mode::Policy),
        3 => Ok(Mode::Motion),
        4 => Ok(Mode::Jog),
        5 => Ok(Mode::Homing),
        6 => Ok(Mode::Stopped),
        _ => Err(MessageError::Value { field: "mode", value: u64::from(code) }),
    }
}

fn hold_code(reason: HoldReason) -> u8 {
    match reason {
        HoldReason::Started => 1,
        HoldReason::Asked => 2,
        HoldReason::Reset => 3,
        HoldReason::CommanderSilent => 4,
        HoldReason::StateOld => 5,
        HoldReason::Homed => 6,
        HoldReason::HomingFailed => 7,
    }
}

fn hold_reason(code: u8) -> Result<HoldReason, MessageError> {
    match code {
        1 => Ok(HoldReason::Started),
        2 => Ok(HoldReason::Asked),
        3 => Ok(HoldReason::Reset),
        4 => Ok(HoldReason::CommanderSilent),
        5 => Ok(HoldReason::StateOld),
        6 => Ok(HoldReason::Homed),
        7 => Ok(HoldReason::HomingFailed),
        _ => Err(MessageError::Value { field: "hold reason", value: u64::from(code) }),
    }
}
