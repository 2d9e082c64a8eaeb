//! What the seven numbers of a dataset's action mean, by their names.
//!
//! Wanted are, over one row: the displacement of the tool point in the base frame \[m\], its
//! rotation as a vector in the base frame \[rad\], and the gripper opening to head for. Owns the
//! names that say so (ours, OpenVLA's, LIBERO's, LeRobot's), in any order, and those that say
//! something else. Must never take joint positions, velocities or poses for displacements.

use crate::store::ActionRow;
use jaco_core::ACTION_DIMS;

/// What is wanted, in words.
const WANTED: &str = "wanted are 7 displacements over a frame, in the base frame: x y z [m], \
                      roll pitch yaw [rad], and the gripper";
const GRIPPER: usize = ACTION_DIMS - 1;

/// Which number of the feature each dimension of an action is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout([usize; ACTION_DIMS]);

/// Why a feature is no action.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// Another number of numbers.
    #[error("has {count} number(s) ({names}); {WANTED}")]
    Count {
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
    /// A name says that it is something else.
    #[error("holds {what}, as the name {name} says; {WANTED}")]
    Other {
        /// The name.
        name: String,
        /// What it says.
        what: &'static str,
    },
    /// Two numbers for one dimension.
    #[error("has {dimension} twice ({names}); {WANTED}")]
    Twice {
        /// The dimension.
        dimension: &'static str,
        /// All names.
        names: String,
    },
    /// Names that say nothing.
    #[error(
        "does not say what its numbers are ({names}); {WANTED}; if they are that, in this order, \
         say so with --displacements (displacements = true in a recipe)"
    )]
    Unnamed {
        /// All names.
        names: String,
    },
    /// The gripper's number grows as it closes.
    #[error(
        "counts the gripper's closing, as the name {name} says: name the number of a closed and of \
         an open gripper, such as --gripper 1..0"
    )]
    Closing {
        /// The gripper's name.
        name: String,
    },
}

impl Layout {
    /// The layout of a feature with these names. `displacements`: somebody vouches for numbers
    /// whose names say nothing; `gripper_stated`: its range was stated.
    pub fn of(
        names: &[String],
        displacements: bool,
        gripper_stated: bool,
    ) -> Result<Self, ActionError> {
        let listed = || names.join(", ");
        let meanings: Vec<Meaning> = names.iter().map(|name| Meaning::of(name)).collect();
        for (name, meaning) in names.iter().zip(&meanings) {
            if let Meaning::Other(what) = meaning {
                return Err(ActionError::Other { name: name.clone(), what });
            }
        }
        if names.len() != ACTION_DIMS {
            return Err(ActionError::Count { count: names.len(), names: listed() });
        }
        let mut places = [None; ACTION_DIMS];
        for (place, meaning) in meanings.iter().enumerate() {
            let dimension = match meaning {
                Meaning::Dimension(dimension) => *dimension,
                Meaning::Closing => GRIPPER,
                _ => continue,
            };
            if *meaning == Meaning::Closing && !gripper_stated {
                return Err(ActionError::Closing { name: names[place].clone() });
            }
            if places[dimension].replace(place).is_some() {
                let dimension = DIMENSIONS[dimension];
                return Err(ActionError::Twice { dimension, names: listed() });
            }
        }
        let mut layout = [0; ACTION_DIMS];
        for (place, found) in layout.iter_mut().zip(places) {
            match found {
                Some(found) => *place = found,
                None if displacements => return Ok(Self(std::array::from_fn(|place| place))),
                None => return Err(ActionError::Unnamed { names: listed() }),
            }
        }
        Ok(Self(layout))
    }

    /// A row in our order and units; its gripper as it is. `row` has seven numbers.
    pub fn arrange(&self, row: &[f64], unit_m: f64, unit_rad: f64) -> ActionRow {
        std::array::from_fn(|dimension| {
            let unit = match dimension {
                0..3 => unit_m,
                3..6 => unit_rad,
                _ => 1.0,
            };
            (row[self.0[dimension]] * unit) as f32
        })
    }
}

const DIMENSIONS: [&str; ACTION_DIMS] = ["x", "y", "z", "roll", "pitch", "yaw", "the gripper"];

/// What one name says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    /// The dimension of an action.
    Dimension(usize),
    /// The gripper, counted towards closing.
    Closing,
    /// Something that is no displacement.
    Other(&'static str),
    /// Nothing.
    Unknown,
}

const JOINTS: &str = "joint positions";
const VELOCITY: &str = "velocities";
const TORQUE: &str = "torques or forces";
const POSE: &str = "absolute poses";
const GRIPPER_CHANGE: &str = "a change of the gripper, not where it should head";

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
    "target",
    "goal",
    "abs",
    "absolute",
    "cartesian",
    "world",
    "vector",
];
const JOINT_WORDS: &[&str] = &[
    "joint", "joints", "motor", "shoulder", "elbow", "wrist", "forearm", "waist", "servo",
    "actuator",
];

impl Meaning {
    fn of(name: &str) -> Self {
        let words = words(name);
        let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        if any(&["vel", "velocity", "velocities", "speed", "twist"]) {
            return Meaning::Other(VELOCITY);
        }
        if any(&["torque", "torques", "effort", "force", "current"]) {
            return Meaning::Other(TORQUE);
        }
        if any(&["gripper", "grip", "grasp"]) {
            return match (any(DISPLACED), any(&["close", "closed", "closing", "closure"])) {
                (true, _) => Meaning::Other(GRIPPER_CHANGE),
                (false, true) => Meaning::Closing,
                (false, false) => Meaning::Dimension(GRIPPER),
            };
        }
        if any(JOINT_WORDS) || words.iter().any(|word| is_numbered_joint(word)) {
            return Meaning::Other(JOINTS);
        }
        if any(&["quat", "quaternion", "qw", "qx", "qy", "qz"]) {
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
            } else if !DISPLACED.contains(&word) && !FILLERS.contains(&word) {
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

/// The words of a name in lower case: `ee.deltaX` has ee, delta and x.
fn words(name: &str) -> Vec<String> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn layout(names: &[&str]) -> Result<Layout, ActionError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Layout::of(&names, false, false)
    }

    const IN_ORDER: Layout = Layout([0, 1, 2, 3, 4, 5, 6]);

    #[test]
    fn displacements_are_known_by_anybodys_names() {
        for names in [
            ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"],
            ["x", "y", "z", "roll", "pitch", "yaw", "gripper"],
            ["delta_x", "delta_y", "delta_z", "delta_roll", "delta_pitch", "delta_yaw", "gripper"],
            ["motors.x", "motors.y", "motors.z", "motors.rx", "motors.ry", "motors.rz", "gripper"],
            ["x_delta", "y_delta", "z_delta", "wx_delta", "wy_delta", "wz_delta", "gripper.pos"],
            ["eef_dx", "eef_dy", "eef_dz", "drx", "dry", "drz", "gripper_opening"],
            [
                "world_vector_x",
                "world_vector_y",
                "world_vector_z",
                "rotation_delta_x",
                "rotation_delta_y",
                "rotation_delta_z",
                "open_gripper",
            ],
            ["deltaX", "deltaY", "deltaZ", "deltaRoll", "deltaPitch", "deltaYaw", "gripperCmd"],
        ] {
            assert_eq!(layout(&names), Ok(IN_ORDER), "{names:?}");
        }
    }

    #[test]
    fn another_order_is_read_by_name() {
        let layout = layout(&["gripper", "dx", "dy", "dz", "droll", "dpitch", "dyaw"]).unwrap();
        let row = layout.arrange(&[0.5, 1.0, 2.0, 3.0, 10.0, 20.0, 30.0], 0.001, 0.1);
        assert_eq!(row, [0.001, 0.002, 0.003, 1.0, 2.0, 3.0, 0.5]);
    }

    /// lerobot's own arms: `joint_N.pos` and `shoulder_pan.pos` trained as displacements.
    #[test]
    fn what_is_no_displacement_is_refused_by_name() {
        for (name, what) in [
            ("joint_1.pos", JOINTS),
            ("joint1", JOINTS),
            ("shoulder_pan.pos", JOINTS),
            ("main_wrist_roll", JOINTS),
            ("j3", JOINTS),
            ("left_waist", JOINTS),
            ("x.vel", VELOCITY),
            ("linear_velocity_x", VELOCITY),
            ("joint_1.vel", VELOCITY),
            ("ee.x", POSE),
            ("target_x", POSE),
            ("x.pos", POSE),
            ("rotation_x", POSE),
            ("qw", POSE),
            ("joint_1.torque", TORQUE),
            ("gripper_delta", GRIPPER_CHANGE),
        ] {
            let mut names = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", "gripper"];
            names[0] = name;
            let error = layout(&names).unwrap_err();
            assert_eq!(error, ActionError::Other { name: name.to_owned(), what });
            let text = error.to_string();
            assert!(text.contains(name) && text.contains("roll pitch yaw [rad]"), "{text}");
        }
    }

    #[test]
    fn six_eight_and_fourteen_numbers_are_refused_with_what_is_wanted() {
        for count in [0, 1, 6, 8, 14] {
            let names: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            let error = Layout::of(&names, true, true).unwrap_err();
            assert!(error.to_string().contains(&format!("has {count} number(s)")), "{error}");
            assert!(error.to_string().contains("wanted are 7"), "{error}");
        }
        // What the names say comes before how many there are.
        let arm = ["joint_1.pos", "joint_2.pos", "joint_3.pos", "gripper.pos"];
        assert!(layout(&arm).unwrap_err().to_string().contains("joint positions"));
    }

    #[test]
    fn names_that_say_nothing_need_somebodys_word() {
        for stem in ["", "a", "action_", "dim"] {
            let names: Vec<String> = (0..7).map(|number| format!("{stem}{number}")).collect();
            let error = Layout::of(&names, false, true).unwrap_err();
            assert!(error.to_string().contains("--displacements"), "{error}");
            assert_eq!(Layout::of(&names, true, false), Ok(IN_ORDER));
        }
        // Nobody's word makes joints displacements.
        let arm: Vec<String> = (0..7).map(|number| format!("joint_{number}.pos")).collect();
        assert!(Layout::of(&arm, true, true).is_err());
    }

    #[test]
    fn a_gripper_that_counts_its_closing_needs_its_range() {
        let names = ["x", "y", "z", "roll", "pitch", "yaw", "gripper_closed"].map(String::from);
        let error = Layout::of(&names, false, false).unwrap_err();
        assert!(error.to_string().contains("--gripper 1..0"), "{error}");
        assert_eq!(Layout::of(&names, false, true), Ok(IN_ORDER));
    }

    #[test]
    fn a_dimension_that_is_there_twice_is_refused() {
        let error = layout(&["x", "y", "z", "roll", "pitch", "x", "gripper"]).unwrap_err();
        assert!(error.to_string().contains("has x twice"), "{error}");
    }
}
