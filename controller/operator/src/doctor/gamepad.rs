//! Whether a gamepad is there that this user may read. Nothing is opened.

use super::check::{Check, Report};
use rustix::fs::{Access, access};
use std::path::Path;

const NAME: &str = "gamepad";
const INPUTS: &str = "/sys/class/input";
/// BTN_GAMEPAD: every pad has this button.
const PAD_BUTTON: usize = 0x130;
/// Bits of one word of a capability.
const WORD_BITS: usize = usize::BITS as usize;

/// Tells of it.
pub fn examine(report: &mut Report) -> anyhow::Result<()> {
    let pads = pads(Path::new(INPUTS));
    let Some((name, device)) = pads.first() else {
        return report
            .add(Check::skipped(NAME, "none is plugged in; only driving by pad needs one"));
    };
    let node = Path::new("/dev/input").join(device);
    let found = format!("{name} ({})", node.display());
    report.add(match access(&node, Access::READ_OK) {
        Ok(()) => Check::ok(NAME, found),
        Err(_) => Check::warn(
            NAME,
            format!("this user may not read {found}"),
            "be in the group input: `sudo usermod -aG input $USER`, then log in again",
        ),
    })
}

/// Name and event device of each pad.
fn pads(inputs: &Path) -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir(inputs) else { return Vec::new() };
    let pad = |entry: std::fs::DirEntry| {
        let device = entry.file_name().into_string().ok()?;
        device.starts_with("event").then_some(())?;
        let read = |name: &str| std::fs::read_to_string(entry.path().join("device").join(name));
        has(&read("capabilities/key").ok()?, PAD_BUTTON).then_some(())?;
        Some((read("name").unwrap_or_default().trim().to_owned(), device))
    };
    let mut pads: Vec<_> = entries.filter_map(|entry| pad(entry.ok()?)).collect();
    pads.sort();
    pads
}

/// Whether `bit` is set in words as the kernel prints them: hexadecimal, the highest first.
fn has(words: &str, bit: usize) -> bool {
    let word = words.split_whitespace().rev().nth(bit / WORD_BITS);
    let word = word.and_then(|word| u64::from_str_radix(word, 16).ok());
    word.is_some_and(|word| word >> (bit % WORD_BITS) & 1 == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The words are those of a pad and of a keyboard as Linux prints them.
    #[test]
    fn a_pad_is_told_from_a_keyboard() {
        let inputs = tempfile::tempdir().unwrap();
        for (device, name, keys) in [
            (
                "event3",
                "Keyboard",
                "1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe",
            ),
            ("event7", "Pad", "7cdb000000000000 0 0 0 0"),
        ] {
            let folder = inputs.path().join(device).join("device");
            std::fs::create_dir_all(folder.join("capabilities")).unwrap();
            std::fs::write(folder.join("name"), format!("{name}\n")).unwrap();
            std::fs::write(folder.join("capabilities/key"), keys).unwrap();
        }
        assert_eq!(pads(inputs.path()), [("Pad".to_owned(), "event7".to_owned())]);
    }
}
