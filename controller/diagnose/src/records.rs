//! `jaco log show` and `list`: records as they lie on the disk, shown and drawn.

use anyhow::Context;
use jaco_cli::log::{ListArgs, ShowArgs};
use jaco_flight::folder::{self, Listed};
use jaco_flight::{About, Flight, ReadError, Summary, picture};
use jaco_report::{flight_plot, replace_file};
use jaco_shell::args::Unusable;
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};

/// What `jaco log show` prints.
#[derive(Debug, Serialize)]
pub struct Shown {
    file: PathBuf,
    #[serde(flatten)]
    summary: Summary,
    plot: Option<PathBuf>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<11}{}", "file", self.file.display())?;
        write!(f, "{}", self.summary.to_string().trim_end())?;
        match &self.plot {
            Some(plot) => write!(f, "\n{:<11}{}", "plot", plot.display()),
            None => Ok(()),
        }
    }
}

/// Carries out `jaco log show`.
///
/// # Errors
/// The file tells nothing, or the plot cannot be written.
pub fn show(args: &ShowArgs) -> anyhow::Result<Shown> {
    let file = args.file.clone();
    let name = file.display();
    let flight = open(&file).and_then(Flight::read).map_err(|error| match error {
        ReadError::Io(error) => Unusable::path(format!("cannot read {name}"), error),
        // Whatever is wrong with it, it is what was given.
        wrong => Unusable(format!("{name} {wrong}")).into(),
    })?;
    let summary = Summary::of(&flight);
    if let Some(path) = &args.plot {
        let png = flight_plot(&picture(&flight, &summary)).context("cannot draw the record")?;
        replace_file(path, &png)
            .map_err(|error| Unusable::path(format!("cannot write {}", path.display()), error))?;
    }
    Ok(Shown { file, summary, plot: args.plot.clone() })
}

fn open(path: &Path) -> Result<File, ReadError> {
    // Before it is opened: a named pipe would wait for somebody who writes.
    if !path.metadata()?.is_file() {
        return Err(ReadError::NotMcap);
    }
    Ok(File::open(path)?)
}

/// What `jaco log list` prints.
#[derive(Debug, Serialize)]
pub struct Records {
    folder: PathBuf,
    records: Vec<Entry>,
}

/// A record in the list.
#[derive(Debug, Serialize)]
struct Entry {
    file: PathBuf,
    bytes: u64,
    kind: Option<String>,
    why: Option<String>,
    /// What is wrong with the file.
    wrong: Option<String>,
}

impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.records.is_empty() {
            return write!(f, "no records in {}", self.folder.display());
        }
        for (index, entry) in self.records.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            let name = entry.file.display();
            match (&entry.wrong, &entry.why) {
                (Some(wrong), _) => write!(f, "{end}{name}: {wrong}")?,
                (None, why) => write!(f, "{end}{name}: {}", why.as_deref().unwrap_or_default())?,
            }
        }
        Ok(())
    }
}

/// Carries out `jaco log list`.
///
/// # Errors
/// The folder cannot be read, or none is named.
pub fn list(args: &ListArgs) -> anyhow::Result<Records> {
    let folder = args.dir.clone();
    let folder = folder.ok_or_else(|| Unusable("name a folder with --dir".to_owned()))?;
    let listed = folder::list(&folder)
        .map_err(|error| Unusable::path(format!("cannot read {}", folder.display()), error))?;
    let records = listed.into_iter().map(entry).collect();
    Ok(Records { folder, records })
}

fn entry(listed: Listed) -> Entry {
    let Listed { file, bytes, about } = listed;
    match about {
        Ok(About { kind, why, .. }) => {
            Entry { file, bytes, kind: Some(kind), why: Some(why), wrong: None }
        }
        Err(error) => Entry { file, bytes, kind: None, why: None, wrong: Some(error.to_string()) },
    }
}
