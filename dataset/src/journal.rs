//! The journal of the running episode: which episode it is, and for each row group on the disk its
//! place and what a footer says of it. It lies beside the rows, only grows, and is what makes rows
//! without a footer readable again.
//!
//! A file is [`MARK`] and entries: length (32 bits, little endian), CRC-32, payload. The first
//! entry is a [`Header`] in JSON, each other one a row group: length of its pages (64 bits), CRC-32
//! of them, its footer. What follows an entry that is not whole counts for nothing.

use crate::groups::Groups;
use crate::notes::EpisodeNotes;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// The beginning of a journal.
const MARK: &[u8] = b"jacod running episode 1\n";

/// What is known of an episode when it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// Number of the episode.
    pub episode: usize,
    /// Number of its first row over the whole dataset.
    pub first_row: usize,
    /// Text of its task.
    pub task: String,
    /// What its recorder had to say of it.
    pub notes: EpisodeNotes,
}

/// A journal of no row group yet.
pub(crate) fn begun(header: &Header) -> Vec<u8> {
    let payload = serde_json::to_vec(header).expect("texts and numbers serialise");
    [MARK, &entry(&payload)].concat()
}

/// The entry of a row group.
pub(crate) fn entry_of_group(pages: &[u8], footer: &[u8]) -> Vec<u8> {
    let length = (pages.len() as u64).to_le_bytes();
    entry(&[&length, &crc32fast::hash(pages).to_le_bytes()[..], footer].concat())
}

fn entry(payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&length, &crc32fast::hash(payload).to_le_bytes()[..], payload].concat()
}

/// What a journal tells: the episode, and those of its row groups whose pages are whole in the file
/// of its rows. `None` if not even the episode can be told.
pub(crate) fn read(journal: &Path, rows: &Path) -> io::Result<Option<(Header, Groups)>> {
    let bytes = match std::fs::read(journal) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let Some(mut rest) = bytes.strip_prefix(MARK) else { return Ok(None) };
    let header = next(&mut rest).and_then(|payload| serde_json::from_slice(payload).ok());
    let Some(header) = header else { return Ok(None) };
    let mut rows = File::open(rows)?;
    let length = rows.metadata()?.len();
    let mut groups = Groups::default();
    while let Some((pages, crc, footer)) = next(&mut rest).and_then(group) {
        let inside = groups.end().checked_add(pages).is_some_and(|end| end <= length);
        if !inside || crc_of(&mut rows, groups.end(), pages)? != crc {
            break;
        }
        if groups.add(footer, pages).is_err() {
            break;
        }
    }
    Ok(Some((header, groups)))
}

/// The payload of the next entry, if it is whole.
fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let (crc, after) = after.split_first_chunk()?;
    let (payload, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    (crc32fast::hash(payload) == u32::from_le_bytes(*crc)).then_some(payload)
}

fn group(payload: &[u8]) -> Option<(u64, u32, &[u8])> {
    let (length, after) = payload.split_first_chunk()?;
    let (crc, footer) = after.split_first_chunk()?;
    Some((u64::from_le_bytes(*length), u32::from_le_bytes(*crc), footer))
}

fn crc_of(file: &mut File, from: u64, length: u64) -> io::Result<u32> {
    file.seek(SeekFrom::Start(from))?;
    let mut part = file.take(length);
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match part.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            count => hasher.update(&buffer[..count]),
        }
    }
}
