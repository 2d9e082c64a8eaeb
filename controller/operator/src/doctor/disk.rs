//! The folder of all that jacod writes: whether it can be written, and how much room there is.

use super::check::{Check, Report};
use super::configuration::{self, Named};
use super::daemon::Presence;
use rustix::fs::{Access, access};
use std::path::Path;

const NAME: &str = "disk";
/// An hour of two cameras takes about as much.
const AMPLE_BYTES: u64 = 5 << 30;
/// Flight records and reports no longer fit.
const LEAST_BYTES: u64 = 200 << 20;

/// Tells of it. Whether it can be written is a running daemon's matter, not this user's.
pub fn examine(
    folder: &Path,
    named: &Named,
    presence: &Presence,
    report: &mut Report,
) -> anyhow::Result<()> {
    let wrong = configuration::wrong(named, "paths.data_dir");
    report.add(match (presence.status(), wrong) {
        (None, Some(finding)) => configuration::fault(NAME, finding),
        (None, None) => look(folder, true),
        (Some(_), _) => look(folder, false),
    })
}

fn look(folder: &Path, must_write: bool) -> Check {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    let free = match rustix::fs::statvfs(there) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize),
        Err(error) => {
            return Check::skipped(NAME, format!("cannot look at {}: {error}", there.display()));
        }
    };
    if must_write && access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let found = format!("this user may not write in {}", there.display());
        return Check::fail(NAME, found, "look as the user of jacod: `sudo -u jacod jaco doctor`");
    }
    let found = format!("{:.1} GB free for {}", free as f64 / 1e9, absolute.display());
    let remedy = "make room, or set paths.data_dir to a larger disk";
    match free {
        0..LEAST_BYTES => Check::fail(NAME, found, remedy),
        LEAST_BYTES..AMPLE_BYTES => Check::warn(NAME, found, remedy),
        _ => Check::ok(NAME, found),
    }
}
