//! What one name of a number says: which dimension of an action it is, or that it is something else.
//!
//! Owns the words. Must never see a number.

use jaco_core::ACTION_DIMS;

const GRIPPER: usize = ACTION_DIMS - 1;

/// What one name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The dimension of an action.
    Dimension(usize),
    /// The gripper, counted towards closing.
    Closing,
    /// The gripper, as a length.
    Width,
    /// Something that is no displacement.
    Other(&'static str),
    /// Nothing.
    Unknown,
}

pub(super) const JOINTS: &str = "joint positions";
pub(super) const VELOCITY: &str = "velocities";
pub(super) const TORQUE: &str = "torques or forces";
pub(super) const POSE: &str = "absolute poses";
pub(super) const GRIPPER_CHANGE: &str = "a change of the gripper, not where it should head";

/// Words around an axis that say that it is a displacement.
const DISPLACED: &[&str] = &["delta", "d", "rel", "relative", "displacement", "diff", "increment"];
/// Words that mean nothing beside an axis.
const FILLERS: &[&str] = &["action", "actions", "motors", "m", "rad", "cmd", "command"];
/// Words that make an axis one of rotation.
const TURNING: &[&str] = &["rot", "rotation", "angle", "ori", "orientation", "rotvec", "euler"];
/// Words that speak of where the hand is: a pose, unless another word makes it a displacement.
const PLACES: &[&str] = &[
    "pos",
    "position",
    "pose",
    "ee",
    "eef",
    "tcp",
    "end",
    "effector",
    "trans",
    "translation",
    "cartesian",
    "world",
    "vector",
];
/// Words that say "no displacement" whatever stands beside them.
const ABSOLUTE: &[&str] = &["abs", "absolute", "target", "goal"];
/// Words of lengths that are not metres, and of angles that are not radians.
pub(super) const SHORT_UNITS: &[&str] = &["mm", "cm", "millimetres", "millimeters", "centimeters"];
pub(super) const ANGLE_UNITS: &[&str] = &["deg", "degree", "degrees"];
const JOINT_WORDS: &[&str] = &[
    "joint", "joints", "motor", "shoulder", "elbow", "wrist", "forearm", "waist", "servo",
    "actuator",
];

impl Meaning {
    /// What `name` says.
    pub(super) fn of(name: &str) -> Self {
        let words = words(name);
        let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        if any(&["vel", "velocity", "velocities", "speed", "twist"]) {
            return Meaning::Other(VELOCITY);
        }
        if any(&["torque", "torques", "effort", "force", "current"]) {
            return Meaning::Other(TORQUE);
        }
        if any(&["gripper", "grip", "grasp"]) {
            let closes = any(&["shut", "squeeze"]) || words.iter().any(|it| it.starts_with("clos"));
            return match () {
                () if any(DISPLACED) => Meaning::Other(GRIPPER_CHANGE),
                () if closes => Meaning::Closing,
                () if any(&["width", "distance", "aperture"]) => Meaning::Width,
                () => Meaning::Dimension(GRIPPER),
            };
        }
        if any(JOINT_WORDS) || words.iter().any(|word| is_numbered_joint(word)) {
            return Meaning::Other(JOINTS);
        }
        if any(&["quat", "quaternion", "qw", "qx", "qy", "qz"]) {
            return Meaning::Other(POSE);
        }
        if any(ABSOLUTE) {
            return Meaning::Other(POSE);
        }
        // "world vector" is what Open X-Embodiment calls a displacement.
        let mut displaced = any(DISPLACED) || (any(&["world"]) && any(&["vector"]));
        let (mut axis, mut placed, mut turning) = (None, false, false);
        for word in &words {
            let word = word.as_str();
            if let Some((dimension, with_d)) = axis_of(word) {
                if axis.replace(dimension).is_some() {
                    return Meaning::Unknown;
                }
                displaced |= with_d;
            } else if TURNING.contains(&word) {
                turning = true;
            } else if PLACES.contains(&word) {
                placed = true;
            } else if ![DISPLACED, FILLERS, SHORT_UNITS, ANGLE_UNITS]
                .iter()
                .any(|list| list.contains(&word))
            {
                return Meaning::Unknown;
            }
        }
        match axis {
            None => Meaning::Unknown,
            Some(_) if !displaced && (placed || turning) => Meaning::Other(POSE),
            Some(dimension @ 0..3) if turning => Meaning::Dimension(dimension + 3),
            Some(dimension) => Meaning::Dimension(dimension),
        }
    }
}

/// What the key of a feature says that its names do not: `action.ee_pose` with plain axes.
pub(super) fn said_by_key(key: &str, names: &[String]) -> Option<&'static str> {
    let is_displaced = |text: &str| words(text).iter().any(|it| DISPLACED.contains(&it.as_str()));
    let has_d = |text: &str| words(text).iter().any(|it| axis_of(it).is_some_and(|(_, d)| d));
    if is_displaced(key) || names.iter().any(|name| is_displaced(name) || has_d(name)) {
        return None;
    }
    let words = words(key);
    let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    match () {
        () if any(JOINT_WORDS) || any(&["qpos"]) => Some(JOINTS),
        () if any(&["vel", "velocity", "velocities", "speed", "twist", "qvel"]) => Some(VELOCITY),
        () if any(PLACES) || any(ABSOLUTE) => Some(POSE),
        () => None,
    }
}

/// The words of a name in lower case: `ee.deltaX` has ee, delta and x.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        let begins = before.is_lowercase() && letter.is_uppercase();
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().into_iter().for_each(|word| word.extend(letter.to_lowercase()));
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `joint1`, `j1`, `q1`, `motor3`.
fn is_numbered_joint(word: &str) -> bool {
    ["joint", "motor", "j", "q"].iter().any(|stem| {
        let number = word.strip_prefix(stem);
        number
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// The dimension that a word names, and whether it says "displacement" with a d before it.
fn axis_of(word: &str) -> Option<(usize, bool)> {
    let plain = |word: &str| match word {
        "x" | "tx" => Some(0),
        "y" | "ty" => Some(1),
        "z" | "tz" => Some(2),
        "roll" | "rx" | "wx" => Some(3),
        "pitch" | "ry" | "wy" => Some(4),
        "yaw" | "rz" | "wz" => Some(5),
        _ => None,
    };
    let with_d = || Some((plain(word.strip_prefix('d')?)?, true));
    plain(word).map(|dimension| (dimension, false)).or_else(with_d)
}
