//! Other programs that have the SDK loaded: Kinova's own tools, a ROS driver, another daemon's servo. The
//! SDK excludes nobody, so each of them can take the arm. They are only listed.

use super::check::{Check, Report};
use super::machine::servo_of;
use std::path::Path;

const NAME: &str = "other-programs";
/// In the name of every build of the SDK's command layer.
const LIBRARY: &str = "CommandLayerUbuntu";

/// Tells of them; `daemon` is a running daemon's process, whose servo is none of them.
pub fn examine(simulated: bool, daemon: Option<i32>, report: &mut Report) -> anyhow::Result<()> {
    if simulated {
        return report.add(Check::skipped(NAME, "the arm is simulated"));
    }
    let own = daemon.and_then(servo_of);
    let (mut others, hidden) = with_library(Path::new("/proc"));
    others.retain(|(process, _)| Some(*process) != own);
    report.add(if others.is_empty() {
        let among = if hidden { " among those that this user may look at" } else { "" };
        Check::ok(NAME, format!("none has the SDK loaded{among}"))
    } else {
        let others: Vec<_> =
            others.iter().map(|(process, name)| format!("{name} ({process})")).collect();
        Check::warn(
            NAME,
            format!("the SDK is loaded by {}", others.join(", ")),
            "end them, unless they have another arm: an arm takes orders from whoever sends some",
        )
    })
}

/// Number and name of each process that has the library mapped, and whether some could not be looked at.
fn with_library(processes: &Path) -> (Vec<(i32, String)>, bool) {
    let (mut found, mut hidden) = (Vec::new(), false);
    for entry in std::fs::read_dir(processes).into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match std::fs::read_to_string(entry.path().join("maps")) {
            Ok(maps) if maps.contains(LIBRARY) => {
                let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                found.push((process, name.trim().to_owned()));
            }
            Ok(_) => {}
            Err(error) => hidden |= error.kind() == std::io::ErrorKind::PermissionDenied,
        }
    }
    (found, hidden)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn programs_that_have_the_sdk_loaded_are_listed() {
        let processes = tempfile::tempdir().unwrap();
        for (process, name, maps) in [
            ("12", "DevelopmentCenter\n", "7f00 r--p /opt/kinova/USBCommandLayerUbuntu.so\n"),
            ("13", "bash\n", "7f00 r--p /usr/lib/libc.so.6\n"),
        ] {
            let folder = processes.path().join(process);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("comm"), name).unwrap();
            std::fs::write(folder.join("maps"), maps).unwrap();
        }
        let found = with_library(processes.path());
        assert_eq!(found, (vec![(12, "DevelopmentCenter".to_owned())], false));
    }
}
