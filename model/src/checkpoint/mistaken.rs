//! Folders that were named in place of a checkpoint's: what they are, and what to name instead.
//!
//! Must never read more than names.

use super::adapter::ADAPTER_CONFIG_FILE;
use super::{CONFIG_FILE, GENERATION_FILE};
use crate::config::OpenVlaConfig;
use crate::error::ModelError;
use crate::json::keys::GENERATION;
use crate::json::{self, Object};
use std::fs;
use std::path::Path;

/// Reads config.json in `dir`, the folder of a checkpoint, and what generation_config.json has to
/// say against decoding as this program does.
pub fn read_config(dir: &Path) -> Result<OpenVlaConfig, ModelError> {
    if dir.is_file() {
        return Err(ModelError::NotAFolder { path: dir.to_owned() });
    }
    let path = dir.join(CONFIG_FILE);
    if !json::is_there(&path)
        && let Some(problem) = instead(dir)
    {
        return Err(ModelError::OtherFolder { dir: dir.to_owned(), problem });
    }
    let config = OpenVlaConfig::read(&path)?;
    let generation = dir.join(GENERATION_FILE);
    if json::is_there(&generation) {
        Object::root(&generation, &json::read(&generation)?)?.check(&GENERATION)?;
    }
    Ok(config)
}

/// Refuses a checkpoint in `dir` with an adapter in the same folder: whether it is meant to act is
/// not said.
pub fn refuse_adapter_beside(dir: &Path) -> Result<(), ModelError> {
    if !json::is_there(&dir.join(ADAPTER_CONFIG_FILE)) {
        return Ok(());
    }
    let problem = format!(
        "holds a checkpoint and an adapter ({ADAPTER_CONFIG_FILE}): name the folder as the adapter \
         too if it is to act, or move its files away"
    );
    Err(ModelError::OtherFolder { dir: dir.to_owned(), problem })
}

/// What a folder without adapter_config.json is.
pub(super) fn instead_of_adapter(dir: &Path) -> Option<String> {
    let inside = folders(dir, |folder| json::is_there(&folder.join(ADAPTER_CONFIG_FILE)));
    if let [first, ..] = &inside[..] {
        return Some(format!(
            "has no {ADAPTER_CONFIG_FILE}, but a folder in it has: name {}",
            dir.join(first).display()
        ));
    }
    json::is_there(&dir.join(CONFIG_FILE)).then(|| {
        "holds a checkpoint, not an adapter: name it as the checkpoint (a fine-tune that was merged \
         needs no adapter)"
            .to_owned()
    })
}

/// What a folder without config.json is.
fn instead(dir: &Path) -> Option<String> {
    if json::is_there(&dir.join(ADAPTER_CONFIG_FILE)) {
        return Some(
            "holds an adapter, not a checkpoint: name it as the adapter, and the model that it was \
             trained on as the checkpoint"
                .to_owned(),
        );
    }
    let snapshots = dir.join("snapshots");
    if snapshots.is_dir() {
        let names: Vec<String> = folders(&snapshots, |_| true);
        return Some(match &names[..] {
            [] => "is a hub cache without a snapshot: the download was not finished".to_owned(),
            names => format!(
                "is a hub cache: name a snapshot in it, such as {}",
                snapshots.join(&names[0]).display()
            ),
        });
    }
    let inside = folders(dir, |folder| json::is_there(&folder.join(CONFIG_FILE)));
    match &inside[..] {
        [] => None,
        [first, ..] => Some(format!(
            "has no {CONFIG_FILE}, but a folder in it has: name {}",
            dir.join(first).display()
        )),
    }
}

/// Names of the folders in `dir` that `wanted` takes, sorted.
fn folders(dir: &Path, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_dir() && wanted(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
