//! What a training says of itself in its folder, for those who ask from outside, and what they make
//! of it: `training/trainer.json`.
//!
//! Owns the file and the words. What it says is a courtesy: a training never fails because of it.

use crate::pace::About;
use crate::process::Process;
use jaco_core::Word;
use jaco_shell::args::Unusable;
use jaco_training::{SavedPoint, Stage, saved_point};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Lines of a log that are shown of a training that went wrong.
const LAST_LINES: usize = 5;
/// Bytes of a log that are looked at for them.
const LAST_BYTES: u64 = 8 << 10;

/// What a training is doing, as it says itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Doing {
    /// Reads the datasets.
    Loading,
    /// Trains.
    Training,
    /// Waits.
    Paused {
        /// What for.
        why: String,
    },
    /// It took its last step.
    Finished,
    /// It was told to end and saved.
    Stopped,
    /// It could not go on.
    Failed {
        /// Why.
        why: String,
    },
    /// Nobody knows: a training state is there, and no word of the training's own.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A training, as it says itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What is trained.
    pub stage: Stage,
    /// What it is doing.
    #[serde(flatten)]
    pub doing: Doing,
    /// Steps taken.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// The last reported loss.
    pub loss: Option<f64>,
    /// The last reported throughput.
    pub states_per_s: Option<f64>,
    /// What is left \[s\], pauses not counted.
    pub left_s: Option<f64>,
    /// The step that --resume would go on from. Whoever looks from outside is told what is on the
    /// disk, whatever the training said.
    pub saved_step: Option<u64>,
    /// Its log, if it runs in the background.
    pub log: Option<PathBuf>,
    /// Who it is, if it said.
    pub process: Option<Process>,
}

impl Record {
    /// Where it is in the folder `out`.
    pub fn path(out: &Path) -> PathBuf {
        out.join("training").join("trainer.json")
    }

    /// That of the training in the folder `out`.
    pub fn read(out: &Path) -> anyhow::Result<Self> {
        let path = Self::path(out);
        let unusable = |why: String| Unusable(format!("{}: {why}", out.display()));
        let text = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                anyhow::Error::new(unusable("no training was begun there".to_owned()))
            }
            _ => Unusable::path(format!("cannot read {}", path.display()), error),
        })?;
        Ok(serde_json::from_slice(&text).map_err(|error| {
            unusable(format!("training/trainer.json is not what this version writes: {error}"))
        })?)
    }

    /// Replaces the one before, if the folder is there.
    pub fn write(&self, out: &Path) -> io::Result<()> {
        let path = Self::path(out);
        let partial = path.with_extension("json.partial");
        fs::write(&partial, serde_json::to_vec(self)?)?;
        fs::rename(&partial, &path)
    }
}

/// A training, as seen from outside.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// As it says itself. One that is `dead` said something else before it ended without a word.
    #[serde(flatten)]
    pub record: Record,
    /// It ended without a word: killed, or the machine went down.
    pub dead: bool,
    /// The end of its log, of one that went wrong.
    pub last_lines: Vec<String>,
    /// Why --resume could not go on from the training state that is there; none if it could, or if
    /// there is none.
    pub unusable_state: Option<String>,
}

impl Seen {
    /// Looks at the training in the folder `out`.
    pub fn look(out: &Path) -> anyhow::Result<Self> {
        let mut record = Record::read_or_guess(out)?;
        if record.is_under_way() && !record.lives() {
            // It may have said its last word meanwhile.
            record = Record::read_or_guess(out)?;
        }
        let dead = record.is_under_way() && !record.lives();
        let saved = saved_point(out);
        let unusable_state = saved.as_ref().err().map(ToString::to_string);
        record.saved_step = saved.ok().flatten().map(|saved| saved.step);
        let wrong = dead || matches!(record.doing, Doing::Failed { .. });
        let log = record.log.as_deref().filter(|_| wrong);
        let last_lines = log.and_then(|log| last_lines(log).ok()).unwrap_or_default();
        Ok(Self { record, dead, last_lines, unusable_state })
    }

    /// Whether it goes on, or ended as it should.
    pub fn is_well(&self) -> bool {
        !self.dead && !matches!(self.record.doing, Doing::Failed { .. })
    }

    /// Whether there is something to end.
    pub fn goes_on(&self) -> bool {
        self.record.is_under_way() && !self.dead
    }
}

/// Refuses to begin a training in the folder `out` while another goes on there.
pub fn refuse_second(out: &Path) -> anyhow::Result<()> {
    match Seen::look(out) {
        Ok(seen) if seen.goes_on() => Err(Unusable(format!(
            "{}: a training goes on there, process {}; look at it with `jaco train status`, end it \
             with `jaco train stop`, or name another folder",
            out.display(),
            seen.record.process.as_ref().map_or(0, |process| process.pid)
        ))
        .into()),
        // One that cannot be read is not one that goes on.
        _ => Ok(()),
    }
}

impl Record {
    /// [`Record::read`]; where nothing is to be read, what the training state tells.
    fn read_or_guess(out: &Path) -> anyhow::Result<Self> {
        let error = match Self::read(out) {
            Ok(record) => return Ok(record),
            Err(error) => error,
        };
        let Ok(Some(SavedPoint { stage, step, steps })) = saved_point(out) else {
            return Err(error);
        };
        Ok(Self {
            stage,
            doing: Doing::Unknown { why: error.to_string() },
            step,
            steps,
            loss: None,
            states_per_s: None,
            left_s: None,
            saved_step: Some(step),
            log: None,
            process: None,
        })
    }

    fn lives(&self) -> bool {
        self.process.as_ref().is_some_and(Process::lives)
    }

    fn is_under_way(&self) -> bool {
        matches!(self.doing, Doing::Loading | Doing::Training | Doing::Paused { .. })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { stage, step, steps, process, .. } = &self.record;
        let again = |f: &mut fmt::Formatter<'_>| match self.record.saved_step {
            Some(saved) => write!(f, "; --resume goes on from step {saved}"),
            None => match &self.unusable_state {
                Some(why) => write!(f, "; --resume cannot go on: {why}"),
                None => write!(f, "; nothing was saved"),
            },
        };
        let pid = process.as_ref().map_or(0, |process| process.pid);
        write!(f, "{} training: ", stage.name())?;
        match &self.record.doing {
            _ if self.dead => {
                write!(f, "dead since step {step} of {steps}: ")?;
                match process.as_ref().is_some_and(Process::is_elsewhere) {
                    true => write!(f, "it ran on another machine, or before this one restarted")?,
                    false => write!(f, "process {pid} ended without a word")?,
                }
                again(f)?;
            }
            Doing::Loading => write!(f, "loading the data, process {pid}")?,
            Doing::Training | Doing::Paused { .. } => {
                write!(f, "step {step} of {steps}")?;
                if let Some(loss) = self.record.loss {
                    write!(f, ", loss {loss:.3}")?;
                }
                if let Some(speed) = self.record.states_per_s {
                    write!(f, ", {speed:.0} states/s")?;
                }
                if let Some(left_s) = self.record.left_s {
                    write!(f, ", {} left", About(left_s))?;
                }
                if let Doing::Paused { why } = &self.record.doing {
                    write!(f, ", paused: {why}")?;
                }
                write!(f, ", process {pid}")?;
            }
            Doing::Finished => write!(f, "finished with step {step}")?,
            Doing::Stopped => {
                write!(f, "stopped after step {step} of {steps}")?;
                again(f)?;
            }
            Doing::Failed { why } => {
                write!(f, "failed at step {step} of {steps}: {why}")?;
                again(f)?;
            }
            Doing::Unknown { why } => {
                write!(f, "how it goes or ended is not known ({why})")?;
                again(f)?;
            }
        }
        if let Some(log) = &self.record.log {
            write!(f, "\nlog: {}", log.display())?;
        }
        self.last_lines.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

fn last_lines(path: &Path) -> io::Result<Vec<String>> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|l| (*l).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(doing: Doing) -> Record {
        Record {
            stage: Stage::Lbc,
            doing,
            step: 1200,
            steps: 5000,
            loss: Some(1.2345),
            states_per_s: Some(93.4),
            left_s: Some(2460.0),
            saved_step: Some(1000),
            log: None,
            process: Some(Process::own().unwrap()),
        }
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("training")).unwrap();
        folder
    }

    #[test]
    fn a_training_is_told_of_as_it_goes_on() {
        let folder = folder();
        let own = std::process::id();
        for (doing, words) in [
            (Doing::Loading, format!("lbc training: loading the data, process {own}")),
            (
                Doing::Training,
                format!(
                    "lbc training: step 1200 of 5000, loss 1.234, 93 states/s, 41 min left, \
                     process {own}"
                ),
            ),
            (
                Doing::Paused { why: "a run moves the arm".into() },
                format!(
                    "lbc training: step 1200 of 5000, loss 1.234, 93 states/s, 41 min left, \
                     paused: a run moves the arm, process {own}"
                ),
            ),
            (Doing::Finished, "lbc training: finished with step 1200".to_owned()),
            (
                Doing::Stopped,
                // Whatever it says of a saved step, there is none.
                "lbc training: stopped after step 1200 of 5000; nothing was saved".to_owned(),
            ),
        ] {
            record(doing).write(folder.path()).unwrap();
            let seen = Seen::look(folder.path()).unwrap();
            assert_eq!(seen.to_string(), words);
            assert!(seen.is_well());
        }
    }

    #[test]
    fn one_that_went_wrong_is_told_of_with_its_last_lines() {
        let folder = folder();
        let log = folder.path().join("log");
        let lines: Vec<String> = (0..2000).map(|line| format!("line {line}")).collect();
        fs::write(&log, lines.join("\n")).unwrap();
        let why = "the disk is full".to_owned();
        let failed = Record { log: Some(log), ..record(Doing::Failed { why }) };
        failed.write(folder.path()).unwrap();
        let seen = Seen::look(folder.path()).unwrap();
        assert!(!seen.is_well() && !seen.dead);
        assert_eq!(seen.last_lines, lines[1995..]);
        assert!(seen.to_string().contains("failed at step 1200 of 5000: the disk is full"));
    }

    #[test]
    fn a_folder_without_a_training_is_the_users_fault() {
        let folder = folder();
        fs::write(folder.path().join("training/trainer.json"), "{").unwrap();
        let file = folder.path().join("training/trainer.json");
        for (out, words) in [
            (folder.path().join("not-there"), "no training was begun there"),
            (file, "no training was begun there"),
            (folder.path().to_owned(), "is not what this version writes"),
        ] {
            let error = Seen::look(&out).unwrap_err();
            assert!(Unusable::is_in(&error) && error.to_string().contains(words), "{error}");
        }
    }
}
