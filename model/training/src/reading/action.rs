//! What the seven numbers of a dataset's action mean, by their names.
//!
//! Wanted are, over one row: the displacement of the tool point in the base frame \[m\], its
//! rotation as a vector in the base frame \[rad\], and the gripper opening to head for. Owns what a
//! list of names amounts to, in any order; what one name says is [`super::names`]'s. Must never take
//! joint positions, velocities or poses for displacements.

use super::names::{ANGLE_UNITS, Meaning, SHORT_UNITS, said_by_key, words};
use crate::store::ActionRow;
use jaco_core::ACTION_DIMS;

/// What is wanted, in words.
const WANTED: &str = "wanted are 7 displacements over a frame, in the base frame: x y z [m], \
                      roll pitch yaw [rad], and the gripper";
const GRIPPER: usize = ACTION_DIMS - 1;

/// Which number of the feature each dimension of an action is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout([usize; ACTION_DIMS]);

/// What somebody vouches for beside the names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stated {
    /// Numbers whose names say nothing are displacements in our order.
    pub displacements: bool,
    /// The gripper's range.
    pub gripper: bool,
    /// What a 1 of a displacement is.
    pub metres: bool,
    /// What a 1 of a rotation is.
    pub radians: bool,
}

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
    /// A name in another place than the order that was vouched for.
    #[error(
        "has {name} at place {place}, which --displacements takes for {wanted}: name all seven, or \
         put them in that order"
    )]
    Misplaced {
        /// The name.
        name: String,
        /// Its place, counted from 1.
        place: usize,
        /// What is taken to be there.
        wanted: &'static str,
    },
    /// A name that says another unit than ours.
    #[error("is in another unit, as the name {name} says: say what a 1 is with {option}")]
    Unit {
        /// The name.
        name: String,
        /// The option.
        option: &'static str,
    },
    /// The gripper's number is a length.
    #[error(
        "measures the gripper's width, as the name {name} says: name the number of a closed and of \
         an open gripper, such as --gripper 0..0.085"
    )]
    Width {
        /// The gripper's name.
        name: String,
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
    /// The layout of the feature `key`, whose numbers have these `names`.
    pub fn of(key: &str, names: &[String], stated: Stated) -> Result<Self, ActionError> {
        let listed = || names.join(", ");
        let meanings: Vec<Meaning> = names.iter().map(|name| Meaning::of(name)).collect();
        for (name, meaning) in names.iter().zip(&meanings) {
            if let Meaning::Other(what) = meaning {
                return Err(ActionError::Other { name: name.clone(), what });
            }
        }
        if let Some(what) = said_by_key(key, names).filter(|_| !stated.displacements) {
            return Err(ActionError::Other { name: key.to_owned(), what });
        }
        if names.len() != ACTION_DIMS {
            return Err(ActionError::Count { count: names.len(), names: listed() });
        }
        for name in names {
            let says = |list: &[&str]| words(name).iter().any(|word| list.contains(&word.as_str()));
            for (list, is_stated, option) in [
                (SHORT_UNITS, stated.metres, "--unit-m"),
                (ANGLE_UNITS, stated.radians, "--unit-rad"),
            ] {
                if says(list) && !is_stated {
                    return Err(ActionError::Unit { name: name.clone(), option });
                }
            }
        }
        let mut places = [None; ACTION_DIMS];
        for (place, meaning) in meanings.iter().enumerate() {
            let name = || names[place].clone();
            let dimension = match meaning {
                Meaning::Dimension(dimension) => *dimension,
                Meaning::Closing if !stated.gripper => {
                    return Err(ActionError::Closing { name: name() });
                }
                Meaning::Width if !stated.gripper => {
                    return Err(ActionError::Width { name: name() });
                }
                Meaning::Closing | Meaning::Width => GRIPPER,
                Meaning::Other(_) | Meaning::Unknown => continue,
            };
            if places[dimension].replace(place).is_some() {
                let dimension = DIMENSIONS[dimension];
                return Err(ActionError::Twice { dimension, names: listed() });
            }
        }
        match places.iter().copied().collect::<Option<Vec<usize>>>() {
            Some(all) => Ok(Self(std::array::from_fn(|dimension| all[dimension]))),
            None if !stated.displacements => Err(ActionError::Unnamed { names: listed() }),
            // Somebody vouches for the order: what has a name must agree.
            None => {
                let strays = |(dimension, place): (usize, &Option<usize>)| {
                    place.filter(|place| *place != dimension)
                };
                match places.iter().enumerate().find_map(strays) {
                    None => Ok(Self(std::array::from_fn(|place| place))),
                    Some(place) => Err(ActionError::Misplaced {
                        name: names[place].clone(),
                        place: place + 1,
                        wanted: DIMENSIONS[place],
                    }),
                }
            }
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::names::{GRIPPER_CHANGE, JOINTS, POSE, TORQUE, VELOCITY};
    use super::*;

    fn layout(names: &[&str]) -> Result<Layout, ActionError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Layout::of("action", &names, Stated::default())
    }

    const ORDER: Stated =
        Stated { displacements: true, gripper: false, metres: false, radians: false };
    const RANGE: Stated = Stated { displacements: false, gripper: true, ..ORDER };
    const VOUCHED: Stated = Stated { gripper: true, ..ORDER };
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
            let error = Layout::of("action", &names, VOUCHED).unwrap_err();
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
            let error = Layout::of("action", &names, RANGE).unwrap_err();
            assert!(error.to_string().contains("--displacements"), "{error}");
            assert_eq!(Layout::of("action", &names, ORDER), Ok(IN_ORDER));
        }
        // Nobody's word makes joints displacements.
        let arm: Vec<String> = (0..7).map(|number| format!("joint_{number}.pos")).collect();
        assert!(Layout::of("action", &arm, VOUCHED).is_err());
    }

    #[test]
    fn a_gripper_that_counts_its_closing_needs_its_range() {
        let names = ["x", "y", "z", "roll", "pitch", "yaw", "gripper_closed"].map(String::from);
        let error = Layout::of("action", &names, Stated::default()).unwrap_err();
        assert!(error.to_string().contains("--gripper 1..0"), "{error}");
        assert_eq!(Layout::of("action", &names, RANGE), Ok(IN_ORDER));
    }

    #[test]
    fn a_dimension_that_is_there_twice_is_refused() {
        let error = layout(&["x", "y", "z", "roll", "pitch", "x", "gripper"]).unwrap_err();
        assert!(error.to_string().contains("has x twice"), "{error}");
    }

    /// What the names do not say and the key does: poses trained as displacements.
    #[test]
    fn a_pose_that_only_the_key_tells_is_refused() {
        let names = ["x", "y", "z", "roll", "pitch", "yaw", "gripper"].map(str::to_owned);
        for (key, what) in [
            ("action.ee_pose", POSE),
            ("action.cartesian_position", POSE),
            ("action.eef_velocity", VELOCITY),
            ("action.joint_position", JOINTS),
        ] {
            let wanted = ActionError::Other { name: key.to_owned(), what };
            assert_eq!(Layout::of(key, &names, Stated::default()), Err(wanted));
            assert_eq!(Layout::of(key, &names, ORDER), Ok(IN_ORDER), "{key}: vouched for");
        }
        assert_eq!(Layout::of("action.eef_delta", &names, Stated::default()), Ok(IN_ORDER));
        assert!(matches!(layout(&["abs_dx"]), Err(ActionError::Other { what: POSE, .. })));
    }

    /// `gripper, x, y, z` was taken as x, y, z, roll once somebody vouched for the rest.
    #[test]
    fn who_vouches_for_the_order_is_held_to_the_names() {
        let names = ["gripper", "x", "y", "z", "r0", "r1", "r2"].map(str::to_owned);
        let wanted = ActionError::Misplaced { name: "x".to_owned(), place: 2, wanted: "y" };
        assert_eq!(Layout::of("action", &names, ORDER), Err(wanted));
    }

    #[test]
    fn another_unit_in_a_name_has_to_be_stated() {
        let names = ["dx_mm", "dy_mm", "dz_mm", "droll_deg", "dpitch_deg", "dyaw_deg", "gripper"]
            .map(str::to_owned);
        let wanted = ActionError::Unit { name: "dx_mm".to_owned(), option: "--unit-m" };
        assert_eq!(Layout::of("action", &names, ORDER), Err(wanted));
        let metres = Stated { metres: true, ..Stated::default() };
        let wanted = ActionError::Unit { name: "droll_deg".to_owned(), option: "--unit-rad" };
        assert_eq!(Layout::of("action", &names, metres), Err(wanted));
        assert_eq!(Layout::of("action", &names, Stated { radians: true, ..metres }), Ok(IN_ORDER));
    }

    /// Open X-Embodiment's `gripper_closedness_action` trained as an opening.
    #[test]
    fn a_gripper_that_says_how_it_is_counted_needs_its_range() {
        for (name, closing) in
            [("gripper_closedness_action", true), ("gripper_shut", true), ("gripper_width", false)]
        {
            let names = ["dx", "dy", "dz", "droll", "dpitch", "dyaw", name].map(str::to_owned);
            let name = name.to_owned();
            let wanted = match closing {
                true => ActionError::Closing { name },
                false => ActionError::Width { name },
            };
            assert_eq!(Layout::of("action", &names, Stated::default()), Err(wanted));
            assert_eq!(Layout::of("action", &names, RANGE), Ok(IN_ORDER));
        }
    }
}
