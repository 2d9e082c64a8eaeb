//! Whether and where pictures are kept on disk, and the files of one episode.
//!
//! A picture is kept as the model sees it before augmentation: decoded, brought to its square.
//! There is a file for each episode and camera, whose head says of which files of the dataset it
//! was made and how, so that of a dataset that has changed only the episodes that did are made
//! anew. What is kept does not depend on which rows are chosen for training.
//!
//! Owns the choice, the folders, their room, and what is said of it. Must never gather a batch.

use crate::error::TrainError;
use crate::memory::fits_in_memory;
use crate::reading::Camera;
use jaco_dataset::{Dataset, RecordFile, RecordWriter, Records, remove_partial_records};
use jaco_model::image::{ImageProcessor, Picture};
use rustix::fs::{Access, access, stat, statvfs};
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Changes when the same picture is brought to its square in another way than before.
const VERSION: u32 = 1;

/// Where pictures are to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Choice {
    Auto,
    Memory,
    Beside,
    Folder(PathBuf),
}

impl Choice {
    fn of(text: &str) -> Result<Self, TrainError> {
        match text {
            "auto" => Ok(Choice::Auto),
            "memory" => Ok(Choice::Memory),
            "beside" => Ok(Choice::Beside),
            folder if Path::new(folder).is_dir() => Ok(Choice::Folder(folder.into())),
            other => Err(TrainError::CacheChoice(other.to_owned())),
        }
    }
}

/// Where the pictures of a run are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PicturesReport {
    /// All pictures of the datasets, as they are kept \[bytes\].
    pub bytes: u64,
    /// Those of them that are not there yet; 0 in memory \[bytes\].
    pub missing_bytes: u64,
    /// The folders they are kept in; none: in memory.
    pub folders: Vec<PathBuf>,
}

impl fmt::Display for PicturesReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |bytes: u64| bytes.div_ceil(1_000_000);
        write!(f, "pictures: {} MB ", mb(self.bytes))?;
        if self.folders.is_empty() {
            return write!(f, "in memory");
        }
        let folders: Vec<String> =
            self.folders.iter().map(|folder| folder.display().to_string()).collect();
        let folders = folders.join(" ");
        write!(
            f,
            "on disk, {} MB to be made; remove them with rm -r {folders}",
            mb(self.missing_bytes)
        )
    }
}

/// The pictures of one dataset, as they are wanted.
pub struct Wanted<'a> {
    /// The dataset.
    pub dataset: &'a Dataset,
    /// The camera looked through.
    pub camera: &'a Camera,
    /// For each episode the rows whose pictures are kept, in order; none: it is not trained on.
    pub rows: Vec<&'a [usize]>,
}

/// The files of one dataset.
pub struct Cache<'a> {
    wanted: Wanted<'a>,
    processor: &'a ImageProcessor,
    side: usize,
    folder: PathBuf,
    /// The file of each episode that is there already.
    pub found: Vec<Option<RecordFile>>,
}

/// Where the pictures of all datasets go, of which `states` are trained on: none for memory. `text`
/// is what was chosen. Looks at what is there and for room, and makes the folders.
pub fn place<'a>(
    text: &str,
    states: usize,
    side: usize,
    processor: &'a ImageProcessor,
    wanted: Vec<Wanted<'a>>,
) -> Result<(Vec<Cache<'a>>, PicturesReport), TrainError> {
    let choice = Choice::of(text)?;
    let in_memory = (states * side * side * 3) as u64;
    if choice == Choice::Memory || choice == Choice::Auto && fits_in_memory(in_memory) {
        return Ok((Vec::new(), PicturesReport { bytes: in_memory, ..PicturesReport::default() }));
    }
    let mut caches: Vec<Cache> = Vec::new();
    let mut report = PicturesReport::default();
    let mut needed: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    for wanted in wanted {
        let root = wanted.dataset.root();
        let base = base(&choice, root).map_err(TrainError::io(root))?;
        let mut cache = Cache::new(wanted, processor, side, &base);
        let (bytes, missing) = cache.look()?;
        report.bytes += bytes;
        report.missing_bytes += missing;
        if missing > 0 {
            cache.prepare()?;
            // What cannot be asked has no limit that is known: writing will tell.
            let device = stat(&cache.folder).map_or(0, |found| found.st_dev);
            needed.entry(device).or_insert_with(|| (cache.folder.clone(), 0)).1 += missing;
        }
        if !report.folders.contains(&base) {
            report.folders.push(base);
        }
        caches.push(cache);
    }
    for (folder, needed) in needed.into_values() {
        if let Some(disk) = statvfs(&folder).ok().filter(|disk| disk.f_blocks > 0) {
            has_room(&folder, needed, disk.f_bavail.saturating_mul(disk.f_frsize))?;
        }
    }
    Ok((caches, report))
}

/// `demos.pictures` beside `demos`, or a folder of that name and a number of its own in the chosen
/// one: datasets in several places may be called the same.
fn base(choice: &Choice, root: &Path) -> std::io::Result<PathBuf> {
    let whole = root.canonicalize()?;
    let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(match choice {
        Choice::Folder(folder) => {
            let number = crc32fast::hash(whole.as_os_str().as_encoded_bytes());
            folder.join(format!("{name}-{number:08x}.pictures"))
        }
        _ => whole.with_file_name(format!("{name}.pictures")),
    })
}

fn has_room(dir: &Path, needed: u64, free: u64) -> Result<(), TrainError> {
    let mb = |bytes: u64| bytes.div_ceil(1_000_000);
    match needed <= free {
        true => Ok(()),
        false => Err(TrainError::CacheSpace {
            dir: dir.to_owned(),
            needed_mb: mb(needed),
            free_mb: mb(free),
        }),
    }
}

impl<'a> Cache<'a> {
    fn new(wanted: Wanted<'a>, processor: &'a ImageProcessor, side: usize, base: &Path) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
        let camera: String = wanted.camera.key.chars().map(plain).collect();
        // Two ways to the square may be wanted at the same time.
        let number = crc32fast::hash(format!("{VERSION} {}", processor.geometry()).as_bytes());
        let folder = base.join(format!("{camera}-{side}px-{number:08x}"));
        Self { wanted, processor, side, folder, found: Vec::new() }
    }

    /// Finds what is there; the bytes of all files, and of those that are not there.
    fn look(&mut self) -> Result<(u64, u64), TrainError> {
        let (mut bytes, mut missing) = (0, 0);
        for episode in 0..self.wanted.rows.len() {
            if self.wanted.rows[episode].is_empty() {
                self.found.push(None);
                continue;
            }
            let identity = self.identity(episode)?;
            let records = self.records(episode, &identity);
            let found = RecordFile::open(&self.path(episode), records)?;
            bytes += records.file_bytes();
            if found.is_none() {
                missing += records.file_bytes();
            }
            self.found.push(found);
        }
        Ok((bytes, missing))
    }

    /// Makes the folder, and clears away what killed runs left.
    fn prepare(&self) -> Result<(), TrainError> {
        let unusable = |problem: String| {
            let dir = self.folder.parent().unwrap_or(&self.folder).to_owned();
            TrainError::CacheFolder { dir, problem }
        };
        fs::create_dir_all(&self.folder).map_err(|error| unusable(error.to_string()))?;
        access(&self.folder, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|errno| unusable(std::io::Error::from(errno).to_string()))?;
        Ok(remove_partial_records(&self.folder)?)
    }

    /// The file of an episode that was not there. Another run may have made it meanwhile.
    pub fn make(&self, episode: usize) -> Result<RecordFile, TrainError> {
        let identity = self.identity(episode)?;
        let records = self.records(episode, &identity);
        let path = self.path(episode);
        if let Some(file) = RecordFile::open(&path, records)? {
            return Ok(file);
        }
        let mut writer = RecordWriter::create(&path, records)?;
        let Wanted { dataset, camera, rows } = &self.wanted;
        each_square(dataset, camera, self.processor, episode, rows[episode], |square| {
            Ok(writer.push(square)?)
        })?;
        Ok(writer.finish()?)
    }

    /// The record of the picture of row `row`.
    pub fn record(&self, episode: usize, row: usize) -> u32 {
        self.wanted.rows[episode].partition_point(|&kept| kept < row) as u32
    }

    fn path(&self, episode: usize) -> PathBuf {
        self.folder.join(format!("episode-{episode:06}"))
    }

    fn identity(&self, episode: usize) -> Result<String, TrainError> {
        let Wanted { dataset, camera, rows } = &self.wanted;
        let made_of = dataset.picture_identity(episode, &camera.key)?;
        let rows = (rows[episode].len(), numbers_sum(rows[episode]));
        let geometry = self.processor.geometry();
        Ok(json!({"version": VERSION, "made_of": made_of, "square": geometry, "rows": rows})
            .to_string())
    }

    fn records<'b>(&self, episode: usize, identity: &'b str) -> Records<'b> {
        let (record_bytes, count) = (self.side * self.side * 3, self.wanted.rows[episode].len());
        Records { identity, record_bytes, count }
    }
}

/// A checksum of row numbers: which rows they are hangs on the files alone, which are told apart
/// by more.
fn numbers_sum(rows: &[usize]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    rows.iter().for_each(|&row| sum.update(&(row as u64).to_le_bytes()));
    sum.finalize()
}

/// Hands the pictures of the rows `rows` of an episode, as squares, to `each`; one that stands there
/// twice comes twice. Few are in memory at a time.
pub fn each_square(
    dataset: &Dataset,
    camera: &Camera,
    processor: &ImageProcessor,
    episode: usize,
    rows: &[usize],
    mut each: impl FnMut(&[u8]) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    let (Some(&first), Some(&last)) = (rows.first(), rows.last()) else { return Ok(()) };
    let (height, width) = (camera.height as usize, camera.width as usize);
    let mut wanted = rows.iter().peekable();
    dataset.read_some_pictures(episode, first..last + 1, &camera.key, |row, rgb| {
        if wanted.peek() == Some(&&row) {
            let picture = Picture { width, height, rgb: Cow::Borrowed(&rgb) };
            let square = processor.square(picture);
            while wanted.next_if_eq(&&row).is_some() {
                each(&square)?;
            }
        }
        Ok::<(), TrainError>(())
    })?;
    match wanted.next() {
        None => Ok(()),
        Some(frame) => Err(TrainError::Episode {
            root: dataset.root().to_owned(),
            episode,
            problem: format!("has no picture of frame {frame}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_disk_without_room_is_refused_with_the_numbers_before_anything_is_made() {
        let error = has_room(Path::new("demos.pictures"), 2_000_001, 1_999_999).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("need 3 MB, 2 MB are free") && text.contains("--cache"), "{text}");
        assert!(error.is_unusable_input());
        has_room(Path::new("demos.pictures"), 5, 5).unwrap();
    }

    #[test]
    fn a_word_that_is_none_and_no_folder_is_refused() {
        assert_eq!(Choice::of("auto").unwrap(), Choice::Auto);
        let error = Choice::of("atuo").unwrap_err().to_string();
        assert!(error.contains("\"atuo\"") && error.contains("\"beside\""), "{error}");
    }
}
