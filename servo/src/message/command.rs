//! Commands, daemon to servo.

use super::MessageError;
use super::packet::{HEADER_LEN, Reader, Writer};
use crate::command::Command;
use crate::executor::QUEUE_STEPS;
use crate::mode::StopReason;
use jaco_core::{ACTION_DIMS, ActionStatistics, ActionStream, ActionUnit};

const HEARTBEAT: u8 = 1;
const HOLD: u8 = 2;
const START_POLICY: u8 = 3;
const START_MOTION: u8 = 4;
const STREAM: u8 = 5;
const MOTION: u8 = 6;
const JOG: u8 = 7;
const STOP: u8 = 8;
const RESET: u8 = 9;
const HOME: u8 = 10;

const START_POLICY_LEN: usize = 2 * 8 * ACTION_DIMS + ACTION_DIMS + 1;
const UNIT_LEN: usize = 2 * ACTION_DIMS;
const VALUES_LEN: usize = 4 * ACTION_DIMS;
const STREAM_HEAD_LEN: usize = 8 + 8 + 2 + 1;
const MOTION_LEN: usize = 8 + 8 * ACTION_DIMS;
const JOG_LEN: usize = 8 * ACTION_DIMS;
/// Units that one packet carries: as many as the servo queues.
const MOST_UNITS: usize = QUEUE_STEPS;

/// Bytes of the longest command packet.
pub const MAX_COMMAND_LEN: usize =
    HEADER_LEN + STREAM_HEAD_LEN + MOST_UNITS * (UNIT_LEN + VALUES_LEN);

/// Writes `command` into `buffer`; returns the packet.
pub fn encode_command<'a>(
    command: &Command,
    buffer: &'a mut [u8; MAX_COMMAND_LEN],
) -> Result<&'a [u8], MessageError> {
    let kind = match command {
        Command::Heartbeat => HEARTBEAT,
        Command::Hold => HOLD,
        Command::StartPolicy { .. } => START_POLICY,
        Command::StartMotion => START_MOTION,
        Command::Stream(_) => STREAM,
        Command::Motion { .. } => MOTION,
        Command::Jog { .. } => JOG,
        Command::Stop { .. } => STOP,
        Command::Reset => RESET,
        Command::Home => HOME,
    };
    let mut writer = Writer::new(buffer, kind);
    match command {
        Command::Heartbeat
        | Command::Hold
        | Command::StartMotion
        | Command::Reset
        | Command::Home => {}
        Command::StartPolicy { statistics, pause_when_empty } => {
            writer.put_f64s(&statistics.q01);
            writer.put_f64s(&statistics.q99);
            statistics.mask.iter().for_each(|normalised| writer.put_bool(*normalised));
            writer.put_bool(*pause_when_empty);
        }
        Command::Stream(stream) => put_stream(&mut writer, stream)?,
        Command::Motion { step, action } => {
            writer.put_u64(*step);
            writer.put_action(action);
        }
        Command::Jog { twist, gripper } => {
            writer.put_twist(twist);
            writer.put_f64(*gripper);
        }
        Command::Stop { reason } => writer.put_u8(stop_code(*reason)),
    }
    let len = writer.len();
    Ok(&buffer[..len])
}

fn put_stream(writer: &mut Writer<'_>, stream: &ActionStream) -> Result<(), MessageError> {
    let units = stream.units.len();
    if units > MOST_UNITS {
        return Err(MessageError::TooManyUnits { units, most: MOST_UNITS });
    }
    let rows = stream.values.len();
    if rows != 0 && rows != units {
        return Err(MessageError::ValueRows { rows, units });
    }
    writer.put_u64(stream.first_step);
    writer.put_u64(stream.from_frame_ns);
    writer.put_u16(units as u16);
    writer.put_bool(rows != 0);
    for unit in &stream.units {
        unit.0.iter().for_each(|bin| writer.put_u16(*bin));
    }
    for row in &stream.values {
        row.iter().for_each(|value| writer.put_f32(*value));
    }
    Ok(())
}

/// Decodes command packets. It keeps the vectors for units and values of streams, so that
/// decoding allocates nothing.
#[derive(Debug)]
pub struct CommandDecoder {
    command: Command,
    spare_units: Vec<ActionUnit>,
    spare_values: Vec<[f32; ACTION_DIMS]>,
}

impl Default for CommandDecoder {
    fn default() -> Self {
        Self {
            command: Command::Heartbeat,
            spare_units: Vec::with_capacity(MOST_UNITS),
            spare_values: Vec::with_capacity(MOST_UNITS),
        }
    }
}

impl CommandDecoder {
    /// The command in `packet`.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&Command, MessageError> {
        if let Command::Stream(stream) = &mut self.command {
            self.spare_units = std::mem::take(&mut stream.units);
            self.spare_values = std::mem::take(&mut stream.values);
        }
        self.command = Command::Heartbeat;
        let (kind, mut reader) = Reader::open(packet)?;
        self.command = match kind {
            HEARTBEAT => empty(&reader, Command::Heartbeat)?,
            HOLD => empty(&reader, Command::Hold)?,
            START_MOTION => empty(&reader, Command::StartMotion)?,
            RESET => empty(&reader, Command::Reset)?,
            HOME => empty(&reader, Command::Home)?,
            START_POLICY => start_policy(&mut reader)?,
            STREAM => Command::Stream(self.stream(&mut reader)?),
            MOTION => {
                reader.check_len(MOTION_LEN)?;
                Command::Motion { step: reader.u64()?, action: reader.action()? }
            }
            JOG => {
                reader.check_len(JOG_LEN)?;
                Command::Jog { twist: reader.twist()?, gripper: reader.f64()? }
            }
            STOP => {
                reader.check_len(1)?;
                Command::Stop { reason: stop_reason(reader.u8()?)? }
            }
            found => return Err(MessageError::Kind { found }),
        };
        Ok(&self.command)
    }

    fn stream(&mut self, reader: &mut Reader<'_>) -> Result<ActionStream, MessageError> {
        let (first_step, from_frame_ns) = (reader.u64()?, reader.u64()?);
        let count = usize::from(reader.u16()?);
        if count > MOST_UNITS {
            return Err(MessageError::TooManyUnits { units: count, most: MOST_UNITS });
        }
        let rows = if reader.bool("values")? { count } else { 0 };
        reader.check_len(count * UNIT_LEN + rows * VALUES_LEN)?;
        let mut units = std::mem::take(&mut self.spare_units);
        let mut values = std::mem::take(&mut self.spare_values);
        units.clear();
        values.clear();
        for _ in 0..count {
            let mut unit = ActionUnit([0; ACTION_DIMS]);
            for bin in &mut unit.0 {
                *bin = reader.u16()?;
            }
            units.push(unit);
        }
        for _ in 0..rows {
            let mut row = [0.0; ACTION_DIMS];
            for value in &mut row {
                *value = reader.f32()?;
            }
            values.push(row);
        }
        Ok(ActionStream { first_step, units, values, from_frame_ns })
    }
}

fn empty(reader: &Reader<'_>, command: Command) -> Result<Command, MessageError> {
    reader.check_len(0)?;
    Ok(command)
}

fn start_policy(reader: &mut Reader<'_>) -> Result<Command, MessageError> {
    reader.check_len(START_POLICY_LEN)?;
    let (q01, q99) = (reader.f64s()?, reader.f64s()?);
    let mut mask = [false; ACTION_DIMS];
    for normalised in &mut mask {
        *normalised = reader.bool("statistics.mask")?;
    }
    let pause_when_empty = reader.bool("pause_when_empty")?;
    Ok(Command::StartPolicy { statistics: ActionStatistics { q01, q99, mask }, pause_when_empty })
}

pub(super) fn stop_code(reason: StopReason) -> u8 {
    match reason {
        StopReason::Operator => 1,
        StopReason::Supervisor => 2,
        StopReason::StateNotFinite => 3,
        StopReason::CartesianControlLost => 4,
        StopReason::QueueGrew => 5,
    }
}

pub(super) fn stop_reason(code: u8) -> Result<StopReason, MessageError> {
    match code {
        1 => Ok(StopReason::Operator),
        2 => Ok(StopReason::Supervisor),
        3 => Ok(StopReason::StateNotFinite),
        4 => Ok(StopReason::CartesianControlLost),
        5 => Ok(StopReason::QueueGrew),
        _ => Err(MessageError::Value { field: "stop reason", value: u64::from(code) }),
    }
}
