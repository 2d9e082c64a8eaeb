//! A short text of fixed capacity, for the reason of a refusal or a fault.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Bytes that a note holds: enough for an error with its causes and what to do about it; what is longer is cut at a character.
pub const NOTE_BYTES: usize = 500;

/// Up to [`NOTE_BYTES`] bytes of UTF-8 without allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Note {
    len: usize,
    bytes: [u8; NOTE_BYTES],
}

impl Default for Note {
    fn default() -> Self {
        Self { len: 0, bytes: [0; NOTE_BYTES] }
    }
}

impl Note {
    /// The text of `message`, cut to what fits.
    pub fn of(message: impl fmt::Display) -> Self {
        let mut note = Self::default();
        // An error means that the text was cut.
        let _ = fmt::write(&mut note, format_args!("{message}"));
        note
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Written between characters only, so nothing is ever left out.
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Write for Note {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = text.floor_char_boundary(NOTE_BYTES - self.len);
        self.bytes[self.len..self.len + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Note;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a text of at most {NOTE_BYTES} bytes")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Note, E> {
                if text.len() > NOTE_BYTES {
                    return Err(E::invalid_length(text.len(), &self));
                }
                Ok(Note::of(text))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let note = Note::of("é".repeat(NOTE_BYTES));
        assert_eq!(note.as_str(), "é".repeat(NOTE_BYTES / 2));
        assert!(Note::default().is_empty());
    }
}
