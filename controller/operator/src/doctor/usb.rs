//! The arm on the USB: whether the kernel sees it, whether its node may be written, whether the
//! udev rule is there. Nothing is opened.

use super::check::{Check, Report};
use jaco_config::Config;
use jaco_core::Transport;
use rustix::fs::{Access, access};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const NAME: &str = "usb";
const RULE: &str = "udev-rule";
/// Kinova's vendor number.
const VENDOR: &str = "22cd";
const DEVICES: &str = "/sys/bus/usb/devices";
const RULES: &[&str] =
    &["/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d"];
const INSTALL: &str = "sudo install -m 644 deploy/udev/60-kinova.rules /etc/udev/rules.d/ && sudo \
                       udevadm control --reload && sudo udevadm trigger";
/// Permission of the group to read and to write.
const GROUP_MAY_USE: u32 = 0o060;

/// Tells of it.
pub fn examine(config: &Config, report: &mut Report) -> anyhow::Result<()> {
    let elsewhere = match (&config.sim, config.arm.transport) {
        (Some(_), _) => Some("the arm is simulated"),
        (None, Transport::Ethernet) => Some("the arm is on a network"),
        (None, Transport::Usb) => None,
    };
    if let Some(why) = elsewhere {
        report.add(Check::skipped(NAME, why))?;
        return report.add(Check::skipped(RULE, why));
    }
    let nodes = nodes(Path::new(DEVICES));
    if !Path::new(DEVICES).is_dir() {
        report.add(Check::skipped(NAME, format!("there is no {DEVICES} here")))?;
    } else if nodes.is_empty() {
        let remedy = "switch the arm on, plug its cable in, no hub; a virtual machine must be \
                      given the device";
        report.add(Check::fail(NAME, format!("no device of Kinova's ({VENDOR}:)"), remedy))?;
    }
    for node in &nodes {
        report.add(look(node))?;
    }
    let installed = RULES.iter().map(Path::new).find_map(rule_in);
    report.add(match installed {
        Some(rule) => Check::ok(RULE, rule.display().to_string()),
        None => Check::warn(RULE, "no rule gives Kinova's arms to a group", INSTALL),
    })
}

fn look(node: &Path) -> Check {
    let shown = node.display();
    let Ok(found) = node.metadata() else {
        return Check::fail(NAME, format!("{shown} is not there"), INSTALL);
    };
    if access(node, Access::READ_OK | Access::WRITE_OK).is_err() {
        let found = format!("this user may not use {shown}");
        return Check::fail(NAME, found, format!("be in its group, plugdev; {INSTALL}"));
    }
    // Root and the owner may anyway; the daemon's user is neither.
    if found.mode() & GROUP_MAY_USE != GROUP_MAY_USE {
        let found = format!("this user may use {shown}, the group of the daemon's user may not");
        return Check::warn(NAME, found, INSTALL);
    }
    Check::ok(NAME, shown.to_string())
}

/// The nodes of Kinova's devices.
fn nodes(devices: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(devices) else { return Vec::new() };
    let of_kinova = |device: PathBuf| {
        let read = |name: &str| std::fs::read_to_string(device.join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u32>().ok();
        (read("idVendor")?.trim() == VENDOR).then_some(())?;
        let (bus, device) = (number("busnum")?, number("devnum")?);
        Some(PathBuf::from(format!("/dev/bus/usb/{bus:03}/{device:03}")))
    };
    entries.filter_map(|entry| of_kinova(entry.ok()?.path())).collect()
}

/// The rule for Kinova's devices in `folder`.
fn rule_in(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let mut rules = files.filter(|path| path.extension().is_some_and(|end| end == "rules"));
    rules.find(|path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(VENDOR))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_arm_is_known_by_its_vendor() {
        let devices = tempfile::tempdir().unwrap();
        for (name, vendor, device) in
            [("1-1", "22cd", "7"), ("1-2", "046d", "8"), ("usb1", "", "1")]
        {
            let folder = devices.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("idVendor"), format!("{vendor}\n")).unwrap();
            std::fs::write(folder.join("busnum"), "1\n").unwrap();
            std::fs::write(folder.join("devnum"), format!("{device}\n")).unwrap();
        }
        assert_eq!(nodes(devices.path()), [PathBuf::from("/dev/bus/usb/001/007")]);
    }

    #[test]
    fn the_shipped_rule_is_recognised_and_a_comment_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("10.rules"), "# Kinova 22cd").unwrap();
        assert_eq!(rule_in(folder.path()), None);
        let rule = include_str!("../../../../deploy/udev/60-kinova.rules");
        std::fs::write(folder.path().join("60.rules"), rule).unwrap();
        assert_eq!(rule_in(folder.path()), Some(folder.path().join("60.rules")));
    }
}
