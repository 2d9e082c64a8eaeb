//! The words of teleoperation and of recording with it: a session at the arm.

use jaco_core::Word;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who steers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steering {
    /// A person with the pad that is plugged into the daemon's PC.
    #[default]
    Pad,
    /// The client, by `POST /v1/session/steer`: only for the simulated arm, since a client has no
    /// dead-man.
    Client,
}

/// Body of `POST /v1/session`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// Who steers.
    pub steering: Steering,
    /// What is recorded; none = nothing.
    pub record: Option<Recording>,
}

/// What a session records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The instruction that the episodes demonstrate.
    pub task: String,
    /// Name of the dataset below the daemon's datasets/; made, or gone on with.
    pub dataset: String,
    /// Episodes to keep; then the session ends.
    pub episodes: u32,
    /// Longest episode \[s\]; none = as configured.
    pub max_s: Option<f64>,
    /// Pause after an episode \[s\]; none = as configured.
    pub reset_s: Option<f64>,
    /// Recorded in the notes of each episode, beside those that the daemon makes.
    #[serde(default)]
    pub notes: serde_json::Map<String, serde_json::Value>,
}

/// How an episode went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// The task was done.
    Success,
    /// It was not.
    Failure,
}

impl Word for Label {
    const ALL: &'static [Self] = &[Label::Success, Label::Failure];

    fn name(self) -> &'static str {
        match self {
            Label::Success => "success",
            Label::Failure => "failure",
        }
    }
}

/// Body of `POST /v1/session/order`: what a person wants of the session under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Begins an episode.
    Start,
    /// Ends the episode and keeps it.
    Keep {
        /// How it went; none = nobody says.
        label: Option<Label>,
    },
    /// Ends the episode and forgets it.
    Discard,
    /// Forgets the episode and begins it again after the pause.
    ReRecord,
    /// Labels the episode that runs, or else the one kept last.
    Label {
        /// How it went.
        label: Label,
    },
    /// Ends the session. An episode under way is kept, as one that was broken off.
    End,
}

/// Body of `POST /v1/session/steer`: a velocity that holds for 0.2 s at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steer {
    /// Of the tool point, base frame \[m/s\].
    pub linear_m_s: [f64; 3],
    /// Of the tool, base frame \[rad/s\].
    pub angular_rad_s: [f64; 3],
    /// Opening to head for: 1 open, 0 closed.
    pub gripper: f64,
}

/// Where a recording session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing is recorded in this session.
    Teleoperation,
    /// The next episode can begin.
    Ready,
    /// An episode is being recorded.
    Recording,
    /// The episode reached its longest time: keep or discard it.
    Deciding,
    /// The kept or discarded episode is followed by a pause for the table.
    Resetting,
}

/// A line of the answer to `POST /v1/session`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum SessionEvent {
    /// The arm can be steered.
    Began {
        /// The dataset; none where nothing is recorded.
        dataset: Option<PathBuf>,
        /// Episodes that it held before.
        episodes: usize,
        /// What had to be put right in it first.
        repairs: Vec<String>,
        /// The first `number` that no episode of this `series` has in its notes, where the request's
        /// notes name a series.
        next_number: u64,
    },
    /// How it goes, at most ten times a second.
    Progress(SessionProgress),
    /// A step begins, which is the moment to steer it.
    Step {
        /// Steps since the session began.
        step: u64,
    },
    /// Something that a person should know, in words.
    Told {
        /// What.
        what: String,
    },
    /// The arm moves, or why it does not.
    Still {
        /// Why nothing moves, and what to do; none when the arm follows.
        why: Option<String>,
    },
    /// An episode begins.
    Recording {
        /// Its number in the dataset.
        episode: usize,
    },
    /// An episode is durable.
    Kept(KeptEpisode),
    /// An episode was forgotten.
    Discarded {
        /// The steps that it had.
        steps: u64,
    },
    /// The session is over: the arm holds, and all that was kept is on the disk.
    Ended {
        /// Why.
        why: String,
        /// Whether it did what it was asked to.
        complete: bool,
        /// Episodes kept in this session.
        kept: u32,
        /// Episodes discarded in it.
        discarded: u32,
    },
}

/// An episode on the disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptEpisode {
    /// Its number in the dataset.
    pub episode: usize,
    /// Its steps.
    pub steps: u64,
    /// How it went.
    pub label: Option<Label>,
    /// Rate that was really achieved \[Hz\].
    pub achieved_hz: f64,
    /// Steps that missed their time.
    pub late_steps: u64,
    /// Steps whose picture was too old.
    pub stale_steps: u64,
    /// Steps that are missing, since the disk was too slow.
    pub lost_steps: u64,
    /// How long it took until it was durable \[ms\].
    pub keep_ms: f64,
    /// Why it is a doubtful demonstration; empty when it is none.
    pub doubts: Vec<String>,
}

/// How a session goes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionProgress {
    /// Where it is.
    pub phase: Phase,
    /// Episodes kept in this session.
    pub kept: u32,
    /// Episodes wanted; 0 where nothing is recorded.
    pub wanted: u32,
    /// Steps of the episode.
    pub steps: u64,
    /// Rate achieved in the episode \[Hz\].
    pub achieved_hz: f64,
    /// Steps of the episode that are late, stale or lost.
    pub flagged: u64,
    /// Pictures that cameras dropped as damaged since the session began.
    pub dropped_frames: u64,
    /// Time left of the phase \[s\]; none without a limit.
    pub left_s: Option<f64>,
    /// Room on the dataset's disk \[GiB\]; none where nothing is recorded.
    pub disk_left_gib: Option<f64>,
    /// Recording time that this room is for \[min\]; none before there is an estimate.
    pub room_min: Option<f64>,
    /// Whether the dead-man is held and the arm follows.
    pub engaged: bool,
    /// The speed mode, in a word.
    pub speed: SpeedMode,
}

/// How fast full deflection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpeedMode {
    /// For the last centimetres.
    Slow,
    /// For most.
    #[default]
    Normal,
    /// For the way.
    Fast,
}
