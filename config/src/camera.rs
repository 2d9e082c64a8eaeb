//! The sections `[[camera]]`: which device, what is set in it, and when its pictures are no good.
//!
//! Only the camera itself knows which values its controls take: those are judged when it is opened.

use crate::problem::Fault;
use crate::section::{NumberOr, Section};
use jaco_core::Word;
use jaco_core::given::{GivenPathError, as_given, given_path};
use serde::{Serialize, Serializer};
use std::fmt;
use std::path::PathBuf;

/// What a camera's device is as a text.
const DEVICE_RULE: &str = "must be N of /dev/videoN without quotes, an absolute path, such as \
                           \"/dev/v4l/by-id/usb-...-video-index0\", \"serial:...\" or \"name:...\"";
/// Characters of a camera's name.
const NAME_CHARS: usize = 32;
const SERIAL: &str = "serial:";
const NAME: &str = "name:";

/// One camera.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Camera {
    /// Its name: in datasets `observation.images.<name>`; in the simulator that of the scene's
    /// camera.
    pub name: String,
    /// Where its pictures come from.
    #[serde(flatten)]
    pub source: Source,
    /// Picture width \[pixels\].
    pub width: u32,
    /// Picture height \[pixels\].
    pub height: u32,
    /// Pictures a second \[Hz\].
    pub rate_hz: u32,
    /// The form in which it gives them.
    pub format: CameraFormat,
    /// What is set in it.
    #[serde(flatten)]
    pub controls: Controls,
    /// Age from which its newest picture may no longer be acted upon \[ms\].
    pub stale_after_ms: u64,
    /// Age on arrival from which its pictures are late \[ms\].
    pub late_after_ms: u64,
    /// Mean brightness below which its pictures are dark, 0 to 255; 0 for never.
    pub dark_below: u8,
}

/// Where a camera's pictures come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub enum Source {
    /// The simulator.
    Sim,
    /// A Video4Linux device.
    V4l {
        /// Which one.
        device: VideoDevice,
    },
}

/// A Video4Linux device, as the file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoDevice {
    /// N of `/dev/videoN`.
    Number(u32),
    /// An absolute path, such as one below `/dev/v4l/by-id`.
    Path(PathBuf),
    /// The serial number of the camera, whatever its number is.
    Serial(String),
    /// The name that the camera gives itself, whatever its number is.
    Name(String),
}

impl VideoDevice {
    /// The path to open, of a device that is not looked for.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Number(number) => Some(format!("/dev/video{number}").into()),
            Self::Path(path) => Some(path.clone()),
            Self::Serial(_) | Self::Name(_) => None,
        }
    }
}

/// As a person calls it: "/dev/video0", "serial:8A3B".
impl fmt::Display for VideoDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "/dev/video{number}"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Serial(serial) => write!(f, "{SERIAL}{serial}"),
            Self::Name(name) => write!(f, "{NAME}{name}"),
        }
    }
}

impl Serialize for VideoDevice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Path(path) => match as_given(path) {
                Some(text) => serializer.serialize_str(&text),
                None => {
                    let text = format!("{} is not Unicode", path.display());
                    Err(serde::ser::Error::custom(text))
                }
            },
            Self::Serial(_) | Self::Name(_) => serializer.collect_str(self),
        }
    }
}

/// The form in which a camera gives its pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraFormat {
    /// The first of those that can be read.
    #[default]
    Auto,
    /// JPEG pictures.
    Mjpeg,
    /// Pixels, two bytes each.
    Yuyv,
}

impl Word for CameraFormat {
    const ALL: &'static [Self] = &[Self::Auto, Self::Mjpeg, Self::Yuyv];

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Mjpeg => "mjpeg",
            Self::Yuyv => "yuyv",
        }
    }
}

/// What is set in a camera; what is none stays as the camera has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Controls {
    /// Exposure time \[100 us\].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Setting>,
    /// Gain, in the camera's own unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gain: Option<Setting>,
    /// White balance \[K\].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub white_balance: Option<Setting>,
    /// Focus, in the camera's own unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focus: Option<Setting>,
    /// What flicker is filtered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_line: Option<PowerLine>,
}

/// How a control is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The camera chooses.
    Auto,
    /// To this value.
    Fixed(i32),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(value) => write!(f, "{value}"),
        }
    }
}

impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Fixed(value) => serializer.serialize_i32(*value),
        }
    }
}

/// The frequency of lamps whose flicker a camera filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum PowerLine {
    /// None.
    #[serde(rename = "off")]
    Off,
    /// 50 Hz.
    #[serde(rename = "50Hz")]
    Hz50,
    /// 60 Hz.
    #[serde(rename = "60Hz")]
    Hz60,
    /// The camera chooses.
    #[serde(rename = "auto")]
    Auto,
}

impl Word for PowerLine {
    const ALL: &'static [Self] = &[Self::Off, Self::Hz50, Self::Hz60, Self::Auto];

    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Hz50 => "50Hz",
            Self::Hz60 => "60Hz",
            Self::Auto => "auto",
        }
    }
}

/// The word of `source`; the device stands in a key of its own.
#[derive(Clone, Copy, PartialEq)]
enum SourceKind {
    Sim,
    V4l,
}

impl Word for SourceKind {
    const ALL: &'static [Self] = &[Self::Sim, Self::V4l];

    fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::V4l => "v4l",
        }
    }
}

/// All cameras; a refused one is None.
pub(crate) fn read(root: &mut Section<'_>, has_sim: bool) -> Vec<Option<Camera>> {
    let sections = root.sections("camera", "a list of sections, each under [[camera]]");
    if sections.is_empty() {
        root.require("camera", None::<()>, "at least one [[camera]] section");
    }
    let mut named: Vec<(String, Option<usize>)> = Vec::new();
    // Device, name of the camera it is of, and the device's line.
    let mut devices: Vec<(PathBuf, String, Option<usize>)> = Vec::new();
    let read = sections.into_iter().map(|mut section| {
        let camera = camera(&mut section, has_sim);
        if let Some(Camera { name, source, .. }) = &camera {
            match named.iter().find(|(earlier, _)| earlier == name) {
                Some((_, Some(line))) => {
                    section.refuse("name", format!("is the name of the camera on line {line} too"));
                }
                _ => named.push((name.clone(), section.line_of("name"))),
            }
            if let Source::V4l { device } = source {
                let device = device.path().unwrap_or_else(|| device.to_string().into());
                match devices.iter().find(|(earlier, ..)| *earlier == device) {
                    Some((_, owner, Some(line))) => section.refuse(
                        "device",
                        format!("is the device of the camera {owner:?} on line {line} too"),
                    ),
                    _ => devices.push((device, name.clone(), section.line_of("device"))),
                }
            }
        }
        section.finish();
        camera
    });
    read.collect()
}

fn camera(section: &mut Section<'_>, has_sim: bool) -> Option<Camera> {
    let name = section.text("name", |name| {
        let fits = name.len() <= NAME_CHARS
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        let rule = || format!("must be 1 to {NAME_CHARS} of a-z, 0-9, _ and -");
        if fits { Ok(()) } else { Err(rule()) }
    });
    let name = section.require("name", name, "a name for the camera, such as \"front\"");
    let kind = section.word::<SourceKind>("source");
    let kind = section.require("source", kind, "\"sim\" or \"v4l\"");
    let device = device(section);
    let format = section.word::<CameraFormat>("format");
    let controls = Controls {
        exposure: setting(section, "exposure", 1..=100_000),
        gain: setting(section, "gain", 0..=65_535),
        white_balance: setting(section, "white_balance", 1000..=15_000),
        focus: setting(section, "focus", 0..=65_535),
        power_line: section.word("power_line"),
    };
    let source = match kind {
        Some(SourceKind::V4l) => section
            .require("device", device, "N of the camera's /dev/videoN, or its path in quotes")
            .map(|device| Source::V4l { device }),
        Some(SourceKind::Sim) => {
            let Controls { exposure, gain, white_balance, focus, power_line } = &controls;
            for (key, is_given) in [
                ("device", device.is_some()),
                ("format", format.is_some_and(|format| format != CameraFormat::Auto)),
                ("exposure", exposure.is_some()),
                ("gain", gain.is_some()),
                ("white_balance", white_balance.is_some()),
                ("focus", focus.is_some()),
                ("power_line", power_line.is_some()),
            ] {
                if is_given {
                    section.refuse(key, "is for source = \"v4l\" only".to_owned());
                }
            }
            if !has_sim {
                let reason = "needs the simulator's socket: add a [sim] section with socket";
                section.refuse("source", reason.to_owned());
            }
            Some(Source::Sim)
        }
        None => None,
    };
    let width = section.integer("width", 32..=3840).unwrap_or(640);
    let height = section.integer("height", 32..=2160).unwrap_or(480);
    let rate_hz = section.integer("rate_hz", 10..=120).unwrap_or(30);
    // From two periods of the slowest camera on.
    let stale_after_ms = section.integer("stale_after_ms", 200..=5000).unwrap_or(500);
    let late_after_ms = section.integer("late_after_ms", 50..=2000).unwrap_or(250);
    let dark_below = section.integer("dark_below", 0..=128_u8).unwrap_or(8);
    Some(Camera {
        name: name?,
        source: source?,
        width,
        height,
        rate_hz,
        format: format.unwrap_or_default(),
        controls,
        stale_after_ms,
        late_after_ms,
        dark_below,
    })
}

fn device(section: &mut Section<'_>) -> Option<VideoDevice> {
    let wanted = "N of /dev/videoN, or a path in quotes";
    let read = section.integer_or("device", 0..=255_u32, wanted, |text, variables| {
        for (prefix, device) in
            [(SERIAL, VideoDevice::Serial as fn(String) -> _), (NAME, VideoDevice::Name)]
        {
            match text.strip_prefix(prefix) {
                Some(rest) if rest.trim() == rest && !rest.is_empty() => {
                    return Ok(device(rest.to_owned()));
                }
                Some(_) => {
                    let reason = "must have text behind the colon, without spaces around it";
                    return Err(Fault::Conflict(reason.to_owned()));
                }
                None => {}
            }
        }
        match given_path(text, variables) {
            Ok(path) if path.is_absolute() => Ok(VideoDevice::Path(path)),
            Err(error @ (GivenPathError::Unset(_) | GivenPathError::OtherHome(_))) => {
                Err(Fault::Conflict(error.to_string()))
            }
            Ok(_) | Err(_) => Err(Fault::Conflict(DEVICE_RULE.to_owned())),
        }
    });
    read.map(|device| match device {
        NumberOr::Number(number) => VideoDevice::Number(number),
        NumberOr::Text(device) => device,
    })
}

fn setting(
    section: &mut Section<'_>,
    key: &'static str,
    range: std::ops::RangeInclusive<i32>,
) -> Option<Setting> {
    const WANTED: &str = "a whole number, or \"auto\"";
    let read = section.integer_or(key, range, WANTED, |text, _| match text {
        "auto" => Ok(Setting::Auto),
        _ => Err(Fault::WrongType(WANTED)),
    });
    read.map(|read| match read {
        NumberOr::Number(value) => Setting::Fixed(value),
        NumberOr::Text(setting) => setting,
    })
}
