//! The cameras of this PC as the kernel lists them, and which of them is meant.
//!
//! Read from sysfs each time: numbers change when a camera is plugged in again, its serial number
//! and its name do not. The first node of a camera gives its pictures; the others are passed over.

use crate::error::CameraError;
use jaco_config::VideoDevice;
use std::fs;
use std::path::{Path, PathBuf};

const CLASS: &str = "/sys/class/video4linux";
/// Folders of links that stay with a camera, or with the socket it is plugged into.
const LINKS: [&str; 2] = ["/dev/v4l/by-id", "/dev/v4l/by-path"];

/// A capture device that the kernel lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its node, `/dev/videoN`.
    pub(crate) path: PathBuf,
    /// Stable names of the node.
    pub(crate) links: Vec<PathBuf>,
    /// What the camera calls itself.
    pub(crate) name: String,
    /// Its serial number, where it has one.
    pub(crate) serial: Option<String>,
    number: u32,
    index: u32,
    /// The device that it is a node of.
    parent: PathBuf,
}

impl Listed {
    /// Whether it is its camera's first node.
    pub(crate) fn is_first(&self) -> bool {
        self.index == 0
    }
}

/// All nodes, by number.
pub(crate) fn nodes() -> Vec<Listed> {
    let links: Vec<(PathBuf, PathBuf)> = LINKS
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| {
            let link = entry.path();
            let node = fs::read_link(&link).ok()?;
            Some((Path::new("/dev").join(node.file_name()?), link))
        })
        .collect();
    let entries = fs::read_dir(CLASS).ok().into_iter().flatten().flatten();
    let mut nodes: Vec<_> = entries.filter_map(|entry| node(&entry.path(), &links)).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

fn node(entry: &Path, links: &[(PathBuf, PathBuf)]) -> Option<Listed> {
    let number = entry.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()?;
    let text = |name: &str| {
        let bytes = fs::read(entry.join(name)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|text| !text.is_empty())
    };
    let path = PathBuf::from(format!("/dev/video{number}"));
    let mut links: Vec<_> =
        links.iter().filter(|(to, _)| *to == path).map(|(_, link)| link.clone()).collect();
    links.sort();
    Some(Listed {
        links,
        name: text("name").unwrap_or_default(),
        // The node's device is an interface of the USB device, which has the number.
        serial: text("device/../serial").or_else(|| text("device/serial")),
        index: text("index").and_then(|index| index.parse().ok()).unwrap_or(0),
        // The last part, such as 1-4.2:1.0, is the only one of its kind.
        parent: fs::read_link(entry.join("device"))
            .ok()
            .and_then(|to| Some(to.file_name()?.into()))
            .unwrap_or_else(|| path.clone()),
        number,
        path,
    })
}

/// The node that is meant now.
pub(crate) fn find(device: &VideoDevice) -> Result<PathBuf, CameraError> {
    match device.path() {
        Some(path) => Ok(path),
        None => choose(&nodes(), device),
    }
}

fn choose(nodes: &[Listed], device: &VideoDevice) -> Result<PathBuf, CameraError> {
    let is_meant = |node: &&Listed| match device {
        VideoDevice::Serial(serial) => node.serial.as_ref() == Some(serial),
        VideoDevice::Name(name) => node.name == *name,
        VideoDevice::Number(_) | VideoDevice::Path(_) => false,
    };
    let meant: Vec<_> = nodes.iter().filter(is_meant).collect();
    let Some(first) = meant.iter().min_by_key(|node| (node.index, node.number)) else {
        let device = device.to_string();
        return Err(CameraError::NotFound { device, cameras: in_words(nodes) });
    };
    if meant.iter().any(|node| node.parent != first.parent) {
        let paths = meant.iter().map(|node| node.path.display().to_string());
        return Err(CameraError::Ambiguous {
            device: device.to_string(),
            paths: paths.collect::<Vec<_>>().join(", "),
        });
    }
    Ok(first.path.clone())
}

/// The cameras of this PC, for people who look for theirs.
pub(crate) fn in_words(nodes: &[Listed]) -> String {
    let texts = nodes.iter().filter(|node| node.is_first()).map(|node| {
        let serial = node.serial.as_ref().map_or(String::new(), |serial| format!(", {serial}"));
        format!("{} ({}{serial})", node.path.display(), node.name)
    });
    match texts.collect::<Vec<_>>() {
        texts if texts.is_empty() => "this PC has no camera".to_owned(),
        texts => format!("there is {}", texts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn listed(number: u32, index: u32, serial: Option<&str>, parent: &str) -> Listed {
        Listed {
            path: format!("/dev/video{number}").into(),
            links: Vec::new(),
            name: "C920".to_owned(),
            serial: serial.map(str::to_owned),
            number,
            index,
            parent: parent.into(),
        }
    }

    #[test]
    fn a_camera_is_found_by_serial_number_and_name_whatever_its_number() {
        let nodes = [
            listed(1, 1, Some("A"), "usb1"),
            listed(4, 0, Some("A"), "usb1"),
            listed(2, 0, Some("B"), "usb2"),
        ];
        let serial = |text: &str| choose(&nodes, &VideoDevice::Serial(text.to_owned()));
        assert_eq!(serial("A").unwrap(), Path::new("/dev/video4"));
        assert_eq!(serial("B").unwrap(), Path::new("/dev/video2"));
        assert_eq!(
            serial("C").unwrap_err().to_string(),
            "there is no camera serial:C; there is /dev/video4 (C920, A), /dev/video2 (C920, B)"
        );
        let name = VideoDevice::Name("C920".to_owned());
        assert_eq!(
            choose(&nodes, &name).unwrap_err().to_string(),
            "more than one camera is name:C920 (/dev/video1, /dev/video4, /dev/video2): give the \
             serial number or the path of one"
        );
        assert_eq!(choose(&nodes[..2], &name).unwrap(), Path::new("/dev/video4"));
        let none = choose(&[], &name).unwrap_err().to_string();
        assert_eq!(none, "there is no camera name:C920; this PC has no camera");
    }
}
