//! The cameras of this PC, for a person who chooses one: what each is called, offers and can be set
//! to. They are opened to be asked, which disturbs nobody who uses them, and nothing is set.

use crate::error::CameraError;
use crate::fault::FaultKind;
use crate::v4l::{control::Control, found, inquire, negotiate};
use jaco_config::VideoDevice;
use std::path::{Path, PathBuf};

/// A camera of this PC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its node, `/dev/videoN`.
    pub path: PathBuf,
    /// Stable names of the node.
    pub links: Vec<PathBuf>,
    /// What it calls itself; empty if the kernel does not list it.
    pub name: String,
    /// Its serial number, where it has one.
    pub serial: Option<String>,
    /// What it offers and can be set to, or why it does not say.
    pub abilities: Result<Abilities, String>,
}

/// What a camera says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// One for each format and size.
    pub modes: Vec<Mode>,
    /// What can be set.
    pub controls: Vec<Control>,
}

/// A format at a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    /// "MJPG", "YUYV" ...
    pub format: String,
    /// "640x480"; a range, or that it is unstated, in words.
    pub size: String,
    /// "30 Hz, 15 Hz"; a range, or that it is unstated, in words.
    pub rates: String,
    /// Whether jacod can read the format.
    pub readable: bool,
}

/// All cameras that the kernel lists, by number: of each the nodes that capture.
pub fn here() -> Vec<Found> {
    let nodes = found::nodes().into_iter().filter_map(|node| {
        let abilities = ask(&node.path);
        // A camera's second node has no pictures: that is no fault of it.
        let is_second = matches!(&abilities, Err(error) if error.is_no_capture());
        (!is_second || node.is_first()).then(|| Found {
            abilities: abilities.map_err(|error| error.to_string()),
            path: node.path,
            links: node.links,
            name: node.name,
            serial: node.serial,
        })
    });
    nodes.collect()
}

/// The node of the device that is meant, as it is now; or of which kind the fault is, and what.
///
/// # Errors
/// No camera of this serial number or name is plugged in, or several are.
pub fn node_of(device: &VideoDevice) -> Result<PathBuf, (FaultKind, String)> {
    found::find(device).map_err(|error| (error.kind(), error.to_string()))
}

fn ask(path: &Path) -> Result<Abilities, CameraError> {
    let (offers, controls) = inquire(path)?;
    let mode = |offer: negotiate::Offer| Mode {
        format: negotiate::fourcc_text(offer.fourcc),
        size: offer.size.to_string(),
        rates: offer.rates.to_string(),
        readable: negotiate::is_readable(offer.fourcc),
    };
    Ok(Abilities { modes: offers.into_iter().map(mode).collect(), controls })
}
