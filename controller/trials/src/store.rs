//! The folder of an evaluation: `evaluation.json` (what was asked), `trials.jsonl` (a try a line),
//! `pictures/`. It only grows, so an evaluation that was broken off goes on where it was.
//!
//! One program at a time writes; any number may read meanwhile. Tries that were made under another
//! question are never mixed with new ones.

use crate::words::{Asked, Cell, Key, Policy, Try};
use jaco_shell::durable::replace_file;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What was asked.
pub const EVALUATION_FILE: &str = "evaluation.json";
/// The tries, a line each.
pub const TRIALS_FILE: &str = "trials.jsonl";
/// Contact sheets.
pub const PICTURES_FOLDER: &str = "pictures";

/// An evaluation's folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot read or write {path}: {source}")]
    File {
        /// What was read or written.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The folder holds an evaluation that was asked for otherwise.
    #[error("{folder} holds an evaluation with {what} {old}, not {new}: take another folder")]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        what: String,
        /// What it is there.
        old: String,
        /// What was asked for now.
        new: String,
    },
    /// A file is not what it should be.
    #[error("{path}, line {line}: {source}: not what an evaluation writes")]
    Format {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// Another program writes there.
    #[error("another evaluation is writing to {0}: let it end, or take another folder")]
    Busy(PathBuf),
    /// There is no evaluation.
    #[error("{0} holds no evaluation: {EVALUATION_FILE} is not there")]
    Absent(PathBuf),
}

impl StoreError {
    /// The file system's error, if it was that; anything else is the fault of what was given.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The folder of an evaluation, open to add to.
#[derive(Debug)]
pub struct TrialStore {
    folder: PathBuf,
    asked: Asked,
    file: File,
    tries: Vec<Try>,
    made: HashSet<Key>,
}

impl TrialStore {
    /// Begins an evaluation in `folder`, or goes on with the one that is there. Its policies stay
    /// known; more may join, and the numbers of trials and tries may change.
    ///
    /// # Errors
    /// The folder holds an evaluation with another seed, arm or time limit, or with other weights
    /// under a label of `asked`; another program writes there; the file system refuses.
    pub fn open(folder: &Path, mut asked: Asked) -> Result<Self, StoreError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { path, source }
        };
        let pictures = folder.join(PICTURES_FOLDER);
        // Refused before anything is made there; and again below, for it may have begun meanwhile.
        read_agreed(folder, &asked)?;
        fs::create_dir_all(&pictures).map_err(at(&pictures))?;
        let path = folder.join(TRIALS_FILE);
        let open = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let mut file = open.map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(at(&path)(source)),
        }
        let known = read_agreed(folder, &asked)?;
        let (tries, whole) = read_tries(&mut file, &path)?;
        file.set_len(whole).map_err(at(&path))?;
        for policy in known.into_iter().flat_map(|known| known.policies).rev() {
            if asked.policies.iter().all(|new| new.label != policy.label) {
                asked.policies.insert(0, policy);
            }
        }
        let mut store =
            Self { folder: folder.to_owned(), asked, file, tries: vec![], made: HashSet::new() };
        store.write_asked()?;
        for made in tries {
            store.remember(made);
        }
        Ok(store)
    }

    /// What is in `folder`: what was asked, and the tries so far.
    ///
    /// # Errors
    /// There is no evaluation, or it cannot be read.
    pub fn read(folder: &Path) -> Result<(Asked, Vec<Try>), StoreError> {
        let asked = read_asked(folder)?.ok_or_else(|| StoreError::Absent(folder.to_owned()))?;
        let path = folder.join(TRIALS_FILE);
        match File::open(&path) {
            Ok(mut file) => Ok((asked, read_tries(&mut file, &path)?.0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((asked, Vec::new())),
            Err(source) => Err(StoreError::File { path, source }),
        }
    }

    /// What was asked, with all policies that ever were.
    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// All tries, in the order in which they were added.
    pub fn tries(&self) -> &[Try] {
        &self.tries
    }

    /// Whether this try was made.
    pub fn has(&self, cell: &Cell, trial: u32, attempt: u32) -> bool {
        self.made.contains(&Key::new(cell, trial, attempt))
    }

    /// Adds a try; it is on the disk when this returns. One that is there already is left as it is.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn push(&mut self, made: Try) -> Result<(), StoreError> {
        let path = self.folder.join(TRIALS_FILE);
        if self.made.contains(&made.key()) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&made).map_err(|source| StoreError::Format {
            path: path.clone(),
            line: self.tries.len() + 1,
            source,
        })?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|source| StoreError::File { path, source })?;
        self.remember(made);
        Ok(())
    }

    /// Keeps a picture under `name`.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn add_picture(&self, name: &str, png: &[u8]) -> Result<(), StoreError> {
        let path = self.folder.join(PICTURES_FOLDER).join(name);
        replace_file(&path, png).map_err(|source| StoreError::File { path, source })
    }

    fn remember(&mut self, made: Try) {
        if self.made.insert(made.key()) {
            self.tries.push(made);
        }
    }

    fn write_asked(&self) -> Result<(), StoreError> {
        let path = self.folder.join(EVALUATION_FILE);
        let text = serde_json::to_string_pretty(&self.asked).map_err(io::Error::from);
        let written = text.and_then(|text| replace_file(&path, format!("{text}\n").as_bytes()));
        written.map_err(|source| StoreError::File { path, source })
    }
}

/// What is known in `folder`, if `asked` can stand beside it.
fn read_agreed(folder: &Path, asked: &Asked) -> Result<Option<Asked>, StoreError> {
    let known = read_asked(folder)?;
    known.as_ref().map_or(Ok(()), |known| agree(folder, known, asked))?;
    Ok(known)
}

/// Refuses what cannot stand beside what is known.
fn agree(folder: &Path, known: &Asked, asked: &Asked) -> Result<(), StoreError> {
    let other = |what: String, old: String, new: String| {
        Err(StoreError::Other { folder: folder.to_owned(), what, old, new })
    };
    if known.seed != asked.seed {
        return other("seed".to_owned(), known.seed.to_string(), asked.seed.to_string());
    }
    if known.max_steps != asked.max_steps {
        let [old, new] = [known, asked].map(|asked| asked.max_steps.to_string());
        return other("a limit of steps of".to_owned(), old, new);
    }
    if known.arm != asked.arm {
        let [old, new] = [known, asked].map(|asked| format!("{:?}", asked.arm).to_lowercase());
        return other("the arm".to_owned(), old, new);
    }
    for new in &asked.policies {
        let same_label = known.policies.iter().find(|policy| policy.label == new.label);
        if let Some(old) = same_label.filter(|old| !old.answers_as(new)) {
            let say = |policy: &Policy| {
                let statistics = policy.statistics.as_deref().unwrap_or("its own");
                let folder = policy.checkpoint.display();
                format!(
                    "{folder} (files {}, statistics {statistics}, view {})",
                    policy.weights, policy.view
                )
            };
            return other(format!("the policy {:?} from", new.label), say(old), say(new));
        }
    }
    Ok(())
}

fn read_asked(folder: &Path) -> Result<Option<Asked>, StoreError> {
    let path = folder.join(EVALUATION_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(asked) => Ok(Some(asked)),
            Err(source) => Err(StoreError::Format { path, line: source.line(), source }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::File { path, source }),
    }
}

/// The tries in `file`, and how many bytes they take: what follows the last end of a line was being
/// written when its program was killed.
fn read_tries(file: &mut File, path: &Path) -> Result<(Vec<Try>, u64), StoreError> {
    let mut bytes = Vec::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes));
    read.map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let lines = bytes[..whole].split(|&byte| byte == b'\n').enumerate();
    let tries = lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            serde_json::from_slice(line).map_err(|source| StoreError::Format {
                path: path.to_owned(),
                line: index + 1,
                source,
            })
        })
        .collect::<Result<_, _>>()?;
    Ok((tries, whole as u64))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::words::{Arm, Ended};
    use proptest::prelude::*;

    fn policy(label: &str, weights: &str) -> Policy {
        Policy {
            label: label.to_owned(),
            checkpoint: format!("/checkpoints/{label}").into(),
            adapter: None,
            statistics: Some("demos".to_owned()),
            view: "plain".to_owned(),
            weights: weights.to_owned(),
        }
    }

    fn asked() -> Asked {
        Asked {
            version: "1.2.3".to_owned(),
            arm: Arm::Lockstep,
            seed: u64::MAX,
            trials: 20,
            tries: 1,
            max_steps: 300,
            policies: vec![policy("a", "1")],
        }
    }

    fn one(trial: u32, attempt: u32) -> Try {
        let cell = Cell {
            task: "place-block".to_owned(),
            policy: "a".to_owned(),
            horizon: 8,
            decode: "top-k:5:1".to_owned(),
            expectation: false,
            max_entropy: Some(1.1),
        };
        Try {
            cell,
            seed: u64::MAX - u64::from(trial),
            trial,
            attempt,
            success: trial.is_multiple_of(2),
            steps: trial.is_multiple_of(2).then_some(120),
            ran_steps: 300,
            inferences: 38,
            units: 300,
            ended: Ended::Time,
            path_m: vec![Try::point_m([0.123_44, -0.5, 0.071_29])],
            sheet: (trial == 1).then(|| "sheet.png".to_owned()),
        }
    }

    #[test]
    fn what_was_added_is_there_again_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = TrialStore::open(folder.path(), asked()).unwrap();
        for trial in 0..3 {
            store.push(one(trial, 0)).unwrap();
        }
        drop(store);
        let more = Asked { trials: 50, policies: vec![policy("b", "2")], ..asked() };
        let mut store = TrialStore::open(folder.path(), more).unwrap();
        assert_eq!(store.tries(), [one(0, 0), one(1, 0), one(2, 0)]);
        assert!(store.has(&one(0, 0).cell, 2, 0));
        assert!(!store.has(&one(0, 0).cell, 2, 1) && !store.has(&one(0, 0).cell, 3, 0));
        store.push(one(2, 1)).unwrap();
        // Made already: nothing is added.
        store.push(one(2, 1)).unwrap();
        let (asked, tries) = TrialStore::read(folder.path()).unwrap();
        assert_eq!((asked.trials, tries.len()), (50, 4));
        let labels: Vec<_> = asked.policies.iter().map(|policy| &*policy.label).collect();
        assert_eq!(labels, ["a", "b"]);
    }

    #[test]
    fn another_question_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(TrialStore::open(folder.path(), asked()).unwrap());
        let before = fs::read(folder.path().join(EVALUATION_FILE)).unwrap();
        let others = [
            (Asked { seed: 1, ..asked() }, "seed 18446744073709551615, not 1"),
            (Asked { max_steps: 200, ..asked() }, "a limit of steps of 300, not 200"),
            (Asked { arm: Arm::Simulated, ..asked() }, "the arm lockstep, not simulated"),
            (Asked { policies: vec![policy("a", "2")], ..asked() }, "the policy \"a\" from"),
        ];
        for (other, why) in others {
            let error = TrialStore::open(folder.path(), other).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.io().is_none());
        }
        assert_eq!(fs::read(folder.path().join(EVALUATION_FILE)).unwrap(), before);
    }

    #[test]
    fn one_program_writes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let _store = TrialStore::open(folder.path(), asked()).unwrap();
        let second = TrialStore::open(folder.path(), asked()).unwrap_err();
        assert!(matches!(second, StoreError::Busy(_)), "{second}");
        assert!(TrialStore::read(folder.path()).unwrap().1.is_empty());
    }

    #[test]
    fn a_folder_without_an_evaluation_and_a_broken_line_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let absent = TrialStore::read(folder.path()).unwrap_err();
        assert!(matches!(absent, StoreError::Absent(_)), "{absent}");
        let mut store = TrialStore::open(folder.path(), asked()).unwrap();
        store.push(one(0, 0)).unwrap();
        drop(store);
        let path = folder.path().join(TRIALS_FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}{{\"task\": 3}}\n{text}")).unwrap();
        let broken = TrialStore::open(folder.path(), asked()).unwrap_err().to_string();
        assert!(broken.contains("trials.jsonl, line 2"), "{broken}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Killed anywhere, a run has its whole lines, and the next one adds to them.
        #[test]
        fn a_run_killed_anywhere_goes_on(share in 0.0_f64..1.0) {
            let folder = tempfile::tempdir().unwrap();
            let mut store = TrialStore::open(folder.path(), asked()).unwrap();
            for trial in 0..4 {
                store.push(one(trial, 0)).unwrap();
            }
            drop(store);
            let path = folder.path().join(TRIALS_FILE);
            let bytes = fs::read(&path).unwrap();
            let cut = (bytes.len() as f64 * share) as usize;
            fs::write(&path, &bytes[..cut]).unwrap();
            let left = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count();
            let mut store = TrialStore::open(folder.path(), asked()).unwrap();
            prop_assert_eq!(store.tries().len(), left);
            for trial in 0..4 {
                store.push(one(trial, 0)).unwrap();
            }
            drop(store);
            prop_assert_eq!(fs::read(&path).unwrap(), bytes);
        }
    }
}
