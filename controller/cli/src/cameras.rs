//! The verb `jaco cameras`, as declared. `jaco-diagnose` carries it out.

use clap::builder::TypedValueParser;
use clap::{Args, Subcommand};
use jaco_shell::args::path;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What to do with cameras.
#[derive(Debug, Subcommand)]
pub enum CamerasVerb {
    /// List the cameras of this PC with what they offer and can be set to, and how those of the
    /// daemon and of the configuration are.
    List(CamerasListArgs),
    /// Take one picture: from the daemon if it has the camera, else from the device itself.
    Snap(SnapArgs),
    /// Tell rate, age, jitter, drops and fault of cameras, a line a second for each, until Ctrl-C.
    Watch(WatchArgs),
}

/// Options of `jaco cameras list`.
#[derive(Debug, Args)]
pub struct CamerasListArgs {
    /// Configuration file whose cameras are shown, too.
    #[arg(long, value_parser = path())]
    pub config: Option<PathBuf>,
}

/// Options of `jaco cameras snap`.
#[derive(Debug, Args)]
pub struct SnapArgs {
    /// Name of a camera of the daemon or of --config, or the path of a device.
    pub camera: String,
    /// The picture to write: a file that ends in .png (without loss) or .jpg.
    #[arg(long, value_name = "FILE", value_parser = path().try_map(picture))]
    pub out: PathBuf,
    /// Configuration file whose camera is opened where no daemon has it.
    #[arg(long, value_parser = path())]
    pub config: Option<PathBuf>,
    /// Size of the picture of a device that is given by its path.
    #[arg(long, default_value = "640x480", value_name = "WIDTHxHEIGHT")]
    pub size: PictureSize,
}

/// Options of `jaco cameras watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Names of cameras [default: all].
    pub names: Vec<String>,
    /// Configuration file whose cameras are opened where no daemon answers.
    #[arg(long, value_parser = path())]
    pub config: Option<PathBuf>,
}

/// Width and height \[pixels\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSize {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl FromStr for PictureSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |text: &str| text.parse().ok().filter(|side| (32..=3840).contains(side));
        text.split_once('x')
            .and_then(|(width, height)| Some(Self { width: read(width)?, height: read(height)? }))
            .ok_or_else(|| "must be such as 640x480".to_owned())
    }
}

/// Whether a path names a JPEG; none if it names neither a JPEG nor a PNG.
pub fn is_jpeg(path: &Path) -> Option<bool> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    match &*ending {
        "jpg" | "jpeg" => Some(true),
        "png" => Some(false),
        _ => None,
    }
}

fn picture(path: PathBuf) -> Result<PathBuf, String> {
    match is_jpeg(&path) {
        Some(_) => Ok(path),
        None => Err("must end in .png, .jpg or .jpeg".to_owned()),
    }
}
