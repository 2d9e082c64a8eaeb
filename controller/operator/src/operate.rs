//! The short verbs: one request to the daemon, what it answers in words or as JSON.
//!
//! Words go to stderr or, for people, stdout; with `--json` stdout holds one object and nothing
//! else. No control logic: that is the daemon's.

use anyhow::Context;
use jaco_api::client::{Client, ClientError};
use jaco_api::{CameraStatus, Done, Event, RunEvent, SessionEvent, Status, StopEvent};
use jaco_cli::exit;
use jaco_shell::args::Unusable;
use jaco_shell::say;
use serde::Serialize;
use std::fmt::Write;
use std::io::ErrorKind;
use std::time::Duration;

/// Time in which the daemon must answer a stop at all.
const FIRST_LINE: Duration = Duration::from_secs(5);

/// The exit code that stands for `error`.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NoDaemon { error, .. }) if error.kind() == ErrorKind::InvalidInput => {
            exit::USAGE
        }
        Some(ClientError::NoDaemon { .. }) => exit::NO_DAEMON,
        Some(ClientError::Refused(_)) => exit::REFUSED,
        _ if Unusable::is_in(error) => exit::USAGE,
        _ => exit::FAILED,
    }
}

/// `jaco status`.
pub async fn status(client: &Client, json: bool) -> anyhow::Result<()> {
    let status: Status = client.get("/v1/status").await?;
    match json {
        true => say::object(&status),
        false => say::line(in_words(&status).trim_end()).map(drop),
    }
}

/// `jaco events`: until the daemon ends, or nobody reads any more.
pub async fn events(client: &Client, json: bool) -> anyhow::Result<()> {
    let mut events = client.get_lines("/v1/events").await?;
    while let Some(event) = events.next::<Event>().await? {
        let heard = match json {
            true => say::line(serde_json::to_string(&event)?)?,
            false => say::line(told(&event))?,
        };
        if !heard {
            break;
        }
    }
    Ok(())
}

fn told(event: &Event) -> String {
    match event {
        Event::Activity { now, why } => format!("{now}: {why}"),
        Event::Stop { latched: true, why } => format!("a stop is latched: {why}"),
        Event::Stop { latched: false, why } => format!("the stop is released: {why}"),
        Event::Fault { part, fault: Some(fault) } => format!("{part}: {fault}"),
        Event::Fault { part, fault: None } => format!("{part}: works"),
        Event::Recorded { file, why } => format!("recorded in {}: {why}", file.display()),
        Event::Missed { count } => format!("({count} events were missed here)"),
        Event::Session { session } => in_session(session),
        Event::Run { run } => match run {
            RunEvent::Started { run_id } => format!("run {run_id} began"),
            RunEvent::Progress(progress) => format!("step {}", progress.step),
            RunEvent::ChangesHands { by_person: true } => "a person drives".to_owned(),
            RunEvent::ChangesHands { by_person: false } => "the policy drives again".to_owned(),
            RunEvent::Recorded { what, .. } => what.clone(),
            RunEvent::Held { verdict } => format!("the arm holds: {}", verdict.detail),
            RunEvent::Ended { summary, .. } => summary.clone(),
        },
    }
}

fn in_session(event: &SessionEvent) -> String {
    match event {
        SessionEvent::Began { dataset: Some(root), .. } => {
            format!("a session records into {}", root.display())
        }
        SessionEvent::Began { dataset: None, .. } => "a session begins".to_owned(),
        SessionEvent::Progress(progress) => format!("step {}", progress.steps),
        SessionEvent::Step { step } => format!("step {step}"),
        SessionEvent::Told { what } => what.clone(),
        SessionEvent::Still { why: Some(why) } => format!("nothing moves: {why}"),
        SessionEvent::Still { why: None } => "the arm is steered".to_owned(),
        SessionEvent::Recording { episode } => format!("episode {episode} begins"),
        SessionEvent::Kept(kept) => format!("episode {} is kept", kept.episode),
        SessionEvent::Discarded { steps } => format!("an episode of {steps} steps is discarded"),
        SessionEvent::Ended { why, .. } => format!("the session is over: {why}"),
    }
}

/// `jaco home`, `reset`, `release` and `take`: one request, one answer.
pub async fn request(client: &Client, path: &str, json: bool) -> anyhow::Result<()> {
    let done: Done = client.post(path, &serde_json::json!({})).await?;
    match json {
        true => say::object(&done),
        false => say::line(&done.done).map(drop),
    }
}

/// What `jaco stop --json` prints.
#[derive(Debug, Serialize)]
struct Stopped {
    stands: bool,
    detail: String,
}

/// `jaco stop`. True when readings of the arm show that it stands, and the stop is saved.
pub async fn stop(client: &Client, json: bool) -> anyhow::Result<bool> {
    let request = serde_json::json!({});
    let asked = tokio::time::timeout(FIRST_LINE, client.post_lines("/v1/stop", &request)).await;
    let Ok(asked) = asked else {
        let detail = format!(
            "NOT CONFIRMED: the daemon has not answered within {} s. The sure stop is the arm's \
             power button",
            FIRST_LINE.as_secs()
        );
        print_stop(json, &Stopped { stands: false, detail })?;
        return Ok(false);
    };
    let mut events = asked?;
    let stopped = loop {
        let event = events.next::<StopEvent>().await?;
        match event.context("the daemon ended before the arm was seen at rest")? {
            StopEvent::Sent => say::aside("the stop is sent; waiting for the arm to stand ..."),
            StopEvent::Stands { unsaved: None } => {
                let detail = "stopped: the arm stands; `jaco reset` releases it".to_owned();
                break Stopped { stands: true, detail };
            }
            StopEvent::Stands { unsaved: Some(why) } => {
                let detail =
                    format!("the arm stands, but a restart of jacod would forget the stop: {why}");
                print_stop(json, &Stopped { stands: true, detail })?;
                return Ok(false);
            }
            StopEvent::Unconfirmed { known, doing } => {
                break Stopped {
                    stands: false,
                    detail: format!("NOT CONFIRMED: {known}. {doing}"),
                };
            }
        }
    };
    print_stop(json, &stopped)?;
    Ok(stopped.stands)
}

fn print_stop(json: bool, stopped: &Stopped) -> anyhow::Result<()> {
    match json {
        true => say::object(stopped),
        false => say::line(&stopped.detail).map(drop),
    }
}

fn in_words(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<9}{value}");
    };
    line("mode", status.mode.to_string());
    if let Some(why) = &status.stop {
        line("stop", format!("{why}; `jaco reset` releases it"));
    }
    for fault in &status.faults {
        line("fault", fault.clone());
    }
    if let Some(file) = &status.flight_record {
        line("recorded", format!("last in {}", file.display()));
    }
    if let (Some([x, y, z]), Some(opening)) = (status.position_m, status.opening) {
        line(
            "tool",
            format!("x {x:+.3} m  y {y:+.3} m  z {z:+.3} m  gripper {:.0} % open", opening * 100.0),
        );
    }
    if let Some(joints) = status.joints_deg {
        let joints: Vec<String> = joints.iter().map(|angle| format!("{angle:.1}")).collect();
        line("joints", format!("{} deg", joints.join(" ")));
    }
    line(
        "servo",
        format!(
            "{} points sent in {} ticks, {} late, {} restarts",
            status.points_sent, status.ticks, status.late_ticks, status.servo_restarts
        ),
    );
    for camera in &status.cameras {
        line("camera", camera_in_words(camera));
    }
    if let Some(pad) = status.pad.chosen.as_ref().filter(|_| status.pad.fault.is_empty()) {
        line("gamepad", pad.clone());
    } else if !status.pad.pads.is_empty() {
        line("gamepad", status.pad.fault.clone());
    }
    if let Some(policy) = &status.policy {
        line("policy", format!("{} (H <= {})", policy.checkpoint.display(), policy.horizon));
        if let Some(adapter) = &policy.adapter {
            line("adapter", adapter.display().to_string());
        }
        line(
            "decoding",
            format!(
                "{}; statistics of {}; {} on {}",
                policy.decode, policy.statistics, policy.dtype, policy.device
            ),
        );
    }
    text
}

fn camera_in_words(camera: &CameraStatus) -> String {
    let age = match camera.frame_age_ms {
        Some(age) => format!("{} frames, the last {age:.0} ms ago", camera.frames),
        None => "no frame yet".to_owned(),
    };
    let dropped = match camera.dropped {
        0 => String::new(),
        dropped => format!(", {dropped} damaged"),
    };
    let fault = if camera.fault.is_empty() { "" } else { ": " };
    format!("{} {age}{dropped}{fault}{}", camera.name, camera.fault)
}
