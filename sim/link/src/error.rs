//! What can go wrong between jaco-sim and its clients.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A failure of the link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody serves the socket.
    #[error("jaco-sim does not answer at {path}: {source} ({})", advice(.source, .path))]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to jaco-sim broke: {0}")]
    Io(#[from] io::Error),
    /// The other side closed the connection.
    #[error("jaco-sim's side of the connection is closed")]
    Closed,
    /// Nothing came in time.
    #[error("nothing came from jaco-sim for {} ms", .0.as_millis())]
    Timeout(Duration),
    /// A message is longer than its channel allows.
    #[error("{what} of {got} bytes is refused: {limit} bytes are allowed")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Bytes announced or read so far.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A message does not parse.
    #[error("{what} is malformed: {detail}")]
    Malformed {
        /// What it should have been.
        what: &'static str,
        /// Why it is not.
        detail: String,
    },
    /// jaco-sim refused the request.
    #[error("jaco-sim refused: {0}")]
    Refused(String),
}

fn advice(error: &io::Error, path: &Path) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "the user that runs jaco-sim must let you write there".to_owned()
        }
        _ => format!("is it running, with --socket {}?", path.display()),
    }
}
