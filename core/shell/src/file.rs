//! A small file that a user names, read whole: only a file is opened, and not an endless one.
//! Knows nothing of what it says.

use anyhow::ensure;
use std::fs::{File, FileType};
use std::io::{Error, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Far beyond any configuration; what is larger is another file.
const MOST_BYTES: u64 = 1 << 20;

/// The bytes of the configuration file at `path`.
///
/// # Errors
/// Why there is none, or none that can be read.
pub fn read_configuration(path: &Path) -> anyhow::Result<Vec<u8>> {
    let name = path.display();
    let metadata = path.metadata().map_err(|error| refused(path, error))?;
    // Before it is opened: a named pipe would wait for somebody who writes.
    ensure!(
        metadata.is_file(),
        "{name} is {}, not a configuration file",
        kind(metadata.file_type())
    );
    ensure!(
        metadata.len() <= MOST_BYTES,
        "{name} has {} bytes: a configuration has at most {MOST_BYTES}",
        metadata.len()
    );
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
    read.map_err(|error| refused(path, error))?;
    Ok(bytes)
}

fn refused(path: &Path, error: Error) -> anyhow::Error {
    let advice = match error.kind() {
        ErrorKind::NotFound => "there is none (--config names another)",
        ErrorKind::PermissionDenied => "this user may not read it",
        _ => "the system refused",
    };
    let told = format!("cannot read the configuration {}: {advice}", path.display());
    anyhow::Error::new(error).context(told)
}

/// What a file is that is none.
pub fn kind(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a named pipe",
        _ if kind.is_socket() => "a socket",
        _ if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "a file",
    }
}
