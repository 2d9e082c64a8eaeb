//! The resolved configuration: every key has a value, the values fit together, and names carry
//! units. Serialised to TOML it is a file that [`Config::parse`] reads back to the same value.

use crate::camera::Camera;
use crate::record::Record;
use crate::teleop::Teleop;
use jaco_core::given::as_given;
use jaco_core::{
    AngularFrame, Decode, Device, Dtype, Ethernet, Execution, Level, Limits, LogFormat, Transport,
    View,
};
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// The configuration of one daemon.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Config {
    /// Where data lies.
    pub paths: Paths,
    /// The local API.
    pub api: Api,
    /// The arm.
    pub arm: Arm,
    /// The cameras; at least one, names unique.
    #[serde(rename = "camera")]
    pub cameras: Vec<Camera>,
    /// The policy.
    pub policy: Policy,
    /// The simulator, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sim: Option<Sim>,
    /// Autonomous runs.
    pub run: Run,
    /// Steering by hand.
    pub teleop: Teleop,
    /// Recording.
    pub record: Record,
    /// The log.
    pub log: Log,
}

impl Config {
    /// The camera of this name.
    pub fn camera(&self, name: &str) -> Option<&Camera> {
        self.cameras.iter().find(|camera| camera.name == name)
    }
}

/// Where data lies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paths {
    /// Root of all that jacod writes.
    #[serde(serialize_with = "given")]
    pub data_dir: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self { data_dir: "/var/lib/jacod".into() }
    }
}

impl Paths {
    /// Recorded datasets, one folder each.
    pub fn datasets(&self) -> PathBuf {
        self.data_dir.join("datasets")
    }

    /// Checkpoints of policies, one folder each.
    pub fn checkpoints(&self) -> PathBuf {
        self.data_dir.join("checkpoints")
    }

    /// Records of runs, one folder each.
    pub fn runs(&self) -> PathBuf {
        self.data_dir.join("runs")
    }
}

/// The local API.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Api {
    /// Unix socket that is listened on; at most 107 bytes, the kernel's limit.
    #[serde(serialize_with = "given")]
    pub socket: PathBuf,
}

impl Default for Api {
    fn default() -> Self {
        Self { socket: "/run/jacod/jacod.sock".into() }
    }
}

/// The arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arm {
    /// The SDK's command-layer library, or the simulator's stand-in for it.
    #[serde(serialize_with = "given")]
    pub sdk: PathBuf,
    /// How the arm is connected.
    pub transport: Transport,
    /// The arm's serial number, or its beginning; None takes the only arm there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The frame in which the firmware reads angular velocity.
    pub angular_frame: AngularFrame,
    /// Fingers of its hand: 2 or 3.
    pub fingers: u8,
    /// Addresses of an arm on a network; only with that transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethernet: Option<Ethernet>,
    /// Whether the arm is homed when the daemon starts and finds it not homed.
    pub home_on_start: bool,
    /// What the servo never lets the arm exceed.
    pub limits: Limits,
}

/// The policy and how it is executed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Policy {
    /// Folder of the checkpoint.
    #[serde(serialize_with = "given")]
    pub checkpoint: PathBuf,
    /// Dataset whose statistics decode the actions; None takes the only one there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statistics: Option<String>,
    /// Folder of a PEFT adapter that acts on the checkpoint.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "given_if_any")]
    pub adapter: Option<PathBuf>,
    /// Whether the adapter is added into the weights instead of acting beside them.
    pub merge_adapter: bool,
    /// Where it runs.
    pub device: Device,
    /// Element type that it computes in.
    pub dtype: Dtype,
    /// Threads of one operator on the CPU.
    pub threads: usize,
    /// Name of the camera it sees through; always one of [`Config::cameras`].
    pub camera: String,
    /// What is done to the camera's pictures first.
    pub view: View,
    /// Action units decoded from one picture, the forced ones included.
    pub horizon: usize,
    /// How tokens are chosen.
    pub decode: Decode,
    /// With [`Decode::TopK`]: seed of the draws; each inference adds its number to it.
    pub seed: u64,
    /// Ends a stream before its first unit whose entropy is above this \[nats per token\]; the
    /// first unit always stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_entropy: Option<f64>,
    /// Whether actions are the means under the policy's probabilities instead of the centres of
    /// the chosen bins.
    pub expectation: bool,
    /// How long an answer may take \[s\]; a run whose policy takes longer ends.
    pub answer_timeout_s: f64,
    /// What the arm does meanwhile.
    pub execution: Execution,
    /// With [`Execution::Async`]: units already queued that are forced as the decoder's prefix.
    /// Below `horizon` then; without meaning otherwise.
    pub commit_steps: usize,
}

/// The simulator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sim {
    /// Unix socket of `jaco-sim`; at most 107 bytes, the kernel's limit.
    #[serde(serialize_with = "given")]
    pub socket: PathBuf,
    /// Name of a POSIX semaphore that the stand-in for the SDK takes for each call, and loses to
    /// failed reads, as the real one does; None for a stand-in without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semaphore: Option<String>,
}

/// Autonomous runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Run {
    /// Steps of 100 ms after which an attempt ends as failed.
    pub max_steps: u64,
}

impl Default for Run {
    fn default() -> Self {
        Self { max_steps: 300 }
    }
}

/// The log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Log {
    /// The least severe level that is written.
    pub level: Level,
    /// The form of a line.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info, format: LogFormat::Text }
    }
}

/// Writes a path so that it is read back as it is.
fn given<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    match as_given(path) {
        Some(text) => serializer.serialize_str(&text),
        None => Err(serde::ser::Error::custom(format!("{} is not Unicode", path.display()))),
    }
}

fn given_if_any<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => given(path, serializer),
        None => serializer.serialize_none(),
    }
}
