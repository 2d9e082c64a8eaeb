//! The words of the daemon's HTTP API, shared by `jacod` and all that talk to it: one JSON object
//! each way, or one a line while something lasts. [`client`] speaks it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/status` | [`Status`] |
//! | `GET /v1/events` | an [`Event`] a line, from now on, for as long as one listens |
//! | `GET /v1/cameras/NAME/picture` | its newest picture: `image/jpeg` as the camera gave it, else `image/png`; [`picture`] has the headers |
//! | `POST /v1/home`, `/v1/reset`, `/v1/hold`, `/v1/release`, `/v1/take` | [`Done`], when it is done |
//! | `POST /v1/stop` | a [`StopEvent`] a line: at once, then when the arm stands or does not |
//! | `POST /v1/log/save` | [`Saved`], when the flight record is on the disk |
//! | `POST /v1/run` with [`RunRequest`] | a [`RunEvent`] a line, until the run ends |
//! | `POST /v1/replay` with [`ReplayRequest`] | a [`ReplayEvent`] a line, until it ends |
//! | `POST /v1/session` with [`SessionRequest`] | a [`SessionEvent`] a line, until it ends |
//! | `POST /v1/session/order` with [`Order`], `/v1/session/steer` with [`Steer`] | [`Done`] |
//! | `POST /v1/run/finish` with [`Verdict`] | [`Done`] |
//!
//! What is refused and changed nothing is answered with [`Refused`] and status 409, or 400, 404 or
//! 413 where the request cannot be understood; what was begun and failed with 500 and [`Failed`].

pub mod check;
pub mod client;
pub mod picture;
mod replay;
mod session;

pub use jaco_core::Pose;
pub use jaco_shell::say;
pub use replay::{ReplayEvent, ReplayRequest};
pub use session::{
    KeptEpisode, Label, Order, Phase, Recording, SessionEvent, SessionProgress, SessionRequest,
    SpeedMode, Steer, Steering,
};

use jaco_core::{DecodeOptions, Execution, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Where `jacod` listens if nothing else is said.
pub const DEFAULT_SOCKET: &str = "/run/jacod/jacod.sock";

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
    /// A policy, a person or a replay drives: see the activity.
    Running,
    /// The arm is left to the joystick, or another program took it, until `take`.
    HandedOver,
    /// A stop is latched.
    Stopped,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::NoArm => "no-arm",
            Mode::NeedsHome => "needs-home",
            Mode::Idle => "idle",
            Mode::Homing => "homing",
            Mode::Running => "running",
            Mode::HandedOver => "handed-over",
            Mode::Stopped => "stopped",
        })
    }
}

/// Who may move the arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Nobody: the arm holds.
    #[default]
    Nobody,
    /// The way to the home pose.
    Homing,
    /// A policy.
    Run,
    /// A person with a pad.
    Teleoperation,
    /// A recording that is played back.
    Replay,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Activity::Nobody => "nobody",
            Activity::Homing => "homing",
            Activity::Run => "a run",
            Activity::Teleoperation => "teleoperation",
            Activity::Replay => "a replay",
        })
    }
}

/// Answer to `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// What it is doing.
    pub mode: Mode,
    /// Who may move the arm.
    pub activity: Activity,
    /// Why a stop is latched; none when none is.
    pub stop: Option<String>,
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
    /// Whether the readings of the last 200 ms show an arm at rest.
    pub at_rest: Option<bool>,
    /// Whether a person holds the joystick; none while it cannot be read.
    pub joystick_held: Option<bool>,
    /// Age of the newest arm state \[ms\].
    pub state_age_ms: Option<f64>,
    /// Ticks of the servo so far, 100 a second.
    pub ticks: u64,
    /// Ticks that began more than 1 ms late.
    pub late_ticks: u64,
    /// Velocity points that the SDK took.
    pub points_sent: u64,
    /// Times that the servo process was started again.
    pub servo_restarts: u64,
    /// The cameras.
    pub cameras: Vec<CameraStatus>,
    /// The gamepad.
    pub pad: PadStatus,
    /// The policy, if one is loaded.
    pub policy: Option<PolicyStatus>,
    /// Socket of the simulation, if the arm is simulated.
    pub sim_socket: Option<PathBuf>,
    /// Where the flight recorder writes.
    pub flight_folder: PathBuf,
    /// The newest flight record; none if there is none.
    pub flight_record: Option<PathBuf>,
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
    /// Pictures dropped because they were damaged.
    pub dropped: u64,
    /// What is wrong with it; empty when it works.
    pub fault: String,
    /// Of which kind that is: gone, unusable, stalled, torn, frozen, dark, late or failed.
    #[serde(default)]
    pub kind: Option<String>,
    /// For how long its pictures have not been to be trusted \[ms\].
    #[serde(default)]
    pub fault_age_ms: Option<f64>,
    /// Pictures a second, by their stamps.
    #[serde(default)]
    pub rate_hz: Option<f64>,
    /// Mean deviation of the time between two pictures \[ms\].
    #[serde(default)]
    pub jitter_ms: Option<f64>,
    /// Mean brightness of its newest picture, 0 to 255.
    #[serde(default)]
    pub brightness: Option<f64>,
}

/// The gamepad in [`Status`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PadStatus {
    /// All that are plugged in, by name.
    pub pads: Vec<String>,
    /// The one that steers; none if there is none that can.
    pub chosen: Option<String>,
    /// Why there is none, or what is wrong with it; empty when it works.
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
    /// The same for programs; not said by older daemons.
    #[serde(default)]
    pub decoding: Option<DecodeOptions>,
    /// Longest stream that it was trained for, in units.
    pub horizon: usize,
}

/// What happened, a line of `GET /v1/events`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// Somebody else may move the arm now.
    Activity {
        /// Who.
        now: Activity,
        /// What it is for, or why the one before ended.
        why: String,
    },
    /// A stop was latched or released.
    Stop {
        /// Whether one is latched now.
        latched: bool,
        /// Why.
        why: String,
    },
    /// A part has a fault, another fault, or none any more.
    Fault {
        /// The part: "servo", "policy", "camera front" ...
        part: String,
        /// What is wrong; none = nothing any more.
        fault: Option<String>,
    },
    /// A run goes on.
    Run {
        /// What it says.
        run: RunEvent,
    },
    /// A session goes on.
    Session {
        /// What it says.
        session: SessionEvent,
    },
    /// What the flight recorder remembers of the last 30 s was written.
    Recorded {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// The reader was too slow: so many events are missing here.
    Missed {
        /// How many.
        count: u64,
    },
}

/// A line of the answer to `POST /v1/stop`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum StopEvent {
    /// The stop is latched, nobody may move the arm, and the arm's process is being told.
    Sent,
    /// Readings of the arm made after the stop show it at rest.
    Stands {
        /// Why a restart of the daemon would forget the stop, if it would.
        unsaved: Option<String>,
    },
    /// No reading shows it.
    Unconfirmed {
        /// What is known.
        known: String,
        /// What the daemon does about it, and what a person can do.
        doing: String,
    },
}

/// What a run is asked to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The instruction.
    pub instruction: String,
    /// Units per inference; none = as configured.
    pub horizon: Option<usize>,
    /// How units are executed while the policy thinks; none = as configured.
    pub execution: Option<Execution>,
    /// Give up after this many steps; none = as configured.
    pub max_steps: Option<u64>,
    /// Simulated task and seed, noted in the report.
    pub placement: Option<Placement>,
    /// Append to this run's report instead of beginning a new one.
    pub run_id: Option<String>,
    /// Name of a dataset below the daemon's datasets/ that the run becomes an episode of.
    pub record: Option<String>,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// The run began.
    Started {
        /// Its id, the name of its folder below runs/.
        run_id: String,
    },
    /// A step began.
    Progress(Progress),
    /// A person takes over, or gives the arm back to the policy.
    ChangesHands {
        /// Whether a person drives now.
        by_person: bool,
    },
    /// The run is an episode of a dataset, or could not be made one.
    Recorded {
        /// What became of it, in words.
        what: String,
        /// Whether it is kept.
        kept: bool,
    },
    /// The arm holds again; the report is being written.
    Held {
        /// How the run ended.
        verdict: Verdict,
    },
    /// The run has ended and its report is written, or could not be.
    Ended {
        /// How it ended.
        verdict: Verdict,
        /// Its folder.
        folder: PathBuf,
        /// A summary for people, one line.
        summary: String,
        /// Why the report is not on disk; none when it is.
        unsaved: Option<String>,
    },
}

/// One line of live progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// Answer to a request that was carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Done {
    /// What was done, in words.
    pub done: String,
}

/// Answer to `POST /v1/log/save`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// The flight record, on the daemon's disk.
    pub file: PathBuf,
}

/// Answer to a request that was refused: nothing has changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// Why, and what to do.
    pub refused: String,
}

/// Answer to a request that was begun and did not come to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failed {
    /// What happened, and what to do.
    pub failed: String,
}
