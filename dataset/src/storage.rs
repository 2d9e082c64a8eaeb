//! The only way this package changes the disk: whole files, written beside their place, forced
//! to the disk and then renamed into it, so that a reader or a crash never sees half a file.
//!
//! [`Storage`] is a trait so that a test can end the world after any single operation.

use crate::error::{DatasetError, IoContext};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Ending of a file that is not in its place yet.
const TEMPORARY: &str = "tmp";

/// The operations that change the disk.
pub trait Storage: Send {
    /// Writes a whole file (replacing one that is there) and forces its bytes to the disk.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Renames a file within its folder, replacing the target, and forces the folder's entry to
    /// the disk.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a folder and its parents, and forces their entries to the disk; one that is there is
    /// fine.
    fn create_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Removes a file.
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

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
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
        fs::remove_file(path)
    }
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

/// The files that this package left on the way to their place, sorted: those that [`replace`]
/// makes, in the folders that it makes them in. What others keep under such an ending, and what
/// lies behind a link, is not touched.
pub(crate) fn temporaries(root: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut files = Vec::new();
    let meta = root.join("meta");
    let is_ours = |name: &str| {
        let name = name.strip_suffix(TEMPORARY).and_then(|name| name.strip_suffix('.'));
        name.is_some_and(|name| name.ends_with(".parquet") || name.ends_with(".json"))
    };
    let mut folders = vec![meta.join("jacod"), meta.clone()];
    for parent in [root.join("data"), meta.join("episodes")] {
        let chunks = entries(&parent, fs::FileType::is_dir)?;
        folders
            .extend(chunks.into_iter().filter(|(name, _)| name.starts_with("chunk-")).map(|c| c.1));
    }
    for folder in folders {
        let found = entries(&folder, fs::FileType::is_file)?;
        files.extend(found.into_iter().filter(|(name, _)| is_ours(name)).map(|(_, path)| path));
    }
    files.sort();
    Ok(files)
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
