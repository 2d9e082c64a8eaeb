//! A file back as messages. It may be cut, damaged or somebody else's: what is whole in it is
//! given, what is wrong with it is told, and nothing in it makes the reader take much memory.

use crate::channel::{Channel, METADATA};
use crate::message::{CommandMessage, FaultMessage, HealthMessage, StateMessage, StreamMessage};
use mcap::records::{Metadata, Record, op};
use mcap::sans_io::linear_reader::{LinearReadEvent, LinearReader, LinearReaderOptions};
use mcap::{McapError, parse_record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

/// The longest record of a file of ours, with room to spare.
const MOST_RECORD_BYTES: usize = 4 << 20;
/// Bytes of a file that are read; one of ours has a few million.
const MOST_BYTES: u64 = 256 << 20;
/// Messages of a file that are read; one of ours has some ten thousand.
const MOST_MESSAGES: usize = 200_000;

/// What a file says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// Kind of its cause: "servo-stopped", "asked", ...
    pub kind: String,
    /// Its cause in words.
    pub why: String,
    /// When it was written, since 1970 \[ns\].
    pub written_unix_ns: u64,
    /// When it was written, monotonic \[ns\].
    pub written_monotonic_ns: u64,
    /// What else it says.
    pub more: BTreeMap<String, String>,
}

/// Where a file ends to make sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Bytes that were read until then.
    pub at_byte: u64,
    /// What is wrong.
    pub why: String,
}

/// A file that tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing is in it.
    #[error(
        "is empty: it was not written to its end; another record may be whole: `jaco log list`"
    )]
    Empty,
    /// It is something else.
    #[error("is no MCAP file: give a file of the folder flight/, see `jaco log list`")]
    NotMcap,
    /// It is MCAP of another program.
    #[error("is MCAP, but no flight record of jacod: it has no metadata {METADATA:?}")]
    Foreign,
    /// It is MCAP that breaks off before anything is whole.
    #[error("breaks off after {at_byte} bytes, before its first message: {why}")]
    Broken {
        /// Bytes that were read.
        at_byte: u64,
        /// What is wrong.
        why: String,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// A message and when it was, monotonic \[ns\].
pub type At<T> = (u64, T);

/// A line of `/log`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LogLine {
    /// How grave: Foxglove's levels.
    pub level: u8,
    /// Which part it is about.
    pub name: String,
    /// What.
    pub message: String,
}

/// What is whole in a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flight {
    /// What it says about itself.
    pub about: About,
    /// `/arm/state`.
    pub states: Vec<At<StateMessage>>,
    /// `/arm/command`.
    pub commands: Vec<At<CommandMessage>>,
    /// `/servo/health`.
    pub health: Vec<At<HealthMessage>>,
    /// `/run/stream`.
    pub streams: Vec<At<StreamMessage>>,
    /// `/faults`.
    pub faults: Vec<At<FaultMessage>>,
    /// `/log`.
    pub log: Vec<At<LogLine>>,
    /// Messages that do not hold what their channel says.
    pub unreadable: usize,
    /// What is wrong with the file.
    pub damage: Option<Damage>,
}

impl Flight {
    /// Reads what is needed of a file.
    ///
    /// # Errors
    /// It tells nothing.
    pub fn read(input: impl Read) -> Result<Self, ReadError> {
        Reading::new(input).until_end(|_| false)
    }
}

impl About {
    /// Reads only what a file says about itself, which is at its beginning.
    ///
    /// # Errors
    /// As [`Flight::read`].
    pub fn read(input: impl Read) -> Result<Self, ReadError> {
        Ok(Reading::new(input).until_end(|reading| reading.known)?.about)
    }
}

struct Reading<R> {
    input: R,
    read_bytes: u64,
    known: bool,
    messages: usize,
    channels: HashMap<u16, Channel>,
    flight: Flight,
}

impl<R: Read> Reading<R> {
    fn new(input: R) -> Self {
        let (channels, flight) = (HashMap::new(), Flight::default());
        Self { input, read_bytes: 0, known: false, messages: 0, channels, flight }
    }

    fn until_end(mut self, enough: impl Fn(&Self) -> bool) -> Result<Flight, ReadError> {
        let options = LinearReaderOptions::default()
            .with_record_length_limit(MOST_RECORD_BYTES)
            .with_validate_chunk_crcs(true);
        let mut reader = LinearReader::new_with_options(options);
        while !enough(&self) {
            let Some(event) = reader.next_event() else { break };
            let wrong = match event {
                Ok(LinearReadEvent::ReadRequest(_)) if self.read_bytes > MOST_BYTES => {
                    Some("it is larger than any record".to_owned())
                }
                Ok(LinearReadEvent::ReadRequest(wanted)) => {
                    let read = self.input.read(reader.insert(wanted))?;
                    reader.notify_read(read);
                    self.read_bytes += read as u64;
                    None
                }
                Ok(LinearReadEvent::Record { opcode, data }) => self.take(opcode, data).err(),
                Err(_) if self.read_bytes == 0 => return Err(ReadError::Empty),
                Err(McapError::BadMagic) if self.channels.is_empty() && !self.known => {
                    return Err(ReadError::NotMcap);
                }
                Err(error) => Some(in_words(&error)),
            };
            if let Some(why) = wrong {
                let at_byte = self.read_bytes;
                if !self.known && !self.channels.is_empty() {
                    return Err(ReadError::Foreign);
                }
                if self.messages == 0 {
                    return Err(ReadError::Broken { at_byte, why });
                }
                self.flight.damage = Some(Damage { at_byte, why });
                break;
            }
        }
        match self.known {
            true => Ok(self.flight),
            false => Err(ReadError::Foreign),
        }
    }

    fn take(&mut self, opcode: u8, data: &[u8]) -> Result<(), String> {
        // Nothing else is parsed: it is of no use here.
        if !matches!(opcode, op::METADATA | op::CHANNEL | op::MESSAGE) {
            return Ok(());
        }
        match parse_record(opcode, data).map_err(|error| in_words(&error))? {
            Record::Metadata(Metadata { name, metadata }) if name == METADATA => {
                self.known = true;
                self.flight.about = about(metadata);
            }
            Record::Channel(channel) => {
                if let Some(known) = Channel::of_topic(&channel.topic) {
                    self.channels.insert(channel.id, known);
                }
            }
            Record::Message { header, data } => {
                self.messages += 1;
                if self.messages > MOST_MESSAGES {
                    return Err(format!("it holds more than {MOST_MESSAGES} messages"));
                }
                if let Some(channel) = self.channels.get(&header.channel_id).copied() {
                    self.message(channel, header.log_time, &data);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, channel: Channel, log_time: u64, json: &[u8]) {
        let flight = &mut self.flight;
        let About { written_unix_ns, written_monotonic_ns, .. } = flight.about;
        let at_ns = written_monotonic_ns.saturating_add(log_time).saturating_sub(written_unix_ns);
        let taken = match channel {
            Channel::State => put(&mut flight.states, at_ns, json),
            Channel::Command => put(&mut flight.commands, at_ns, json),
            Channel::Health => put(&mut flight.health, at_ns, json),
            Channel::Stream => put(&mut flight.streams, at_ns, json),
            Channel::Fault => put(&mut flight.faults, at_ns, json),
            Channel::Log => put(&mut flight.log, at_ns, json),
            // For other programs.
            Channel::Telemetry | Channel::Step | Channel::Frame => true,
            Channel::Pose | Channel::Reference | Channel::Transform => true,
        };
        flight.unreadable += usize::from(!taken);
    }
}

fn put<T: DeserializeOwned>(list: &mut Vec<At<T>>, at_ns: u64, json: &[u8]) -> bool {
    let message = serde_json::from_slice(json).ok();
    message.map(|message| list.push((at_ns, message))).is_some()
}

fn about(mut metadata: BTreeMap<String, String>) -> About {
    let mut word = |key: &str| metadata.remove(key).unwrap_or_default();
    let (kind, why) = (word("kind"), word("why"));
    let mut number = |key: &str| word(key).parse().unwrap_or_default();
    let written_unix_ns = number("written_unix_ns");
    let written_monotonic_ns = number("written_monotonic_ns");
    About { kind, why, written_unix_ns, written_monotonic_ns, more: metadata }
}

fn in_words(error: &McapError) -> String {
    match error {
        McapError::UnexpectedEof | McapError::UnexpectedEoc => "it is cut there".to_owned(),
        McapError::BadMagic => "its end is not that of an MCAP file".to_owned(),
        other => other.to_string(),
    }
}
