//! What a session is to record, checked against the configuration, and its dataset, opened. Reads
//! and writes the disk: not for a thread that must not wait for one.

use super::flow::Course;
use super::sampler::{Sample, Seen};
use super::store::{self, Store};
use jaco_api::Recording;
use jaco_camera::CameraHandle;
use jaco_config::{Config, Pictures};
use jaco_core::{Clock, STEP_NS};
use jaco_dataset::{Dataset, EpisodeNotes};
use jaco_teleop::{Live, RecordingSession, SessionCamera, SessionConfig, StepRecord};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Characters of a dataset's name.
const NAME_CHARS: usize = 64;
/// Episodes of one session.
const MOST_EPISODES: u32 = 10_000;
/// Bytes of a GiB.
const GIB: f64 = (1 << 30) as f64;
/// A picture older than this when its step begins is too old \[ns\].
const STALE_NS: u64 = STEP_NS * 3 / 2;

/// What is recorded, and where.
pub struct Recorder {
    /// The dataset.
    pub root: PathBuf,
    /// Episodes that it held before.
    pub episodes_before: usize,
    /// What had to be put right in it.
    pub repairs: Vec<String>,
    /// The first number that no episode of the series has.
    pub next_number: u64,
    /// The instruction.
    pub task: Arc<str>,
    /// The course of the session.
    pub course: Course,
    /// Notes of every episode.
    pub notes: EpisodeNotes,
    /// Positions of the recorded cameras among all.
    pub eyes: Vec<usize>,
    /// Steps from before an episode that become part of it.
    pub pre_roll_steps: u64,
    /// Room on the disk at which recording ends \[bytes\].
    pub least_free_bytes: u64,
    /// The thread that writes; none once it is told to finish.
    pub store: Option<Store>,
}

impl Recorder {
    /// Checks what is asked and opens the dataset, or says why not, in words.
    pub fn open(
        asked: &Recording,
        config: &Config,
        cameras: &[CameraHandle],
        source: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let record = &config.record;
        let task = checked_task(&asked.task)?;
        let name = checked_name(&asked.dataset)?;
        if !(1..=MOST_EPISODES).contains(&asked.episodes) {
            return Err(format!("{} episodes: must be 1 to {MOST_EPISODES}", asked.episodes));
        }
        let seconds = |given: Option<f64>, configured: f64, least: f64, what: &str| {
            let seconds = given.unwrap_or(configured);
            match (least..=3600.0).contains(&seconds) {
                true => Ok((seconds * 1e9) as u64),
                false => Err(format!("{what} of {seconds} s: must be {least} to 3600 s")),
            }
        };
        let course = Course {
            wanted: asked.episodes,
            longest_ns: seconds(asked.max_s, record.max_s, 1.0, "a longest episode")?,
            pause_ns: seconds(asked.reset_s, record.reset_s, 0.0, "a pause")?,
        };
        let datasets = config.paths.datasets();
        let root = datasets.join(name);
        std::fs::create_dir_all(&datasets)
            .map_err(|error| format!("cannot make the folder {}: {error}", datasets.display()))?;
        let least_free_bytes = (record.min_free_gib * GIB) as u64;
        if let Some(why) = too_full(&datasets, store::free_bytes(&datasets), least_free_bytes) {
            return Err(why);
        }
        let eyes = record
            .cameras
            .iter()
            .filter_map(|name| cameras.iter().position(|camera| *camera.name == **name));
        let eyes: Vec<usize> = eyes.collect();
        let views = record.cameras.iter().filter_map(|name| {
            let camera = config.camera(name)?;
            Some(SessionCamera {
                name: camera.name.clone(),
                width: camera.width,
                height: camera.height,
            })
        });
        let config_of_session = SessionConfig {
            cameras: views.collect(),
            live: true,
            pictures: match record.pictures {
                Pictures::Png => jaco_dataset::Pictures::Png,
                Pictures::Jpeg => jaco_dataset::Pictures::Jpeg { quality: record.jpeg_quality },
                Pictures::Camera => jaco_dataset::Pictures::Camera,
            },
            stale_after_ns: STALE_NS,
            ..SessionConfig::new("", 0, 0)
        };
        let session = RecordingSession::create_or_append(&root, config_of_session)
            .map_err(|error| jaco_api::say::in_full(&error.into()))?;
        let mut notes = EpisodeNotes::new();
        notes.insert("source".to_owned(), source.into());
        notes.insert(
            "arm".to_owned(),
            if config.sim.is_some() { "simulated" } else { "real" }.into(),
        );
        notes.insert("version".to_owned(), env!("CARGO_PKG_VERSION").into());
        notes.insert("pictures".to_owned(), jaco_core::Word::name(record.pictures).into());
        notes.extend(asked.notes.clone());
        let next_number = next_number(&root, &asked.notes);
        let (episodes_before, repairs) =
            (session.total_episodes(), session.repairs().iter().map(ToString::to_string).collect());
        let pre_roll_steps = (record.pre_roll_s * 1e9) as u64 / STEP_NS;
        let store = Store::start(session, &root, pre_roll_steps, clock)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self {
            root,
            episodes_before,
            repairs,
            next_number,
            task: task.into(),
            course,
            notes,
            eyes,
            pre_roll_steps,
            least_free_bytes,
            store: Some(store),
        })
    }

    /// The recorded cameras now.
    pub fn look(&self, cameras: &[CameraHandle]) -> Vec<Seen> {
        let seen = |index: &usize| {
            let camera = &cameras[*index];
            Seen { frame: camera.frames.get(), faulty: camera.health().fault.is_some() }
        };
        self.eyes.iter().map(seen).collect()
    }

    /// Why recording must end before the disk is full, if it must.
    pub fn disk_is_full(&self) -> Option<String> {
        let free_bytes = self.store.as_ref()?.free_bytes();
        too_full(&self.root, free_bytes, self.least_free_bytes)
    }

    /// Whether a picture of the step was too old, or its camera had a fault.
    pub fn is_stale(&self, sample: &Sample) -> bool {
        sample.seen.iter().any(|seen| {
            let age = seen.frame.as_ref().map(|f| sample.step_ns.saturating_sub(f.captured_ns));
            seen.faulty || age.is_none_or(|age_ns| age_ns > STALE_NS)
        })
    }

    /// The row of a step; none where a camera has not shown anything yet.
    pub fn record(&self, sample: &Sample, step: u64) -> Option<StepRecord> {
        record(sample, step, false, None)
    }
}

/// The row of a step, in a run that may be corrected.
pub fn record(
    sample: &Sample,
    step: u64,
    correction: bool,
    proposed: Option<jaco_core::Action>,
) -> Option<StepRecord> {
    let camera_fault = sample.seen.iter().any(|seen| seen.faulty);
    let frames = sample.seen.iter().map(|seen| Some((**seen.frame.as_ref()?).clone()));
    Some(StepRecord {
        step,
        step_ns: sample.step_ns,
        frames: frames.collect::<Option<_>>()?,
        state: sample.state,
        asked: sample.asked,
        sent: sample.sent,
        valid: true,
        labels: None,
        stream: None,
        live: Some(Live { late: sample.late, camera_fault, correction, proposed }),
    })
}

fn too_full(folder: &Path, free_bytes: u64, least_free_bytes: u64) -> Option<String> {
    let gib = |bytes: u64| bytes as f64 / GIB;
    (free_bytes < least_free_bytes).then(|| {
        format!(
            "the disk of {} has {:.2} GiB left, less than the {:.2} GiB that min_free_gib in \
             [record] keeps free: make room",
            folder.display(),
            gib(free_bytes),
            gib(least_free_bytes)
        )
    })
}

/// One past the highest `number` in the notes of the dataset's episodes of the same series; 0 where
/// there is no series, or none that can be read.
fn next_number(root: &Path, notes: &EpisodeNotes) -> u64 {
    let Some(series) = notes.get("series") else { return 0 };
    let Ok(dataset) = Dataset::open(root) else { return 0 };
    let numbers = (0..dataset.episodes().len()).filter_map(|episode| {
        let notes = dataset.notes(episode).ok()?;
        (notes.get("series") == Some(series)).then(|| notes.get("number")?.as_u64())?
    });
    numbers.max().map_or(0, |highest| highest + 1)
}

fn checked_task(task: &str) -> Result<&str, String> {
    let task = task.trim();
    match task {
        "" => Err("the task is empty: say what is demonstrated, in words".to_owned()),
        task if task.contains(char::is_control) => {
            Err("the task must be one line, without control characters".to_owned())
        }
        task => Ok(task),
    }
}

/// A name of one folder, and no way out of it.
fn checked_name(name: &str) -> Result<&str, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain = !name.is_empty() && name.len() <= NAME_CHARS && name.chars().all(allowed);
    match plain && !name.starts_with('.') {
        true => Ok(name),
        false => Err(format!(
            "a dataset's name has 1 to {NAME_CHARS} of a-z, A-Z, 0-9, -, _ and ., and does not \
             begin with a dot: {name:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_s_name_leads_nowhere_else() {
        for name in ["", "..", ".hidden", "a/b", "a b", "/etc", "ä", &"x".repeat(65)] {
            assert!(checked_name(name).is_err(), "{name}");
        }
        for name in ["cubes", "2026-11-29_cubes.v2"] {
            assert_eq!(checked_name(name), Ok(name));
        }
    }

    #[test]
    fn a_task_is_one_line_of_words() {
        assert_eq!(checked_task(" push the box "), Ok("push the box"));
        for task in ["", "  ", "a\nb", "a\u{7}"] {
            assert!(checked_task(task).is_err(), "{task:?}");
        }
    }
}
