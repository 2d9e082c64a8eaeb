//! `jaco dataset repair`: what a crash left behind, put right and told.

use anyhow::Context;
use jaco_cli::dataset::RepairArgs;
use serde::Serialize;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// What `jaco dataset repair` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Each repair, in words.
    pub repairs: Vec<String>,
}

/// Repairs a dataset, or says what that would do.
///
/// # Errors
/// The dataset cannot be repaired: the library's words.
pub fn repair(args: &RepairArgs) -> anyhow::Result<Repaired> {
    // Where there is no dataset, the library says so and changes nothing.
    let is_there = args.dir.join("meta/info.json").exists();
    let repairs = match args.dry_run && is_there {
        false => jaco_dataset::repair(&args.dir)?,
        true => {
            let trial = Trial::of(&args.dir)?;
            jaco_dataset::repair(&trial.0)?
        }
    };
    let mut repairs: Vec<String> = repairs.iter().map(ToString::to_string).collect();
    if args.dry_run {
        let trial = trial_folder(&args.dir).display().to_string();
        let place = args.dir.display().to_string();
        repairs.iter_mut().for_each(|repair| *repair = repair.replace(&trial, &place));
    }
    Ok(Repaired { dry_run: args.dry_run, repairs })
}

/// A copy of a dataset to repair for trial. Finished tables and videos are the same files by another
/// name: nobody writes into them. Removed with its holder.
struct Trial(PathBuf);

impl Trial {
    fn of(root: &Path) -> anyhow::Result<Self> {
        let trial = Self(trial_folder(root));
        let _ = fs::remove_dir_all(&trial.0);
        let doing = || format!("cannot make a copy for trial in {}", trial.0.display());
        mirror(root, &trial.0).with_context(doing)?;
        Ok(trial)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // What is left here the next trial removes.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn trial_folder(root: &Path) -> PathBuf {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut name = std::ffi::OsString::from(".");
    name.push(root.file_name().unwrap_or_default());
    name.push(".jacod-trial");
    root.with_file_name(name)
}

fn mirror(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            mirror(&entry.path(), &target)?;
        // The lock is the dataset's own: a trial disturbs nobody.
        } else if kind.is_file() && entry.file_name() != "lock" {
            let name = entry.file_name().to_string_lossy().into_owned();
            let finished = name.ends_with(".parquet") || name.ends_with(".mp4");
            match finished && fs::hard_link(entry.path(), &target).is_ok() {
                true => {}
                false => fs::copy(entry.path(), &target).map(drop)?,
            }
        }
    }
    Ok(())
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.repairs.is_empty() {
            return write!(f, "nothing to repair");
        }
        let would = if self.dry_run { "would be done: " } else { "" };
        let lines: Vec<String> =
            self.repairs.iter().map(|repair| format!("{would}{repair}")).collect();
        f.write_str(&lines.join("\n"))
    }
}
