//! Pictures of one episode, ready for training, in one file that is read at random.
//!
//! A file holds records of equal length after a head that says of what they are: the head's and
//! each record's checksum are stored, and a file that is not whole, is somebody else's or is of
//! something else counts as absent. It is written aside and renamed, so that two who make the same
//! one do not meet. Records are read with `pread`: the kernel's page cache keeps what fits into
//! memory, the process keeps nothing, and a file that is cut off while it is read is an error and
//! not a signal, as it would be with mapped memory.
//!
//! Must never decide what is kept or where: that is the trainer's.

use crate::error::{DatasetError, IoContext};
use crate::reader::Dataset;
use rustix::fs::{Advice, fadvise};
use serde_json::json;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// The beginning of a file.
const MAGIC: &[u8; 8] = b"JACOPICS";
/// Layout of the file.
const VERSION: u32 = 1;
/// Magic, version, length of a record, their number, length of the identity.
const FIXED_HEAD: usize = 8 + 4 + 8 + 8 + 4;
/// Bytes of a checksum.
const SUM: usize = 4;
/// A longer identity is none.
const LONGEST_IDENTITY: usize = 1 << 16;
/// Ending of a file that is not in its place yet.
const PARTIAL: &str = "partial";

/// What a file of records holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records<'a> {
    /// What the records are of, in any words; at most 64 KiB.
    pub identity: &'a str,
    /// Length of a record \[bytes\].
    pub record_bytes: usize,
    /// How many there are.
    pub count: usize,
}

impl Records<'_> {
    /// Length of the file \[bytes\].
    pub fn file_bytes(&self) -> u64 {
        let head = FIXED_HEAD + self.identity.len() + SUM;
        (head + SUM) as u64 + (self.record_bytes + SUM) as u64 * self.count as u64
    }

    fn head(&self) -> Vec<u8> {
        let mut head = Vec::with_capacity(FIXED_HEAD + self.identity.len() + SUM);
        head.extend(MAGIC);
        head.extend(VERSION.to_le_bytes());
        head.extend((self.record_bytes as u64).to_le_bytes());
        head.extend((self.count as u64).to_le_bytes());
        head.extend((self.identity.len() as u32).to_le_bytes());
        head.extend(self.identity.as_bytes());
        head.extend(crc32fast::hash(&head).to_le_bytes());
        head
    }
}

/// A file of records, whole.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    begin: u64,
    record_bytes: usize,
    sums: Vec<u32>,
}

impl RecordFile {
    /// The file at `path`, if it is whole and holds `records`; only checksums are read.
    ///
    /// # Errors
    /// If the path cannot be read for another reason than that nothing is there.
    pub fn open(path: &Path, records: Records) -> Result<Option<Self>, DatasetError> {
        let file = match File::open(path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            other => other.at("read", path)?,
        };
        let found = file.metadata().at("read", path)?;
        if !found.is_file() || found.len() != records.file_bytes() {
            return Ok(None);
        }
        let wanted = records.head();
        let mut head = vec![0; wanted.len()];
        file.read_exact_at(&mut head, 0).at("read", path)?;
        if records.identity.len() > LONGEST_IDENTITY || head != wanted {
            return Ok(None);
        }
        let begin = wanted.len() as u64;
        let mut tail = vec![0; (records.count + 1) * SUM];
        let after = begin + (records.record_bytes * records.count) as u64;
        file.read_exact_at(&mut tail, after).at("read", path)?;
        let mut sums: Vec<u32> =
            tail.as_chunks::<SUM>().0.iter().map(|&sum| u32::from_le_bytes(sum)).collect();
        let own = crc32fast::hash(&tail[..records.count * SUM]);
        if sums.pop() != Some(own) {
            return Ok(None);
        }
        let record_bytes = records.record_bytes;
        Ok(Some(Self { path: path.to_owned(), begin, record_bytes, sums }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads record `number` into `into`, which has its length.
    ///
    /// # Panics
    /// If there is no such record.
    pub fn read(&self, number: usize, into: &mut [u8]) -> Result<(), DatasetError> {
        let file = self.file()?;
        let damaged = || DatasetError::Cache { path: self.path.clone() };
        match file.read_exact_at(into, self.place(number)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(damaged()),
            other => other.at("read", &self.path)?,
        }
        match crc32fast::hash(into) == self.sums[number] {
            true => Ok(()),
            false => Err(damaged()),
        }
    }

    /// Lets the system fetch record `number`, which will be read soon; nothing waits for it.
    pub fn expect(&self, number: usize) {
        // A wish: what comes of it is told by the reading.
        if let Ok(file) = self.file() {
            let length = NonZeroU64::new(self.record_bytes as u64);
            let _ = fadvise(&file, self.place(number), length, Advice::WillNeed);
        }
    }

    /// Opened for each record: a dataset has more episodes than a process may have files open.
    fn file(&self) -> Result<File, DatasetError> {
        let file = File::open(&self.path).at("read", &self.path)?;
        // What lies beside a picture is not read along.
        let _ = fadvise(&file, 0, None, Advice::Random);
        Ok(file)
    }

    fn place(&self, number: usize) -> u64 {
        self.begin + (number * self.record_bytes) as u64
    }
}

/// A file of records that is being written; gone if it is not finished.
#[derive(Debug)]
pub struct RecordWriter {
    path: PathBuf,
    partial: PathBuf,
    file: Option<BufWriter<File>>,
    begin: u64,
    record_bytes: usize,
    count: usize,
    sums: Vec<u32>,
}

impl RecordWriter {
    /// Begins the file of `records` that will be at `path`; makes its folder.
    pub fn create(path: &Path, records: Records) -> Result<Self, DatasetError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).at("create", folder)?;
        let (partial, file) = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let mut partial = path.as_os_str().to_owned();
            partial.push(format!(".{}-{number}.{PARTIAL}", process::id()));
            let partial = PathBuf::from(partial);
            let file = File::create(&partial).at("create", &partial)?;
            // The lock says that somebody writes here; whoever clears away may have come before it.
            if file.try_lock().is_ok() && partial.exists() {
                break (partial, file);
            }
        };
        let head = records.head();
        let mut writer = Self {
            path: path.to_owned(),
            partial,
            file: Some(BufWriter::with_capacity(1 << 18, file)),
            begin: head.len() as u64,
            record_bytes: records.record_bytes,
            count: records.count,
            sums: Vec::with_capacity(records.count),
        };
        writer.write(&head)?;
        Ok(writer)
    }

    /// Writes the next record.
    ///
    /// # Panics
    /// If it has another length than was said, or there are more than was said.
    pub fn push(&mut self, record: &[u8]) -> Result<(), DatasetError> {
        assert!(record.len() == self.record_bytes && self.sums.len() < self.count);
        self.sums.push(crc32fast::hash(record));
        self.write(record)
    }

    /// Forces the file to the disk and puts it in its place.
    ///
    /// # Panics
    /// If there are fewer records than was said.
    pub fn finish(mut self) -> Result<RecordFile, DatasetError> {
        assert_eq!(self.sums.len(), self.count);
        let mut tail: Vec<u8> = self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        tail.extend(crc32fast::hash(&tail).to_le_bytes());
        self.write(&tail)?;
        if let Some(file) = self.file.take() {
            let whole = file.into_inner().map_err(io::IntoInnerError::into_error);
            let placed = whole.and_then(|file| {
                file.sync_data()?;
                fs::rename(&self.partial, &self.path)
            });
            if let Err(source) = placed {
                let _ = fs::remove_file(&self.partial);
                return Err(source).at("write", &self.path);
            }
        }
        let (path, sums) = (self.path.clone(), std::mem::take(&mut self.sums));
        Ok(RecordFile { path, begin: self.begin, record_bytes: self.record_bytes, sums })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DatasetError> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes)).at("write", &self.partial)
    }
}

impl Drop for RecordWriter {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Nothing of it is worth writing any more.
            drop(file.into_parts());
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// Removes what killed writers left in `folder`: files of this module that nobody is writing.
pub fn remove_partial_records(folder: &Path) -> Result<(), DatasetError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.at("list", folder)?,
    };
    for entry in entries {
        let path = entry.at("list", folder)?.path();
        let is_partial = path.extension().is_some_and(|found| found == PARTIAL);
        let abandoned = || File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_partial && ours(&path) && abandoned() {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

/// Whether the file begins as those of this module do, or has not begun.
fn ours(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(8).read_to_end(&mut head));
    read.is_ok() && MAGIC.starts_with(&head)
}

impl Dataset {
    /// What the pictures of the camera `key` in episode `index` are made of, in words that change
    /// when one of its files is written again (size, time of change) or the metadata place it
    /// elsewhere. Files of single pictures, which old recorders leave beside the tables, are not
    /// looked at.
    pub fn picture_identity(&self, index: usize, key: &str) -> Result<String, DatasetError> {
        let episode = self.episode(index)?;
        let mut files = vec![episode.data_path(self.root(), self.info())];
        let video = episode.videos.get(key).filter(|_| self.is_video(key));
        files.extend(video.map(|v| self.info().video_path.path(self.root(), v.place, key)));
        let files = files.into_iter().map(|path| {
            let found = fs::metadata(&path).at("read", &path)?;
            let name = path.strip_prefix(self.root()).unwrap_or(&path).display().to_string();
            Ok(json!([name, found.len(), found.mtime(), found.mtime_nsec()]))
        });
        let files = files.collect::<Result<Vec<_>, DatasetError>>()?;
        let times = video.map(|video| (video.from_s, video.to_s));
        let (rows, offset) = (episode.length, episode.offset);
        let fps = self.fps();
        Ok(json!({"camera": key, "episode": index, "rows": rows, "offset": offset, "fps": fps,
                  "files": files, "video": times})
        .to_string())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::OpenOptions;

    const RECORDS: Records = Records { identity: "episode 3", record_bytes: 5, count: 3 };

    fn write(path: &Path) -> RecordFile {
        let mut writer = RecordWriter::create(path, RECORDS).unwrap();
        (0..3u8).for_each(|number| writer.push(&[number; 5]).unwrap());
        writer.finish().unwrap()
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn records_come_back_in_any_order_and_from_the_file_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let written = write(&path);
        let opened = RecordFile::open(&path, RECORDS).unwrap().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), RECORDS.file_bytes());
        for file in [&written, &opened] {
            for number in [2, 0, 1] {
                let mut record = [9; 5];
                file.expect(number);
                file.read(number, &mut record).unwrap();
                assert_eq!(record, [number as u8; 5]);
            }
        }
        assert_eq!(names(&folder.path().join("a")), 1);
    }

    #[test]
    fn what_is_not_whole_or_of_something_else_counts_as_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let open = |records| RecordFile::open(&path, records).unwrap();
        assert!(open(RECORDS).is_none(), "not there");
        write(&path);
        for other in [
            Records { identity: "episode 4", ..RECORDS },
            Records { record_bytes: 3, count: 5, ..RECORDS },
            Records { count: 2, ..RECORDS },
        ] {
            assert!(open(other).is_none(), "{other:?}");
        }
        let whole = fs::read(&path).unwrap();
        for length in [0, 7, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(open(RECORDS).is_none(), "{length} bytes");
        }
        // Everything but a record: those are checked when they are read.
        let records = RECORDS.head().len()..whole.len() - 16;
        for at in (0..whole.len()).filter(|at| !records.contains(at)) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(open(RECORDS).is_none(), "byte {at}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(open(RECORDS).is_some());
    }

    #[test]
    fn a_damaged_record_and_a_file_cut_off_under_the_reader_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = write(&path);
        let mut bytes = fs::read(&path).unwrap();
        bytes[RECORDS.head().len() + 7] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let mut record = [0; 5];
        file.read(0, &mut record).unwrap();
        let error = file.read(1, &mut record).unwrap_err();
        assert!(error.to_string().contains("remove it"), "{error}");
        assert!(!error.is_unusable_input());
        let begin = RECORDS.head().len() as u64;
        OpenOptions::new().write(true).open(&path).unwrap().set_len(begin + 2).unwrap();
        assert!(matches!(file.read(0, &mut record), Err(DatasetError::Cache { .. })));
    }

    #[test]
    fn what_is_not_finished_leaves_nothing_and_what_was_killed_is_cleared_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut writer = RecordWriter::create(&path, RECORDS).unwrap();
        writer.push(&[1; 5]).unwrap();
        drop(writer);
        assert_eq!(names(folder.path()), 0);
        let writing = RecordWriter::create(&path, RECORDS).unwrap();
        for (name, bytes) in [
            ("file.7-0.partial", &RECORDS.head()[..]),
            ("file.7-1.partial", b""),
            ("notes.partial", b"a user's own"),
            ("file", MAGIC),
        ] {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        remove_partial_records(folder.path()).unwrap();
        assert!(!folder.path().join("file.7-0.partial").exists());
        assert!(!folder.path().join("file.7-1.partial").exists());
        assert!(folder.path().join("notes.partial").exists());
        assert!(writing.partial.exists(), "somebody writes there");
        remove_partial_records(&folder.path().join("absent")).unwrap();
    }

    #[test]
    fn two_writers_of_one_file_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut slow = RecordWriter::create(&path, RECORDS).unwrap();
        slow.push(&[0; 5]).unwrap();
        let quick = write(&path);
        (1..3u8).for_each(|number| slow.push(&[number; 5]).unwrap());
        let slow = slow.finish().unwrap();
        for file in [quick, slow, RecordFile::open(&path, RECORDS).unwrap().unwrap()] {
            let mut record = [9; 5];
            file.read(2, &mut record).unwrap();
            assert_eq!(record, [2; 5]);
        }
        assert_eq!(names(folder.path()), 1);
    }
}
