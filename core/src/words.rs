//! Settings whose values are words: one enum each, with the word that files, command lines and
//! the API use for it.

use nalgebra::{UnitQuaternion, Vector3};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// An enum whose variants are written as fixed words.
pub trait Word: Copy + PartialEq + 'static {
    /// All variants, in the order in which they are documented.
    const ALL: &'static [Self];

    /// The word.
    fn name(self) -> &'static str;
}

/// A text that is none of a [`Word`]'s.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is none of {}", known.join(", "))]
pub struct UnknownWord {
    /// The text.
    pub found: String,
    /// The words there are.
    pub known: Vec<&'static str>,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl Word for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|word| word.name() == text).ok_or_else(|| {
                    let known = Self::ALL.iter().map(|word| word.name()).collect();
                    UnknownWord { found: text.to_owned(), known }
                })
            }
        }
    };
}

words! {
    /// How the arm is connected; chooses which of the SDK's command layers is spoken to.
    Transport {
        /// USB.
        Usb = "usb",
        /// Ethernet, with the SDK's default addresses.
        Ethernet = "ethernet",
    }
}

words! {
    /// The frame in which the arm's firmware reads angular velocity. Sources disagree, so it is a
    /// setting.
    AngularFrame {
        /// The frame of the tool point (what Kinova's engineers say).
        Effector = "effector",
        /// The base frame (what the formula in kinova-ros' README gives).
        Base = "base",
    }
}

impl AngularFrame {
    /// What the arm is to be told for the angular velocity `base_rad_s` in the base frame, with
    /// the tool turned to `orientation`.
    pub fn from_base(
        self,
        base_rad_s: &Vector3<f64>,
        orientation: &UnitQuaternion<f64>,
    ) -> Vector3<f64> {
        match self {
            AngularFrame::Effector => orientation.inverse_transform_vector(base_rad_s),
            AngularFrame::Base => *base_rad_s,
        }
    }

    /// The inverse of [`AngularFrame::from_base`].
    pub fn to_base(
        self,
        told_rad_s: &Vector3<f64>,
        orientation: &UnitQuaternion<f64>,
    ) -> Vector3<f64> {
        match self {
            AngularFrame::Effector => orientation.transform_vector(told_rad_s),
            AngularFrame::Base => *told_rad_s,
        }
    }
}

words! {
    /// What the arm does while the policy decodes.
    Execution {
        /// It waits: decode, execute all units, decode again.
        Sync = "sync",
        /// It goes on with the units it has; the next are decoded meanwhile.
        Async = "async",
    }
}

words! {
    /// Element type that the policy computes in.
    Dtype {
        /// Single precision.
        F32 = "f32",
        /// Single precision's range in half the bytes.
        Bf16 = "bf16",
        /// Half precision.
        F16 = "f16",
    }
}

words! {
    /// What is done to a camera's picture before the checkpoint's own image processor sees it.
    View {
        /// Nothing.
        Plain = "plain",
        /// JPEG and Lanczos, as in OpenVLA's evaluation on the Bridge set-up.
        Bridge = "bridge",
        /// The same and the middle nine tenths of the area, for checkpoints trained with
        /// `image_aug`.
        Cropped = "cropped",
        /// The same, turned by 180 degrees first, as in OpenVLA's evaluation on LIBERO.
        Libero = "libero",
    }
}

words! {
    /// The least severe log level that is written.
    Level {
        /// What stopped something.
        Error = "error",
        /// What was refused, lost or late.
        Warn = "warn",
        /// What was started, finished or changed.
        Info = "info",
        /// What was decided and why.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

words! {
    /// The form of a log line.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// Where the policy runs: `cpu` or `cuda:<index>` in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The NVIDIA GPU of this index.
    Cuda(usize),
}

impl Device {
    /// The element type that suits it.
    pub fn default_dtype(self) -> Dtype {
        match self {
            Device::Cpu => Dtype::F32,
            Device::Cuda(_) => Dtype::Bf16,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// A device name that no device has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown device {0:?}: \"cpu\" or \"cuda:0\", \"cuda:1\", ...")]
pub struct UnknownDevice(pub String);

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let index = |digits: &str| digits.parse().ok().filter(|_| !digits.starts_with('+'));
        match name.strip_prefix("cuda:") {
            Some(digits) => index(digits).map(Device::Cuda),
            None => (name == "cpu").then_some(Device::Cpu),
        }
        .ok_or_else(|| UnknownDevice(name.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Device {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for frame in AngularFrame::ALL {
            assert_eq!(frame.to_string().parse(), Ok(*frame));
        }
        let error = "tool".parse::<AngularFrame>().unwrap_err();
        assert_eq!(error.to_string(), "\"tool\" is none of effector, base");
    }

    #[test]
    fn frames_turn_there_and_back() {
        let turned = UnitQuaternion::from_scaled_axis(Vector3::new(3.0, 0.2, -0.4));
        let rate_rad_s = Vector3::new(0.1, -0.2, 0.3);
        for frame in AngularFrame::ALL {
            let told = frame.from_base(&rate_rad_s, &turned);
            assert!((frame.to_base(&told, &turned) - rate_rad_s).norm() < 1e-12);
        }
    }
}
