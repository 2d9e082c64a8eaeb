//! What each control of a pad does: the bindings, their text in the file, and the table that is
//! shown to people.

use super::controls::{PadAxis, PadButton};
use jaco_core::Word;
use serde::{Serialize, Serializer};
use std::fmt;

/// The word for a function that no control has.
pub(crate) const NONE: &str = "none";

/// Functions and the controls that have them. No control has two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bindings {
    /// Held, or nothing moves.
    pub dead_man: PadButton,
    /// Linear velocity along +x of the base frame.
    #[serde(serialize_with = "or_none")]
    pub x: Option<AxisBinding>,
    /// Linear velocity along +y.
    #[serde(serialize_with = "or_none")]
    pub y: Option<AxisBinding>,
    /// Linear velocity along +z.
    #[serde(serialize_with = "or_none")]
    pub z: Option<AxisBinding>,
    /// Angular velocity about +x.
    #[serde(serialize_with = "or_none")]
    pub roll: Option<AxisBinding>,
    /// Angular velocity about +y.
    #[serde(serialize_with = "or_none")]
    pub pitch: Option<AxisBinding>,
    /// Angular velocity about +z.
    #[serde(serialize_with = "or_none")]
    pub yaw: Option<AxisBinding>,
    /// Opens the gripper.
    #[serde(serialize_with = "or_none")]
    pub open: Option<PadButton>,
    /// Closes the gripper.
    #[serde(serialize_with = "or_none")]
    pub close: Option<PadButton>,
    /// The next faster speed.
    #[serde(serialize_with = "or_none")]
    pub faster: Option<PadButton>,
    /// The next slower speed.
    #[serde(serialize_with = "or_none")]
    pub slower: Option<PadButton>,
    /// Starts an episode, and keeps it when one is under way.
    #[serde(serialize_with = "or_none")]
    pub start_keep: Option<PadButton>,
    /// Throws the episode away.
    #[serde(serialize_with = "or_none")]
    pub discard: Option<PadButton>,
    /// Throws the episode away and starts it again.
    #[serde(serialize_with = "or_none")]
    pub re_record: Option<PadButton>,
    /// Labels the episode a success.
    #[serde(serialize_with = "or_none")]
    pub success: Option<PadButton>,
    /// Labels the episode a failure.
    #[serde(serialize_with = "or_none")]
    pub failure: Option<PadButton>,
    /// Stops all motion; latches.
    #[serde(serialize_with = "or_none")]
    pub stop: Option<PadButton>,
    /// The same, for two buttons at once.
    #[serde(serialize_with = "or_none")]
    pub stop_chord: Option<Chord>,
}

impl Default for Bindings {
    fn default() -> Self {
        let plain = |axis| Some(AxisBinding { axis, inverted: false });
        let inverted = |axis| Some(AxisBinding { axis, inverted: true });
        Self {
            dead_man: PadButton::RightTrigger,
            x: inverted(PadAxis::LeftStickX),
            y: inverted(PadAxis::LeftStickY),
            z: plain(PadAxis::RightStickY),
            roll: inverted(PadAxis::DPadY),
            pitch: inverted(PadAxis::DPadX),
            yaw: inverted(PadAxis::RightStickX),
            open: Some(PadButton::LeftTrigger2),
            close: Some(PadButton::RightTrigger2),
            faster: Some(PadButton::South),
            slower: Some(PadButton::LeftTrigger),
            start_keep: Some(PadButton::Start),
            discard: Some(PadButton::Select),
            re_record: Some(PadButton::West),
            success: Some(PadButton::North),
            failure: Some(PadButton::East),
            stop: Some(PadButton::Mode),
            stop_chord: Some(Chord(PadButton::LeftThumb, PadButton::RightThumb)),
        }
    }
}

/// An axis, and whether it is turned round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisBinding {
    /// The axis.
    pub axis: PadAxis,
    /// Whether its value is negated.
    pub inverted: bool,
}

impl fmt::Display for AxisBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.inverted { "-" } else { "" }, self.axis)
    }
}

/// Two buttons that count when both are pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord(pub PadButton, pub PadButton);

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.0, self.1)
    }
}

/// What a function is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// An axis.
    Axis(AxisBinding),
    /// A button.
    Button(PadButton),
    /// Two buttons at once.
    Chord(Chord),
}

impl Control {
    /// What people call it.
    fn label(self) -> String {
        match self {
            Self::Axis(bound) => bound.axis.label().to_owned(),
            Self::Button(button) => button.label().to_owned(),
            Self::Chord(Chord(one, other)) => {
                format!("{} and {} together", one.label(), other.label())
            }
        }
    }

    /// The controls that no other function may have.
    pub(crate) fn parts(self) -> Vec<Part> {
        match self {
            Self::Axis(bound) => vec![Part::Axis(bound.axis)],
            Self::Button(button) => vec![Part::Button(button)],
            Self::Chord(Chord(one, other)) => vec![Part::Button(one), Part::Button(other)],
        }
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Axis(bound) => bound.fmt(f),
            Self::Button(button) => button.fmt(f),
            Self::Chord(chord) => chord.fmt(f),
        }
    }
}

/// One control of a pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// An axis.
    Axis(PadAxis),
    /// A button.
    Button(PadButton),
}

impl Part {
    /// Whether the two are one thing under a finger.
    pub(crate) fn touches(self, other: Self) -> bool {
        match (self, other) {
            (Self::Axis(axis), Self::Button(button)) | (Self::Button(button), Self::Axis(axis)) => {
                button.end_of() == Some(axis)
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Axis(axis) => axis.name(),
            Self::Button(button) => button.name(),
        })
    }
}

/// A line of the table of bindings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// The function: its key in `[teleop.bindings]`.
    pub function: &'static str,
    /// Its control as the file names it, or `none`.
    pub control: String,
    /// What people call the control, on an Xbox pad.
    pub label: String,
    /// What it does.
    pub does: &'static str,
}

impl Bindings {
    /// Every function with its control, in the order of the file.
    pub fn functions(&self) -> Vec<(&'static str, Option<Control>)> {
        let axis = |bound: Option<AxisBinding>| bound.map(Control::Axis);
        let button = |bound: Option<PadButton>| bound.map(Control::Button);
        vec![
            ("dead_man", Some(Control::Button(self.dead_man))),
            ("x", axis(self.x)),
            ("y", axis(self.y)),
            ("z", axis(self.z)),
            ("roll", axis(self.roll)),
            ("pitch", axis(self.pitch)),
            ("yaw", axis(self.yaw)),
            ("open", button(self.open)),
            ("close", button(self.close)),
            ("faster", button(self.faster)),
            ("slower", button(self.slower)),
            ("start_keep", button(self.start_keep)),
            ("discard", button(self.discard)),
            ("re_record", button(self.re_record)),
            ("success", button(self.success)),
            ("failure", button(self.failure)),
            ("stop", button(self.stop)),
            ("stop_chord", self.stop_chord.map(Control::Chord)),
        ]
    }

    /// Every control that has a function, with the function's key: a pad must have all of them.
    pub fn needed(&self) -> Vec<(&'static str, Part)> {
        let bound = self.functions().into_iter();
        let parts = bound.filter_map(|(key, control)| Some((key, control?.parts())));
        parts.flat_map(|(key, parts)| parts.into_iter().map(move |part| (key, part))).collect()
    }

    /// The table of bindings, in the order of the file.
    pub fn table(&self) -> Vec<Binding> {
        let rows = self.functions().into_iter().map(|(function, control)| Binding {
            function,
            control: control.map_or(NONE.to_owned(), |control| control.to_string()),
            label: control.map_or("-".to_owned(), Control::label),
            does: does(function),
        });
        rows.collect()
    }
}

/// What a function does, for people.
fn does(function: &str) -> &'static str {
    match function {
        "dead_man" => "hold it, or nothing moves; press it with the sticks let go",
        "x" => "moves the hand along x",
        "y" => "moves the hand along y",
        "z" => "moves the hand up and down",
        "roll" => "turns the hand about x",
        "pitch" => "turns the hand about y",
        "yaw" => "turns the hand about z",
        "open" => "opens the gripper, faster the harder it is pressed",
        "close" => "closes the gripper, faster the harder it is pressed",
        "faster" => "the next faster of the three speeds",
        "slower" => "the next slower of the three speeds",
        "start_keep" => "starts an episode; keeps the one under way",
        "discard" => "throws the episode away",
        "re_record" => "throws the episode away and records it again",
        "success" => "labels the episode a success",
        "failure" => "labels the episode a failure",
        "stop" => "stops all motion, until `jaco reset`",
        "stop_chord" => "the same, with two buttons at once",
        _ => "",
    }
}

fn or_none<T: fmt::Display, S: Serializer>(
    bound: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match bound {
        Some(bound) => serializer.collect_str(bound),
        None => serializer.serialize_str(NONE),
    }
}
