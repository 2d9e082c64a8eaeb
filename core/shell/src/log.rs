//! The log: lines on standard error, for people or one JSON object each.
//!
//! In JSON everything that a process writes there is an object: a panic is logged, and what
//! libraries print is caught ([`crate::prints`]). In text, libraries print for themselves.

use crate::prints::{Caught, redirect};
use crate::variable;
use jaco_core::{Level, LogFormat};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use tracing_subscriber::EnvFilter;

/// Overrides the level, as is usual with programs in Rust.
const LEVEL_VARIABLE: &str = "RUST_LOG";

/// Standard error as it was when the process began.
static LOG_FILE: OnceLock<OwnedFd> = OnceLock::new();

/// The log of this process. To be kept until the end of `main`.
#[must_use = "what libraries print is caught only while this lives"]
#[derive(Debug)]
pub struct Log {
    /// None in text.
    _caught: Option<Caught>,
}

/// Begins to log what is at least as severe as `level`, or as RUST_LOG says.
///
/// # Errors
/// No descriptor or thread is left.
pub fn start(level: Level, format: LogFormat) -> io::Result<Log> {
    subscribe(level, format)?;
    let caught = match format {
        LogFormat::Text => None,
        LogFormat::Json => Some(Caught::begin()?),
    };
    Ok(Log { _caught: caught })
}

/// As [`start`], for a process whose parent reads its standard output as what libraries print
/// ([`crate::prints::Printed::log`]): what they print on standard error goes there, too.
///
/// # Errors
/// No descriptor is left.
pub fn start_beside_prints(level: Level, format: LogFormat) -> io::Result<()> {
    subscribe(level, format)?;
    redirect(libc::STDERR_FILENO, &io::stdout())
}

fn subscribe(level: Level, format: LogFormat) -> io::Result<()> {
    let wanted = variable(LEVEL_VARIABLE);
    let understood = wanted.as_ref().map(|wanted| wanted.to_string_lossy().parse::<EnvFilter>());
    let filter = match &understood {
        Some(Ok(filter)) => filter.to_string(),
        _ => level.to_string(),
    };
    let plain = variable("NO_COLOR").is_some() || !io::stderr().is_terminal();
    let file = io::stderr().as_fd().try_clone_to_owned()?;
    let _ = LOG_FILE.set(file.try_clone()?);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        // A reader of the log that goes away must not take the program with it.
        .log_internal_errors(false)
        .with_writer(Arc::new(File::from(file)));
    match format {
        LogFormat::Text => builder.with_ansi(!plain).init(),
        LogFormat::Json => {
            builder.json().init();
            std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
        }
    }
    if let (Some(Err(error)), Some(wanted)) = (understood, wanted) {
        let wanted = wanted.display();
        tracing::warn!("{LEVEL_VARIABLE} is {wanted}, no filter ({error}): the level is {level}");
    }
    Ok(())
}

/// Where a child process writes its own log: beside this one's, never into what is caught.
///
/// # Errors
/// No descriptor is left.
pub fn for_child() -> io::Result<Stdio> {
    match LOG_FILE.get() {
        Some(file) => Ok(file.try_clone()?.into()),
        None => Ok(io::stderr().as_fd().try_clone_to_owned()?.into()),
    }
}
