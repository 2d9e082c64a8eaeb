//! What libraries print (libtorch's warnings, the arm's SDK), read from a pipe and logged line by
//! line, so that a log of JSON holds nothing else and a library that prints the same all day long
//! does not fill it.
//!
//! Whoever prints never waits: the pipe does not block, and what does not fit is lost. A line,
//! whatever the numbers in it, is logged the first, second, fourth, eighth time and so on.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

/// Bytes of a printed line that are logged at once.
const LINE_BYTES: u64 = 4096;
/// Different lines that are remembered; then all are new again.
const REMEMBERED: usize = 256;
/// The descriptors that are caught: standard output and standard error.
const CAUGHT: [i32; 2] = [1, 2];

/// A pipe whose writing end, handed to a library or a child, never makes anybody wait.
///
/// # Errors
/// No descriptor is left.
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    // SAFETY: the descriptor is open; O_NONBLOCK is a flag of the pipe's end alone.
    result(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
    Ok((reader, writer))
}

/// What was printed so far by one kind of printer, over all its processes. Clones share it.
#[derive(Clone, Debug)]
pub struct Printed {
    who: &'static str,
    times: Arc<Mutex<HashMap<String, u64>>>,
}

impl Printed {
    /// Nothing yet. `who` prints.
    pub fn by(who: &'static str) -> Self {
        Self { who, times: Arc::default() }
    }

    /// Logs what comes through `pipe`, on a thread of its own, until nobody can write any more.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn log(&self, pipe: PipeReader) -> io::Result<JoinHandle<()>> {
        let printed = self.clone();
        Builder::new().name("prints".to_owned()).spawn(move || printed.read(pipe))
    }

    fn read(&self, pipe: PipeReader) {
        let mut pipe = BufReader::new(pipe);
        loop {
            let mut bytes = Vec::new();
            match (&mut pipe).take(LINE_BYTES).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim_end();
            if let (false, Some(times)) = (text.is_empty(), self.news(text)) {
                tracing::warn!(times, "{} prints: {text}", self.who);
            }
        }
    }

    /// How often `line` came, when that is worth telling.
    fn news(&self, line: &str) -> Option<u64> {
        let mut all = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = line.chars().filter(|c| !c.is_ascii_digit()).collect();
        if all.len() >= REMEMBERED && !all.contains_key(&kind) {
            all.clear();
        }
        let times = all.entry(kind).or_default();
        *times += 1;
        times.is_power_of_two().then_some(*times)
    }
}

/// The outputs of this process while they are caught; given back when dropped.
#[derive(Debug)]
pub(crate) struct Caught {
    before: Vec<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

impl Caught {
    /// Catches from now on.
    pub(crate) fn begin() -> io::Result<Self> {
        let before = vec![
            io::stdout().as_fd().try_clone_to_owned()?,
            io::stderr().as_fd().try_clone_to_owned()?,
        ];
        let (reader, writer) = pipe()?;
        let reader = Some(Printed::by("a library").log(reader)?);
        for output in CAUGHT {
            redirect(output, &writer)?;
        }
        Ok(Self { before, reader })
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        for (before, output) in self.before.iter().zip(CAUGHT) {
            // Closes the pipe's last writing ends, so the reader ends.
            let _ = redirect(output, before);
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Makes descriptor `output`, 0, 1 or 2, the same as `to`.
///
/// # Errors
/// What the system says.
pub fn redirect(output: i32, to: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: both descriptors are open, and 0, 1 and 2 are nobody's property.
    result(unsafe { libc::dup2(to.as_raw_fd(), output) })
}

fn result(code: i32) -> io::Result<()> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// go-algorand #4857: the same lines for a day.
    #[test]
    fn lines_that_are_printed_for_a_day_are_told_a_few_times() {
        let printed = Printed::by("a library");
        let lines = |n: u32| [format!("Kinova error at {n} s"), "no arm found".to_owned()];
        let told: usize =
            (0..86_400).flat_map(lines).filter(|line| printed.news(line).is_some()).count();
        assert_eq!(told, 2 * 17);
        assert_eq!(printed.news("another"), Some(1));
    }

    #[test]
    fn no_number_of_different_lines_fills_the_memory() {
        let printed = Printed::by("a library");
        let letters = |n: usize| "x".repeat(n);
        for n in 0..10 * REMEMBERED {
            printed.news(&letters(n));
        }
        assert!(printed.times.lock().is_ok_and(|all| all.len() <= REMEMBERED));
    }
}
