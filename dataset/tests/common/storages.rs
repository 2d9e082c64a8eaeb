//! Disks that fail.

use jaco_dataset::{FileSystem, Storage};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Does the first `left` operations and then none; the one at the end is half done if it writes.
pub struct Crashing {
    pub left: usize,
}

impl Crashing {
    fn step(&mut self) -> io::Result<()> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(io::Error::other("the machine is off"));
        };
        self.left = left;
        Ok(())
    }
}

impl Storage for Crashing {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.left == 0 {
            // Afterwards nothing is reached alive, so this is done once in effect.
            let _ = fs::write(path, &bytes[..bytes.len() / 2]);
        }
        self.step()?;
        FileSystem.write(path, bytes)
    }

    fn append(&mut self, path: &Path, from: u64, bytes: &[u8]) -> io::Result<()> {
        if self.left == 0 {
            let _ = FileSystem.append(path, from, &bytes[..bytes.len() / 2]);
        }
        self.step()?;
        FileSystem.append(path, from, bytes)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        FileSystem.rename(from, to)
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        FileSystem.create_folder(path)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        FileSystem.remove(path)
    }
}

/// Fails once after some operations, then works; and is at its end after some more.
pub struct FailsThenDies {
    pub fails: usize,
    pub then: Crashing,
}

impl FailsThenDies {
    /// Fails once and lives for ever.
    pub fn once(fails: usize) -> Self {
        Self { fails, then: Crashing { left: usize::MAX } }
    }

    /// The storage that decides about the next operation; an error if this one fails.
    fn next(&mut self) -> io::Result<Option<&mut Crashing>> {
        match self.fails {
            usize::MAX => Ok(Some(&mut self.then)),
            0 => {
                self.fails = usize::MAX;
                Err(io::Error::other("a fault that goes away"))
            }
            _ => {
                self.fails -= 1;
                Ok(None)
            }
        }
    }
}

impl Storage for FailsThenDies {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self.next()? {
            Some(then) => then.write(path, bytes),
            None => FileSystem.write(path, bytes),
        }
    }

    fn append(&mut self, path: &Path, from: u64, bytes: &[u8]) -> io::Result<()> {
        match self.next()? {
            Some(then) => then.append(path, from, bytes),
            None => FileSystem.append(path, from, bytes),
        }
    }

    /// The failure is that of the last step: the file is renamed, and who asked is told it is not.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        match self.next() {
            Ok(Some(then)) => then.rename(from, to),
            Ok(None) => FileSystem.rename(from, to),
            Err(error) => FileSystem.rename(from, to).and(Err(error)),
        }
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        match self.next()? {
            Some(then) => then.create_folder(path),
            None => FileSystem.create_folder(path),
        }
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        match self.next()? {
            Some(then) => then.remove(path),
            None => FileSystem.remove(path),
        }
    }
}

/// A disk with room for so many bytes, which others can make.
#[derive(Clone)]
pub struct Full {
    pub left: Arc<AtomicU64>,
}

impl Full {
    pub fn with_room(bytes: u64) -> Self {
        Self { left: Arc::new(AtomicU64::new(bytes)) }
    }

    /// How much of `bytes` there is room for, and an error if that is not all.
    fn take<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], io::Result<()>) {
        let left = self.left.load(Ordering::Relaxed);
        let fit = left.min(bytes.len() as u64);
        self.left.store(left - fit, Ordering::Relaxed);
        let all = fit == bytes.len() as u64;
        let result = if all { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) };
        (&bytes[..fit as usize], result)
    }
}

impl Storage for Full {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (fit, result) = self.take(bytes);
        FileSystem.write(path, fit).and(result)
    }

    fn append(&mut self, path: &Path, from: u64, bytes: &[u8]) -> io::Result<()> {
        let (fit, result) = self.take(bytes);
        FileSystem.append(path, from, fit).and(result)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        FileSystem.rename(from, to)
    }

    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        FileSystem.create_folder(path)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        FileSystem.remove(path)
    }
}
