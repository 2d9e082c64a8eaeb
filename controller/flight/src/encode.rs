//! A record as the bytes of an MCAP file. In memory, so that the file is on the disk whole or not
//! at all.

use crate::channel::{BASE_FRAME, Channel, METADATA, TOOL_FRAME};
use crate::log::{self, Line};
use crate::message::{
    CommandMessage, FaultMessage, FrameMessage, HealthMessage, StateMessage, StepMessage,
    StreamMessage, TelemetryMessage,
};
use crate::number::Number;
use crate::record::{Record, Told, What};
use crate::trigger::Cause;
use jaco_core::{Pose, Word};
use mcap::records::{MessageHeader, Metadata};
use mcap::{WriteOptions, Writer};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Cursor;

/// Bytes of messages that share a checksum.
const CHUNK_BYTES: u64 = 256 * 1024;
/// Version of what the messages mean.
pub const FORMAT: &str = "1";

/// Why and when a record is written.
#[derive(Clone, Debug)]
pub struct Heading {
    /// Why.
    pub cause: Cause,
    /// Now, monotonic \[ns\].
    pub monotonic_ns: u64,
    /// Now, since 1970 \[ns\]: what makes monotonic times dates.
    pub unix_ns: u64,
    /// What else is known: version, arm, policy.
    pub about: BTreeMap<String, String>,
}

/// A record that cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The file format refused.
    #[error("cannot write MCAP: {0}")]
    Mcap(#[from] mcap::McapError),
    /// A message refused.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A message on its way.
struct Entry {
    at_ns: u64,
    channel: Channel,
    json: Vec<u8>,
}

/// The file that holds `record`.
///
/// # Errors
/// A defect: nothing outside can refuse.
pub fn encode(record: &Record, heading: &Heading) -> Result<Vec<u8>, EncodeError> {
    let dates = Dates { monotonic_ns: heading.monotonic_ns, unix_ns: heading.unix_ns };
    let mut entries = entries(record, heading.monotonic_ns, &dates)?;
    // What happened at the same time stays in the order of the channels.
    entries.sort_by_key(|entry| entry.at_ns);
    let mut bytes = Vec::new();
    let options = WriteOptions::new()
        .compression(None)
        .chunk_size(Some(CHUNK_BYTES))
        .library(concat!("jacod ", env!("CARGO_PKG_VERSION")));
    let mut writer = options.create(Cursor::new(&mut bytes))?;
    // First of all: a file that breaks off still says what it is.
    writer.write_metadata(&Metadata { name: METADATA.to_owned(), metadata: about(heading) })?;
    let ids = announce(&mut writer)?;
    let mut sequence = [0_u32; Channel::ALL.len()];
    for Entry { at_ns, channel, json } in entries {
        let index = channel as usize;
        let log_time = dates.unix(at_ns);
        let header = MessageHeader {
            channel_id: ids[index],
            sequence: sequence[index],
            log_time,
            publish_time: log_time,
        };
        sequence[index] += 1;
        writer.write_to_known_channel(&header, &json)?;
    }
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

fn about(heading: &Heading) -> BTreeMap<String, String> {
    let mut about = heading.about.clone();
    about.insert("format".to_owned(), FORMAT.to_owned());
    about.insert("kind".to_owned(), heading.cause.kind.name().to_owned());
    about.insert("why".to_owned(), heading.cause.why.clone());
    about.insert("written_unix_ns".to_owned(), heading.unix_ns.to_string());
    about.insert("written_monotonic_ns".to_owned(), heading.monotonic_ns.to_string());
    about
}

fn announce(
    writer: &mut Writer<Cursor<&mut Vec<u8>>>,
) -> Result<[u16; Channel::ALL.len()], EncodeError> {
    let mut ids = [0; Channel::ALL.len()];
    for channel in Channel::ALL {
        let schema = serde_json::to_vec(&channel.schema())?;
        let schema = writer.add_schema(channel.schema_name(), "jsonschema", &schema)?;
        ids[channel as usize] =
            writer.add_channel(schema, channel.topic(), "json", &BTreeMap::new())?;
    }
    Ok(ids)
}

fn entries(record: &Record, now_ns: u64, dates: &Dates) -> Result<Vec<Entry>, EncodeError> {
    let mut entries = Entries { list: Vec::new() };
    let since_ns = record.since_ns(now_ns);
    statuses(record, dates, &mut entries)?;
    for stream in record.streams.iter().filter(|stream| stream.at_ns >= since_ns) {
        entries.add(stream.at_ns, Channel::Stream, &StreamMessage::of(stream))?;
    }
    for frame in record.frames.iter().filter(|frame| frame.at_ns >= since_ns) {
        entries.add(frame.at_ns, Channel::Frame, &FrameMessage::of(frame))?;
    }
    for told in record.told.iter().filter(|told| told.at_ns >= since_ns) {
        if let Some(fault) = fault(told) {
            entries.add(told.at_ns, Channel::Fault, &fault)?;
        }
        entries.add(told.at_ns, Channel::Log, &dates.log(&log::told(told)))?;
    }
    for line in log::of_statuses(record) {
        entries.add(line.at_ns, Channel::Log, &dates.log(&line))?;
    }
    Ok(entries.list)
}

fn statuses(record: &Record, dates: &Dates, entries: &mut Entries) -> Result<(), EncodeError> {
    let (mut pose_ns, mut telemetry_ns, mut completed) = (0, 0, None);
    for tick in record.ticks.iter() {
        let status = &tick.status;
        let at_ns = status.sent_ns;
        entries.add(at_ns, Channel::State, &StateMessage::of(status))?;
        entries.add(at_ns, Channel::Command, &CommandMessage::of(status))?;
        entries.add(at_ns, Channel::Health, &HealthMessage::of(tick))?;
        let telemetry = &status.telemetry;
        if telemetry.stamp_ns != telemetry_ns {
            telemetry_ns = telemetry.stamp_ns;
            entries.add(at_ns, Channel::Telemetry, &TelemetryMessage::of(telemetry))?;
        }
        if let Some(step) = status.report.completed.filter(|step| completed != Some(*step)) {
            completed = Some(step);
            entries.add(at_ns, Channel::Step, &StepMessage::of(&step))?;
        }
        let state = &status.state;
        if state.stamp_ns != pose_ns {
            pose_ns = state.stamp_ns;
            entries.add(at_ns, Channel::Pose, &dates.pose(at_ns, &state.pose))?;
            entries.add(at_ns, Channel::Transform, &dates.transform(at_ns, &state.pose))?;
        }
        if let Some(reference) = &status.report.reference {
            entries.add(at_ns, Channel::Reference, &dates.pose(at_ns, reference))?;
        }
    }
    Ok(())
}

fn fault(told: &Told) -> Option<FaultMessage> {
    let (stands, fault) = match &told.what {
        What::Fault(fault) => (true, fault.clone()),
        What::Works => (false, String::new()),
        What::Warning(_) | What::News(_) => return None,
    };
    Some(FaultMessage { part: told.part.clone(), stands, fault })
}

struct Entries {
    list: Vec<Entry>,
}

impl Entries {
    fn add(
        &mut self,
        at_ns: u64,
        channel: Channel,
        message: &impl Serialize,
    ) -> Result<(), EncodeError> {
        self.list.push(Entry { at_ns, channel, json: serde_json::to_vec(message)? });
        Ok(())
    }
}

/// How monotonic times become dates: in one way for a whole file, whatever the wall clock did.
struct Dates {
    monotonic_ns: u64,
    unix_ns: u64,
}

impl Dates {
    fn unix(&self, at_ns: u64) -> u64 {
        self.unix_ns.saturating_add(at_ns).saturating_sub(self.monotonic_ns)
    }

    fn time(&self, at_ns: u64) -> Value {
        let unix_ns = self.unix(at_ns);
        json!({"sec": unix_ns / 1_000_000_000, "nsec": unix_ns % 1_000_000_000})
    }

    fn pose(&self, at_ns: u64, pose: &Pose) -> Value {
        let (position, orientation) = (vector(pose), quaternion(pose));
        json!({
            "timestamp": self.time(at_ns),
            "frame_id": BASE_FRAME,
            "pose": {"position": position, "orientation": orientation},
        })
    }

    fn transform(&self, at_ns: u64, pose: &Pose) -> Value {
        json!({
            "timestamp": self.time(at_ns),
            "parent_frame_id": BASE_FRAME,
            "child_frame_id": TOOL_FRAME,
            "translation": vector(pose),
            "rotation": quaternion(pose),
        })
    }

    fn log(&self, line: &Line) -> Value {
        json!({
            "timestamp": self.time(line.at_ns),
            "level": line.level,
            "message": line.text,
            "name": line.part,
            "file": "",
            "line": 0,
        })
    }
}

fn vector(pose: &Pose) -> Value {
    let [x, y, z] = Number::each(pose.position_m);
    json!({"x": x, "y": y, "z": z})
}

fn quaternion(pose: &Pose) -> Value {
    let [x, y, z, w] = Number::each(pose.orientation.coords);
    json!({"x": x, "y": y, "z": z, "w": w})
}
