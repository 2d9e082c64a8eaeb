//! Files that are either whole or absent, whenever the power goes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `bytes` to `path`, replacing what was there in one step: a reader, or a restart after a
/// crash, sees the old file or the new one.
///
/// # Errors
/// Any error of the file system; the old file is then untouched. The path has no file name.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} names no file", path.display()))
    })?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut partial_name = name.to_owned();
    partial_name.push(".partial");
    let partial = folder.join(partial_name);
    let written = write_synced(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    if let Err(error) = written {
        // Best effort: the error that matters is the first.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    // The new name itself must reach the disk.
    File::open(folder)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn the_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        replace_file(&path, b"a longer first text").unwrap();
        replace_file(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_failed_write_leaves_the_old_state() {
        let folder = tempfile::tempdir().unwrap();
        // A folder in the file's place: the rename fails after the bytes were written.
        let path = folder.path().join("report.json");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("old"), b"old").unwrap();
        assert!(replace_file(&path, b"new").is_err());
        assert_eq!(fs::read(path.join("old")).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["report.json"]);
        assert!(replace_file(&folder.path().join("absent/report.json"), b"new").is_err());
    }
}
