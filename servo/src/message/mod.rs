//! The wire between the daemon and the servo: one message in one SOCK_SEQPACKET packet.
//!
//! A packet is the version of the wire, one byte, and the message as `postcard` writes it: the
//! domain's own types, [`Command`] from the daemon and [`FromServo`] to it. A packet that is cut,
//! run long, of another version, or holds what no message can be is refused whole. Numbers are
//! not judged here: whether they are finite and fit is the law's to check. Nothing here allocates.

mod note;
mod status;

pub use note::{NOTE_BYTES, Note};
pub use status::{FromServo, ServoStatus};

use crate::command::Command;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Version of the wire; changes with any change of any message.
pub const VERSION: u8 = 4;
/// Room for any command; more than the longest, so that one that was run long is seen to be.
pub const MAX_COMMAND_LEN: usize = 4096;
/// Room for any message of the servo; more than the longest, likewise.
pub const MAX_FROM_SERVO_LEN: usize = 2048;

const COMMAND: &str = "a command";
const FROM_SERVO: &str = "a message of the servo";

/// A packet that is not a message of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No byte at all.
    #[error("an empty packet where {due} is due")]
    Empty {
        /// What was due.
        due: &'static str,
    },
    /// Another version of this wire: daemon and servo are of different builds.
    #[error("wire version {found} where {VERSION} is spoken: install one version of all programs")]
    Version {
        /// Version found.
        found: u8,
    },
    /// The packet ends within the message.
    #[error("a packet of {len} byte(s) where {due} is due that goes on")]
    Cut {
        /// Bytes found.
        len: usize,
        /// What was due.
        due: &'static str,
    },
    /// The packet goes on after the message.
    #[error("a packet of {len} bytes where {due} of {needed} is due")]
    TooLong {
        /// Bytes found.
        len: usize,
        /// Bytes of the message in it.
        needed: usize,
        /// What was due.
        due: &'static str,
    },
    /// A value that its field cannot have: a kind of message, a reason, a length.
    #[error("a packet of {len} bytes that is not {due}: {why}")]
    NotOne {
        /// Bytes found.
        len: usize,
        /// What was due.
        due: &'static str,
        /// What is wrong with it.
        why: postcard::Error,
    },
    /// A message that cannot be written.
    #[error("{due} that fits no packet: {why}")]
    Unwritable {
        /// What was to be written.
        due: &'static str,
        /// What is wrong with it.
        why: postcard::Error,
    },
}

/// Writes `command` into `buffer`; returns the packet.
pub fn encode_command<'a>(
    command: &Command,
    buffer: &'a mut [u8; MAX_COMMAND_LEN],
) -> Result<&'a [u8], MessageError> {
    encode(COMMAND, command, buffer)
}

/// The command in `packet`.
pub fn decode_command(packet: &[u8]) -> Result<Command, MessageError> {
    decode(COMMAND, packet)
}

/// Writes a message of the servo into `buffer`; returns the packet.
pub fn encode_from_servo<'a>(
    message: &FromServo,
    buffer: &'a mut [u8; MAX_FROM_SERVO_LEN],
) -> Result<&'a [u8], MessageError> {
    encode(FROM_SERVO, message, buffer)
}

/// The message of the servo in `packet`.
pub fn decode_from_servo(packet: &[u8]) -> Result<FromServo, MessageError> {
    decode(FROM_SERVO, packet)
}

fn encode<'a>(
    due: &'static str,
    message: &impl Serialize,
    buffer: &'a mut [u8],
) -> Result<&'a [u8], MessageError> {
    let (version, room) = buffer.split_at_mut(1);
    version[0] = VERSION;
    let len = postcard::to_slice(message, room)
        .map_err(|why| MessageError::Unwritable { due, why })?
        .len();
    Ok(&buffer[..=len])
}

fn decode<T: DeserializeOwned>(due: &'static str, packet: &[u8]) -> Result<T, MessageError> {
    let len = packet.len();
    let Some((version, payload)) = packet.split_first() else {
        return Err(MessageError::Empty { due });
    };
    if *version != VERSION {
        return Err(MessageError::Version { found: *version });
    }
    match postcard::take_from_bytes(payload) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(MessageError::TooLong { len, needed: len - rest.len(), due }),
        Err(postcard::Error::DeserializeUnexpectedEnd) => Err(MessageError::Cut { len, due }),
        Err(why) => Err(MessageError::NotOne { len, due, why }),
    }
}
