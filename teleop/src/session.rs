//! The recording session: steps in, rows of a LeRobotDataset out.
//!
//! It fixes the keys and sizes that training relies on ([`SessionConfig::features`]), refuses a
//! step that is not whole, and counts what a later reader of the dataset must know: stale frames
//! and the rate that was really achieved (`timestamp` in the format is `frame_index / fps`
//! whatever the clock said; the true times are in `observation.capture_time` and, of live
//! recordings, `observation.step_time`).
//!
//! Times are seconds from the beginning of the episode's first step: lerobot makes them 32-bit
//! floats, which have milliseconds only as long as numbers are small. Episodes whose notes lack
//! [`TIME_ZERO`] are of the time before that, and have seconds of the machine's clock.
//!
//! It must never write dataset files itself, read a clock or wait: it belongs to whoever calls.

use jaco_core::state::FINGERS;
use jaco_core::state::JOINTS;
use jaco_core::{ACTION_DIMS, Action, ArmState, Frame, STEP_NS};
use jaco_dataset::{
    DatasetError, DatasetWriter, EpisodeNotes, EpisodeSummary, FeatureKind, Features, Pictures,
    Repair, Row, Value,
};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Action units in the label of a step (`label.stream`): the longest horizon trained.
pub const STREAM_UNITS: usize = 10;

/// Names of `observation.state`, in order: tool pose (position \[m\], unit quaternion), joints
/// \[rad\], gripper opening 1 open .. 0 closed.
pub const STATE_NAMES: [&str; 8 + JOINTS] =
    ["x", "y", "z", "qw", "qx", "qy", "qz", "j1", "j2", "j3", "j4", "j5", "j6", "opening"];

/// Names of `action` and `action.sent`, in order: displacement over the step in the base frame
/// \[m\] and \[rad\], gripper opening to head for.
pub const ACTION_NAMES: [&str; ACTION_DIMS] =
    ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];

/// Names of `observation.fingers`, in order: how far each is closed, 0 open .. 1 closed.
pub const FINGER_NAMES: [&str; FINGERS] = ["finger_1", "finger_2", "finger_3"];

/// Names of `observation.wrench`, in order: force \[N\] and torque \[N m\] at the tool point, base
/// frame.
pub const WRENCH_NAMES: [&str; 6] = ["fx", "fy", "fz", "tx", "ty", "tz"];

/// The note that says from where an episode's times count.
pub const TIME_ZERO: &str = "time_zero";

/// A camera of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionCamera {
    /// Its name, which names the feature `observation.images.<name>`.
    pub name: String,
    /// Width of its frames \[pixels\].
    pub width: u32,
    /// Height of its frames \[pixels\].
    pub height: u32,
}

impl SessionCamera {
    fn key(&self) -> String {
        format!("observation.images.{}", self.name)
    }
}

/// What a session records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The cameras, of which each step has a frame.
    pub cameras: Vec<SessionCamera>,
    /// Names of `observation.environment_state`; none = no such feature.
    pub label_names: Vec<String>,
    /// Whether every step carries `label.stream`: the [`STREAM_UNITS`] next actions.
    pub with_streams: bool,
    /// Whether every step carries [`Live`], and what goes with recording in real time: fingers,
    /// wrench, time of the step, flags, the policy's proposal. Such an episode is on the disk as it
    /// grows; otherwise, where it can be made again, in one piece when it is kept.
    pub live: bool,
    /// How pictures are stored.
    pub pictures: Pictures,
    /// Robot that the dataset is of.
    pub robot_type: String,
    /// Steps per second.
    pub fps: u32,
    /// A frame older than this when its step begins is recorded but counted as stale \[ns\].
    pub stale_after_ns: u64,
}

impl SessionConfig {
    /// A session of the Jaco2 with one camera at 10 Hz, without labels, not live; frames are stale
    /// after one and a half steps.
    pub fn new(camera: &str, width: u32, height: u32) -> Self {
        Self {
            cameras: vec![SessionCamera { name: camera.to_owned(), width, height }],
            label_names: Vec::new(),
            with_streams: false,
            live: false,
            pictures: Pictures::default(),
            robot_type: "kinova-j2n6s300".to_owned(),
            fps: 10,
            stale_after_ns: STEP_NS * 3 / 2,
        }
    }

    /// The features of the dataset, in column order.
    pub fn features(&self) -> Result<Features, SessionError> {
        let images = self.cameras.iter().map(|camera| {
            (camera.key(), FeatureKind::Image { height: camera.height, width: camera.width })
        });
        let mut features: Vec<(String, FeatureKind)> = images.collect();
        features.extend([
            ("observation.state".to_owned(), FeatureKind::float32(STATE_NAMES)),
            ("action".to_owned(), FeatureKind::float32(ACTION_NAMES)),
            ("action.sent".to_owned(), FeatureKind::float32(ACTION_NAMES)),
            ("label.valid".to_owned(), FeatureKind::Bool),
        ]);
        if !self.label_names.is_empty() {
            let names = FeatureKind::float32(&self.label_names);
            features.push(("observation.environment_state".to_owned(), names));
        }
        if self.with_streams {
            let units = 0..STREAM_UNITS;
            let names = units.flat_map(|unit| ACTION_NAMES.map(|name| format!("{name}_{unit}")));
            features.push(("label.stream".to_owned(), FeatureKind::float32(names)));
        }
        let time = FeatureKind::float64(self.time_names());
        features.push(("observation.capture_time".to_owned(), time));
        if self.live {
            let live = [
                ("observation.fingers", FeatureKind::float32(FINGER_NAMES)),
                ("observation.wrench", FeatureKind::float32(WRENCH_NAMES)),
                ("observation.step_time", FeatureKind::float64(["step_time"])),
                ("action.proposed", FeatureKind::float32(ACTION_NAMES)),
                ("flag.late", FeatureKind::Bool),
                ("flag.stale", FeatureKind::Bool),
                ("flag.correction", FeatureKind::Bool),
                ("flag.proposed", FeatureKind::Bool),
            ];
            features.extend(live.map(|(key, kind)| (key.to_owned(), kind)));
        }
        Ok(Features::new(features)?)
    }

    /// One name for each camera. Lockstep datasets have one camera, and are gone on with.
    fn time_names(&self) -> Vec<String> {
        match &self.cameras[..] {
            [_] if !self.live => vec!["capture_time".to_owned()],
            cameras => cameras.iter().map(|camera| camera.name.clone()).collect(),
        }
    }
}

/// One step of an episode.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// The step's number.
    pub step: u64,
    /// When the step began, monotonic \[ns\]: the age of the frames counts from here.
    pub step_ns: u64,
    /// A frame of each camera at the beginning of the step, in the session's order.
    pub frames: Vec<Frame>,
    /// The arm at the beginning of the step.
    pub state: ArmState,
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
    /// What goes with recording in real time, if the session is live.
    pub live: Option<Live>,
}

/// What only a step in real time has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Live {
    /// The step missed its time.
    pub late: bool,
    /// A camera had a fault, so that its frame is not to be trusted whatever its age.
    pub camera_fault: bool,
    /// A person corrected the policy in this step.
    pub correction: bool,
    /// What the policy proposed; none = what was asked.
    pub proposed: Option<Action>,
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
    #[error("the episode {task:?} is being recorded; keep or discard it first")]
    EpisodeOpen {
        /// Its task.
        task: String,
    },
}

/// Records episodes into one dataset.
pub struct RecordingSession {
    config: SessionConfig,
    writer: DatasetWriter,
    episode: Option<Recording>,
}

/// The episode being recorded, but for its rows.
#[derive(Default)]
struct Recording {
    task: String,
    /// When the first and the last step began \[ns\].
    span_ns: Option<(u64, u64)>,
    stale_steps: u64,
    oldest_frame_ns: u64,
    late_steps: u64,
    corrected_steps: u64,
}

impl RecordingSession {
    /// Opens the dataset in `root` or makes one in an empty folder. One that is there must have
    /// exactly this session's features, rate and robot, and is repaired.
    pub fn create_or_append(root: &Path, config: SessionConfig) -> Result<Self, SessionError> {
        let features = config.features()?;
        let mut writer = if root.join("meta/info.json").exists() {
            let (fps, robot_type) = (config.fps, &config.robot_type);
            let difference = DatasetWriter::difference(root, fps, robot_type, &features)?;
            if let Some(difference) = difference {
                return Err(SessionError::OtherDataset { root: root.to_owned(), difference });
            }
            DatasetWriter::open_append(root)?
        } else {
            DatasetWriter::create(root, config.fps, &config.robot_type, features)?
        };
        writer.set_pictures(config.pictures);
        if !config.live {
            writer.set_group_rows(usize::MAX);
        }
        Ok(Self { config, writer, episode: None })
    }

    /// What opening the dataset had to repair.
    pub fn repairs(&self) -> &[Repair] {
        self.writer.repairs()
    }

    /// Episodes kept in the dataset.
    pub fn total_episodes(&self) -> usize {
        self.writer.total_episodes()
    }

    /// Steps of the episode being recorded; `None` between episodes.
    pub fn recorded_steps(&self) -> Option<usize> {
        self.writer.running()
    }

    /// Begins an episode of the task with this text, with what can be said of it at the start.
    pub fn begin(&mut self, task: &str, notes: &EpisodeNotes) -> Result<(), SessionError> {
        if let Some(open) = &self.episode {
            return Err(SessionError::EpisodeOpen { task: open.task.clone() });
        }
        let mut notes = notes.clone();
        notes.insert(TIME_ZERO.to_owned(), "first step".into());
        self.writer.begin(task, &notes)?;
        self.episode = Some(Recording { task: task.to_owned(), ..Recording::default() });
        Ok(())
    }

    /// Takes a step. One with a fault is not recorded, the episode goes on. What happens when the
    /// disk fails is in [`DatasetWriter::push`].
    pub fn push(&mut self, step: StepRecord) -> Result<(), SessionError> {
        let episode = self.episode.as_mut().ok_or(SessionError::NoEpisode)?;
        let refused = |reason: String| SessionError::Step { step: step.step, reason };
        if let Some((_, last_ns)) = episode.span_ns
            && step.step_ns <= last_ns
        {
            let reason = format!("it began at {} ns, not after the last", step.step_ns);
            return Err(refused(reason));
        }
        let first_ns = episode.span_ns.map_or(step.step_ns, |(first, _)| first);
        let row = row(&self.config, &step, first_ns).map_err(refused)?;
        let before = self.writer.running();
        let pushed = self.writer.push(row);
        // A row whose group the disk could not take is taken all the same.
        if self.writer.running() != before {
            episode.count(&step, self.config.stale_after_ns);
        }
        Ok(pushed?)
    }

    /// Keeps the episode durably. The session adds to the notes: `stale_frames` (steps with a stale
    /// frame), `oldest_frame_ms`, for two steps or more `achieved_hz`, and if it is live
    /// `late_steps` and `corrected_steps`. After an error the episode is still there, to be kept
    /// again or discarded.
    pub fn keep(&mut self, mut notes: EpisodeNotes) -> Result<EpisodeSummary, SessionError> {
        let episode = self.episode.as_ref().ok_or(SessionError::NoEpisode)?;
        let mut note = |key: &str, value: Json| notes.insert(key.to_owned(), value);
        note("stale_frames", episode.stale_steps.into());
        note("oldest_frame_ms", (episode.oldest_frame_ns as f64 * 1e-6).into());
        if let Some((first_ns, last_ns)) = episode.span_ns.filter(|(first, last)| last > first) {
            let intervals = self.writer.running().unwrap_or(0).saturating_sub(1);
            let span_s = (last_ns - first_ns) as f64 * 1e-9;
            note("achieved_hz", (intervals as f64 / span_s).into());
        }
        if self.config.live {
            note("late_steps", episode.late_steps.into());
            note("corrected_steps", episode.corrected_steps.into());
        }
        let summary = self.writer.keep(&notes)?;
        self.episode = None;
        Ok(summary)
    }

    /// Does what keeping an episode leaves, when there is time ([`DatasetWriter::publish`]).
    pub fn publish(&mut self) -> Result<(), SessionError> {
        Ok(self.writer.publish()?)
    }

    /// Forgets the episode; the number of steps that were in it.
    pub fn discard(&mut self) -> Result<usize, SessionError> {
        if self.episode.is_none() {
            return Err(SessionError::NoEpisode);
        }
        let steps = self.writer.discard()?;
        self.episode = None;
        Ok(steps)
    }

    /// Sets the note `key` of the kept episode `index`; null takes it away.
    pub fn set_note(&mut self, index: usize, key: &str, value: Json) -> Result<(), SessionError> {
        Ok(self.writer.set_note(index, key, value)?)
    }
}

impl Recording {
    fn count(&mut self, step: &StepRecord, stale_after_ns: u64) {
        let first_ns = self.span_ns.map_or(step.step_ns, |(first, _)| first);
        self.span_ns = Some((first_ns, step.step_ns));
        self.oldest_frame_ns = self.oldest_frame_ns.max(oldest_ns(step));
        self.stale_steps += u64::from(is_stale(step, stale_after_ns));
        if let Some(live) = step.live {
            self.late_steps += u64::from(live.late);
            self.corrected_steps += u64::from(live.correction);
        }
    }
}

/// How old the oldest frame of a step was when it began \[ns\].
fn oldest_ns(step: &StepRecord) -> u64 {
    let ages = step.frames.iter().map(|frame| step.step_ns.saturating_sub(frame.captured_ns));
    ages.max().unwrap_or(0)
}

fn is_stale(step: &StepRecord, stale_after_ns: u64) -> bool {
    oldest_ns(step) > stale_after_ns || step.live.is_some_and(|live| live.camera_fault)
}

/// The row of a step, or what is wrong with the step.
fn row(config: &SessionConfig, step: &StepRecord, first_step_ns: u64) -> Result<Row, String> {
    let mut row = Row::new();
    if step.frames.len() != config.cameras.len() {
        let (found, expected) = (step.frames.len(), config.cameras.len());
        return Err(format!("{found} frames, the session has {expected} cameras"));
    }
    let since_first_s = |ns: u64| (i128::from(ns) - i128::from(first_step_ns)) as f64 / 1e9;
    let mut captured_s = Vec::new();
    for (camera, frame) in config.cameras.iter().zip(&step.frames) {
        let found = (&*frame.camera, frame.width, frame.height);
        if found != (camera.name.as_str(), camera.width, camera.height) {
            let (name, width, height) = found;
            return Err(format!(
                "the frame is of camera {name:?} with {width}x{height} pixels, the session records \
                 {:?} with {}x{}",
                camera.name, camera.width, camera.height
            ));
        }
        let picture = Value::Picture { rgb: Arc::clone(&frame.rgb), jpeg: frame.jpeg.clone() };
        row.set(camera.key(), picture);
        captured_s.push(since_first_s(frame.captured_ns));
    }
    let state = &step.state;
    let q = state.pose.orientation.quaternion();
    let mut numbers: Vec<f64> = state.pose.position_m.iter().copied().collect();
    numbers.extend([q.w, q.i, q.j, q.k]);
    numbers.extend(state.joints_rad);
    numbers.push(state.opening());
    row.set("observation.state", single(&numbers));
    row.set("action", single(&step.asked.to_array()));
    row.set("action.sent", single(&step.sent.to_array()));
    row.set("label.valid", Value::Bool(step.valid));
    row.set("observation.capture_time", Value::F64(captured_s));
    match (&step.live, config.live) {
        (None, false) => {}
        (Some(live), true) => {
            let wrench = state.wrench.force_n.iter().chain(&state.wrench.torque_nm);
            let stale = is_stale(step, config.stale_after_ns);
            row.set("observation.fingers", single(&state.closure));
            row.set("observation.wrench", single(&wrench.copied().collect::<Vec<_>>()));
            row.set("observation.step_time", Value::F64(vec![since_first_s(step.step_ns)]));
            row.set("action.proposed", single(&live.proposed.unwrap_or(step.asked).to_array()));
            row.set("flag.late", Value::Bool(live.late));
            row.set("flag.stale", Value::Bool(stale));
            row.set("flag.correction", Value::Bool(live.correction));
            row.set("flag.proposed", Value::Bool(live.proposed.is_some()));
        }
        (_, true) => return Err("it says nothing of real time, and the session is live".to_owned()),
        (_, false) => return Err("it is of real time, and the session is not live".to_owned()),
    }
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

fn single(numbers: &[f64]) -> Value {
    Value::F32(numbers.iter().map(|&v| v as f32).collect())
}
