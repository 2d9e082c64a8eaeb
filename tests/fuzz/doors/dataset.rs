//! Door: a dataset's folder. A small sound dataset of ours, or one that lerobot wrote, is edited
//! anywhere; then it is opened, every row of it read, checked and counted. Whatever was done to it,
//! that ends in values or in words.
//!
//! Input: a byte that chooses the dataset, then edits: a byte for the file, two for the place
//! (signed: from the end where it is below zero), one for how many bytes go, one for how many
//! come, and these.

use super::promise;
use jaco_dataset::{
    Dataset, DatasetError, DatasetWriter, EpisodeNotes, FeatureKind, Features, Row, Value, check,
};
use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A dataset as lerobot 0.4.4 wrote it, below the project's folder.
const LEROBOT: &str = "dataset/tests/fixtures/lerobot-0.4.4";

thread_local! {
    static ORIGINALS: LazyCell<[Original; 2]> =
        LazyCell::new(|| [Original::ours(), Original::copy_of(&lerobot())]);
}

pub fn open(data: &[u8]) {
    let Some((which, edits)) = data.split_first() else { return };
    ORIGINALS.with(|originals| {
        let original = &originals[usize::from(*which) % originals.len()];
        let edited = original.edit(edits);
        if let Err(error) = read_all(&original.root) {
            promise::is_for_people(&promise::in_full(&error), &edited);
        }
        for finding in check(&original.root) {
            promise::is_for_people(&finding.to_string(), &edited);
        }
    });
}

fn read_all(root: &Path) -> Result<(), DatasetError> {
    let dataset = Dataset::open(root)?;
    assert_eq!(
        dataset.episodes().iter().map(|episode| episode.length).sum::<usize>(),
        dataset.total_frames()
    );
    for episode in dataset.episodes() {
        dataset.notes(episode.index)?;
        assert_eq!(dataset.read_episode(episode.index)?.length, episode.length);
    }
    dataset.action_statistics("action")?;
    Ok(())
}

/// A sound dataset, in memory and in a folder.
struct Original {
    root: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
    _folder: tempfile::TempDir,
}

impl Original {
    fn ours() -> Self {
        let folder = promise::folder();
        let root = folder.path().join("ours");
        write_small(&root).expect("a sound dataset");
        Self::of(folder, root)
    }

    fn copy_of(source: &Path) -> Self {
        let folder = promise::folder();
        let root = folder.path().join("copy");
        for (path, content) in files_below(source) {
            let path = root.join(path.strip_prefix(source).expect("found below it"));
            fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        Self::of(folder, root)
    }

    fn of(folder: tempfile::TempDir, root: PathBuf) -> Self {
        let files = files_below(&root);
        Self { root, files, _folder: folder }
    }

    /// Puts the folder back to what it was but for `edits`; returns all that is edited.
    fn edit(&self, mut edits: &[u8]) -> Vec<u8> {
        let mut changed: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        while let [file, low, high, gone, count, rest @ ..] = edits {
            let (come, rest) = rest.split_at(usize::from(*count).min(rest.len()));
            let index = usize::from(*file) % self.files.len();
            let content = changed.entry(index).or_insert_with(|| self.files[index].1.clone());
            let place = isize::from(i16::from_le_bytes([*low, *high]));
            let len = content.len();
            let from = if place < 0 { len.saturating_add_signed(place) } else { place as usize };
            let from = from.min(len);
            let to = (from + usize::from(*gone)).min(len);
            content.splice(from..to, come.iter().copied());
            edits = rest;
        }
        for (index, (path, sound)) in self.files.iter().enumerate() {
            fs::write(path, changed.get(&index).unwrap_or(sound)).expect("a file of one's own");
        }
        changed.into_values().flatten().collect()
    }
}

fn lerobot() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = folders.find_map(|folder| Some(folder.join(LEROBOT)).filter(|path| path.is_dir()));
    found.expect("the fixture lies in the project")
}

fn write_small(root: &Path) -> Result<(), DatasetError> {
    let features = Features::new([
        ("observation.images.front", FeatureKind::Image { height: 2, width: 3 }),
        ("observation.state", FeatureKind::float64(["x"])),
        ("action", FeatureKind::float32(["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"])),
        ("label.valid", FeatureKind::Bool),
        ("label.phase", FeatureKind::Int64),
    ])?;
    let mut writer = DatasetWriter::create(root, 10, "kinova-j2n6s300", features)?;
    for (task, rows) in [("put the carrot in the pan", 2), ("push the red box", 3)] {
        let mut notes = EpisodeNotes::new();
        notes.insert("seed".to_owned(), 3.into());
        writer.begin(task, &notes)?;
        for row in 0..rows {
            let x = f64::from(row) * 0.01;
            writer.push(
                Row::new()
                    .with("observation.images.front", Value::Image([row as u8; 18].into()))
                    .with("observation.state", Value::F64(vec![x]))
                    .with("action", Value::F32(vec![x as f32; 7]))
                    .with("label.valid", Value::Bool(row == 0))
                    .with("label.phase", Value::I64(i64::from(row))),
            )?;
        }
        writer.keep(&EpisodeNotes::new())?;
    }
    writer.publish()
}

/// Path and content of every file below `folder`, in the order of the paths.
fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            let content = fs::read(&path).expect("a readable file");
            found.push((path, content));
        }
    }
    found
}
