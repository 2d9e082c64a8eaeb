//! Keys of the terminal, one by one and without an echo, also over SSH. What is not a terminal is
//! read as it comes. The terminal is as it was when [`Keys`] goes.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{Read, stdin};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A letter, a digit or another sign.
    Sign(char),
    /// An arrow to the left.
    Left,
    /// An arrow to the right.
    Right,
    /// An arrow upwards.
    Up,
    /// An arrow downwards.
    Down,
}

/// The keys that are pressed from now on.
pub struct Keys {
    pressed: UnboundedReceiver<Key>,
    before: Option<Termios>,
}

impl Keys {
    /// Listens to the standard input. A terminal is told to hand over keys at once.
    pub fn listen() -> Self {
        let before = tcgetattr(stdin()).ok();
        if let Some(before) = &before {
            let mut now = before.clone();
            // Ctrl-C stays a signal.
            now.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
            // A terminal that refuses hands keys over with the next Enter.
            let _ = tcsetattr(stdin(), OptionalActions::Now, &now);
        }
        let (sender, pressed) = unbounded_channel();
        // It ends with the process, or with its input.
        std::thread::spawn(move || {
            let mut decoder = Decoder::default();
            for byte in stdin().lock().bytes().map_while(Result::ok) {
                if let Some(key) = decoder.take(byte)
                    && sender.send(key).is_err()
                {
                    return;
                }
            }
        });
        Self { pressed, before }
    }

    /// The next key. Never returns once there can be none any more.
    pub async fn next(&mut self) -> Key {
        match self.pressed.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }

    /// Forgets what was pressed before: it was no answer to what is asked now.
    pub fn forget(&mut self) {
        while self.pressed.try_recv().is_ok() {}
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}

/// Puts the bytes of a terminal together to keys.
#[derive(Debug, Default)]
struct Decoder(Vec<u8>);

impl Decoder {
    fn take(&mut self, byte: u8) -> Option<Key> {
        const ESCAPE: u8 = 0x1b;
        match (&self.0[..], byte) {
            (_, ESCAPE) => self.0 = vec![ESCAPE],
            ([ESCAPE], b'[' | b'O') => self.0.push(byte),
            ([ESCAPE, _], b'A'..=b'D') => {
                self.0.clear();
                return Some(match byte {
                    b'A' => Key::Up,
                    b'B' => Key::Down,
                    b'C' => Key::Right,
                    _ => Key::Left,
                });
            }
            // The rest of a sequence that means nothing here, up to its last byte.
            ([ESCAPE, ..], b'0'..=b'9' | b';') => {}
            ([ESCAPE, ..], _) => self.0.clear(),
            (_, byte) if byte.is_ascii_graphic() || byte == b' ' => {
                return Some(Key::Sign(char::from(byte).to_ascii_lowercase()));
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|byte| decoder.take(*byte)).collect()
    }

    #[test]
    fn letters_and_arrows_are_told_apart() {
        let expected = [Key::Sign('s'), Key::Up, Key::Left, Key::Sign('k'), Key::Down];
        assert_eq!(keys(b"s\x1b[A\x1bODK\x1b[B"), expected);
    }

    #[test]
    fn what_means_nothing_is_skipped_and_spoils_nothing() {
        // Page up, F5, an arrow with a modifier, a newline, half a sequence.
        let expected = [Key::Sign('x'), Key::Sign('y'), Key::Right, Key::Sign('z'), Key::Up];
        assert_eq!(keys(b"\x1b[5~x\x1b[15~y\x1b[1;5C\nz\x1b\x1b[A"), expected);
    }
}
