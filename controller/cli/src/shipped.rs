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

/// The policy that was aligned, beside the one that it was made of.
fn aligned_beside(mini: &Path) -> Option<PathBuf> {
    let mut name = mini.file_name()?.to_owned();
    name.push("-saa");
    let aligned = mini.with_file_name(name);
    aligned.join("config.json").is_file().then_some(aligned)
}

/// Folder of the shipped policy that succeeds most often: the aligned one, where it comes along.
pub fn best_policy() -> anyhow::Result<PathBuf> {
    let mini = mini_policy()?;
    Ok(aligned_beside(&mini).unwrap_or(mini))
}

/// The shipped policies that are rows of the paper's tables, with their labels there: L-BC, and the
/// one aligned by S-AA where it comes along.
pub fn papers_policies() -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let mini = mini_policy()?;
    let aligned = aligned_beside(&mini).map(|aligned| ("saa", aligned));
    Ok([("lbc", mini)].into_iter().chain(aligned).collect())
}
