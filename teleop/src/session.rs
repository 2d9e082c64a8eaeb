//! The recording session: steps in, rows of a LeRobotDataset out.
//!
//! It fixes the keys and sizes that training relies on ([`SessionConfig::features`]), refuses a
//! step that is not whole, and counts what a later reader of the dataset must know: stale frames
//! and the rate that was really achieved (`timestamp` in the format is `frame_index / fps`
//! whatever the clock said; the true time is in `observation.capture_time`).
//!
//! It must never write dataset files itself, read a clock or wait: it belongs to whoever calls.

use jaco_core::state::JOINTS;
use jaco_core::{ACTION_DIMS, Action, Observation, STEP_NS};
use jaco_dataset::{
    DatasetError, DatasetWriter, EpisodeBuffer, EpisodeNotes, EpisodeSummary, FeatureKind,
    Features, Repair, Row, Value,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Action units in the label of a step (`label.stream`): the longest horizon trained.
pub const STREAM_UNITS: usize = 8;

/// Names of `observation.state`, in order: tool pose (position \[m\], unit quaternion), joints
/// \[rad\], gripper opening 1 open .. 0 closed.
pub const STATE_NAMES: [&str; 8 + JOINTS] =
    ["x", "y", "z", "qw", "qx", "qy", "qz", "j1", "j2", "j3", "j4", "j5", "j6", "opening"];

/// Names of `action` and `action.sent`, in order: displacement over the step in the base frame
/// \[m\] and \[rad\], gripper opening to head for.
pub const ACTION_NAMES: [&str; ACTION_DIMS] =
    ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];

/// What a session records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The camera, which names the feature `observation.images.<camera>`.
    pub camera: String,
    /// Width of its frames \[pixels\].
    pub width: u32,
    /// Height of its frames \[pixels\].
    pub height: u32,
    /// Names of `observation.environment_state`; none = no such feature.
    pub label_names: Vec<String>,
    /// Whether every step carries `label.stream`: the [`STREAM_UNITS`] next actions.
    pub with_streams: bool,
    /// Robot that the dataset is of.
    pub robot_type: String,
    /// Steps per second.
    pub fps: u32,
    /// A frame older than this when its step begins is recorded but counted as stale \[ns\].
    pub stale_after_ns: u64,
}

impl SessionConfig {
    /// A session of the Jaco2 with one camera at 10 Hz, without labels; frames are stale after
    /// one and a half steps.
    pub fn new(camera: &str, width: u32, height: u32) -> Self {
        Self {
            camera: camera.to_owned(),
            width,
            height,
            label_names: Vec::new(),
            with_streams: false,
            robot_type: "kinova-j2n6s300".to_owned(),
            fps: 10,
            stale_after_ns: STEP_NS * 3 / 2,
        }
    }

    /// The features of the dataset, in column order.
    pub fn features(&self) -> Result<Features, SessionError> {
        let image = FeatureKind::Image { height: self.height, width: self.width };
        let mut features = vec![
            (self.image_key(), image),
            ("observation.state".to_owned(), FeatureKind::float32(STATE_NAMES)),
            ("action".to_owned(), FeatureKind::float32(ACTION_NAMES)),
            ("action.sent".to_owned(), FeatureKind::float32(ACTION_NAMES)),
            ("label.valid".to_owned(), FeatureKind::Bool),
        ];
        if !self.label_names.is_empty() {
            let names = FeatureKind::float32(&self.label_names);
            features.push(("observation.environment_state".to_owned(), names));
        }
        if self.with_streams {
            let units = 0..STREAM_UNITS;
            let names = units.flat_map(|unit| ACTION_NAMES.map(|name| format!("{name}_{unit}")));
            features.push(("label.stream".to_owned(), FeatureKind::float32(names)));
        }
        let time = FeatureKind::float64(["capture_time"]);
        features.push(("observation.capture_time".to_owned(), time));
        Ok(Features::new(features)?)
    }

    fn image_key(&self) -> String {
        format!("observation.images.{}", self.camera)
    }
}

/// One step of an episode.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// Frame and arm state at the beginning of the step.
    pub observation: Observation,
    /// When the step began, monotonic \[ns\]: the age of the frame counts from here.
    pub step_ns: u64,
    /// What the operator, expert or policy asked for: the label of the step.
    pub asked: Action,
    /// What the servo made of it and sent to the arm.
    pub sent: Action,
    /// Whether `asked` is a good label. False where the arm was perturbed on purpose, say.
    pub valid: bool,
    /// Values of `observation.environment_state`, as many as the session has names for.
    pub labels: Option<Vec<f32>>,
    /// The next [`STREAM_UNITS`] actions that should follow, if the session records streams.
    pub stream: Option<Vec<Action>>,
}

/// What a session refuses.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The dataset refused or cannot be read or written.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The dataset in place records something else.
    #[error(
        "cannot append to {root}: {difference}; record into another folder, or with the \
         configuration of that dataset", root = .root.display()
    )]
    OtherDataset {
        /// The dataset in place.
        root: PathBuf,
        /// What it has that this session has not, or the other way round.
        difference: String,
    },
    /// A step that does not fit the session.
    #[error("step {step}: {reason}; the step was not recorded")]
    Step {
        /// The step's number.
        step: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Needs an episode, and none is being recorded.
    #[error("no episode is being recorded; begin one first")]
    NoEpisode,
    /// An episode is being recorded already.
    #[error("the episode {task:?} is being recorded; save or discard it first")]
    EpisodeOpen {
        /// Its task.
        task: String,
    },
}

/// Records episodes into one dataset.
pub struct RecordingSession {
    config: SessionConfig,
    image_key: String,
    writer: DatasetWriter,
    episode: Option<Recording>,
}

/// The episode being recorded.
struct Recording {
    buffer: EpisodeBuffer,
    stale_frames: u64,
    oldest_frame_ns: u64,
    first_step_ns: u64,
    last_step_ns: u64,
}

impl RecordingSession {
    /// Opens the dataset in `root` or makes one. One that is there must have exactly this
    /// session's features, rate and robot, and is repaired.
    pub fn create_or_append(root: &Path, config: SessionConfig) -> Result<Self, SessionError> {
        let features = config.features()?;
        let writer = if root.join("meta/info.json").exists() {
            let (fps, robot_type) = (config.fps, &config.robot_type);
            let difference = DatasetWriter::difference(root, fps, robot_type, &features)?;
            if let Some(difference) = difference {
                return Err(SessionError::OtherDataset { root: root.to_owned(), difference });
            }
            DatasetWriter::open_append(root)?
        } else {
            DatasetWriter::create(root, config.fps, &config.robot_type, features)?
        };
        Ok(Self { image_key: config.image_key(), config, writer, episode: None })
    }

    /// What opening the dataset had to repair.
    pub fn repairs(&self) -> &[Repair] {
        self.writer.repairs()
    }

    /// Episodes saved in the dataset.
    pub fn total_episodes(&self) -> usize {
        self.writer.total_episodes()
    }

    /// Steps of the episode being recorded; `None` between episodes.
    pub fn recorded_steps(&self) -> Option<usize> {
        self.episode.as_ref().map(|episode| episode.buffer.len())
    }

    /// Begins an episode of the task with this text.
    pub fn begin(&mut self, task: &str) -> Result<(), SessionError> {
        if let Some(open) = &self.episode {
            return Err(SessionError::EpisodeOpen { task: open.buffer.task().to_owned() });
        }
        self.episode = Some(Recording {
            buffer: self.writer.begin_episode(task),
            stale_frames: 0,
            oldest_frame_ns: 0,
            first_step_ns: 0,
            last_step_ns: 0,
        });
        Ok(())
    }

    /// Takes a step. One with a fault is not recorded, the episode goes on.
    pub fn push(&mut self, step: StepRecord) -> Result<(), SessionError> {
        let episode = self.episode.as_mut().ok_or(SessionError::NoEpisode)?;
        let refused = |reason: String| SessionError::Step { step: step.observation.step, reason };
        let row = row(&self.config, &self.image_key, &step).map_err(refused)?;
        if !episode.buffer.is_empty() && step.step_ns <= episode.last_step_ns {
            let reason = format!("it began at {} ns, not after the last", step.step_ns);
            return Err(refused(reason));
        }
        episode.buffer.push(row)?;
        if episode.buffer.len() == 1 {
            episode.first_step_ns = step.step_ns;
        }
        episode.last_step_ns = step.step_ns;
        let age_ns = step.step_ns.saturating_sub(step.observation.frame.captured_ns);
        episode.oldest_frame_ns = episode.oldest_frame_ns.max(age_ns);
        episode.stale_frames += u64::from(age_ns > self.config.stale_after_ns);
        Ok(())
    }

    /// Saves the episode durably. The session adds to the notes: `stale_frames`,
    /// `oldest_frame_ms` and, for two steps or more, `achieved_hz`. After an error the episode is
    /// still there, to be saved again or discarded.
    pub fn save(&mut self, mut notes: EpisodeNotes) -> Result<EpisodeSummary, SessionError> {
        let episode = self.episode.as_ref().ok_or(SessionError::NoEpisode)?;
        notes.insert("stale_frames".to_owned(), episode.stale_frames.into());
        notes.insert("oldest_frame_ms".to_owned(), (episode.oldest_frame_ns as f64 * 1e-6).into());
        let intervals = episode.buffer.len().saturating_sub(1);
        if intervals > 0 {
            let span_ns = episode.last_step_ns - episode.first_step_ns;
            notes
                .insert("achieved_hz".to_owned(), (intervals as f64 * 1e9 / span_ns as f64).into());
        }
        let summary = self.writer.save(&episode.buffer, &notes)?;
        self.episode = None;
        Ok(summary)
    }

    /// Forgets the episode; the number of steps that were in it.
    pub fn discard(&mut self) -> Result<usize, SessionError> {
        let episode = self.episode.take().ok_or(SessionError::NoEpisode)?;
        Ok(episode.buffer.len())
    }
}

/// The row of a step, or what is wrong with the step.
fn row(config: &SessionConfig, image_key: &str, step: &StepRecord) -> Result<Row, String> {
    let Observation { frame, state, .. } = &step.observation;
    let found = (&*frame.camera, frame.width, frame.height);
    if found != (config.camera.as_str(), config.width, config.height) {
        let (camera, width, height) = found;
        return Err(format!(
            "the frame is of camera {camera:?} with {width}x{height} pixels, the session records \
             {:?} with {}x{}",
            config.camera, config.width, config.height
        ));
    }
    let q = state.pose.orientation.quaternion();
    let mut numbers: Vec<f64> = state.pose.position_m.iter().copied().collect();
    numbers.extend([q.w, q.i, q.j, q.k]);
    numbers.extend(state.joints_rad);
    numbers.push(state.opening());
    let single = |numbers: &[f64]| Value::F32(numbers.iter().map(|&v| v as f32).collect());
    let mut row = Row::new()
        .with(image_key, Value::Image(Arc::clone(&frame.rgb)))
        .with("observation.state", single(&numbers))
        .with("action", single(&step.asked.to_array()))
        .with("action.sent", single(&step.sent.to_array()))
        .with("label.valid", Value::Bool(step.valid))
        .with("observation.capture_time", Value::F64(vec![frame.captured_ns as f64 / 1e9]));
    match (&step.labels, config.label_names.len()) {
        (None, 0) => {}
        (Some(labels), expected) if labels.len() == expected && expected > 0 => {
            row.set("observation.environment_state", Value::F32(labels.clone()));
        }
        (labels, expected) => {
            let found = labels.as_ref().map_or(0, Vec::len);
            return Err(format!("{found} labels, the session has {expected}"));
        }
    }
    match (&step.stream, config.with_streams) {
        (None, false) => {}
        (Some(stream), true) if stream.len() == STREAM_UNITS => {
            let numbers: Vec<f64> = stream.iter().flat_map(|action| action.to_array()).collect();
            row.set("label.stream", single(&numbers));
        }
        (stream, with_streams) => {
            let found = stream.as_ref().map_or(0, Vec::len);
            let expected = if with_streams { STREAM_UNITS } else { 0 };
            return Err(format!("a stream of {found} actions, the session records {expected}"));
        }
    }
    Ok(row)
}
