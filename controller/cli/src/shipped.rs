//! Where the files are that come with the programs.

use anyhow::bail;
use std::path::{Path, PathBuf};

/// Folder of an installed package's files.
const INSTALLED: &str = "/usr/share/jacod";
/// The source tree that the programs were built in.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Folder of the shipped mini policy.
pub fn mini_policy() -> anyhow::Result<PathBuf> {
    let candidates =
        [Path::new(INSTALLED).join("mini-policy"), Path::new(SOURCE).join("model/mini")];
    match candidates.iter().find(|folder| folder.join("config.json").is_file()) {
        Some(folder) => Ok(folder.canonicalize()?),
        None => bail!(
            "the shipped mini policy is neither in {} nor in {}: name one with --checkpoint",
            candidates[0].display(),
            candidates[1].display()
        ),
    }
}
