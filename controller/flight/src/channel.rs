//! The channels of a file.
//!
//! | topic | schema | when | what |
//! |---|---|---|---|
//! | `/arm/state` | jacod.ArmState | each tick | the newest readings: tool, joints, fingers, force |
//! | `/arm/command` | jacod.ArmCommand | each tick | mode, reference, what was sent, limits that acted |
//! | `/servo/health` | jacod.ServoHealth | each tick | lateness, times of calls, counts, conditions |
//! | `/arm/telemetry` | jacod.Telemetry | when new | supply, temperatures, currents, torques |
//! | `/run/stream` | jacod.Stream | when sent | which actions came from which frame |
//! | `/run/step` | jacod.Step | when it ended | the action asked and what was sent of it |
//! | `/cameras` | jacod.CameraFrame | when new | capture times |
//! | `/faults` | jacod.Fault | when told | a part's fault, or that it is gone |
//! | `/log` | foxglove.Log | when told | all that happened, in words |
//! | `/arm/pose`, `/arm/reference` | foxglove.PoseInFrame | when read, each tick | where the tool is, where it should be |
//! | `/tf` | foxglove.FrameTransform | when read | the tool's frame in the base's |
//!
//! Times of messages are dates; the file's metadata `jacod.flight` holds the monotonic time that
//! one of them is, so that the monotonic stamps inside the messages can be compared with them.

use crate::schema;
use serde_json::Value;

/// Name of the metadata that makes a file a flight record.
pub const METADATA: &str = "jacod.flight";
/// The frame that poses are given in.
pub const BASE_FRAME: &str = "base";
/// The frame of the tool point.
pub const TOOL_FRAME: &str = "tool";

/// A channel of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table above says it")]
pub enum Channel {
    State,
    Command,
    Health,
    Telemetry,
    Stream,
    Step,
    Frame,
    Fault,
    Log,
    Pose,
    Reference,
    Transform,
}

impl Channel {
    /// All channels.
    pub const ALL: [Self; 12] = [
        Channel::State,
        Channel::Command,
        Channel::Health,
        Channel::Telemetry,
        Channel::Stream,
        Channel::Step,
        Channel::Frame,
        Channel::Fault,
        Channel::Log,
        Channel::Pose,
        Channel::Reference,
        Channel::Transform,
    ];

    /// Its topic.
    pub fn topic(self) -> &'static str {
        match self {
            Channel::State => "/arm/state",
            Channel::Command => "/arm/command",
            Channel::Health => "/servo/health",
            Channel::Telemetry => "/arm/telemetry",
            Channel::Stream => "/run/stream",
            Channel::Step => "/run/step",
            Channel::Frame => "/cameras",
            Channel::Fault => "/faults",
            Channel::Log => "/log",
            Channel::Pose => "/arm/pose",
            Channel::Reference => "/arm/reference",
            Channel::Transform => "/tf",
        }
    }

    /// The channel of this topic.
    pub fn of_topic(topic: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.topic() == topic)
    }

    /// Name of the schema of its messages.
    pub fn schema_name(self) -> &'static str {
        match self {
            Channel::State => "jacod.ArmState",
            Channel::Command => "jacod.ArmCommand",
            Channel::Health => "jacod.ServoHealth",
            Channel::Telemetry => "jacod.Telemetry",
            Channel::Stream => "jacod.Stream",
            Channel::Step => "jacod.Step",
            Channel::Frame => "jacod.CameraFrame",
            Channel::Fault => "jacod.Fault",
            Channel::Log => "foxglove.Log",
            Channel::Pose | Channel::Reference => "foxglove.PoseInFrame",
            Channel::Transform => "foxglove.FrameTransform",
        }
    }

    /// The JSON Schema of its messages. Of its words only those that Foxglove understands are
    /// used: one type for each field, nothing referred to.
    pub fn schema(self) -> Value {
        let fields = match self {
            Channel::State => schema::state(),
            Channel::Command => schema::command(),
            Channel::Health => schema::health(),
            Channel::Telemetry => schema::telemetry(),
            Channel::Stream => schema::stream(),
            Channel::Step => schema::step(),
            Channel::Frame => schema::frame(),
            Channel::Fault => schema::fault(),
            Channel::Log => schema::foxglove::log(),
            Channel::Pose | Channel::Reference => schema::foxglove::pose_in_frame(),
            Channel::Transform => schema::foxglove::frame_transform(),
        };
        schema::titled(self.schema_name(), fields)
    }
}
