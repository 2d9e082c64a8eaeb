//! Framing: the first line that names a channel, lines of text, and tagged binary messages.

use crate::LinkError;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

const GREETING: &str = "jaco-sim 1 ";
const HELLO_BYTES: usize = 64;
const HEADER_BYTES: usize = 8;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Calls of the SDK stand-in.
    Sdk,
    /// Frames of a camera.
    Camera,
    /// Resets, verdicts and faults.
    Control,
}

impl Channel {
    const ALL: [Channel; 3] = [Channel::Sdk, Channel::Camera, Channel::Control];

    fn name(self) -> &'static str {
        match self {
            Channel::Sdk => "sdk",
            Channel::Camera => "camera",
            Channel::Control => "control",
        }
    }
}

/// Connects to the socket at `path` and opens `channel`.
pub(crate) fn open(path: &Path, channel: Channel) -> Result<UnixStream, LinkError> {
    let mut stream = UnixStream::connect(path)
        .map_err(|source| LinkError::Connect { path: path.to_owned(), source })?;
    write_line(&mut stream, &format!("{GREETING}{}", channel.name()))?;
    Ok(stream)
}

/// Reads the first line of a connection.
pub fn read_hello(reader: &mut impl BufRead) -> Result<Channel, LinkError> {
    let line = read_line(reader, HELLO_BYTES)?.ok_or(LinkError::Closed)?;
    let channel = line.strip_prefix(GREETING);
    Channel::ALL.into_iter().find(|known| Some(known.name()) == channel).ok_or_else(|| {
        LinkError::Malformed {
            what: "first line",
            detail: format!("{line:?} is not \"{GREETING}\" and sdk, camera or control"),
        }
    })
}

/// Reads one line of at most `limit` bytes, without its end; `None` at the end of the stream.
pub fn read_line(reader: &mut impl BufRead, limit: usize) -> Result<Option<String>, LinkError> {
    let mut line = Vec::new();
    reader.take(limit as u64 + 1).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => String::from_utf8(line).map(Some).map_err(|error| LinkError::Malformed {
            what: "line of text",
            detail: error.utf8_error().to_string(),
        }),
        Some(_) if line.len() < limit => Err(LinkError::Closed),
        Some(_) => Err(LinkError::TooLong { what: "line of text", got: line.len() + 1, limit }),
    }
}

/// Writes `text`, which must not contain a line end, as one line.
pub fn write_line(writer: &mut impl Write, text: &str) -> Result<(), LinkError> {
    writer.write_all(format!("{text}\n").as_bytes())?;
    Ok(())
}

/// A tagged piece of binary data: on the wire the tag and the length as 32-bit little-endian
/// numbers, then the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What the payload is; each channel has its own tags.
    pub tag: u32,
    /// The data.
    pub payload: Vec<u8>,
}

impl Message {
    /// Writes the message with a single `write`.
    pub fn write(&self, writer: &mut impl Write) -> Result<(), LinkError> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        bytes.extend_from_slice(&self.tag.to_le_bytes());
        bytes.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.payload);
        writer.write_all(&bytes)?;
        Ok(())
    }

    /// Reads one message of at most `limit` bytes; `None` at the end of the stream.
    pub fn read(reader: &mut impl Read, limit: usize) -> Result<Option<Message>, LinkError> {
        let mut partial = PartialMessage::default();
        match partial.read(reader, limit) {
            Err(LinkError::Closed) if partial.is_empty() => Ok(None),
            outcome => outcome.map(Some),
        }
    }
}

/// A message of which only a part has come. Reading may stop at a time-out and go on later.
#[derive(Debug, Default)]
pub(crate) struct PartialMessage {
    bytes: Vec<u8>,
    filled: usize,
}

impl PartialMessage {
    fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Reads until the message is complete. After an error of kind `WouldBlock` or `TimedOut`
    /// nothing is lost: call again.
    pub(crate) fn read(
        &mut self,
        reader: &mut impl Read,
        limit: usize,
    ) -> Result<Message, LinkError> {
        self.fill(reader, HEADER_BYTES)?;
        let number = |at: usize| {
            let bytes = self.bytes[at..at + 4].try_into().expect("the header has eight bytes");
            u32::from_le_bytes(bytes)
        };
        let (tag, length) = (number(0), number(4) as usize);
        if length > limit {
            return Err(LinkError::TooLong { what: "message", got: length, limit });
        }
        self.fill(reader, HEADER_BYTES + length)?;
        self.filled = 0;
        let mut payload = std::mem::take(&mut self.bytes);
        payload.drain(..HEADER_BYTES);
        Ok(Message { tag, payload })
    }

    fn fill(&mut self, reader: &mut impl Read, target: usize) -> Result<(), LinkError> {
        if self.bytes.len() < target {
            self.bytes.resize(target, 0);
        }
        while self.filled < target {
            match reader.read(&mut self.bytes[self.filled..target]) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What a Unix socket gives when the other side closed with something unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return Err(LinkError::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    proptest! {
        #[test]
        fn messages_survive_the_wire(
            tag: u32,
            payload in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let message = Message { tag, payload };
            let mut bytes = Vec::new();
            message.write(&mut bytes).unwrap();
            let mut reader = Cursor::new(bytes);
            prop_assert_eq!(Message::read(&mut reader, 300).unwrap(), Some(message));
            prop_assert_eq!(Message::read(&mut reader, 300).unwrap(), None);
        }

        #[test]
        fn no_input_makes_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Message::read(&mut Cursor::new(&bytes), 64);
            let _ = read_hello(&mut Cursor::new(&bytes));
            let _ = read_line(&mut Cursor::new(&bytes), 10);
        }

        #[test]
        fn a_message_cut_short_is_an_error(
            payload in prop::collection::vec(any::<u8>(), 1..50),
            cut in 1usize..50,
        ) {
            let mut bytes = Vec::new();
            Message { tag: 3, payload: payload.clone() }.write(&mut bytes).unwrap();
            bytes.truncate(bytes.len() - cut.min(payload.len()));
            let outcome = Message::read(&mut Cursor::new(bytes), 64);
            prop_assert!(matches!(outcome, Err(LinkError::Closed)), "{:?}", outcome);
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_it_is_read() {
        let bytes = [[0; 4], u32::MAX.to_le_bytes()].concat();
        let error = Message::read(&mut Cursor::new(bytes), 64).unwrap_err();
        assert!(matches!(error, LinkError::TooLong { got: 0xffff_ffff, limit: 64, .. }), "{error}");
    }

    #[test]
    fn lines_are_bounded() {
        let mut reader = Cursor::new("12345\n123456\n");
        assert_eq!(read_line(&mut reader, 5).unwrap().as_deref(), Some("12345"));
        assert!(matches!(read_line(&mut reader, 5), Err(LinkError::TooLong { limit: 5, .. })));
        assert!(matches!(read_line(&mut Cursor::new("123"), 5), Err(LinkError::Closed)));
        assert_eq!(read_line(&mut Cursor::new(""), 5).unwrap(), None);
    }

    #[test]
    fn a_first_line_names_a_channel_that_exists() {
        for channel in Channel::ALL {
            let line = format!("{GREETING}{}\n", channel.name());
            assert_eq!(read_hello(&mut Cursor::new(line)).unwrap(), channel);
        }
        for line in ["jaco-sim 2 sdk\n", "jaco-sim 1 arm\n", "GET / HTTP/1.1\n"] {
            let error = read_hello(&mut Cursor::new(line)).unwrap_err();
            assert!(matches!(error, LinkError::Malformed { .. }), "{error}");
        }
    }
}
