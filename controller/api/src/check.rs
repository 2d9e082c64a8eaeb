//! What `jacod --check --json` prints: whether what a configuration names is there, and whether its
//! cameras give pictures. Words only; who looks is the daemon's program.

use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// One for each key that names something.
    pub findings: Vec<Finding>,
    /// With `--cameras` one for each camera, in the order of the file.
    pub cameras: Vec<CameraLook>,
}

/// What is said of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The key with its sections, such as `arm.sdk` or `camera[0].device`.
    pub key: String,
    /// How it is.
    pub said: Said,
    /// In words.
    pub what: String,
    /// Line of the value, where it is wrong and stands in the file.
    pub line: Option<usize>,
}

/// How something is that a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Said {
    /// It is there and may be used.
    Well,
    /// It is not there now and need not be.
    Note,
    /// It is not there, or is something else.
    Wrong,
}

/// What a camera gave when it was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraLook {
    /// Its name in the configuration.
    pub name: String,
    /// Its pictures; none if none came.
    pub pictures: Option<Pictures>,
    /// What is wrong with it; empty when nothing is.
    pub fault: String,
}

/// The pictures of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pictures {
    /// Width \[pixels\].
    pub width: u32,
    /// Height \[pixels\].
    pub height: u32,
    /// How many came a second.
    pub rate_hz: f64,
}
