//! The only way this package changes the disk. Whole files are written beside their place, forced
//! to the disk and then renamed into it, so that a reader or a crash never sees half a file; only
//! those of the running episode (`running.rs`) grow, under names that no reader looks for.
//!
//! [`Storage`] is a trait so that a test can end the world after any single operation.

use crate::error::{DatasetError, IoContext};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Ending of a file that is not in its place yet.
const TEMPORARY: &str = "tmp";

/// The operations that change the disk.
pub trait Storage: Send {
    /// Writes a whole file (replacing one that is there) and forces its bytes to the disk.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file to its first `from` bytes, adds `bytes` and forces them to the disk. A file that
    /// is not there is made, and its entry forced to the disk, if `from` is 0.
    fn append(&mut self, path: &Path, from: u64, bytes: &[u8]) -> io::Result<()>;
    /// Renames a file within its folder, replacing the target, and forces the folder's entry to
    /// the disk.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a folder and its parents, and forces their entries to the disk; one that is there is
    /// fine.
    fn create_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Removes a file, and forces that to the disk.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Storage for FileSystem {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_data()
    }

    fn append(&mut self, path: &Path, from: u64, bytes: &[u8]) -> io::Result<()> {
        let is_new = from == 0 && !path.exists();
        let mut file =
            OpenOptions::new().write(true).create(from == 0).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        if length < from {
            let reason = format!("it has {length} bytes, and {from} were written to it");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
        }
        if length > from {
            file.set_len(from)?;
        }
        file.seek(SeekFrom::Start(from))?;
        file.write_all(bytes)?;
        file.sync_data()?;
        if is_new { sync_folder_of(path) } else { Ok(()) }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder_of(to)
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        let is_new = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let new: Vec<&Path> = path.ancestors().take_while(is_new).collect();
        fs::create_dir_all(path)?;
        new.into_iter().filter_map(Path::parent).try_for_each(|parent| {
            let here = parent.as_os_str().is_empty();
            File::open(if here { Path::new(".") } else { parent })?.sync_all()
        })
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)?;
        sync_folder_of(path)
    }
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Puts `bytes` at `path` so that the file is either the old or the new one at any instant.
pub(crate) fn replace(
    storage: &mut dyn Storage,
    path: &Path,
    bytes: &[u8],
) -> Result<(), DatasetError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
        storage.create_folder(folder).at("create", folder)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".");
    temporary.push(TEMPORARY);
    let temporary = PathBuf::from(temporary);
    storage.write(&temporary, bytes).at("write", &temporary)?;
    storage.rename(&temporary, path).at("replace", path)
}

/// The files below `folder`, sorted by path; a folder that is not there has none.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = Vec::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(files),
        Err(source) => {
            return Err(DatasetError::Io { action: "list", path: folder.to_owned(), source });
        }
    };
    for entry in entries {
        let path = entry.at("list", folder)?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The files that this package left on the way to their place, sorted: of the names that
/// [`replace`] makes, in the folders that it makes them in. What others keep under such an ending,
/// and what lies behind a link, is not touched.
pub(crate) fn temporaries(root: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let meta = root.join("meta");
    let mut files = Vec::new();
    let mut of_folder = |folder: &Path, is_ours: fn(&str) -> bool| -> Result<(), DatasetError> {
        let found = entries(folder, fs::FileType::is_file)?;
        let temporary = |name: &str| {
            name.strip_suffix(TEMPORARY)
                .and_then(|name| name.strip_suffix('.'))
                .is_some_and(is_ours)
        };
        files.extend(found.into_iter().filter(|(name, _)| temporary(name)).map(|(_, path)| path));
        Ok(())
    };
    of_folder(&meta, |name| matches!(name, "info.json" | "stats.json" | "tasks.parquet"))?;
    of_folder(&meta.join("jacod"), |name| numbered(name, "episode-", ".json"))?;
    for parent in [root.join("data"), meta.join("episodes")] {
        for chunk in chunks(&parent)? {
            of_folder(&chunk, |name| numbered(name, "file-", ".parquet"))?;
        }
    }
    files.sort();
    Ok(files)
}

/// The files in the folders of `data` whose names this package made from those of data files by
/// adding `ending`, sorted.
pub(crate) fn beside_data(root: &Path, ending: &str) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = Vec::new();
    for chunk in chunks(&root.join("data"))? {
        let found = entries(&chunk, fs::FileType::is_file)?;
        let is_ours = |name: &str| numbered(name, "file-", &format!(".parquet{ending}"));
        files.extend(found.into_iter().filter(|(name, _)| is_ours(name)).map(|(_, path)| path));
    }
    files.sort();
    Ok(files)
}

fn chunks(parent: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let folders = entries(parent, fs::FileType::is_dir)?;
    Ok(folders.into_iter().filter(|(name, _)| numbered(name, "chunk-", "")).map(|c| c.1).collect())
}

/// Whether a name is `before`, a number of three digits or more, `after`.
fn numbered(name: &str, before: &str, after: &str) -> bool {
    let number = name.strip_prefix(before).and_then(|name| name.strip_suffix(after));
    number.is_some_and(|n| n.len() >= 3 && n.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Names and paths in a folder that are of a kind, links being of none; a folder that is not there
/// or is itself a link has none.
fn entries(
    folder: &Path,
    of: fn(&fs::FileType) -> bool,
) -> Result<Vec<(String, PathBuf)>, DatasetError> {
    let mut found = Vec::new();
    match fs::symlink_metadata(folder) {
        Ok(metadata) if metadata.is_dir() => {}
        _ => return Ok(found),
    }
    for entry in fs::read_dir(folder).at("list", folder)? {
        let entry = entry.at("list", folder)?;
        if of(&entry.file_type().at("list", folder)?) {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    Ok(found)
}

/// Whether `path` ends in `.extension`.
pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// The parquet files below `folder` in the order in which their rows count.
pub(crate) fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = files_below(folder)?;
    files.retain(|path| has_extension(path, "parquet"));
    Ok(files)
}
