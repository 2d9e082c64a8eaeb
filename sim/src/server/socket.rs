//! The socket file: made without stepping on a running simulation, removed at the end.

use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another program answers there.
    #[error("{0} is served by another program: end it, or choose another --socket")]
    InUse(PathBuf),
    /// Something else is there.
    #[error("{0} exists and is no socket: it is left alone; choose another --socket")]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot listen at {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SocketError {
    /// Whether nothing can be served at this path, rather than not now.
    pub fn blames_input(&self) -> bool {
        match self {
            Self::InUse(_) => false,
            Self::NotASocket(_) => true,
            Self::Io { source, .. } => jaco_shell::args::blames_path(source),
        }
    }
}

/// A listening socket whose file goes when this is dropped.
#[derive(Debug)]
pub(super) struct Bound {
    path: PathBuf,
    listener: UnixListener,
}

impl Bound {
    /// Listens at `path`, in place of a socket that nobody serves any more.
    pub fn new(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Io { path: path.to_owned(), source };
        match UnixListener::bind(path) {
            Ok(listener) => return Ok(Self { path: path.to_owned(), listener }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(failed(error)),
        }
        if !std::fs::symlink_metadata(path).map_err(failed)?.file_type().is_socket() {
            return Err(SocketError::NotASocket(path.to_owned()));
        }
        match UnixStream::connect(path) {
            Ok(_) => Err(SocketError::InUse(path.to_owned())),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(failed)?;
                let listener = UnixListener::bind(path).map_err(failed)?;
                Ok(Self { path: path.to_owned(), listener })
            }
            Err(error) => Err(failed(error)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle to accept with.
    pub fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket was not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_socket_that_nobody_serves_is_replaced_and_removed_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sim.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a listener that dies leaves its file");
        let bound = Bound::new(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(bound);
        assert!(!path.exists());
    }

    #[test]
    fn a_running_simulation_is_not_disturbed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sim.sock");
        let _first = Bound::new(&path).unwrap();
        assert!(matches!(Bound::new(&path), Err(SocketError::InUse(_))));
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(Bound::new(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
