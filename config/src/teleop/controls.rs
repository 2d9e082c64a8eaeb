//! The controls of a gamepad, by the names that the pad's mapping gives them, whatever their
//! numbers are. Nothing here knows a pad: `teleop` reads one.

use jaco_core::Word;
use serde::{Serialize, Serializer};
use std::fmt;

macro_rules! controls {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// How many there are.
            pub const COUNT: usize = [$(Self::$variant),+].len();

            /// What people call it, on an Xbox pad.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            /// Its place among all of them, below [`COUNT`](Self::COUNT).
            pub fn index(self) -> usize {
                self as usize
            }
        }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

controls! {
    /// A control that goes both ways, -1 to 1; right and up are positive.
    PadAxis {
        /// Left stick, right is positive.
        LeftStickX = "left stick, left and right",
        /// Left stick, up is positive.
        LeftStickY = "left stick, up and down",
        /// Right stick, right is positive.
        RightStickX = "right stick, left and right",
        /// Right stick, up is positive.
        RightStickY = "right stick, up and down",
        /// Directional pad, right is positive.
        DPadX = "d-pad, left and right",
        /// Directional pad, up is positive.
        DPadY = "d-pad, up and down",
    }
}

controls! {
    /// A control that is pressed, 0 to 1; only triggers know anything between.
    PadButton {
        /// The lower of the four.
        South = "A",
        /// The right one of the four.
        East = "B",
        /// The upper of the four.
        North = "Y",
        /// The left one of the four.
        West = "X",
        /// A fifth one, on pads with six.
        C = "C",
        /// A sixth one, on pads with six.
        Z = "Z",
        /// The upper left shoulder button.
        LeftTrigger = "left bumper (LB)",
        /// The lower left shoulder button.
        LeftTrigger2 = "left trigger (LT)",
        /// The upper right shoulder button.
        RightTrigger = "right bumper (RB)",
        /// The lower right shoulder button.
        RightTrigger2 = "right trigger (RT)",
        /// The left one in the middle.
        Select = "Back / View",
        /// The right one in the middle.
        Start = "Start / Menu",
        /// The one with the maker's sign.
        Mode = "Guide (the Xbox button)",
        /// Pressing the left stick.
        LeftThumb = "left stick pressed",
        /// Pressing the right stick.
        RightThumb = "right stick pressed",
        /// Up on the directional pad.
        DPadUp = "d-pad up",
        /// Down on the directional pad.
        DPadDown = "d-pad down",
        /// Left on the directional pad.
        DPadLeft = "d-pad left",
        /// Right on the directional pad.
        DPadRight = "d-pad right",
    }
}

impl PadButton {
    /// The axis that it is an end of, if it is.
    pub fn end_of(self) -> Option<PadAxis> {
        match self {
            Self::DPadUp | Self::DPadDown => Some(PadAxis::DPadY),
            Self::DPadLeft | Self::DPadRight => Some(PadAxis::DPadX),
            _ => None,
        }
    }
}
