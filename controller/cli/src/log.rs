//! The verb `jaco log`, as declared. `jaco-diagnose` shows and lists records; to write one is the
//! daemon's.

use clap::{Args, Subcommand};
use jaco_shell::args::path;
use std::path::PathBuf;

/// What to do with flight records.
#[derive(Debug, Subcommand)]
pub enum LogVerb {
    /// Say what a record holds: modes, faults, stops, limits, punctuality, the run.
    Show(ShowArgs),
    /// List the records that there are, oldest first.
    List(ListArgs),
    /// Write what is remembered of the last 30 s now.
    Save(SaveArgs),
}

/// Options of `jaco log show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The record, a file of the folder flight/ below the daemon's data folder.
    #[arg(value_parser = path())]
    pub file: PathBuf,
    /// Draw it, too: a PNG to write.
    #[arg(long, value_name = "PNG", value_parser = path())]
    pub plot: Option<PathBuf>,
}

/// Options of `jaco log list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Folder to look into; needs no daemon [default: that of the daemon].
    #[arg(long, value_parser = path())]
    pub dir: Option<PathBuf>,
}

/// Options of `jaco log save`.
#[derive(Debug, Args)]
pub struct SaveArgs {
    /// Copy the record to this file, which must not exist.
    #[arg(long, value_name = "FILE", value_parser = path())]
    pub out: Option<PathBuf>,
}
