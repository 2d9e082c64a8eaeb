//! Why the program ends.

use std::sync::mpsc::Sender;

/// Why the program is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// This signal came.
    Signal(i32),
    /// The control channel asked for it.
    Quit,
    /// This thread ended, which it does only by a defect.
    Broken(&'static str),
}

/// Reports the end of the thread that holds it, a panic included.
pub(super) struct Farewell {
    thread: &'static str,
    exit: Sender<Exit>,
}

impl Farewell {
    pub fn new(thread: &'static str, exit: &Sender<Exit>) -> Self {
        Self { thread, exit: exit.clone() }
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // During an ordered stop nobody listens any more, as it should be.
        let _ = self.exit.send(Exit::Broken(self.thread));
    }
}
