//! The thread that brings records to the disk: it may take its time, nobody waits for it.

use crate::part;
use crossbeam_channel::{Receiver, Sender, bounded};
use jaco_flight::{Cause, Heading, Record, encode, folder};
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;

/// Where somebody waits for the file's name.
pub type Answer = oneshot::Sender<Result<PathBuf, String>>;

/// A record to be written.
pub struct Job {
    /// The record: a copy, which comes back.
    pub record: Box<Record>,
    /// Why and when.
    pub heading: Heading,
    /// Who asked for it.
    pub answers: Vec<Answer>,
}

/// A record that was written, or could not be.
pub struct Done {
    /// The copy.
    pub record: Box<Record>,
    /// Why it was written.
    pub cause: Cause,
    /// The file, or why there is none.
    pub file: Result<PathBuf, String>,
    /// Who asked for it.
    pub answers: Vec<Answer>,
}

/// Starts the thread; it ends when nobody can send it jobs any more.
pub fn start(folder: PathBuf) -> io::Result<(Sender<Job>, Receiver<Done>)> {
    let (jobs, todo) = bounded::<Job>(1);
    let (tell, done) = bounded(1);
    let work = move || {
        for Job { record, heading, answers } in todo {
            let file = write(&folder, &record, &heading);
            let cause = heading.cause;
            if tell.send(Done { record, cause, file, answers }).is_err() {
                return;
            }
        }
    };
    part::spawn("flight-writer", work, |panic| {
        if let Some(panic) = panic {
            tracing::error!("the flight recorder's writer panicked: {panic}");
        }
    })?;
    Ok((jobs, done))
}

fn write(folder: &Path, record: &Record, heading: &Heading) -> Result<PathBuf, String> {
    let bytes = encode(record, heading).map_err(|error| error.to_string())?;
    folder::save(folder, heading.cause.kind, heading.unix_ns, &bytes, folder::KEPT)
        .map_err(|error| format!("cannot write a record into {}: {error}", folder.display()))
}
