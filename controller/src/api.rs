//! The words of the daemon's HTTP API, shared by `jacod` and `jaco`: one JSON object each way,
//! and for a run one JSON object a line while it lasts.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`Status`] |
//! | `POST /v1/home`, `/v1/stop`, `/v1/reset`, `/v1/hold` | [`Done`] |
//! | `POST /v1/run` with [`RunRequest`] | a [`RunEvent`] a line, until the run ends |
//! | `POST /v1/run/finish` with [`Verdict`] | [`Done`] |
//!
//! A refusal is answered with status 409 and [`Refused`].

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the daemon is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// No servo process answers yet, or it was lost and is being started again.
    NoArm,
    /// The arm answers but was not homed since its power-up.
    NeedsHome,
    /// The arm holds.
    Idle,
    /// The arm moves to its home pose.
    Homing,
    /// A policy drives.
    Running,
    /// An operator's stop is latched.
    Stopped,
}

/// Answer to `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// What it is doing.
    pub mode: Mode,
    /// Why it cannot do more, in words; empty when all is well.
    pub faults: Vec<String>,
    /// Tool point position, base frame \[m\].
    pub position_m: Option<[f64; 3]>,
    /// Kinova Euler angles of the tool \[rad\].
    pub theta_rad: Option<[f64; 3]>,
    /// Joint angles \[deg\].
    pub joints_deg: Option<[f64; 6]>,
    /// Gripper opening, 1 open .. 0 closed.
    pub opening: Option<f64>,
    /// Age of the newest arm state \[ms\].
    pub state_age_ms: Option<f64>,
    /// Ticks of the servo so far, 100 a second.
    pub ticks: u64,
    /// Ticks that began more than half a period late.
    pub late_ticks: u64,
    /// Times that the servo process was started again.
    pub servo_restarts: u64,
    /// The cameras.
    pub cameras: Vec<CameraStatus>,
    /// The policy, if one is loaded.
    pub policy: Option<PolicyStatus>,
    /// Socket of the simulation, if the arm is simulated.
    pub sim_socket: Option<PathBuf>,
}

/// One camera in [`Status`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CameraStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Age of its newest frame \[ms\]; none before the first.
    pub frame_age_ms: Option<f64>,
    /// Frames received so far.
    pub frames: u64,
    /// What is wrong with it; empty when it works.
    pub fault: String,
}

/// The policy in [`Status`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Its checkpoint folder.
    pub checkpoint: PathBuf,
    /// Folder of the adapter that acts on it.
    pub adapter: Option<PathBuf>,
    /// Dataset whose statistics decode the actions.
    pub statistics: String,
    /// What is done to pictures first, as in the configuration.
    pub view: String,
    /// Where it runs: "cpu" or "cuda:N".
    pub device: String,
    /// Element type that it computes in: "f32", "bf16" or "f16".
    pub dtype: String,
    /// How its streams are decoded, in words.
    pub decode: String,
    /// Longest stream that it was trained for, in units.
    pub horizon: usize,
}

/// What a run is asked to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The instruction.
    pub instruction: String,
    /// Units per inference; none = as configured.
    pub horizon: Option<usize>,
    /// "sync" or "async"; none = as configured.
    pub execution: Option<Execution>,
    /// Give up after this many steps; none = as configured.
    pub max_steps: Option<u64>,
    /// Simulated task and seed, noted in the report.
    pub placement: Option<Placement>,
    /// Append to this run's report instead of beginning a new one.
    pub run_id: Option<String>,
}

/// How units are executed while the policy thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Execution {
    /// Execute all units, then look again.
    Sync,
    /// Think while executing.
    Async,
}

/// A simulated placement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Name of the task.
    pub task: String,
    /// Seed of the placement.
    pub seed: u64,
}

/// A line of a run's answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// The run began.
    Started {
        /// Its id, the name of its folder below runs/.
        run_id: String,
    },
    /// A step began.
    Progress(Progress),
    /// The run ended and its report is on disk.
    Ended {
        /// How it ended.
        verdict: Verdict,
        /// Its folder.
        folder: PathBuf,
        /// A summary for people, one line.
        summary: String,
    },
}

/// One line of live progress.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Steps begun.
    pub step: u64,
    /// Units queued in the servo.
    pub queued: u64,
    /// Steps that began with nothing to do.
    pub starved_steps: u64,
    /// Last inference \[ms\].
    pub inference_ms: f64,
    /// Age of the frame that the running unit came from \[ms\].
    pub frame_age_ms: f64,
    /// Path length of the tool point so far \[m\].
    pub moved_m: f64,
}

/// How a run ended, by the operator's word or the simulation's task test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// None = nobody judged.
    pub success: Option<bool>,
    /// Why, in words.
    pub detail: String,
}

/// Answer to a request that was carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    /// What was done, in words.
    pub done: String,
}

/// Answer to a request that was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Why, and what to do.
    pub refused: String,
}
