//! A program run as a child: its output is handed on as it comes, and it never outlives the call,
//! be it hung, done or no longer wanted.

use crate::error::DatasetError;
use crate::json::shortened;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// Bytes read at a time.
const PIECE: usize = 1 << 18;
/// Of what a program complains of, this much is kept.
const COMPLAINT: u64 = 4096;

/// How a program ended by itself.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Its exit code, if it was not 0; `None` also for a signal.
    failure: Option<String>,
    complaint: String,
}

impl Ended {
    /// What is to be said of its end, as the continuation of a sentence.
    pub fn words(&self, program: &str) -> String {
        match (&self.failure, self.complaint.is_empty()) {
            (_, false) => format!(" ({program} says: {})", self.complaint),
            (Some(failure), true) => format!(" ({program} ended with {failure})"),
            (None, true) => String::new(),
        }
    }
}

/// Why a program did not come to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// It could not be started.
    Start(io::Error),
    /// It gave nothing for too long, and was ended.
    Silent(Duration),
    /// Its output could not be read.
    Output(io::Error),
}

impl Broken {
    pub fn into_dataset(self, program: &Path, file: &Path) -> DatasetError {
        let (program, path) = (program.to_owned(), file.to_owned());
        match self {
            Broken::Start(source) => DatasetError::NoVideoProgram { program, source },
            Broken::Output(source) => DatasetError::Io { action: "decode", path, source },
            Broken::Silent(patience) => {
                let program = program.display();
                let seconds = patience.as_secs_f64();
                let reason = format!("{program} gave nothing for {seconds} s and was ended");
                DatasetError::Video { path, reason }
            }
        }
    }
}

/// The child, which ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `program` and hands its output to `each`, whose error ends it.
pub(super) fn run<E>(
    program: &Path,
    arguments: &[OsString],
    patience: Duration,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Result<Ended, Broken>, E> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut running = match child {
        Ok(child) => Running(child),
        Err(e) => return Ok(Err(Broken::Start(e))),
    };
    let (Some(mut output), Some(complaints)) = (running.0.stdout.take(), running.0.stderr.take())
    else {
        unreachable!("both are piped above");
    };
    let (sender, pieces) = sync_channel::<io::Result<Vec<u8>>>(4);
    thread::spawn(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = output.read(&mut piece).map(|read| {
                piece.truncate(read);
                piece
            });
            let last = read.as_ref().map_or(true, Vec::is_empty);
            if sender.send(read).is_err() || last {
                return;
            }
        }
    });
    let (complain, complaint) = sync_channel(1);
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut complaints = complaints;
        // What cannot be read of a complaint is missing in a message, no more.
        let _ = complaints.by_ref().take(COMPLAINT).read_to_end(&mut kept);
        let _ = io::copy(&mut complaints, &mut io::sink());
        let _ = complain.send(kept);
    });
    loop {
        match pieces.recv_timeout(patience) {
            Ok(Ok(piece)) if piece.is_empty() => break,
            Ok(Ok(piece)) => each(&piece)?,
            Ok(Err(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Ok(Err(e)) => return Ok(Err(Broken::Output(e))),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Ok(Err(Broken::Silent(patience))),
        }
    }
    let Ok(complaint) = complaint.recv_timeout(patience) else {
        return Ok(Err(Broken::Silent(patience)));
    };
    let status = match running.0.wait() {
        Ok(status) => status,
        Err(e) => return Ok(Err(Broken::Output(e))),
    };
    let complaint = String::from_utf8_lossy(&complaint);
    let last = complaint.lines().map(str::trim).rfind(|line| !line.is_empty());
    Ok(Ok(Ended {
        failure: (!status.success()).then(|| status.to_string()),
        complaint: shortened(last.unwrap_or_default()),
    }))
}
