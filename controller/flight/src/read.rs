//! A file back as messages. It may be cut, damaged or somebody else's: what is whole in it is
//! given, what is wrong with it is told, and nothing in it makes the reader take much memory.

use crate::channel::{Channel, METADATA};
use crate::message::{CommandMessage, FaultMessage, HealthMessage, StateMessage, StreamMessage};
use mcap::records::{Metadata, Record, op};
use mcap::{MAGIC, parse_record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

/// Bytes of a file that are read; one of ours has a few million.
const MOST_BYTES: u64 = 64 << 20;
/// Bytes in which a file says what it is.
const ABOUT_BYTES: u64 = 64 << 10;
/// Bytes of a length.
const LENGTH_BYTES: usize = 8;
/// What is wrong with a file that ends too soon.
const CUT: &str = "it is cut there";
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
        Reading::default().until_end(&begin(input, MOST_BYTES)?, |_| false)
    }
}

impl About {
    /// Reads only what a file says about itself, which is at its beginning.
    ///
    /// # Errors
    /// As [`Flight::read`].
    pub fn read(input: impl Read) -> Result<Self, ReadError> {
        let bytes = begin(input, ABOUT_BYTES)?;
        Ok(Reading::default().until_end(&bytes, |reading| reading.known)?.about)
    }
}

/// At most `most` bytes from the beginning.
fn begin(input: impl Read, most: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    input.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A record: an opcode, a length and as many bytes; and what follows it. None where it is cut.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (opcode, rest) = bytes.split_first()?;
    let (len, rest) = rest.split_first_chunk::<LENGTH_BYTES>()?;
    let (body, rest) = rest.split_at_checked(u64::from_le_bytes(*len).try_into().ok()?)?;
    Some((*opcode, body, rest))
}

/// The records of a chunk.
struct Chunk<'a> {
    /// Their checksum; 0 if it has none.
    crc: u32,
    compression: &'a [u8],
    records: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// None where it is cut within what comes before the records.
    fn of(body: &'a [u8]) -> Option<Self> {
        // Two times and a size.
        let body = body.get(3 * LENGTH_BYTES..)?;
        let (crc, body) = body.split_first_chunk::<4>()?;
        let (len, body) = body.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len).try_into().ok()?;
        let (compression, body) = body.split_at_checked(len)?;
        let records = body.get(LENGTH_BYTES..)?;
        Some(Self { crc: u32::from_le_bytes(*crc), compression, records })
    }
}

/// The framing is taken apart here, not by the library's reader: that one ends the program on a
/// record that says it is longer than its chunk.
#[derive(Default)]
struct Reading {
    known: bool,
    /// Whether there was a record that only comes after what ours say about themselves.
    begun: bool,
    messages: usize,
    channels: HashMap<u16, Channel>,
    flight: Flight,
}

impl Reading {
    fn until_end(
        mut self,
        bytes: &[u8],
        enough: impl Fn(&Self) -> bool,
    ) -> Result<Flight, ReadError> {
        let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
            return Err(match bytes {
                [] => ReadError::Empty,
                _ if MAGIC.starts_with(bytes) => {
                    ReadError::Broken { at_byte: bytes.len() as u64, why: CUT.to_owned() }
                }
                _ => ReadError::NotMcap,
            });
        };
        let mut wrong = None;
        while wrong.is_none() && !enough(&self) {
            let Some((opcode, body, after)) = split(rest) else {
                // What is whole in a chunk that is cut.
                let chunk = rest.split_first().filter(|(opcode, _)| **opcode == op::CHUNK);
                let chunk = chunk.and_then(|(_, rest)| Chunk::of(rest.get(LENGTH_BYTES..)?));
                wrong = chunk.and_then(|chunk| self.records(chunk.records).err());
                wrong = wrong.or(Some(CUT.to_owned()));
                break;
            };
            wrong = self.take(opcode, body).err();
            if wrong.is_none() {
                rest = after;
            }
            if opcode == op::FOOTER {
                wrong = wrong.or((rest != MAGIC).then(|| CUT.to_owned()));
                break;
            }
        }
        match wrong {
            _ if !self.known && (self.begun || wrong.is_none()) => Err(ReadError::Foreign),
            None => Ok(self.flight),
            Some(why) => {
                let at_byte = (bytes.len() - rest.len()) as u64;
                if self.messages == 0 {
                    return Err(ReadError::Broken { at_byte, why });
                }
                self.flight.damage = Some(Damage { at_byte, why });
                Ok(self.flight)
            }
        }
    }

    fn chunk(&mut self, body: &[u8]) -> Result<(), String> {
        self.begun = true;
        let Chunk { crc, compression, records } = Chunk::of(body).ok_or(CUT)?;
        if !compression.is_empty() {
            return Err("it is compressed, which no record is".to_owned());
        }
        if crc != 0 && crc32fast::hash(records) != crc {
            return Err("a checksum does not fit what it is of".to_owned());
        }
        self.records(records)
    }

    fn records(&mut self, mut records: &[u8]) -> Result<(), String> {
        while !records.is_empty() {
            let (opcode, body, after) = split(records).ok_or(CUT)?;
            if opcode != op::CHUNK {
                self.take(opcode, body)?;
            }
            records = after;
        }
        Ok(())
    }

    fn take(&mut self, opcode: u8, data: &[u8]) -> Result<(), String> {
        if opcode == op::CHUNK {
            return self.chunk(data);
        }
        self.begun |= opcode == op::CHANNEL;
        // Nothing else is parsed: it is of no use here.
        if !matches!(opcode, op::METADATA | op::CHANNEL | op::MESSAGE) {
            return Ok(());
        }
        match parse_record(opcode, data).map_err(|error| error.to_string())? {
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
