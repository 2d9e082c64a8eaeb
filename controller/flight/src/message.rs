//! The messages of a record: what each channel's JSON holds. The schemas beside them say the same
//! to other programs ([`crate::channel`]).
//!
//! Monotonic times are those of the robot PC's clock; the file says how they become dates.

use crate::number::Number;
use crate::record::{FrameSeen, StreamSent, Tick};
use jaco_core::state::{FINGERS, JOINTS};
use jaco_core::{Action, Word};
use jaco_servo::{CompletedStep, Counters, ServoStatus, Telemetry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `/arm/state`: the newest readings of the arm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct StateMessage {
    pub stamp_ns: u64,
    pub position_m: [Number; 3],
    pub theta_rad: [Number; 3],
    pub closure: [Number; FINGERS],
    pub joints_ns: u64,
    pub joints_rad: [Number; JOINTS],
    pub force_n: [Number; 3],
    pub torque_nm: [Number; 3],
    pub homed: bool,
    pub at_rest: bool,
    pub still: bool,
    pub in_control: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub joystick_held: Option<bool>,
}

impl StateMessage {
    pub(crate) fn of(status: &ServoStatus) -> Self {
        let state = &status.state;
        Self {
            stamp_ns: state.stamp_ns,
            position_m: Number::each(state.pose.position_m),
            theta_rad: Number::each(state.pose.theta_rad()),
            closure: Number::each(state.closure),
            joints_ns: state.joints_ns,
            joints_rad: Number::each(state.joints_rad),
            force_n: Number::each(state.wrench.force_n),
            torque_nm: Number::each(state.wrench.torque_nm),
            homed: status.homed,
            at_rest: status.at_rest,
            still: status.still,
            in_control: status.in_control,
            joystick_held: status.joystick_held,
        }
    }
}

/// `/arm/command`: what is asked of the arm, what was sent, and what changed it on the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct CommandMessage {
    pub mode: String,
    pub hold_reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    pub ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    pub queued: usize,
    pub queued_until: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_frame_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_m: Option<[Number; 3]>,
    pub sent_linear_m_s: [Number; 3],
    pub sent_angular_rad_s: [Number; 3],
    pub sent_finger_per_s: [Number; FINGERS],
    pub gripper: Number,
    pub acted: Vec<String>,
}

impl CommandMessage {
    pub(crate) fn of(status: &ServoStatus) -> Self {
        let report = &status.report;
        let sent = &report.setpoint;
        Self {
            mode: report.mode.to_string(),
            hold_reason: report.hold_reason.to_string(),
            stop_reason: report.stop_reason.map(|reason| reason.name().to_owned()),
            ready: report.ready,
            step: report.step,
            queued: report.queued,
            queued_until: report.queued_until,
            from_frame_ns: report.from_frame_ns,
            reference_m: report.reference.map(|pose| Number::each(pose.position_m)),
            sent_linear_m_s: Number::each(sent.twist.linear_m_s),
            sent_angular_rad_s: Number::each(sent.twist.angular_rad_s),
            sent_finger_per_s: Number::each(sent.finger_velocity),
            gripper: Number(report.gripper),
            acted: report.acted.iter().map(|limit| limit.name().to_owned()).collect(),
        }
    }

    /// Whether the limit of this name acted.
    pub(crate) fn holds(&self, limit: &str) -> bool {
        self.acted.iter().any(|acted| acted == limit)
    }
}

/// An action, as asked or as sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct ActionMessage {
    pub translation_m: [Number; 3],
    pub rotation_rad: [Number; 3],
    pub gripper: Number,
}

impl ActionMessage {
    fn of(action: &Action) -> Self {
        Self {
            translation_m: Number::each(action.translation_m),
            rotation_rad: Number::each(action.rotation_rad),
            gripper: Number(action.gripper),
        }
    }
}

/// `/run/step`: a step that has ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct StepMessage {
    pub step: u64,
    pub starved: bool,
    pub asked: ActionMessage,
    pub sent: ActionMessage,
}

impl StepMessage {
    pub(crate) fn of(step: &CompletedStep) -> Self {
        let (asked, sent) = (ActionMessage::of(&step.asked), ActionMessage::of(&step.sent));
        Self { step: step.step, starved: step.starved, asked, sent }
    }
}

/// `/servo/health`: how punctual the servo is and what became of its calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct HealthMessage {
    pub process: u64,
    pub tick: u64,
    pub lateness_ns: u64,
    pub send_ns: u64,
    pub read_ns: u64,
    pub late_ticks: u64,
    pub missed_ticks: u64,
    pub points_sent: u64,
    pub read_failures: u64,
    pub send_failures: u64,
    pub arm_queue: u64,
    pub queue_erasures: u64,
    pub realtime: bool,
    pub memory_locked: bool,
    pub conditions: Vec<String>,
    pub counters: BTreeMap<String, u64>,
}

impl HealthMessage {
    pub(crate) fn of(tick: &Tick) -> Self {
        let status = &tick.status;
        Self {
            process: tick.process,
            tick: status.ticks,
            lateness_ns: status.lateness_ns,
            send_ns: status.send_ns,
            read_ns: status.read_ns,
            late_ticks: status.late_ticks,
            missed_ticks: status.missed_ticks,
            points_sent: status.points_sent,
            read_failures: status.read_failures,
            send_failures: status.send_failures,
            arm_queue: status.arm_queue,
            queue_erasures: status.queue_erasures,
            realtime: status.realtime,
            memory_locked: status.memory_locked,
            conditions: status.conditions.iter().map(|what| what.name().to_owned()).collect(),
            counters: counters(&status.report.counters),
        }
    }
}

/// The servo's counts by their names, so that a file of another version can be read.
pub(crate) fn counters(counters: &Counters) -> BTreeMap<String, u64> {
    let fields = serde_json::to_value(counters).ok().and_then(|value| match value {
        serde_json::Value::Object(fields) => Some(fields),
        _ => None,
    });
    let counts = fields.into_iter().flatten();
    counts.filter_map(|(name, count)| Some((name, count.as_u64()?))).collect()
}

/// `/arm/telemetry`: what the arm tells beside its motion, when it is new.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct TelemetryMessage {
    pub stamp_ns: u64,
    pub supply_v: Number,
    pub supply_a: Number,
    pub acceleration_g: [Number; 3],
    pub joint_temperatures_c: [Number; JOINTS],
    pub finger_temperatures_c: [Number; FINGERS],
    pub joint_currents_a: [Number; JOINTS],
    pub joint_torques_nm: [Number; JOINTS],
}

impl TelemetryMessage {
    pub(crate) fn of(telemetry: &Telemetry) -> Self {
        fn each<const N: usize>(values: [f32; N]) -> [Number; N] {
            values.map(|value| Number(value.into()))
        }
        Self {
            stamp_ns: telemetry.stamp_ns,
            supply_v: Number(telemetry.supply_v.into()),
            supply_a: Number(telemetry.supply_a.into()),
            acceleration_g: each(telemetry.acceleration_g),
            joint_temperatures_c: each(telemetry.joint_temperatures_c),
            finger_temperatures_c: each(telemetry.finger_temperatures_c),
            joint_currents_a: each(telemetry.joint_currents_a),
            joint_torques_nm: each(telemetry.joint_torques_nm),
        }
    }
}

/// `/run/stream`: a stream of actions that the daemon sent to the servo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct StreamMessage {
    pub run: String,
    pub policy: String,
    pub first_step: u64,
    pub steps: usize,
    pub from_frame_ns: u64,
}

impl StreamMessage {
    pub(crate) fn of(stream: &StreamSent) -> Self {
        Self {
            run: stream.run.to_string(),
            policy: stream.policy.to_string(),
            first_step: stream.first_step,
            steps: stream.steps,
            from_frame_ns: stream.from_frame_ns,
        }
    }
}

/// `/cameras`: a camera's newest frame, when it is another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct FrameMessage {
    pub camera: String,
    pub captured_ns: u64,
}

impl FrameMessage {
    pub(crate) fn of(frame: &FrameSeen) -> Self {
        Self { camera: frame.camera.to_string(), captured_ns: frame.captured_ns }
    }
}

/// `/faults`: a fault that appeared, changed or went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the schema says it")]
pub struct FaultMessage {
    pub part: String,
    pub stands: bool,
    pub fault: String,
}
