//! Whether a daemon runs and what it says. Nothing is asked of it but its status.

use super::check::{Check, Report};
use jaco_api::client::{Client, ClientError};
use jaco_api::{Mode, Status};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

const NAME: &str = "jacod";
/// It answers within milliseconds.
const LIMIT: Duration = Duration::from_secs(3);
/// Parts on the fault board that other checks tell of.
const TOLD_ELSEWHERE: &[&str] = &["servo", "arm/", "camera ", "policy"];

/// Whether there is a daemon.
#[derive(Debug)]
pub enum Presence {
    /// None serves the socket.
    Absent,
    /// It answers.
    Answers {
        /// What it says.
        status: Box<Status>,
        /// Its process; none if the kernel does not tell.
        pid: Option<i32>,
    },
    /// One seems to run and cannot be asked, for this reason.
    Mute(String),
}

impl Presence {
    /// The daemon's process.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Presence::Answers { pid, .. } => *pid,
            _ => None,
        }
    }

    /// What the daemon says of itself.
    pub fn status(&self) -> Option<&Status> {
        match self {
            Presence::Answers { status, .. } => Some(status),
            _ => None,
        }
    }

    /// The faults of one of its parts, without the part's name.
    pub fn faults<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a str> {
        let faults = self.status().map(|status| &status.faults[..]).unwrap_or_default();
        faults.iter().filter_map(move |fault| fault.strip_prefix(part)?.strip_prefix(": "))
    }

    /// Why what the daemon may have open is not looked at, if that is so.
    pub fn keeps_out(&self) -> Option<String> {
        match self {
            Presence::Mute(why) => Some(format!("a daemon seems to have it, and {why}")),
            _ => None,
        }
    }
}

/// Asks whether there is a daemon on `socket`.
pub async fn ask(socket: &Path) -> Presence {
    let pid = tokio::net::UnixStream::connect(socket)
        .await
        .and_then(|stream| stream.peer_cred())
        .ok()
        .and_then(|peer| peer.pid());
    let client = Client::new(socket);
    match tokio::time::timeout(LIMIT, client.get::<Status>("/v1/status")).await {
        Err(_) => Presence::Mute(format!("does not answer within {} s", LIMIT.as_secs())),
        Ok(Ok(status)) => Presence::Answers { status: Box::new(status), pid },
        Ok(Err(error)) => match &error {
            ClientError::NoDaemon { error: cause, .. } => match cause.kind() {
                ErrorKind::PermissionDenied => Presence::Mute(error.to_string()),
                _ => Presence::Absent,
            },
            _ => Presence::Mute(error.to_string()),
        },
    }
}

/// What the daemon says of itself as a whole.
pub fn examine(socket: &Path, presence: &Presence, report: &mut Report) -> anyhow::Result<()> {
    let socket = socket.display();
    let status = match presence {
        Presence::Absent => {
            let found = format!("none runs on {socket}");
            return report.add(Check::ok(NAME, found));
        }
        Presence::Mute(why) => {
            let remedy = "ask as a user of its group, or look at its log (`journalctl -u jacod`) \
                          and start it again";
            return report.add(Check::fail(NAME, format!("on {socket}: {why}"), remedy));
        }
        Presence::Answers { status, .. } => status,
    };
    let found = format!("version {} runs on {socket}, mode {}", status.version, status.mode);
    report.add(match (&status.stop, status.mode) {
        (Some(why), _) => Check::warn(
            NAME,
            format!("{found}: {why}"),
            "make sure that the cause is gone, then `jaco reset`",
        ),
        (None, Mode::HandedOver) => {
            Check::warn(NAME, found, "the arm is left to the joystick: `jaco take` takes it back")
        }
        (None, _) => Check::ok(NAME, found),
    })?;
    let elsewhere = |fault: &&String| TOLD_ELSEWHERE.iter().any(|part| fault.starts_with(part));
    for fault in status.faults.iter().filter(|fault| !elsewhere(fault)) {
        let remedy = "see its log: `journalctl -u jacod`";
        report.add(Check::fail(NAME, fault, remedy))?;
    }
    Ok(())
}
