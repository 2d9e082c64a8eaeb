//! The semaphore that the SDK's USB layer leaves in /dev/shm: whether this user may open it, and
//! whether failed reads of somebody have used it up. It is read, never taken or made.

use super::check::{Check, Report};
use super::daemon::Presence;
use jaco_config::Config;
use jaco_core::Transport;
use jaco_servo::driver::{SDK_SEMAPHORE, semaphore_file};
use rustix::fs::{Access, access};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

const NAME: &str = "semaphore";
/// A call that is under way has taken one: so often it is read, with pauses.
const READS: u32 = 5;
/// The user of the shipped unit.
const DAEMON_USER: &str = "jacod";
/// Permission of everybody to read and to write.
const WORLD_MAY_USE: u32 = 0o006;
const PAUSE: Duration = Duration::from_millis(60);

/// Tells of it.
pub fn examine(config: &Config, presence: &Presence, report: &mut Report) -> anyhow::Result<()> {
    report.add(look(config, presence))
}

fn look(config: &Config, presence: &Presence) -> Check {
    if config.arm.transport == Transport::Ethernet {
        return Check::skipped(NAME, "the SDK's Ethernet layer has none");
    }
    let name = match &config.sim {
        None => SDK_SEMAPHORE,
        Some(sim) => match &sim.semaphore {
            Some(name) => name,
            None => return Check::skipped(NAME, "the simulated arm's stand-in has none"),
        },
    };
    let path = semaphore_file(name);
    let shown = path.display();
    let Ok(found) = path.metadata() else {
        return Check::ok(NAME, format!("{shown} is not there: the SDK makes it"));
    };
    let owner = owner(found.uid());
    let remedy = format!("stop everything that uses the arm, then `sudo rm {shown}`");
    if access(&path, Access::READ_OK | Access::WRITE_OK).is_err() {
        let found =
            format!("{shown} belongs to {owner}, and this user may not open it: InitAPI crashes");
        return match presence.status() {
            // It is the daemon's user who must.
            Some(_) => Check::ok(NAME, format!("{shown} belongs to {owner}; the daemon runs")),
            None => Check::fail(NAME, found, format!("{remedy}; run all under one user")),
        };
    }
    if presence.status().is_none()
        && found.mode() & WORLD_MAY_USE != WORLD_MAY_USE
        && uid_of(DAEMON_USER).is_some_and(|uid| uid != found.uid())
    {
        let found =
            format!("{shown} belongs to {owner}: the SDK would crash for the user {DAEMON_USER}");
        return Check::warn(NAME, found, format!("if jacod is to run as that user: {remedy}"));
    }
    let mut value = None;
    for read in 0..READS {
        if read > 0 {
            std::thread::sleep(PAUSE);
        }
        value = read_value(&path);
        if value.is_some_and(|value| value > 0) {
            break;
        }
    }
    match value {
        // A start of the SDK gives one back.
        Some(0) => Check::warn(
            NAME,
            format!(
                "{shown} is used up by failed reads (value 0): a program that has the SDK open \
                 hangs in its next call"
            ),
            remedy,
        ),
        Some(value) => Check::ok(NAME, format!("{shown} of {owner}, value {value}")),
        None => Check::skipped(NAME, format!("{shown} cannot be read as a semaphore")),
    }
}

/// The value lies in the first four bytes, as glibc has it on 64-bit machines since 2.21. Reading
/// it needs no right to take it.
fn read_value(path: &Path) -> Option<u32> {
    let mut bytes = [0; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).ok()?;
    Some(u32::from_le_bytes(bytes))
}

/// The user's name, or his number.
fn owner(uid: u32) -> String {
    let named = users().into_iter().find(|(_, number)| *number == uid);
    named.map_or_else(|| format!("user {uid}"), |(name, _)| name)
}

fn uid_of(name: &str) -> Option<u32> {
    users().into_iter().find(|(other, _)| other == name).map(|(_, uid)| uid)
}

/// This machine's own users.
fn users() -> Vec<(String, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    users.lines().filter_map(user).collect()
}
