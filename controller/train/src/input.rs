//! Which datasets a user means, and with which options.
//!
//! Owns `DIR:N` and the order of options: a dataset's own before those for all. Must never open a
//! dataset.

use crate::error::{InputError, MOST_REPEATS};
use crate::recipe::Section;
use jaco_cli::train::{ReadingArgs, TrainArgs};
use jaco_training::{DatasetSource, GripperRange};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The datasets of the command line, or of the recipe.
pub fn datasets(
    args: &TrainArgs,
    sections: Vec<Section>,
) -> Result<Vec<DatasetSource>, InputError> {
    let for_all = for_all(&args.reading)?;
    match (&args.datasets[..], &sections[..], &args.recipe) {
        ([], [], _) => Err(InputError::NoDataset),
        ([_, ..], [_, ..], Some(recipe)) => Err(InputError::TwoPlaces { recipe: recipe.clone() }),
        ([], ..) => Ok(sections.into_iter().map(|section| section.over(&for_all)).collect()),
        (texts, ..) => texts
            .iter()
            .map(|text| {
                let (root, repeat) = dir_and_times(text)?;
                Ok(DatasetSource { root, repeat, ..for_all.clone() })
            })
            .collect(),
    }
}

/// A dataset without a folder: the options that are for all.
fn for_all(args: &ReadingArgs) -> Result<DatasetSource, InputError> {
    let unit = |option: &'static str, value: Option<f64>| match value.unwrap_or(1.0) {
        value if value.is_finite() && value > 0.0 => Ok(value),
        value => Err(InputError::Unit { option, value }),
    };
    Ok(DatasetSource {
        camera: args.camera.clone(),
        action: args.action.clone(),
        gripper: args.gripper.as_deref().map(str::parse::<GripperRange>).transpose()?,
        displacements: args.displacements,
        unit_m: unit("--unit-m", args.unit_m)?,
        unit_rad: unit("--unit-rad", args.unit_rad)?,
        ..DatasetSource::new(PathBuf::new())
    })
}

/// `DIR` or `DIR:N`. A folder whose name is the whole text is that folder, colons or not.
fn dir_and_times(text: &str) -> Result<(PathBuf, u32), InputError> {
    if is_folder(text, text)? {
        return Ok((text.into(), 1));
    }
    let Some((dir, times)) = text.rsplit_once(':') else {
        return Err(InputError::NotThere(text.to_owned()));
    };
    let number = times.parse().ok().filter(|number| (1..=MOST_REPEATS).contains(number));
    let Some(number) = number else {
        let (text, times) = (text.to_owned(), times.to_owned());
        return Err(InputError::Times { text, times });
    };
    match is_folder(dir, text)? {
        true => Ok((dir.into(), number)),
        false => Err(InputError::NotThere(dir.to_owned())),
    }
}

/// Whether `dir` is a folder; not there is not the same as not permitted.
fn is_folder(dir: &str, text: &str) -> Result<bool, InputError> {
    match Path::new(dir).metadata() {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(InputError::NotAFolder(text.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(InputError::Unreadable { text: text.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn folder_with(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| fs::create_dir(folder.path().join(name)).unwrap());
        folder
    }

    fn given(folder: &tempfile::TempDir, name: &str) -> Result<(String, u32), String> {
        let text = folder.path().join(name).to_str().unwrap().to_owned();
        let (root, times) = dir_and_times(&text).map_err(|error| error.to_string())?;
        Ok((root.file_name().unwrap().to_str().unwrap().to_owned(), times))
    }

    /// tensorboard #1220: 2026-11-25T10:30 was opened as 2026-11-25T10, counted 30 times.
    #[test]
    fn a_folder_with_colons_is_opened_as_it_is() {
        let folder = folder_with(&["2026-11-25T10:30", "2026-11-25T10", "a:b"]);
        assert_eq!(given(&folder, "2026-11-25T10:30").unwrap(), ("2026-11-25T10:30".into(), 1));
        assert_eq!(given(&folder, "2026-11-25T10:30:2").unwrap(), ("2026-11-25T10:30".into(), 2));
        assert_eq!(given(&folder, "2026-11-25T10:3").unwrap(), ("2026-11-25T10".into(), 3));
        assert_eq!(given(&folder, "a:b").unwrap(), ("a:b".into(), 1));
    }

    #[test]
    fn what_is_no_folder_is_named_with_the_reason() {
        let folder = folder_with(&["demos"]);
        fs::write(folder.path().join("file"), "").unwrap();
        for (name, words) in [
            ("demo", "demo: there is no such folder"),
            ("demo:3", "demo: there is no such folder"),
            ("demos:0", "\"0\" after the colon is no number of times"),
            ("demos:-1", "\"-1\" after the colon"),
            ("demos:1001", "from 1 to 1000"),
            ("demos:", "\"\" after the colon"),
            ("demos:two", "\"two\" after the colon"),
            ("file", "is a file"),
            ("file:2", "is a file"),
        ] {
            let error = given(&folder, name).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_looked_at_is_not_called_absent() {
        let folder = folder_with(&[]);
        let error = given(&folder, &"a".repeat(300)).unwrap_err();
        assert!(!error.contains("no such folder"), "{error}");
    }
}
