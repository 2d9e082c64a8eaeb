//! Whether each configured camera gives pictures: as the running daemon tells, which has them open,
//! or as `jacod --check --cameras` found.

use super::check::{Check, Report};
use super::configuration::{self, Named};
use super::daemon::{self, Presence};
use jaco_api::CameraStatus;
use jaco_api::check::{CameraLook, Pictures};
use jaco_config::{Camera, Config, Source};
use std::time::{Duration, Instant};

/// Time over which the daemon's pictures are counted.
const COUNTED: Duration = Duration::from_secs(1);
/// Below this share of the configured rate a camera is slow.
const SLOW: f64 = 0.7;

/// Tells of all of them.
pub async fn examine(
    config: &Config,
    named: &Named,
    presence: &Presence,
    report: &mut Report,
) -> anyhow::Result<()> {
    let later = count_again(config, presence).await;
    for (index, camera) in config.cameras.iter().enumerate() {
        let name = format!("camera {}", camera.name);
        let wrong = configuration::wrong(named, &format!("camera[{index}]"));
        if let (None, Some(finding)) = (presence.status(), wrong) {
            report.add(configuration::fault(&name, finding))?;
            continue;
        }
        if let Some(why) = presence.keeps_out() {
            report.add(Check::skipped(name, why))?;
            continue;
        }
        let of_daemon = presence.status().map(|status| &status.cameras);
        let check = match (of_daemon, named) {
            (Some(cameras), _) => {
                let before = cameras.iter().find(|found| found.name == camera.name);
                from_daemon(&name, camera, before, &later)
            }
            (None, Err(_)) => Check::skipped(name, "jacod, which opens it, does not start"),
            (None, Ok(checked)) => {
                match checked.cameras.iter().find(|looked| looked.name == camera.name) {
                    Some(looked) => looked_at(&name, camera, looked),
                    None => Check::skipped(name, "jacod did not look at it"),
                }
            }
        };
        report.add(check)?;
    }
    Ok(())
}

/// What the daemon says of its cameras a moment later, and after how many seconds.
async fn count_again(config: &Config, presence: &Presence) -> Option<(Vec<CameraStatus>, f64)> {
    presence.status()?;
    let began = Instant::now();
    tokio::time::sleep(COUNTED).await;
    match daemon::ask(&config.api.socket).await {
        Presence::Answers { status, .. } => Some((status.cameras, began.elapsed().as_secs_f64())),
        _ => None,
    }
}

fn from_daemon(
    name: &str,
    camera: &Camera,
    before: Option<&CameraStatus>,
    later: &Option<(Vec<CameraStatus>, f64)>,
) -> Check {
    let Some(before) = before else {
        return Check::fail(
            name,
            "the running daemon does not have it",
            "start jacod with this configuration",
        );
    };
    if !before.fault.is_empty() {
        return fault(name, camera, &before.fault, before.kind.as_deref());
    }
    let after = later.as_ref().and_then(|(cameras, seconds)| {
        let after = cameras.iter().find(|found| found.name == before.name)?;
        Some(after.frames.saturating_sub(before.frames) as f64 / seconds)
    });
    match after {
        Some(rate_hz) => {
            let (width, height) = (camera.width, camera.height);
            pictures(name, camera, &Pictures { width, height, rate_hz })
        }
        None => Check::skipped(name, "the daemon does not answer any more"),
    }
}

fn looked_at(name: &str, camera: &Camera, looked: &CameraLook) -> Check {
    match &looked.pictures {
        Some(found) if looked.fault.is_empty() => pictures(name, camera, found),
        _ => fault(name, camera, &looked.fault, None),
    }
}

fn pictures(name: &str, camera: &Camera, found: &Pictures) -> Check {
    let Pictures { width, height, rate_hz } = found;
    let found = format!("{width} x {height} at {rate_hz:.1} Hz");
    if *rate_hz >= SLOW * f64::from(camera.rate_hz) {
        return Check::ok(name, found);
    }
    let remedy = match camera.source {
        Source::V4l { .. } => {
            "give it more light or a fixed `exposure`, or put fewer cameras on one hub; `jaco cameras \
             list` shows the rates that it has"
        }
        Source::Sim => {
            "the simulator renders on the processor: leave it more time, or lower rate_hz"
        }
    };
    Check::warn(name, format!("{found}, {} Hz are configured", camera.rate_hz), remedy)
}

fn fault(name: &str, camera: &Camera, fault: &str, kind: Option<&str>) -> Check {
    let remedy = match (kind, &camera.source) {
        (Some("dark"), _) => "take the cap off the lens, or switch the light on".to_owned(),
        (Some("torn" | "late"), Source::V4l { .. }) => {
            "put fewer cameras on one hub, or use a shorter cable".to_owned()
        }
        (_, Source::Sim) => "start jaco-sim on the socket of [sim]".to_owned(),
        (_, Source::V4l { device }) => format!(
            "see that {device} is the camera that is meant (`jaco cameras list`), that this user is \
             in the group video, and that no other program has it"
        ),
    };
    Check::fail(name, fault, remedy)
}
