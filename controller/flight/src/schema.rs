//! The JSON Schemas of the messages: names, types, units. A test holds them beside the messages.

use serde_json::{Map, Value, json};

/// A field's name and schema.
type Field = (&'static str, Value);

/// The schema of an object of the name `title`.
pub fn titled(title: &str, mut object: Value) -> Value {
    object["title"] = json!(title);
    object
}

fn object(fields: impl IntoIterator<Item = Field>) -> Value {
    let properties: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({"type": "object", "properties": properties})
}

fn of_type(kind: &str, what: &str) -> Value {
    json!({"type": kind, "description": what})
}

fn number(what: &str) -> Value {
    of_type("number", what)
}

fn count(what: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": what})
}

fn yes(what: &str) -> Value {
    of_type("boolean", what)
}

fn text(what: &str) -> Value {
    of_type("string", what)
}

fn numbers(what: &str) -> Value {
    json!({"type": "array", "items": {"type": "number"}, "description": what})
}

fn texts(what: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": what})
}

pub fn state() -> Value {
    object([
        ("stamp_ns", count("when pose and fingers were read, monotonic [ns]")),
        ("position_m", numbers("tool point x, y, z in the base frame [m]; null: not finite")),
        ("theta_rad", numbers("Kinova Euler angles of the tool [rad]")),
        ("closure", numbers("how far each finger is closed: 0 open, 1 closed")),
        ("joints_ns", count("when the joints were read, monotonic [ns]")),
        ("joints_rad", numbers("joint angles, unbounded [rad]")),
        ("force_n", numbers("force at the tool point, base frame [N]")),
        ("torque_nm", numbers("torque at the tool point, base frame [N m]")),
        ("homed", yes("whether the arm is homed")),
        ("at_rest", yes("whether the readings of the last 200 ms show it at rest")),
        ("still", yes("whether the readings of the last 40 to 80 ms show it nearly at rest")),
        ("in_control", yes("whether the arm is in the servo's control")),
        ("joystick_held", yes("whether a person holds the joystick; left out while unknown")),
    ])
}

pub fn command() -> Value {
    object([
        ("mode", text("the servo's mode")),
        ("hold_reason", text("why it holds, or held last")),
        ("stop_reason", text("why it is stopped; left out when it is not")),
        ("ready", yes("whether the arm takes Cartesian velocities")),
        ("step", count("the step that runs; left out when none does")),
        ("queued", count("actions queued")),
        ("queued_until", count("one past the last step for which something is queued")),
        ("from_frame_ns", count("capture time of the frame of the running action, monotonic [ns]")),
        ("reference_m", numbers("where the tool point should be [m]; left out outside motion")),
        ("sent_linear_m_s", numbers("velocity sent, base frame [m/s]")),
        ("sent_angular_rad_s", numbers("angular velocity sent, base frame [rad/s]")),
        ("sent_finger_per_s", numbers("finger velocities sent, closing is positive [1/s]")),
        ("gripper", number("gripper opening commanded: 1 open, 0 closed")),
        ("acted", texts("the limits that acted in this tick")),
    ])
}

pub fn health() -> Value {
    let counters = crate::message::counters(&jaco_servo::Counters::default());
    let counters: Map<String, Value> = counters
        .into_keys()
        .map(|name| {
            let what = format!("{} since the mode was entered", name.replace('_', " "));
            (name, count(&what))
        })
        .collect();
    object([
        ("process", count("which servo process, counted from 1")),
        ("tick", count("ticks of this process so far; a jump is a status that is missing")),
        ("lateness_ns", count("how late the tick began [ns]")),
        ("send_ns", count("time of SendBasicTrajectory [ns]")),
        ("read_ns", count("time of the tick's read [ns]")),
        ("late_ticks", count("ticks that began more than 1 ms late")),
        ("missed_ticks", count("ticks left out because the one before took too long")),
        ("points_sent", count("points whose send call succeeded")),
        ("read_failures", count("reads that failed")),
        ("send_failures", count("points whose send call failed")),
        ("arm_queue", count("points waiting in the arm when last read")),
        ("queue_erasures", count("times the arm's queue was emptied because it grew")),
        ("realtime", yes("whether the process runs under SCHED_FIFO")),
        ("memory_locked", yes("whether its memory is locked")),
        ("conditions", texts("what is wrong with the arm, though it answers")),
        ("counters", json!({"type": "object", "properties": counters})),
    ])
}

pub fn telemetry() -> Value {
    object([
        ("stamp_ns", count("when supply and temperatures were read, monotonic [ns]")),
        ("supply_v", number("supply voltage [V]")),
        ("supply_a", number("current drawn from the supply [A]")),
        ("acceleration_g", numbers("acceleration of the base [g]")),
        ("joint_temperatures_c", numbers("temperature of each joint's actuator [deg C]")),
        ("finger_temperatures_c", numbers("temperature of each finger's actuator [deg C]")),
        ("joint_currents_a", numbers("current of each joint [A]")),
        ("joint_torques_nm", numbers("torque of each joint [N m]")),
    ])
}

pub fn stream() -> Value {
    object([
        ("run", text("the run's id")),
        ("policy", text("the policy's checkpoint")),
        ("first_step", count("the step that it begins with")),
        ("steps", count("steps in it")),
        ("from_frame_ns", count("capture time of the frame that it comes from, monotonic [ns]")),
    ])
}

pub fn step() -> Value {
    let action = |what: &str| {
        let mut action = object([
            ("translation_m", numbers("displacement of the tool point, base frame [m]")),
            ("rotation_rad", numbers("rotation vector, base frame [rad]")),
            ("gripper", number("gripper opening to head for: 1 open, 0 closed")),
        ]);
        action["description"] = json!(what);
        action
    };
    object([
        ("step", count("the step")),
        ("starved", yes("whether no action was there for it")),
        ("asked", action("the action as it came, before any limit")),
        ("sent", action("what the twists that were sent add up to")),
    ])
}

pub fn frame() -> Value {
    object([
        ("camera", text("the camera's name")),
        ("captured_ns", count("when its newest frame was captured, monotonic [ns]")),
    ])
}

pub fn fault() -> Value {
    object([
        ("part", text("the part that has, or had, the fault")),
        ("stands", yes("whether there is a fault now")),
        ("fault", text("what is wrong, in words; empty when nothing is any more")),
    ])
}

/// The schemas of Foxglove's own that its panels know, shortened to what they need.
pub mod foxglove {
    use super::{Value, count, json, number, object, text, titled};

    fn time(what: &str) -> Value {
        let mut time = titled("time", object([("sec", count("s")), ("nsec", count("ns"))]));
        time["description"] = json!(what);
        time
    }

    fn vector() -> Value {
        let axis = |name| (name, number("[m]"));
        titled("foxglove.Vector3", object([axis("x"), axis("y"), axis("z")]))
    }

    fn quaternion() -> Value {
        let part = |name| (name, number(""));
        titled("foxglove.Quaternion", object(["x", "y", "z", "w"].map(part)))
    }

    pub fn pose_in_frame() -> Value {
        let pose = object([("position", vector()), ("orientation", quaternion())]);
        object([
            ("timestamp", time("Timestamp of pose")),
            ("frame_id", text("Frame of reference for pose position and orientation")),
            ("pose", titled("foxglove.Pose", pose)),
        ])
    }

    pub fn frame_transform() -> Value {
        object([
            ("timestamp", time("Timestamp of transform")),
            ("parent_frame_id", text("Name of the parent frame")),
            ("child_frame_id", text("Name of the child frame")),
            ("translation", vector()),
            ("rotation", quaternion()),
        ])
    }

    pub fn log() -> Value {
        let levels = ["UNKNOWN", "DEBUG", "INFO", "WARNING", "ERROR", "FATAL"];
        let levels: Vec<Value> =
            (0..).zip(levels).map(|(n, title)| json!({"title": title, "const": n})).collect();
        object([
            ("timestamp", time("Timestamp of log message")),
            ("level", json!({"title": "foxglove.LogLevel", "type": "integer", "oneOf": levels})),
            ("message", text("Log message")),
            ("name", text("Process or node name")),
            ("file", text("Filename")),
            ("line", count("Line number in the file")),
        ])
    }
}
