//! The keys whose values are words: one enum each, with the word used in the file.

use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// An enum whose variants are written as fixed words in the file.
pub trait Word: Copy + PartialEq + 'static {
    /// All variants, in the order in which they are documented.
    const ALL: &'static [Self];

    /// The word in the file.
    fn name(self) -> &'static str;
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
        /// The frame of the tool point.
        Effector = "effector",
        /// The base frame.
        Base = "base",
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

impl Serialize for Device {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
