//! What an edit does to the disk: everything is made in a work folder beside the dataset, and one
//! rename puts it into place. Until then the dataset is the old one, from then on the new one;
//! whatever an interruption leaves is in the work folder, which the next edit removes.
//!
//! A hook is asked before each operation, so that a test can end the world there.

use crate::error::{DatasetError, IoContext};
use rustix::fs::{CWD, RenameFlags, renameat_with, statvfs};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What must stay free on the disk after an edit \[bytes\].
const SPARE_BYTES: u64 = 64 << 20;

/// Asked before each operation.
pub type Hook<'a> = dyn FnMut(&Path) -> io::Result<()> + 'a;

/// The operations of an edit.
pub(super) struct Disk<'a> {
    hook: &'a mut Hook<'a>,
}

impl<'a> Disk<'a> {
    pub fn new(hook: &'a mut Hook<'a>) -> Self {
        Self { hook }
    }

    /// Makes way for an operation on `path`: the folder it is in is there afterwards.
    pub fn prepare(&mut self, path: &Path) -> Result<(), DatasetError> {
        (self.hook)(path).at("write", path)?;
        match path.parent() {
            Some(folder) => fs::create_dir_all(folder).at("create", folder),
            None => Ok(()),
        }
    }

    /// Writes a file that is not there yet.
    pub fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<(), DatasetError> {
        self.prepare(path)?;
        let mut file = File::create_new(path).at("create", path)?;
        file.write_all(bytes).and_then(|()| file.sync_all()).at("write", path)
    }

    /// Puts the content of a file into another place: the same file where `share`, else a copy.
    pub fn bring(&mut self, from: &Path, to: &Path, share: bool) -> Result<(), DatasetError> {
        self.prepare(to)?;
        if share && fs::hard_link(from, to).is_ok() {
            return Ok(());
        }
        fs::copy(from, to).at("copy", from)?;
        File::open(to).and_then(|file| file.sync_all()).at("write", to)
    }

    /// A link with the same words.
    pub fn link(&mut self, from: &Path, to: &Path) -> Result<(), DatasetError> {
        self.prepare(to)?;
        let words = fs::read_link(from).at("read", from)?;
        std::os::unix::fs::symlink(words, to).at("create", to)
    }

    /// Forces the entries of all folders from `root` on to the disk.
    pub fn settle(&mut self, root: &Path) -> Result<(), DatasetError> {
        (self.hook)(root).at("write", root)?;
        folders_below(root)?.into_iter().try_for_each(|folder| sync(&folder))
    }

    /// Puts the folder `new` in the place of `old` and the other way round, in one step.
    pub fn exchange(&mut self, new: &Path, old: &Path) -> Result<(), DatasetError> {
        (self.hook)(old).at("replace", old)?;
        renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE)
            .map_err(io::Error::from)
            .at("replace", old)?;
        sync_parent(old)
    }

    /// Puts the folder `new` where nothing is, or an empty folder.
    pub fn place(&mut self, new: &Path, at: &Path) -> Result<(), DatasetError> {
        (self.hook)(at).at("create", at)?;
        fs::rename(new, at).at("create", at)?;
        sync_parent(at)
    }

    /// Removes a folder with all that is in it; one that is not there is fine.
    pub fn clear(&mut self, folder: &Path) -> Result<(), DatasetError> {
        (self.hook)(folder).at("remove", folder)?;
        match fs::remove_dir_all(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.at("remove", folder),
        }
    }
}

/// The folder beside `root` in which its successor is made.
pub(super) fn work_folder(root: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(root.file_name().unwrap_or_default());
    name.push(".jacod-edit");
    root.with_file_name(name)
}

/// Whether two folders can be exchanged on the disk of `work`, which is made for the trial.
pub(super) fn can_exchange(work: &Path) -> Result<bool, DatasetError> {
    let (a, b) = (work.join("a"), work.join("b"));
    for folder in [&a, &b] {
        fs::create_dir_all(folder).at("create", folder)?;
    }
    let exchanged = renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).is_ok();
    for folder in [&a, &b] {
        fs::remove_dir(folder).at("remove", folder)?;
    }
    Ok(exchanged)
}

/// Whether `bytes` more fit onto the disk of `folder`.
pub(super) fn has_room(folder: &Path, bytes: u64) -> Result<(), DatasetError> {
    let disk = statvfs(folder).map_err(io::Error::from).at("look at the disk of", folder)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let needed = bytes.saturating_add(SPARE_BYTES);
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes >> 20;
    let words = format!("{} MiB are free, {} MiB are needed", mib(free), mib(needed));
    Err(io::Error::new(io::ErrorKind::StorageFull, words)).at("write below", folder)
}

fn folders_below(root: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut all = vec![root.to_owned()];
    for entry in fs::read_dir(root).at("list", root)? {
        let entry = entry.at("list", root)?;
        if entry.file_type().at("list", root)?.is_dir() {
            all.extend(folders_below(&entry.path())?);
        }
    }
    Ok(all)
}

fn sync(folder: &Path) -> Result<(), DatasetError> {
    File::open(folder).and_then(|folder| folder.sync_all()).at("write", folder)
}

fn sync_parent(path: &Path) -> Result<(), DatasetError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => sync(folder),
        _ => sync(Path::new(".")),
    }
}
