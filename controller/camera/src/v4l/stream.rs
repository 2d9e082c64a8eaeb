//! The buffers of a camera that is set up: mapped, filled by the driver, read here one at a time.
//!
//! What is read ends where the driver stopped to write. Stopping never fails: a driver that
//! refuses it is closed all the same, and nothing here panics on the way.

use super::stamp::Stamp;
use super::sys::{self, Mapped};
use std::fs::File;
use std::io;
use std::time::Duration;

/// Enough that the driver has one to write to while another is decoded.
const BUFFERS: u32 = 4;

/// Makes the error of a failed call out of what it should have done and what the system said.
type Failed<'a, E> = &'a mut dyn FnMut(&'static str, io::Error) -> E;

/// A camera that streams.
pub(super) struct Stream {
    file: File,
    buffers: Vec<Mapped>,
    /// The buffer that is read at the moment, the driver's again before the next.
    reading: Option<u32>,
}

/// A buffer as the driver left it.
pub(super) struct Filled<'a> {
    /// What it wrote, and no byte of what was there before.
    pub(super) bytes: &'a [u8],
    /// Whether it says that the bytes are corrupt.
    pub(super) corrupt: bool,
    /// When it says that it was.
    pub(super) stamp: Stamp,
}

impl Stream {
    /// Starts to stream from a camera whose format is set.
    pub(super) fn start<E>(file: &File, failed: Failed<'_, E>) -> Result<Self, E> {
        let file = file.try_clone().map_err(|error| failed("be shared", error))?;
        let mut stream = Self { file, buffers: Vec::new(), reading: None };
        let count = sys::request_buffers(&stream.file, BUFFERS)
            .map_err(|error| failed("give buffers", error))?;
        for index in 0..count {
            let mapped = Mapped::new(&stream.file, index);
            stream.buffers.push(mapped.map_err(|error| failed("map a buffer", error))?);
            sys::queue(&stream.file, index).map_err(|error| failed("take a buffer", error))?;
        }
        sys::stream(&stream.file, true).map_err(|error| failed("start", error))?;
        Ok(stream)
    }

    /// The next buffer, or None if none is filled within `timeout`.
    pub(super) fn next<E>(
        &mut self,
        timeout: Duration,
        failed: Failed<'_, E>,
    ) -> Result<Option<Filled<'_>>, E> {
        if let Some(index) = self.reading.take() {
            sys::queue(&self.file, index).map_err(|error| failed("take a buffer back", error))?;
        }
        if !sys::wait(&self.file, timeout).map_err(|error| failed("be waited for", error))? {
            return Ok(None);
        }
        let dequeued = match sys::dequeue(&self.file) {
            // Ready, and then not: as good as silent.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            result => result.map_err(|error| failed("give a picture", error))?,
        };
        let buffer = self.buffers.get(dequeued.index as usize).ok_or_else(|| {
            let text = format!("it gave buffer {} of {}", dequeued.index, self.buffers.len());
            failed("give a picture", io::Error::other(text))
        })?;
        self.reading = Some(dequeued.index);
        Ok(Some(Filled {
            bytes: buffer.bytes(dequeued.used_bytes as usize),
            corrupt: dequeued.corrupt,
            stamp: dequeued.stamp,
        }))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Closing the file frees whatever these could not.
        let _ = sys::stream(&self.file, false);
        self.buffers.clear();
        let _ = sys::request_buffers(&self.file, 0);
    }
}
