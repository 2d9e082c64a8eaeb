//! The folder of the records: names, what is kept, what is there. Files of others are never
//! touched.

use crate::read::{About, ReadError};
use crate::trigger::Kind;
use jaco_core::Word;
use jaco_report::replace_file;
use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Files that are kept, 4 to 5 MB each.
pub const KEPT: usize = 50;
/// How a file's name ends.
const ENDING: &str = ".mcap";
/// How the name of a file that is being written ends.
const PARTIAL: &str = ".mcap.partial";
/// Length of a date in a name: "2026-11-29T15-04-05Z".
const DATE_BYTES: usize = 20;

/// When `unix_ns` was, to the second, as names have it.
fn date(unix_ns: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_nanos(unix_ns);
    humantime::format_rfc3339_seconds(time).to_string().replace(':', "-")
}

/// Whether a file of this name is one of ours: a date, a kind, and a number if there were several
/// in that second.
fn is_ours(name: &str, ending: &str) -> bool {
    let Some((date, rest)) =
        name.strip_suffix(ending).and_then(|stem| stem.split_at_checked(DATE_BYTES))
    else {
        return false;
    };
    let pattern = "0000-00-00T00-00-00Z";
    let fits = |(c, wanted): (char, char)| match wanted {
        '0' => c.is_ascii_digit(),
        wanted => c == wanted,
    };
    let Some(kind) = rest.strip_prefix('-') else { return false };
    let kind = kind.trim_end_matches(|c: char| c.is_ascii_digit());
    let kind = kind.strip_suffix('-').unwrap_or(kind);
    date.chars().zip(pattern.chars()).all(fits) && Kind::ALL.iter().any(|ours| ours.name() == kind)
}

/// Puts `bytes` into a new file below `folder`, which is made if it is not there, and removes the
/// oldest beyond `kept`. The file is there whole or not at all.
///
/// # Errors
/// The file is not there. One that cannot be removed is no error.
pub fn save(
    folder: &Path,
    kind: Kind,
    unix_ns: u64,
    bytes: &[u8],
    kept: usize,
) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let stem = format!("{}-{}", date(unix_ns), kind.name());
    let path = (1..)
        .map(|number| match number {
            1 => folder.join(format!("{stem}{ENDING}")),
            number => folder.join(format!("{stem}-{number}{ENDING}")),
        })
        .find(|path| !path.exists())
        .ok_or(ErrorKind::AlreadyExists)?;
    // Room first: the disk may be full of ours.
    let mut files = ours(folder, ENDING)?;
    let beyond = (files.len() + 1).saturating_sub(kept.max(1));
    for old in files.drain(..beyond).chain(ours(folder, PARTIAL)?) {
        let _ = fs::remove_file(old);
    }
    replace_file(&path, bytes)?;
    Ok(path)
}

/// Our files below `folder`, oldest first.
fn ours(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        names.extend(name.to_str().filter(|name| is_ours(name, ending)).map(str::to_owned));
    }
    names.sort();
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// A record in the folder.
#[derive(Debug)]
pub struct Listed {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// What it says about itself, or what is wrong with it.
    pub about: Result<About, ReadError>,
}

/// The records below `folder`, oldest first; none if there is no such folder.
///
/// # Errors
/// The folder cannot be read.
pub fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let files = match ours(folder, ENDING) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        files => files?,
    };
    let listed = |file: PathBuf| {
        let about = File::open(&file).map_err(ReadError::Io);
        let about = about.and_then(|file| About::read(BufReader::new(file)));
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        Listed { file, bytes, about }
    };
    Ok(files.into_iter().map(listed).collect())
}

/// The newest record below `folder`.
///
/// # Errors
/// As [`list`].
pub fn newest(folder: &Path) -> io::Result<Option<PathBuf>> {
    match ours(folder, ENDING) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        files => Ok(files?.pop()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_of_ours_go_and_nothing_of_others() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("flight");
        let second = 1_000_000_000;
        for at in 0..5 {
            save(&folder, Kind::ServoLost, at * second, b"x", 3).unwrap();
            if at == 0 {
                for foreign in ["a.mcap", "1970-01-01T00-00-00Z-mine.mcap", "notes.txt"] {
                    fs::write(folder.join(foreign), b"of a person").unwrap();
                }
                fs::write(folder.join("1970-01-01T00-00-00Z-asked.mcap.partial"), b"x").unwrap();
            }
        }
        assert_eq!(
            names(&folder),
            [
                "1970-01-01T00-00-00Z-mine.mcap",
                "1970-01-01T00-00-02Z-servo-lost.mcap",
                "1970-01-01T00-00-03Z-servo-lost.mcap",
                "1970-01-01T00-00-04Z-servo-lost.mcap",
                "a.mcap",
                "notes.txt",
            ]
        );
    }

    #[test]
    fn two_of_one_second_have_two_names() {
        let folder = tempfile::tempdir().unwrap();
        let first = save(folder.path(), Kind::Asked, 0, b"x", 9).unwrap();
        let second = save(folder.path(), Kind::Asked, 0, b"x", 9).unwrap();
        assert!(first != second && list(folder.path()).unwrap().len() == 2);
        assert_eq!(newest(folder.path()).unwrap(), Some(first.max(second)));
        assert_eq!(newest(&folder.path().join("absent")).unwrap(), None);
    }
}
