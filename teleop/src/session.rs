//! The recording session: steps in, rows of a LeRobotDataset out.
//!
//! It fixes the keys and sizes that training relies on ([`SessionConfig::features`]), refuses a
//! step that is not whole, and counts what a later reader of the dataset must know: stale frames
//! and the rate that was really achieved (`timestamp` in the format is `frame_index / fps`
//! whatever the clock said; the true time is in `observation.capture_time`).
//!
//! It must never write dataset files itself, read a clock or wait: it belongs to whoever calls.

use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{ACTION_DIMS, Action, ArmState, Frame, STEP_NS};
use jaco_dataset::{
    DatasetError, DatasetWriter, EpisodeNotes, EpisodeSummary, FeatureKind, Features, Pictures,
    Repair, Row, Value,
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

/// Names of `observation.fingers`: how far each is closed, 0 open .. 1 closed.
pub const FINGER_NAMES: [&str; FINGERS] = ["finger1", "finger2", "finger3"];

/// Names of `observation.wrench`: force \[N\] and torque \[N m\] at the tool, base frame.
pub const WRENCH_NAMES: [&str; 6] = ["fx", "fy", "fz", "tx", "ty", "tz"];

/// A camera of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Its name, which names the feature `observation.images.<camera>`.
    pub camera: String,
    /// Width of its frames \[pixels\].
    pub width: u32,
    /// Height of its frames \[pixels\].
    pub height: u32,
}

/// What a session records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// The cameras, in the order of each step's frames.
    pub views: Vec<View>,
    /// Names of `observation.environment_state`; none = no such feature.
    pub label_names: Vec<String>,
    /// Whether every step carries `label.stream`: the [`STREAM_UNITS`] next actions.
    pub with_streams: bool,
    /// Whether every step carries a [`LiveStep`]: what only an arm in real time has.
    pub live: bool,
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
            views: vec![View { camera: camera.to_owned(), width, height }],
            label_names: Vec::new(),
            with_streams: false,
            live: false,
            robot_type: "kinova-j2n6s300".to_owned(),
            fps: 10,
            stale_after_ns: STEP_NS * 3 / 2,
        }
    }

    /// A session at an arm in real time, with these cameras.
    pub fn live(views: Vec<View>) -> Self {
        Self { views, live: true, ..Self::new("", 0, 0) }
    }

    /// The features of the dataset, in column order.
    pub fn features(&self) -> Result<Features, SessionError> {
        let images = self.views.iter().map(|view| {
            (image_key(&view.camera), FeatureKind::Image { height: view.height, width: view.width })
        });
        let mut features: Vec<_> = images.collect();
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
        let cameras = self.views.iter().map(|view| view.camera.clone());
        features.push(("observation.capture_time".to_owned(), FeatureKind::float64(cameras)));
        if self.live {
            let live = [
                ("observation.step_time", FeatureKind::float64(["step_time"])),
                ("observation.fingers", FeatureKind::float32(FINGER_NAMES)),
                ("observation.wrench", FeatureKind::float32(WRENCH_NAMES)),
                ("action.proposed", FeatureKind::float32(ACTION_NAMES)),
                ("flag.late", FeatureKind::Bool),
                ("flag.stale", FeatureKind::Bool),
                ("flag.correction", FeatureKind::Bool),
            ];
            features.extend(live.map(|(key, kind)| (key.to_owned(), kind)));
        }
        Ok(Features::new(features)?)
    }
}

fn image_key(camera: &str) -> String {
    format!("observation.images.{camera}")
}

/// One step of an episode.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// The step.
    pub step: u64,
    /// The arm at the beginning of the step.
    pub state: ArmState,
    /// The newest frame of each camera then, in the session's order.
    pub frames: Vec<Frame>,
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
    /// What only an arm in real time has, if the session is live.
    pub live: Option<LiveStep>,
}

/// What a step has at an arm in real time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LiveStep {
    /// Whether the step missed its time.
    pub late: bool,
    /// Whether a picture was too old, or its camera had a fault.
    pub stale: bool,
    /// Whether a person drove in a policy's run.
    pub correction: bool,
    /// What the policy would have done; none = what was asked.
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
    #[error("the episode {task:?} is being recorded; save or discard it first")]
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
    achieved_hz: Option<f64>,
}

/// The episode being recorded.
#[derive(Default)]
struct Recording {
    task: String,
    steps: usize,
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
        Ok(Self { config, writer, episode: None, achieved_hz: None })
    }

    /// What opening the dataset had to repair.
    pub fn repairs(&self) -> &[Repair] {
        self.writer.repairs()
    }

    /// Episodes saved in the dataset.
    pub fn total_episodes(&self) -> usize {
        self.writer.total_episodes()
    }

    /// How pictures are stored from now on.
    pub fn set_pictures(&mut self, pictures: Pictures) {
        self.writer.set_pictures(pictures);
    }

    /// Steps of the episode being recorded; `None` between episodes.
    pub fn recorded_steps(&self) -> Option<usize> {
        self.episode.as_ref().map(|episode| episode.steps)
    }

    /// Rate at which the episode kept last was recorded \[Hz\]; none for less than two steps.
    pub fn achieved_hz(&self) -> Option<f64> {
        self.achieved_hz
    }

    /// Begins an episode of the task with this text, on the disk at once; `notes` are what is known
    /// of it so far.
    pub fn begin(&mut self, task: &str, notes: &EpisodeNotes) -> Result<(), SessionError> {
        if let Some(open) = &self.episode {
            return Err(SessionError::EpisodeOpen { task: open.task.clone() });
        }
        self.writer.begin(task, notes)?;
        self.episode = Some(Recording { task: task.to_owned(), ..Recording::default() });
        Ok(())
    }

    /// Takes a step. One with a fault is not recorded, the episode goes on.
    pub fn push(&mut self, step: StepRecord) -> Result<(), SessionError> {
        let episode = self.episode.as_mut().ok_or(SessionError::NoEpisode)?;
        let refused = |reason: String| SessionError::Step { step: step.step, reason };
        if episode.steps > 0 && step.step_ns <= episode.last_step_ns {
            let reason = format!("it began at {} ns, not after the last", step.step_ns);
            return Err(refused(reason));
        }
        let first_ns = if episode.steps == 0 { step.step_ns } else { episode.first_step_ns };
        let row = row(&self.config, &step, first_ns).map_err(refused)?;
        self.writer.push(row)?;
        (episode.first_step_ns, episode.last_step_ns) = (first_ns, step.step_ns);
        episode.steps += 1;
        let ages = step.frames.iter().map(|f| step.step_ns.saturating_sub(f.captured_ns));
        let age_ns = ages.max().unwrap_or(0);
        episode.oldest_frame_ns = episode.oldest_frame_ns.max(age_ns);
        episode.stale_frames += u64::from(age_ns > self.config.stale_after_ns);
        Ok(())
    }

    /// Keeps the episode: it is durable when this returns. The session adds to the notes:
    /// `stale_frames`, `oldest_frame_ms` and, for two steps or more, `achieved_hz`. After an error the
    /// episode is still there, to be kept again or discarded.
    pub fn keep(&mut self, mut notes: EpisodeNotes) -> Result<EpisodeSummary, SessionError> {
        let episode = self.episode.as_ref().ok_or(SessionError::NoEpisode)?;
        notes.insert("stale_frames".to_owned(), episode.stale_frames.into());
        notes.insert("oldest_frame_ms".to_owned(), (episode.oldest_frame_ns as f64 * 1e-6).into());
        let span_ns = episode.last_step_ns - episode.first_step_ns;
        let intervals = episode.steps.saturating_sub(1) as f64;
        let achieved_hz = (span_ns > 0).then(|| intervals * 1e9 / span_ns as f64);
        if let Some(hz) = achieved_hz {
            notes.insert("achieved_hz".to_owned(), hz.into());
        }
        let summary = self.writer.keep(&notes)?;
        (self.episode, self.achieved_hz) = (None, achieved_hz);
        Ok(summary)
    }

    /// Writes what keeping has left for later.
    pub fn publish(&mut self) -> Result<(), SessionError> {
        Ok(self.writer.publish()?)
    }

    /// Notes of a kept episode whether the task was done.
    pub fn label(&mut self, episode: usize, success: bool) -> Result<(), SessionError> {
        Ok(self.writer.set_note(episode, "success", success.into())?)
    }

    /// Forgets the episode; the number of steps that were in it.
    pub fn discard(&mut self) -> Result<usize, SessionError> {
        self.episode.take().ok_or(SessionError::NoEpisode)?;
        Ok(self.writer.discard()?)
    }
}

/// The row of a step, or what is wrong with the step.
fn row(config: &SessionConfig, step: &StepRecord, first_ns: u64) -> Result<Row, String> {
    let StepRecord { state, frames, .. } = step;
    if frames.len() != config.views.len() {
        let (found, expected) = (frames.len(), config.views.len());
        return Err(format!("{found} frames, the session records {expected} cameras"));
    }
    for (frame, view) in frames.iter().zip(&config.views) {
        let found = (&*frame.camera, frame.width, frame.height);
        if found != (view.camera.as_str(), view.width, view.height) {
            let (camera, width, height) = found;
            return Err(format!(
                "the frame is of camera {camera:?} with {width}x{height} pixels, the session \
                 records {:?} with {}x{}",
                view.camera, view.width, view.height
            ));
        }
    }
    let q = state.pose.orientation.quaternion();
    let mut numbers: Vec<f64> = state.pose.position_m.iter().copied().collect();
    numbers.extend([q.w, q.i, q.j, q.k]);
    numbers.extend(state.joints_rad);
    numbers.push(state.opening());
    let single = |numbers: &[f64]| Value::F32(numbers.iter().map(|&v| v as f32).collect());
    // Relative to the episode: readers that turn seconds into float32 lose nothing that matters.
    let seconds = |at_ns: u64| (i128::from(at_ns) - i128::from(first_ns)) as f64 / 1e9;
    let captured = frames.iter().map(|frame| seconds(frame.captured_ns)).collect();
    let mut row = Row::new()
        .with("observation.state", single(&numbers))
        .with("action", single(&step.asked.to_array()))
        .with("action.sent", single(&step.sent.to_array()))
        .with("label.valid", Value::Bool(step.valid))
        .with("observation.capture_time", Value::F64(captured));
    for frame in frames {
        let (rgb, jpeg) = (Arc::clone(&frame.rgb), frame.jpeg.clone());
        row.set(image_key(&frame.camera), Value::Picture { rgb, jpeg });
    }
    match (&step.live, config.live) {
        (None, false) => {}
        (Some(live), true) => {
            let wrench = state.wrench.force_n.iter().chain(&state.wrench.torque_nm);
            let proposed = live.proposed.unwrap_or(step.asked);
            row.set("observation.step_time", Value::F64(vec![seconds(step.step_ns)]));
            row.set("observation.fingers", single(&state.closure));
            row.set("observation.wrench", single(&wrench.copied().collect::<Vec<f64>>()));
            row.set("action.proposed", single(&proposed.to_array()));
            row.set("flag.late", Value::Bool(live.late));
            row.set("flag.stale", Value::Bool(live.stale));
            row.set("flag.correction", Value::Bool(live.correction));
        }
        (live, expected) => {
            let with = |is: bool| if is { "with" } else { "without" };
            return Err(format!(
                "a step {} what a live arm has, in a session {}",
                with(live.is_some()),
                with(expected)
            ));
        }
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
