//! Whether two checkpoints are the same: a fingerprint of the files that a policy's answers depend
//! on. It tells apart what was overwritten by accident, not what was forged.

use crate::store::StoreError;
use crate::words::FURTHER_SIGN;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Files that the answers depend on, beside the weights.
const FILES: &[&str] =
    &["adapter_config.json", "config.json", "dataset_statistics.json", "tokenizer.json"];
/// Files that they depend on as well, where there are any; older versions did not look at them.
const FURTHER: &[&str] = &[
    "action_stream.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
];
/// Ending of the files with weights.
const WEIGHTS: &str = "safetensors";

/// The fingerprint of a checkpoint and of the adapter that acts on it: the same wherever they lie.
///
/// # Errors
/// A folder or a file of it cannot be read.
pub fn fingerprint(checkpoint: &Path, adapter: Option<&Path>) -> Result<String, StoreError> {
    let of = |is_meant: fn(&Path, &str) -> bool| {
        let mut sum = crc32fast::Hasher::new();
        let mut bytes = 0;
        for folder in [Some(checkpoint), adapter].into_iter().flatten() {
            bytes += add(&mut sum, folder, is_meant)
                .map_err(|source| StoreError::File { path: folder.to_owned(), source })?;
        }
        Ok((format!("crc32 {:08x} of {bytes} bytes", sum.finalize()), bytes))
    };
    let is_file = |path: &Path, name: &str| {
        path.extension().is_some_and(|ending| ending == WEIGHTS) || FILES.contains(&name)
    };
    let (files, _) = of(is_file)?;
    match of(|_, name| FURTHER.contains(&name))? {
        (_, 0) => Ok(files),
        (further, _) => Ok(files + FURTHER_SIGN + &further),
    }
}

/// Adds those files of `folder` that are meant. Returns their bytes.
fn add(
    sum: &mut crc32fast::Hasher,
    folder: &Path,
    is_meant: fn(&Path, &str) -> bool,
) -> std::io::Result<u64> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_meant(&path, &name) {
            files.push((name, path));
        }
    }
    files.sort();
    sum.update(&(files.len() as u64).to_le_bytes());
    let mut all = 0;
    let mut piece = vec![0; 1 << 20];
    for (name, path) in files {
        sum.update(name.as_bytes());
        let mut file = File::open(path)?;
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            sum.update(&piece[..read]);
            all += read as u64;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::words::same_files;

    #[test]
    fn what_answers_depend_on_counts_and_nothing_else() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &two] {
            fs::write(folder.path().join("config.json"), "{}").unwrap();
            fs::write(folder.path().join("model.safetensors"), [7; 100]).unwrap();
        }
        let of = |folder: &tempfile::TempDir| fingerprint(folder.path(), None).unwrap();
        fs::write(two.path().join("README.md"), "words").unwrap();
        assert_eq!(of(&one), of(&two));
        assert_ne!(of(&one), fingerprint(one.path(), Some(two.path())).unwrap());
        fs::write(two.path().join("model.safetensors"), [8; 100]).unwrap();
        assert_ne!(of(&one), of(&two));
        assert!(fingerprint(Path::new("/nonexistent"), None).is_err());
    }

    #[test]
    fn settings_beside_the_weights_count_where_both_know_of_them() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.safetensors"), [7; 100]).unwrap();
        let of = || fingerprint(folder.path(), None).unwrap();
        let bare = of();
        assert!(!bare.contains(FURTHER_SIGN), "{bare}");
        for name in FURTHER {
            let before = of();
            fs::write(folder.path().join(name), "{}").unwrap();
            let after = of();
            assert!(before == bare || !same_files(&before, &after), "{name}");
            // What was stored before they were looked at stays what it was.
            assert!(same_files(&bare, &after) && same_files(&after, &bare), "{name}");
        }
        fs::write(folder.path().join("model.safetensors"), [8; 100]).unwrap();
        assert!(!same_files(&bare, &of()));
    }
}
