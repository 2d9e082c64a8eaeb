//! The wire between the daemon and the servo: one message in one SOCK_SEQPACKET packet.
//!
//! Every packet is a header of four bytes (version, kind, two zeros) and a payload whose length
//! its kind fixes (a stream's by its number of units, and by whether it has refined values);
//! integers and floats are little-endian. A packet of another version, kind or length, or with a
//! value that no enumeration has, is refused whole. Nothing here allocates but the decoder, once.

mod command;
mod note;
mod packet;
mod status;

pub use command::{CommandDecoder, MAX_COMMAND_LEN, encode_command};
pub use note::{NOTE_BYTES, Note};
pub use packet::{HEADER_LEN, VERSION};
pub use status::{STATUS_LEN, ServoStatus, decode_status, encode_status};

/// A packet that is not a message of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Too short, or not as long as its kind is.
    #[error("a packet of {found} bytes where {needed} are due")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes due.
        needed: usize,
    },
    /// Another version of this wire: daemon and servo are of different builds.
    #[error("wire version {found} where {VERSION} is spoken: install one version of all programs")]
    Version {
        /// Version found.
        found: u8,
    },
    /// A kind that this version does not have.
    #[error("unknown kind of message {found}")]
    Kind {
        /// Kind found.
        found: u8,
    },
    /// A value that the field cannot have.
    #[error("field {field} cannot be {value}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it held.
        value: u64,
    },
    /// Rows of refined values that are not one for each unit.
    #[error("{rows} row(s) of values in a stream of {units} unit(s): one for each is due, or none")]
    ValueRows {
        /// Rows given.
        rows: usize,
        /// Units given.
        units: usize,
    },
    /// More units in a stream than a packet carries.
    #[error("a stream of {units} units; at most {most} fit")]
    TooManyUnits {
        /// Units given.
        units: usize,
        /// Units that fit.
        most: usize,
    },
}
